//! How a layout divides the record's halves into cells.

use otaru_flash::{Area, Layout, LayoutError, Mode};

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
    pub(crate) bitmap_len: usize,
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
        bitmap_len: 0,
        erased: 0,
        overwrite: false,
    };

    /// The same in place.
    #[inline(never)]
    pub(crate) fn fit(&mut self, layout: &Layout) -> Result<(), LayoutError> {
        let too_short = LayoutError::RecordTooShort;
        self.halves = layout.record.halves();
        let unit_len = u32::from(layout.write_unit).max(MARK_LEN);
        let chunks = layout.chunk_count();
        let bitmap_len = chunks.div_ceil(64).saturating_mul(8);
        let entry_len = bitmap_len.saturating_add(ENTRY_FIXED_LEN);
        let cell_len = entry_len
            .checked_next_multiple_of(unit_len)
            .ok_or(too_short)?;
        let marks_per_cell = cell_len.checked_div(unit_len).ok_or(too_short)?;
        let marks = match layout.mode {
            Mode::Swap => chunks.saturating_mul(2),
            Mode::Standby => chunks,
        };
        let needed = marks
            .div_ceil(marks_per_cell.max(1))
            .saturating_add(ENTRIES);
        let [half, _] = &self.halves;
        let cells = half.len.checked_div(cell_len).ok_or(too_short)?;
        if cells < needed || cell_len as usize > CELL_LEN_MAX {
            return Err(too_short);
        }
        self.cell_len = cell_len;
        self.unit_len = unit_len;
        self.cells = cells;
        self.bitmap_len = bitmap_len as usize;
        self.erased = layout.erased;
        self.overwrite = layout.overwrite;
        Ok(())
    }

    /// Length of an entry in bytes, without padding.
    pub(crate) fn entry_len(&self) -> usize {
        self.bitmap_len.saturating_add(ENTRY_FIXED_LEN as usize)
    }

    /// Marks that fit into one cell.
    pub(crate) fn marks_per_cell(&self) -> u32 {
        self.cell_len.checked_div(self.unit_len).unwrap_or(1)
    }

    /// Offset of a cell in its half.
    pub(crate) fn cell_at(&self, cell: u32) -> u32 {
        cell.saturating_mul(self.cell_len)
    }

    /// The half with this index (0 or 1).
    pub(crate) fn half(&self, index: u8) -> &Area {
        let [first, second] = &self.halves;
        if index == 0 { first } else { second }
    }
}
