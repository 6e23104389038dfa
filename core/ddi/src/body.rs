//! The bodies a device sends: feedback, the answer to a cancel, its attributes.
//!
//! Each body is a [`fmt::Display`]: [`body_len`] measures it for `Content-Length`, [`write_body`]
//! puts it into a buffer, `write!` puts it into anything else. Texts are escaped, and shortened to
//! a named limit rather than refused.
//!
//! ```
//! use otaru_ddi::{Detail, DetailLine, Feedback, Phase, body_len, write_body};
//!
//! let details = [Detail::Text("started by \"Ada\"")];
//! let line = DetailLine::new(Phase::Downloading);
//! let feedback = Feedback::new(8, line, details.into_iter()).with_percent(40);
//! let mut buffer = [0; 512];
//! let body = write_body(&feedback, &mut buffer)?;
//! assert_eq!(body.len(), body_len(&feedback));
//! assert_eq!(
//!     core::str::from_utf8(body)?,
//!     concat!(
//!         r#"{"id":"8","status":{"execution":"download","result":{"finished":"none","#,
//!         r#""progress":{"cnt":40,"of":100}},"code":10,"#,
//!         r#""details":["otaru phase=downloading","started by \"Ada\""]}}"#,
//!     ),
//! );
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod sink;

use core::fmt;

use crate::codes::Phase;
use crate::detail::{Detail, DetailLine, Hex};
pub use sink::{Overflow, body_len, write_body};
use sink::{Quoted, quoted};

/// Bytes of one line of `details`, before escaping; hawkBit stores 512 characters.
pub const DETAIL_LEN_MAX: usize = 512;
/// Lines in one `details`, the one for machines included; hawkBit refuses more.
pub const DETAILS_MAX: usize = 50;
/// Bytes of the value of an attribute, before escaping; hawkBit stores 128 characters.
pub const ATTRIBUTE_LEN_MAX: usize = 128;

/// `status.execution`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// The image is being received.
    Download,
    /// The image is stored and checked; the update waits.
    Downloaded,
    /// The update goes on.
    Proceeding,
    /// The action is at its end.
    Closed,
    /// A cancel comes too late.
    Rejected,
}

impl Execution {
    /// The word in the message.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Downloaded => "downloaded",
            Self::Proceeding => "proceeding",
            Self::Closed => "closed",
            Self::Rejected => "rejected",
        }
    }
}

/// `status.result.finished`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// Not at its end.
    None,
    /// It worked.
    Success,
    /// It did not.
    Failure,
}

impl Finished {
    /// The word in the message.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

/// Feedback about an action, for `POST …/deploymentBase/{action}/feedback`.
///
/// `D` are the lines for people. They are gone through once for every writing or measuring; at
/// most [`DETAILS_MAX`] − 1 of them are sent, the first ones.
#[derive(Debug, Clone)]
pub struct Feedback<'a, D> {
    action: u64,
    line: DetailLine<'a>,
    percent: Option<u8>,
    details: D,
}

impl<'a, D> Feedback<'a, D> {
    /// Feedback that says what `line` says: a `reason` in it closes the action as failed, the
    /// phase `confirmed` closes it as succeeded.
    pub const fn new(action: u64, line: DetailLine<'a>, details: D) -> Self {
        Self {
            action,
            line,
            percent: None,
            details,
        }
    }

    /// Adds how much of the phase is done; more than 100 is sent as 100.
    #[must_use]
    pub fn with_percent(mut self, percent: u8) -> Self {
        self.percent = Some(percent.min(100));
        self
    }

    /// What `status.execution` says.
    pub const fn execution(&self) -> Execution {
        match (self.line.reason, self.line.phase) {
            (Some(_), _) | (None, Phase::Confirmed) => Execution::Closed,
            (None, Phase::Downloading) => Execution::Download,
            (None, Phase::Parked) => Execution::Downloaded,
            (None, Phase::Verifying | Phase::Installing | Phase::Trial) => Execution::Proceeding,
        }
    }

    /// What `status.result.finished` says.
    pub const fn finished(&self) -> Finished {
        match (self.line.reason, self.line.phase) {
            (Some(_), _) => Finished::Failure,
            (None, Phase::Confirmed) => Finished::Success,
            (None, _) => Finished::None,
        }
    }

    /// What `status.code` says: the number of the reason, else of the phase.
    pub const fn code(&self) -> u16 {
        match self.line.reason {
            Some(reason) => reason.code(),
            None => self.line.phase.code(),
        }
    }
}

impl<'d, D: Iterator<Item = Detail<'d>> + Clone> fmt::Display for Feedback<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            r#"{{"id":"{}","status":{{"execution":"{}","result":{{"finished":"{}""#,
            self.action,
            self.execution().name(),
            self.finished().name(),
        )?;
        if let Some(percent) = self.percent {
            write!(f, r#","progress":{{"cnt":{percent},"of":100}}"#)?;
        }
        write!(
            f,
            r#"}},"code":{},"details":[{}"#,
            self.code(),
            quoted(&self.line, DETAIL_LEN_MAX)
        )?;
        for detail in self.details.clone().take(DETAILS_MAX.saturating_sub(1)) {
            write!(f, ",{}", quoted(&detail, DETAIL_LEN_MAX))?;
        }
        f.write_str("]}}")
    }
}

/// The answer to a cancel, for `POST …/cancelAction/{id}/feedback`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelFeedback<'a> {
    /// The number in the address of the cancel.
    pub action: u64,
    /// Whether the update was stopped; `false` when it is too late for that.
    pub accepted: bool,
    /// What happened, for people.
    pub text: &'a str,
}

impl fmt::Display for CancelFeedback<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (execution, finished) = if self.accepted {
            (Execution::Closed, Finished::Success)
        } else {
            (Execution::Rejected, Finished::None)
        };
        write!(
            f,
            r#"{{"id":"{}","status":{{"execution":"{}","result":{{"finished":"{}"}},"details":[{}]}}}}"#,
            self.action,
            execution.name(),
            finished.name(),
            quoted(&self.text, DETAIL_LEN_MAX),
        )
    }
}

/// The attributes of a device, for `PUT …/configData`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigData<'a> {
    /// The label of the running firmware, or `Factory`.
    pub version: &'a str,
    /// Whether the running firmware is on trial.
    pub trial: bool,
    /// SHA-256 of the complete image file that runs.
    pub digest: [u8; 32],
    /// The board's name.
    pub board: &'a str,
    /// The bootloader's version.
    pub boot: &'a str,
    /// The engine that executes the application.
    pub engine: &'a str,
    /// The install mode.
    pub mode: &'a str,
}

impl fmt::Display for ConfigData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = Version {
            trial: self.trial,
            label: self.version,
        };
        write!(
            f,
            r#"{{"mode":"merge","data":{{"otaru.version":{},"otaru.digest":"{}""#,
            attribute(&version),
            Hex(&self.digest),
        )?;
        write!(
            f,
            r#","otaru.board":{},"otaru.boot":{},"otaru.engine":{},"otaru.mode":{}}}}}"#,
            attribute(&self.board),
            attribute(&self.boot),
            attribute(&self.engine),
            attribute(&self.mode),
        )
    }
}

fn attribute<T: fmt::Display>(value: &T) -> Quoted<'_, T> {
    quoted(value, ATTRIBUTE_LEN_MAX)
}

/// A version as people read it.
struct Version<'a> {
    trial: bool,
    label: &'a str,
}

impl fmt::Display for Version<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.trial { "testing-" } else { "" })?;
        f.write_str(self.label)
    }
}
