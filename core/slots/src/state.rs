//! What the record of the slot engine says, and which state may follow which.

use crate::{Facts, SlotKind, SlotName};
use otaru_record::{Body, Cause, DigestStart};

/// Length of an entry in bytes.
pub(crate) const ENTRY_LEN: u32 = 104;
/// Entries that a half must have: an update that is reverted takes at most 14 cells.
pub(crate) const ENTRIES_MIN: u32 = 16;

const TAG: u32 = 0x4F54_5301;
const HEAD_LEN: usize = 16;
const TRAILER_LEN: usize = 8;
const BODY_LEN: usize = ENTRY_LEN as usize - HEAD_LEN - TRAILER_LEN;
const FLAG_ASSUMED: u8 = 1;
const FLAG_REPORTED: u8 = 2;

/// One VM slot and one bytecode slot that run together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Config {
    /// VM slot, from 0.
    pub vm: u8,
    /// Bytecode slot, from 0.
    pub bytecode: u8,
}

impl Config {
    /// Its two slots.
    pub const fn slots(self) -> [SlotName; 2] {
        [SlotName::vm(self.vm), SlotName::bytecode(self.bytecode)]
    }

    /// Whether the slot is one of its two.
    pub fn has(self, slot: SlotName) -> bool {
        match slot.kind {
            SlotKind::Vm => self.vm == slot.index,
            SlotKind::Bytecode => self.bytecode == slot.index,
        }
    }
}

/// What a boot started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run {
    /// The configuration that runs.
    pub config: Config,
    /// Whether it is on trial.
    pub trial: bool,
}

/// Where an update stands. The number is what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[repr(u8)]
pub enum SlotPhase {
    /// Nothing is to be tried.
    #[default]
    Idle = 1,
    /// The candidate is to be tried at the next boot.
    Armed = 2,
    /// A boot was about to start the candidate. It has had its trial.
    Tried = 3,
}

impl SlotPhase {
    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Idle,
            2 => Self::Armed,
            3 => Self::Tried,
            _ => return None,
        })
    }
}

/// A set of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct SlotSet(u8);

impl SlotSet {
    const EVERY: u8 = 0b1111;

    const fn bit(slot: SlotName) -> u8 {
        let low = if slot.index == 0 { 1 } else { 2 };
        match slot.kind {
            SlotKind::Vm => low,
            SlotKind::Bytecode => low << 2,
        }
    }

    /// Whether the slot is in it.
    pub const fn has(self, slot: SlotName) -> bool {
        self.0 & Self::bit(slot) != 0
    }

    /// The set with the slot.
    #[must_use]
    pub const fn with(self, slot: SlotName) -> Self {
        Self(self.0 | Self::bit(slot))
    }

    /// The set without the slot.
    #[must_use]
    pub const fn without(self, slot: SlotName) -> Self {
        Self(self.0 & !Self::bit(slot))
    }

    /// The set with both slots of a configuration.
    #[must_use]
    pub fn with_both(self, config: Config) -> Self {
        let [vm, bytecode] = config.slots();
        self.with(vm).with(bytecode)
    }

    /// Whether both slots of a configuration are in it.
    pub fn has_both(self, config: Config) -> bool {
        config.slots().iter().all(|&slot| self.has(slot))
    }

    /// Whether no slot is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// How the last trial ended, kept until the next one is armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SlotOutcome {
    /// DDI action id of the attempt; 0 if it was started by hand.
    pub attempt: u64,
    /// How it ended; [`Cause::None`]: there is nothing to tell.
    pub cause: Cause,
    /// What was tried.
    pub config: Config,
    /// The images that were tried, VM and bytecode.
    pub images: [DigestStart; 2],
    /// Whether the manager has been told.
    pub reported: bool,
}

/// Everything the record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SlotState {
    /// Where an update stands.
    pub phase: SlotPhase,
    /// The last working configuration.
    pub working: Config,
    /// What is to be tried, or was tried; in `idle` the working one.
    pub candidate: Config,
    /// Slots whose image was accepted and that were not erased since.
    pub proven: SlotSet,
    /// The record was lost: what runs was found and is vouched for by nobody.
    pub assumed: bool,
    /// Lowest security counters that may run, of a VM and of bytecode.
    pub floors: [u32; 2],
    /// Revoked keys, bit = position in the key table.
    pub revoked: u16,
    /// What an accept makes the floors.
    pub candidate_counters: [u32; 2],
    /// What an accept revokes.
    pub candidate_revokes: u16,
    /// The images of the candidate, VM and bytecode.
    pub candidate_images: [DigestStart; 2],
    /// DDI action id of the attempt; 0: by hand.
    pub attempt: u64,
    /// How the last trial ended.
    pub outcome: SlotOutcome,
}

