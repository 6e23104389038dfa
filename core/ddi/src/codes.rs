//! Phases and reasons: the numbers and names that stand in the record, on the wire, in the
//! database and on the screen. Explicit values, never renumbered, never reused.

use core::fmt;

/// A number or name that is not in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownCode;

impl fmt::Display for UnknownCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown code")
    }
}

impl core::error::Error for UnknownCode {}

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $value:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum $name { $($(#[$vdoc])* $variant = $value,)* }

        impl $name {
            /// Every value, in ascending order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The number that is stored and sent.
            pub const fn code(self) -> u16 { self as u16 }

            /// The name that is sent and shown: lower case, words joined with a hyphen.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value with this name.
            ///
            /// # Errors
            /// [`UnknownCode`] if no value has it.
            pub fn from_name(name: &str) -> Result<Self, UnknownCode> {
                match name { $($text => Ok(Self::$variant),)* _ => Err(UnknownCode) }
            }
        }

        impl TryFrom<u16> for $name {
            type Error = UnknownCode;
            fn try_from(code: u16) -> Result<Self, UnknownCode> {
                match code { $($value => Ok(Self::$variant),)* _ => Err(UnknownCode) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.name()) }
        }
    };
}

codes! {
    /// Where an attempt stands, as the device reports it. In DDI feedback this is `status.code`
    /// of every message that does not end the attempt.
    Phase {
        /// The image is being received into a storage slot.
        Downloading = 10, "downloading";
        /// What was stored is read back: digest, signature, board, counter.
        Verifying = 20, "verifying";
        /// Verified in storage; the application has not yet allowed the install.
        Parked = 30, "parked";
        /// The device resets now; the bootloader installs.
        Installing = 40, "installing";
        /// The new firmware runs, unconfirmed.
        Trial = 50, "trial";
        /// Confirmed by the new firmware.
        Confirmed = 60, "confirmed";
    }
}

codes! {
    /// Why an attempt ended without success. In DDI feedback this is `status.code` of a message
    /// with `closed` and `failure`; in the record it is the outcome of the last attempt.
    Reason {
        /// The device was reset while it received or verified the image.
        Interrupted = 1001, "interrupted";
        /// The download failed for good (not found, refused, too many network errors).
        DownloadFailed = 1002, "download-failed";
        /// The image does not fit into its slot, or is not as long as announced.
        SizeMismatch = 1003, "size-mismatch";
        /// What was stored does not have the announced SHA-256.
        DigestMismatch = 1004, "digest-mismatch";
        /// Not an MCUboot image, or one with an illegal header or TLV.
        MalformedImage = 1005, "malformed-image";
        /// The signature does not match the image.
        SignatureInvalid = 1006, "signature-invalid";
        /// Signed by a key that is not in this device's key table.
        KeyUnknown = 1007, "key-unknown";
        /// Signed by a key that was revoked.
        KeyRevoked = 1008, "key-revoked";
        /// Made for another board.
        WrongBoard = 1009, "wrong-board";
        /// Linked for another slot or layout.
        WrongSlot = 1010, "wrong-slot";
        /// Its security counter is below what the device has already confirmed.
        SecurityCounter = 1011, "security-counter";
        /// The application refused the install, with a text.
        RefusedByApplication = 1012, "refused-by-application";
        /// The new firmware's health check failed, with a text.
        Unhealthy = 1013, "unhealthy";
        /// The new firmware did not reach the manager within the confirm deadline.
        ConfirmDeadline = 1014, "confirm-deadline";
        /// The device was reset (button, power) while the new firmware was on trial.
        TrialReset = 1015, "trial-reset";
        /// The new firmware hung and the watchdog reset it.
        TrialWatchdog = 1016, "trial-watchdog";
        /// The new firmware panicked or exited.
        TrialCrash = 1017, "trial-crash";
        /// The update was withdrawn by the manager.
        Withdrawn = 1018, "withdrawn";
        /// The bootloader could not install the image; the old one runs.
        InstallFailed = 1019, "install-failed";
        /// A flash operation failed.
        StorageFailed = 1020, "storage-failed";
        /// There is no complete backup of the running image, so nothing may be installed.
        BackupMissing = 1021, "backup-missing";
        /// Another update is in progress.
        Busy = 1022, "busy";
        /// The deployment could not be understood.
        MalformedDeployment = 1023, "malformed-deployment";
        /// The deployment holds no artifact for this device.
        NoArtifact = 1024, "no-artifact";
        /// The image is not among those this device can verify (algorithm, encryption).
        Unsupported = 1025, "unsupported";
        /// An image was uploaded over the device's console while the update was under way.
        Recovered = 1026, "recovered";
        /// The image needs another image of the device that is not there in that version.
        DependencyUnmet = 1027, "dependency-unmet";
        /// The image is encrypted for another device, or its encrypted key is damaged.
        NotDecryptable = 1028, "not-decryptable";
        /// The image would revoke the key that signed it.
        RevokesOwnKey = 1029, "revokes-own-key";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_round_trip() {
        for &phase in Phase::ALL {
            assert_eq!(Phase::try_from(phase.code()), Ok(phase));
            assert_eq!(Phase::from_name(phase.name()), Ok(phase));
        }
        for &reason in Reason::ALL {
            assert_eq!(Reason::try_from(reason.code()), Ok(reason));
            assert_eq!(Reason::from_name(reason.name()), Ok(reason));
        }
        assert_eq!(Phase::try_from(0), Err(UnknownCode));
        assert_eq!(Reason::from_name(""), Err(UnknownCode));
    }
}
