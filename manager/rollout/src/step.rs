//! The transition function.

use crate::cancel;
use crate::{
    Action, Cancel, Cause, Command, Event, Execution, Finished, Offer, Plan, Proof, Refusal,
    Report, Status,
};
use otaru_ddi::{Phase, Reason};

/// Pause before a retry doubles at most this often.
const PAUSE_DOUBLINGS_MAX: u32 = 10;

/// The next state and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stepped {
    /// State after the event.
    pub action: Action,
    /// What the caller has to do; empty if nothing changed.
    pub commands: Vec<Command>,
}

/// Applies one event.
///
/// # Errors
/// [`Refusal`] if the event does not apply in this state; nothing changes then.
pub fn step(action: &Action, plan: &Plan, event: Event, now_ms: i64) -> Result<Stepped, Refusal> {
    let mut next = Stepped {
        action: action.clone(),
        commands: Vec::new(),
    };
    match event {
        Event::Retrieved => next.retrieved(plan, now_ms)?,
        Event::Report(report) => next.report(plan, report, now_ms)?,
        Event::CancelRequested => cancel::requested(&mut next, plan, Cause::Operator, now_ms)?,
        Event::CancelAnswered(answer) => cancel::answered(&mut next, plan, answer, now_ms)?,
        Event::Superseded => cancel::superseded(&mut next, plan, now_ms)?,
        Event::Unsuitable => next.unsuitable(now_ms)?,
        Event::Tick => next.tick(now_ms),
        Event::RetryRequested => next.retry_requested()?,
    }
    Ok(next)
}

impl Stepped {
    fn retrieved(&mut self, plan: &Plan, now_ms: i64) -> Result<(), Refusal> {
        if self.action.offer(now_ms) != Offer::Deployment {
            return Err(Refusal::NotOffered);
        }
        if self.action.status == Status::Pending {
            self.enter(Status::Downloading, plan, now_ms);
        }
        Ok(())
    }

    fn report(&mut self, plan: &Plan, report: Report, now_ms: i64) -> Result<(), Refusal> {
        match self.action.status {
            Status::TimedOut => {
                self.report_after_time_out(plan, report);
                return Ok(());
            }
            Status::Succeeded | Status::Failed | Status::Reverted | Status::Canceled => {
                return Err(Refusal::Ended);
            }
            Status::Pending if self.action.wake_at_ms.is_some_and(|at| at > now_ms) => {
                return Err(Refusal::NotOffered);
            }
            Status::Pending
            | Status::Downloading
            | Status::Verifying
            | Status::Parked
            | Status::Installing
            | Status::Trial
            | Status::Canceling => {}
        }
        match (report.execution, report.finished) {
            (Execution::Closed, Finished::Success | Finished::None) => {
                self.success(plan, report, now_ms);
            }
            (Execution::Closed, Finished::Failure) => self.failure(plan, report, now_ms),
            (Execution::Canceled, _) => {
                let cause = report.reason.map_or(Cause::Operator, Cause::Device);
                self.end(Status::Canceled, Some(cause));
            }
            (Execution::Rejected, _) => self.record(None),
            (Execution::Download | Execution::Downloaded | Execution::Proceeding, _) => {
                self.working(plan, report, now_ms);
            }
        }
        Ok(())
    }

    /// A message that does not end the attempt.
    fn working(&mut self, plan: &Plan, report: Report, now_ms: i64) {
        if report.phase == Some(Phase::Trial) && report.digest == Some(plan.digest) {
            self.action.trial_proven = true;
        }
        let reported = reported_status(&self.action, report);
        let canceling = self.action.status == Status::Canceling;
        // From the install on an attempt only moves forward; a message that was overtaken moves
        // nothing.
        if self.action.status.is_from_install_on() && reported < self.action.status {
            self.action.wake_at_ms = self.action.deadline(plan, now_ms);
            self.commands.push(Command::Progress);
            return;
        }
        // The first phase belongs to the entry that the fetching of the deployment has made.
        let earlier = self.action.phase;
        let phase_changed = earlier.is_some() && report.phase.is_some() && report.phase != earlier;
        self.action.phase = report.phase.or(earlier);
        self.action.percent = report.percent;
        if canceling {
            cancel::reported_while_canceling(self, plan, reported);
        } else if reported != self.action.status {
            self.enter(reported, plan, now_ms);
            return;
        }
        self.action.wake_at_ms = self.action.deadline(plan, now_ms);
        if phase_changed {
            self.record(self.action.cause);
        } else {
            self.commands.push(Command::Progress);
        }
    }

