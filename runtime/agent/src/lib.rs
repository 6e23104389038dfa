//! The update agent of a device: a state machine without IO, and a thin async driver.
//!
//! [`Session`] decides. It is fed one [`Event`] at a time and answers with the one [`Action`] to
//! do next; it knows no clock, no socket, no flash and no executor, so every order of events can
//! be tested. [`run`] does what the session asks for, over a board's [`Platform`], and
//! never decides anything about the update.
//!
//! ```text
//!  Platform ──► run (driver) ──Event──► Session ──Action──► run ──► network, flash, record
//!                    │                                       └────► Application (hooks)
//!                    └─► Status (what the application may show), console, retained console tail
//! ```
//!
//! The agent writes to storage only with a permit of the record, appends to the record before it
//! acts on it, and never touches the execution slot. What a reset finds in each phase is in
//! `docs/formats/install-protocol.md`; what goes over the wire in `docs/formats/ddi.md`.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

#[cfg(test)]
extern crate std;

mod console;
mod driver;
mod http;
#[cfg(feature = "parts")]
mod parts;
mod platform;
mod session;
mod status;
pub mod tail;

pub use console::{Notice, print_line};
pub use driver::{begin_console, run};
pub use otaru_ddi::{Phase as OutcomePhase, Reason};
pub use otaru_record::DigestStart;
#[cfg(feature = "parts")]
pub use parts::{InstalledPart, PartError, find_part};
pub use platform::{Application, Boot, MayInstall, Platform, ResetReason};
pub use session::{
    Action, BACK_OFF_MS_MAX, BLOCK_LEN, Device, Event, Found, Report, Session, Text,
};
pub use status::{Outcome, Permanent, Progress, Status, UpdatePhase, Version};
