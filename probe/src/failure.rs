//! What a request fails with: a code that stays the same between releases, a message that says what
//! happened, and a hint that says what to do next.

use serde::Serialize;
use serde_json::{Map, Value};

/// Hint where the system refuses access.
pub(crate) const GET_ACCESS: &str = "on Linux install the udev rules of probe-rs \
    (https://probe.rs/docs/getting-started/probe-setup/), unplug the probe and plug it in again; \
    on Windows install the probe's driver";
/// Hint where the probe went away.
pub(crate) const PLUG_IN: &str =
    "check the cable, plug the probe in again and repeat; an interrupted flash must be repeated";
/// Hint where the chip is protected.
pub(crate) const UNLOCK: &str =
    "unlocking erases the whole chip; do it on purpose, with the vendor's tool";
/// Hint where the flash holds something else.
pub(crate) const FLASH_AGAIN: &str =
    "flash again; if it differs again, the flash may be worn or protected";

/// The codes of the protocol. Names are stable; new ones may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    /// The line is no request: not JSON, no `id`, no `op`, or a field that does not fit.
    BadRequest,
    /// The line is longer than the limit; it was skipped.
    LineTooLong,
    /// No operation has this name.
    UnknownOp,
    /// A request with this `id` is still under way.
    DuplicateId,
    /// Too many requests wait.
    Busy,
    /// A segment's file cannot be read.
    FileUnreadable,
    /// A segment's file is empty, or all of them together exceed the limit.
    FileSize,
    /// No debug probe is connected.
    NoProbe,
    /// The named probe is not connected.
    ProbeNotFound,
    /// Several probes are connected and none was named.
    SeveralProbes,
    /// The operating system refuses access to the probe.
    PermissionDenied,
    /// The probe is there but does not open, or the connection to it failed.
    ProbeFailed,
    /// The probe went away during the request.
    ProbeUnplugged,
    /// No chip has this name.
    ChipUnknown,
    /// The name is the beginning of several chips.
    ChipAmbiguous,
    /// The probe finds no chip, or not this one.
    TargetNotFound,
    /// The chip is protected against debugging or writing.
    ChipLocked,
    /// Bytes lie outside the chip's flash (or, for `read`, outside its memory).
    AddressOutsideFlash,
    /// Two segments cover the same address.
    SegmentsOverlap,
    /// Erasing or programming failed on the chip.
    FlashFailed,
    /// What the flash holds differs from what was asked for.
    VerifyMismatch,
    /// The request was cancelled.
    Cancelled,
    /// A defect of this program or of the probe library.
    Internal,
}

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    /// For programs.
    pub code: Code,
    /// For people: what happened.
    pub message: String,
    /// For people: what to do next.
    pub hint: String,
    /// Further facts, each under its own name; depends on the code.
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

impl Failure {
    /// A failure without details.
    pub(crate) fn new(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: hint.into(),
            details: Map::new(),
        }
    }

    /// Adds a fact.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// The request was cancelled before or while `what` ran.
    pub(crate) fn cancelled(what: &str) -> Self {
        Self::new(
            Code::Cancelled,
            format!("cancelled {what}"),
            "send it again; a flash that had begun must be repeated as a whole",
        )
    }
}
