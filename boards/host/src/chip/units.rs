//! Which write units were programmed since their last erase, one bit each.

use super::geometry::Geometry;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A bitmap over the write units of the flash, mirrored in a file so that it survives the chip.
#[derive(Debug)]
pub(super) struct Units {
    file: File,
    bits: Vec<u8>,
    unit: u32,
}

impl Units {
    /// Reads the bitmap; a missing or foreign one counts as empty, see [`Self::add_written`].
    pub(super) fn open(path: &Path, geometry: &Geometry) -> io::Result<Self> {
        let unit = u32::from(geometry.write_unit);
        let count = geometry.flash_len.div_ceil(unit).div_ceil(8);
        let mut bits = vec![0; usize::try_from(count).unwrap_or(usize::MAX)];
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        if file.metadata()?.len() == u64::from(count) {
            file.read_exact_at(&mut bits, 0)?;
        } else {
            file.set_len(u64::from(count))?;
            file.write_all_at(&bits, 0)?;
        }
        Ok(Self { file, bits, unit })
    }

    /// Marks every unit that does not read erased: a flash file may have been put in place by hand.
    pub(super) fn add_written(&mut self, flash: &File, geometry: &Geometry) -> io::Result<()> {
        const BLOCK: usize = 0x1_0000;
        let erased = vec![geometry.erased; BLOCK];
        let mut block = vec![0; BLOCK];
        let mut at = 0_u32;
        while at < geometry.flash_len {
            let left = usize::try_from(geometry.flash_len - at).unwrap_or(BLOCK);
            let block = block.get_mut(..left.min(BLOCK)).unwrap_or_default();
            flash.read_exact_at(block, u64::from(at))?;
            let start = at;
            at = at.saturating_add(u32::try_from(block.len()).unwrap_or(u32::MAX));
            // Most of a flash is erased, and one comparison of all of it costs next to nothing.
            if erased.starts_with(block) {
                continue;
            }
            let unit = usize::try_from(self.unit).unwrap_or(1);
            for (offset, bytes) in (start..).step_by(unit).zip(block.chunks(unit)) {
                if bytes.iter().any(|&byte| byte != geometry.erased) {
                    self.change(offset, 1, true);
                }
            }
        }
        self.file.write_all_at(&self.bits, 0)
    }

    /// Counts every unit as erased until [`Self::add_written`] says otherwise.
    pub(super) fn forget(&mut self) {
        self.bits.fill(0);
    }

    fn range(&self, offset: u32, len: u32) -> std::ops::Range<u32> {
        let first = offset.checked_div(self.unit).unwrap_or(0);
        let end = offset
            .saturating_add(len)
            .checked_next_multiple_of(self.unit)
            .and_then(|end| end.checked_div(self.unit))
            .unwrap_or(u32::MAX);
        if len == 0 { 0..0 } else { first..end }
    }

    fn place(unit: u32) -> (usize, u8) {
        (
            usize::try_from(unit / 8).unwrap_or(usize::MAX),
            1 << (unit % 8),
        )
    }

    /// Whether any unit of the range was programmed.
    pub(super) fn any(&self, offset: u32, len: u32) -> bool {
        self.range(offset, len).any(|unit| {
            let (byte, bit) = Self::place(unit);
            self.bits.get(byte).is_none_or(|byte| byte & bit != 0)
        })
    }

    fn change(&mut self, offset: u32, len: u32, programmed: bool) {
        for unit in self.range(offset, len) {
            let (byte, bit) = Self::place(unit);
            if let Some(byte) = self.bits.get_mut(byte) {
                if programmed {
                    *byte |= bit;
                } else {
                    *byte &= !bit;
                }
            }
        }
    }

    fn store(&self, offset: u32, len: u32) -> io::Result<()> {
        let units = self.range(offset, len);
        let (first, _) = Self::place(units.start);
        let (last, _) = Self::place(units.end.saturating_sub(1));
        match self.bits.get(first..=last) {
            Some(bytes) if len > 0 => {
                let at = u64::try_from(first).unwrap_or(u64::MAX);
                self.file.write_all_at(bytes, at)
            }
            _ => Ok(()),
        }
    }

    /// Marks the units of the range as programmed.
    pub(super) fn set(&mut self, offset: u32, len: u32) -> io::Result<()> {
        self.change(offset, len, true);
        self.store(offset, len)
    }

    /// Marks the units of the range as erased.
    pub(super) fn clear(&mut self, offset: u32, len: u32) -> io::Result<()> {
        self.change(offset, len, false);
        self.store(offset, len)
    }
}
