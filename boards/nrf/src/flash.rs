//! The internal flash: read where it is mapped, programmed and erased through the NVMC.
//!
//! The CPU stands still while the controller works on the flash it executes from, so the waits below
//! end at their first look. They are bounded all the same: a controller that is never ready is an
//! error, not a hang.

use crate::Chip;
use crate::registers::Register;
use core::marker::PhantomData;
use otaru_flash::Flash;

const READY: Register = Register::at(0x4001_E400);
const CONFIG: Register = Register::at(0x4001_E504);
const ERASE_PAGE: Register = Register::at(0x4001_E508);

const READ_ONLY: u32 = 0;
const WRITE: u32 = 1;
const ERASE: u32 = 2;

/// Looks at the controller before it counts as stuck; a page takes 85 ms at most, a look ten
/// cycles of 1/64 µs at least.
const LOOKS_MAX: u32 = 4_000_000;

/// The flash controller does not do what it should, or the range is outside the flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlashFailed;

/// The flash of the chip; offset 0 is address 0.
#[derive(Debug)]
pub struct InternalFlash<C>(PhantomData<C>);

impl<C> InternalFlash<C> {
    /// The flash; nothing is done with it yet.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<C> Default for InternalFlash<C> {
    fn default() -> Self {
        Self::new()
    }
}

fn ready() -> Result<(), FlashFailed> {
    for _ in 0..LOOKS_MAX {
        if READY.read() & 1 != 0 {
            return Ok(());
        }
    }
    Err(FlashFailed)
}

/// Whether the range is inside a flash of `flash_len` bytes, on bounds of `unit` bytes.
fn inside(flash_len: u32, offset: u32, len: usize, unit: u32) -> Result<(), FlashFailed> {
    let end = u32::try_from(len)
        .ok()
        .and_then(|len| offset.checked_add(len));
    let aligned = (offset | end.unwrap_or(1)) & unit.wrapping_sub(1) == 0;
    match end {
        Some(end) if aligned && end <= flash_len => Ok(()),
        Some(_) | None => Err(FlashFailed),
    }
}

impl<C: Chip> Flash for InternalFlash<C> {
    type Error = FlashFailed;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), FlashFailed> {
        inside(C::FLASH_LEN, offset, buf.len(), 1)?;
        let mut at = offset;
        for byte in buf {
            let address = at as usize as *const u8;
            // SAFETY: `inside` has checked that this is an address of the internal flash, which is
            // mapped for reading from address 0. Volatile, because programming changes it behind
            // the compiler's back.
            *byte = unsafe { address.read_volatile() };
            at = at.wrapping_add(1);
        }
        Ok(())
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), FlashFailed> {
        inside(C::FLASH_LEN, offset, data.len(), 4)?;
        let (words, _) = data.as_chunks::<4>();
        ready()?;
        CONFIG.write(WRITE);
        let mut done = Ok(());
        let mut at = offset;
        for word in words {
            Register::at(at).write(u32::from_le_bytes(*word));
            at = at.wrapping_add(4);
            done = ready();
            if done.is_err() {
                break;
            }
        }
        CONFIG.write(READ_ONLY);
        done
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), FlashFailed> {
        inside(C::FLASH_LEN, offset, len as usize, C::PAGE_LEN)?;
        ready()?;
        CONFIG.write(ERASE);
        let mut at = offset;
        let mut done = Ok(());
        while at < offset.wrapping_add(len) && done.is_ok() {
            ERASE_PAGE.write(at);
            done = ready();
            at = at.wrapping_add(C::PAGE_LEN);
        }
        CONFIG.write(READ_ONLY);
        done
    }
}
