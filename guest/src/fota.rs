//! Updating the device by hand, step by step. Most applications leave it to the agent.
//!
//! The steps of an update of the bytecode: [`get_record`], [`find_bytecode_slot`], [`erase_slot`],
//! [`write_slot`] for each block, [`close_slot`], optionally [`checksum_slot`], [`attempt`],
//! [`restart`]; and the new bytecode calls [`accept`] when it works. If it does not, a restart brings
//! the old one back. The bytecode runs on all the time until the restart.
//!
//! ```
//! use otaru_guest::{Errno, fota};
//!
//! /// Writes an image that was linked for `slot`, and puts it on trial.
//! fn update<'b>(slot: u32, len: u32, blocks: impl Iterator<Item = &'b [u8]>) -> Result<(), Errno> {
//!     let record = fota::get_record()?;
//!     let start = fota::find_bytecode_slot()?;
//!     fota::erase_slot(start, len)?;
//!     let mut addr = start;
//!     for block in blocks {
//!         fota::write_slot(addr, block)?;
//!         addr += block.len() as u32;
//!     }
//!     fota::close_slot(start)?;
//!     fota::attempt(slot, record.vm)?;
//!     Err(fota::restart())
//! }
//! // Where there is no FOTA, every function says so.
//! assert_eq!(update(1, 0, [].into_iter()), Err(Errno::Unsupported));
//! ```

use otaru_abi::Errno;
use otaru_abi::limits::BLOCK_LEN_MAX;

use crate::host;

/// What the FOTA record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Whether it can be believed.
    pub is_valid: bool,
    /// Index of the VM that runs.
    pub running_vm: u32,
    /// Slot of the current VM, from 0.
    pub vm: u32,
    /// Slot of the last working VM.
    pub vm_working: u32,
    /// Slot of the current bytecode, from 0.
    pub bytecode: u32,
    /// Slot of the last working bytecode.
    pub bytecode_working: u32,
    /// Flash address of the current bytecode.
    pub bytecode_address: u32,
    /// Flash address of the current VM.
    pub vm_address: u32,
    /// Preferred size of blocks, in bytes.
    pub chunk_len: u32,
}

impl Record {
    /// This configuration is on trial: without [`accept`] a restart brings the old one back.
    pub fn is_trial(&self) -> bool {
        self.vm != self.vm_working || self.bytecode != self.bytecode_working
    }
}

/// Reads the FOTA record.
///
/// # Errors
/// `Unsupported` on a device that bytecode cannot update.
pub fn get_record() -> Result<Record, Errno> {
    let mut bytes = [0_u8; 36];
    host::fota_get_record(&mut bytes)?;
    let (words, _) = bytes.as_chunks::<4>();
    let mut words = words.iter().map(|word| u32::from_le_bytes(*word));
    let mut next = || words.next().ok_or(Errno::Invalid);
    Ok(Record {
        is_valid: next()? != 0,
        running_vm: next()?,
        vm: next()?,
        vm_working: next()?,
        bytecode: next()?,
        bytecode_working: next()?,
        bytecode_address: next()?,
        vm_address: next()?,
        chunk_len: next()?,
    })
}

/// Sets the slots of current and last working VM and bytecode for the next restart.
///
/// # Errors
/// `Invalid`, `Storage`, `Unsupported`.
pub fn set_record(
    vm: u32,
    vm_working: u32,
    bytecode: u32,
    bytecode_working: u32,
) -> Result<(), Errno> {
    host::fota_set_record(vm, vm_working, bytecode, bytecode_working)
}

/// Writes a block of any length at an address within a slot.
///
/// # Errors
/// `Outside`, `Denied`, `Storage`, `Unsupported`. What was written before the error stands there.
pub fn write_slot(addr: u32, block: &[u8]) -> Result<(), Errno> {
    let mut addr = addr;
    for part in block.chunks(BLOCK_LEN_MAX as usize) {
        host::fota_write_slot(addr, part)?;
        let len = u32::try_from(part.len()).map_err(|_too_long| Errno::TooLong)?;
        addr = addr.checked_add(len).ok_or(Errno::Outside)?;
    }
    Ok(())
}

/// MD5 of `size` bytes from `addr` on. It finds accidents, not attackers.
///
/// # Errors
/// `Outside`, `Storage`, `Unsupported`.
pub fn checksum_slot(addr: u32, size: u32) -> Result<[u8; 16], Errno> {
    let mut md5 = [0_u8; 16];
    host::fota_checksum_slot(addr, size, &mut md5)?;
    Ok(md5)
}

/// SHA-256 of `size` bytes from `addr` on.
///
/// # Errors
/// `Outside`, `Storage`, `Unsupported`.
pub fn digest_slot(addr: u32, size: u32) -> Result<[u8; 32], Errno> {
    let mut sha256 = [0_u8; 32];
    host::fota_digest_slot(addr, size, &mut sha256)?;
    Ok(sha256)
}

pub use crate::host::{
    fota_accept as accept, fota_attempt as attempt, fota_close_slot as close_slot,
    fota_erase_slot as erase_slot, fota_find_bytecode_slot as find_bytecode_slot,
    fota_find_vm_slot as find_vm_slot, fota_restart as restart,
};
