//! `trial`: report, ask, confirm; or give up. The order is section 6 of the install protocol:
//! the confirm entry is appended only after the manager has answered the report with 200, a poll
//! after that still offers this attempt, and the application says it works.

use otaru_record::Cause;

use super::{Device, Event, For, Notice, Report, Session, Stage, Then};
use crate::ResetReason;

impl Session {
    pub(super) fn start_trial(&mut self) {
        self.notice(Notice::Trial {
            attempt: self.state.attempt(),
            deadline_s: self.state.deadline_s(),
        });
        self.stage = Stage::ReportTrial;
    }

    pub(super) fn trial_report(&self) -> Report {
        let install = self.state.outcome();
        Report {
            install: Some((install.chunks, install.cuts, install.millis)),
            with_images: true,
            ..self.report(otaru_ddi::Phase::Trial)
        }
    }

    pub(super) fn on_trial_reported(&mut self, event: Event<'_>) {
        match event.status() {
            Some(200) => {
                self.reachable();
                self.trial_reported = true;
                self.stage = if self.config_due {
                    Stage::SendConfig(For::Trial)
                } else {
                    Stage::Poll(For::Trial)
                };
            }
            // No withdrawal by itself: what the poll says counts.
            Some(_) => self.stage = Stage::Poll(For::Trial),
            None => self.unreachable(Stage::ReportTrial),
        }
    }

    /// A valid poll after the report still offers this attempt.
    pub(super) fn still_on_trial(&mut self) {
        if self.trial_reported {
            self.stage = Stage::AskHealth;
        } else {
            self.back_off(Stage::ReportTrial);
        }
    }

    pub(super) fn on_health(&mut self, event: Event<'_>) {
        if matches!(event, Event::Healthy(true)) {
            let state = &self.state;
            let Device {
                mode,
                counter,
                revoke,
                ..
            } = self.device;
            let next = state.confirmed(mode, state.attempt(), counter, revoke);
            self.append(&next, true, Then::Confirmed);
        } else {
            self.refuse(Cause::Unhealthy);
        }
    }

    /// Gives this firmware up: the next boot brings the former one back.
    pub(super) fn refuse(&mut self, cause: Cause) {
        self.notice(Notice::Refused(cause));
        match self.state.refused(cause) {
            Ok(next) => self.append(&Ok(next), false, Then::Revert),
            Err(_) => self.stage = Stage::Disconnect(ResetReason::Refused),
        }
    }
}
