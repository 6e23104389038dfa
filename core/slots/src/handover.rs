//! What the first stage leaves in RAM for the VM: what is to run, and the record.

use crate::{Config, Run, SlotLayout, SlotRecord};
use core::fmt;
use otaru_flash::crc32;
use otaru_record::HANDOVER_LEN_MAX;

/// Longest handover block of the slot engine, in bytes.
pub const SLOT_HANDOVER_LEN_MAX: usize = HEADER_LEN + HANDOVER_LEN_MAX;

const MAGIC: [u8; 4] = *b"OTSH";
const HEADER_LEN: usize = 12;
const FLAG_TRIAL: u8 = 1;
const FLAG_RECORD: u8 = 2;

/// Why a VM cannot tell what is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeOverError {
    /// There is no handover block, or it is damaged: the VM was not started by the first stage. It
    /// may run what it likes, without FOTA.
    Invalid,
}

impl fmt::Display for TakeOverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str("no handover from the first stage"),
        }
    }
}

impl core::error::Error for TakeOverError {}

/// What a VM takes over.
#[derive(Debug)]
pub struct Taken<'m> {
    /// What is to run.
    pub run: Run,
    /// The record; `None` if it could not be written, then the VM runs without FOTA.
    pub record: Option<SlotRecord<'m>>,
}

/// Writes the handover block into `buf`, at least [`SLOT_HANDOVER_LEN_MAX`] bytes, and returns its
/// length; `None` if it does not fit.
pub fn hand_over(run: Run, record: Option<&SlotRecord<'_>>, buf: &mut [u8]) -> Option<usize> {
    let (header, rest) = buf.split_first_chunk_mut::<HEADER_LEN>()?;
    let record_len = record.and_then(|record| record.hand_over(rest));
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let flags = flag(run.trial, FLAG_TRIAL) | flag(record_len.is_some(), FLAG_RECORD);
    let [m0, m1, m2, m3] = MAGIC;
    let fields = [m0, m1, m2, m3, run.config.vm, run.config.bytecode, flags, 0];
    let [c0, c1, c2, c3] = crc32(&fields).to_le_bytes();
    let [f0, f1, f2, f3, f4, f5, f6, f7] = fields;
    *header = [f0, f1, f2, f3, f4, f5, f6, f7, c0, c1, c2, c3];
    record_len.unwrap_or(0).checked_add(HEADER_LEN)
}

/// Reads the handover block. It stays as it is, so that a VM that passes control on need not write
/// it again. `memory` is that of a volatile record.
///
/// # Errors
/// [`TakeOverError::Invalid`].
pub fn take_over<'m>(
    layout: &SlotLayout,
    memory: &'m mut [u8],
    buf: &[u8],
) -> Result<Taken<'m>, TakeOverError> {
    let invalid = TakeOverError::Invalid;
    let (header, rest) = buf.split_first_chunk::<HEADER_LEN>().ok_or(invalid)?;
    let (fields, crc) = header.split_last_chunk::<4>().ok_or(invalid)?;
    let [magic @ .., vm, bytecode, flags, _] = *fields.first_chunk::<8>().ok_or(invalid)?;
    let config = Config { vm, bytecode };
    let whole = crc32(fields) == u32::from_le_bytes(*crc) && magic == MAGIC && layout.has(config);
    if !whole {
        return Err(invalid);
    }
    let run = Run {
        config,
        trial: flags & FLAG_TRIAL != 0,
    };
    let record = (flags & FLAG_RECORD != 0)
        .then(|| SlotRecord::take_over(layout, memory, rest))
        .flatten()
        .filter(|record| record.state().is_some_and(|state| state.run() == run));
    Ok(Taken { run, record })
}
