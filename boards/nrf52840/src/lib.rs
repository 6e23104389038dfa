//! What bootloader and firmware of the nRF52840 agree on: the chip, and the last 2 KiB of RAM.
//!
//! They survive every reset but a power loss and hold the hand-over (`docs/formats/record.md`), which
//! carries its own checksum; the firmware takes it before it uses this RAM.
#![no_std]
#![expect(unsafe_code, reason = "RAM at a fixed address")]

use otaru_board_nrf::Chip;

/// The chip; as in `board.toml`.
#[derive(Debug, Clone, Copy)]
pub struct Nrf52840;

const HANDOVER_ADDRESS: usize = 0x2003_F800;
/// Most bytes that are handed over.
const HANDOVER_LEN: usize = 0x800;

impl Chip for Nrf52840 {
    const FLASH_LEN: u32 = 0x10_0000;
    const PAGE_LEN: u32 = 0x1000;
    const DEVICE_BLOCK_AT: u32 = 0x8000;

    fn retained() -> &'static mut [u8] {
        let start = HANDOVER_ADDRESS as *mut u8;
        // SAFETY: the linker script ends RAM before this range, so nothing else of the program is
        // there; every bit pattern is a valid byte; each program asks for it once.
        unsafe { core::slice::from_raw_parts_mut(start, HANDOVER_LEN) }
    }
}
