//! Data of an application that outlives updates and reverts.
//!
//! A firmware on trial may be gone after the next reset, and the one before it runs again over the
//! same data. So a firmware must not take from its predecessor what that one reads, until it is
//! permanent itself. [`Data`] leaves no other way:
//!
//! * A value is kept under a key *and* a schema, a number for the form of its bytes. Writing one
//!   schema never touches another.
//! * [`Data::get`] returns the value that was written last among the schemas a firmware
//!   understands. What a newer firmware wrote in a form of its own is invisible, not damaged.
//! * Old schemas are removed by [`Data::retire`], which asks for a
//!   [`Permanent`](otaru_runtime_agent::Permanent): the agent hands it out to a firmware that is
//!   confirmed and to no other.
//!
//! The values are small settings, 480 bytes altogether. They are kept in a journal of the same kind
//! as the FOTA record, so a power cut at any instant leaves the former values or the new ones, on
//! any flash. The rule with an example is in `docs/data.md`, the bytes in `docs/formats/data.md`.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod data;
mod table;

pub use data::{Data, DataError, Put};
pub use table::{Key, Schema, TABLE_LEN_MAX, Value};
