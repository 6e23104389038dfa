//! The poll loop: sockets, streams of the CPU and timers around one [`Machine`].

use super::connection::{Connection, Incoming};
use super::console::Listener;
use super::machine::{Answer, Machine};
use super::requests::refusal;
use super::{ChipConfig, ChipError, Ready};
use crate::control::{CONSOLE_SOCKET, CONTROL_SOCKET, bind};
use crate::wire::{PROGRAM_LEN_MAX, REQUEST_LEN, Reply, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Most connections of each kind; further ones are closed at once.
const CONNECTIONS_MAX: usize = 64;

/// What a file descriptor in the poll set stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Control,
    Console,
    Link,
    Output,
    #[cfg(target_os = "linux")]
    Exit,
    Connection(usize),
    Reader(usize),
    Terminal,
}

/// Someone who reads the console.
#[derive(Debug)]
struct Reader<S> {
    stream: S,
    listener: Listener,
}

/// The chip with everything it listens to.
#[derive(Debug)]
struct Server {
    machine: Machine,
    control: UnixListener,
    console: UnixListener,
    connections: Vec<Connection>,
    readers: Vec<Reader<UnixStream>>,
    terminal: Option<Terminal>,
    connection_count: u64,
}

/// The console as a terminal device.
#[derive(Debug)]
struct Terminal {
    reader: Reader<File>,
    /// Kept open: without anybody at the other end a terminal reports a hang-up for ever.
    _other_end: File,
}

impl Terminal {
    /// Opens a pseudo-terminal in raw mode, so that nothing the CPU prints comes back as an echo.
    /// The path is for a terminal program.
    fn open(listener: Listener) -> io::Result<(Self, PathBuf)> {
        use rustix::fs::{Mode, OFlags};
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
        let stream = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&stream)?;
        unlockpt(&stream)?;
        let path = ptsname(&stream, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let other_end = rustix::fs::open(path.as_c_str(), flags, Mode::empty())?;
        let mut attributes = tcgetattr(&other_end)?;
        attributes.make_raw();
        tcsetattr(&other_end, OptionalActions::Now, &attributes)?;
        rustix::io::ioctl_fionbio(&stream, true)?;
        let path = path
            .into_string()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let terminal = Self {
            reader: Reader {
                stream: File::from(stream),
                listener,
            },
            _other_end: File::from(other_end),
        };
        Ok((terminal, PathBuf::from(path)))
    }
}

