//! `idle`: attributes, cancels, deployments, and the copy of the running firmware.

use otaru_ddi::{Deployment, DeploymentError, Handling, Reason, json::Fault};
use otaru_flash::{Mode, Slot};
use otaru_record::{Backup, Cause, Download, Image};

use super::receive::Transfer;
use super::{Event, For, Notice, Report, Session, Stage, Text, Then};

/// The image that a deployment announces; a digest of zeros if it does not say.
fn image_of(deployment: &Deployment) -> Image {
    Image {
        len: deployment.size,
        digest: deployment.sha256.unwrap_or_default(),
    }
}

impl Session {
    pub(super) fn start_idle(&mut self) {
        if !self.has_unreported() {
            self.stage = Stage::Poll(For::Idle);
            return;
        }
        let outcome = self.state.outcome();
        if outcome.cause != Cause::Confirmed {
            self.notice(Notice::Failed {
                attempt: outcome.attempt,
                cause: outcome.cause,
            });
        }
        // A withdrawn attempt may still want its cancel answered; the poll tells.
        self.stage = if outcome.cause == Cause::Withdrawn {
            Stage::Poll(For::Idle)
        } else {
            Stage::ReportOutcome
        };
    }

    /// After a poll without a cancel: the first of what there is to do.
    pub(super) fn idle(&mut self) {
        if self.has_unreported() {
            self.stage = Stage::ReportOutcome;
        } else if self.config_due {
            self.stage = Stage::SendConfig(For::Idle);
        } else {
            self.offered();
        }
    }

    fn offered(&mut self) {
        match self.link.as_ref().map(|link| link.action) {
            None => self.rest(For::Idle),
            // C17: what has ended is told again, never tried again.
            Some(action) if action == self.state.outcome().attempt && action != 0 => {
                self.stage = Stage::ReportOutcome;
            }
            Some(_) => self.stage = Stage::FetchDeployment(For::Idle),
        }
    }

    pub(super) fn on_config_sent(&mut self, whom: For, event: Event<'_>) {
        if let Some(status) = event.status() {
            self.reachable();
            // A server that does not want the attributes is not bothered until it asks.
            self.config_due = status >= 500;
        } else if whom == For::Idle {
            return self.unreachable(Stage::Poll(whom));
        }
        // On trial the attributes are a courtesy; the poll decides.
        if whom == For::Idle {
            self.offered();
        } else {
            self.stage = Stage::Poll(whom);
        }
    }

    pub(super) fn on_cancel(&mut self, whom: For, event: Event<'_>) {
        let Event::Cancel(cancel) = event else {
            return self.no_answer(event, Stage::Poll(whom));
        };
        self.reachable();
        self.stop_id = cancel.stop_id;
        let outcome = self.state.outcome();
        let ended = cancel.stop_id == outcome.attempt && outcome.attempt != 0;
        if cancel.stop_id == self.state.attempt() && self.may_still_end() {
            self.end_attempt(Cause::Withdrawn);
            if let Stage::Append { then, .. } = &mut self.stage {
                *then = Then::AnswerCancel;
            }
        } else {
            let confirmed = ended && outcome.cause == Cause::Confirmed;
            self.stage = Stage::AnswerCancel {
                accepted: !confirmed,
                then: whom,
            };
        }
    }

    pub(super) fn on_cancel_answered(&mut self, then: For, event: Event<'_>) {
        let passing = matches!(event.status(), None | Some(408 | 429 | 500..));
        if passing {
            return self.no_answer(event, self.stage);
        }
        self.reachable();
        let outcome = self.state.outcome();
        let told = self.has_unreported()
            && outcome.attempt == self.stop_id
            && outcome.cause == Cause::Withdrawn;
        if told {
            self.mark_reported();
        } else {
            self.poll_again(then);
        }
    }

    pub(super) fn on_deployment(&mut self, whom: For, event: Event<'_>) {
        let Event::Deployment(read) = event else {
            return self.no_answer(event, Stage::Poll(whom));
        };
        match read {
            Ok(deployment) => {
                self.reachable();
                self.deployment = Some(deployment.clone());
                if whom == For::Parked {
                    self.deployment_of_parked();
                } else {
                    self.consider();
                }
            }
            Err(DeploymentError::Json(error)) if error.fault == Fault::Incomplete => {
                self.unreachable(Stage::Poll(whom));
            }
            Err(error) => {
                self.reachable();
                self.deployment = None;
                self.unusable(whom, error.reason());
            }
        }
    }

