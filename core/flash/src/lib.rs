//! The flash contract: areas, write units, layouts, device block and identity area.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
