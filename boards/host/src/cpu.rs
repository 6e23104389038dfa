//! The CPU's boot ROM: what runs between a reset and the first instruction of an image.
//!
//! [`execute`] replaces this process by the program that stands in flash. It runs from an
//! anonymous file, so what executes is a copy of the flash as it was at that moment, and the chip's
//! wire (standard input) and console (standard output) go on to the new program.

use crate::HostFlash;
use otaru_flash::Flash;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

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
