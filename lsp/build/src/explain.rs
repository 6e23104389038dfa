//! What every error of the backend can say about itself.

/// How an error ended the work; the command line makes its exit code of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Something failed.
    Failed,
    /// The user said no, or stopped it.
    Refused,
    /// The manager does not answer.
    Unreachable,
    /// The project's files need repair first.
    Project,
    /// The manager or the device does not accept who we are.
    Access,
}

/// An error that a person has to act on.
pub trait Explain: std::error::Error {
    /// A stable word for it, as `--json` shows.
    fn code(&self) -> &'static str;

    /// What to do next, if there is one good answer.
    fn hint(&self) -> Option<String> {
        None
    }

    /// How it ended the work.
    fn class(&self) -> ErrorClass {
        ErrorClass::Failed
    }
}
