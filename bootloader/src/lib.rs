//! Chooses, verifies, installs, reverts and hands over. A library without hardware.
//!
//! [`boot`] is the whole bootloader: it reads the device block and the record, finishes what a
//! power cut interrupted, and says what to start. It parses no network and no guest data, and it
//! is the only code that changes the execution slot. The rules are in
//! `docs/formats/install-protocol.md`; each function here names the section it follows.
//!
//! A board calls it from its reset handler:
//!
//! ```ignore
//! match otaru_bootloader::boot(&mut flash, &mut port, Boot { device_block_at: 0, cause }, &mut buf) {
//!     Decision::Start(start) => {
//!         start.journal.hand_over(retained_ram());
//!         jump(start.image)
//!     }
//!     Decision::Recovery(reason) => recovery_console(reason),
//! }
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod backup;
mod boot;
mod copy;
mod decrypt;
mod install;
mod port;
mod revert;
mod stop;
mod verify;

pub use backup::{Source, Unreadable, backup_verifies};
pub use boot::{Boot, Context, Decision, Findings, Start, Started, boot, decide, start};
pub use port::{Event, Port, ResetCause, Step, Work};
pub use stop::{Recovery, Stopped};
pub use verify::Acceptance;

/// Version of this bootloader, reported by the device as `otaru.boot`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Smallest copy buffer that [`boot`] accepts, in bytes; it must also be a multiple of the write
/// unit. A larger one means fewer flash operations.
pub const BUFFER_LEN_MIN: usize = 512;
