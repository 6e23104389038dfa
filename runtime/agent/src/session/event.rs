//! What goes into the session and what comes out.

use heapless::String;
use otaru_ddi::{CancelAction, Deployment, DeploymentError, Phase, PollReply, Reason};
use otaru_flash::Slot;
use otaru_image::Label;
use otaru_record::{Cause, Image};

use crate::{MayInstall, ResetReason};

/// A short text: a version, or the application's own words.
pub type Text = String<128>;

/// Bytes that are received and programmed at once, and the driver's largest buffer.
pub const BLOCK_LEN: u32 = 4096;

/// An image that was read back and is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its label.
    pub label: Option<Label>,
    /// SHA-256 of the complete file.
    pub digest: [u8; 32],
}

/// What happened. Each answers the last [`Action`].
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The first event of all.
    Start,
    /// A local action has worked: append, mark, erase, program, copy, skip, sleep, disconnect.
    Done,
    /// The flash failed in a local action.
    StorageFailed,
    /// The confirm deadline has passed while the action was under way; it was given up.
    DeadlinePassed,
    /// No complete reply: no connection, a lost one, a time-out, or something that is not HTTP.
    NetFailed,
    /// The server's answer to feedback, to attributes, or instead of what was asked for.
    Replied(u16),
    /// The reply cannot be understood.
    BadReply,
    /// A poll was answered.
    Polled {
        /// What with.
        reply: &'a PollReply,
        /// Whether the reply had an entity tag, so that the next poll can be held.
        etag: bool,
    },
    /// A poll was answered with 304.
    NotModified,
    /// The deployment.
    Deployment(Result<&'a Deployment, DeploymentError>),
    /// The cancel.
    Cancel(CancelAction),
    /// The download has begun.
    Opened {
        /// First byte that comes; 0 unless `partial`.
        from: u32,
        /// Whether only the part that was asked for comes (206).
        partial: bool,
        /// Length of the whole artifact, if the server says so.
        total: Option<u32>,
        /// Whether the artifact is another one than at the former request.
        changed: bool,
    },
    /// As many bytes as asked for are in the buffer.
    Received,
    /// The artifact ended before that.
    BodyEnded,
    /// The stored image was verified: what it is, or what is wrong.
    Verdict(Result<Found, Cause>),
    /// The application's answer to [`Action::AskInstall`].
    MayInstall(MayInstall<'a>),
    /// The application's answer to [`Action::AskHealth`].
    Healthy(bool),
}

impl Event<'_> {
    /// The status of an answer that is not what was asked for; 200 if it makes no sense.
    pub(super) const fn status(self) -> Option<u16> {
        if let Self::Replied(status) = self {
            Some(status)
        } else if let Self::BadReply = self {
            Some(200)
        } else {
            None
        }
    }
}

/// What to do next. There is always exactly one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Get the base address. → `Polled`, `NotModified`, `Replied`, `BadReply`, `NetFailed`
    Poll {
        /// Seconds the server may hold the request; 0: do not ask for it.
        wait_s: u16,
        /// Whether to send the entity tag of the former reply.
        if_changed: bool,
    },
    /// Put the attributes to [`Session::config_href`](super::Session::config_href). → `Replied`, `NetFailed`
    SendConfig,
    /// Get [`Session::deployment_href`](super::Session::deployment_href). → `Deployment`, `Replied`, `NetFailed`
    FetchDeployment,
    /// Get [`Session::cancel_href`](super::Session::cancel_href). → `Cancel`, `Replied`, `BadReply`, `NetFailed`
    FetchCancel,
    /// Post feedback. → `Replied`, `NetFailed`
    Report(Report),
    /// Post the answer to a cancel. → `Replied`, `NetFailed`
    AnswerCancel {
        /// Number of the cancel in its address.
        cancel: u64,
        /// Whether the update was stopped.
        accepted: bool,
    },
    /// Append [`Session::next_state`](super::Session::next_state). → `Done`, `StorageFailed`
    Append {
        /// Whether it must be there twice.
        twice: bool,
    },
    /// Mark a sixteenth of the download as stored. → `Done`, `StorageFailed`
    Mark {
        /// Sixteenths stored: 1…15.
        step: u16,
    },
    /// Request the artifact at [`Session::artifact_href`](super::Session::artifact_href). → `Opened`, `Replied`, `NetFailed`
    Open {
        /// First byte.
        from: u32,
        /// First byte not wanted any more.
        to: u32,
    },
    /// Read and drop bytes of the artifact. → `Done`, `BodyEnded`, `NetFailed`
    Skip {
        /// How many.
        len: u32,
    },
    /// Read bytes of the artifact into the buffer. → `Received`, `BodyEnded`, `NetFailed`
    Receive {
        /// How many: 1…[`BLOCK_LEN`].
        len: u32,
    },
    /// Erase one sector. → `Done`, `StorageFailed`
    Erase {
        /// Storage slot.
        slot: Slot,
        /// Where in the image.
        at: u32,
        /// Its length.
        len: u32,
    },
    /// Program the buffer, padded to the write unit. → `Done`, `StorageFailed`
    Program {
        /// Storage slot.
        slot: Slot,
        /// Where in the image; a multiple of [`BLOCK_LEN`].
        at: u32,
        /// Bytes: 1…[`BLOCK_LEN`].
        len: u32,
    },
    /// Copy from the execution slot to the same place of a storage slot, padded to the write
    /// unit. → `Done`, `StorageFailed`
    Copy {
        /// Storage slot.
        slot: Slot,
        /// Where in the image; a multiple of [`BLOCK_LEN`].
        at: u32,
        /// Bytes: 1…[`BLOCK_LEN`].
        len: u32,
    },
    /// Read the image back and verify it. → `Verdict`
    Verify {
        /// Storage slot.
        slot: Slot,
        /// What it must be; a digest of zeros if that is not known.
        image: Image,
    },
    /// Ask the application whether the install may begin. The text of a refusal is kept as a note
    /// before the answer. → `MayInstall`
    AskInstall,
    /// Ask the application whether it works; what is wrong is kept as a note. → `Healthy`
    AskHealth,
    /// Wait; a random quarter may be added. → `Done`
    Sleep {
        /// Milliseconds.
        ms: u32,
    },
    /// Close the connection in an orderly way. → `Done`
    Disconnect,
    /// Reset. Nothing follows.
    Reset(ResetReason),
    /// Nothing more until the next reset. Nothing follows.
    Halt,
}

/// Feedback about an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// DDI action id.
    pub attempt: u64,
    /// Where it stands, or stood when it failed.
    pub phase: Phase,
    /// Why it failed.
    pub reason: Option<Reason>,
    /// Percent of the phase.
    pub percent: Option<u8>,
    /// Bytes received.
    pub bytes: Option<u32>,
    /// Chunks, resets survived and milliseconds of the install.
    pub install: Option<(u16, u16, u32)>,
    /// Whether [`Session::images`](super::Session::images) go with it.
    pub with_images: bool,
    /// Whether [`Session::text`](super::Session::text) goes with it.
    pub with_text: bool,
    /// Whether the note and the console lines that belong to the attempt go with it.
    pub with_tail: bool,
}

impl Report {
    /// A report of nothing but the phase.
    pub const fn new(attempt: u64, phase: Phase) -> Self {
        Self {
            attempt,
            phase,
            reason: None,
            percent: None,
            bytes: None,
            install: None,
            with_images: false,
            with_text: false,
            with_tail: false,
        }
    }
}
