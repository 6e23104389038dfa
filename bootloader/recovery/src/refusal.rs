//! Why a request is refused, as a text for people and as the numbers of SMP.

use core::fmt;
use otaru_bootloader::{Recovery, Unreadable};
use otaru_image::VerifyError;

pub(crate) const GROUP_OS: u16 = 0;
pub(crate) const GROUP_IMAGE: u16 = 1;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No CBOR map as this request needs one.
    Malformed,
    /// A version of SMP behind 2.
    Version,
    /// A group or command that recovery does not have.
    Command,
    /// The answer would not fit into a reply.
    ReplyTooLong,
    /// Nothing is known that answers this query.
    Query,
    /// This device cannot be recovered over its console.
    Beyond(Recovery),
    /// The phase of the record allows no upload.
    Phase,
    /// The record cannot be written.
    Record,
    /// The secondary slot holds the only image that still verifies: reset, and it is installed.
    OnlyBackup,
    /// Only slot 1, storage, can be erased.
    Slot,
    /// There is one image, number 0.
    ImageNumber,
    /// `off` is missing.
    OffsetMissing,
    /// `len` is missing where an upload begins.
    LengthMissing,
    /// No upload is under way: begin at offset 0.
    NoUpload,
    /// `sha` is no SHA-256.
    Digest,
    /// The data do not begin as an image does.
    NotAnImage,
    /// The image has more bytes than the slot takes.
    TooLarge {
        /// Bytes announced.
        len: u32,
        /// Bytes there are.
        max: u32,
    },
    /// More data than were announced.
    Overrun,
    /// A sector cannot be erased.
    Erase,
    /// A sector cannot be programmed.
    Program,
    /// The uploaded image does not verify.
    Image(VerifyError<Unreadable>),
    /// A state cannot be set here.
    State,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("not a request that recovery understands"),
            Self::Version => f.write_str("SMP version 1 or 2 is needed"),
            Self::Command => f.write_str("recovery does not have this command"),
            Self::ReplyTooLong => f.write_str("the reply would be too long"),
            Self::Query => f.write_str("nothing is known about that"),
            Self::Beyond(reason) => write!(f, "no upload is possible: {reason}"),
            Self::Phase => f.write_str("no upload is possible in this phase: reset the device"),
            Self::Record => f.write_str("the record cannot be written: flash the board by cable"),
            Self::OnlyBackup => f.write_str(
                "the secondary slot holds the only image that verifies: reset to install it",
            ),
            Self::Slot => f.write_str("only slot 1 can be erased"),
            Self::ImageNumber => f.write_str("there is one image, number 0"),
            Self::OffsetMissing => f.write_str("`off` is missing"),
            Self::LengthMissing => f.write_str("`len` is missing"),
            Self::NoUpload => f.write_str("no upload is under way: begin at offset 0"),
            Self::Digest => f.write_str("`sha` is no SHA-256"),
            Self::NotAnImage => f.write_str("this does not begin as an image does"),
            Self::TooLarge { len, max } => write!(f, "{len} bytes, the slot takes {max}"),
            Self::Overrun => f.write_str("more data than were announced"),
            Self::Erase => f.write_str("the storage slot cannot be erased"),
            Self::Program => f.write_str("the storage slot cannot be written"),
            Self::Image(verdict) => write!(f, "{verdict}"),
            Self::State => f.write_str("there is no state to set: an upload that verifies runs"),
        }
    }
}

/// The numbers of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Codes {
    /// `MGMT_ERR`, understood by every client.
    pub(crate) general: u8,
    /// Group and number of that group, SMP version 2 only, where the group has a number that says
    /// it all. A reply with it carries no text.
    pub(crate) group: Option<(u16, u8)>,
}

impl Refusal {
    pub(crate) const fn codes(&self) -> Codes {
        const INVALID: u8 = 3;
        const NO_ENTRY: u8 = 5;
        const BAD_STATE: u8 = 6;
        const MESSAGE_SIZE: u8 = 7;
        const NOT_SUPPORTED: u8 = 8;
        const CORRUPT: u8 = 9;
        const ACCESS_DENIED: u8 = 11;
        const TOO_NEW: u8 = 13;
        const UNKNOWN: u8 = 1;
        let (general, group) = match self {
            Self::Malformed => (INVALID, None),
            Self::Version => (TOO_NEW, None),
            Self::Command | Self::State => (NOT_SUPPORTED, None),
            Self::ReplyTooLong => (MESSAGE_SIZE, None),
            Self::Query => (NO_ENTRY, Some((GROUP_OS, 3))),
            Self::Beyond(_) | Self::Phase | Self::OnlyBackup => (BAD_STATE, None),
            Self::Record => (UNKNOWN, None),
            Self::Slot | Self::ImageNumber => (INVALID, Some((GROUP_IMAGE, 14))),
            Self::OffsetMissing => (INVALID, Some((GROUP_IMAGE, 20))),
            Self::LengthMissing => (INVALID, Some((GROUP_IMAGE, 21))),
            Self::NoUpload => (BAD_STATE, Some((GROUP_IMAGE, 17))),
            Self::Digest => (INVALID, Some((GROUP_IMAGE, 24))),
            Self::NotAnImage => (INVALID, Some((GROUP_IMAGE, 23))),
            Self::TooLarge { .. } => (INVALID, Some((GROUP_IMAGE, 30))),
            Self::Overrun => (INVALID, Some((GROUP_IMAGE, 31))),
            Self::Erase => (UNKNOWN, Some((GROUP_IMAGE, 13))),
            Self::Program => (UNKNOWN, Some((GROUP_IMAGE, 12))),
            Self::Image(verdict) => match verdict {
                VerifyError::HashMismatch
                | VerifyError::DigestMismatch
                | VerifyError::Read(_)
                | VerifyError::Malformed(_)
                | VerifyError::LengthMismatch { .. }
                | VerifyError::TooLarge { .. } => (CORRUPT, None),
                VerifyError::KeyUnknown
                | VerifyError::KeyRevoked
                | VerifyError::SignatureInvalid
                | VerifyError::WrongBoard
                | VerifyError::WrongSlot { .. }
                | VerifyError::SecurityCounter { .. }
                | VerifyError::DependencyUnmet(_)
                | VerifyError::NotDecryptable
                | VerifyError::Unsupported(_) => (ACCESS_DENIED, None),
            },
        };
        Codes { general, group }
    }
}
