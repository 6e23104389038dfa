//! The CPU between a reset and the first instruction of an image.
//!
//! [`main`] is a whole boot: it runs the bootloader, prints what that does, leaves its message in
//! retained RAM and executes the image that stands in the execution slot. [`execute`] replaces
//! this process by the program in flash. It runs from an anonymous file, so what executes is a
//! copy of the flash as it was at that moment, and the chip's wire (standard input) and console
//! (standard output) go on to the new program.

mod recovery;
mod report;

use crate::{Board, DEVICE_BLOCK_AT, HANDOVER_LEN, HostFlash, ResetCause};
use otaru_bootloader::{Boot, Event, Port, Start, Started};
use otaru_flash::Flash;
use otaru_image::StandardVerifier;
use report::Report;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Bytes of the bootloader's copy buffer; half of it holds data.
const BUFFER_LEN: usize = 0x1_0000;

/// Boots. Never returns: the process becomes the firmware, or stays in recovery until a client on
/// the console resets the device, or the chip ends it.
///
/// A program that stands for the CPU calls this and nothing else; see [`crate::chip::CpuProgram`].
pub fn main() -> ! {
    match Board::take() {
        Ok(board) => boot(&board),
        Err(error) => {
            say(&format!("this is the CPU of a host board: {error}"));
            std::process::abort()
        }
    }
}

/// Prints a line of the bootloader.
fn say(line: &str) {
    // The chip reads everything that is printed; without it this process ends anyway.
    drop(writeln!(io::stdout(), ":: {line}"));
}

/// What the bootloader needs from this board.
struct Services<'b> {
    board: &'b Board,
    report: Report,
}

impl Port for Services<'_> {
    type Verifier = StandardVerifier;

    // A process on the developer's own machine, however this program was built.
    const DEVELOPMENT_KEYS: bool = true;

    fn verifier(&mut self) -> StandardVerifier {
        StandardVerifier::default()
    }

    fn feed_watchdog(&mut self) {
        self.board.feed_watchdog();
    }

    fn arm_watchdog(&mut self, timeout_ms: u32) {
        if self.board.arm_watchdog(timeout_ms).is_err() {
            say("the chip refuses to arm the watchdog");
        }
    }

    fn now_ms(&mut self) -> u32 {
        // Wraps after 49 days, as the bootloader allows.
        u32::try_from(self.board.millis() & u64::from(u32::MAX)).unwrap_or(0)
    }

    fn recovery_requested(&mut self) -> bool {
        self.board.recovery_button()
    }

    fn report(&mut self, event: Event<'_>) {
        if matches!(event, Event::Stopped(_)) {
            self.board.open_console();
        }
        for line in self.report.lines(&event) {
            say(&line);
        }
    }
}

const fn cause_of(cause: ResetCause) -> otaru_bootloader::ResetCause {
    match cause {
        ResetCause::PowerOn | ResetCause::PowerCut => otaru_bootloader::ResetCause::PowerOn,
        ResetCause::Button => otaru_bootloader::ResetCause::Button,
        ResetCause::Watchdog => otaru_bootloader::ResetCause::Watchdog,
        ResetCause::Software => otaru_bootloader::ResetCause::Software,
        ResetCause::Crash => otaru_bootloader::ResetCause::Crash,
    }
}

fn boot(board: &Board) -> ! {
    say(&format!("Otaru bootloader {}", otaru_bootloader::VERSION));
    say(&format!("started by {}", board.reset_cause()));
    let mut flash = board.flash();
    let mut services = Services {
        board,
        report: Report::default(),
    };
    let request = Boot {
        device_block_at: DEVICE_BLOCK_AT,
        cause: cause_of(board.reset_cause()),
    };
    let mut buf = vec![0; BUFFER_LEN];
    match otaru_bootloader::start(&mut flash, &mut services, request, &mut buf) {
        Started::Image(start) => start_image(board, &mut flash, &start),
        // The bootloader has reported why.
        Started::Stopped(stopped) => recovery::run(stopped, &mut flash, &mut services, &mut buf),
    }
}

