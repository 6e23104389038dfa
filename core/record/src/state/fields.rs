//! The fields of a [`State`] at the offsets of the format, which are constants: each access becomes a
//! plain load or store.

use super::{Backup, Cause, Held, Image, Outcome, Phase, State};
use crate::{Body, ChunkSet};
use otaru_flash::Slot;

/// Bytes of an entry between its head and its bitmap. Offsets here count from the head's end, so
/// they are 16 less than those in `docs/formats/record.md`.
const FIELDS_LEN: usize = 176;

const ENTRY_TAG: u32 = 0x4F54_0001;
/// Tag, its complement, epoch and sequence number, which are the journal's.
const HEAD_LEN: usize = 16;

/// The phase is the only field that is kept decoded.
const PHASE_LEN: usize = 1;
/// Bytes of the others, which are kept as they are stored.
pub(super) const STORED_LEN: usize = FIELDS_LEN - PHASE_LEN;
const SLOT: usize = 1;
const BACKUP: usize = 2;
const FLAGS: usize = 5;
pub(super) const CURRENT: usize = 32;
pub(super) const OTHER: usize = 68;
pub(super) const BACKUP_IMAGE: usize = 104;
const OUTCOME: usize = 140;
const OUTCOME_ATTEMPT: usize = 140;
const OUTCOME_CAUSE: usize = 148;
const OUTCOME_PHASE: usize = 150;
const OUTCOME_FROM: usize = 160;
const OUTCOME_TO: usize = 168;

const NO_SLOT: u8 = 0xFF;
const PERMUTED: u8 = 0x80;
const FLAG_REPORTED: u8 = 1;
const FLAG_HEAL: u8 = 2;
const FLAG_FACTORY: u8 = 4;

const IMAGE_LEN: usize = 36;
const NAME_LEN: usize = 8;

