//! Deterministic world for tests: devices that live through power cuts, every cut of every update.
//!
//! A [`Device`] runs the shipped bootloader and record over a [`SimFlash`], with a firmware reduced
//! to what it does to flash, through a [`Scenario`]. It checks the promises of the install protocol
//! at every boot. [`explore()`] tries every cut of a scenario, every second cut of what follows, and
//! so on; [`Case::random`] makes cases from a seed. Nothing here reads a clock or draws a random
//! number that does not come from a seed, but for the keys of encrypted images.
//!
//! Only tests and tools depend on this crate.
#![forbid(unsafe_code)]

mod case;
mod device;
mod explore;
mod images;
mod layouts;
mod port;
mod progress;
mod scenario;

pub use case::Case;
pub use device::{Device, Violation};
pub use explore::{Explored, Plan, explore};
pub use images::{Change, Encryption, Images, PARTS_CHUNKS};
pub use layouts::Shape;
pub use otaru_sim_flash::{
    Again, Counters, Cut, Fault, Fork, Forks, Misuse, Part, Rng, SimFlash, Tear, Timing,
};
pub use progress::{Ledger, Progress};
pub use scenario::{Damage, End, SCENARIOS, Scenario, Update};
