//! What the agent knows and the application may show: shared by reference on one executor.

use core::cell::Cell;
use core::fmt;

use otaru_image::Label;

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

/// What the application may show at any time. Make one, lend it to the agent and to the
/// application.
#[derive(Debug, Default)]
pub struct Status {
    online: Cell<bool>,
    version: Cell<Version>,
    progress: Cell<Progress>,
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

    pub(crate) fn set_online(&self, online: bool) {
        self.online.set(online);
    }

    pub(crate) fn set_version(&self, version: Version) {
        self.version.set(version);
    }

    /// Sets the progress; whether it has changed.
    pub(crate) fn set_progress(&self, progress: Progress) -> bool {
        self.progress.replace(progress) != progress
    }
}
