//! RAM that survives a reset and not a power loss.

use crate::{HANDOVER_LEN, RETAINED_LEN};
use otaru_flash::crc32;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

const NAME_AT: usize = 2048;
const NAME_LEN: usize = 64;
const AGENT_AT: usize = 4096;
const AGENT_LEN: usize = 4096;

/// The 8 KiB of retained RAM. After a power loss they hold noise: what is stored here needs a
/// checksum.
///
/// | offset | size | whose |
/// |---|---|---|
/// | 0 | 2048 | the bootloader's message to the firmware |
/// | 2048 | 64 | name of the bootloader: length, text, CRC-32 |
/// | 4096 | 4096 | the update agent's: last console lines, panic text |
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

    /// The version of the bootloader that started this firmware; empty if there was none.
    pub fn bootloader(&self) -> String {
        let mut name = [0; NAME_LEN];
        self.read(NAME_AT, &mut name);
        let (body, crc) = name.split_at(NAME_LEN - 4);
        let text = body
            .split_first()
            .and_then(|(len, text)| text.get(..usize::from(*len)))
            .filter(|_| crc32(body).to_le_bytes() == crc)
            .and_then(|text| std::str::from_utf8(text).ok());
        text.unwrap_or_default().to_owned()
    }

    /// Leaves the bootloader's version; at most 59 bytes are kept.
    pub fn set_bootloader(&self, version: &str) {
        let mut name = [0; NAME_LEN];
        let end = version.floor_char_boundary(NAME_LEN - 5);
        let text = version.as_bytes().get(..end).unwrap_or_default();
        name[0] = u8::try_from(text.len()).unwrap_or(0);
        if let Some(room) = name.get_mut(1..=text.len()) {
            room.copy_from_slice(text);
        }
        let crc = crc32(name.get(..NAME_LEN - 4).unwrap_or_default());
        name[NAME_LEN - 4..].copy_from_slice(&crc.to_le_bytes());
        self.write(NAME_AT, &name);
    }

    /// The update agent's part.
    pub fn agent(&self) -> Vec<u8> {
        let mut part = vec![0; AGENT_LEN];
        self.read(AGENT_AT, &mut part);
        part
    }

    /// Changes the update agent's part. It is one page of memory and written in one go, so that a
    /// reset finds either the former or the new content.
    pub fn set_agent(&self, part: &[u8]) {
        self.write(AGENT_AT, part.get(..AGENT_LEN).unwrap_or(part));
    }

    /// Leaves the bootloader's message; at most [`HANDOVER_LEN`] bytes are kept.
    pub fn set_handover(&self, message: &[u8]) {
        self.write(0, message.get(..HANDOVER_LEN).unwrap_or(message));
    }
}
