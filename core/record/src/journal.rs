//! The journal: load, append, mark, change of half.
//!
//! Rules J1…J6 of the install protocol. The one that matters most is J2, *decide, append, act*:
//! the first append after a reset leaves room for one blank entry and writes the decided state
//! twice, because a torn entry may be seen by one boot and not by the next.

use crate::cell::{Stamp, mark_bytes};
use crate::geometry::{CELL_LEN_MAX, Geometry};
use crate::scan::{Half, Seen, see, stable};
use crate::{Body, State, StoragePermit};
use core::fmt;
use otaru_flash::{AccessError, Flash, Layout, LayoutError, Slot};

/// In how many cells a mark is tried before the whole state is appended instead.
const MARK_TRIES: u32 = 3;
/// Most cells that the first append of a boot leaves behind.
const GAP_MAX: u32 = 2;

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
// In this order: what is used often stands where a short instruction reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Journal<S = State> {
    pub(crate) half: u8,
    /// Whether the cell before the next one holds neither an entry nor a mark. Only the first append
    /// of a boot asks.
    pub(crate) torn_end: bool,
    /// Whether this boot has already appended.
    pub(crate) settled: bool,
    /// Whether the newest state stands there twice.
    pub(crate) twice: bool,
    /// Whether nothing may be appended any more, because the flash does not take it.
    pub(crate) frozen: bool,
    pub(crate) epoch: u32,
    pub(crate) sequence: u32,
    /// Next cell to write.
    pub(crate) cell: u32,
    /// Cell and unit of the next mark, if the last thing written was a mark or its state.
    pub(crate) mark_at: Option<(u32, u32)>,
    pub(crate) geometry: Geometry,
    pub(crate) state: S,
}

impl Journal {
    /// Reads the record.
    ///
    /// # Errors
    /// [`LoadError::Lost`] if there is no valid entry; then [`Journal::create`] may make a new
    /// record after the execution slot was verified.
    pub fn load<F: Flash>(flash: &mut F, layout: &Layout) -> Result<Self, LoadError> {
        let mut journal = Self::blank();
        journal.read(flash, layout).map(|()| journal)
    }

    /// The same in place, which spares devices the code that moves a large value.
    ///
    /// # Errors
    /// [`LoadError::Lost`] if there is no valid entry; then [`Journal::renew`] may make a new
    /// record after the execution slot was verified.
    pub fn read<F: Flash>(&mut self, flash: &mut F, layout: &Layout) -> Result<(), LoadError> {
        self.geometry.fit(layout).map_err(LoadError::Layout)?;
        self.read_halves(flash)
    }
}

impl<S: Body> Journal<S> {
    /// No record yet, for [`Journal::read`].
    pub fn blank() -> Self {
        Self::unwritable(Geometry::BLANK, &S::default())
    }

    /// Reads the record of any engine.
    ///
    /// # Errors
    /// [`LoadError::Lost`] if there is no valid entry.
    pub fn load_with<F: Flash>(flash: &mut F, geometry: Geometry) -> Result<Self, LoadError> {
        let mut journal = Self::blank();
        journal.geometry = geometry;
        journal.read_halves(flash).map(|()| journal)
    }

    fn read_halves<F: Flash>(&mut self, flash: &mut F) -> Result<(), LoadError> {
        let first = Half::scan(flash, self.geometry.half(0), &self.geometry);
        let second = Half::scan(flash, self.geometry.half(1), &self.geometry);
        let later = second.wins_over(&first);
        let seen = if later { &second } else { &first };
        self.half = u8::from(later);
        self.epoch = seen.epoch.ok_or(LoadError::Lost)?;
        self.sequence = seen.sequence;
        self.cell = seen.end;
        self.torn_end = seen.torn_end;
        self.mark_at = None;
        self.settled = false;
        self.twice = seen.twice;
        self.frozen = false;
        self.state = seen.state;
        Ok(())
    }