impl SlotState {
    /// The state of a device that was flashed by cable with images in `config`.
    pub fn factory(config: Config) -> Self {
        Self {
            working: config,
            candidate: config,
            proven: SlotSet::default().with_both(config),
            ..Self::default()
        }
    }

    /// The state after the record was lost, with what was found to be runnable.
    #[must_use]
    pub fn assuming(self, config: Config) -> Self {
        Self {
            phase: SlotPhase::Idle,
            working: config,
            candidate: config,
            assumed: true,
            ..self
        }
    }

    /// What a boot on this state runs, once it stands in the record.
    pub fn run(&self) -> Run {
        match self.phase {
            SlotPhase::Idle | SlotPhase::Armed => Run {
                config: self.working,
                trial: false,
            },
            SlotPhase::Tried => Run {
                config: self.candidate,
                trial: true,
            },
        }
    }

    /// What runs after the next restart: the candidate only if it still has its trial.
    pub fn next(&self) -> Config {
        match self.phase {
            SlotPhase::Idle | SlotPhase::Tried => self.working,
            SlotPhase::Armed => self.candidate,
        }
    }

    /// The candidate is to be tried once, at the next boot. `facts` are those of its images, VM and
    /// bytecode; `attempt` is the DDI action id, or 0.
    #[must_use]
    pub fn armed(self, candidate: Config, facts: &[Facts; 2], attempt: u64) -> Self {
        let [vm, bytecode] = facts;
        Self {
            phase: SlotPhase::Armed,
            candidate,
            candidate_counters: [vm.security_counter, bytecode.security_counter],
            candidate_revokes: vm.revoke | bytecode.revoke,
            candidate_images: [vm.image, bytecode.image],
            attempt,
            ..self
        }
    }

    /// The trial is used up. To be stored before the candidate is started.
    #[must_use]
    pub fn tried(self) -> Self {
        Self {
            phase: SlotPhase::Tried,
            ..self
        }
    }

    /// Nothing is to be tried any more; nothing is said about it.
    #[must_use]
    pub fn withdrawn(self) -> Self {
        Self {
            phase: SlotPhase::Idle,
            candidate: self.working,
            candidate_counters: [0; 2],
            candidate_revokes: 0,
            candidate_images: [DigestStart::default(); 2],
            attempt: 0,
            ..self
        }
    }

    /// The candidate failed: the working configuration stays.
    #[must_use]
    pub fn ended(self, cause: Cause) -> Self {
        let outcome = SlotOutcome {
            attempt: self.attempt,
            cause,
            config: self.candidate,
            images: self.candidate_images,
            reported: false,
        };
        Self {
            outcome,
            ..self.withdrawn()
        }
    }

    /// The configuration on trial works from now on. The only transition that changes the working
    /// configuration to the candidate, raises the floors and revokes keys.
    #[must_use]
    pub fn accepted(self) -> Self {
        let [vm, bytecode] = self.floors;
        let [new_vm, new_bytecode] = self.candidate_counters;
        let working = self.candidate;
        Self {
            working,
            candidate: working,
            proven: self.proven.with_both(working),
            assumed: false,
            floors: [vm.max(new_vm), bytecode.max(new_bytecode)],
            revoked: self.revoked | self.candidate_revokes,
            ..self.ended(Cause::Confirmed)
        }
    }

    /// Somebody vouches for what a boot had only assumed.
    #[must_use]
    pub fn vouched(self) -> Self {
        Self {
            assumed: false,
            proven: self.proven.with_both(self.working),
            ..self
        }
    }

    /// The slot is about to be erased: it proves nothing any more, and an attempt that names it is
    /// withdrawn.
    #[must_use]
    pub fn opened(self, slot: SlotName) -> Self {
        let named = self.phase == SlotPhase::Armed && self.candidate.has(slot);
        let state = if named { self.withdrawn() } else { self };
        Self {
            proven: state.proven.without(slot),
            ..state
        }
    }

    /// The working configuration is damaged; this one, accepted earlier, takes its place.
    #[must_use]
    pub fn fallen_back(self, config: Config) -> Self {
        Self {
            working: config,
            ..self
        }
        .withdrawn()
    }

