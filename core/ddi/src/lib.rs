//! hawkBit DDI v1 messages, and the phase and reason codes of an update.
//!
//! Device and manager must agree on these bytes and numbers; both link this crate. It parses and
//! writes, bounded and without a heap; it never opens a connection. docs/formats/ddi.md is the
//! contract.
//!
//! What a device reads: [`PollReader`], [`DeploymentReader`], [`CancelReader`], fed in pieces as
//! the reply arrives. What it writes: [`Feedback`], [`CancelFeedback`], [`ConfigData`], whose
//! length [`body_len`] tells before anything is sent. Addresses are taken apart by [`Url`].
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod body;
mod cancel;
mod codes;
mod deployment;
mod detail;
pub mod json;
mod poll;
mod scalar;
mod url;

pub use body::{
    ATTRIBUTE_LEN_MAX, CancelFeedback, ConfigData, DETAIL_LEN_MAX, DETAILS_MAX, Execution,
    Feedback, Finished, Overflow, body_len, write_body,
};
pub use cancel::{CancelAction, CancelError, CancelReader};
pub use codes::{Phase, Reason, UnknownCode};
pub use deployment::{
    DEADLINE_S_DEFAULT, Deployment, DeploymentError, DeploymentReader, Field, HREF_LEN_MAX,
    Handling, MaintenanceWindow, NAME_LEN_MAX, TRIALS_MAX, VERSION_LEN_MAX,
};
pub use detail::{Detail, DetailError, DetailLine};
pub use poll::{ActionLink, LINK_LEN_MAX, PollError, PollLink, PollReader, PollReply};
pub use url::{Host, HostHeader, Scheme, Url, UrlError};
