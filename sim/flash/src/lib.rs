//! A flash in memory that is stricter than any part, and tears as the flash contract allows.
//!
//! [`SimFlash`] enforces what a NOR flash forbids: a unit is programmed once between two erases,
//! operations are aligned and inside the flash, an erase covers whole sectors (which may differ in
//! size). When the power goes during an operation, a [`Tear`] says what is left: any subset of the
//! bits that would have changed, bits that read differently at every boot or at every reading, a
//! unit that looks untouched and is not, a unit that ECC refuses to read.
//!
//! It can also *fork*: with [`SimFlash::fork_at_every_operation`] each program and each erase leaves
//! behind one copy of the flash per tear, as if the power had gone there. One run so yields every
//! state that a single cut of it can leave.
//!
//! Nothing here reads a clock or draws a random number that does not come from a seed.
#![forbid(unsafe_code)]

mod fork;
mod part;
mod rng;
mod sector;
mod sim;
mod tear;

pub use fork::{Fork, Forks};
pub use part::{Again, Part, Timing};
pub use rng::Rng;
pub use sim::{Counters, Fault, Misuse, SimFlash};
pub use tear::{Cut, Tear};
