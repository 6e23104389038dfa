//! The CPU as a process: starting it, ending it, and the two streams to it.

use super::CpuProgram;
use super::input::ConsoleInput;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::Instant;

/// A running CPU.
#[derive(Debug)]
pub(super) struct Processor {
    child: Child,
    group: Pid,
    /// The chip's end of the wire.
    pub(super) link: UnixStream,
    /// Bytes of the wire that are not a whole request yet.
    pub(super) received: Vec<u8>,
    /// What was typed for it.
    pub(super) input: ConsoleInput,
    output: PipeReader,
    #[cfg(target_os = "linux")]
    exit: OwnedFd,
    /// When it was started.
    pub(super) started: Instant,
    /// Set when it closed the wire: until when it has to have ended.
    pub(super) end_by: Option<Instant>,
    /// Whether it was stopped without being ended.
    pub(super) frozen: bool,
}

impl Processor {
    /// Starts the program with one end of a socket pair as its standard input and one pipe as its
    /// output; nothing else is inherited, as little as a reset hands over.
    pub(super) fn start(program: &CpuProgram) -> io::Result<Self> {
        let (link, cpu_end) = UnixStream::pair()?;
        link.set_nonblocking(true)?;
        let (output, cpu_output) = io::pipe()?;
        rustix::io::ioctl_fionbio(&output, true)?;
        let mut child = Command::new(&program.program)
            .args(&program.args)
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(cpu_end))
            .stdout(cpu_output.try_clone()?)
            .stderr(cpu_output)
            .process_group(0)
            .spawn()?;
        let group = Pid::from_child(&child);
        #[cfg(target_os = "linux")]
        let exit = match rustix::process::pidfd_open(group, rustix::process::PidfdFlags::empty()) {
            Ok(exit) => exit,
            Err(error) => {
                child.kill()?;
                child.wait()?;
                return Err(error.into());
            }
        };
        Ok(Self {
            child,
            group,
            link,
            received: Vec::new(),
            input: ConsoleInput::default(),
            output,
            #[cfg(target_os = "linux")]
            exit,
            started: Instant::now(),
            end_by: None,
            frozen: false,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn output_fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// Readable when the process has ended.
    #[cfg(target_os = "linux")]
    pub(super) fn exit_fd(&self) -> BorrowedFd<'_> {
        self.exit.as_fd()
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Reads what it printed; 0 when there is nothing (more).
    pub(super) fn read_output(&mut self, buf: &mut [u8]) -> usize {
        self.output.read(buf).unwrap_or(0)
    }

    /// Stops it without ending it.
    pub(super) fn freeze(&mut self) -> io::Result<()> {
        kill_process_group(self.group, Signal::STOP)?;
        self.frozen = true;
        Ok(())
    }

    /// Makes the program die as one does that aborts. A frozen one is let go, or it could not die.
    pub(super) fn abort(&mut self) -> io::Result<()> {
        kill_process_group(self.group, Signal::ABORT)?;
        if self.frozen {
            kill_process_group(self.group, Signal::CONT)?;
        }
        Ok(())
    }

    /// Ends it at once, with everything it started.
    pub(super) fn kill(&mut self) -> io::Result<ExitStatus> {
        match kill_process_group(self.group, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            // The group may consist of a zombie only; the process itself can still be ended.
            Err(_other) => self.child.kill()?,
        }
        self.child.wait()
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        // Already ended in every ordinary case; an error means that there is nothing left to end.
        drop(self.kill());
    }
}
