//! The two CFI flash parts as one NOR flash: read where it is mapped, programmed through the parts'
//! command interface.
//!
//! QEMU's part is no NOR flash in three respects, and the driver makes up for each:
//!
//! * **A program overwrites.** In QEMU it can turn a 0 into a 1. The driver reads first and refuses
//!   what NOR flash could not do.
//! * **Erase blocks have 256 KiB**, and erasing one is atomic. The driver presents sectors of 4 KiB;
//!   an erase is a program of 0xFF in pieces of 2 KiB, so a cut can leave it half done. It is an
//!   emulation, possible only because of the first point.
//! * **A part that executes a command answers no reads.** The command sequence is assembly that
//!   stands in RAM (`flash/cfi.s`); its data are copied to RAM first; it touches one part, and
//!   nobody reads that part meanwhile, because interrupts do not exist in either program and the
//!   watchdog's handler reads the first part only, which the firmware cannot write.

mod pieces;

use core::fmt;
use otaru_flash::Flash;
use pieces::{PIECE_LEN, PIECE_WORDS, pieces};

/// Length of both parts together.
pub const FLASH_LEN: u32 = 0x400_0000;
/// Offset of the second part; a firmware can write only from here on.
pub const SECOND_PART: u32 = 0x200_0000;
/// Bytes that are erased together.
pub const SECTOR_LEN: u32 = 0x1000;
/// Bytes that are programmed together.
pub const WRITE_UNIT: u32 = 4;

/// What both halves of a part say when a command has succeeded.
const DONE: u32 = 0x0080_0080;

/// Why the flash refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlashError {
    /// The range is outside the flash.
    OutOfBounds,
    /// Offset or length is no multiple of the write unit, or of the sector for an erase.
    Unaligned,
    /// The first part, which only the bootloader writes.
    Protected,
    /// A bit would have to change from 0 to 1.
    NotErased,
    /// The part reports a failure, or nothing: its last status.
    Failed(u32),
}

impl fmt::Display for FlashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfBounds => f.write_str("outside the flash"),
            Self::Unaligned => f.write_str("not on unit or sector bounds"),
            Self::Protected => f.write_str("only the bootloader writes here"),
            Self::NotErased => f.write_str("programmed without an erase"),
            Self::Failed(status) => write!(f, "the flash part reports {status:#x}"),
        }
    }
}

impl core::error::Error for FlashError {}

/// The command interface of the parts. Offsets count from the first byte of the first part.
pub trait Parts {
    /// Reads bytes; the range was checked.
    fn read(&mut self, offset: u32, buf: &mut [u8]);

    /// Programs words inside one piece and returns the part's status.
    fn program(&mut self, offset: u32, words: &[u32]) -> u32;
}

/// The rules of NOR flash over the command interface.
#[derive(Debug)]
pub struct NorRules<P> {
    parts: P,
    writable_from: u32,
}

impl<P: Parts> NorRules<P> {
    /// Writing is refused below the offset `writable_from`.
    pub fn new(parts: P, writable_from: u32) -> Self {
        Self {
            parts,
            writable_from,
        }
    }

    fn check_write(&self, offset: u32, len: u32, unit: u32) -> Result<(), FlashError> {
        check(offset, len)?;
        if !(offset | len).is_multiple_of(unit) {
            return Err(FlashError::Unaligned);
        }
        if offset < self.writable_from {
            return Err(FlashError::Protected);
        }
        Ok(())
    }
}

fn check(offset: u32, len: u32) -> Result<(), FlashError> {
    match offset.checked_add(len) {
        Some(end) if end <= FLASH_LEN => Ok(()),
        Some(_) | None => Err(FlashError::OutOfBounds),
    }
}

fn len_of(bytes: &[u8]) -> Result<u32, FlashError> {
    u32::try_from(bytes.len()).map_err(|_too_long| FlashError::OutOfBounds)
}

impl<P: Parts> Flash for NorRules<P> {
    type Error = FlashError;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), FlashError> {
        check(offset, len_of(buf)?)?;
        self.parts.read(offset, buf);
        Ok(())
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), FlashError> {
        let len = len_of(data)?;
        self.check_write(offset, len, WRITE_UNIT)?;
        let mut rest = data;
        let mut old = [0; PIECE_LEN as usize];
        let mut words = [0; PIECE_WORDS];
        for (at, len) in pieces(offset, len) {
            let (new, others) = rest.split_at(len as usize);
            rest = others;
            let old = &mut old[..new.len()];
            self.parts.read(at, old);
            if new.iter().zip(&*old).any(|(new, old)| new & old != *new) {
                return Err(FlashError::NotErased);
            }
            let (chunks, _) = new.as_chunks::<4>();
            for (word, bytes) in words.iter_mut().zip(chunks) {
                *word = u32::from_le_bytes(*bytes);
            }
            succeeded(self.parts.program(at, &words[..chunks.len()]))?;
        }
        Ok(())
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), FlashError> {
        self.check_write(offset, len, SECTOR_LEN)?;
        let words = [u32::MAX; PIECE_WORDS];
        for (at, len) in pieces(offset, len) {
            succeeded(self.parts.program(at, &words[..len as usize / 4]))?;
        }
        Ok(())
    }
}

fn succeeded(status: u32) -> Result<(), FlashError> {
    if status == DONE {
        Ok(())
    } else {
        Err(FlashError::Failed(status))
    }
}

/// The parts where the machine maps them.
#[derive(Debug)]
pub struct Mapped(());

/// The flash of the machine.
pub type MappedFlash = NorRules<Mapped>;

/// The flash as the bootloader sees it: all of it.
pub fn for_bootloader() -> MappedFlash {
    NorRules::new(Mapped(()), 0)
}

/// The flash as a firmware sees it: the first part cannot be written.
pub fn for_firmware() -> MappedFlash {
    NorRules::new(Mapped(()), SECOND_PART)
}

impl Parts for Mapped {
    fn read(&mut self, offset: u32, buf: &mut [u8]) {
        let start = (crate::FLASH_ADDRESS + offset) as usize;
        for (index, byte) in buf.iter_mut().enumerate() {
            let address = (start + index) as *const u8;
            // SAFETY: the range was checked to be inside the parts, which are mapped there and
            // answer reads whenever no command runs. Volatile, because commands change the content
            // behind the compiler's back.
            *byte = unsafe { address.read_volatile() };
        }
    }

    fn program(&mut self, offset: u32, words: &[u32]) -> u32 {
        let address = crate::FLASH_ADDRESS + offset;
        program(address, words)
    }
}

#[cfg(target_arch = "riscv32")]
fn program(address: u32, words: &[u32]) -> u32 {
    unsafe extern "C" {
        fn otaru_cfi_program(address: u32, words: *const u32, count: usize) -> u32;
    }
    // SAFETY: the routine reads `count` words, writes to the flash part at `address` only, which is
    // no memory of Rust's, and returns with the part in the state in which it is read. Its code and,
    // because callers pass arrays on the stack, the words are in RAM.
    unsafe { otaru_cfi_program(address, words.as_ptr(), words.len()) }
}

#[cfg(target_arch = "riscv32")]
core::arch::global_asm!(include_str!("flash/cfi.s"));

/// On the host there are no parts.
#[cfg(not(target_arch = "riscv32"))]
fn program(_address: u32, _words: &[u32]) -> u32 {
    0
}

#[cfg(test)]
mod tests;
