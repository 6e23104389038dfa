//! The fota module: the functions with which a program on the device updates VM and bytecode.
//!
//! [`Fota`] is the interface. A target without the slot engine, which includes every layout of
//! the bootloader engine, has [`NoFota`]: each function answers
//! [`FotaError::Unsupported`] and changes no byte.
//!
//! [`SlotFota`] is the slot engine behind that interface, and [`Trial`] what the agent needs of it.
//!
//! This crate never knows a network, a guest or a clock.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod api;
mod engine;
mod slots;
mod trial;
mod write;

pub use api::{Checksums, Fota, FotaError, FotaRecord, NewRecord, NoFota, SlotRequest};
pub use engine::{Parts, Port, SlotFota};
pub use trial::{ConfirmError, Trial, Vote};
