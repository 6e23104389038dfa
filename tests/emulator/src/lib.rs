//! Real bootloader binaries under an instruction-level emulator: power cuts, stack.
//!
//! A [`Story`] is the flash of a device that was switched off in the middle of something, with the
//! bootloader as it is flashed, a firmware, and a record that the tools wrote. The program in `emulator/`
//! lets the device live from there; [`Story::run`] starts it and returns its [`Report`]. Nothing is
//! mocked but the chip around the CPU.

mod programs;
mod story;

pub use programs::{Chip, Program};
pub use story::{Cuts, Report, Story, seed};
