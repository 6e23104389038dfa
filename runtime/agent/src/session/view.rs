//! What the driver and the application may look at.

use otaru_record::{DigestStart, Phase, State};

use super::{Notice, Session, Stage};
use crate::{Progress, UpdatePhase, Version};

impl Session {
    /// The state to append for [`Action::Append`](super::Action::Append).
    pub const fn next_state(&self) -> &State {
        &self.next
    }

    /// The state of the record, as far as it was appended.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The address of the deployment, as the server wrote it.
    pub fn deployment_href(&self) -> &str {
        self.link.as_ref().map_or("", |link| link.href.as_str())
    }

    /// The address of the cancel, as the server wrote it.
    pub fn cancel_href(&self) -> &str {
        self.cancel.as_ref().map_or("", |link| link.href.as_str())
    }

    /// The address for the attributes, as the server wrote it; empty if it did not.
    pub fn config_href(&self) -> &str {
        &self.config_href
    }

    /// The address of the image, as the server wrote it.
    pub fn artifact_href(&self) -> &str {
        self.deployment.as_ref().map_or("", |d| d.href.as_str())
    }

    /// The application's words while the image is parked.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The image that ran before the attempt that is under way, or else the last one, and the image
    /// it is for; zeros for one that is not known.
    pub fn images(&self) -> (DigestStart, DigestStart) {
        let state = &self.state;
        if state.attempt() == 0 {
            (state.outcome().from, state.outcome().to)
        } else {
            (state.current().name(), state.other().name())
        }
    }

    /// Whether the manager answered the last request.
    pub const fn online(&self) -> bool {
        self.online
    }

    /// The version of the running firmware as people read it.
    pub fn version(&self) -> Version {
        let trial = self.state.on_trial();
        Version {
            factory: self.state.factory_made() && !trial,
            trial,
            label: self.device.label,
        }
    }

    /// The next line for the console, until there is none.
    pub fn take_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// When the firmware on trial must have confirmed; nothing after that may take time.
    pub fn deadline_ms(&self) -> Option<u64> {
        let over = matches!(
            self.stage,
            Stage::Start
                | Stage::Append { .. }
                | Stage::Disconnect(_)
                | Stage::Reset(_)
                | Stage::Halt
        );
        let ms = u64::from(self.state.deadline_s()).saturating_mul(1000);
        (self.state.phase() == Phase::Trial && !over).then(|| self.started_ms.saturating_add(ms))
    }

    /// How far the update is, for the application.
    pub fn progress(&self) -> Progress {
        let backing_up = matches!(self.stage, Stage::Backup | Stage::VerifyBackup);
        let verifying = matches!(self.stage, Stage::ReportVerifying | Stage::Verify);
        let phase = match self.state.phase() {
            Phase::Idle if backing_up => UpdatePhase::BackingUp,
            Phase::Receiving if verifying => UpdatePhase::Verifying,
            Phase::Receiving => UpdatePhase::Downloading,
            Phase::Parked => UpdatePhase::Parked,
            Phase::Requested => UpdatePhase::Installing,
            Phase::Trial | Phase::Refused => UpdatePhase::Trial,
            Phase::Idle | Phase::Installing | Phase::Installed | Phase::Reverting => {
                UpdatePhase::Idle
            }
        };
        let counted = matches!(phase, UpdatePhase::BackingUp | UpdatePhase::Downloading);
        Progress {
            phase,
            percent: if counted { self.transfer.percent() } else { 0 },
        }
    }
}
