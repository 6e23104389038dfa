//! Deterministic world for tests: a flash that tears, devices, links, one seed.
//!
//! [`SimFlash`] is stricter than any part: it panics on whatever a NOR flash forbids, and when the
//! power is cut it leaves exactly the mess that the flash contract allows. [`Device`] runs the
//! shipped bootloader and record over it, as a real device would. Nothing here reads a clock or
//! draws a random number that does not come from a seed.
//!
//! Only tests and tools depend on this crate.

mod device;
mod flash;
mod rng;

pub use device::{Device, Goal, Images, Violation, geometry};
pub use flash::{Counters, Cut, PowerCut, SimFlash, Tear};
pub use rng::Rng;
