//! The record, wherever the layout puts it.

use crate::state::ENTRY_LEN;
use crate::{RecordPlace, SlotLayout, SlotLayoutError, SlotState};
use otaru_flash::Flash;
use otaru_record::{AppendError, Geometry, Journal, Volatile};

/// Bytes of memory that a volatile record needs.
pub const VOLATILE_LEN: usize = Volatile::<'static, SlotState>::len(ENTRY_LEN as usize);

/// The record of the slot engine, as one boot sees it.
///
/// In flash it obeys the rules of the journal (J1…J8 in `docs/formats/install-protocol.md`): it is
/// decoded once per boot, and the first append of a boot is made twice, behind a gap.
#[derive(Debug)]
pub struct SlotRecord<'m> {
    place: Place<'m>,
}

#[derive(Debug)]
enum Place<'m> {
    Flash(Geometry, Option<Journal<SlotState>>),
    Volatile(Volatile<'m, SlotState>),
}

impl<'m> SlotRecord<'m> {
    /// Reads the record. `memory` is what the board keeps through a reset; only a volatile record
    /// needs it.
    ///
    /// # Errors
    /// [`SlotLayoutError::RecordTooShort`]. A lost record is none: its [`state`](Self::state) is
    /// `None`.
    pub fn open<F: Flash>(
        flash: &mut F,
        layout: &SlotLayout,
        memory: &'m mut [u8],
    ) -> Result<Self, SlotLayoutError> {
        let place = match &layout.record {
            RecordPlace::Flash(area) => {
                let geometry = layout.geometry(area)?;
                // The geometry stands, so an error means that the record is lost.
                Place::Flash(geometry, Journal::load_with(flash, geometry).ok())
            }
            RecordPlace::Volatile => Place::Volatile(volatile(memory)?),
        };
        Ok(Self { place })
    }

    /// The state in force; `None` if the record is lost.
    pub fn state(&self) -> Option<&SlotState> {
        match &self.place {
            Place::Flash(_, journal) => journal.as_ref().map(Journal::state),
            Place::Volatile(volatile) => volatile.state(),
        }
    }

    /// Makes sure that this boot may act on the state in force. See [`Journal::settle`].
    ///
    /// # Errors
    /// [`AppendError`]; nothing may be done on the strength of the state then.
    pub fn settle<F: Flash>(&mut self, flash: &mut F) -> Result<(), AppendError<F::Error>> {
        match &mut self.place {
            Place::Flash(_, Some(journal)) => journal.settle(flash),
            Place::Volatile(volatile) if volatile.state().is_some() => Ok(()),
            Place::Flash(_, None) | Place::Volatile(_) => Err(AppendError::Flash(None)),
        }
    }

    /// Makes sure that this boot has appended, so that no entry it does not see can come into force
    /// later. Needed before a slot is erased. See [`Journal::claim`].
    ///
    /// # Errors
    /// [`AppendError`]; the slot must not be touched then.
    pub fn claim<F: Flash>(&mut self, flash: &mut F) -> Result<(), AppendError<F::Error>> {
        match &mut self.place {
            Place::Flash(_, Some(journal)) => journal.claim(flash),
            Place::Volatile(volatile) if volatile.state().is_some() => Ok(()),
            Place::Flash(_, None) | Place::Volatile(_) => Err(AppendError::Flash(None)),
        }
    }

    /// Appends `state`; makes a new record if it was lost.
    ///
    /// # Errors
    /// [`AppendError`]; either state may be in force then.
    pub fn append<F: Flash>(
        &mut self,
        flash: &mut F,
        state: &SlotState,
    ) -> Result<(), AppendError<F::Error>> {
        match &mut self.place {
            Place::Flash(_, Some(journal)) => journal.append(flash, state),
            Place::Flash(geometry, place @ None) => {
                *place = Some(Journal::create(flash, *geometry, state)?);
                Ok(())
            }
            Place::Volatile(volatile) => store(volatile, state),
        }
    }

    /// Appends `state` twice: for what must never be lost again, an accept.
    ///
    /// # Errors
    /// [`AppendError`]; either state may be in force then.
    pub fn append_twice<F: Flash>(
        &mut self,
        flash: &mut F,
        state: &SlotState,
    ) -> Result<(), AppendError<F::Error>> {
        match &mut self.place {
            Place::Flash(_, Some(journal)) => journal.append_twice(flash, state),
            Place::Flash(_, None) | Place::Volatile(_) => self.append(flash, state),
        }
    }

    /// What the next program of this boot needs to go on with the record, besides the memory of a
    /// volatile one. Returns its length, or `None` if it does not fit or there is no record.
    pub(crate) fn hand_over(&self, buf: &mut [u8]) -> Option<usize> {
        match &self.place {
            Place::Flash(_, journal) => journal.as_ref()?.hand_over(buf),
            Place::Volatile(volatile) => volatile.state().map(|_| 0),
        }
    }

    /// The record as another program of this boot left it. `None` if it was not handed over whole.
    pub(crate) fn take_over(
        layout: &SlotLayout,
        memory: &'m mut [u8],
        handover: &[u8],
    ) -> Option<Self> {
        let place = match &layout.record {
            RecordPlace::Flash(area) => {
                let geometry = layout.geometry(area).ok()?;
                let journal = Journal::take_over_with(geometry, handover).ok()?;
                Place::Flash(geometry, Some(journal))
            }
            RecordPlace::Volatile => {
                let volatile = volatile(memory).ok()?;
                volatile.state()?;
                Place::Volatile(volatile)
            }
        };
        Some(Self { place })
    }
}

fn volatile(memory: &mut [u8]) -> Result<Volatile<'_, SlotState>, SlotLayoutError> {
    Volatile::load(memory, ENTRY_LEN as usize).ok_or(SlotLayoutError::RecordTooShort)
}

fn store<E>(
    volatile: &mut Volatile<'_, SlotState>,
    state: &SlotState,
) -> Result<(), AppendError<E>> {
    if volatile.store(state) {
        Ok(())
    } else {
        Err(AppendError::Flash(None))
    }
}
