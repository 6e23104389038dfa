//! The FOTA record: a power-fail-safe journal of the update state and its transitions.
//!
//! One append-only journal in two halves. It knows how to store a [`State`] so that a power cut
//! at any instant leaves either the former or the new one in force, and which state may follow
//! which. It never knows who writes it, and never touches an image.
//!
//! ```text
//! idle ─► receiving ─► parked ─► requested ─► installing ─► installed ─► trial ─► idle (confirmed)
//!   ▲         │           │          │             │                       │
//!   └─────────┴───────────┴──────────┘             └──────► reverting ◄────┴── refused
//!            (cancel, interrupted)                              └──► idle (old image)
//! ```
//!
//! The journal itself is generic over what it keeps ([`Body`]), so that another engine's record obeys
//! the same rules; the slot engine's is in `core/slots`.
//!
//! The byte format is in `docs/formats/record.md`, the rules it follows (J1…J6) in
//! `docs/formats/install-protocol.md`.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod body;
mod cell;
mod chunks;
mod geometry;
mod handover;
mod journal;
mod keys;
mod permit;
mod reader;
mod scan;
mod state;
mod transition;
mod verdict;
mod volatile;

pub use body::Body;
pub use chunks::ChunkSet;
pub use geometry::{CELL_LEN_MAX, Geometry, Units};
pub use handover::{HANDOVER_LEN_MAX, HandoverError};
pub use journal::{AppendError, Journal, LoadError};
pub use keys::key_table;
pub use permit::StoragePermit;
pub use reader::SlotReader;
pub use state::{Backup, Cause, DigestStart, Held, Image, Outcome, Phase, State};
pub use transition::{Change, Download, WrongPhase};
pub use volatile::Volatile;
