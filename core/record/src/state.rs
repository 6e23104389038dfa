//! The state of an update: everything a boot needs to know, in one entry.

mod fields;

use crate::ChunkSet;
use fields::STORED_LEN;
use otaru_flash::Slot;

/// Where the device stands. The number is what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Phase {
    /// No update under way; the confirmed image runs.
    #[default]
    Idle = 1,
    /// The agent writes an image into a storage slot.
    Receiving = 2,
    /// An image was verified in its storage slot; it may not be installed yet.
    Parked = 3,
    /// The parked image is to be installed at the next boot.
    Requested = 4,
    /// The bootloader copies; `step` is the first step not yet done.
    Installing = 5,
    /// The execution slot holds the new image, verified there.
    Installed = 6,
    /// The new image has been started `trials_used` times, unconfirmed.
    Trial = 7,
    /// The new firmware gave itself up; the next boot reverts.
    Refused = 8,
    /// The bootloader brings the old image back; `step` is the first step not yet done.
    Reverting = 9,
}

impl Phase {
    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Idle,
            2 => Self::Receiving,
            3 => Self::Parked,
            4 => Self::Requested,
            5 => Self::Installing,
            6 => Self::Installed,
            7 => Self::Trial,
            8 => Self::Refused,
            9 => Self::Reverting,
            _ => return None,
        })
    }

    /// Whether a phase has this number.
    fn is_code(code: u8) -> bool {
        (Self::Idle as u8..=Self::Reverting as u8).contains(&code)
    }

    /// The name shown on the console.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Receiving => "receiving",
            Self::Parked => "parked",
            Self::Requested => "requested",
            Self::Installing => "installing",
            Self::Installed => "installed",
            Self::Trial => "trial",
            Self::Refused => "refused",
            Self::Reverting => "reverting",
        }
    }
}

/// How an attempt ended. The numbers are those of the DDI reasons; 0 is success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u16)]
pub enum Cause {
    /// Nothing to tell.
    #[default]
    None = 0,
    /// Confirmed.
    Confirmed = 1,
    /// Reset while receiving or verifying.
    Interrupted = 1001,
    /// The download failed for good.
    DownloadFailed = 1002,
    /// Too long, or not as long as announced.
    SizeMismatch = 1003,
    /// Stored bytes do not have the announced SHA-256.
    DigestMismatch = 1004,
    /// Not a well-formed image.
    MalformedImage = 1005,
    /// The signature does not match.
    SignatureInvalid = 1006,
    /// Signed by an unknown key.
    KeyUnknown = 1007,
    /// Signed by a revoked key.
    KeyRevoked = 1008,
    /// For another board.
    WrongBoard = 1009,
    /// For another slot.
    WrongSlot = 1010,
    /// Security counter below the floor.
    SecurityCounter = 1011,
    /// The application refused the install.
    RefusedByApplication = 1012,
    /// The new firmware's health check failed.
    Unhealthy = 1013,
    /// The confirm deadline passed.
    ConfirmDeadline = 1014,
    /// Reset (button, power) on trial.
    TrialReset = 1015,
    /// The watchdog ended the trial.
    TrialWatchdog = 1016,
    /// The new firmware panicked or exited.
    TrialCrash = 1017,
    /// Withdrawn by the manager.
    Withdrawn = 1018,
    /// The bootloader could not install the image.
    InstallFailed = 1019,
    /// A flash operation failed.
    StorageFailed = 1020,
    /// No complete backup, so nothing may be installed.
    BackupMissing = 1021,
    /// The deployment could not be understood.
    MalformedDeployment = 1023,
    /// The image needs something this device cannot do.
    Unsupported = 1025,
    /// Recovery over the console took the update's place.
    Recovered = 1026,
    /// The image needs another image that is not there in that version.
    DependencyUnmet = 1027,
    /// The image is encrypted for another device, or its encrypted key is damaged.
    NotDecryptable = 1028,
    /// The image would revoke the key that signed it.
    RevokesOwnKey = 1029,
}

