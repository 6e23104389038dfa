//! Copies of the flash as single cuts would leave it.

use crate::{Cut, SimFlash};

/// What one cut leaves: the flash with the power still off.
#[derive(Debug, Clone)]
pub struct Fork {
    /// Where the power went, counted from when forking began.
    pub cut: Cut,
    /// The moment of the world outside, as given to [`SimFlash::fork_at_every_operation`].
    pub moment: u64,
    /// The flash.
    pub flash: SimFlash,
}

/// All forks of a run.
pub type Forks = Vec<Fork>;
