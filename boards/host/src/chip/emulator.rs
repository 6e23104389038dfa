//! A CPU that is a machine emulator: what the chip does in another way for it, and what it cannot do.
//!
//! An emulated machine feeds its own watchdog and reads its flash once, when it is started. So the chip
//! cannot see flash operations, and changes the flash only while the emulator does not run.
//!
//! Every reset is a new process. QEMU keeps translated code of flash and does not notice when the part
//! is programmed: after a reset of the machine inside of one process, code of the former firmware would
//! run where the new one stands. The RAM is a file, so it survives that process, and a power cut
//! removes it.

use super::machine::Machine;
use super::{ChipError, CpuKind};
use crate::control::{Moment, Request, connect};
use crate::emulator::{NETWORK, ORDERS_SOCKET, RAM_FILE};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the emulator may take until it takes orders, and to obey one. The chip stands still meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tells the emulator of a device folder to plug the cable in or to pull it, and waits until it has
/// obeyed.
fn plug(dir: &Path, up: bool) -> io::Result<()> {
    let begun = Instant::now();
    let mut stream = loop {
        match connect(dir, ORDERS_SOCKET) {
            Ok(stream) => break stream,
            // One that was started a moment ago does not listen yet.
            Err(_) if begun.elapsed() < PATIENCE => std::thread::yield_now(),
            Err(error) => return Err(error),
        }
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let lost = || io::Error::from(io::ErrorKind::UnexpectedEof);
    // It greets, and takes no order before this one.
    lines.next().ok_or_else(lost)??;
    let order = format!(
        "{{\"execute\":\"set_link\",\"arguments\":{{\"name\":\"{NETWORK}\",\"up\":{up}}}}}"
    );
    for text in ["{\"execute\":\"qmp_capabilities\"}", &order] {
        writeln!(stream, "{text}")?;
        loop {
            // Between an order and its answer it may tell what has happened to the machine.
            let line = lines.next().ok_or_else(lost)??;
            if line.contains("\"return\"") {
                break;
            }
            if line.contains("\"error\"") {
                return Err(io::Error::other(line));
            }
        }
    }
    Ok(())
}

impl Machine {
    /// Whether the CPU is a machine of its own.
    pub(super) fn is_emulated(&self) -> bool {
        matches!(self.program.kind, CpuKind::Emulator { .. })
    }

    /// Writes the bootloader of an emulated machine.
    pub(super) fn write_bootloader(&mut self) -> Result<(), ChipError> {
        let CpuKind::Emulator { bootloader } = &self.program.kind else {
            return Ok(());
        };
        self.flash
            .write_unused(bootloader)
            .map_err(ChipError::io("writing the bootloader"))
    }

    /// Learns which units of the flash an emulated machine has programmed.
    pub(super) fn learn_flash(&mut self) -> Result<(), ChipError> {
        if !self.is_emulated() {
            return Ok(());
        }
        self.flash
            .learn_units()
            .map_err(ChipError::io("reading the flash file"))
    }

    /// Takes the RAM of an emulated machine away, as a power loss does.
    pub(super) fn lose_ram(&mut self) -> Result<(), ChipError> {
        match std::fs::remove_file(self.dir.join(RAM_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ChipError::io("removing the file of the RAM")(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Plugs the cable of the emulated machine in or pulls it. Open connections stand still without it.
    pub(super) fn plug_network(&mut self) {
        if self.is_emulated() && self.cpu.is_some() {
            // One that ends at this moment does not obey; the next one is told when it starts.
            drop(plug(&self.dir, self.online));
        }
    }

    /// Why an emulated machine cannot do this, if it cannot.
    pub(super) fn beyond_emulator(&self, request: &Request) -> Option<&'static str> {
        if !self.is_emulated() {
            return None;
        }
        match request {
            Request::Reset(Moment { at_operation, .. })
            | Request::PowerCut(Moment { at_operation, .. }) => at_operation
                .is_some()
                .then_some("the flash operations of an emulated machine cannot be counted"),
            Request::Corrupt { .. } => self.cpu.is_some().then_some(
                "an emulated machine reads its flash when it is started: cut its power first",
            ),
            Request::Recovery => Some("this board has no recovery button"),
            Request::BadRange(_) => Some("the flash of an emulated machine does not fail"),
            Request::Freeze => Some("the time of an emulated machine would stop with it"),
            Request::Crash => Some("an emulated machine's program cannot be ended from outside"),
            Request::Status
            | Request::PowerOn
            | Request::Hold
            | Request::Release
            | Request::Read { .. }
            | Request::Program { .. }
            | Request::Erase { .. }
            | Request::ClearFaults
            | Request::Offline
            | Request::Online
            | Request::Events
            | Request::Shutdown => None,
        }
    }
}
