//! Erasing, closing and summing slots.

use crate::engine::{Port, SlotFota};
use crate::{Checksums, FotaError};
use md5::{Digest as _, Md5};
use otaru_flash::{Area, Flash};
use otaru_record::Cause;
use otaru_slots::{Facts, Judge, Rules, SlotKind, SlotName, SlotPhase, SlotState};
use sha2::Sha256;

/// Bytes that are read and summed at once.
const BLOCK_LEN: usize = 256;

/// What this boot did to a slot.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Worked {
    /// Begin and end of what was erased, in bytes from the beginning of the slot.
    erased: (u32, u32),
    /// The image in it, if it was verified and nothing was written since.
    closed: Option<Facts>,
}

/// What this boot did to every slot.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    vm: [Worked; 2],
    bytecode: [Worked; 2],
}

impl Slots {
    fn get(&self, slot: SlotName) -> Option<&Worked> {
        let worked = match slot.kind {
            SlotKind::Vm => &self.vm,
            SlotKind::Bytecode => &self.bytecode,
        };
        worked.get(usize::from(slot.index))
    }

    fn get_mut(&mut self, slot: SlotName) -> Option<&mut Worked> {
        let worked = match slot.kind {
            SlotKind::Vm => &mut self.vm,
            SlotKind::Bytecode => &mut self.bytecode,
        };
        worked.get_mut(usize::from(slot.index))
    }

    /// The image in a closed slot.
    pub(crate) fn closed(&self, slot: SlotName) -> Option<Facts> {
        self.get(slot)?.closed
    }

    /// Whether this boot has erased all of this range.
    pub(crate) fn is_erased(&self, slot: SlotName, from: u32, to: u32) -> bool {
        self.get(slot)
            .is_some_and(|worked| worked.erased.0 <= from && to <= worked.erased.1)
    }

    /// The slot is not closed any more.
    pub(crate) fn open(&mut self, slot: SlotName) {
        if let Some(worked) = self.get_mut(slot) {
            worked.closed = None;
        }
    }

    fn close(&mut self, slot: SlotName, facts: Facts) {
        if let Some(worked) = self.get_mut(slot) {
            worked.closed = Some(facts);
        }
    }

    /// Nobody knows any more what stands in this slot.
    pub(crate) fn spoil(&mut self, slot: SlotName) {
        if let Some(worked) = self.get_mut(slot) {
            *worked = Worked::default();
        }
    }

    /// This range was erased. Two ranges with a gap between them are not remembered: the later one
    /// counts.
    fn erased(&mut self, slot: SlotName, from: u32, to: u32) {
        if let Some(worked) = self.get_mut(slot) {
            let (begin, end) = worked.erased;
            worked.erased = if begin < end && from <= end && begin <= to {
                (begin.min(from), end.max(to))
            } else {
                (from, to)
            };
        }
    }
}

