//! The build backend: compile, pack, sign, upload, flash. The only place that spawns processes.
//!
//! Long work takes a [`Job`]: it tells [`JobEvent`]s while it goes on, and it can be cancelled.
//! The command line and the language server are two renderings of the same work. This crate knows
//! nothing of editors and prints nothing.

pub mod builds;
pub mod bytecode;
#[cfg(unix)]
pub mod cable;
pub mod cargo;
pub mod clean;
pub mod credentials;
pub mod device;
pub mod doctor;
pub mod elf;
mod event;
mod explain;
pub mod flash_map;
pub mod handover;
pub mod image;
pub mod keys;
pub mod layout;
#[cfg(unix)]
pub mod local;
pub mod manager;
pub mod project;
pub mod size;
pub mod target;
pub mod template;
pub mod tools;

pub use event::{Job, JobEvent, Phase};
pub use explain::{ErrorClass, Explain};
