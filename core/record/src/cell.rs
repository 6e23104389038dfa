//! What stands in a cell: a state entry or marks, and how each proves that it is whole.
//!
//! Offsets and fields are in `docs/formats/record.md`. Both kinds begin with a 32-bit word and its
//! complement. Such a pair has exactly 32 zero bits, and a cut leaves fewer: an unfinished program
//! of one can therefore never pass as the other. The entry as a whole ends with the number of its
//! zero bits, which detects any program that was cut short, and a CRC-32.

use crate::geometry::{ENTRY_FIXED_LEN, MARK_LEN};
use crate::{Backup, Body, Cause, ChunkSet, Image, Outcome, Phase, State};
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
pub(crate) struct Entry<S> {
    pub(crate) epoch: u32,
    pub(crate) sequence: u32,
    pub(crate) state: S,
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

/// How many bits of body and checksum are zero.
fn zero_bits(body: &[u8], crc: [u8; 4]) -> [u8; 2] {
    let bytes = body.iter().chain(&crc);
    let zeros = bytes.fold(0_u32, |sum, byte| sum.wrapping_add(byte.count_zeros()));
    u16::try_from(zeros).unwrap_or(u16::MAX).to_le_bytes()
}

/// Bytes of an entry before its bitmap.
const FIELDS_LEN: usize = ENTRY_FIXED_LEN as usize - TRAILER_LEN;
/// Checksum, two zeros and the count of zero bits.
const TRAILER_LEN: usize = 8;

/// The fields in front of the bitmap, at the offsets of the format. Every offset below is a
/// constant inside the array, so that each access becomes a plain load or store.
type Fields = [u8; FIELDS_LEN];

fn put<const N: usize>(fields: &mut Fields, at: usize, value: [u8; N]) {
    if let Some(place) = fields.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *place = value;
    }
}

fn put_image(fields: &mut Fields, at: usize, image: &Image) {
    put(fields, at, image.len.to_le_bytes());
    put(fields, at.saturating_add(4), image.digest);
}

fn get<const N: usize>(fields: &Fields, at: usize) -> [u8; N] {
    let place = fields.get(at..).and_then(<[u8]>::first_chunk);
    place.copied().unwrap_or([0; N])
}

fn get_u8(fields: &Fields, at: usize) -> u8 {
    let [byte] = get(fields, at);
    byte
}

fn get_u16(fields: &Fields, at: usize) -> u16 {
    u16::from_le_bytes(get(fields, at))
}

fn get_u32(fields: &Fields, at: usize) -> u32 {
    u32::from_le_bytes(get(fields, at))
}

fn get_image(fields: &Fields, at: usize) -> Image {
    Image {
        len: get_u32(fields, at),
        digest: get(fields, at.saturating_add(4)),
    }
}

/// Tag, its complement, epoch and sequence number.
const HEAD_LEN: usize = 16;

impl<S: Body> Entry<S> {
    /// Writes the entry, `len` bytes, into `buf`.
    #[inline(never)]
    pub(crate) fn encode(&self, len: usize, buf: &mut [u8]) -> Option<usize> {
        let entry = buf.get_mut(..len)?;
        let (body, trailer) = entry.split_last_chunk_mut::<TRAILER_LEN>()?;
        self.state.put(body)?;
        let head = body.first_chunk_mut::<HEAD_LEN>()?;
        let [t0, t1, t2, t3] = S::TAG.to_le_bytes();
        let [n0, n1, n2, n3] = (!S::TAG).to_le_bytes();
        let [e0, e1, e2, e3] = self.epoch.to_le_bytes();
        let [s0, s1, s2, s3] = self.sequence.to_le_bytes();
        *head = [
            t0, t1, t2, t3, n0, n1, n2, n3, e0, e1, e2, e3, s0, s1, s2, s3,
        ];
        let crc = crc32(body).to_le_bytes();
        let [z0, z1] = zero_bits(body, crc);
        let [c0, c1, c2, c3] = crc;
        *trailer = [c0, c1, c2, c3, 0, 0, z0, z1];
        Some(len)
    }

    /// The entry of `len` bytes in `cell`, if it is whole and every field has a known value.
    #[inline(never)]
    pub(crate) fn decode(len: usize, cell: &[u8]) -> Option<Self> {
        let entry = cell.get(..len)?;
        let (body, [c0, c1, c2, c3, p0, p1, z0, z1]) = entry.split_last_chunk::<TRAILER_LEN>()?;
        let [_, _, _, _, _, _, _, _, e0, e1, e2, e3, s0, s1, s2, s3] =
            *body.first_chunk::<HEAD_LEN>()?;
        let crc = crc32(body).to_le_bytes();
        let whole = crc == [*c0, *c1, *c2, *c3]
            && zero_bits(body, crc) == [*z0, *z1]
            && [*p0, *p1] == [0, 0]
            && words(body) == Some((S::TAG, !S::TAG));
        if !whole {
            return None;
        }
        Some(Self {
            epoch: u32::from_le_bytes([e0, e1, e2, e3]),
            sequence: u32::from_le_bytes([s0, s1, s2, s3]),
            state: S::get(body)?,
        })
    }
}

