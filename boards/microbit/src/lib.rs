//! What bootloader and firmware of the BBC micro:bit agree on: the chip, and 2 KiB of RAM.
//!
//! | address | holds |
//! |---|---|
//! | `0x2000_3800` | hand-over (`docs/formats/record.md`), up to 2044 bytes; the firmware takes it before it uses this RAM |
//! | `0x2000_3FFC` | address of the vector table to which exceptions are forwarded; 0 while the bootloader runs |
//!
//! A Cortex-M0 cannot move its vector table. The bootloader's stays at address 0 for ever and jumps on to
//! the one that the last word of RAM names; a firmware leaves that word as it is.
#![no_std]
#![expect(unsafe_code, reason = "RAM at a fixed address")]

use otaru_board_nrf::Chip;

/// The chip; as in `board.toml`.
#[derive(Debug, Clone, Copy)]
pub struct Microbit;

/// Where the hand-over stands.
const HANDOVER_ADDRESS: usize = 0x2000_3800;
/// Most bytes that are handed over.
const HANDOVER_LEN: usize = 0x7FC;
/// Where the address of the firmware's vector table stands.
pub const FORWARD_ADDRESS: usize = 0x2000_3FFC;

impl Chip for Microbit {
    const FLASH_LEN: u32 = 0x4_0000;
    const PAGE_LEN: u32 = 0x400;
    const DEVICE_BLOCK_AT: u32 = 0x8000;

    fn retained() -> &'static mut [u8] {
        let start = HANDOVER_ADDRESS as *mut u8;
        // SAFETY: both linker scripts end RAM before this range, so nothing else of either program is
        // there; every bit pattern is a valid byte; each program asks for it once.
        unsafe { core::slice::from_raw_parts_mut(start, HANDOVER_LEN) }
    }
}
