//! The outcome of the last attempt: told until the manager has heard it, then marked as told.

use otaru_ddi::Reason;
use otaru_record::{Cause, Phase};

use super::{Event, For, Report, Session, Stage, Then};

/// The reason on the wire for a cause in the record: the same number. `None` for what is no
/// failure.
pub(crate) fn reason_of(cause: Cause) -> Option<Reason> {
    Reason::try_from(cause.code()).ok()
}

/// The phase on the wire for the phase in which an attempt ended.
pub(crate) const fn phase_of(phase: Phase) -> otaru_ddi::Phase {
    match phase {
        Phase::Idle | Phase::Receiving => otaru_ddi::Phase::Downloading,
        Phase::Parked => otaru_ddi::Phase::Parked,
        Phase::Requested | Phase::Installing | Phase::Installed | Phase::Reverting => {
            otaru_ddi::Phase::Installing
        }
        Phase::Trial | Phase::Refused => otaru_ddi::Phase::Trial,
    }
}

impl Session {
    /// Whether the record holds an outcome that the manager has not heard.
    pub(super) fn has_unreported(&self) -> bool {
        let outcome = &self.state.outcome();
        self.state.phase() == Phase::Idle
            && outcome.attempt != 0
            && outcome.cause != Cause::None
            && !outcome.reported
    }

    pub(super) fn outcome_report(&self) -> Report {
        let outcome = self.state.outcome();
        let installed = outcome.chunks > 0 || outcome.millis > 0 || outcome.cuts > 0;
        let reason = reason_of(outcome.cause);
        let phase = match reason {
            Some(_) => phase_of(outcome.phase),
            None => otaru_ddi::Phase::Confirmed,
        };
        Report {
            reason,
            install: installed.then_some((outcome.chunks, outcome.cuts, outcome.millis)),
            with_images: true,
            with_tail: reason.is_some() && !self.plain,
            ..Report::new(outcome.attempt, phase)
        }
    }

    /// At least once, whatever happens in between (C23).
    pub(super) fn on_outcome_reported(&mut self, event: Event<'_>) {
        let success = self.state.outcome().cause == Cause::Confirmed;
        match event.status() {
            Some(404) if success => self.stage = Stage::Poll(For::Gone),
            Some(200..=299 | 404 | 410) => {
                self.reachable();
                self.mark_reported();
            }
            Some(status) => {
                self.plain = true;
                self.denied(status, Stage::ReportOutcome);
            }
            None => self.unreachable(Stage::ReportOutcome),
        }
    }

    /// The manager has heard the outcome; the record shall say so.
    pub(super) fn mark_reported(&mut self) {
        self.plain = false;
        if self.has_unreported() {
            self.append(&self.state.reported(), false, Then::PollIdle);
        } else {
            self.poll_again(For::Idle);
        }
    }
}