    fn success(&mut self, plan: &Plan, report: Report, now_ms: i64) {
        match judge(&self.action, plan, report) {
            Verdict::Verified => self.succeed(true),
            Verdict::DeviceWord => self.succeed(false),
            Verdict::OtherDigest => {
                self.end_or_retry(
                    plan,
                    Status::Failed,
                    Cause::Device(Reason::DigestMismatch),
                    now_ms,
                );
            }
            Verdict::Unproven => self.end_or_retry(plan, Status::Failed, Cause::Unproven, now_ms),
        }
    }

    fn succeed(&mut self, verified: bool) {
        self.action.verified = verified;
        self.action.phase = Some(Phase::Confirmed);
        self.action.percent = None;
        self.end(Status::Succeeded, None);
        self.commands.push(Command::WantConfigData);
    }

    fn failure(&mut self, plan: &Plan, report: Report, now_ms: i64) {
        let Some(reason) = report.reason else {
            if self.action.status == Status::Canceling {
                self.end(Status::Canceled, self.action.cause);
            } else if self.action.retries_left > 0 {
                self.retry(plan, Status::Failed, None, now_ms);
            } else {
                self.end(Status::Failed, None);
            }
            return;
        };
        let cause = Cause::Device(reason);
        if ended_a_trial(reason) {
            self.end_or_retry(plan, Status::Reverted, cause, now_ms);
        } else if self.action.status == Status::Canceling {
            self.end(Status::Canceled, Some(cause));
        } else if reason == Reason::Withdrawn && self.action.status == Status::Trial {
            self.end(Status::Reverted, Some(cause));
        } else {
            self.end_or_retry(plan, Status::Failed, cause, now_ms);
        }
    }

    fn report_after_time_out(&mut self, plan: &Plan, report: Report) {
        let closed_well =
            report.execution == Execution::Closed && report.finished != Finished::Failure;
        let verdict = judge(&self.action, plan, report);
        if closed_well && matches!(verdict, Verdict::Verified | Verdict::DeviceWord) {
            self.action.late = true;
            self.action.cause = None;
            self.succeed(verdict == Verdict::Verified);
        } else {
            self.record(self.action.cause);
        }
    }

    fn unsuitable(&mut self, now_ms: i64) -> Result<(), Refusal> {
        if self.action.status.is_terminal() {
            return Err(Refusal::Ended);
        }
        if self.action.offer(now_ms) == Offer::Cancel {
            self.end(Status::Canceled, self.action.cause);
        } else {
            self.end(Status::Failed, Some(Cause::Device(Reason::NoArtifact)));
        }
        Ok(())
    }

    fn tick(&mut self, now_ms: i64) {
        if self.action.wake_at_ms.is_none_or(|at| at > now_ms) {
            return;
        }
        self.action.wake_at_ms = None;
        if self.action.status == Status::Pending {
            self.commands.push(Command::WakeDevice);
        } else if !self.action.status.is_terminal() {
            self.end(Status::TimedOut, Some(Cause::Silent));
        }
    }

    fn retry_requested(&mut self) -> Result<(), Refusal> {
        if !self.action.status.is_terminal() || self.action.status == Status::Succeeded {
            return Err(Refusal::StillActive);
        }
        self.start_next_attempt(None);
        Ok(())
    }

    pub(crate) fn enter(&mut self, status: Status, plan: &Plan, now_ms: i64) {
        self.action.status = status;
        self.action.wake_at_ms = self.action.deadline(plan, now_ms);
        self.record(self.action.cause);
    }

    pub(crate) fn record(&mut self, cause: Option<Cause>) {
        self.commands.push(Command::Record {
            status: self.action.status,
            cause,
        });
    }