impl Cause {
    /// Every value.
    pub const ALL: &'static [Self] = &[
        Self::None,
        Self::Confirmed,
        Self::Interrupted,
        Self::DownloadFailed,
        Self::SizeMismatch,
        Self::DigestMismatch,
        Self::MalformedImage,
        Self::SignatureInvalid,
        Self::KeyUnknown,
        Self::KeyRevoked,
        Self::WrongBoard,
        Self::WrongSlot,
        Self::SecurityCounter,
        Self::RefusedByApplication,
        Self::Unhealthy,
        Self::ConfirmDeadline,
        Self::TrialReset,
        Self::TrialWatchdog,
        Self::TrialCrash,
        Self::Withdrawn,
        Self::InstallFailed,
        Self::StorageFailed,
        Self::BackupMissing,
        Self::MalformedDeployment,
        Self::Unsupported,
        Self::Recovered,
        Self::DependencyUnmet,
        Self::NotDecryptable,
        Self::RevokesOwnKey,
    ];

    /// The number that is stored.
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The cause with this number.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.code() == code)
    }

    /// Whether a cause has this number: [`Cause::from_code`] without its table.
    fn is_code(code: u16) -> bool {
        matches!(code, 0 | 1 | 1001..=1021 | 1023 | 1025..=1029)
    }
}

/// Which image: its length and the SHA-256 of the complete file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Image {
    /// Bytes from the first of the header to the last of the TLVs; 0 means no image.
    pub len: u32,
    /// SHA-256 over those bytes.
    pub digest: [u8; 32],
}

impl Image {
    /// Whether there is an image at all.
    pub const fn exists(&self) -> bool {
        self.len > 0
    }

    /// The beginning of the digest, by which an outcome names the image.
    pub fn name(&self) -> DigestStart {
        self.digest.first_chunk().copied().unwrap_or_default()
    }
}

/// The first 8 bytes of an image's digest: enough to tell the images of one device apart. Zeros: no
/// image, or one whose digest was never announced.
pub type DigestStart = [u8; 8];

/// Where a complete image stands from which the execution slot can be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backup {
    /// Nowhere.
    #[default]
    None,
    /// Bit for bit in this storage slot (`standby`).
    Copy(Slot),
    /// In the secondary slot, permuted by the last install (`swap`); see
    /// [`State::differing`] and [`State::permuted_len`].
    Permuted,
}

/// How the last attempt ended, kept until it was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// DDI action id of the attempt; 0 if there is nothing to report.
    pub attempt: u64,
    /// How it ended.
    pub cause: Cause,
    /// The phase in which it ended.
    pub phase: Phase,
    /// The image that ran before the attempt.
    pub from: DigestStart,
    /// The image that the attempt was for.
    pub to: DigestStart,
    /// Whether the manager has been told.
    pub reported: bool,
    /// Resets survived during the install and the revert.
    pub cuts: u16,
    /// Chunks copied by the install.
    pub chunks: u16,
    /// Duration of the install in milliseconds, as far as the board has a clock at boot.
    pub millis: u32,
}

/// One of the three images that a state knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Held {
    /// [`State::current`].
    Current = fields::CURRENT,
    /// [`State::other`].
    Other = fields::OTHER,
    /// [`State::backup_image`].
    Backup = fields::BACKUP_IMAGE,
}

/// Everything the record says (rule J1).
///
/// It is kept in the order and almost in the form in which it is stored (`docs/formats/record.md` has
/// the offsets), so that reading and writing an entry is little more than a copy. Every field is a
/// function that reads its bytes, and has a setter.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C, align(4))]
pub struct State {
    phase: Phase,
    stored: [u8; STORED_LEN],
    /// The differing chunks of the running or, for a permuted backup, of the last install.
    pub differing: ChunkSet,
}

impl State {
    /// The state of a device that was flashed by cable with `current`.
    pub fn factory(current: Image, floor: u32) -> Self {
        let mut state = Self::default();
        state.set_current(&current);
        state.set_floor(floor);
        state.set_factory_made(true);
        state
    }

    /// The image that the execution slot holds, or will hold when the phase's work is done.
    pub fn running(&self) -> Image {
        if self.on_trial() {
            self.other()
        } else {
            self.current()
        }
    }

    /// Whether the image in the execution slot is unconfirmed.
    pub const fn on_trial(&self) -> bool {
        matches!(
            self.phase(),
            Phase::Installed | Phase::Trial | Phase::Refused
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_and_no_other_number_is_known() {
        for code in 0..=u16::MAX {
            assert_eq!(
                Cause::is_code(code),
                Cause::from_code(code).is_some(),
                "{code}"
            );
        }
    }

    #[test]
    fn every_phase_and_no_other_number_is_known() {
        for code in 0..=u8::MAX {
            assert_eq!(
                Phase::is_code(code),
                Phase::from_code(code).is_some(),
                "{code}"
            );
        }
    }
}