/// Runs the device until it is shut down.
pub(super) fn run(
    mut machine: Machine,
    config: &ChipConfig,
    ready: impl FnOnce(&Ready),
) -> Result<(), ChipError> {
    let listen = |name| -> io::Result<UnixListener> {
        let listener = bind(&config.dir, name)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    let control = listen(CONTROL_SOCKET).map_err(ChipError::io("listening on control.sock"))?;
    let console = listen(CONSOLE_SOCKET).map_err(ChipError::io("listening on console.sock"))?;
    let terminal = if config.pty {
        let (terminal, path) = Terminal::open(machine.console.listener())
            .map_err(ChipError::io("opening a terminal"))?;
        machine.pty = Some(path);
        Some(terminal)
    } else {
        None
    };
    let mut server = Server {
        machine,
        control,
        console,
        connections: Vec::new(),
        readers: Vec::new(),
        terminal,
        connection_count: 0,
    };
    ready(&Ready {
        pty: server.machine.pty.clone(),
    });
    if config.power {
        server.machine.power_on()?;
    }
    let result = server.serve();
    let stopped = server.machine.shut_down();
    for name in [CONTROL_SOCKET, CONSOLE_SOCKET] {
        // A socket that stays behind refuses connections and is replaced by the next chip.
        drop(std::fs::remove_file(server.machine.dir().join(name)));
    }
    result.and(stopped)
}

impl Server {
    fn serve(&mut self) -> Result<(), ChipError> {
        while !self.machine.shutdown {
            self.notify();
            self.flush();
            if self.drop_closed()? {
                continue;
            }
            let ready = self.wait()?;
            for (source, flags) in ready {
                self.handle(source, flags)?;
            }
            if cfg!(not(target_os = "linux")) {
                self.machine.check_exit()?;
            }
            self.machine.tick(Instant::now())?;
        }
        self.notify();
        self.flush();
        Ok(())
    }

    /// Waits until something can be done; what that is.
    fn wait(&self) -> Result<Vec<(Source, PollFlags)>, ChipError> {
        let mut sources = vec![Source::Control, Source::Console];
        let mut fds = vec![
            PollFd::new(&self.control, PollFlags::IN),
            PollFd::new(&self.console, PollFlags::IN),
        ];
        if let Some(cpu) = &self.machine.cpu {
            #[cfg(target_os = "linux")]
            {
                sources.push(Source::Exit);
                fds.push(PollFd::from_borrowed_fd(cpu.exit_fd(), PollFlags::IN));
            }
            sources.push(Source::Output);
            fds.push(PollFd::from_borrowed_fd(cpu.output_fd(), PollFlags::IN));
            if cpu.end_by.is_none() {
                sources.push(Source::Link);
                fds.push(PollFd::new(&cpu.link, PollFlags::IN));
            }
        }
        for (index, connection) in self.connections.iter().enumerate() {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, connection.wants_read());
            flags.set(PollFlags::OUT, connection.wants_write());
            sources.push(Source::Connection(index));
            fds.push(PollFd::new(&connection.stream, flags));
        }
        for (index, reader) in self.readers.iter().enumerate() {
            // A reader that is gone reports a hang-up; what one sends is not taken.
            let mut flags = PollFlags::empty();
            let behind = reader.listener.is_behind(&self.machine.console);
            flags.set(PollFlags::OUT, behind);
            sources.push(Source::Reader(index));
            fds.push(PollFd::new(&reader.stream, flags));
        }
        if let Some(terminal) = &self.terminal {
            let behind = terminal.reader.listener.is_behind(&self.machine.console);
            let cpu = self.machine.cpu.as_ref();
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, cpu.is_none_or(|cpu| cpu.input.has_room()));
            flags.set(PollFlags::OUT, behind);
            sources.push(Source::Terminal);
            fds.push(PollFd::new(&terminal.reader.stream, flags));
        }
        let timeout = self.deadline().map(|at| {
            let left = at.saturating_duration_since(Instant::now());
            // Rounded up, so that the loop does not spin through the last millisecond.
            let left = left + Duration::from_micros(500);
            Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            }
        });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(ChipError::io("polling")(error.into())),
        }
        Ok(sources
            .into_iter()
            .zip(fds.iter().map(PollFd::revents))
            .filter(|(_, flags)| !flags.is_empty())
            .collect())
    }

    /// When the loop has to go on without anything having happened.
    fn deadline(&self) -> Option<Instant> {
        // Where a process is not a file descriptor, one that has closed its wire is asked again
        // and again.
        let closing = |cpu: &super::processor::Processor| cpu.end_by.is_some();
        if cfg!(not(target_os = "linux")) && self.machine.cpu.as_ref().is_some_and(closing) {
            return Some(Instant::now() + Duration::from_millis(5));
        }
        self.machine.deadline()
    }

    fn handle(&mut self, source: Source, flags: PollFlags) -> Result<(), ChipError> {
        match source {
            Source::Control => self.accept_control(),
            Source::Console => self.accept_console(),
            Source::Output => self.read_output(),
            Source::Link => self.serve_link()?,
            #[cfg(target_os = "linux")]
            Source::Exit => self.machine.check_exit()?,
            Source::Connection(index) => self.serve_connection(index, flags)?,
            Source::Reader(index) => self.check_reader(index, flags),
            Source::Terminal => self.check_terminal(flags)?,
        }
        Ok(())
    }

    fn accept_control(&mut self) {
        while let Ok((stream, _)) = self.control.accept() {
            self.connection_count += 1;
            if self.connections.len() < CONNECTIONS_MAX
                && let Ok(connection) = Connection::new(self.connection_count, stream)
            {
                self.connections.push(connection);
            }
        }
    }

    fn accept_console(&mut self) {
        while let Ok((stream, _)) = self.console.accept() {
            if self.readers.len() < CONNECTIONS_MAX && stream.set_nonblocking(true).is_ok() {
                let listener = self.machine.console.listener();
                self.readers.push(Reader { stream, listener });
            }
        }
    }

    /// A block at a time, so that a CPU that never stops printing does not stop the chip.
    fn read_output(&mut self) {
        let mut block = [0; 0x1000];
        if let Some(cpu) = &mut self.machine.cpu {
            let count = cpu.read_output(&mut block);
            self.machine
                .console
                .print(block.get(..count).unwrap_or_default());
        }
    }

    fn serve_link(&mut self) -> Result<(), ChipError> {
        let mut block = [0; 0x1000];
        let Some(cpu) = &mut self.machine.cpu else {
            return Ok(());
        };
        match cpu.link.read(&mut block) {
            Ok(0) => {
                self.machine.wire_closed();
                return Ok(());
            }
            Ok(count) => cpu
                .received
                .extend_from_slice(block.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(_reset) => {
                self.machine.wire_closed();
                return Ok(());
            }
        }
        while let Some(cpu) = &mut self.machine.cpu {
            let Some((request, payload)) = next_request(&mut cpu.received) else {
                break;
            };
            if request.len as usize > PROGRAM_LEN_MAX {
                let text = "sent a request longer than the wire allows";
                return self.machine.crash(text.to_owned());
            }
            let answer = self.machine.serve_cpu(request, &payload)?;
            self.answer(&answer)?;
        }
        Ok(())
    }

    /// Answers the CPU; one that does not read that has crashed.
    fn answer(&mut self, answer: &Answer) -> Result<(), ChipError> {
        if self.reply(answer).is_err() {
            let text = "does not read the chip's replies";
            return self.machine.crash(text.to_owned());
        }
        Ok(())
    }

    fn reply(&mut self, answer: &Answer) -> io::Result<()> {
        let Some(cpu) = &mut self.machine.cpu else {
            return Ok(());
        };
        let reply = |status, value, len| Reply { status, value, len }.encode();
        match answer {
            Answer::Gone | Answer::Later => Ok(()),
            Answer::Done(value) => cpu.link.write_all(&reply(0, *value, 0)),
            Answer::Fault(fault) => cpu.link.write_all(&reply(fault.code(), 0, 0)),
            Answer::Input(bytes) => {
                let len = u32::try_from(bytes.len()).unwrap_or(0);
                cpu.link
                    .write_all(&[reply(0, 0, len).as_slice(), bytes].concat())
            }
            Answer::Hello(hello) => {
                let body = hello.encode();
                let len = u32::try_from(body.len()).unwrap_or(0);
                let header = reply(0, 0, len);
                let files = self.machine.hello_files()?;
                let Some(cpu) = &self.machine.cpu else {
                    return Ok(());
                };
                let fds = files.each_ref().map(AsFd::as_fd);
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
                    return Err(io::ErrorKind::OutOfMemory.into());
                }
                let parts = [IoSlice::new(&header), IoSlice::new(&body)];
                let sent = sendmsg(&cpu.link, &parts, &mut control, SendFlags::empty())?;
                if sent == header.len() + body.len() {
                    Ok(())
                } else {
                    Err(io::ErrorKind::WriteZero.into())
                }
            }
        }
    }

    fn serve_connection(&mut self, index: usize, flags: PollFlags) -> Result<(), ChipError> {
        let Some(connection) = self.connections.get_mut(index) else {
            return Ok(());
        };
        let readable = flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR);
        let alive = !readable || connection.receive();
        let id = connection.id;
        while let Some(connection) = self.connections.get_mut(index) {
            let Some(incoming) = connection.next_request() else {
                break;
            };
            let (subscribes, (response, frame)) = match incoming {
                Incoming::Malformed(reason) => (false, refusal(reason)),
                Incoming::Request(request, frame) => {
                    let subscribes = request == crate::control::Request::Events;
                    if subscribes {
                        // What happened before is in the status; only what follows is an event.
                        self.notify();
                    }
                    (subscribes, self.machine.handle(id, request, &frame)?)
                }
            };
            let Some(connection) = self.connections.get_mut(index) else {
                break;
            };
            connection.respond(&response, &frame);
            if subscribes {
                connection.subscribe();
            }
        }
        if !alive && let Some(connection) = self.connections.get_mut(index) {
            connection.hang_up();
        }
        Ok(())
    }

    fn check_reader(&mut self, index: usize, flags: PollFlags) {
        if let Some(reader) = self.readers.get_mut(index)
            && flags.intersects(PollFlags::HUP | PollFlags::ERR)
        {
            reader.listener.leave();
        }
    }

    /// Passes on what somebody typed.
    fn check_terminal(&mut self, flags: PollFlags) -> Result<(), ChipError> {
        let mut block = [0; 0x1000];
        let mut count = 0;
        let gone = match &mut self.terminal {
            Some(terminal) if flags.contains(PollFlags::IN) => {
                let read = terminal.reader.stream.read(&mut block);
                count = *read.as_ref().unwrap_or(&0);
                read.is_err()
            }
            Some(_) => flags.intersects(PollFlags::HUP | PollFlags::ERR),
            None => false,
        };
        if gone {
            self.terminal = None;
        }
        let typed = block.get(..count).unwrap_or_default();
        let emulated = self.machine.is_emulated();
        let input = self.machine.cpu.as_mut().and_then(|cpu| {
            if emulated {
                // As on a serial line, what the machine does not take in time is lost.
                drop(cpu.link.write_all(typed));
                return None;
            }
            cpu.input.push(typed);
            cpu.input.take()
        });
        match input {
            Some(bytes) => self.answer(&Answer::Input(bytes)),
            None => Ok(()),
        }
    }

    /// Sends waiting events to the connections that asked for them.
    fn notify(&mut self) {
        for event in self.machine.take_events() {
            for connection in &mut self.connections {
                connection.notify(&event);
            }
        }
    }

    /// Writes what can be written.
    fn flush(&mut self) {
        for connection in &mut self.connections {
            connection.flush();
        }
        let console = &self.machine.console;
        self.readers.retain_mut(|reader| {
            let written = reader.listener.write_to(console, &mut reader.stream);
            written.is_ok() && !reader.listener.has_left()
        });
        if let Some(Terminal { reader, .. }) = &mut self.terminal
            && reader
                .listener
                .write_to(console, &mut reader.stream)
                .is_err()
        {
            self.terminal = None;
        }
    }

    /// Removes connections that are over; a debug probe among them lets the CPU go. Whether there
    /// were any.
    fn drop_closed(&mut self) -> Result<bool, ChipError> {
        let closed: Vec<u64> = self
            .connections
            .iter()
            .filter(|connection| connection.is_over())
            .map(|connection| connection.id)
            .collect();
        self.connections.retain(|connection| !connection.is_over());
        for id in &closed {
            self.machine.release(*id)?;
        }
        Ok(!closed.is_empty())
    }
}

/// Takes the next complete request out of what the CPU sent. One that is too long is returned
/// without its bytes.
fn next_request(received: &mut Vec<u8>) -> Option<(Request, Vec<u8>)> {
    let header = received.first_chunk::<REQUEST_LEN>()?;
    let request = Request::decode(header);
    let len = request.len as usize;
    if len > PROGRAM_LEN_MAX {
        return Some((request, Vec::new()));
    }
    let payload = received.get(REQUEST_LEN..REQUEST_LEN + len)?.to_vec();
    received.drain(..REQUEST_LEN + len);
    Some((request, payload))
}
