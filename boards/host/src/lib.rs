//! The host board: a device made of two processes, the chip and its CPU.
//!
//! The *chip* ([`chip::run`]) owns power, watchdog, reset, flash file, faults, console and control
//! socket. The *CPU* is its child: it runs the bootloader and then executes the image that stands
//! in the execution slot, so the new firmware's code really runs.
//!
//! A firmware links only the part without the feature `chip`: [`Board`] and what it hands out.

#[cfg(not(unix))]
compile_error!("the host board needs a Unix system: it is made of processes, sockets and signals");

mod board;
mod cause;
#[cfg_attr(
    not(feature = "chip"),
    expect(dead_code, reason = "the chip's half of the wire")
)]
mod wire;

#[cfg(feature = "chip")]
pub mod chip;
#[cfg(feature = "chip")]
pub mod control;
#[cfg(feature = "chip")]
pub mod cpu;

pub use board::{Board, HostFlash, RetainedRam, TakeError};
#[cfg(feature = "firmware")]
pub use board::{HostNetwork, HostPlatform, HostSocket};
pub use cause::ResetCause;
pub use wire::FlashFault;

use otaru_flash::Area;

/// Bytes of RAM that survive a reset and not a power loss.
pub const RETAINED_LEN: usize = 8192;
/// Offset of the device block in the flash of every host board.
pub const DEVICE_BLOCK_AT: u32 = 0;
/// The part of the flash that is the application's own, for `otaru_runtime::data` or anything else:
/// no tool and no bootloader touches it.
pub const DATA: Area = Area::new(0xE0_0000, 0x2_0000, 0x1000);
/// Bytes of retained RAM, from its start, in which the bootloader leaves a message for the firmware.
pub const HANDOVER_LEN: usize = 2048;
