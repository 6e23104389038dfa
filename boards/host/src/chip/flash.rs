//! The flash array: raw bytes in a file, the rules of NOR flash, and what faults do to it.
//!
//! Rules enforced here, whoever asks (CPU or debug probe):
//!
//! * a program covers whole write units, none of which was programmed since its last erase;
//! * an erase covers whole sectors;
//! * both stay inside the flash.
//!
//! Files in the device folder: `flash.bin` holds exactly the raw bytes; `flash.units` one bit per
//! write unit, set when it was programmed; `flash.unstable` the bits that a cut left undecided.

use super::counters::{Count, Counters};
use super::geometry::Geometry;
use super::noise::Noise;
use super::units::Units;
use super::unstable::Unstable;
use crate::wire::{BAD_RANGES_MAX, FlashFault};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What a range refuses to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BadAccess {
    /// Reading fails, as after an ECC error.
    Read,
    /// Programming and erasing fail, as on worn-out flash.
    Write,
}

/// A range of the flash that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BadRange {
    /// Offset from the start of the flash, in bytes.
    pub offset: u32,
    /// Length in bytes.
    pub len: u32,
    /// What fails there.
    pub access: BadAccess,
    /// Whether the next erase that touches the range heals it.
    #[serde(default)]
    pub until_erased: bool,
}

impl BadRange {
    const fn touches(&self, offset: u32, len: u32) -> bool {
        let (end, other_end) = (
            self.offset.saturating_add(self.len),
            offset.saturating_add(len),
        );
        self.offset < other_end && offset < end
    }
}

/// Whether an operation runs to its end.
#[derive(Debug)]
pub(crate) enum Extent<'a> {
    /// It does.
    Whole,
    /// The power goes before it starts.
    Nothing,
    /// The power goes while it runs; this noise says what is left.
    Torn(&'a mut Noise),
}

/// The flash of one device.
#[derive(Debug)]
pub(crate) struct FlashArray {
    file: File,
    /// The same file, for reading only: what the CPU gets.
    reader: File,
    geometry: Geometry,
    units: Units,
    unstable: Unstable,
    bad: Vec<BadRange>,
    pub(crate) counters: Counters,
}

const BLOCK: usize = 0x1_0000;

