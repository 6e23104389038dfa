//! Chooses, verifies, installs, reverts and hands over. A library without hardware.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
