//! What the agent needs of the fota module: the program's vote, and the last word on a trial.
//!
//! An update that the agent started carries its attempt id through the record. The program's
//! [`accept`](crate::Fota::accept) is then a vote and writes nothing; the agent confirms after the
//! manager has answered, or refuses. An update that was started by hand has no attempt id, and the
//! program's accept confirms it at once.

use crate::engine::{Port, SlotFota};
use core::fmt;
use otaru_flash::Flash;
use otaru_record::Cause;
use otaru_slots::{Judge, SlotOutcome};

/// What the program says about itself while it is on trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vote {
    /// Nobody asks: nothing is on trial, or it was started by hand.
    NotAsked,
    /// The program has not accepted yet. At the deadline the agent refuses.
    Waiting,
    /// The program has accepted.
    Healthy,
}

/// Why a trial cannot be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfirmError {
    /// No attempt with this id is on trial.
    NotOnTrial,
    /// The program has not accepted.
    NoVote,
    /// The record could not be written; a restart may bring the former configuration back.
    Record,
}

impl fmt::Display for ConfirmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOnTrial => "no such attempt is on trial",
            Self::NoVote => "the program has not accepted the update",
            Self::Record => "the record could not be written",
        })
    }
}

impl core::error::Error for ConfirmError {}

/// The agent's side of a trial.
pub trait Trial {
    /// The attempt on trial, if the agent started it.
    fn on_trial(&self) -> Option<u64>;

    /// What the program says.
    fn vote(&self) -> Vote;

    /// Makes the configuration on trial permanent, after the manager has answered this boot and still
    /// offers the attempt.
    ///
    /// # Errors
    /// [`ConfirmError`].
    fn confirm(&mut self, attempt: u64) -> Result<(), ConfirmError>;

    /// Gives the configuration on trial up, for this reason, and resets. The reset alone would do;
    /// this keeps the reason.
    ///
    /// # Errors
    /// [`ConfirmError::NotOnTrial`]; nothing happens then.
    fn refuse(&mut self, attempt: u64, cause: Cause) -> Result<(), ConfirmError>;

    /// How an attempt of the agent's ended, until it was reported.
    fn outcome(&self) -> Option<SlotOutcome>;

    /// The manager has taken the outcome.
    ///
    /// # Errors
    /// [`ConfirmError::Record`]; it will be reported again.
    fn reported(&mut self) -> Result<(), ConfirmError>;
}

impl<F: Flash, J: Judge, P: Port> Trial for SlotFota<'_, F, J, P> {
    fn on_trial(&self) -> Option<u64> {
        let state = self.state().filter(|_| self.run.trial)?;
        (state.attempt != 0).then_some(state.attempt)
    }

    fn vote(&self) -> Vote {
        match (self.on_trial(), self.voted) {
            (None, _) => Vote::NotAsked,
            (Some(_), false) => Vote::Waiting,
            (Some(_), true) => Vote::Healthy,
        }
    }

    fn confirm(&mut self, attempt: u64) -> Result<(), ConfirmError> {
        if self.on_trial() != Some(attempt) {
            return Err(ConfirmError::NotOnTrial);
        }
        if !self.voted {
            return Err(ConfirmError::NoVote);
        }
        let state = self.writable().map_err(|_none| ConfirmError::Record)?;
        self.make_permanent(&state)
            .map_err(|_cause| ConfirmError::Record)
    }

    fn refuse(&mut self, attempt: u64, cause: Cause) -> Result<(), ConfirmError> {
        if self.on_trial() != Some(attempt) {
            return Err(ConfirmError::NotOnTrial);
        }
        if let Ok(state) = self.writable() {
            match self.store(&state.ended(cause)) {
                // If it cannot be stored, the next boot ends the trial all the same.
                Ok(()) | Err(_) => {}
            }
        }
        self.parts.port.reset();
        Ok(())
    }

    fn outcome(&self) -> Option<SlotOutcome> {
        let state = self.state().filter(|state| state.has_news())?;
        Some(state.outcome)
    }

    fn reported(&mut self) -> Result<(), ConfirmError> {
        let mut state = self.writable().map_err(|_none| ConfirmError::Record)?;
        state.outcome.reported = true;
        self.store(&state).map_err(|_cause| ConfirmError::Record)
    }
}
