//! Runs the session against the flash, the record and the server of the tests, one action at a
//! time, and checks at each what must hold at any time.

use otaru_bootloader::ResetCause;
use otaru_ddi::{
    CancelFeedback, CancelReader, ConfigData, DeploymentReader, Detail, DetailLine, Feedback,
    PollReader,
};
use otaru_flash::{DeviceBlock, KEYS_MAX, Slot};
use otaru_image::{BoardIds, Expectation, Key, ReadAt, Uuid, VerifyError, verify};
use otaru_record::{Cause, Image, Journal, Phase, SlotReader, State};
use otaru_runtime_agent::{
    Action, BLOCK_LEN, Device, Event, Found, MayInstall, Report, ResetReason, Session,
};

use crate::cloud::{Cloud, Reply, Request};
use crate::world::{CLASS, VENDOR, World, signing_key};

/// What goes wrong with an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The request never arrives.
    Lost,
    /// The request arrives, the reply does not.
    ReplyLost,
    /// Somebody between answers with this status.
    Status(u16),
    /// The flash fails.
    Storage,
    /// The device is reset before the action.
    Reset,
    /// The device is reset after the action.
    ResetAfter,
}

/// Who makes things go wrong, and answers for the application.
pub(crate) trait Fate {
    fn fault(&mut self, action: &Action, cloud: &mut Cloud) -> Fault {
        let _ = (action, cloud);
        Fault::None
    }
    fn may_install(&mut self) -> MayInstall<'static> {
        MayInstall::Yes
    }
    fn healthy(&mut self) -> bool {
        true
    }
}

/// Nothing goes wrong.
pub(crate) struct Kind;
impl Fate for Kind {}

/// How a life of the firmware ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The agent asked for a reset.
    Asked(ResetReason),
    /// Fate reset the device, or the power was cut.
    Reset,
    /// No updates until the next reset.
    Halted,
    /// Nothing is left to do.
    Settled,
}

/// What must be true of the order of things on trial.
#[derive(Debug, Default)]
struct Trial {
    reported: bool,
    offered_after_report: bool,
    healthy: bool,
    last_poll_without: bool,
    verified: bool,
}

pub(crate) struct Life<'w> {
    pub(crate) world: &'w mut World,
    pub(crate) cloud: &'w mut Cloud,
    pub(crate) session: Session,
    pub(crate) now_ms: u64,
    pub(crate) lines: Vec<String>,
    pub(crate) actions: Vec<Action>,
    journal: Journal,
    block: DeviceBlock,
    etag: String,
    body: Option<(Vec<u8>, usize)>,
    block_buf: Vec<u8>,
    trial: Trial,
    idle_polls: u32,
}

/// More actions than any update of the tests needs.
const ACTIONS_MAX: u32 = 20_000;

impl<'w> Life<'w> {
    /// A life of the firmware after a boot; `None` if the power was cut in the boot.
    pub(crate) fn begin(
        world: &'w mut World,
        cloud: &'w mut Cloud,
        cause: ResetCause,
    ) -> Option<Self> {
        let handover = world.boot(cause)?;
        let layout = world.layout;
        let journal = Journal::take_over(&layout, &handover).unwrap();
        let mut raw = [0; otaru_flash::DEVICE_BLOCK_LEN];
        otaru_flash::Flash::read(&mut world.flash, 0, &mut raw).unwrap();
        let block = DeviceBlock::decode(&raw).unwrap();
        let mut running = SlotReader::new(&mut world.flash, &layout, Slot::Execution);
        let info = otaru_image::inspect(&mut running, layout.image_len_max()).unwrap();
        let device = Device {
            mode: layout.mode,
            image_len_max: layout.image_len_max(),
            erase_len: layout.storage.map(|area| area.erase_len),
            trials: block.trials,
            label: info.label,
            counter: info.security_counter,
            revoke: info.revoke,
        };
        Some(Self {
            session: Session::new(device, *journal.state()),
            world,
            cloud,
            now_ms: 1_000_000,
            lines: Vec::new(),
            actions: Vec::new(),
            journal,
            block,
            etag: String::new(),
            body: None,
            block_buf: vec![0; BLOCK_LEN as usize],
            trial: Trial::default(),
            idle_polls: 0,
        })
    }

