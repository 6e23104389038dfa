// C31: what a cable load needs below the build backend.
//! The protocol, spoken with the real process over its pipes; behind it a device of the host board, or the
//! simulated backend, whose
//! faults stand for what happens to cables and chips.

mod bad_input;
mod both;
mod child;
mod requests;
