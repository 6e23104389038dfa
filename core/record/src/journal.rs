//! The journal: load, append, mark, change of half.
//!
//! Rules J1…J6 of the install protocol. The one that matters most is J2, *decide, append, act*:
//! the first append after a reset leaves room for one blank entry and writes the decided state
//! twice, because a torn entry may be seen by one boot and not by the next.

use crate::cell::{Entry, mark_bytes};
use crate::geometry::{CELL_LEN_MAX, Geometry};
use crate::scan::{Half, Seen, see};
use crate::{State, StoragePermit};
use core::fmt;
use otaru_flash::{AccessError, Flash, Layout, LayoutError, Slot};

/// How often an append or a mark is tried in another place before the flash counts as failed.
const TRIES: u32 = 3;

/// Why a record cannot be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadError {
    /// The record area is too small for the layout.
    Layout(LayoutError),
    /// No half holds a valid entry: the record is lost, or the board was never flashed.
    Lost,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout(cause) => write!(f, "{cause}"),
            Self::Lost => f.write_str("no valid entry in the record"),
        }
    }
}

impl core::error::Error for LoadError {}

/// Why nothing could be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendError<E> {
    /// The flash failed, or what was written did not read back, several times. The former state
    /// may or may not be in force; nothing may be done on the strength of the new one.
    Flash(Option<AccessError<E>>),
}

impl<E: fmt::Debug> fmt::Display for AppendError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flash(Some(cause)) => write!(f, "record: {cause}"),
            Self::Flash(None) => f.write_str("record: what was written does not read back"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for AppendError<E> {}

/// The record as this boot sees it. Decoded once per boot; the firmware gets it from the
/// bootloader through [`Journal::hand_over`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Journal {
    pub(crate) geometry: Geometry,
    pub(crate) half: u8,
    pub(crate) epoch: u32,
    pub(crate) sequence: u32,
    /// Next cell to write.
    pub(crate) cell: u32,
    /// Cell and unit of the next mark, if the last thing written was a mark or its state.
    pub(crate) mark_at: Option<(u32, u32)>,
    /// Whether this boot has already appended.
    pub(crate) settled: bool,
    /// Whether the newest state stands there twice.
    pub(crate) twice: bool,
    pub(crate) state: State,
}

impl Journal {
    /// Reads the record.
    ///
    /// # Errors
    /// [`LoadError::Lost`] if there is no valid entry; then [`Journal::create`] may make a new
    /// record after the execution slot was verified.
    pub fn load<F: Flash>(flash: &mut F, layout: &Layout) -> Result<Self, LoadError> {
        let geometry = Geometry::new(layout).map_err(LoadError::Layout)?;
        let first = Half::scan(flash, geometry.half(0), &geometry);
        let second = Half::scan(flash, geometry.half(1), &geometry);
        // J3: the higher epoch wins if it has a valid entry beyond its first.
        let rank = |half: &Half| (half.beyond_first, half.epoch);
        let (half, seen) = if rank(&second) > rank(&first) {
            (1, &second)
        } else {
            (0, &first)
        };
        let epoch = seen.epoch.ok_or(LoadError::Lost)?;
        Ok(Self {
            geometry,
            half,
            epoch,
            sequence: seen.sequence,
            cell: seen.end,
            mark_at: None,
            settled: false,
            twice: seen.twice,
            state: seen.state,
        })
    }

    /// Makes a new record with `state`, erasing both halves.
    ///
    /// # Errors
    /// [`AppendError`] if the flash fails.
    pub fn create<F: Flash>(
        flash: &mut F,
        geometry: Geometry,
        state: &State,
    ) -> Result<Self, AppendError<F::Error>> {
        let other = geometry.half(1);
        other
            .erase(flash, 0, other.len)
            .map_err(|cause| AppendError::Flash(Some(cause)))?;
        let mut journal = Self {
            geometry,
            half: 1,
            epoch: 0,
            sequence: 0,
            cell: geometry.cells,
            mark_at: None,
            settled: false,
            twice: false,
            state: *state,
        };
        journal.append(flash, state)?;
        Ok(journal)
    }