    /// Lives until a reset or until there is nothing left to do.
    pub(crate) fn live(&mut self, fate: &mut impl Fate) -> End {
        let mut action = self.step(Event::Start);
        for _ in 0..ACTIONS_MAX {
            self.actions.push(action);
            match action {
                Action::Reset(reason) => return End::Asked(reason),
                Action::Halt => return End::Halted,
                _ => {}
            }
            if self.is_settled(&action) {
                return End::Settled;
            }
            let fault = fate.fault(&action, self.cloud);
            if fault == Fault::Reset {
                return End::Reset;
            }
            action = self.act(action, fault, fate);
            if fault == Fault::ResetAfter || self.world.flash.is_off() {
                return End::Reset;
            }
        }
        panic!("the session does not come to an end: {:?}", self.lines);
    }

    /// A poll that may be held, or the sleep the server asked for, with no offer; or the same done
    /// again and again.
    fn is_settled(&mut self, action: &Action) -> bool {
        let held = matches!(
            action,
            Action::Poll { wait_s: 1.., .. } | Action::Sleep { ms: 10_000 }
        );
        self.idle_polls = if held {
            self.idle_polls + 1
        } else {
            self.idle_polls
        };
        let quiet = self.session.state().phase() == Phase::Idle && self.cloud.offer.is_none();
        held && (quiet || self.idle_polls > 40)
    }

    fn step(&mut self, event: Event<'_>) -> Action {
        let before = *self.session.state();
        let action = self.session.step(self.now_ms, event);
        while let Some(notice) = self.session.take_notice() {
            self.lines.push(notice.to_string());
        }
        if let Action::Append { .. } = action {
            self.check_append(&before, &event);
        }
        if let Action::Sleep { ms } = action {
            assert!(ms <= 86_400_000, "sleeps for {ms} ms");
        }
        assert_eq!(
            self.session.state(),
            self.journal.state(),
            "the session and the record agree"
        );
        action
    }

    /// No illegal transition; no confirm before its time; withdrawn only by a valid poll.
    fn check_append(&self, before: &State, event: &Event<'_>) {
        let next = *self.session.next_state();
        let step = (before.phase(), next.phase());
        let legal = matches!(
            step,
            (Phase::Idle, Phase::Idle | Phase::Receiving)
                | (
                    Phase::Receiving,
                    Phase::Receiving | Phase::Parked | Phase::Idle
                )
                | (Phase::Parked, Phase::Requested | Phase::Idle)
                | (Phase::Requested, Phase::Idle)
                | (Phase::Trial, Phase::Refused | Phase::Idle)
        );
        assert!(legal, "{step:?} is no transition of the agent");
        if step == (Phase::Receiving, Phase::Parked) {
            assert!(self.trial.verified, "parked without a verdict");
        }
        if step == (Phase::Trial, Phase::Idle) {
            assert_eq!(next.outcome().cause, Cause::Confirmed);
            assert!(
                self.trial.reported,
                "confirmed before the report was answered"
            );
            assert!(
                self.trial.offered_after_report,
                "confirmed without a new offer"
            );
            assert!(self.trial.healthy, "confirmed without the health check");
            assert!(matches!(event, Event::Healthy(true)), "{event:?}");
        }
        if step == (Phase::Trial, Phase::Refused) && next.outcome().cause == Cause::Withdrawn {
            assert!(
                self.trial.last_poll_without,
                "withdrawn without a valid poll"
            );
            assert!(matches!(event, Event::Polled { .. }), "{event:?}");
        }
        assert!(next.floor() >= before.floor(), "the floor falls");
        assert_eq!(next.revoked() & before.revoked(), before.revoked());
        if step != (Phase::Trial, Phase::Idle) {
            assert_eq!(next.revoked(), before.revoked(), "only a confirm revokes");
        }
    }

