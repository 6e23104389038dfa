//! The first instructions of bootloader and firmware.

core::arch::global_asm!(include_str!("start.s"));
