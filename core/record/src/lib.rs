//! The FOTA record: a power-fail-safe journal of the update state and its transitions.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
