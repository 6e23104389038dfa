//! Acceptance scenarios against real processes: manager, chip, CPU, firmware.
//!
//! A [`Lab`] is a manager in its own process with an empty folder; a [`Device`] is a chip process
//! with its CPU. Images are made from one firmware, `scenario-firmware`, whose label says what it
//! does wrong. A [`Workshop`] is a developer with the real command line. Nothing is mocked; waiting is always for an event, with a limit that fails with
//! what was seen.

mod api;
mod device;
mod lab;
mod workshop;

pub use api::{Api, ApiFailure, sha256_hex};
pub use device::{Console, Device, Starts};
pub use lab::{Lab, PATIENCE, board, builder, check, image_of, otaru, payload};
pub use workshop::{Ended, Workshop};
