//! Writing blocks of any length to any address of a slot.
//!
//! The flash contract allows to program a unit once. Bytes that do not fill a unit are therefore
//! kept until another such unit begins or the slot is closed. What stands there already is not
//! programmed again, so the same block may come twice.

use crate::FotaError;
use crate::engine::{Port, SlotFota};
use otaru_flash::{Area, Flash, WRITE_UNIT_MAX};
use otaru_slots::{Judge, SlotName};

const WINDOW_LEN: usize = WRITE_UNIT_MAX as usize;

/// A unit that is not programmed yet, because more of it may come.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) slot: SlotName,
    /// Offset of the unit in the slot.
    at: u32,
    bytes: [u8; WINDOW_LEN],
    len: usize,
}

impl Pending {
    fn unit(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Puts its bytes over what was read from offset `from`.
    pub(crate) fn overlay(&self, from: u32, read: &mut [u8]) {
        for (place, byte) in (self.at..).zip(self.unit()) {
            let index = place.checked_sub(from).map(usize::try_from);
            if let Some(Ok(index)) = index
                && let Some(target) = read.get_mut(index)
            {
                *target = *byte;
            }
        }
    }
}

impl<F: Flash, J: Judge, P: Port> SlotFota<'_, F, J, P> {
    pub(crate) fn write(&mut self, address: u32, block: &[u8]) -> Result<(), FotaError> {
        let outside = FotaError::OutsideSlot;
        let len = u32::try_from(block.len()).map_err(|_too_long| outside)?;
        let (slot, area, at) = self.locate(address, len)?;
        let state = self.may_change(slot)?;
        if block.is_empty() {
            return Ok(());
        }
        let unit = u32::from(self.parts.layout.write_unit);
        let end = at.checked_add(len).ok_or(outside)?;
        let last = end.checked_next_multiple_of(unit).ok_or(outside)?;
        let first = at.saturating_sub(at.checked_rem(unit).unwrap_or(0));
        if !self.slots.is_erased(slot, first, last) {
            return Err(FotaError::NotErased);
        }
        self.withdraw(slot, &state)?;
        self.slots.open(slot);
        let written = self.write_pieces(slot, &area, at, block);
        if written == Err(FotaError::Flash) {
            self.slots.spoil(slot);
        }
        written
    }

    /// Head, whole units, tail.
    fn write_pieces(
        &mut self,
        slot: SlotName,
        area: &Area,
        at: u32,
        block: &[u8],
    ) -> Result<(), FotaError> {
        let unit = usize::from(self.parts.layout.write_unit);
        let into = usize::try_from(at).unwrap_or_default();
        let to_bound = into.checked_next_multiple_of(unit).unwrap_or(into);
        let head_len = to_bound.saturating_sub(into).min(block.len());
        let (head, rest) = block.split_at_checked(head_len).unwrap_or((block, &[]));
        let tail_len = rest.len().checked_rem(unit).unwrap_or(0);
        let whole_len = rest.len().saturating_sub(tail_len);
        let (whole, tail) = rest.split_at_checked(whole_len).unwrap_or((rest, &[]));
        let offset = |n: usize| at.saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
        if !head.is_empty() {
            self.add_to_unit(slot, area, at, head)?;
        }
        if !whole.is_empty() {
            let from = offset(head_len);
            self.replace_pending(slot, from, offset(head_len.saturating_add(whole_len)));
            self.program_units(area, from, whole)?;
        }
        if !tail.is_empty() {
            self.add_to_unit(slot, area, offset(head_len.saturating_add(whole_len)), tail)?;
        }
        Ok(())
    }

    /// Whole units from `from` to `to` follow: a pending one among them is not needed any more.
    fn replace_pending(&mut self, slot: SlotName, from: u32, to: u32) {
        self.pending = self
            .pending
            .take()
            .filter(|pending| pending.slot != slot || !(from..to).contains(&pending.at));
    }