    /// Makes a new record with `state`, erasing both halves.
    ///
    /// # Errors
    /// [`AppendError`] if the flash fails.
    pub fn create<F: Flash>(
        flash: &mut F,
        geometry: Geometry,
        state: &S,
    ) -> Result<Self, AppendError<F::Error>> {
        let mut journal = Self::unwritable(geometry, state);
        journal.renew(flash, state).map(|()| journal)
    }

    /// The same in place of one that [`Journal::read`] has found to be lost.
    ///
    /// # Errors
    /// [`AppendError`] if the flash fails: then there is a record with this state that stands nowhere,
    /// as after [`Journal::freeze`].
    pub fn renew<F: Flash>(
        &mut self,
        flash: &mut F,
        state: &S,
    ) -> Result<(), AppendError<F::Error>> {
        // As if the other half had just become full.
        (self.half, self.epoch, self.sequence) = (1, 0, 0);
        self.cell = self.geometry.cells;
        (self.torn_end, self.settled, self.twice) = (false, false, false);
        self.mark_at = None;
        self.frozen = false;
        self.state = *state;
        let other = *self.geometry.half(1);
        let renewed = other
            .erase(flash, 0, other.len)
            .map_err(|cause| AppendError::Flash(Some(cause)))
            .and_then(|()| self.append(flash, state));
        self.frozen = renewed.is_err();
        renewed
    }

    /// A record that stands nowhere: the flash does not take one. See [`Journal::freeze`].
    pub fn unwritable(geometry: Geometry, state: &S) -> Self {
        Self {
            geometry,
            half: 1,
            epoch: 0,
            sequence: 0,
            cell: geometry.cells,
            torn_end: false,
            mark_at: None,
            settled: false,
            twice: false,
            frozen: true,
            state: *state,
        }
    }

    /// Gives the record up: nothing is appended any more, and it is not handed over, so that the
    /// firmware runs without updates.
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// Whether the record was given up.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// The state in force, its step brought up to the last mark.
    pub fn state(&self) -> &S {
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
        if self.twice {
            return Ok(());
        }
        self.claim(flash)
    }