impl Body for State {
    const TAG: u32 = ENTRY_TAG;

    fn put(&self, body: &mut [u8]) -> Option<()> {
        let (fields, bitmap) = body.split_first_chunk_mut::<FIELDS_LEN>()?;
        self.put_fields(fields);
        for (to, from) in bitmap.iter_mut().zip(self.differing.bytes()) {
            *to = *from;
        }
        Some(())
    }

    fn get(body: &[u8]) -> Option<Self> {
        let (fields, bitmap) = body.split_first_chunk::<FIELDS_LEN>()?;
        Self::from_fields(fields, bitmap)
    }

    fn mark(&mut self, step: u16) {
        self.step = step.saturating_add(1);
    }
}

impl State {
    fn put_fields(&self, fields: &mut Fields) {
        let backup = match self.backup {
            Backup::None => NO_SLOT,
            Backup::Copy(slot) => slot.code(),
            Backup::Permuted => PERMUTED,
        };
        let slot = self.slot.map_or(NO_SLOT, Slot::code);
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let outcome = &self.outcome;
        let flags = flag(outcome.reported, FLAG_REPORTED)
            | flag(self.heal, FLAG_HEAL)
            | flag(self.factory, FLAG_FACTORY);
        let trials = [self.trials_used, self.trials_allowed];
        put(fields, 16, [self.phase as u8, slot, backup]);
        put(fields, 19, trials);
        put(fields, 21, [flags]);
        put(fields, 22, self.step.to_le_bytes());
        put(fields, 24, self.installed.to_le_bytes());
        put(fields, 26, self.deadline_s.to_le_bytes());
        put(fields, 28, self.cuts.to_le_bytes());
        put(fields, 30, self.revoked.to_le_bytes());
        put(fields, 32, self.floor.to_le_bytes());
        put(fields, 36, self.permuted_len.to_le_bytes());
        put(fields, 40, self.attempt.to_le_bytes());
        put_image(fields, 48, &self.current);
        put_image(fields, 84, &self.other);
        put_image(fields, 120, &self.backup_image);
        put(fields, 156, outcome.attempt.to_le_bytes());
        put(fields, 164, outcome.cause.code().to_le_bytes());
        put(fields, 166, [outcome.phase as u8, 0]);
        put(fields, 168, outcome.cuts.to_le_bytes());
        put(fields, 170, outcome.chunks.to_le_bytes());
        put(fields, 172, outcome.millis.to_le_bytes());
        put(fields, 176, outcome.from);
        put(fields, 184, outcome.to);
    }

    fn from_fields(fields: &Fields, bitmap: &[u8]) -> Option<Self> {
        let slot_code = get_u8(fields, 17);
        let slot = storage(slot_code);
        if slot.is_none() && slot_code != NO_SLOT {
            return None;
        }
        let backup = match get_u8(fields, 18) {
            NO_SLOT => Backup::None,
            PERMUTED => Backup::Permuted,
            code => Backup::Copy(storage(code)?),
        };
        let flags = get_u8(fields, 21);
        Some(Self {
            phase: Phase::from_code(get_u8(fields, 16))?,
            step: get_u16(fields, 22),
            installed: get_u16(fields, 24),
            current: get_image(fields, 48),
            other: get_image(fields, 84),
            slot,
            backup,
            backup_image: get_image(fields, 120),
            permuted_len: get_u32(fields, 36),
            differing: ChunkSet::from_bytes(bitmap)?,
            heal: flags & FLAG_HEAL != 0,
            factory: flags & FLAG_FACTORY != 0,
            attempt: u64::from_le_bytes(get(fields, 40)),
            trials_used: get_u8(fields, 19),
            trials_allowed: get_u8(fields, 20),
            deadline_s: get_u16(fields, 26),
            floor: get_u32(fields, 32),
            revoked: get_u16(fields, 30),
            cuts: get_u16(fields, 28),
            outcome: Outcome {
                attempt: u64::from_le_bytes(get(fields, 156)),
                cause: Cause::from_code(get_u16(fields, 164))?,
                phase: Phase::from_code(get_u8(fields, 166))?,
                reported: flags & FLAG_REPORTED != 0,
                cuts: get_u16(fields, 168),
                chunks: get_u16(fields, 170),
                millis: get_u32(fields, 172),
                from: get(fields, 176),
                to: get(fields, 184),
            },
        })
    }
}

/// Compared as they are stored: every field is, and this way the comparison is one of bytes.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let mut fields = [[0; FIELDS_LEN]; 2];
        let [own, others] = &mut fields;
        self.put_fields(own);
        other.put_fields(others);
        own == others && self.differing == other.differing
    }
}

/// The storage slot with this number. The execution slot has one too, but neither a download nor a
/// backup ever stands there; copying it onto itself would destroy it.
fn storage(code: u8) -> Option<Slot> {
    Slot::from_code(code).filter(|&slot| slot != Slot::Execution)
}

/// Entry length implied by the field list above; the geometry uses the same number.
const _: () = assert!(
    8 + 8 + 6 + 10 + 16 + 3 * 36 + 8 + 2 + 2 + 4 + 4 + 16 + 8 == ENTRY_FIXED_LEN,
    "the entry's fixed length changed"
);