fn start_image(board: &Board, flash: &mut HostFlash, start: &Start) -> ! {
    let mut message = [0; HANDOVER_LEN];
    let len = start.journal.hand_over(&mut message).unwrap_or(0);
    board
        .retained()
        .set_handover(message.get(..len).unwrap_or_default());
    board.retained().set_bootloader(otaru_bootloader::VERSION);
    let header = &start.image.header;
    let slot = &start.block.layout.execution;
    let at = slot.offset.saturating_add(u32::from(header.header_len));
    let error = execute(flash, at, header.payload_len);
    say(&format!("the image does not start: {error}"));
    // A crash of the image, as far as the bootloader is concerned: a trial ends here.
    std::process::abort()
}

/// First bytes of every native executable that can stand in an image.
const ELF: [u8; 4] = *b"\x7FELF";
/// Bytes read at a time.
const BLOCK: u32 = 0x1_0000;

/// Why a program in flash cannot be executed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The flash does not read there.
    #[error("the image does not read: {0}")]
    Flash(#[from] crate::FlashFault),
    /// It is something else than a native executable.
    #[error("the payload is not an executable of this machine")]
    NotAnExecutable,
    /// The operating system refuses to run it.
    #[error("the payload cannot be executed: {0}")]
    Refused(#[from] io::Error),
}

/// Executes the program of `len` bytes that stands at `offset`. Returns only if that fails.
pub fn execute(flash: &mut HostFlash, offset: u32, len: u32) -> ExecuteError {
    match copy(flash, offset, len) {
        Ok(program) => run(&program),
        Err(error) => error,
    }
}

fn copy(flash: &mut HostFlash, offset: u32, len: u32) -> Result<Program, ExecuteError> {
    let mut program = Program::new()?;
    let mut block = vec![0; usize::try_from(BLOCK.min(len)).unwrap_or(0)];
    let mut done = 0;
    while done < len {
        let count = usize::try_from(BLOCK.min(len - done)).unwrap_or(0);
        let part = block.get_mut(..count).unwrap_or_default();
        let at = offset
            .checked_add(done)
            .ok_or(crate::FlashFault::OutOfBounds)?;
        flash.read(at, part)?;
        if done == 0 && !part.starts_with(&ELF) && cfg!(target_os = "linux") {
            return Err(ExecuteError::NotAnExecutable);
        }
        program.file.write_all(part)?;
        done += BLOCK.min(len - done);
    }
    Ok(program)
}

/// A file that can be executed and has no name.
#[cfg(target_os = "linux")]
struct Program {
    file: File,
}

#[cfg(target_os = "linux")]
impl Program {
    fn new() -> io::Result<Self> {
        use rustix::fs::{MemfdFlags, memfd_create};
        let file = memfd_create("otaru-image", MemfdFlags::CLOEXEC)?;
        Ok(Self {
            file: File::from(file),
        })
    }
}

#[cfg(target_os = "linux")]
fn run(program: &Program) -> ExecuteError {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", program.file.as_raw_fd());
    ExecuteError::Refused(Command::new(path).arg0("firmware").exec())
}

/// A private file; it stays until the next program of this process id is made.
#[cfg(not(target_os = "linux"))]
struct Program {
    file: File,
    path: std::path::PathBuf,
}

#[cfg(not(target_os = "linux"))]
impl Program {
    fn new() -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = std::env::temp_dir().join(format!("otaru-image-{}", std::process::id()));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o700)
            .open(&path)?;
        Ok(Self { file, path })
    }
}

#[cfg(not(target_os = "linux"))]
fn run(program: &Program) -> ExecuteError {
    ExecuteError::Refused(Command::new(&program.path).arg0("firmware").exec())
}