    fn act(&mut self, action: Action, fault: Fault, fate: &mut impl Fate) -> Action {
        let local_fails = fault == Fault::Storage;
        let done = |worked: bool| {
            if worked && !local_fails {
                Event::Done
            } else {
                Event::StorageFailed
            }
        };
        match action {
            Action::Append { .. } | Action::Mark { .. } if local_fails => {
                // The flash fails for good: what the record says is unknown until the next boot.
                self.step(Event::StorageFailed)
            }
            Action::Append { twice } => {
                let next = *self.session.next_state();
                let flash = &mut self.world.flash;
                let appended = if twice {
                    self.journal.append_twice(flash, &next)
                } else {
                    self.journal.append(flash, &next)
                };
                if appended.is_err() {
                    return Action::Halt;
                }
                self.step(Event::Done)
            }
            Action::Mark { step } => {
                if self.journal.mark(&mut self.world.flash, step - 1).is_err() {
                    return Action::Halt;
                }
                self.step(Event::Done)
            }
            Action::Erase { slot, at, len } => {
                if self.journal.claim(&mut self.world.flash).is_err() {
                    return self.step(done(false));
                }
                let permit = self.journal.permit(slot).expect("the record permits it");
                let layout = self.world.layout;
                let erased = permit.erase(&mut self.world.flash, &layout, at, len);
                self.step(done(erased.is_ok()))
            }
            Action::Program { slot, at, len } => {
                let worked = self.program(slot, at, len);
                self.step(done(worked))
            }
            Action::Copy { slot, at, len } => {
                let layout = self.world.layout;
                let mut source = SlotReader::new(&mut self.world.flash, &layout, Slot::Execution);
                let data = &mut self.block_buf[..len as usize];
                let read = source.read_at(at, data).is_ok();
                let worked = read && self.program(slot, at, len);
                self.step(done(worked))
            }
            Action::Verify { slot, image } => self.verify(slot, image),
            Action::AskInstall => self.step(Event::MayInstall(fate.may_install())),
            Action::AskHealth => {
                let healthy = fate.healthy();
                self.trial.healthy = healthy;
                self.step(Event::Healthy(healthy))
            }
            Action::Sleep { ms } => {
                self.now_ms += u64::from(ms);
                self.step(Event::Done)
            }
            Action::Disconnect => self.step(Event::Done),
            Action::Skip { len } | Action::Receive { len } => self.receive(action, len, fault),
            Action::Reset(_) | Action::Halt => action,
            _ => self.ask(action, fault),
        }
    }

    fn program(&mut self, slot: Slot, at: u32, len: u32) -> bool {
        let layout = self.world.layout;
        let unit = usize::from(layout.write_unit);
        let mut data = self.block_buf[..len as usize].to_vec();
        data.resize(data.len().next_multiple_of(unit), layout.erased);
        let permit = self.journal.permit(slot).expect("the record permits it");
        permit
            .program(&mut self.world.flash, &layout, at, &data)
            .is_ok()
    }

    fn verify(&mut self, slot: Slot, image: Image) -> Action {
        let keys = [Key {
            public: signing_key().public().to_bytes(),
            kind: otaru_image::KeyKind::Ed25519,
            revoked: false,
        }];
        assert!(keys.len() <= KEYS_MAX);
        let expect = Expectation {
            keys: &keys,
            board: Some(BoardIds {
                vid: Uuid(VENDOR),
                cid: Uuid(CLASS),
            }),
            slot_address: Some(self.block.execution_address()),
            security_floor: self.session.state().floor(),
            digest: (image.digest != [0; 32]).then_some(image.digest),
            len: Some(image.len),
            ..Expectation::default()
        };
        let layout = self.world.layout;
        let mut source = SlotReader::new(&mut self.world.flash, &layout, slot);
        let found = verify(&mut source, layout.image_len_max(), &expect, &mut [0; 512]);
        let verdict = match found {
            Ok(verified) => Ok(Found {
                label: verified.info().label,
                digest: verified.digest(),
            }),
            Err(VerifyError::DigestMismatch | VerifyError::HashMismatch) => {
                Err(Cause::DigestMismatch)
            }
            Err(VerifyError::WrongBoard) => Err(Cause::WrongBoard),
            Err(VerifyError::SecurityCounter { .. }) => Err(Cause::SecurityCounter),
            Err(VerifyError::KeyUnknown) => Err(Cause::KeyUnknown),
            Err(_) => Err(Cause::MalformedImage),
        };
        self.trial.verified = verdict.is_ok();
        self.step(Event::Verdict(verdict))
    }