    /// Whether the outcome waits to be reported to the manager.
    pub fn has_news(&self) -> bool {
        let outcome = &self.outcome;
        outcome.cause != Cause::None && outcome.attempt != 0 && !outcome.reported
    }
}

impl Body for SlotState {
    const TAG: u32 = TAG;

    fn put(&self, entry: &mut [u8]) -> Option<()> {
        let body = entry.get_mut(HEAD_LEN..)?.first_chunk_mut::<BODY_LEN>()?;
        let mut fields = Fields(body.as_mut_slice());
        let outcome = &self.outcome;
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let [vm_floor, bytecode_floor] = self.floors;
        let [vm_counter, bytecode_counter] = self.candidate_counters;
        let [vm_image, bytecode_image] = self.candidate_images;
        let [tried_vm, tried_bytecode] = outcome.images;
        fields.put([
            self.phase as u8,
            self.working.vm,
            self.working.bytecode,
            self.candidate.vm,
            self.candidate.bytecode,
            self.proven.0,
            flag(self.assumed, FLAG_ASSUMED) | flag(outcome.reported, FLAG_REPORTED),
            0,
        ]);
        fields.put(vm_floor.to_le_bytes());
        fields.put(bytecode_floor.to_le_bytes());
        fields.put(vm_counter.to_le_bytes());
        fields.put(bytecode_counter.to_le_bytes());
        fields.put(self.revoked.to_le_bytes());
        fields.put(self.candidate_revokes.to_le_bytes());
        fields.put(outcome.cause.code().to_le_bytes());
        fields.put([outcome.config.vm, outcome.config.bytecode]);
        fields.put(self.attempt.to_le_bytes());
        fields.put(outcome.attempt.to_le_bytes());
        fields.put(vm_image);
        fields.put(bytecode_image);
        fields.put(tried_vm);
        fields.put(tried_bytecode);
        Some(())
    }

    fn get(entry: &[u8]) -> Option<Self> {
        let body = entry.get(HEAD_LEN..)?.first_chunk::<BODY_LEN>()?;
        let mut fields = Stored(body.as_slice());
        let [
            phase,
            vm,
            bytecode,
            candidate_vm,
            candidate_bytecode,
            proven,
            flags,
            zero,
        ] = fields.get()?;
        let known = proven & !SlotSet::EVERY == 0
            && flags & !(FLAG_ASSUMED | FLAG_REPORTED) == 0
            && zero == 0
            && [vm, bytecode, candidate_vm, candidate_bytecode]
                .iter()
                .all(|&index| index <= 1);
        if !known {
            return None;
        }
        let mut state = Self {
            phase: SlotPhase::from_code(phase)?,
            working: Config { vm, bytecode },
            candidate: Config {
                vm: candidate_vm,
                bytecode: candidate_bytecode,
            },
            proven: SlotSet(proven),
            assumed: flags & FLAG_ASSUMED != 0,
            floors: [fields.u32()?, fields.u32()?],
            candidate_counters: [fields.u32()?, fields.u32()?],
            revoked: fields.u16()?,
            candidate_revokes: fields.u16()?,
            ..Self::default()
        };
        state.outcome.cause = Cause::from_code(fields.u16()?)?;
        let [vm, bytecode] = fields.get()?;
        state.outcome.config = Config { vm, bytecode };
        state.attempt = u64::from_le_bytes(fields.get()?);
        state.outcome.attempt = u64::from_le_bytes(fields.get()?);
        state.candidate_images = [fields.get()?, fields.get()?];
        state.outcome.images = [fields.get()?, fields.get()?];
        state.outcome.reported = flags & FLAG_REPORTED != 0;
        Some(state)
    }

    fn mark(&mut self, _step: u16) {}
}

/// The fields of `put` and `get` fill the body exactly.
const _: () = assert!(
    8 + 4 * 4 + 4 * 2 + 2 * 8 + 4 * 8 == BODY_LEN,
    "the entry's length changed"
);

/// The place for fields that are still to be written.
struct Fields<'a>(&'a mut [u8]);

impl Fields<'_> {
    fn put<const N: usize>(&mut self, value: [u8; N]) {
        let place = core::mem::take(&mut self.0);
        if let Some((field, rest)) = place.split_first_chunk_mut::<N>() {
            *field = value;
            self.0 = rest;
        }
    }
}

/// Fields that are still to be read.
struct Stored<'a>(&'a [u8]);

impl Stored<'_> {
    fn get<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn u16(&mut self) -> Option<u16> {
        self.get().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.get().map(u32::from_le_bytes)
    }
}
