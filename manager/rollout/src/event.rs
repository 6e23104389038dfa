//! What happens to an action, and what its next state asks the caller to do.

use crate::{Cause, Digest, Status};
use otaru_ddi::{Phase, Reason};

/// `status.execution` of a DDI feedback message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// The device is done with it.
    Closed,
    /// The device gave it up.
    Canceled,
    /// The device does not want it now; it stays active.
    Rejected,
    /// Download runs.
    Download,
    /// Download is complete.
    Downloaded,
    /// Anything else that says "working on it".
    Proceeding,
}

/// `status.result.finished` of a DDI feedback message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// It worked.
    Success,
    /// It did not.
    Failure,
    /// Not said.
    None,
}

/// One feedback message of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// What the device does.
    pub execution: Execution,
    /// How it ended, if it did.
    pub finished: Finished,
    /// Phase, from an Otaru device.
    pub phase: Option<Phase>,
    /// Reason of a failure, from an Otaru device.
    pub reason: Option<Reason>,
    /// SHA-256 of the image that runs now, from an Otaru device.
    pub digest: Option<Digest>,
    /// Percent of the phase, 0 to 100.
    pub percent: Option<u8>,
}

/// A device's answer to a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelAnswer {
    /// Stopped.
    Accepted,
    /// Too late, or not possible: the device goes on.
    Rejected,
    /// Says something without deciding.
    Note,
}

/// Something that happens to an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The device has fetched the deployment.
    Retrieved,
    /// The device reports.
    Report(Report),
    /// The operator cancels.
    CancelRequested,
    /// The device answers the cancel.
    CancelAnswered(CancelAnswer),
    /// A newer deployment for the same device exists.
    Superseded,
    /// The device turned out to be one that may not get this artifact.
    Unsuitable,
    /// `wake_at_ms` has come.
    Tick,
    /// The operator asks for another attempt.
    RetryRequested,
}

/// What the caller has to do after a step, in this order, in the same transaction as the new state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Append to the history of the newest attempt.
    Record {
        /// Status of the attempt from now on.
        status: Status,
        /// Why, if it ended or is being canceled.
        cause: Option<Cause>,
    },
    /// Only the percentage moved: update the last entry of the history.
    Progress,
    /// The newest attempt ends now.
    EndAttempt {
        /// How it ended.
        status: Status,
        /// Why.
        cause: Option<Cause>,
    },
    /// Open an attempt with a new DDI action id.
    StartAttempt {
        /// Its number, from 2.
        number: u32,
    },
    /// What the device would be told at its next poll has changed.
    WakeDevice,
    /// Ask the device for its configuration data at the next poll.
    WantConfigData,
}

/// Why an event does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The attempt has ended.
    Ended,
    /// Nothing of this action is offered to the device now.
    NotOffered,
    /// The action is not being canceled.
    NotCanceling,
    /// The action is already being canceled.
    AlreadyCanceling,
    /// The action is still active, so there is nothing to retry.
    StillActive,
}
