//! MCUboot image format v1: parse and verify, and (feature `std`) build and sign.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
