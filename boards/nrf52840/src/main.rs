//! The bootloader of the nRF52840: what the library needs from the chip, and the jump.
//!
//! It owns the registers of flash controller, watchdog and reset, and nothing else: no clock is
//! started, no pin is touched, no interrupt is enabled. What it decides is in `otaru-bootloader`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(
    not(target_os = "none"),
    expect(dead_code, reason = "compiled for this machine only to be checked")
)]
#![expect(unsafe_code, reason = "registers and the jump into the firmware")]

#[cfg(target_os = "none")]
mod cpu;
mod flash;
mod port;
mod registers;
mod retained;

use flash::InternalFlash;
use otaru_bootloader::{Boot, Findings};
use port::Services;

/// Offset of the device block; the same as in `board.toml`.
const DEVICE_BLOCK_AT: u32 = 0x8000;
/// Bytes of the copy buffer: half a piece to write, half what was read back.
const BUFFER_LEN: usize = 512;

/// What is started: the address of a vector table.
struct Image(u32);

/// Everything between reset and jump. `None`: there is nothing to start.
fn decide(buf: &mut [u8; BUFFER_LEN]) -> Option<Image> {
    let request = Boot {
        device_block_at: DEVICE_BLOCK_AT,
        cause: port::reset_cause(),
    };
    let mut findings = Findings::default();
    otaru_bootloader::decide(
        &mut InternalFlash,
        &mut Services,
        request,
        buf,
        &mut findings,
    )
    .ok()?;
    retained::hand_over(findings.journal()?);
    let slot = findings.block()?.execution_address();
    let header_len = findings.image()?.header.header_len;
    Some(Image(slot.wrapping_add(u32::from(header_len))))
}

#[cfg(not(target_os = "none"))]
fn main() {}
