//! What a firmware links: the update agent and its application interface.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub use otaru_runtime_agent::{
    Application, Boot, MayInstall, Platform, Progress, ResetReason, Status, UpdatePhase, Version,
};
