//! Rollout policy: `(state, event, now) -> (state, commands)`. No IO.
//!
//! One [`Action`] is one device's part of a deployment. [`step`] takes its state, what happened and
//! the time, and answers with the next state and what the caller has to do. It owns the rules of
//! when an update counts as done; it never sees HTTP, SQL or a clock.
//!
//! ```text
//! pending ─▶ downloading ─▶ verifying ─▶ parked ─▶ installing ─▶ trial ─▶ succeeded
//!    │            └─────────────┴───────────┴──────────┴───────────┴────▶ failed, reverted, timed-out
//!    └──▶ canceled ◀── canceling ◀── (any of them)
//! ```
//!
//! Rules that callers may lean on:
//! * An attempt that has ended never changes again, except that a proven success after a time-out
//!   turns `timed-out` into `succeeded` with [`Action::late`] set.
//! * An Otaru device succeeds only with the digest of the version, reported as confirmed after it
//!   was reported on trial in the same attempt (or when that very image ran before the attempt).
#![forbid(unsafe_code)]

mod action;
mod cancel;
mod event;
mod status;
mod step;

pub use action::{Action, Cancel, Cause, Digest, Limits, Offer, Plan, Proof};
pub use event::{CancelAnswer, Command, Event, Execution, Finished, Refusal, Report};
pub use status::{Status, UnknownStatus};
pub use step::{Stepped, step};
