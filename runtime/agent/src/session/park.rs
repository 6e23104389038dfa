//! `parked`: the image waits for the manager, the maintenance window and the application.

use otaru_ddi::{Handling, MaintenanceWindow};
use otaru_record::Cause;

use super::{Event, For, Notice, Session, Stage, Text, Then};
use crate::{MayInstall, ResetReason};

/// Milliseconds after which an application that said "not now" is asked again.
const ASK_AGAIN_MS: u32 = 5_000;
/// How often the report just before the reset is tried.
const TRIES_MAX: u8 = 3;

impl Session {
    pub(super) fn on_parked_reported(&mut self, event: Event<'_>) {
        if event.status().is_some() {
            self.reachable();
            self.stage = Stage::Poll(For::Parked);
        } else {
            self.unreachable(Stage::ReportParked);
        }
    }

    /// A poll still offers the parked attempt.
    pub(super) fn still_parked(&mut self) {
        // While the manager or its window keeps the install back, every news may change that.
        if self.deployment.is_none() || self.is_held_back() {
            self.stage = Stage::FetchDeployment(For::Parked);
        } else {
            self.ask();
        }
    }

    pub(super) fn deployment_of_parked(&mut self) {
        let same = self.deployment.as_ref().is_some_and(|deployment| {
            let digest = self.state.other().digest;
            deployment.id == self.state.attempt() && deployment.sha256.is_none_or(|it| it == digest)
        });
        if !same {
            self.end_attempt(Cause::MalformedDeployment);
        } else if self.is_held_back() {
            self.rest(For::Parked);
        } else {
            self.ask();
        }
    }

    fn is_held_back(&self) -> bool {
        self.deployment.as_ref().is_some_and(|deployment| {
            deployment.update == Handling::Skip
                || deployment.maintenance_window == Some(MaintenanceWindow::Unavailable)
        })
    }

    fn ask(&mut self) {
        let left = self.ask_at_ms.saturating_sub(self.now_ms);
        match u32::try_from(left) {
            Ok(0) | Err(_) => self.stage = Stage::AskInstall,
            Ok(left) => self.pause(left, Stage::Poll(For::Parked)),
        }
    }

    pub(super) fn on_permission(&mut self, event: Event<'_>) {
        let Event::MayInstall(answer) = event else {
            return self.pause(ASK_AGAIN_MS, Stage::Poll(For::Parked));
        };
        match answer {
            MayInstall::Yes => {
                self.tries = 0;
                self.append(&self.state.requested(), false, Then::ReportInstalling);
            }
            MayInstall::NotNow(text) => {
                let former = self.text.clone();
                self.set_text(text);
                self.ask_at_ms = self.now_ms.saturating_add(u64::from(ASK_AGAIN_MS));
                if self.text == former {
                    self.pause(ASK_AGAIN_MS, Stage::Poll(For::Parked));
                } else {
                    self.notice(Notice::NotNow(self.text.clone()));
                    self.stage = Stage::ReportParked;
                }
            }
            MayInstall::Refuse(_) => self.end_attempt(Cause::RefusedByApplication),
        }
    }

    /// The install happens whether the manager hears of it now or not.
    pub(super) fn on_installing_reported(&mut self, event: Event<'_>) {
        self.tries = self.tries.saturating_add(1);
        if event.status().is_none() && self.tries < TRIES_MAX {
            return self.unreachable(Stage::ReportInstalling);
        }
        // A47: still the old version, without a prefix.
        self.notice(Notice::Resetting(self.version()));
        self.text = Text::new();
        self.stage = Stage::Disconnect(ResetReason::Install);
    }
}
