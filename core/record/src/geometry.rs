//! How a layout divides the record's halves into cells.

use otaru_flash::{Area, Layout, LayoutError, Mode};

/// How the flash of a record takes what is written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Units {
    /// Smallest unit that can be programmed, in bytes.
    pub write_unit: u16,
    /// What an erased byte reads as: 0xFF or 0x00.
    pub erased: u8,
    /// Whether a used unit may be overwritten with all bits inverse ([`Layout::overwrite`]).
    pub overwrite: bool,
}

/// Length of a state entry without its bitmap, in bytes.
pub(crate) const ENTRY_FIXED_LEN: u32 = 200;
/// Length of a mark in bytes, before it is padded to the write unit.
pub(crate) const MARK_LEN: u32 = 8;
/// Longest cell in bytes: 200 + 128 bytes of entry, padded to the largest write unit.
pub const CELL_LEN_MAX: usize = 512;

/// Cells that a half must have besides those for the marks of one update: an update that is reverted
/// takes three boots of four cells and about ten entries more.
const ENTRIES: u32 = 28;

/// Cells and marks of the record on a given layout.
///
/// A half is a row of equal *cells*. A cell holds one state entry, or several marks. A torn cell
/// is skipped as a whole, so nothing inside a torn entry can be mistaken for a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    pub(crate) halves: [Area; 2],
    pub(crate) cell_len: u32,
    pub(crate) unit_len: u32,
    pub(crate) cells: u32,
    pub(crate) entry_len: usize,
    pub(crate) erased: u8,
    pub(crate) overwrite: bool,
}

impl Geometry {
    /// The geometry of a layout that has passed [`Layout::check`].
    ///
    /// # Errors
    /// [`LayoutError::RecordTooShort`] if a half cannot hold one whole update.
    pub fn new(layout: &Layout) -> Result<Self, LayoutError> {
        let mut geometry = Self::BLANK;
        geometry.fit(layout).map(|()| geometry)
    }

    /// One without room for anything.
    pub(crate) const BLANK: Self = Self {
        halves: [Area::new(0, 0, 0); 2],
        cell_len: 0,
        unit_len: 0,
        cells: 0,
        entry_len: 0,
        erased: 0,
        overwrite: false,
    };

    /// The same in place.
    #[inline(never)]
    pub(crate) fn fit(&mut self, layout: &Layout) -> Result<(), LayoutError> {
        let chunks = layout.chunk_count();
        let bitmap_len = chunks.div_ceil(64).wrapping_mul(8);
        let entry_len = bitmap_len.wrapping_add(ENTRY_FIXED_LEN);
        let units = Units {
            write_unit: layout.write_unit,
            erased: layout.erased,
            overwrite: layout.overwrite,
        };
        self.divide(&layout.record, units, entry_len)?;
        let marks = match layout.mode {
            Mode::Swap => chunks.wrapping_mul(2),
            Mode::Standby => chunks,
        };
        let needed = marks
            .div_ceil(self.marks_per_cell().max(1))
            .wrapping_add(ENTRIES);
        self.has_at_least(needed)
    }

    /// The geometry of a record of entries of `entry_len` bytes in `area`, each half with `cells`
    /// cells at least. For journals of other engines.
    ///
    /// # Errors
    /// [`LayoutError::RecordTooShort`] if a half has fewer cells, or is not made of whole sectors.
    pub fn of_entries(
        area: &Area,
        units: Units,
        entry_len: u32,
        cells: u32,
    ) -> Result<Self, LayoutError> {
        let [half, _] = area.halves();
        if half.len.checked_rem(half.erase_len) != Some(0) {
            return Err(LayoutError::RecordTooShort);
        }
        let mut geometry = Self::BLANK;
        geometry.divide(area, units, entry_len)?;
        geometry.has_at_least(cells).map(|()| geometry)
    }

    fn divide(&mut self, area: &Area, units: Units, entry_len: u32) -> Result<(), LayoutError> {
        let too_short = LayoutError::RecordTooShort;
        self.halves = area.halves();
        let unit_len = u32::from(units.write_unit).max(MARK_LEN);
        let cell_len = entry_len
            .checked_next_multiple_of(unit_len)
            .ok_or(too_short)?;
        if cell_len as usize > CELL_LEN_MAX {
            return Err(too_short);
        }
        let [half, _] = &self.halves;
        self.cells = half.len.checked_div(cell_len).ok_or(too_short)?;
        self.cell_len = cell_len;
        self.unit_len = unit_len;
        self.entry_len = entry_len as usize;
        self.erased = units.erased;
        self.overwrite = units.overwrite;
        Ok(())
    }

    fn has_at_least(&self, cells: u32) -> Result<(), LayoutError> {
        if self.cells < cells {
            return Err(LayoutError::RecordTooShort);
        }
        Ok(())
    }

    /// Length of an entry in bytes, without padding.
    pub(crate) fn entry_len(&self) -> usize {
        self.entry_len
    }

    /// Marks that fit into one cell.
    pub(crate) fn marks_per_cell(&self) -> u32 {
        self.cell_len.checked_div(self.unit_len).unwrap_or(1)
    }

    /// Offset of a cell in its half. Meant for cells that exist, or one that does not and whose offset
    /// the half refuses.
    pub(crate) fn cell_at(&self, cell: u32) -> u32 {
        cell.wrapping_mul(self.cell_len)
    }

    /// The half with this index (0 or 1).
    pub(crate) fn half(&self, index: u8) -> &Area {
        let [first, second] = &self.halves;
        if index == 0 { first } else { second }
    }
}
