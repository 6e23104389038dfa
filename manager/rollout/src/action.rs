//! The state of an action, and the facts about its deployment that decide what a report means.

use crate::Status;
use otaru_ddi::{Phase, Reason};

/// SHA-256 of a complete image file.
pub type Digest = [u8; 32];

/// How a cancel reaches the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// No cancel was asked for.
    No,
    /// The poll answer offers the cancel; `from` is the status in which it was asked for.
    Offered {
        /// Status before the cancel.
        from: Status,
    },
    /// The poll answer offers nothing, so that a firmware on trial withdraws itself.
    Withheld {
        /// Status before the cancel.
        from: Status,
    },
}

/// Why an attempt ended the way it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The device's own reason.
    Device(Reason),
    /// Success was reported without the proof that this device owes.
    Unproven,
    /// The device fell silent.
    Silent,
    /// A newer deployment took its place.
    Superseded,
    /// The operator canceled it.
    Operator,
}

impl Cause {
    /// The stable name that is stored, sent and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device(reason) => reason.name(),
            Self::Unproven => "unproven",
            Self::Silent => "silent",
            Self::Superseded => "superseded",
            Self::Operator => "canceled-by-operator",
        }
    }

    /// The cause with this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Unproven,
            Self::Silent,
            Self::Superseded,
            Self::Operator,
        ]
        .into_iter()
        .find(|cause| cause.name() == name)
        .or_else(|| Reason::from_name(name).ok().map(Self::Device))
    }
}

/// What a success has to be backed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The digest of the version, on trial and then confirmed.
    Required,
    /// The device's word; such a success is marked as not verified.
    DeviceWord,
}

/// Longest silence of a device per status, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// While it downloads or verifies.
    pub transfer_ms: i64,
    /// While the image is parked and the application has not allowed the install.
    pub parked_ms: i64,
    /// From the announced reset on, in addition to the confirm deadline.
    pub install_ms: i64,
    /// After a cancel was asked for.
    pub canceling_ms: i64,
    /// Pause before the second attempt; it doubles with each further one.
    pub retry_pause_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        const HOUR_MS: i64 = 3_600_000;
        Self {
            transfer_ms: 24 * HOUR_MS,
            parked_ms: 7 * 24 * HOUR_MS,
            install_ms: HOUR_MS,
            canceling_ms: 24 * HOUR_MS,
            retry_pause_ms: 5_000,
        }
    }
}

/// The facts that do not change while an attempt runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// SHA-256 of the version's image file.
    pub digest: Digest,
    /// What a success has to be backed by.
    pub proof: Proof,
    /// The device had confirmed this very image before the attempt began, so there is no trial.
    pub already_running: bool,
    /// How long the new firmware may take to reach the manager, in milliseconds.
    pub confirm_deadline_ms: i64,
    /// Longest silences.
    pub limits: Limits,
}

/// What a poll answer offers for an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// The deployment.
    Deployment,
    /// The cancel.
    Cancel,
    /// Neither.
    Nothing,
}

/// State of an action and of its newest attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Where it stands.
    pub status: Status,
    /// Number of the newest attempt, from 1.
    pub attempt: u32,
    /// Attempts that may still follow by themselves.
    pub retries_left: u32,
    /// The version's digest was reported on trial in this attempt.
    pub trial_proven: bool,
    /// A cancel in progress.
    pub cancel: Cancel,
    /// Succeeded after it had timed out.
    pub late: bool,
    /// Succeeded with proof.
    pub verified: bool,
    /// Last phase the device reported in this attempt.
    pub phase: Option<Phase>,
    /// Percent of that phase, 0 to 100.
    pub percent: Option<u8>,
    /// Why it ended (or is being canceled).
    pub cause: Option<Cause>,
    /// When to look again without any event, in milliseconds: the end of a pause, or a deadline.
    pub wake_at_ms: Option<i64>,
}

impl Action {
    /// A new action in its first attempt.
    pub fn new(retries: u32) -> Self {
        Self {
            status: Status::Pending,
            attempt: 1,
            retries_left: retries,
            trial_proven: false,
            cancel: Cancel::No,
            late: false,
            verified: false,
            phase: None,
            percent: None,
            cause: None,
            wake_at_ms: None,
        }
    }

    /// What a poll at this time offers.
    pub fn offer(&self, now_ms: i64) -> Offer {
        match self.status {
            Status::Pending if self.wake_at_ms.is_some_and(|at| at > now_ms) => Offer::Nothing,
            Status::Pending
            | Status::Downloading
            | Status::Verifying
            | Status::Parked
            | Status::Installing
            | Status::Trial => Offer::Deployment,
            Status::Canceling => match self.cancel {
                Cancel::Offered { .. } => Offer::Cancel,
                Cancel::No | Cancel::Withheld { .. } => Offer::Nothing,
            },
            Status::Succeeded
            | Status::Failed
            | Status::Reverted
            | Status::Canceled
            | Status::TimedOut => Offer::Nothing,
        }
    }

    /// The latest time by which the device has to report in this status.
    pub(crate) fn deadline(&self, plan: &Plan, now_ms: i64) -> Option<i64> {
        let silence_ms = match self.status {
            Status::Downloading | Status::Verifying => plan.limits.transfer_ms,
            Status::Parked => plan.limits.parked_ms,
            Status::Installing | Status::Trial => plan
                .limits
                .install_ms
                .saturating_add(plan.confirm_deadline_ms),
            Status::Canceling => plan.limits.canceling_ms,
            Status::Pending
            | Status::Succeeded
            | Status::Failed
            | Status::Reverted
            | Status::Canceled
            | Status::TimedOut => return None,
        };
        Some(now_ms.saturating_add(silence_ms))
    }
}
