//! The states of an action and their names on the wire, in the database and on the screen.

use std::fmt;

/// A status name that is not in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownStatus;

impl fmt::Display for UnknownStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown status")
    }
}

impl std::error::Error for UnknownStatus {}

/// Where an action (and its newest attempt) stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Waits for the device to fetch it, or for the pause before a retry to pass.
    Pending,
    /// The device has fetched the deployment and receives the image.
    Downloading,
    /// The device reads back what it stored.
    Verifying,
    /// Verified in the device's storage; its application has not yet allowed the install.
    Parked,
    /// The device has announced the reset into its bootloader.
    Installing,
    /// The new firmware runs, unconfirmed.
    Trial,
    /// A cancel waits for the device.
    Canceling,
    /// Confirmed.
    Succeeded,
    /// Ended without an install that had to be undone.
    Failed,
    /// The new firmware ran and the device went back to the old one.
    Reverted,
    /// Withdrawn before it took effect.
    Canceled,
    /// The device has not reported in time.
    TimedOut,
}

impl Status {
    /// Every status, in the order of a usual update.
    pub const ALL: [Self; 12] = [
        Self::Pending,
        Self::Downloading,
        Self::Verifying,
        Self::Parked,
        Self::Installing,
        Self::Trial,
        Self::Canceling,
        Self::Succeeded,
        Self::Failed,
        Self::Reverted,
        Self::Canceled,
        Self::TimedOut,
    ];

    /// The name that is sent, stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Downloading => "downloading",
            Self::Verifying => "verifying",
            Self::Parked => "parked",
            Self::Installing => "installing",
            Self::Trial => "trial",
            Self::Canceling => "canceling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Reverted => "reverted",
            Self::Canceled => "canceled",
            Self::TimedOut => "timed-out",
        }
    }

    /// The status with this name.
    ///
    /// # Errors
    /// [`UnknownStatus`] if none has it.
    pub fn from_name(name: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.name() == name)
            .ok_or(UnknownStatus)
    }

    /// Whether the attempt has ended.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::Reverted | Self::Canceled | Self::TimedOut
        )
    }

    /// Whether the device works on it and could still stop before its reset.
    pub const fn is_before_install(self) -> bool {
        matches!(self, Self::Downloading | Self::Verifying | Self::Parked)
    }

    /// Whether the install has begun and only the trial firmware can undo it.
    pub const fn is_from_install_on(self) -> bool {
        matches!(self, Self::Installing | Self::Trial)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for status in Status::ALL {
            assert_eq!(Status::from_name(status.name()), Ok(status));
        }
        assert_eq!(Status::from_name("done"), Err(UnknownStatus));
    }
}