    /// Makes sure that this boot has appended, so that no torn entry which it does not see can come
    /// into force later. Needed before storage is written in `idle`: without it a torn entry that
    /// claims a backup could be seen again after that backup was erased.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn claim<F: Flash>(&mut self, flash: &mut F) -> Result<(), AppendError<F::Error>> {
        if self.settled {
            return Ok(());
        }
        self.append_copies(flash, None, 2)
    }

    /// Appends `state` and reads it back. The first append after a reset goes behind a gap and is
    /// done twice.
    ///
    /// # Errors
    /// [`AppendError`]; the caller must not act on the new state.
    pub fn append<F: Flash>(
        &mut self,
        flash: &mut F,
        state: &S,
    ) -> Result<(), AppendError<F::Error>> {
        self.append_copies(flash, Some(state), 1)
    }

    /// Appends `state` twice, for the one entry that must never be lost again: the confirm.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn append_twice<F: Flash>(
        &mut self,
        flash: &mut F,
        state: &S,
    ) -> Result<(), AppendError<F::Error>> {
        self.append_copies(flash, Some(state), 2)
    }

    /// Appends this state or else the one in force, so often, and at least twice if this boot has not
    /// appended yet.
    fn append_copies<F: Flash>(
        &mut self,
        flash: &mut F,
        state: Option<&S>,
        copies: u32,
    ) -> Result<(), AppendError<F::Error>> {
        if self.frozen || !state.is_none_or(S::is_storable) {
            return Err(AppendError::Flash(None));
        }
        let copies = if self.settled { copies } else { 2 };
        let appended = self.try_append(flash, state, copies);
        // After a failure nobody knows what stands there: the next append has to decide anew.
        self.settled = appended.is_ok();
        self.twice = matches!(appended, Ok(true));
        self.mark_at = None;
        appended.map(|_twice| {
            if let Some(state) = state {
                self.state = *state;
            }
        })
    }

    /// The same, without the bookkeeping. Whether it stands there twice now.
    fn try_append<F: Flash>(
        &mut self,
        flash: &mut F,
        state: Option<&S>,
        copies: u32,
    ) -> Result<bool, AppendError<F::Error>> {
        let gap = if self.settled { 0 } else { GAP_MAX };
        let needed = copies.wrapping_add(gap);
        if self.cell.wrapping_add(needed) <= self.geometry.cells {
            if !self.settled {
                self.leave_gap(flash);
            }
            if self.write_copies(flash, state, copies).is_ok() {
                return Ok(copies > 1);
            }
        }
        self.change_half(flash)?;
        self.write_copies(flash, state, 2).map(|()| true)
    }

    /// Leaves cells behind before the first append of a boot: the last boot may have been cut while it
    /// wrote there, and a cell that looks blank may not be.
    ///
    /// Where the flash allows it, they are spoilt by overwriting their first unit, one after the
    /// other, beginning with a torn last one. So no cell behind them was ever touched, however
    /// often and wherever the boots before were cut (the argument is in the install protocol). Where
    /// the flash does not allow it, one cell is left and the flash must refuse what was touched.
    ///
    /// A failure changes nothing: the cells are passed over in any case.
    fn leave_gap<F: Flash>(&mut self, flash: &mut F) {
        if !self.geometry.overwrite {
            self.cell = self.cell.wrapping_add(1);
            return;
        }
        let begin = self.cell.saturating_sub(u32::from(self.torn_end));
        self.cell = self.cell.wrapping_add(2);
        for cell in begin..self.cell {
            self.spoil_cell(flash, cell);
        }
    }

    /// Overwrites the first unit of a cell, so that the cell never counts as an entry again. Only
    /// where the flash allows it.
    #[inline(never)]
    fn spoil_cell<F: Flash>(&self, flash: &mut F, cell: u32) {
        if self.geometry.overwrite {
            let mut spoilt = [0; CELL_LEN_MAX];
            let unit = spoilt.get_mut(..self.geometry.unit_len as usize);
            drop(self.program(flash, self.geometry.cell_at(cell), unit));
        }
    }

    /// J4: erases the other half and begins it with the state in force. That first entry alone
    /// does not make the half count; what is appended behind it does.
    ///
    /// Before the erase its first cell is spoilt. Its second one may be torn and unseen by this boot:
    /// if the erase then were cut before it changed anything, a later boot could see both, take the
    /// half for the newer one, and write into sectors that an erase has touched.
    fn change_half<F: Flash>(&mut self, flash: &mut F) -> Result<(), AppendError<F::Error>> {
        let before = (self.half, self.epoch, self.cell);
        self.half ^= 1;
        self.epoch = self.epoch.wrapping_add(1);
        self.cell = 0;
        self.spoil_cell(flash, 0);
        let area = self.geometry.half(self.half);
        let begun = area
            .erase(flash, 0, area.len)
            .map_err(|cause| AppendError::Flash(Some(cause)))
            .and_then(|()| self.write_copies(flash, None, 1));
        if begun.is_err() {
            // Without its first entry the other half is none.
            (self.half, self.epoch, self.cell) = before;
        }
        begun
    }

    /// Writes so many entries with this state or else the one in force, each into the next cell that
    /// takes it.
    fn write_copies<F: Flash>(
        &mut self,
        flash: &mut F,
        state: Option<&S>,
        copies: u32,
    ) -> Result<(), AppendError<F::Error>> {
        let mut failure = None;
        let mut left = copies;
        while left > 0 {
            if self.cell >= self.geometry.cells {
                return Err(AppendError::Flash(failure));
            }
            let stamp = Stamp {
                epoch: self.epoch,
                sequence: self.sequence.wrapping_add(1),
            };
            let mut buf = [0xFF; CELL_LEN_MAX];
            let at = self.geometry.cell_at(self.cell);
            self.cell = self.cell.wrapping_add(1);
            let len = self.geometry.cell_len as usize;
            let state = state.unwrap_or(&self.state);
            let written = stamp.encode(state, self.geometry.entry_len(), &mut buf);
            let bytes = written.and_then(|_entry| buf.get_mut(..len));
            match self.program(flash, at, bytes) {
                Ok(()) => {
                    self.sequence = stamp.sequence;
                    left = left.wrapping_sub(1);
                }
                Err(cause) => failure = cause,
            }
        }
        Ok(())
    }

    /// Programs these bytes into the half in force, on flash that erases to zero their inverse, and
    /// looks whether they read back, every time.
    #[inline(never)]
    fn program<F: Flash>(
        &self,
        flash: &mut F,
        at: u32,
        bytes: Option<&mut [u8]>,
    ) -> Result<(), Option<AccessError<F::Error>>> {
        let out_of_bounds = Some(AccessError::OutOfBounds);
        let mut stored = [0; CELL_LEN_MAX];
        let Some(bytes) = bytes else {
            return Err(out_of_bounds);
        };
        let Some(stored) = stored.get_mut(..bytes.len()) else {
            return Err(out_of_bounds);
        };
        for byte in bytes.iter_mut() {
            *byte ^= !self.geometry.erased;
        }
        let half = self.geometry.half(self.half);
        // What cannot be programmed may stand there all the same.
        let failure = half.program(flash, at, bytes).err();
        if stable(flash, half, at, stored) && stored == bytes {
            Ok(())
        } else {
            Err(failure)
        }
    }

    /// Calls `each` with the sequence number and state of every valid entry of the half in force,
    /// oldest first. For the bootloader's table.
    pub fn for_each_entry<F: Flash>(&self, flash: &mut F, mut each: impl FnMut(u32, &S)) {
        let area = *self.geometry.half(self.half);
        let mut state = S::default();
        for cell in 0..self.cell.min(self.geometry.cells) {
            if let Seen::Entry(entry) = see(flash, &area, &self.geometry, cell, &mut state)
                && entry.epoch == self.epoch
            {
                each(entry.sequence, &state);
            }
        }
    }
}

