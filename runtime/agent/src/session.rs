//! The update session: decides what the device does next. No clock, no IO, no executor.
//!
//! ```text
//! loop { action = session.step(now, event); event = do(action) }
//! ```
//!
//! Every state of the record is appended before anything is done on the strength of it: an
//! [`Action::Append`] comes first, and its `Done` makes the state the session's own. A lost
//! connection leads to a pause and another try; a pause grows up to 30 s. Nothing but a valid
//! reply of the manager withdraws an attempt.

mod event;
mod idle;
mod outcome;
mod park;
mod poll;
mod receive;
mod trial;
mod view;

use heapless::{Deque, String};
use otaru_ddi::{ActionLink, Deployment, LINK_LEN_MAX, Reason};
use otaru_flash::{Mode, Slot};
use otaru_record::{Cause, Phase, State, WrongPhase};

pub use event::{Action, BLOCK_LEN, Event, Found, Report, Text};
pub(crate) use outcome::{phase_of, reason_of};

use crate::ResetReason;
use crate::console::Notice;

/// Longest pause after a failure, in milliseconds.
pub const BACK_OFF_MS_MAX: u32 = 30_000;
const BACK_OFF_MS_MIN: u32 = 500;
/// Notices that wait for the driver at once.
const NOTICES_MAX: usize = 8;

/// What the session must know about the device.
#[derive(Debug, Clone, Copy)]
pub struct Device {
    /// Install mode.
    pub mode: Mode,
    /// Longest image that can be stored, in bytes.
    pub image_len_max: u32,
    /// Sector lengths of the two storage slots.
    pub erase_len: [u32; 2],
    /// Boot attempts of a trial unless the deployment says otherwise.
    pub trials: u8,
    /// Label of the running image.
    pub label: Option<otaru_image::Label>,
    /// Security counter of the running image.
    pub counter: u32,
    /// Keys that the running image revokes when it is confirmed, bit = position in the key table.
    pub revoke: u16,
}

/// For what a poll is made: decides how its reply is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// Nothing is under way.
    Idle,
    /// The download goes on if the attempt is still wanted.
    Receiving,
    /// The install may begin if the attempt is still wanted.
    Parked,
    /// The firmware on trial may confirm if the attempt is still wanted.
    Trial,
    /// The success was answered with 404: is the attempt gone?
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Start,
    Poll(For),
    FetchCancel(For),
    AnswerCancel {
        accepted: bool,
        then: For,
    },
    SendConfig(For),
    FetchDeployment(For),
    /// Feedback that does not come from the record.
    Direct {
        reason: Option<Reason>,
        then: For,
    },
    ReportOutcome,
    Append {
        twice: bool,
        then: Then,
    },
    Backup,
    VerifyBackup,
    ReportReceiving,
    Open,
    Skip,
    Receive,
    Mark,
    ReportVerifying,
    Verify,
    ReportParked,
    AskInstall,
    ReportInstalling,
    ReportTrial,
    AskHealth,
    Disconnect(ResetReason),
    Reset(ResetReason),
    Halt,
}

/// What follows an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    PollIdle,
    Receive,
    Open,
    AnswerCancel,
    ReportOutcome,
    Confirmed,
    ReportParked,
    ReportInstalling,
    Revert,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts that do not depend on each other"
)]
/// The session. Holds its own copy of the record's state; the driver holds the journal.
#[derive(Debug)]
pub struct Session {
    device: Device,
    state: State,
    next: State,
    stage: Stage,
    /// A pause in milliseconds before the stage's action is done.
    pause_ms: Option<u32>,
    now_ms: u64,
    started_ms: u64,
    failures: u8,
    online: bool,
    denied: Option<u16>,
    notices: Deque<Notice, NOTICES_MAX>,
    poll: poll::Polling,
    link: Option<ActionLink>,
    cancel: Option<ActionLink>,
    stop_id: u64,
    config_href: String<LINK_LEN_MAX>,
    config_due: bool,
    deployment: Option<Deployment>,
    label: Text,
    text: Text,
    transfer: receive::Transfer,
    ask_at_ms: u64,
    trial_reported: bool,
    /// A server that refused a report gets it without console lines.
    plain: bool,
    tries: u8,
}

impl Session {
    /// A session over the state of the record as the bootloader handed it over.
    pub fn new(device: Device, state: State) -> Self {
        Self {
            device,
            state,
            next: state,
            stage: Stage::Start,
            pause_ms: None,
            now_ms: 0,
            started_ms: 0,
            failures: 0,
            online: false,
            denied: None,
            notices: Deque::new(),
            poll: poll::Polling::default(),
            link: None,
            cancel: None,
            stop_id: 0,
            config_href: String::new(),
            config_due: true,
            deployment: None,
            label: Text::new(),
            text: Text::new(),
            transfer: receive::Transfer::default(),
            ask_at_ms: 0,
            trial_reported: false,
            plain: false,
            tries: 0,
        }
    }

