//! The slot engine: VM and bytecode slots that run in place, and the record that chooses them.
//!
//! Nothing is copied at boot. An update writes the slots that do not run, arms a *configuration*
//! (one VM slot and one bytecode slot) in the record and restarts; the boot marks the trial as
//! used *before* it starts, so the next plain restart brings the last working configuration back,
//! whatever the new one did or left undone. Only an accept makes the new one the last working one.
//!
//! ```text
//!            attempt             boot: marks, then starts the candidate
//!   idle ─────────────► armed ────────────────────────────────────────► tried
//!    ▲  ▲  withdraw      │ boot: candidate is no good                    │ │
//!    │  └────────────────┴───────────────────────────────────────────────┘ │ next boot: reverted
//!    └─────────────────────────────────────────────────────────────────────┘ accept
//! ```
//!
//! This crate is what first stage, VM and tools agree on: [`SlotLayout`], [`SlotState`] with its
//! transitions, [`SlotRecord`] over flash or over memory that a power loss erases, and
//! [`first_stage`]. It never runs an image, never writes a slot, and knows neither guest nor network.
//! The byte formats are in `docs/formats/fota-record.md`.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod handover;
mod judge;
mod layout;
mod layout_block;
pub mod presets;
mod record;
mod stage;
mod state;

pub use handover::{SLOT_HANDOVER_LEN_MAX, TakeOverError, Taken, hand_over, take_over};
pub use judge::{Facts, ImageJudge, Judge, Rules};
pub use layout::{
    CHUNK_LEN_MAX, CHUNK_LEN_MIN, LayoutKind, RecordPlace, SlotArea, SlotKind, SlotLayout,
    SlotLayoutError, SlotName,
};
pub use layout_block::{LAYOUT_BLOCK_LEN, LayoutBlockError};
pub use record::{SlotRecord, VOLATILE_LEN};
pub use stage::{Decision, FirstCode, ResetCause, Start, first_code, first_stage, keep_control};
pub use state::{Config, Run, SlotOutcome, SlotPhase, SlotSet, SlotState};