    fn receive(&mut self, action: Action, len: u32, fault: Fault) -> Action {
        let Some((body, at)) = &mut self.body else {
            return self.step(Event::NetFailed);
        };
        if matches!(fault, Fault::Lost | Fault::ReplyLost | Fault::Status(_)) {
            self.body = None;
            return self.step(Event::NetFailed);
        }
        let end = *at + len as usize;
        if end > body.len() {
            self.body = None;
            return self.step(Event::BodyEnded);
        }
        let skip = matches!(action, Action::Skip { .. });
        if !skip {
            self.block_buf[..len as usize].copy_from_slice(&body[*at..end]);
        }
        *at = end;
        self.step(if skip { Event::Done } else { Event::Received })
    }

    fn ask(&mut self, action: Action, fault: Fault) -> Action {
        self.body = None;
        let reply = match fault {
            Fault::Lost => return self.step(Event::NetFailed),
            Fault::Status(status) => Reply::status(status),
            _ => {
                let request = self.request(&action);
                self.cloud.serve(&request)
            }
        };
        if fault == Fault::ReplyLost {
            return self.step(Event::NetFailed);
        }
        self.answer(action, reply)
    }

    fn answer(&mut self, action: Action, reply: Reply) -> Action {
        let body = reply.body.as_slice();
        match (action, reply.status) {
            (Action::Poll { wait_s, .. }, 304) => {
                self.now_ms += u64::from(wait_s) * 1000;
                self.step(Event::NotModified)
            }
            (Action::Poll { .. }, 200) => {
                let mut reader = PollReader::new();
                reader.push(body).unwrap();
                let poll = reader.finish().unwrap();
                let attempt = self.session.state().attempt();
                let offers = poll.deployment.as_ref().map(|link| link.action) == Some(attempt);
                self.trial.offered_after_report = offers && self.trial.reported;
                self.trial.last_poll_without = !offers;
                let tag = reply.headers.iter().find(|(name, _)| *name == "ETag");
                self.etag = tag.map(|(_, tag)| tag.clone()).unwrap_or_default();
                let etag = !self.etag.is_empty();
                self.step(Event::Polled { reply: &poll, etag })
            }
            (Action::FetchDeployment, 200) => {
                let mut reader = DeploymentReader::preferring_http();
                reader.push(body).unwrap();
                match reader.finish() {
                    Ok(deployment) => self.step(Event::Deployment(Ok(&deployment))),
                    Err(error) => self.step(Event::Deployment(Err(error))),
                }
            }
            (Action::FetchCancel, 200) => {
                let mut reader = CancelReader::new();
                reader.push(body).unwrap();
                let cancel = reader.finish().unwrap();
                self.step(Event::Cancel(cancel))
            }
            (Action::Open { from, .. }, 200 | 206) => {
                let partial = reply.status == 206;
                let total = self.cloud.offer.as_ref().map(|offer| offer.image.len());
                self.body = Some((reply.body, 0));
                self.step(Event::Opened {
                    from: if partial { from } else { 0 },
                    partial,
                    total: total.map(|total| u32::try_from(total).unwrap()),
                    changed: false,
                })
            }
            (Action::Report(report), status) => {
                if report.phase == otaru_ddi::Phase::Trial && report.reason.is_none() {
                    self.trial.reported |= status == 200;
                }
                self.step(Event::Replied(status))
            }
            (_, status) => self.step(Event::Replied(status)),
        }
    }

