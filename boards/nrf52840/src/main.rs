//! The bootloader of the nRF52840: start-up, and the jump into the firmware.
//!
//! Drivers are in `otaru-board-nrf`, what it decides is in `otaru-bootloader`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(
    target_os = "none",
    expect(unsafe_code, reason = "start-up code, and the jump into the firmware")
)]

#[cfg(target_os = "none")]
mod cpu;

#[cfg(not(target_os = "none"))]
fn main() {}