impl FlashArray {
    /// Opens the flash in `dir`, or makes an erased one.
    pub(crate) fn open(dir: &Path, geometry: Geometry) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join("flash.bin"))?;
        let len = u64::from(geometry.flash_len);
        let found = file.metadata()?.len();
        if found == 0 {
            fill(&file, 0, geometry.flash_len, geometry.erased)?;
        } else if found != len {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "flash.bin has {found} bytes, but the board has {len}: \
                     remove the device folder or choose the board it was made for"
                ),
            ));
        }
        let reader = File::open(dir.join("flash.bin"))?;
        let mut units = Units::open(&dir.join("flash.units"), &geometry)?;
        units.add_written(&file, &geometry)?;
        let unstable = Unstable::open(&dir.join("flash.unstable"), geometry.flash_len)?;
        let counters = Counters::new(&geometry);
        Ok(Self {
            file,
            reader,
            geometry,
            units,
            unstable,
            bad: Vec::new(),
            counters,
        })
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Writes what stands before the first area, whatever was there.
    pub(crate) fn write_unused(&mut self, bytes: &[u8]) -> io::Result<()> {
        let first = self.geometry.areas.iter().map(|area| area.offset).min();
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if first.is_none_or(|first| len > first) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.file.write_all_at(bytes, 0)?;
        self.units.set(0, len)
    }

    /// Learns from the content which units are programmed, after somebody else wrote into the file.
    pub(crate) fn learn_units(&mut self) -> io::Result<()> {
        self.units.forget();
        self.units.add_written(&self.file, &self.geometry)
    }

    fn check_range(&self, offset: u32, len: u32) -> Result<(), FlashFault> {
        match offset.checked_add(len) {
            Some(end) if end <= self.geometry.flash_len && len > 0 => Ok(()),
            _ => Err(FlashFault::OutOfBounds),
        }
    }

    fn is_bad(&self, access: BadAccess, offset: u32, len: u32) -> bool {
        self.bad
            .iter()
            .any(|range| range.access == access && range.touches(offset, len))
    }

    /// Reads what the debug probe asks for.
    pub(crate) fn read(&self, offset: u32, buf: &mut [u8]) -> Result<(), FlashFault> {
        let len = u32::try_from(buf.len()).map_err(|_too_long| FlashFault::OutOfBounds)?;
        self.check_range(offset, len)?;
        if self.is_bad(BadAccess::Read, offset, len) {
            return Err(FlashFault::Unreadable);
        }
        self.file
            .read_exact_at(buf, u64::from(offset))
            .map_err(|_gone| FlashFault::ChipLost)
    }

    /// Whether this program is allowed; nothing is changed or counted.
    pub(crate) fn check_program(&self, offset: u32, data: &[u8]) -> Result<(), FlashFault> {
        let len = u32::try_from(data.len()).map_err(|_too_long| FlashFault::OutOfBounds)?;
        self.check_range(offset, len)?;
        let unit = u32::from(self.geometry.write_unit);
        if !offset.is_multiple_of(unit) || !len.is_multiple_of(unit) {
            return Err(FlashFault::Unaligned);
        }
        if self.units.any(offset, len) {
            return Err(FlashFault::NotErased);
        }
        Ok(())
    }

    /// Programs `data` at `offset`, as far as `extent` says.
    pub(crate) fn program(
        &mut self,
        offset: u32,
        data: &[u8],
        extent: Extent<'_>,
    ) -> Result<(), FlashFault> {
        self.check_program(offset, data)?;
        let len = u32::try_from(data.len()).map_err(|_too_long| FlashFault::OutOfBounds)?;
        let noise = match extent {
            Extent::Nothing => return Ok(()),
            Extent::Whole => None,
            Extent::Torn(noise) => Some(noise),
        };
        self.count_program(offset, len);
        if self.is_bad(BadAccess::Write, offset, len) {
            return Err(FlashFault::Failed);
        }
        let unit = u32::from(self.geometry.write_unit);
        let mut torn = noise.map(|noise| Torn::plan(noise, offset, len, unit));
        let mut old = vec![0; data.len()];
        self.read_raw(offset, &mut old)?;
        let mut new = data.to_vec();
        let mut reached = len;
        if let Some(torn) = &mut torn {
            reached = torn.end - offset;
            self.tear(offset, &old, &mut new, torn)?;
        }
        // The map goes first: after a crash of the chip itself a unit may be marked and blank, but
        // never written and unmarked.
        self.units
            .set(offset, reached)
            .and_then(|()| self.file.write_all_at(&new, u64::from(offset)))
            .map_err(|_gone| FlashFault::ChipLost)
    }

    /// Erases whole sectors, as far as `extent` says.
    pub(crate) fn erase(
        &mut self,
        offset: u32,
        len: u32,
        extent: Extent<'_>,
    ) -> Result<(), FlashFault> {
        let erase_len = self.check_erase(offset, len)?;
        let noise = match extent {
            Extent::Nothing => return Ok(()),
            Extent::Whole => None,
            Extent::Torn(noise) => Some(noise),
        };
        self.count_erase(offset, len);
        if self.is_bad(BadAccess::Write, offset, len) {
            return Err(FlashFault::Failed);
        }
        let bytes = usize::try_from(len).map_err(|_too_long| FlashFault::OutOfBounds)?;
        let mut new = vec![self.geometry.erased; bytes];
        let mut torn_from = None;
        if let Some(noise) = noise {
            let mut torn = Torn::plan(noise, offset, len, erase_len);
            let mut old = vec![0; bytes];
            self.read_raw(offset, &mut old)?;
            torn_from = Some((torn.start, torn.end));
            // Erasing may go through programming everything first, so any bit of a torn sector may
            // be left in any state.
            let start = usize::try_from(torn.start - offset).unwrap_or(0);
            let end = usize::try_from(torn.end - offset).unwrap_or(0);
            if torn.any_bit {
                old[start..end]
                    .iter_mut()
                    .for_each(|byte| *byte = !self.geometry.erased);
            }
            self.unstable
                .remove(offset, torn.end - offset)
                .map_err(|_gone| FlashFault::ChipLost)?;
            self.tear(offset, &old, &mut new, &mut torn)?;
        } else {
            self.unstable
                .remove(offset, len)
                .map_err(|_gone| FlashFault::ChipLost)?;
            self.bad
                .retain(|range| !(range.until_erased && range.touches(offset, len)));
        }
        self.file
            .write_all_at(&new, u64::from(offset))
            .and_then(|()| match torn_from {
                None => self.units.clear(offset, len),
                Some((start, end)) => self
                    .units
                    .clear(offset, start - offset)
                    .and_then(|()| self.units.set(start, end - start)),
            })
            .map_err(|_gone| FlashFault::ChipLost)
    }

    /// Whether this erase is allowed; its sector size if it is.
    pub(crate) fn check_erase(&self, offset: u32, len: u32) -> Result<u32, FlashFault> {
        self.check_range(offset, len)?;
        let end = offset.saturating_add(len);
        let (mut at, mut smallest) = (offset, u32::MAX);
        // Flash knows sectors and no areas: a range may cross from one into the next.
        while at < end {
            let area = self
                .geometry
                .area_at(at)
                .and_then(|index| self.geometry.areas.get(index))
                .ok_or(FlashFault::OutOfBounds)?;
            let part_end = end.min(area.offset.saturating_add(area.len));
            if !at.is_multiple_of(area.erase_len) || !part_end.is_multiple_of(area.erase_len) {
                return Err(FlashFault::Unaligned);
            }
            smallest = smallest.min(area.erase_len);
            at = part_end;
        }
        Ok(smallest)
    }

    /// Turns the bytes that an operation would leave into what a cut leaves, and remembers which
    /// bits are undecided.
    fn tear(
        &mut self,
        offset: u32,
        old: &[u8],
        new: &mut [u8],
        torn: &mut Torn<'_>,
    ) -> Result<(), FlashFault> {
        let mut bits = torn.noise.bits();
        let mut undecided = Vec::new();
        for (at, (new, old)) in (offset..).zip(new.iter_mut().zip(old)) {
            if at >= torn.end {
                *new = *old;
            } else if at >= torn.start {
                let changing = *new ^ *old;
                *new = *old ^ (changing & bits());
                undecided.push((at, changing));
            }
        }
        self.unstable
            .add(&undecided)
            .map_err(|_gone| FlashFault::ChipLost)
    }

    fn read_raw(&self, offset: u32, buf: &mut [u8]) -> Result<(), FlashFault> {
        self.file
            .read_exact_at(buf, u64::from(offset))
            .map_err(|_gone| FlashFault::ChipLost)
    }

    fn count_program(&mut self, offset: u32, len: u32) {
        let count = Count {
            programs: 1,
            bytes: u64::from(len),
            ..Count::default()
        };
        self.counters.operation();
        self.counters.add(self.geometry.area_at(offset), count);
    }

    fn count_erase(&mut self, offset: u32, len: u32) {
        self.counters.operation();
        let end = offset.saturating_add(len);
        for (index, area) in self.geometry.areas.iter().enumerate() {
            let area_end = area.offset.saturating_add(area.len);
            let bytes = end.min(area_end).saturating_sub(offset.max(area.offset));
            let sectors = bytes.checked_div(area.erase_len).unwrap_or(0);
            let count = Count {
                erases: u64::from(sectors),
                ..Count::default()
            };
            self.counters.add(Some(index), count);
        }
    }

    /// Flips bits of one byte, whatever the rules of NOR flash say.
    pub(crate) fn corrupt(&mut self, offset: u32, xor: u8) -> Result<(), FlashFault> {
        self.check_range(offset, 1)?;
        let mut byte = [0];
        self.read_raw(offset, &mut byte)?;
        byte[0] ^= xor;
        self.units
            .set(offset, 1)
            .and_then(|()| self.file.write_all_at(&byte, u64::from(offset)))
            .map_err(|_gone| FlashFault::ChipLost)
    }

    /// Gives every undecided bit a new value, as a power-up or a reset does.
    pub(crate) fn settle_unstable(&mut self, noise: &mut Noise) -> io::Result<()> {
        let mut bits = noise.bits();
        // A torn operation leaves runs of neighbouring bytes; each run is one read and one write.
        let neighbours = |a: &(u32, u8), b: &(u32, u8)| b.0.checked_sub(a.0) == Some(1);
        for run in self.unstable.bits().chunk_by(neighbours) {
            let Some(&(start, _)) = run.first() else {
                continue;
            };
            let mut bytes = vec![0; run.len()];
            self.file.read_exact_at(&mut bytes, u64::from(start))?;
            for (byte, (_, mask)) in bytes.iter_mut().zip(run) {
                *byte = (*byte & !mask) | (bits() & mask);
            }
            self.file.write_all_at(&bytes, u64::from(start))?;
        }
        Ok(())
    }

    /// Number of bytes with undecided bits.
    pub(crate) fn unstable_len(&self) -> usize {
        self.unstable.bits().len()
    }

    pub(crate) fn bad_ranges(&self) -> &[BadRange] {
        &self.bad
    }

    /// Adds a range that fails; `false` when there are too many.
    pub(crate) fn add_bad_range(&mut self, range: BadRange) -> Result<bool, FlashFault> {
        self.check_range(range.offset, range.len)?;
        if self.bad.len() >= BAD_RANGES_MAX {
            return Ok(false);
        }
        self.bad.push(range);
        Ok(true)
    }

    pub(crate) fn clear_bad_ranges(&mut self) {
        self.bad.clear();
    }

    /// A handle that can only read, for the CPU.
    pub(crate) fn reader(&self) -> io::Result<File> {
        self.reader.try_clone()
    }
}