impl Journal {
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
        self.claim(flash)?;
        let before = self.state.step();
        self.state.set_step(step.saturating_add(1));
        for _ in 0..MARK_TRIES {
            let (cell, unit) = match self.mark_at {
                Some((cell, unit)) if unit < self.geometry.marks_per_cell() => (cell, unit),
                _ => (self.cell, 0),
            };
            if cell >= self.geometry.cells {
                break;
            }
            self.cell = cell.wrapping_add(1);
            if self.program_mark(flash, (cell, unit), step).is_ok() {
                self.mark_at = Some((cell, unit.wrapping_add(1)));
                self.twice = false;
                return Ok(());
            }
            // Marks behind a torn one in the same cell would not be found: take the next cell.
            self.mark_at = None;
        }
        let appended = self.append_copies(flash, None, 2);
        if appended.is_err() {
            self.state.set_step(before);
        }
        appended
    }

    fn mark_offset(&self, (cell, unit): (u32, u32)) -> u32 {
        self.geometry
            .cell_at(cell)
            .wrapping_add(unit.wrapping_mul(self.geometry.unit_len))
    }

    fn program_mark<F: Flash>(
        &self,
        flash: &mut F,
        at: (u32, u32),
        step: u16,
    ) -> Result<(), Option<AccessError<F::Error>>> {
        let mut buf = [0xFF; CELL_LEN_MAX];
        for (target, byte) in buf.iter_mut().zip(mark_bytes(step)) {
            *target = byte;
        }
        let unit = buf.get_mut(..self.geometry.unit_len as usize);
        self.program(flash, self.mark_offset(at), unit)
    }

    /// The permission to write into `slot`, if the state in force allows it: `receiving` into its
    /// own slot, `idle` (a copy of the running image) into a slot that is not the backup. Not before
    /// this boot has appended, see [`Journal::claim`].
    pub fn permit(&self, slot: Slot) -> Option<StoragePermit<'_>> {
        StoragePermit::new(self, slot)
    }
}