/// A number at an offset: how it is read and how it is set.
macro_rules! number {
    ($(#[$doc:meta])* $get:ident, $set:ident: $number:ty, $at:expr) => {
        $(#[$doc])*
        pub fn $get(&self) -> $number {
            <$number>::from_le_bytes(self.load($at))
        }

        #[doc = concat!("Sets [`State::", stringify!($get), "`].")]
        pub fn $set(&mut self, value: $number) {
            self.store($at, value.to_le_bytes());
        }
    };
}

/// An image at an offset: how it is read and how it is set.
macro_rules! image {
    ($(#[$doc:meta])* $get:ident, $set:ident, $at:expr) => {
        $(#[$doc])*
        pub fn $get(&self) -> Image {
            self.image_at($at)
        }

        #[doc = concat!("Sets [`State::", stringify!($get), "`].")]
        pub fn $set(&mut self, image: &Image) {
            self.store($at, image.len.to_le_bytes());
            self.store($at + 4, image.digest);
        }
    };
}

/// A flag: how it is read and how it is set.
macro_rules! flag {
    ($(#[$doc:meta])* $get:ident, $set:ident, $flag:expr) => {
        $(#[$doc])*
        pub fn $get(&self) -> bool {
            let [flags] = self.load(FLAGS);
            flags & $flag != 0
        }

        #[doc = concat!("Sets [`State::", stringify!($get), "`].")]
        pub fn $set(&mut self, on: bool) {
            let [flags] = self.load(FLAGS);
            self.store(FLAGS, [if on { flags | $flag } else { flags & !$flag }]);
        }
    };
}

impl State {
    fn load<const N: usize>(&self, at: usize) -> [u8; N] {
        let from = self.stored.get(at.saturating_sub(PHASE_LEN)..);
        from.and_then(<[u8]>::first_chunk)
            .copied()
            .unwrap_or([0; N])
    }

    fn store<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        let from = self.stored.get_mut(at.saturating_sub(PHASE_LEN)..);
        if let Some(place) = from.and_then(<[u8]>::first_chunk_mut) {
            *place = value;
        }
    }

    /// One of the images.
    #[inline(never)]
    pub fn image(&self, which: Held) -> Image {
        self.image_at(which as usize)
    }

    fn image_at(&self, at: usize) -> Image {
        Image {
            len: u32::from_le_bytes(self.load(at)),
            digest: self.load(at.saturating_add(4)),
        }
    }

    /// Where the device stands.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Sets [`State::phase`].
    pub fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Storage slot of [`State::other`].
    pub fn slot(&self) -> Option<Slot> {
        let [code] = self.load(SLOT);
        Slot::from_code(code)
    }

    /// Sets [`State::slot`].
    pub fn set_slot(&mut self, slot: Option<Slot>) {
        self.store(SLOT, [slot.map_or(NO_SLOT, Slot::code)]);
    }

    /// Where a complete backup stands.
    pub fn backup(&self) -> Backup {
        let [code] = self.load(BACKUP);
        match Slot::from_code(code) {
            Some(slot) => Backup::Copy(slot),
            None if code == PERMUTED => Backup::Permuted,
            None => Backup::None,
        }
    }

    /// Sets [`State::backup`].
    pub fn set_backup(&mut self, backup: Backup) {
        let code = match backup {
            Backup::None => NO_SLOT,
            Backup::Copy(slot) => slot.code(),
            Backup::Permuted => PERMUTED,
        };
        self.store(BACKUP, [code]);
    }

    number!(
        /// Starts of the image on trial so far.
        trials_used, set_trials_used: u8, 3);
    number!(
        /// Starts that it gets.
        trials_allowed, set_trials_allowed: u8, 4);
    number!(
        /// `receiving`: sixteenths of the download that are stored. `installing` and `reverting`:
        /// first step not yet done. After an interrupted download: where it may be resumed.
        step, set_step: u16, 6);
    number!(
        /// Steps of the install that had been done when a revert began.
        steps_installed, set_steps_installed: u16, 8);
    number!(
        /// Seconds the new firmware has to confirm.
        deadline_s, set_deadline_s: u16, 10);
    number!(
        /// Resets so far during the running install or revert.
        cuts, set_cuts: u16, 12);
    number!(
        /// Revoked keys, bit = position in the key table.
        revoked, set_revoked: u16, 14);
    number!(
        /// Lowest security counter that may run.
        floor, set_floor: u32, 16);
    number!(
        /// Length of the new image of the install that permuted the secondary slot.
        permuted_len, set_permuted_len: u32, 20);
    number!(
        /// DDI action id of the running attempt; 0 in `idle`.
        attempt, set_attempt: u64, 24);
    image!(
        /// The confirmed image.
        current, set_current, CURRENT);
    image!(
        /// The image of the running update, in [`State::slot`]; in `idle` a partial download.
        other, set_other, OTHER);
    image!(
        /// Which image the backup holds: [`State::current`], or in `swap` after a confirm the
        /// previous one.
        backup_image, set_backup_image, BACKUP_IMAGE);
    flag!(
        /// Whether a revert restores the execution slot outside an update (all chunks, no outcome).
        heals, set_heals, FLAG_HEAL);
    flag!(
        /// Whether [`State::current`] came by cable: its version is shown as `Factory`.
        factory_made, set_factory_made, FLAG_FACTORY);
    flag!(
        /// Whether the manager has been told of [`State::outcome`]; the same as its field.
        is_reported, set_reported, FLAG_REPORTED);

    /// How the last attempt ended.
    pub fn outcome(&self) -> Outcome {
        let [cause, cuts, chunks] =
            [OUTCOME_CAUSE, 152, 154].map(|at| u16::from_le_bytes(self.load(at)));
        Outcome {
            attempt: self.outcome_attempt(),
            cause: Cause::from_code(cause).unwrap_or_default(),
            phase: self.outcome_phase(),
            from: self.load(OUTCOME_FROM),
            to: self.load(OUTCOME_TO),
            reported: self.is_reported(),
            cuts,
            chunks,
            millis: u32::from_le_bytes(self.load(156)),
        }
    }

    /// Sets [`State::outcome`].
    pub fn set_outcome(&mut self, outcome: &Outcome) {
        self.set_reported(outcome.reported);
        self.set_outcome_attempt(outcome.attempt);
        self.set_outcome_cause(outcome.cause);
        self.set_outcome_phase(outcome.phase);
        self.set_outcome_work(outcome.cuts, outcome.chunks, outcome.millis);
        self.store(OUTCOME_FROM, outcome.from);
        self.store(OUTCOME_TO, outcome.to);
    }

    /// DDI action id of the attempt that ended last.
    pub(crate) fn outcome_attempt(&self) -> u64 {
        u64::from_le_bytes(self.load(OUTCOME_ATTEMPT))
    }

    pub(crate) fn set_outcome_attempt(&mut self, attempt: u64) {
        self.store(OUTCOME_ATTEMPT, attempt.to_le_bytes());
    }

    pub(crate) fn set_outcome_cause(&mut self, cause: Cause) {
        self.store(OUTCOME_CAUSE, cause.code().to_le_bytes());
    }

    /// The phase in which it ended.
    pub(crate) fn outcome_phase(&self) -> Phase {
        let [code] = self.load(OUTCOME_PHASE);
        Phase::from_code(code).unwrap_or_default()
    }

    /// Whether it ended in this phase.
    pub(crate) fn ended_in(&self, phase: Phase) -> bool {
        self.load(OUTCOME_PHASE) == [phase as u8]
    }

    pub(crate) fn set_outcome_phase(&mut self, phase: Phase) {
        self.store(OUTCOME_PHASE, [phase as u8]);
    }

    /// What its install took.
    pub(crate) fn set_outcome_work(&mut self, cuts: u16, chunks: u16, millis: u32) {
        self.store(152, cuts.to_le_bytes());
        self.store(154, chunks.to_le_bytes());
        self.store(156, millis.to_le_bytes());
    }

    /// Adds to the resets that the attempt survived.
    pub(crate) fn add_outcome_cuts(&mut self, more: u16) {
        let cuts = u16::from_le_bytes(self.load(152));
        self.store(152, cuts.saturating_add(more).to_le_bytes());
    }

    /// The images that the outcome names are the current and the other one.
    pub(crate) fn name_outcome_images(&mut self) {
        let names: [[u8; NAME_LEN]; 2] = [self.load(CURRENT + 4), self.load(OTHER + 4)];
        let [from, to] = names;
        self.store(OUTCOME_FROM, from);
        self.store(OUTCOME_TO, to);
    }

    /// No outcome.
    pub(crate) fn clear_outcome(&mut self) {
        self.set_reported(false);
        self.store(OUTCOME, [0; FIELDS_LEN - OUTCOME]);
        self.set_outcome_phase(Phase::Idle);
    }

    /// The backup holds the current image.
    pub(crate) fn back_current_up(&mut self) {
        self.store::<IMAGE_LEN>(BACKUP_IMAGE, self.load(CURRENT));
    }

    /// The current image is the one that the backup holds.
    pub(crate) fn take_backup_for_current(&mut self) {
        self.store::<IMAGE_LEN>(CURRENT, self.load(BACKUP_IMAGE));
    }

    /// Whether every field has a value that this version knows.
    fn is_known(&self) -> bool {
        let [slot, backup] = self.load(SLOT);
        let [low, high, ended_in] = self.load(OUTCOME_CAUSE);
        is_storage(slot)
            && (backup == PERMUTED || is_storage(backup))
            && Phase::is_code(ended_in)
            && Cause::is_code(u16::from_le_bytes([low, high]))
    }
}

/// Whether this is the number of a storage slot, or of none. The execution slot has one too, but neither
/// a download nor a backup ever stands there; copying it onto itself would destroy it.
fn is_storage(code: u8) -> bool {
    code == NO_SLOT || code == Slot::Storage0.code() || code == Slot::Storage1.code()
}

impl Default for State {
    #[inline(never)]
    fn default() -> Self {
        let mut state = Self {
            phase: Phase::Idle,
            stored: [0; STORED_LEN],
            differing: ChunkSet::default(),
        };
        state.set_slot(None);
        state.set_backup(Backup::None);
        state.set_outcome_phase(Phase::Idle);
        state
    }
}

impl Body for State {
    const TAG: u32 = ENTRY_TAG;

    fn put(&self, body: &mut [u8]) -> Option<()> {
        let (_, own) = body.split_first_chunk_mut::<HEAD_LEN>()?;
        let (phase, own) = own.split_first_mut()?;
        let (stored, bitmap) = own.split_first_chunk_mut()?;
        *phase = self.phase as u8;
        *stored = self.stored;
        bitmap.copy_from_slice(self.differing.bytes().get(..bitmap.len())?);
        Some(())
    }

    fn take(&mut self, body: &[u8]) -> Option<()> {
        let (_, own) = body.split_first_chunk::<HEAD_LEN>()?;
        let (phase, own) = own.split_first()?;
        let (stored, bitmap) = own.split_first_chunk()?;
        self.phase = Phase::from_code(*phase)?;
        self.stored = *stored;
        self.differing.take_bytes(bitmap)?;
        self.is_known().then_some(())
    }

    fn is_storable(&self) -> bool {
        self.slot() != Some(Slot::Execution) && self.backup() != Backup::Copy(Slot::Execution)
    }

    fn mark(&mut self, step: u16) {
        self.set_step(step.saturating_add(1));
    }
}

impl core::fmt::Debug for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("State")
            .field("phase", &self.phase())
            .field("step", &self.step())
            .field("steps_installed", &self.steps_installed())
            .field("current", &self.current())
            .field("other", &self.other())
            .field("slot", &self.slot())
            .field("backup", &self.backup())
            .field("backup_image", &self.backup_image())
            .field("permuted_len", &self.permuted_len())
            .field("differing", &self.differing)
            .field("heals", &self.heals())
            .field("factory_made", &self.factory_made())
            .field("attempt", &self.attempt())
            .field("trials_used", &self.trials_used())
            .field("trials_allowed", &self.trials_allowed())
            .field("deadline_s", &self.deadline_s())
            .field("floor", &self.floor())
            .field("revoked", &self.revoked())
            .field("cuts", &self.cuts())
            .field("outcome", &self.outcome())
            .finish_non_exhaustive()
    }
}
