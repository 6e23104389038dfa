//! What the agent knows and the application may show: shared by reference on one executor.

use core::cell::Cell;
use core::fmt;

use otaru_ddi::Reason;
use otaru_image::Label;
use otaru_record::{Cause, DigestStart, Phase, State};

use crate::session::{phase_of, reason_of};

/// The running firmware's version as people read it: `Factory` after a flash by cable, else the
/// image's label; with the prefix `testing-` while on trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Version {
    /// Whether the firmware came by cable, so that it is shown as `Factory`.
    pub factory: bool,
    /// Whether the firmware is on trial.
    pub trial: bool,
    /// The label of the image; `None` if it has none or it is not known.
    pub label: Option<Label>,
}

impl Version {
    /// The version without the prefix of a trial.
    pub fn name(&self) -> &str {
        match &self.label {
            _ if self.factory => "Factory",
            Some(label) => label.as_str(),
            None => "unknown",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.trial { "testing-" } else { "" })?;
        f.write_str(self.name())
    }
}

/// Proof that the running firmware is permanent: it is confirmed, and only a further update can
/// replace it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permanent(());

impl Permanent {
    /// The proof, if the record says so.
    pub fn of(state: &State) -> Option<Self> {
        match state.phase() {
            Phase::Idle | Phase::Receiving | Phase::Parked | Phase::Requested => Some(Self(())),
            // The bootloader comes next, or the firmware is on trial or has given itself up.
            Phase::Installing
            | Phase::Installed
            | Phase::Trial
            | Phase::Refused
            | Phase::Reverting => None,
        }
    }
}

/// Where the update stands on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpdatePhase {
    /// No update under way.
    #[default]
    Idle,
    /// The running firmware copies itself to storage, before its first update.
    BackingUp,
    /// An image is being received.
    Downloading,
    /// The stored image is read back and checked.
    Verifying,
    /// The image waits for the application, the manager or the maintenance window.
    Parked,
    /// The device is about to reset for the install.
    Installing,
    /// This firmware runs on trial.
    Trial,
}

impl UpdatePhase {
    /// The name of the phase.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::BackingUp => "backing-up",
            Self::Downloading => "downloading",
            Self::Verifying => "verifying",
            Self::Parked => "parked",
            Self::Installing => "installing",
            Self::Trial => "trial",
        }
    }
}

/// How far an update is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The phase.
    pub phase: UpdatePhase,
    /// Percent of the phase: 0…100. Counted while backing up and downloading.
    pub percent: u8,
}

/// How the last update of this device ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// DDI action id of the attempt.
    pub attempt: u64,
    /// Beginning of the digest of the image that ran before.
    pub from: DigestStart,
    /// Beginning of the digest of the image the update was for; zeros if the manager never said.
    pub to: DigestStart,
    /// Why it failed; `None`: it was confirmed.
    pub reason: Option<Reason>,
    /// The phase in which it ended.
    pub phase: otaru_ddi::Phase,
    /// Resets survived during the install and the revert.
    pub cuts: u16,
    /// Chunks copied by the install; 0 if it came to none.
    pub chunks: u16,
    /// Milliseconds of the install; 0 if the board has no clock while it boots.
    pub millis: u32,
    /// Whether the manager has been told.
    pub reported: bool,
}

impl Outcome {
    /// The outcome in this state of the record. There is none before the first update, and none
    /// while the bootloader's figures of the present one are only there to be completed.
    fn of(state: &State) -> Option<Self> {
        let outcome = &state.outcome();
        let ended = outcome.attempt != 0 && outcome.attempt != state.attempt();
        (ended && outcome.cause != Cause::None).then(|| {
            let reason = reason_of(outcome.cause);
            Self {
                attempt: outcome.attempt,
                from: outcome.from,
                to: outcome.to,
                reason,
                phase: match reason {
                    Some(_) => phase_of(outcome.phase),
                    None => otaru_ddi::Phase::Confirmed,
                },
                cuts: outcome.cuts,
                chunks: outcome.chunks,
                millis: outcome.millis,
                reported: outcome.reported,
            }
        })
    }
}

/// One line for people, without the images' digests.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Some(reason) => write!(f, "failed in phase {} ({reason})", self.phase)?,
            None => f.write_str("confirmed")?,
        }
        if self.chunks > 0 {
            write!(f, ", {} chunks in {} ms", self.chunks, self.millis)?;
        }
        if self.cuts > 0 {
            write!(f, ", {} resets survived", self.cuts)?;
        }
        Ok(())
    }
}

/// What the application may show at any time. Make one, lend it to the agent and to the
/// application.
#[derive(Debug, Default)]
pub struct Status {
    online: Cell<bool>,
    version: Cell<Version>,
    progress: Cell<Progress>,
    outcome: Cell<Option<Outcome>>,
    permanent: Cell<Option<Permanent>>,
}

impl Status {
    /// The status before the agent has started: offline, version unknown.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the manager answered the last request.
    pub fn online(&self) -> bool {
        self.online.get()
    }

    /// The version of the running firmware.
    pub fn version(&self) -> Version {
        self.version.get()
    }

    /// Phase of the update.
    pub fn phase(&self) -> UpdatePhase {
        self.progress.get().phase
    }

    /// Percent of the phase: 0…100.
    pub fn percent(&self) -> u8 {
        self.progress.get().percent
    }

    /// How the last update ended; `None` before the first one, and as long as this firmware is on
    /// trial. Known from the start, before the manager has been told.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome.get()
    }

    /// Some if this firmware is permanent; `None` while it is on trial and before the agent has read
    /// the record. Ask for it before data is changed that an older firmware would need.
    pub fn permanent(&self) -> Option<Permanent> {
        self.permanent.get()
    }

    pub(crate) fn set_online(&self, online: bool) {
        self.online.set(online);
    }

    pub(crate) fn set_version(&self, version: Version) {
        self.version.set(version);
    }

    pub(crate) fn set_record(&self, state: &State) {
        self.outcome.set(Outcome::of(state));
        self.permanent.set(Permanent::of(state));
    }

    /// Sets the progress; whether it has changed.
    pub(crate) fn set_progress(&self, progress: Progress) -> bool {
        self.progress.replace(progress) != progress
    }
}
