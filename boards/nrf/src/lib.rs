//! What Nordic's nRF51 and nRF52 chips have in common: flash controller, watchdog, reset cause.
//!
//! Both families have these peripherals at the same addresses with the same registers; a [`Chip`] says
//! what differs. This crate owns every register access and nothing of the CPU: vector table, start-up
//! and jump are the board's. It starts no clock, touches no pin and enables no interrupt.
//!
//! ```text
//! board (cpu.s, link.x) ── decide ──► otaru-bootloader
//!                            │ InternalFlash<Chip>, Services
//! ```
#![no_std]
#![expect(unsafe_code, reason = "registers and mapped flash")]

pub mod console;
mod flash;
mod port;
mod registers;

pub use flash::{FlashFailed, InternalFlash};
pub use port::{Chosen, Services, reset_cause};

use otaru_bootloader::{Boot, Findings};
use otaru_record::Journal;

/// Bytes of the copy buffer: half a piece to write, half what was read back.
pub const BUFFER_LEN: usize = 512;

/// What differs between the chips.
pub trait Chip {
    /// Size of the flash in bytes.
    const FLASH_LEN: u32;
    /// Bytes that are erased together.
    const PAGE_LEN: u32;
    /// Offset of the device block; the same as in `board.toml`.
    const DEVICE_BLOCK_AT: u32;

    /// RAM that nobody clears, for what the firmware is told; asked for once per boot.
    fn retained() -> &'static mut [u8];
}

/// Address of the vector table of what is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table(pub u32);

/// Everything between reset and jump. `None`: there is nothing to start.
pub fn decide<C: Chip>(buf: &mut [u8; BUFFER_LEN]) -> Option<Table> {
    let request = Boot {
        device_block_at: C::DEVICE_BLOCK_AT,
        cause: reset_cause(),
    };
    let mut findings = Findings::default();
    otaru_bootloader::decide(
        &mut InternalFlash::<C>::new(),
        &mut Services,
        request,
        buf,
        &mut findings,
    )
    .ok()?;
    hand_over(findings.journal()?, C::retained());
    let slot = findings.block()?.execution_address();
    let header_len = findings.image()?.header.header_len;
    Some(Table(slot.wrapping_add(u32::from(header_len))))
}

/// Writes the message, or destroys the former one if there is none. It carries its own checksum
/// (`docs/formats/record.md`), so noise is never taken for one.
fn hand_over(journal: &Journal, retained: &mut [u8]) {
    if journal.hand_over(retained).is_none()
        && let Some(first) = retained.first_mut()
    {
        *first = 0;
    }
}

/// Stops the CPU until the next interrupt, if there is one.
#[cfg(target_arch = "arm")]
pub fn sleep() {
    // SAFETY: the instruction changes nothing but the time.
    unsafe { core::arch::asm!("wfi") }
}

/// On the host there is nothing to stop.
#[cfg(not(target_arch = "arm"))]
pub fn sleep() {}