/// Where an operation is torn.
struct Torn<'a> {
    noise: &'a mut Noise,
    /// Before this offset the operation is complete.
    start: u32,
    /// From this offset on nothing has happened.
    end: u32,
    /// Whether even bits that the operation would not change may be left changed (erase only).
    any_bit: bool,
}

impl<'a> Torn<'a> {
    /// Either everything is torn at once, or one unit in the middle is.
    fn plan(noise: &'a mut Noise, offset: u32, len: u32, unit: u32) -> Self {
        let all = noise.below(2) == 0;
        let any_bit = noise.below(2) == 0;
        let units = u64::from(len.checked_div(unit).unwrap_or(1));
        let (start, end) = if all {
            (offset, offset.saturating_add(len))
        } else {
            let index = u32::try_from(noise.below(units)).unwrap_or(0);
            let start = offset.saturating_add(index.saturating_mul(unit));
            (start, start.saturating_add(unit))
        };
        Self {
            noise,
            start,
            end,
            any_bit,
        }
    }
}

/// Fills a range of a file with one value.
pub(super) fn fill(file: &File, offset: u32, len: u32, value: u8) -> io::Result<()> {
    let block = vec![value; BLOCK];
    let mut at = u64::from(offset);
    let end = at.saturating_add(u64::from(len));
    while at < end {
        let count = usize::try_from(end - at).unwrap_or(BLOCK).min(BLOCK);
        file.write_all_at(block.get(..count).unwrap_or(&block), at)?;
        at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
    Ok(())
}