    fn request(&self, action: &Action) -> Request {
        let base = self.cloud.base.clone();
        let root = &base[base.find("/T/").unwrap()..];
        let path_of = |href: &str| href[href.find("/T/").unwrap_or(0)..].to_owned();
        match action {
            Action::Poll { if_changed, .. } => {
                let mut request = Request::new("GET", root);
                if *if_changed {
                    request
                        .headers
                        .push(("If-None-Match".into(), self.etag.clone()));
                }
                request
            }
            Action::SendConfig => {
                let mut request = Request::new("PUT", &format!("{root}/configData"));
                let version = self.session.version();
                request.body = ConfigData {
                    version: version.name(),
                    trial: version.trial,
                    digest: self.session.state().running().digest,
                    board: "sim",
                    boot: "0.1.0",
                    engine: "bootloader",
                    mode: "standby",
                }
                .to_string()
                .into_bytes();
                request
            }
            Action::FetchDeployment => {
                Request::new("GET", &path_of(self.session.deployment_href()))
            }
            Action::FetchCancel => Request::new("GET", &path_of(self.session.cancel_href())),
            Action::Open { from, to } => {
                let mut request = Request::new("GET", &path_of(self.session.artifact_href()));
                let range = format!("bytes={from}-{}", to - 1);
                request.headers.push(("Range".into(), range));
                request
            }
            Action::Report(report) => {
                self.check_report(report);
                let path = format!("{root}/deploymentBase/{}/feedback", report.attempt);
                let mut request = Request::new("POST", &path);
                let line = DetailLine {
                    reason: report.reason,
                    ..DetailLine::new(report.phase)
                };
                let text = report.with_text.then(|| Detail::Text(self.session.text()));
                let feedback = Feedback::new(report.attempt, line, text.into_iter());
                request.body = feedback.to_string().into_bytes();
                request
            }
            Action::AnswerCancel { cancel, accepted } => {
                let path = format!("{root}/cancelAction/{cancel}/feedback");
                let mut request = Request::new("POST", &path);
                request.body = CancelFeedback {
                    action: *cancel,
                    accepted: *accepted,
                    text: "",
                }
                .to_string()
                .into_bytes();
                request
            }
            other => panic!("{other:?} is no request"),
        }
    }

    /// A31, A32: success is only told when the record, read from flash, says so.
    fn check_report(&self, report: &Report) {
        if report.reason.is_some() || report.phase != otaru_ddi::Phase::Confirmed {
            return;
        }
        let state = self.journal.state();
        assert_eq!(
            state.phase(),
            Phase::Idle,
            "success before the confirm entry"
        );
        let already = self
            .cloud
            .offer
            .as_ref()
            .is_some_and(|offer| offer.sha256 == state.current().digest);
        let confirmed =
            state.outcome().attempt == report.attempt && state.outcome().cause == Cause::Confirmed;
        assert!(confirmed || already, "success without a confirm");
    }
}

/// Lives through resets until nothing is left to do; all console lines.
pub(crate) fn live_on(world: &mut World, cloud: &mut Cloud, fate: &mut impl Fate) -> Vec<String> {
    let mut lines = Vec::new();
    let mut cause = ResetCause::PowerOn;
    for _ in 0..60 {
        let mut end = End::Reset;
        if let Some(mut life) = Life::begin(world, cloud, cause) {
            end = life.live(fate);
            lines.append(&mut life.lines);
        }
        if world.flash.is_off() {
            world.flash.power_on();
            cause = ResetCause::PowerOn;
            continue;
        }
        match end {
            End::Settled => return lines,
            End::Asked(_) => cause = ResetCause::Software,
            End::Reset | End::Halted => cause = ResetCause::Button,
        }
        lines.push("(reset)".into());
    }
    panic!("the device never comes to rest: {lines:#?}");
}
