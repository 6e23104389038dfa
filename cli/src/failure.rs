//! How a command ends when it does not end well.

use otaru_lsp_build::{ErrorClass, Explain};
use otaru_lsp_project::Problem;
use std::path::PathBuf;

/// Exit codes. They are stable; scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something failed.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// The user said no, or could not be asked, or stopped it.
    Refused,
    /// The manager does not answer.
    Unreachable,
    /// The project's files need repair.
    Project,
    /// The manager does not accept who we are.
    Access,
    /// The update ended without success: the device runs what it ran before.
    NotUpdated,
}

impl Exit {
    /// The number that the program ends with.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Unreachable => 4,
            Self::Project => 5,
            Self::Access => 6,
            Self::NotUpdated => 7,
        }
    }
}

/// Why a command did not end well.
#[derive(Debug)]
pub(crate) struct Failure {
    /// A stable word for it.
    pub(crate) code: String,
    /// What happened: lower case, no full stop.
    pub(crate) message: String,
    /// What lies behind it, outermost first.
    pub(crate) causes: Vec<String>,
    /// What to do next.
    pub(crate) hint: Option<String>,
    /// The exit code.
    pub(crate) exit: Exit,
    /// Problems of a file, with its text to point into.
    pub(crate) problems: Option<Box<FileProblems>>,
}

/// Problems of one file.
#[derive(Debug)]
pub(crate) struct FileProblems {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) problems: Vec<Problem>,
}

impl Failure {
    /// A failure of the command line's own.
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            exit,
            problems: None,
        }
    }

    /// The same failure with advice.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A file or system call failed.
    pub(crate) fn io(what: impl Into<String>, error: &std::io::Error) -> Self {
        let mut failure = Self::new(Exit::Failed, "io", what);
        failure.causes.push(error.to_string());
        failure
    }

    /// The failure of an operation of the backend.
    pub(crate) fn of<E: Explain>(error: &E) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        // Layers that only repeat what the one above said are noise.
        let message = error.to_string();
        causes.retain(|cause| !message.contains(cause.as_str()));
        causes.dedup();
        Self {
            code: error.code().to_owned(),
            message,
            causes,
            hint: error.hint(),
            exit: match error.class() {
                ErrorClass::Failed => Exit::Failed,
                ErrorClass::Refused => Exit::Refused,
                ErrorClass::Unreachable => Exit::Unreachable,
                ErrorClass::Project => Exit::Project,
                ErrorClass::Access => Exit::Access,
            },
            problems: None,
        }
    }
}

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::of(&error)
    }
}
