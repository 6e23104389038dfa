//! The chip: everything of a device that is not its CPU.
//!
//! Power switch, reset button, watchdog, flash with the rules of NOR, retained RAM, a serial
//! console that others can read along, a network cable that can be pulled, and a control socket
//! for all of it. The CPU is a child process; the chip starts it, ends it and starts it again, as
//! a reset does.
//!
//! One thread, one poll loop: what happens to a device happens in one order.
//!
//! ```text
//!            control.sock    console.sock   pty
//!                 │               ▲          ▲
//!  flash.bin ── chip ─────────────┴──────────┘
//!                 │ socket pair (the CPU's stdin)  ▲ pipe (its stdout and stderr)
//!                 ▼                                │
//!                CPU: bootloader, then execve → firmware
//! ```

mod connection;
mod console;
mod counters;
mod emulator;
mod flash;
mod geometry;
mod input;
mod machine;
mod noise;
mod processor;
mod requests;
mod retained;
mod serve;
mod units;
mod unstable;

pub use crate::wire::FlashFault;
pub use console::{HISTORY_LEN, LOG_LEN_MAX};
pub use counters::{AreaCount, Count, Counters};
pub use flash::{BadAccess, BadRange};
pub use geometry::{AREAS_MAX, FLASH_LEN_MAX, Geometry, GeometryError, NamedArea};

use crate::control::DeviceFile;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// What a chip needs to know.
#[derive(Debug, Clone)]
pub struct ChipConfig {
    /// The device folder; made if it is missing.
    pub dir: PathBuf,
    /// Name of the board, shown in the status.
    pub board: String,
    /// The flash. `None` takes what the device was made with.
    pub geometry: Option<Geometry>,
    /// The program that stands for the CPU.
    pub cpu: CpuProgram,
    /// Whether to offer the console as a terminal device as well.
    pub pty: bool,
    /// Whether the device is switched on at once.
    pub power: bool,
    /// Seed of everything random in this chip; a different one each time if absent.
    pub seed: Option<u64>,
}

/// The program that stands for the CPU.
#[derive(Debug, Clone)]
pub struct CpuProgram {
    /// Its path, absolute.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// What it is to the chip.
    pub kind: CpuKind,
}

/// What a program that stands for the CPU is to the chip.
#[derive(Debug, Clone)]
pub enum CpuKind {
    /// It calls [`crate::cpu::main`], and speaks over the wire to this chip's flash, watchdog and
    /// network.
    Process,
    /// It calls [`crate::emulator::main`]: a machine of its own, with its own watchdog, network and
    /// RAM, whose flash parts are this chip's flash file. What the chip has for it is power, the
    /// buttons, the debug probe and the console.
    Emulator {
        /// What stands at the start of the flash, before every area; written by the chip, as the
        /// board's maker would.
        bootloader: Vec<u8>,
    },
}

/// A chip that is ready: its sockets can be connected to.
#[derive(Debug, Clone)]
pub struct Ready {
    /// The terminal device that shows the console, if one was asked for.
    pub pty: Option<PathBuf>,
}

/// Why a chip cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ChipError {
    /// Another chip runs in this folder.
    #[error(
        "a device already runs in {}: use it, or stop it with `otaru device stop`",
        .0.display()
    )]
    InUse(PathBuf),
    /// The folder holds no device, and no geometry says how to make one.
    #[error("there is no device in {}: name a board to make one", .0.display())]
    NoDevice(PathBuf),
    /// The geometry makes no sense.
    #[error("the flash of board {board} cannot be modelled: {cause}")]
    Geometry {
        /// Name of the board.
        board: String,
        /// What is wrong.
        #[source]
        cause: GeometryError,
    },
    /// The file system, a socket or the poll loop failed.
    #[error("{what} failed: {cause}")]
    Io {
        /// What the chip tried.
        what: &'static str,
        /// What the system answered.
        #[source]
        cause: io::Error,
    },
}

impl ChipError {
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io { what, cause }
    }
}

/// Holds the folder: no second chip can use it meanwhile.
#[derive(Debug)]
struct FolderLock(File);

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Unlocked and not only closed: a process that is being started right now by another
        // thread may hold a copy for a moment. If this fails, closing does it.
        drop(self.0.unlock());
    }
}

fn lock(dir: &Path) -> Result<FolderLock, ChipError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join("lock"))
        .map_err(ChipError::io("opening the lock file"))?;
    match file.try_lock() {
        Ok(()) => Ok(FolderLock(file)),
        Err(std::fs::TryLockError::WouldBlock) => Err(ChipError::InUse(dir.to_owned())),
        Err(std::fs::TryLockError::Error(cause)) => Err(ChipError::Io {
            what: "locking the device folder",
            cause,
        }),
    }
}

/// Runs a device until somebody asks it to shut down. `ready` is called once, when both sockets
/// accept connections.
///
/// The CPU ends with this thread, so call it from one that lives as long as the device.
///
/// # Errors
/// [`ChipError`]. Faults of the firmware are not errors.
pub fn run(config: &ChipConfig, ready: impl FnOnce(&Ready)) -> Result<(), ChipError> {
    std::fs::create_dir_all(&config.dir).map_err(ChipError::io("making the device folder"))?;
    let lock = lock(&config.dir)?;
    let stored = DeviceFile::load(&config.dir).map_err(ChipError::io("reading the device file"))?;
    let geometry = config
        .geometry
        .clone()
        .or_else(|| stored.as_ref().map(|file| file.geometry.clone()))
        .ok_or_else(|| ChipError::NoDevice(config.dir.clone()))?;
    geometry.check().map_err(|cause| ChipError::Geometry {
        board: config.board.clone(),
        cause,
    })?;
    let file = DeviceFile {
        board: config.board.clone(),
        geometry,
        boots: stored.map_or(0, |file| file.boots),
    };
    let machine = machine::Machine::new(config, file)?;
    let result = serve::run(machine, config, ready);
    drop(lock);
    result
}
