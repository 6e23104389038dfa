//! hawkBit DDI v1 messages, and the phase and reason codes of an update.
//!
//! Device and manager must agree on these bytes and numbers; both link this crate. It parses and
//! writes, bounded and without a heap; it never opens a connection.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod codes;

pub use codes::{Phase, Reason, UnknownCode};