    /// The deployment is what the manager wants; is it something this device can do?
    fn consider(&mut self) {
        let Some(deployment) = self.deployment.as_ref() else {
            return self.rest(For::Idle);
        };
        let image = image_of(deployment);
        let offered = self.link.as_ref().map(|link| link.action);
        if offered != Some(deployment.id) || deployment.id == 0 {
            return self.unusable(For::Idle, Reason::MalformedDeployment);
        }
        if deployment.download == Handling::Skip {
            return self.rest(For::Idle);
        }
        // C4: nothing to install if it already runs.
        if image == self.state.current() {
            self.notice(Notice::UpToDate);
            self.stage = Stage::Direct {
                reason: None,
                then: For::Idle,
            };
            return;
        }
        // C13: before anything is erased.
        if image.len > self.device.image_len_max {
            return self.unusable(For::Idle, Reason::SizeMismatch);
        }
        let (attempt, version) = (deployment.id, deployment.version.as_str());
        self.label.clear();
        let _fits = self.label.push_str(if version.is_empty() {
            "without a name"
        } else {
            version
        });
        self.notice(Notice::Offered {
            attempt,
            from: self.version(),
            to: self.label.clone(),
            len: image.len,
        });
        if self.needs_backup() {
            self.begin_backup();
        } else {
            self.append_receiving();
        }
    }

    /// `standby` never installs without a complete copy of what runs.
    fn needs_backup(&self) -> bool {
        let held = matches!(self.state.backup(), Backup::Copy(_))
            && self.state.backup_image() == self.state.current();
        self.device.mode == Mode::Standby && !held
    }

    fn begin_backup(&mut self) {
        let slot = if self.state.backup() == Backup::Copy(Slot::Storage0) {
            Slot::Storage1
        } else {
            Slot::Storage0
        };
        self.transfer = Transfer::new(slot, self.state.current().len, self.erase_len(slot), 0);
        self.notice(Notice::BackingUp);
        self.stage = Stage::Backup;
    }

    pub(super) fn on_backup(&mut self, event: Event<'_>) {
        if !matches!(event, Event::Done) {
            return self.early(Reason::BackupMissing);
        }
        self.transfer.stored_or_erased();
        if self.transfer.is_complete() {
            self.stage = Stage::VerifyBackup;
        }
    }

    pub(super) fn on_backup_verified(&mut self, event: Event<'_>) {
        if matches!(event, Event::Verdict(Ok(_))) {
            let next = self.state.backed_up(self.transfer.slot);
            self.append(&next, false, Then::Receive);
        } else {
            self.early(Reason::BackupMissing);
        }
    }

    /// Appends `receiving`; the download begins when that stands in the record.
    pub(super) fn append_receiving(&mut self) {
        let Some(deployment) = self.deployment.as_ref() else {
            return self.rest(For::Idle);
        };
        let download = Download {
            attempt: deployment.id,
            image: image_of(deployment),
            deadline_s: deployment.deadline_s,
            trials: deployment.trials.unwrap_or(self.device.trials),
        };
        let next = self.state.receiving(self.device.mode, &download);
        self.append(&next, false, Then::Receive);
    }

    /// The deployment cannot be carried out.
    fn unusable(&mut self, whom: For, reason: Reason) {
        if whom == For::Parked {
            let cause = Cause::from_code(reason.code()).unwrap_or(Cause::MalformedDeployment);
            self.end_attempt(cause);
        } else {
            self.early(reason);
        }
    }

    /// The attempt fails before it has begun. What the record can say goes into it first, so that
    /// it is told even after a reset; the rest is told at once.
    fn early(&mut self, reason: Reason) {
        let attempt = self.link.as_ref().map_or(0, |link| link.action);
        let image = self.deployment.take();
        let image = image.as_ref().map_or_else(Image::default, image_of);
        match Cause::from_code(reason.code()) {
            Some(cause) if attempt != 0 => {
                self.notice(Notice::Failed { attempt, cause });
                let next = self.state.failed_early(attempt, cause, &image);
                self.append(&next, false, Then::ReportOutcome);
            }
            _ => {
                self.stage = Stage::Direct {
                    reason: Some(reason),
                    then: For::Idle,
                };
            }
        }
    }

    /// C5: while one image is being received, another update is declined.
    pub(super) fn decline(&mut self, action: u64) {
        self.notice(Notice::Busy(action));
        self.stage = Stage::Direct {
            reason: Some(Reason::Busy),
            then: For::Receiving,
        };
    }

    pub(super) fn direct_report(&self, reason: Option<Reason>) -> Report {
        let attempt = self.link.as_ref().map_or(0, |link| link.action);
        let phase = match reason {
            Some(_) => otaru_ddi::Phase::Downloading,
            None => otaru_ddi::Phase::Confirmed,
        };
        Report {
            reason,
            ..Report::new(attempt, phase)
        }
    }

    pub(super) fn on_direct(&mut self, then: For, event: Event<'_>) {
        let passing = matches!(event.status(), None | Some(401 | 403 | 408 | 429 | 500..));
        if passing {
            return self.no_answer(event, Stage::Poll(then));
        }
        self.reachable();
        if then == For::Receiving {
            self.stage = Stage::Open;
        } else {
            self.poll_again(then);
        }
    }

    pub(super) fn set_text(&mut self, text: &str) {
        self.text = Text::new();
        let room = text.floor_char_boundary(self.text.capacity());
        let _fits = self.text.push_str(text.get(..room).unwrap_or_default());
    }
}
