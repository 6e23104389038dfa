//! The bits that a cut left undecided: they may read differently at every boot until the sector
//! is erased.
//!
//! File format: entries of five bytes, offset (4 bytes, little-endian) and mask of the byte's
//! undecided bits.

use std::fs::{File, OpenOptions};
use std::io;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

const ENTRY_LEN: usize = 5;

/// Undecided bits, mirrored in a file so that they survive the chip.
#[derive(Debug)]
pub(super) struct Unstable {
    file: File,
    bits: Vec<(u32, u8)>,
}

impl Unstable {
    /// Reads the list; entries outside the flash are dropped.
    pub(super) fn open(path: &Path, flash_len: u32) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let mut bytes = Vec::new();
        let limit = u64::from(flash_len).saturating_mul(5);
        (&mut file).take(limit).read_to_end(&mut bytes)?;
        let (entries, _torn) = bytes.as_chunks::<ENTRY_LEN>();
        let bits = entries
            .iter()
            .map(|&[a, b, c, d, mask]| (u32::from_le_bytes([a, b, c, d]), mask))
            .filter(|&(offset, mask)| offset < flash_len && mask != 0)
            .collect();
        Ok(Self { file, bits })
    }

    pub(super) fn bits(&self) -> &[(u32, u8)] {
        &self.bits
    }

    /// Adds bytes with undecided bits.
    pub(super) fn add(&mut self, bits: &[(u32, u8)]) -> io::Result<()> {
        self.bits.extend(bits.iter().filter(|(_, mask)| *mask != 0));
        self.store()
    }

    /// Forgets a range that was erased.
    pub(super) fn remove(&mut self, offset: u32, len: u32) -> io::Result<()> {
        let before = self.bits.len();
        self.bits
            .retain(|&(at, _)| at < offset || at - offset >= len);
        if self.bits.len() == before {
            return Ok(());
        }
        self.store()
    }

    fn store(&mut self) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(self.bits.len().saturating_mul(ENTRY_LEN));
        for (offset, mask) in &self.bits {
            bytes.extend_from_slice(&offset.to_le_bytes());
            bytes.push(*mask);
        }
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&bytes)
    }
}