    pub(crate) fn end(&mut self, status: Status, cause: Option<Cause>) {
        self.action.status = status;
        self.action.cause = cause;
        self.action.cancel = Cancel::No;
        self.action.wake_at_ms = None;
        self.record(cause);
        self.commands.push(Command::EndAttempt { status, cause });
        self.commands.push(Command::WakeDevice);
    }

    fn end_or_retry(&mut self, plan: &Plan, status: Status, cause: Cause, now_ms: i64) {
        let canceling = self.action.status == Status::Canceling;
        if self.action.retries_left > 0 && !canceling && may_pass_next_time(cause) {
            self.retry(plan, status, Some(cause), now_ms);
        } else {
            self.end(status, Some(cause));
        }
    }

    /// Ends the attempt visibly and opens the next one after a pause.
    fn retry(&mut self, plan: &Plan, status: Status, cause: Option<Cause>, now_ms: i64) {
        self.end(status, cause);
        let doublings = self
            .action
            .attempt
            .saturating_sub(1)
            .min(PAUSE_DOUBLINGS_MAX);
        let pause_ms = plan
            .limits
            .retry_pause_ms
            .saturating_mul(1_i64 << doublings);
        self.action.retries_left = self.action.retries_left.saturating_sub(1);
        self.start_next_attempt(Some(now_ms.saturating_add(pause_ms)));
    }

    fn start_next_attempt(&mut self, not_before_ms: Option<i64>) {
        let number = self.action.attempt.saturating_add(1);
        self.action = Action {
            attempt: number,
            wake_at_ms: not_before_ms,
            ..Action::new(self.action.retries_left)
        };
        self.commands.push(Command::StartAttempt { number });
        self.record(None);
        self.commands.push(Command::WakeDevice);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Verified,
    DeviceWord,
    OtherDigest,
    Unproven,
}

/// What a reported success is worth.
fn judge(action: &Action, plan: &Plan, report: Report) -> Verdict {
    let speaks_otaru = report.phase.is_some() || report.digest.is_some();
    if plan.proof == Proof::DeviceWord && !speaks_otaru {
        return Verdict::DeviceWord;
    }
    match report.digest {
        Some(digest) if digest != plan.digest => Verdict::OtherDigest,
        Some(_)
            if report.phase == Some(Phase::Confirmed)
                && (action.trial_proven || plan.already_running) =>
        {
            Verdict::Verified
        }
        Some(_) | None => Verdict::Unproven,
    }
}

/// The status that a message which does not end the attempt speaks of.
fn reported_status(action: &Action, report: Report) -> Status {
    match report.phase {
        Some(Phase::Downloading) => Status::Downloading,
        Some(Phase::Verifying) => Status::Verifying,
        Some(Phase::Parked) => Status::Parked,
        Some(Phase::Installing) => Status::Installing,
        // A confirmation that does not close the attempt is still the trial.
        Some(Phase::Trial | Phase::Confirmed) => Status::Trial,
        None => match (report.execution, action.status) {
            (Execution::Downloaded, _) => Status::Parked,
            (Execution::Download, _) | (_, Status::Pending) => Status::Downloading,
            // Clients without phases go on with "proceeding" once the download is done.
            (Execution::Proceeding, Status::Parked) => Status::Installing,
            (_, status) => status,
        },
    }
}

/// Whether the new firmware had run when the attempt ended for this reason.
const fn ended_a_trial(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Unhealthy
            | Reason::ConfirmDeadline
            | Reason::TrialReset
            | Reason::TrialWatchdog
            | Reason::TrialCrash
    )
}

/// Whether the same image can succeed on the same device without anybody changing anything.
const fn may_pass_next_time(cause: Cause) -> bool {
    match cause {
        Cause::Device(reason) => matches!(
            reason,
            Reason::Interrupted
                | Reason::DownloadFailed
                | Reason::DigestMismatch
                | Reason::StorageFailed
                | Reason::InstallFailed
                | Reason::Busy
                | Reason::BackupMissing
                | Reason::ConfirmDeadline
                | Reason::TrialReset
        ),
        // A silent device may still work on it, so a new attempt would only get into its way.
        Cause::Unproven | Cause::Silent | Cause::Superseded | Cause::Operator => false,
    }
}
