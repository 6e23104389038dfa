//! The update session of a device: a state machine without IO, and a thin async driver.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
