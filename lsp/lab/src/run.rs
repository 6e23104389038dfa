//! Doing it: one fault, in a real device, watched until the device is at rest again. Blocks.

mod bench;
mod feed;
mod strikes;

use crate::{Evidence, Fault};
use bench::Bench;
use otaru_board_host::control::ControlError;
use otaru_lsp_build::flash_map::MapError;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Which fault.
    pub fault: Fault,
    /// How often, 1 to [`crate::TIMES_MAX`]; only for a fault that repeats.
    pub times: u32,
    /// What chance is made of. The same seed chooses the same moments and bits; where a running
    /// device is at such a moment is up to the device.
    pub seed: u64,
}

/// What is told while it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Nothing has happened yet; it waits for this.
    Waiting(&'static str),
    /// It struck, this often so far.
    Struck(u32),
    /// The device is watched until it is at rest.
    Watching,
}

/// Why there is nothing to judge.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// It makes no sense now.
    #[error("{0}")]
    Refused(String),
    /// The device is gone or refuses.
    #[error("{0}")]
    Device(#[from] ControlError),
    /// Its flash cannot be looked at.
    #[error("{0}")]
    Flash(#[from] MapError<ControlError>),
    /// Somebody stopped it. The fault was taken back.
    #[error("stopped")]
    Stopped,
}

/// A seed that nobody has used before.
pub fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    // The only source of chance in the standard library; nothing here has to be unpredictable.
    std::hash::RandomState::new().build_hasher().finish()
}

/// Makes the device in `dir` fail as ordered and watches what it makes of it. `stop` ends a wait, and
/// nothing has happened; it ends a repetition, and what happened is judged; a second time it ends the
/// watch over the device, and there is no judgement.
///
/// # Errors
/// [`LabError`]. A device that does not do what it should is not an error: that is the evidence.
pub fn run(
    dir: &Path,
    order: &Order,
    stop: &AtomicBool,
    tell: &dyn Fn(News),
) -> Result<Evidence, LabError> {
    let mut bench = Bench::open(dir, *order, stop, tell)?;
    let struck = bench.strike();
    let restored = bench.take_back();
    struck?;
    restored?;
    bench.settle()
}
