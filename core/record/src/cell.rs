//! What stands in a cell: a state entry or marks, and how each proves that it is whole.
//!
//! Offsets and fields are in `docs/formats/record.md`. Both kinds begin with a 32-bit word and its
//! complement. Such a pair has exactly 32 zero bits, and a cut leaves fewer: an unfinished program
//! of one can therefore never pass as the other. The entry as a whole ends with the number of its
//! zero bits, which detects any program that was cut short, and a CRC-32.

use crate::geometry::{ENTRY_FIXED_LEN, Geometry, MARK_LEN};
use crate::{Backup, Cause, ChunkSet, Image, Outcome, Phase, State};
use otaru_flash::{Slot, crc32};

const ENTRY_TAG: u32 = 0x4F54_0001;
const MARK_TAG: u32 = 0xA5 << 24;
const NO_SLOT: u8 = 0xFF;
const PERMUTED: u8 = 0x80;
const FLAG_REPORTED: u8 = 1;
const FLAG_HEAL: u8 = 2;
const FLAG_FACTORY: u8 = 4;

/// A state entry with its place in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) epoch: u32,
    pub(crate) sequence: u32,
    pub(crate) state: State,
}

/// A mark for `step`, to be padded to the write unit.
pub(crate) fn mark_bytes(step: u16) -> [u8; MARK_LEN as usize] {
    let word = MARK_TAG | u32::from(step);
    let pair = u64::from(word) | u64::from(!word) << 32;
    pair.to_le_bytes()
}

/// The step of a mark, if these bytes are one.
pub(crate) fn mark_step(unit: &[u8]) -> Option<u16> {
    let (word, complement) = words(unit)?;
    let step = u16::try_from(word & 0x00FF_FFFF).ok()?;
    (word == !complement && word & 0xFF00_0000 == MARK_TAG).then_some(step)
}

fn words(unit: &[u8]) -> Option<(u32, u32)> {
    let (first, rest) = unit.split_first_chunk::<4>()?;
    let (second, _) = rest.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*first), u32::from_le_bytes(*second)))
}

fn zero_bits(bytes: &[u8]) -> u16 {
    let zeros: u32 = bytes.iter().map(|byte| byte.count_zeros()).sum();
    u16::try_from(zeros).unwrap_or(u16::MAX)
}

struct Put<'a> {
    buf: &'a mut [u8],
    at: usize,
}

impl Put<'_> {
    fn bytes(&mut self, data: &[u8]) -> Option<()> {
        let end = self.at.checked_add(data.len())?;
        self.buf.get_mut(self.at..end)?.copy_from_slice(data);
        self.at = end;
        Some(())
    }

    fn image(&mut self, image: &Image) -> Option<()> {
        self.bytes(&image.len.to_le_bytes())?;
        self.bytes(&image.digest)
    }
}

struct Get<'a>(&'a [u8]);

impl Get<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn image(&mut self) -> Option<Image> {
        Some(Image {
            len: self.u32()?,
            digest: self.array()?,
        })
    }
}

impl Entry {
    /// Writes the entry into `buf`; the length written is [`Geometry::entry_len`].
    pub(crate) fn encode(&self, geometry: &Geometry, buf: &mut [u8]) -> Option<usize> {
        let mut out = Put { buf, at: 0 };
        let state = &self.state;
        let backup = match state.backup {
            Backup::None => NO_SLOT,
            Backup::Copy(slot) => slot.code(),
            Backup::Permuted => PERMUTED,
        };
        let slot = state.slot.map_or(NO_SLOT, Slot::code);
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(state.outcome.reported, FLAG_REPORTED)
            | flag(state.heal, FLAG_HEAL)
            | flag(state.factory, FLAG_FACTORY);
        out.bytes(&ENTRY_TAG.to_le_bytes())?;
        out.bytes(&(!ENTRY_TAG).to_le_bytes())?;
        out.bytes(&self.epoch.to_le_bytes())?;
        out.bytes(&self.sequence.to_le_bytes())?;
        out.bytes(&[state.phase as u8, slot, backup, state.trials_used])?;
        out.bytes(&[state.trials_allowed, flags])?;
        for field in [
            state.step,
            state.installed,
            state.deadline_s,
            state.cuts,
            state.revoked,
        ] {
            out.bytes(&field.to_le_bytes())?;
        }
        out.bytes(&state.floor.to_le_bytes())?;
        out.bytes(&state.permuted_len.to_le_bytes())?;
        out.bytes(&state.attempt.to_le_bytes())?;
        out.image(&state.current)?;
        out.image(&state.other)?;
        out.image(&state.backup_image)?;
        let outcome = &state.outcome;
        out.bytes(&outcome.attempt.to_le_bytes())?;
        out.bytes(&outcome.cause.code().to_le_bytes())?;
        out.bytes(&[outcome.phase as u8, 0])?;
        out.bytes(&outcome.cuts.to_le_bytes())?;
        out.bytes(&outcome.chunks.to_le_bytes())?;
        out.bytes(&outcome.millis.to_le_bytes())?;
        out.bytes(state.differing.bytes().get(..geometry.bitmap_len)?)?;
        let body = out.buf.get(..out.at)?;
        let crc = crc32(body).to_le_bytes();
        out.bytes(&crc)?;
        let zeros = zero_bits(out.buf.get(..out.at)?).to_le_bytes();
        out.bytes(&[0, 0])?;
        out.bytes(&zeros)?;
        Some(out.at)
    }

