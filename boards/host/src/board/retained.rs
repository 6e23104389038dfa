//! RAM that survives a reset and not a power loss.

use crate::{HANDOVER_LEN, RETAINED_LEN};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The 8 KiB of retained RAM. After a power loss they hold noise: what is stored here needs a
/// checksum.
///
/// | offset | size | whose |
/// |---|---|---|
/// | 0 | 2048 | the bootloader's message to the firmware |
/// | 2048 | 6144 | the runtime's: last console lines, panic text |
#[derive(Debug, Clone)]
pub struct RetainedRam {
    file: Arc<File>,
}

impl RetainedRam {
    pub(super) fn new(file: File) -> Self {
        Self {
            file: Arc::new(file),
        }
    }

    /// Reads from `at`; what lies outside reads as 0.
    pub fn read(&self, at: usize, buf: &mut [u8]) {
        buf.fill(0);
        let inside = RETAINED_LEN.saturating_sub(at).min(buf.len());
        if let Some(buf) = buf.get_mut(..inside) {
            // The chip made this file; it is as long as it says, or the chip has gone.
            drop(self.file.read_exact_at(buf, at as u64));
        }
    }

    /// Writes at `at`; what lies outside is not written.
    pub fn write(&self, at: usize, data: &[u8]) {
        let inside = RETAINED_LEN.saturating_sub(at).min(data.len());
        if let Some(data) = data.get(..inside) {
            drop(self.file.write_all_at(data, at as u64));
        }
    }

    /// The bootloader's message to the firmware.
    pub fn handover(&self) -> [u8; HANDOVER_LEN] {
        let mut message = [0; HANDOVER_LEN];
        self.read(0, &mut message);
        message
    }

    /// Leaves the bootloader's message; at most [`HANDOVER_LEN`] bytes are kept.
    pub fn set_handover(&self, message: &[u8]) {
        self.write(0, message.get(..HANDOVER_LEN).unwrap_or(message));
    }
}