impl<F: Flash, J: Judge, P: Port> SlotFota<'_, F, J, P> {
    /// The slot of a range, its area, and the offset in it.
    pub(crate) fn locate(
        &self,
        address: u32,
        len: u32,
    ) -> Result<(SlotName, Area, u32), FotaError> {
        let layout = &self.parts.layout;
        let (slot, at) = layout.find(address, len).ok_or(FotaError::OutsideSlot)?;
        let area = layout.slot(slot).ok_or(FotaError::OutsideSlot)?;
        Ok((slot, *area, at))
    }

    /// The state in force, if the slot neither runs nor is needed to go back.
    pub(crate) fn may_change(&self, slot: SlotName) -> Result<SlotState, FotaError> {
        if self.run.config.has(slot) {
            return Err(FotaError::Protected);
        }
        let state = self.writable()?;
        if state.working.has(slot) {
            return Err(FotaError::Protected);
        }
        Ok(state)
    }

    /// Withdraws an attempt that names the slot.
    pub(crate) fn withdraw(&mut self, slot: SlotName, state: &SlotState) -> Result<(), FotaError> {
        if state.phase == SlotPhase::Armed && state.candidate.has(slot) {
            self.store(&state.withdrawn())?;
        }
        Ok(())
    }

    pub(crate) fn erase(&mut self, address: u32, len: u32) -> Result<(), FotaError> {
        let (slot, area, at) = self.locate(address, len)?;
        let state = self.may_change(slot)?;
        if len == 0 {
            return Ok(());
        }
        let outside = FotaError::OutsideSlot;
        let end = at.checked_add(len).ok_or(outside)?;
        let from = at.saturating_sub(at.checked_rem(area.erase_len).unwrap_or(0));
        let to = end
            .checked_next_multiple_of(area.erase_len)
            .ok_or(outside)?;
        // First the record: nothing that it calls proven, or is to be tried, may be incomplete. And
        // no entry of a former boot may come into force that says otherwise.
        self.store(&state.opened(slot))?;
        self.claim()?;
        self.pending = self.pending.take().filter(|pending| pending.slot != slot);
        self.slots.open(slot);
        let mut sector = from;
        while sector < to {
            self.parts.port.feed_watchdog();
            if area
                .erase(&mut self.parts.flash, sector, area.erase_len)
                .is_err()
            {
                self.slots.spoil(slot);
                return Err(FotaError::Flash);
            }
            sector = sector.checked_add(area.erase_len).ok_or(outside)?;
        }
        self.slots.erased(slot, from, to);
        Ok(())
    }

    fn claim(&mut self) -> Result<(), FotaError> {
        let record = self.record.as_mut().ok_or(FotaError::Record)?;
        record
            .claim(&mut self.parts.flash)
            .map_err(|_cause| FotaError::Record)
    }

    pub(crate) fn close(&mut self, address: u32) -> Result<(), FotaError> {
        let (slot, _, _) = self.locate(address, 0)?;
        let state = self.may_change(slot)?;
        if self.slots.closed(slot).is_some() {
            return Ok(());
        }
        self.flush_slot(slot)?;
        let [vm_floor, bytecode_floor] = state.floors;
        let rules = Rules {
            floor: match slot.kind {
                SlotKind::Vm => vm_floor,
                SlotKind::Bytecode => bytecode_floor,
            },
            revoked: state.revoked,
        };
        let parts = &mut self.parts;
        let judged = parts
            .judge
            .judge(&mut parts.flash, &parts.layout, slot, rules);
        let facts = judged.map_err(|cause| {
            if cause == Cause::StorageFailed {
                FotaError::Flash
            } else {
                FotaError::BadImage
            }
        })?;
        // What another boot left there may read differently at the next one.
        if !self.slots.is_erased(slot, 0, facts.len) {
            return Err(FotaError::NotErased);
        }
        self.slots.close(slot, facts);
        Ok(())
    }

    pub(crate) fn checksum(&mut self, address: u32, len: u32) -> Result<Checksums, FotaError> {
        let (slot, area, from) = self.locate(address, len)?;
        let mut md5 = Md5::new();
        let mut sha256 = Sha256::new();
        let mut buf = [0; BLOCK_LEN];
        let (mut at, mut left) = (from, len);
        while left > 0 {
            self.parts.port.feed_watchdog();
            let count = usize::try_from(left).unwrap_or(BLOCK_LEN).min(BLOCK_LEN);
            let block = buf.get_mut(..count).unwrap_or_default();
            area.read(&mut self.parts.flash, at, block)
                .map_err(|_cause| FotaError::Flash)?;
            if let Some(pending) = self.pending.as_ref().filter(|p| p.slot == slot) {
                pending.overlay(at, block);
            }
            md5.update(&*block);
            sha256.update(&*block);
            let count = u32::try_from(count).unwrap_or(left);
            left = left.saturating_sub(count);
            at = at.saturating_add(count);
        }
        Ok(Checksums {
            md5: md5.finalize().into(),
            sha256: sha256.finalize().into(),
        })
    }
}