    /// The entry in `cell`, if it is whole and every field has a known value.
    pub(crate) fn decode(geometry: &Geometry, cell: &[u8]) -> Option<Self> {
        let entry = cell.get(..geometry.entry_len())?;
        let (body, [c0, c1, c2, c3, p0, p1, z0, z1]) = entry.split_last_chunk::<8>()?;
        let (with_crc, _) = entry.split_last_chunk::<4>()?;
        let whole = crc32(body) == u32::from_le_bytes([*c0, *c1, *c2, *c3])
            && zero_bits(with_crc) == u16::from_le_bytes([*z0, *z1])
            && [*p0, *p1] == [0, 0]
            && words(body) == Some((ENTRY_TAG, !ENTRY_TAG));
        if !whole {
            return None;
        }
        Self::decode_fields(&mut Get(body.get(8..)?), geometry)
    }

    fn decode_fields(input: &mut Get<'_>, geometry: &Geometry) -> Option<Self> {
        let epoch = input.u32()?;
        let sequence = input.u32()?;
        let phase = Phase::from_code(input.u8()?)?;
        let slot = match input.u8()? {
            NO_SLOT => None,
            code => Some(storage(code)?),
        };
        let backup = match input.u8()? {
            NO_SLOT => Backup::None,
            PERMUTED => Backup::Permuted,
            code => Backup::Copy(storage(code)?),
        };
        let trials_used = input.u8()?;
        let trials_allowed = input.u8()?;
        let flags = input.u8()?;
        let step = input.u16()?;
        let installed = input.u16()?;
        let deadline_s = input.u16()?;
        let cuts = input.u16()?;
        let revoked = input.u16()?;
        let floor = input.u32()?;
        let permuted_len = input.u32()?;
        let attempt = input.u64()?;
        let current = input.image()?;
        let other = input.image()?;
        let backup_image = input.image()?;
        let outcome = Self::decode_outcome(input, flags)?;
        let differing = ChunkSet::from_bytes(input.0.get(..geometry.bitmap_len)?)?;
        let state = State {
            phase,
            step,
            installed,
            current,
            other,
            slot,
            backup,
            backup_image,
            permuted_len,
            differing,
            heal: flags & FLAG_HEAL != 0,
            factory: flags & FLAG_FACTORY != 0,
            attempt,
            trials_used,
            trials_allowed,
            deadline_s,
            floor,
            revoked,
            cuts,
            outcome,
        };
        Some(Self {
            epoch,
            sequence,
            state,
        })
    }

    fn decode_outcome(input: &mut Get<'_>, flags: u8) -> Option<Outcome> {
        let attempt = input.u64()?;
        let cause = Cause::from_code(input.u16()?)?;
        let phase = Phase::from_code(input.u8()?)?;
        input.u8()?;
        Some(Outcome {
            attempt,
            cause,
            phase,
            reported: flags & FLAG_REPORTED != 0,
            cuts: input.u16()?,
            chunks: input.u16()?,
            millis: input.u32()?,
        })
    }
}

/// The storage slot with this number. The execution slot has one too, but neither a download nor a
/// backup ever stands there; copying it onto itself would destroy it.
fn storage(code: u8) -> Option<Slot> {
    Slot::from_code(code).filter(|&slot| slot != Slot::Execution)
}

/// Entry length implied by the field list above; the geometry uses the same number.
const _: () = assert!(
    8 + 8 + 6 + 10 + 16 + 3 * 36 + 8 + 2 + 2 + 4 + 4 + 8 == ENTRY_FIXED_LEN,
    "the entry's fixed length changed"
);
