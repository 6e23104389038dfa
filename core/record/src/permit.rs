//! The only way to storage: a permit that the record hands out.

use crate::{Backup, Journal, Phase};
use otaru_flash::{AccessError, Area, Flash, Layout, Slot};

/// Permission to erase and program one storage slot.
///
/// It borrows the journal, so the state that granted it cannot change while it is held.
#[derive(Debug)]
pub struct StoragePermit<'a> {
    slot: Slot,
    _state: &'a Journal,
}

impl<'a> StoragePermit<'a> {
    pub(crate) fn new(journal: &'a Journal, slot: Slot) -> Option<Self> {
        let state = journal.state();
        let allowed = match state.phase() {
            Phase::Idle => {
                state.backup() != Backup::Copy(slot) && state.backup() != Backup::Permuted
            }
            Phase::Receiving => state.slot() == Some(slot) && state.backup() != Backup::Copy(slot),
            Phase::Parked
            | Phase::Requested
            | Phase::Installing
            | Phase::Installed
            | Phase::Trial
            | Phase::Refused
            | Phase::Reverting => false,
        };
        let storage = slot != Slot::Execution;
        (allowed && storage && journal.settled).then_some(Self {
            slot,
            _state: journal,
        })
    }

    fn area<'l>(&self, layout: &'l Layout) -> &'l Area {
        layout.slot(self.slot)
    }

    fn slot_offset<E>(&self, layout: &Layout, at: u32) -> Result<u32, AccessError<E>> {
        at.checked_add(layout.image_offset(self.slot))
            .ok_or(AccessError::OutOfBounds)
    }

    /// The slot that may be written.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// Erases `len` bytes from `at`, counted from where the image begins; both multiples of the
    /// slot's sectors.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn erase<F: Flash>(
        &self,
        flash: &mut F,
        layout: &Layout,
        at: u32,
        len: u32,
    ) -> Result<(), AccessError<F::Error>> {
        self.area(layout)
            .erase(flash, self.slot_offset(layout, at)?, len)
    }

    /// Programs `data` at `at`, counted from where the image begins; both multiples of the write
    /// unit. The sectors must have been erased by this boot (J5).
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn program<F: Flash>(
        &self,
        flash: &mut F,
        layout: &Layout,
        at: u32,
        data: &[u8],
    ) -> Result<(), AccessError<F::Error>> {
        self.area(layout)
            .program(flash, self.slot_offset(layout, at)?, data)
    }
}
