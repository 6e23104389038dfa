//! The slot engine on simulated devices: every function, every power cut, and signed images.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths and offsets of a flash of a few kilobytes"
)]

mod cuts;
mod functions;
mod signed;
mod trials;
mod world;