    /// Takes what happened and says what to do next. `now_ms` never goes back.
    pub fn step(&mut self, now_ms: u64, event: Event<'_>) -> Action {
        self.now_ms = self.now_ms.max(now_ms);
        match self.pause_ms.take() {
            Some(_) => self.poll.sent_ms = self.now_ms,
            None => self.handle(event),
        }
        let late = self.deadline_ms().is_some_and(|at| self.now_ms >= at);
        if late {
            self.pause_ms = None;
            self.refuse(Cause::ConfirmDeadline);
        }
        match self.pause_ms {
            Some(ms) => Action::Sleep { ms },
            None => self.action(),
        }
    }

    fn handle(&mut self, event: Event<'_>) {
        match self.stage {
            Stage::Start => self.start(),
            Stage::Poll(whom) => self.on_poll(whom, event),
            Stage::FetchCancel(whom) => self.on_cancel(whom, event),
            Stage::AnswerCancel { then, .. } => self.on_cancel_answered(then, event),
            Stage::SendConfig(whom) => self.on_config_sent(whom, event),
            Stage::FetchDeployment(whom) => self.on_deployment(whom, event),
            Stage::Direct { then, .. } => self.on_direct(then, event),
            Stage::ReportOutcome => self.on_outcome_reported(event),
            Stage::Append { then, .. } => self.on_appended(then, event),
            Stage::Backup => self.on_backup(event),
            Stage::VerifyBackup => self.on_backup_verified(event),
            Stage::ReportReceiving => self.on_receiving_reported(event),
            Stage::Open => self.on_opened(event),
            Stage::Skip => self.on_skipped(event),
            Stage::Receive => self.on_received(event),
            Stage::Mark => self.on_marked(event),
            Stage::ReportVerifying => self.on_verifying_reported(event),
            Stage::Verify => self.on_verified(event),
            Stage::ReportParked => self.on_parked_reported(event),
            Stage::AskInstall => self.on_permission(event),
            Stage::ReportInstalling => self.on_installing_reported(event),
            Stage::ReportTrial => self.on_trial_reported(event),
            Stage::AskHealth => self.on_health(event),
            Stage::Disconnect(reason) => self.stage = Stage::Reset(reason),
            Stage::Reset(_) | Stage::Halt => {}
        }
    }

    fn start(&mut self) {
        self.started_ms = self.now_ms;
        self.notice(Notice::Running(self.version()));
        match self.state.phase() {
            Phase::Trial => self.start_trial(),
            Phase::Idle => self.start_idle(),
            // A56: the reset ended the download, and the manager shall see it.
            Phase::Receiving => self.end_attempt(Cause::Interrupted),
            Phase::Parked => self.stage = Stage::Poll(For::Parked),
            // The bootloader decides on these before it starts a firmware.
            Phase::Requested => self.end_attempt(Cause::InstallFailed),
            Phase::Installing | Phase::Installed | Phase::Refused | Phase::Reverting => {
                self.halt("the record is in the middle of an install; reset the device");
            }
        }
    }

    fn action(&self) -> Action {
        match self.stage {
            Stage::Start | Stage::Halt => Action::Halt,
            Stage::Poll(whom) => self.poll_action(whom),
            Stage::FetchCancel(_) => Action::FetchCancel,
            Stage::AnswerCancel { accepted, .. } => Action::AnswerCancel {
                cancel: self.cancel.as_ref().map_or(0, |link| link.action),
                accepted,
            },
            Stage::SendConfig(_) => Action::SendConfig,
            Stage::FetchDeployment(_) => Action::FetchDeployment,
            Stage::Direct { reason, .. } => Action::Report(self.direct_report(reason)),
            Stage::ReportOutcome => Action::Report(self.outcome_report()),
            Stage::Append { twice, .. } => Action::Append { twice },
            Stage::Backup => self.backup_action(),
            Stage::VerifyBackup => Action::Verify {
                slot: self.transfer.slot,
                image: self.state.current(),
            },
            Stage::ReportReceiving => Action::Report(self.receiving_report()),
            Stage::Open => Action::Open {
                from: self.transfer.at,
                to: self.transfer.piece_end(),
            },
            Stage::Skip => Action::Skip {
                len: self.transfer.at,
            },
            Stage::Receive => self.receive_action(),
            Stage::Mark => Action::Mark {
                step: self.transfer.step(),
            },
            Stage::ReportVerifying => Action::Report(self.report(otaru_ddi::Phase::Verifying)),
            Stage::Verify => Action::Verify {
                slot: self.transfer.slot,
                image: self.state.other(),
            },
            Stage::ReportParked => Action::Report(Report {
                with_text: !self.text.is_empty(),
                ..self.report(otaru_ddi::Phase::Parked)
            }),
            Stage::AskInstall => Action::AskInstall,
            Stage::ReportInstalling => Action::Report(self.report(otaru_ddi::Phase::Installing)),
            Stage::ReportTrial => Action::Report(self.trial_report()),
            Stage::AskHealth => Action::AskHealth,
            Stage::Disconnect(_) => Action::Disconnect,
            Stage::Reset(reason) => Action::Reset(reason),
        }
    }

