//! What stands in a cell: a state entry or marks, and how each proves that it is whole.
//!
//! Offsets and fields are in `docs/formats/record.md`. Both kinds begin with a 32-bit word and its
//! complement. Such a pair has exactly 32 zero bits, and a cut leaves fewer: an unfinished program
//! of one can therefore never pass as the other. The entry as a whole ends with the number of its
//! zero bits, which detects any program that was cut short, and a CRC-32.

use crate::Body;
use crate::geometry::{ENTRY_FIXED_LEN, MARK_LEN};
use otaru_flash::{crc32, ones};

const MARK_TAG: u32 = 0xA5 << 24;

/// The place of an entry in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) epoch: u32,
    pub(crate) sequence: u32,
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

/// The trailer of an entry, from its first byte on: checksum, two zeros, and how many bits of body and
/// checksum are zero.
#[inline(never)]
fn trailer(body: &[u8]) -> u64 {
    let crc = crc32(body);
    let all = body.len().wrapping_add(4).wrapping_mul(8) as u64;
    let ones = ones(body).wrapping_add(ones(&crc.to_le_bytes()));
    // No entry is so long that the count leaves 16 bits.
    all.wrapping_sub(ones.into()) << 48 | u64::from(crc)
}

/// Checksum, two zeros and the count of zero bits.
const TRAILER_LEN: usize = 8;

/// Tag, its complement, epoch and sequence number.
const HEAD_LEN: usize = 16;

impl Stamp {
    /// Writes an entry with this state, `len` bytes, into `buf`.
    #[inline(never)]
    pub(crate) fn encode<S: Body>(self, state: &S, len: usize, buf: &mut [u8]) -> Option<usize> {
        let entry = buf.get_mut(..len)?;
        let (body, end) = entry.split_last_chunk_mut::<TRAILER_LEN>()?;
        state.put(body)?;
        let head = body.first_chunk_mut::<HEAD_LEN>()?;
        let [t0, t1, t2, t3] = S::TAG.to_le_bytes();
        let [n0, n1, n2, n3] = (!S::TAG).to_le_bytes();
        let [e0, e1, e2, e3] = self.epoch.to_le_bytes();
        let [s0, s1, s2, s3] = self.sequence.to_le_bytes();
        *head = [
            t0, t1, t2, t3, n0, n1, n2, n3, e0, e1, e2, e3, s0, s1, s2, s3,
        ];
        *end = trailer(body).to_le_bytes();
        Some(len)
    }

    /// Reads the entry of `len` bytes in `cell` into `state`, if it is whole and every field has a
    /// known value; else `state` is of no use afterwards.
    #[inline(never)]
    pub(crate) fn decode<S: Body>(len: usize, cell: &[u8], state: &mut S) -> Option<Self> {
        let entry = cell.get(..len)?;
        let (body, end) = entry.split_last_chunk::<TRAILER_LEN>()?;
        let [_, _, _, _, _, _, _, _, e0, e1, e2, e3, s0, s1, s2, s3] =
            *body.first_chunk::<HEAD_LEN>()?;
        let whole = words(body) == Some((S::TAG, !S::TAG));
        if !whole || trailer(body).to_le_bytes() != *end {
            return None;
        }
        state.take(body)?;
        Some(Self {
            epoch: u32::from_le_bytes([e0, e1, e2, e3]),
            sequence: u32::from_le_bytes([s0, s1, s2, s3]),
        })
    }
}

/// Entry length implied by the field list above; the geometry uses the same number.
const _: () = assert!(
    8 + 8 + 6 + 10 + 16 + 3 * 36 + 8 + 2 + 2 + 4 + 4 + 16 + 8 == ENTRY_FIXED_LEN,
    "the entry's fixed length changed"
);