    /// The state in force, its step brought up to the last mark.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Sequence number of the newest entry: how many entries were ever written.
    pub fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Makes sure that the state in force stands there twice, so that this boot may act on it.
    /// Appends nothing if it already does, or if this boot has already appended.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn settle<F: Flash>(&mut self, flash: &mut F) -> Result<(), AppendError<F::Error>> {
        if self.settled || self.twice {
            return Ok(());
        }
        let state = self.state;
        self.append(flash, &state)
    }

    /// Appends `state` and reads it back. The first append after a reset goes behind a gap and is
    /// done twice.
    ///
    /// # Errors
    /// [`AppendError`]; the caller must not act on the new state.
    pub fn append<F: Flash>(
        &mut self,
        flash: &mut F,
        state: &State,
    ) -> Result<(), AppendError<F::Error>> {
        let copies = if self.settled { 1 } else { 2 };
        let gap = u32::from(!self.settled);
        self.append_copies(flash, state, copies, gap)
    }

    /// Appends `state` twice, for the one entry that must never be lost again: the confirm.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn append_twice<F: Flash>(
        &mut self,
        flash: &mut F,
        state: &State,
    ) -> Result<(), AppendError<F::Error>> {
        let gap = u32::from(!self.settled);
        self.append_copies(flash, state, 2, gap)
    }

    fn append_copies<F: Flash>(
        &mut self,
        flash: &mut F,
        state: &State,
        mut copies: u32,
        gap: u32,
    ) -> Result<(), AppendError<F::Error>> {
        let needed = copies.saturating_add(gap).saturating_add(TRIES);
        if self.cell.saturating_add(needed) > self.geometry.cells {
            self.change_half(flash)?;
            copies = 2;
        } else {
            self.cell = self.cell.saturating_add(gap);
        }
        for _ in 0..copies {
            self.write_entry(flash, state)?;
        }
        self.state = *state;
        self.settled = true;
        self.twice = copies > 1;
        self.mark_at = None;
        Ok(())
    }

    /// J4: erases the other half and begins it with the state in force. That first entry alone
    /// does not make the half count; what is appended behind it does.
    fn change_half<F: Flash>(&mut self, flash: &mut F) -> Result<(), AppendError<F::Error>> {
        let other = 1_u8.saturating_sub(self.half);
        let area = *self.geometry.half(other);
        area.erase(flash, 0, area.len)
            .map_err(|cause| AppendError::Flash(Some(cause)))?;
        self.half = other;
        self.epoch = self.epoch.wrapping_add(1);
        self.cell = 0;
        let state = self.state;
        self.write_entry(flash, &state)
    }

    fn write_entry<F: Flash>(
        &mut self,
        flash: &mut F,
        state: &State,
    ) -> Result<(), AppendError<F::Error>> {
        let mut failure = None;
        for _ in 0..TRIES {
            let entry = Entry {
                epoch: self.epoch,
                sequence: self.sequence.wrapping_add(1),
                state: *state,
            };
            let cell = self.cell;
            self.cell = cell.saturating_add(1);
            failure = self.program_cell(flash, cell, &entry).err();
            let area = *self.geometry.half(self.half);
            if let Seen::Entry(stored) = see(flash, &area, &self.geometry, cell)
                && stored == entry
            {
                self.sequence = entry.sequence;
                return Ok(());
            }
        }
        Err(AppendError::Flash(failure))
    }

    fn program_cell<F: Flash>(
        &self,
        flash: &mut F,
        cell: u32,
        entry: &Entry,
    ) -> Result<(), AccessError<F::Error>> {
        let invert = !self.geometry.erased;
        let mut buf = [0xFF; CELL_LEN_MAX];
        entry
            .encode(&self.geometry, &mut buf)
            .ok_or(AccessError::OutOfBounds)?;
        let bytes = buf
            .get_mut(..self.geometry.cell_len as usize)
            .ok_or(AccessError::OutOfBounds)?;
        for byte in bytes.iter_mut() {
            *byte ^= invert;
        }
        let at = self.geometry.cell_at(cell);
        self.geometry.half(self.half).program(flash, at, bytes)
    }

    /// Marks `step` of the state in force as done and reads the mark back. When the half is full
    /// the state goes into the other half with the step in it.
    ///
    /// If this boot has not appended yet, it first appends the state in force, as J2 demands.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn mark<F: Flash>(
        &mut self,
        flash: &mut F,
        step: u16,
    ) -> Result<(), AppendError<F::Error>> {
        if !self.settled {
            let state = self.state;
            self.append(flash, &state)?;
        }
        self.state.step = step.saturating_add(1);
        let mut failure = None;
        for _ in 0..TRIES {
            let (cell, unit) = match self.mark_at {
                Some((cell, unit)) if unit < self.geometry.marks_per_cell() => (cell, unit),
                _ => (self.cell, 0),
            };
            if cell.saturating_add(TRIES) >= self.geometry.cells {
                let state = self.state;
                return self.append_copies(flash, &state, 2, 0);
            }
            self.cell = cell.saturating_add(1);
            failure = self.program_mark(flash, (cell, unit), step).err();
            if failure.is_none() && self.mark_reads_back(flash, (cell, unit), step) {
                self.mark_at = Some((cell, unit.saturating_add(1)));
                self.twice = false;
                return Ok(());
            }
            // Marks behind a torn one in the same cell would not be found: take the next cell.
            self.mark_at = None;
        }
        Err(AppendError::Flash(failure))
    }

    fn mark_offset(&self, (cell, unit): (u32, u32)) -> u32 {
        self.geometry
            .cell_at(cell)
            .saturating_add(unit.saturating_mul(self.geometry.unit_len))
    }

    fn program_mark<F: Flash>(
        &self,
        flash: &mut F,
        at: (u32, u32),
        step: u16,
    ) -> Result<(), AccessError<F::Error>> {
        let mut buf = [0xFF; CELL_LEN_MAX];
        let bytes = buf
            .get_mut(..self.geometry.unit_len as usize)
            .ok_or(AccessError::OutOfBounds)?;
        for (target, byte) in bytes.iter_mut().zip(mark_bytes(step)) {
            *target = byte;
        }
        for byte in bytes.iter_mut() {
            *byte ^= !self.geometry.erased;
        }
        self.geometry
            .half(self.half)
            .program(flash, self.mark_offset(at), bytes)
    }

    fn mark_reads_back<F: Flash>(&self, flash: &mut F, at: (u32, u32), step: u16) -> bool {
        let mut buf = [0; crate::geometry::MARK_LEN as usize];
        let read = self
            .geometry
            .half(self.half)
            .read(flash, self.mark_offset(at), &mut buf);
        for byte in &mut buf {
            *byte ^= !self.geometry.erased;
        }
        read.is_ok() && buf == mark_bytes(step)
    }

    /// The permission to write into `slot`, if the state in force allows it: `receiving` into its
    /// own slot, `idle` (a copy of the running image) into a slot that is not the backup.
    pub fn permit(&self, slot: Slot) -> Option<StoragePermit<'_>> {
        StoragePermit::new(self, slot)
    }

    /// Calls `each` with the sequence number and state of every valid entry of the half in force,
    /// oldest first. For the bootloader's table.
    pub fn for_each_entry<F: Flash>(&self, flash: &mut F, mut each: impl FnMut(u32, &State)) {
        let area = *self.geometry.half(self.half);
        for cell in 0..self.cell.min(self.geometry.cells) {
            if let Seen::Entry(entry) = see(flash, &area, &self.geometry, cell)
                && entry.epoch == self.epoch
            {
                each(entry.sequence, &entry.state);
            }
        }
    }
}