    fn notice(&mut self, notice: Notice) {
        // A full queue drops the newest: the driver empties it after every step, and no step says
        // more than three things.
        let _queued = self.notices.push_back(notice);
    }

    /// Goes to `stage` after a pause.
    fn pause(&mut self, ms: u32, stage: Stage) {
        self.pause_ms = Some(ms);
        self.stage = stage;
    }

    /// Goes to `stage` after a pause that doubles with every failure in a row, up to 30 s (C9).
    fn back_off(&mut self, stage: Stage) {
        let doubled = BACK_OFF_MS_MIN.checked_shl(u32::from(self.failures.min(8)));
        self.failures = self.failures.saturating_add(1);
        self.pause(
            doubled.unwrap_or(BACK_OFF_MS_MAX).min(BACK_OFF_MS_MAX),
            stage,
        );
    }

    /// No reply: notes that the manager is out of reach and tries `stage` again later.
    fn unreachable(&mut self, stage: Stage) {
        if self.online {
            self.online = false;
            self.notice(Notice::Offline);
        }
        self.back_off(stage);
    }

    /// The manager has answered properly.
    fn reachable(&mut self) {
        self.failures = 0;
        self.denied = None;
        if !self.online {
            self.online = true;
            self.notice(Notice::Online);
        }
    }

    /// The manager has answered with a status that helps nobody.
    fn denied(&mut self, status: u16, stage: Stage) {
        if self.denied != Some(status) {
            self.denied = Some(status);
            self.notice(Notice::Denied(status));
        }
        self.back_off(stage);
    }

    /// Not what was asked for: says so once and tries `stage` again later.
    fn no_answer(&mut self, event: Event<'_>, stage: Stage) {
        match event.status() {
            Some(status) => self.denied(status, stage),
            None => self.unreachable(stage),
        }
    }

    /// Appends `next`, if the record allows that transition, and goes on with `then`.
    fn append(&mut self, next: &Result<State, WrongPhase>, twice: bool, then: Then) {
        match next {
            Ok(next) => {
                self.next = *next;
                self.stage = Stage::Append { twice, then };
            }
            // Cannot happen, because each stage belongs to one phase; if it did, doing nothing is
            // the only safe thing.
            Err(WrongPhase(_)) => {
                self.halt("the update is in an impossible state; reset the device");
            }
        }
    }

    fn on_appended(&mut self, then: Then, event: Event<'_>) {
        if !matches!(event, Event::Done) {
            if self.state.phase() == Phase::Trial {
                // Not confirmed, and nobody can say so: the next boot reverts or tries again.
                self.stage = Stage::Disconnect(ResetReason::Refused);
            } else {
                self.halt("the record cannot be written");
            }
            return;
        }
        self.state = self.next;
        self.stage = match then {
            Then::PollIdle => Stage::Poll(For::Idle),
            Then::Receive => return self.begin_receiving(),
            Then::Open => Stage::Open,
            Then::AnswerCancel => Stage::AnswerCancel {
                accepted: true,
                then: For::Idle,
            },
            Then::ReportOutcome => Stage::ReportOutcome,
            Then::Confirmed => {
                self.config_due = true;
                self.notice(Notice::Confirmed(self.version()));
                Stage::ReportOutcome
            }
            Then::ReportParked => Stage::ReportParked,
            Then::ReportInstalling => Stage::ReportInstalling,
            Then::Revert => Stage::Disconnect(ResetReason::Refused),
        };
    }

    /// Ends the attempt before anything was installed, and reports why.
    fn end_attempt(&mut self, cause: Cause) {
        let attempt = self.state.attempt();
        self.notice(if cause == Cause::Withdrawn {
            Notice::Withdrawn(attempt)
        } else {
            Notice::Failed { attempt, cause }
        });
        self.deployment = None;
        self.text.clear();
        self.append(&self.state.ended(cause), false, Then::ReportOutcome);
    }

    fn halt(&mut self, why: &'static str) {
        self.notice(Notice::Stopped(why));
        self.stage = Stage::Halt;
    }

    /// A report about the running attempt.
    fn report(&self, phase: otaru_ddi::Phase) -> Report {
        Report::new(self.state.attempt(), phase)
    }

    fn erase_len(&self, slot: Slot) -> u32 {
        let [first, second] = self.device.erase_len;
        if slot == Slot::Storage1 {
            second
        } else {
            first
        }
    }
}