    /// Adds a piece that does not fill its unit.
    fn add_to_unit(
        &mut self,
        slot: SlotName,
        area: &Area,
        at: u32,
        piece: &[u8],
    ) -> Result<(), FotaError> {
        let unit = u32::from(self.parts.layout.write_unit);
        let into = at.checked_rem(unit).unwrap_or(0);
        let unit_at = at.saturating_sub(into);
        let from = usize::try_from(into).unwrap_or_default();
        let range = from..from.saturating_add(piece.len());
        let same_unit = |p: &&mut Pending| p.slot == slot && p.at == unit_at;
        if let Some(pending) = self.pending.as_mut().filter(same_unit) {
            let target = pending.bytes.get_mut(range);
            target.ok_or(FotaError::OutsideSlot)?.copy_from_slice(piece);
            return Ok(());
        }
        let mut pending = self.read_unit(slot, area, unit_at)?;
        let erased = self.parts.layout.erased;
        let blank = pending.unit().iter().all(|&byte| byte == erased);
        let target = pending.bytes.get_mut(range);
        let target = target.ok_or(FotaError::OutsideSlot)?;
        if target == piece {
            return Ok(());
        }
        if !blank {
            return Err(FotaError::NotErased);
        }
        target.copy_from_slice(piece);
        self.flush()?;
        self.pending = Some(pending);
        Ok(())
    }

    fn read_unit(&mut self, slot: SlotName, area: &Area, at: u32) -> Result<Pending, FotaError> {
        let len = usize::from(self.parts.layout.write_unit);
        let mut bytes = [0; WINDOW_LEN];
        let unit = bytes.get_mut(..len).ok_or(FotaError::OutsideSlot)?;
        area.read(&mut self.parts.flash, at, unit)
            .map_err(|_cause| FotaError::Flash)?;
        Ok(Pending {
            slot,
            at,
            bytes,
            len,
        })
    }

    /// Programs the pending unit, if it is one of this slot.
    pub(crate) fn flush_slot(&mut self, slot: SlotName) -> Result<(), FotaError> {
        match &self.pending {
            Some(pending) if pending.slot == slot => self.flush(),
            Some(_) | None => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), FotaError> {
        let Some(pending) = self.pending.take() else {
            return Ok(());
        };
        let area = *self
            .parts
            .layout
            .slot(pending.slot)
            .ok_or(FotaError::OutsideSlot)?;
        let flushed = self.program_units(&area, pending.at, pending.unit());
        if flushed == Err(FotaError::Flash) {
            self.slots.spoil(pending.slot);
        }
        flushed
    }

    /// Programs whole units, except those that stand there already.
    fn program_units(&mut self, area: &Area, at: u32, data: &[u8]) -> Result<(), FotaError> {
        let unit = usize::from(self.parts.layout.write_unit).max(1);
        let window = WINDOW_LEN.saturating_sub(WINDOW_LEN.checked_rem(unit).unwrap_or(0));
        let mut place = at;
        for new in data.chunks(window.max(unit)) {
            let mut now = [0; WINDOW_LEN];
            let now = now.get_mut(..new.len()).ok_or(FotaError::OutsideSlot)?;
            area.read(&mut self.parts.flash, place, now)
                .map_err(|_cause| FotaError::Flash)?;
            self.program_window(area, place, now, new)?;
            let len = u32::try_from(new.len()).unwrap_or(u32::MAX);
            place = place.saturating_add(len);
            self.parts.port.feed_watchdog();
        }
        Ok(())
    }

    /// Programs each run of units that differ from what stands there, in one operation.
    fn program_window(
        &mut self,
        area: &Area,
        at: u32,
        now: &[u8],
        new: &[u8],
    ) -> Result<(), FotaError> {
        let unit = usize::from(self.parts.layout.write_unit).max(1);
        let erased = self.parts.layout.erased;
        let (mut begin, mut end) = (0_usize, 0_usize);
        for (now, new_unit) in now.chunks(unit).zip(new.chunks(unit)) {
            let next = end.saturating_add(unit);
            if now == new_unit {
                self.program_run(area, at, new, (begin, end))?;
                begin = next;
            } else if now.iter().any(|&byte| byte != erased) {
                return Err(FotaError::NotErased);
            }
            end = next;
        }
        self.program_run(area, at, new, (begin, end))
    }

    fn program_run(
        &mut self,
        area: &Area,
        at: u32,
        new: &[u8],
        (begin, end): (usize, usize),
    ) -> Result<(), FotaError> {
        let run = new.get(begin..end).unwrap_or_default();
        if run.is_empty() {
            return Ok(());
        }
        let offset = at.saturating_add(u32::try_from(begin).unwrap_or(u32::MAX));
        area.program(&mut self.parts.flash, offset, run)
            .map_err(|_cause| FotaError::Flash)
    }
}
