//! Boots the real bootloader and real firmwares in QEMU: nothing here is a model.
//!
//! Every test needs QEMU and a compiler for the machine; `cargo xtask test` and the variables that
//! `cargo xtask setup qemu` prints say where they are.

mod boot;
mod cuts;
mod guard;
mod harness;
mod programs;
mod replay;
