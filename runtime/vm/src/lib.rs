//! Runs bytecode: WebAssembly modules that stand in a bytecode slot.
//!
//! A [`Vm`] runs one module in turns. A turn ends when its fuel is used up, when the bytecode waits,
//! or when it has ended; then the firmware does its own work. So bytecode never holds up the
//! firmware, and a trap, an endless loop or a budget that is used up is a [`Failure`] that the
//! firmware learns about, never a device that hangs. The firmware gives the functions of `docs/abi.md`
//! as [`Host`] and [`Fota`]. This crate knows no clock, no flash and no network, and needs a heap.
//!
//! ```text
//!   slot (mapped flash) ──▶ check_head, check ──▶ Vm::start ──▶ turn ─▶ Runnable ─▶ turn …
//!                             │ Rejection            │            ├──▶ Waiting { until_ms }
//!                             ▼                      ▼            └──▶ Ended(Finished | Restart | Failed)
//!                           not started, nothing erased
//! ```
//!
//! What runs the instructions is an [`Engine`]: [`engine::Wasmi`] today (`docs/decisions`).
//!
//! # Power cuts
//!
//! Nothing here is stored. A reset at any point loses the bytecode's memory and nothing else.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

extern crate alloc;

mod arguments;
mod check;
mod dispatch;
pub mod engine;
mod host;
mod limits;
mod queue;
mod vm;

pub use check::{Rejection, check, check_head};
pub use engine::Engine;
pub use host::{Fota, Host, NoFota};
pub use limits::Limits;
pub use otaru_abi as abi;
pub use queue::Undelivered;
pub use vm::{Ended, Failure, Turn, Vm};
