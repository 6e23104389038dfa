//! QEMU's RISC-V machine `virt` as a board: memory map, drivers and start-up.
//!
//! Bootloader and firmware both link this. It owns the addresses of the machine and every register
//! access; it never decides anything about an update. The bootloader (`src/bootloader.rs`) runs in
//! machine mode and keeps what it needs to itself: the watchdog, the reset, the first flash part.
//! The firmware runs in supervisor mode and asks for these by [`monitor`] calls.
//!
//! ```text
//! 0x0010_0000  test device: reset          bootloader only
//! 0x0200_0000  timer                       firmware: read only
//! 0x1000_0000  console                     both
//! 0x2000_0000  flash part 0: bootloader, device block, execution slot    firmware: read, execute
//! 0x2200_0000  flash part 1: identity, record, storage                   both
//! 0x8000_0000  RAM of the bootloader       bootloader only
//! 0x8004_0000  RAM that keeps its content over a reset                   both
//! 0x8010_0000  RAM of the firmware         both
//! ```
//!
//! On the host only the parts without hardware work; they are compiled there to be tested.
#![cfg_attr(not(test), no_std)]
#![expect(unsafe_code, reason = "registers, mapped flash and start-up code")]

pub mod clock;
pub mod console;
pub mod flash;
pub mod monitor;
pub mod registers;
#[cfg(feature = "console")]
pub mod report;
pub mod retained;
#[cfg(target_arch = "riscv32")]
mod start;

/// Offset of the device block in the flash; the same as in `board.toml`.
pub const DEVICE_BLOCK_AT: u32 = 0x8_0000;

/// Address at which the first byte of the flash is mapped.
pub const FLASH_ADDRESS: u32 = 0x2000_0000;
