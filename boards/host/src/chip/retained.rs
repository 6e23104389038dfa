//! Retained RAM and the board page: small files that the CPU has open.

use super::flash::{BadAccess, BadRange};
use super::noise::Noise;
use crate::wire::{BAD_RANGES_MAX, PAGE_LEN};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::RETAINED_LEN;

fn open(path: &Path, len: u64) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    file.set_len(len)?;
    Ok(file)
}

/// RAM that survives a reset and not a power loss.
#[derive(Debug)]
pub(super) struct RetainedRam {
    file: File,
}

impl RetainedRam {
    pub(super) fn new(dir: &Path) -> io::Result<Self> {
        let len = u64::try_from(RETAINED_LEN).unwrap_or(0);
        let file = open(&dir.join("retained.bin"), len)?;
        Ok(Self { file })
    }

    /// Fills it with noise, as a power loss does.
    pub(super) fn lose(&self, noise: &mut Noise) -> io::Result<()> {
        let bytes: Vec<u8> = (0..RETAINED_LEN / 8)
            .flat_map(|_| noise.next().to_le_bytes())
            .collect();
        self.file.write_all_at(&bytes, 0)
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

/// What the CPU looks up before it reads flash or uses the network.
#[derive(Debug)]
pub(super) struct BoardPage {
    file: File,
    /// The same file, for reading only.
    reader: File,
}

impl BoardPage {
    pub(super) fn new(dir: &Path) -> io::Result<Self> {
        let path = dir.join("page.bin");
        let file = open(&path, u64::try_from(PAGE_LEN).unwrap_or(0))?;
        let reader = File::open(&path)?;
        Ok(Self { file, reader })
    }

    /// The same page, for reading only.
    pub(super) fn reader(&self) -> io::Result<File> {
        self.reader.try_clone()
    }

    pub(super) fn set_network(&self, online: bool, losses: u32) -> io::Result<()> {
        let mut words = [0; 8];
        words[..4].copy_from_slice(&u32::from(!online).to_le_bytes());
        words[4..].copy_from_slice(&losses.to_le_bytes());
        self.file.write_all_at(&words, 0)
    }

    pub(super) fn set_bad_ranges(&self, ranges: &[BadRange]) -> io::Result<()> {
        let unreadable: Vec<&BadRange> = ranges
            .iter()
            .filter(|range| range.access == BadAccess::Read)
            .take(BAD_RANGES_MAX)
            .collect();
        let mut bytes = u32::try_from(unreadable.len())
            .unwrap_or(0)
            .to_le_bytes()
            .to_vec();
        for range in unreadable {
            bytes.extend_from_slice(&range.offset.to_le_bytes());
            bytes.extend_from_slice(&range.len.to_le_bytes());
        }
        self.file.write_all_at(&bytes, 8)
    }
}
