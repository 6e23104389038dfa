//! What the bootloader hands to the firmware in RAM: the record as it decoded it, and where the
//! next entry goes. The firmware must not decode the record again in the same boot.
//!
//! Little-endian: magic `OTHO`, format `u16` 1, length `u16`, half `u8`, flags `u8` (1 settled,
//! 2 twice, 4 the last cell is torn), cell `u32`, epoch `u32`, sequence `u32`, the state as a record entry, CRC-32.

use crate::cell::Stamp;
use crate::geometry::{CELL_LEN_MAX, Geometry};
use crate::{Body, Journal, LoadError};
use core::fmt;
use otaru_flash::{Layout, crc32};

/// Longest handover block in bytes.
pub const HANDOVER_LEN_MAX: usize = HEADER_LEN + CELL_LEN_MAX + 4;

const MAGIC: [u8; 4] = *b"OTHO";
const FORMAT: u16 = 1;
const HEADER_LEN: usize = 22;
const SETTLED: u8 = 1;
const TWICE: u8 = 2;
const TORN_END: u8 = 4;

/// Why a handover block cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandoverError {
    /// There is none, or it is damaged: the firmware was not started by the bootloader.
    Invalid,
    /// The layout does not fit the record.
    Layout(LoadError),
}

impl fmt::Display for HandoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str("no handover from the bootloader"),
            Self::Layout(cause) => write!(f, "{cause}"),
        }
    }
}

impl core::error::Error for HandoverError {}

impl<S: Body> Journal<S> {
    /// Writes the handover block into `buf` (at least [`HANDOVER_LEN_MAX`] bytes) and returns its
    /// length, or `None` if it does not fit or was given up ([`Journal::freeze`]).
    pub fn hand_over(&self, buf: &mut [u8]) -> Option<usize> {
        if self.frozen {
            return None;
        }
        let stamp = Stamp {
            epoch: self.epoch,
            sequence: self.sequence,
        };
        let entry_len = self.geometry.entry_len();
        let body = stamp.encode(&self.state, entry_len, buf.get_mut(HEADER_LEN..)?)?;
        let len = HEADER_LEN.checked_add(body)?;
        let end = len.checked_add(4)?;
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags =
            flag(self.settled, SETTLED) | flag(self.twice, TWICE) | flag(self.torn_end, TORN_END);
        let (header, _) = buf.split_first_chunk_mut::<HEADER_LEN>()?;
        let [m0, m1, m2, m3] = MAGIC;
        let [f0, f1] = FORMAT.to_le_bytes();
        let [l0, l1] = u16::try_from(end).ok()?.to_le_bytes();
        let [c0, c1, c2, c3] = self.cell.to_le_bytes();
        let [e0, e1, e2, e3] = self.epoch.to_le_bytes();
        let [s0, s1, s2, s3] = self.sequence.to_le_bytes();
        *header = [
            m0, m1, m2, m3, f0, f1, l0, l1, self.half, flags, c0, c1, c2, c3, e0, e1, e2, e3, s0,
            s1, s2, s3,
        ];
        let crc = crc32(buf.get(..len)?).to_le_bytes();
        buf.get_mut(len..end)?.copy_from_slice(&crc);
        Some(end)
    }

    /// Takes over the record of any engine from a handover block.
    ///
    /// # Errors
    /// [`HandoverError::Invalid`].
    pub fn take_over_with(geometry: Geometry, buf: &[u8]) -> Result<Self, HandoverError> {
        Self::parse(geometry, buf).ok_or(HandoverError::Invalid)
    }

    fn parse(geometry: Geometry, buf: &[u8]) -> Option<Self> {
        let (header, _) = buf.split_first_chunk::<HEADER_LEN>()?;
        let [m0, m1, m2, m3, f0, f1, l0, l1, half, flags, rest @ ..] = *header;
        let total = usize::from(u16::from_le_bytes([l0, l1]));
        let (body, crc) = buf.get(..total)?.split_last_chunk::<4>()?;
        let valid = [m0, m1, m2, m3] == MAGIC
            && u16::from_le_bytes([f0, f1]) == FORMAT
            && crc32(body) == u32::from_le_bytes(*crc)
            && half <= 1;
        if !valid {
            return None;
        }
        let [c0, c1, c2, c3, e0, e1, e2, e3, s0, s1, s2, s3] = rest;
        let mut state = S::default();
        Stamp::decode(geometry.entry_len(), body.get(HEADER_LEN..)?, &mut state)?;
        Some(Self {
            geometry,
            half,
            epoch: u32::from_le_bytes([e0, e1, e2, e3]),
            sequence: u32::from_le_bytes([s0, s1, s2, s3]),
            cell: u32::from_le_bytes([c0, c1, c2, c3]).min(geometry.cells),
            torn_end: flags & TORN_END != 0,
            mark_at: None,
            settled: flags & SETTLED != 0,
            twice: flags & TWICE != 0,
            frozen: false,
            state,
        })
    }
}

impl Journal {
    /// Takes over the record from a handover block.
    ///
    /// # Errors
    /// [`HandoverError`]; the firmware then runs without updates.
    pub fn take_over(layout: &Layout, buf: &[u8]) -> Result<Self, HandoverError> {
        let geometry = Geometry::new(layout)
            .map_err(|cause| HandoverError::Layout(LoadError::Layout(cause)))?;
        Self::take_over_with(geometry, buf)
    }
}
