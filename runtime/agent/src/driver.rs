//! The driver: does what the session asks for, over flash, network and application.
//!
//! It decides nothing about an update. After every action it yields, so that the application runs
//! at least once per sector operation and per block that is verified; and while it waits for the
//! network, a trial's deadline ends the wait.

mod net;
mod report;
mod storage;

use core::fmt;

use embassy_futures::select::{Either, select};
use embassy_futures::yield_now;
use heapless::String;
use otaru_ddi::{Scheme, Url};
use otaru_flash::{DEVICE_BLOCK_LEN, DeviceBlock, Flash, IdentityStore, Slot, TokenKind};
use otaru_image::inspect;
use otaru_record::{Journal, SlotReader};

use crate::http::{ETAG_LEN_MAX, Http};
use crate::session::{Action, BLOCK_LEN, Device, Event, Session};
use crate::{Application, Notice, Platform, ResetReason, Status, print_line, tail};

/// Bytes of the manager's address.
const URL_LEN_MAX: usize = 256;
/// Bytes of a token; hawkBit's are 32 characters, 128 at most.
const TOKEN_LEN_MAX: usize = 128;
/// Longest time between two feedings of the watchdog, in milliseconds.
const FEED_MS_MAX: u32 = 500;

/// Why a firmware runs without updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unable {
    DeviceBlock,
    Handover,
    Image,
    Identity,
    Address,
    Tls,
    Plaintext,
}

impl fmt::Display for Unable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeviceBlock => "no valid device block; flash the board by cable",
            Self::Handover => "no handover from the bootloader",
            Self::Image => "the running image cannot be read",
            Self::Identity => "not provisioned; use `otaru provision`",
            Self::Address => "the manager's address is not usable; provision the device again",
            Self::Tls => "this firmware has no TLS; use an http:// address on loopback",
            Self::Plaintext => "plain HTTP is refused beyond loopback",
        })
    }
}

/// The manager, as provisioning told.
struct Manager {
    base: String<URL_LEN_MAX>,
    token: String<TOKEN_LEN_MAX>,
    kind: TokenKind,
}

struct Driver<'p, P: Platform, F, A> {
    platform: &'p P,
    flash: F,
    app: &'p mut A,
    status: &'p Status,
    session: Session,
    journal: Journal,
    block: DeviceBlock,
    manager: Manager,
    http: Http<'p, P>,
    /// One block of an image, or the body of a request or of a reply.
    buffer: [u8; BLOCK_LEN as usize],
    poll_etag: String<ETAG_LEN_MAX>,
    artifact_etag: String<ETAG_LEN_MAX>,
    /// The attempt whose artifact the tag belongs to.
    artifact_attempt: u64,
}

/// Runs the update agent. Returns only when a reset is due; the caller then resets.
///
/// A firmware that cannot be updated (no handover from the bootloader, not provisioned, no TLS
/// where it is needed) says so once and goes on for ever without updates.
pub async fn run<P: Platform, F: Flash, A: Application>(
    platform: &P,
    flash: F,
    app: &mut A,
    status: &Status,
) -> ResetReason {
    let mut made = Driver::new(platform, flash, app, status);
    // Borrowed and not moved, so that the driver stands only once in this future.
    match &mut made {
        Ok(driver) => {
            let feed_ms = driver.block.watchdog_ms / 4;
            match select(driver.run(), feed(platform, feed_ms)).await {
                Either::First(reason) => reason,
                Either::Second(never) => match never {},
            }
        }
        Err(unable) => {
            print_line(platform, format_args!("ota: no updates: {unable}"));
            match feed(platform, 0).await {}
        }
    }
}

enum Never {}

/// Begins the console tail of this firmware, so that what it prints before the agent runs, and a
/// panic there, are kept as well. A board calls it as soon as flash and retained RAM are there.
/// Without a handover from the bootloader nothing happens.
pub fn begin_console<P: Platform, F: Flash>(platform: &P, mut flash: F) {
    drop(take_over(platform, &mut flash));
}

/// What the bootloader handed over. From here on console lines count as this firmware's.
fn take_over<P: Platform, F: Flash>(
    platform: &P,
    flash: &mut F,
) -> Result<(DeviceBlock, Journal), Unable> {
    let boot = platform.boot();
    let mut raw = [0; DEVICE_BLOCK_LEN];
    flash
        .read(boot.device_block_at, &mut raw)
        .map_err(|_unreadable| Unable::DeviceBlock)?;
    let block = DeviceBlock::decode(&raw).map_err(|_invalid| Unable::DeviceBlock)?;
    let journal =
        Journal::take_over(&block.layout, boot.handover).map_err(|_invalid| Unable::Handover)?;
    let state = journal.state();
    let [w0, w1, w2, w3, w4, w5, w6, w7, ..] = state.running().digest;
    let writer = [w0, w1, w2, w3, w4, w5, w6, w7];
    let attempt = if state.on_trial() { state.attempt() } else { 0 };
    platform.with_retained(&mut |ram| tail::begin(ram, writer, attempt));
    Ok((block, journal))
}

/// Feeds the watchdog for ever: as long as the executor runs.
async fn feed<P: Platform>(platform: &P, ms: u32) -> Never {
    let ms = if ms == 0 {
        FEED_MS_MAX
    } else {
        ms.clamp(10, FEED_MS_MAX)
    };
    loop {
        platform.feed_watchdog();
        platform.sleep_ms(ms).await;
    }
}

impl<'p, P: Platform, F: Flash, A: Application> Driver<'p, P, F, A> {
    fn new(
        platform: &'p P,
        mut flash: F,
        app: &'p mut A,
        status: &'p Status,
    ) -> Result<Self, Unable> {
        let (block, journal) = take_over(platform, &mut flash)?;
        let state = *journal.state();
        let mut running = SlotReader::new(&mut flash, &block.layout, Slot::Execution);
        let info = inspect(&mut running, block.layout.image_len_max())
            .map_err(|_unreadable| Unable::Image)?;
        let device = Device {
            mode: block.layout.mode,
            image_len_max: block.layout.image_len_max(),
            erase_len: block.layout.storage.map(|area| area.erase_len),
            trials: block.trials,
            label: info.label,
            counter: info.security_counter,
            revoke: info.revoke,
        };
        let session = Session::new(device, state);
        status.set_version(session.version());
        status.set_record(&state);
        let mut buffer = [0; BLOCK_LEN as usize];
        let manager = Manager::load(&mut flash, &block, &mut buffer)?;
        Ok(Self {
            platform,
            flash,
            app,
            status,
            session,
            journal,
            block,
            manager,
            http: Http::new(platform),
            buffer,
            poll_etag: String::new(),
            artifact_etag: String::new(),
            artifact_attempt: 0,
        })
    }

    async fn run(&mut self) -> ResetReason {
        let mut action = self.step(Event::Start);
        loop {
            yield_now().await;
            self.platform.feed_watchdog();
            if let Action::Reset(reason) = action {
                return reason;
            }
            if action == Action::Halt {
                // The watchdog is fed beside this.
                core::future::pending::<()>().await;
            }
            action = self.until_deadline(action).await;
        }
    }

    /// Tells the session what happened, and everybody else what it says about that.
    fn step(&mut self, event: Event<'_>) -> Action {
        let action = self.session.step(self.platform.now_ms(), event);
        while let Some(notice) = self.session.take_notice() {
            self.say(&notice);
        }
        self.status.set_online(self.session.online());
        self.status.set_version(self.session.version());
        self.status.set_record(self.session.state());
        let progress = self.session.progress();
        if self.status.set_progress(progress) {
            self.app.progress(progress);
        }
        action
    }

    fn say(&self, notice: &Notice) {
        print_line(self.platform, format_args!("{notice}"));
    }

    /// Does the action, but gives it up when a trial's deadline passes meanwhile.
    async fn until_deadline(&mut self, action: Action) -> Action {
        let platform = self.platform;
        let Some(at) = self.session.deadline_ms() else {
            return self.perform(action).await;
        };
        let left = at.saturating_sub(platform.now_ms());
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        match select(self.perform(action), platform.sleep_ms(left)).await {
            Either::First(action) => action,
            Either::Second(()) => self.step(Event::DeadlinePassed),
        }
    }

    /// Does the action, tells the session, and returns the next one.
    async fn perform(&mut self, action: Action) -> Action {
        match action {
            Action::Poll { wait_s, if_changed } => self.poll(wait_s, if_changed).await,
            Action::SendConfig => self.send_config().await,
            Action::FetchDeployment => self.fetch_deployment().await,
            Action::FetchCancel => self.fetch_cancel().await,
            Action::Report(report) => self.report(&report).await,
            Action::AnswerCancel { cancel, accepted } => self.answer_cancel(cancel, accepted).await,
            Action::Open { from, to } => self.open(from, to).await,
            Action::Skip { len } => self.skip(len).await,
            Action::Receive { len } => self.receive(len).await,
            Action::Verify { slot, image } => self.verify(slot, image).await,
            Action::Append { twice } => self.append(twice),
            Action::Mark { step } => self.mark(step),
            Action::Erase { slot, at, len } => self.erase(slot, at, len),
            Action::Program { slot, at, len } => self.program(slot, at, len),
            Action::Copy { slot, at, len } => self.copy(slot, at, len),
            Action::AskInstall => self.ask_install(),
            Action::AskHealth => self.ask_health(),
            Action::Sleep { ms } => {
                let jitter = self.platform.random().checked_rem((ms / 4).max(1));
                let ms = ms.saturating_add(jitter.unwrap_or(0));
                self.platform.sleep_ms(ms).await;
                self.step(Event::Done)
            }
            Action::Disconnect => {
                self.http.disconnect().await;
                self.step(Event::Done)
            }
            Action::Reset(_) | Action::Halt => action,
        }
    }
}

impl Manager {
    fn load<F: Flash>(flash: &mut F, block: &DeviceBlock, buf: &mut [u8]) -> Result<Self, Unable> {
        let identity = IdentityStore::new(&block.layout)
            .load(flash, buf)
            .ok_or(Unable::Identity)?;
        let url = Url::parse(identity.ddi_url).map_err(|_unusable| Unable::Address)?;
        if url.scheme == Scheme::Https {
            return Err(Unable::Tls);
        }
        if !url.is_loopback() {
            return Err(Unable::Plaintext);
        }
        let base = identity.ddi_url.trim_end_matches('/');
        // A token that would break the header line is none.
        let printable = identity.token.bytes().all(|byte| byte.is_ascii_graphic());
        let token = if printable { identity.token } else { "" };
        Ok(Self {
            base: String::try_from(base).map_err(|_too_long| Unable::Address)?,
            token: String::try_from(token).map_err(|_too_long| Unable::Identity)?,
            kind: identity.token_kind,
        })
    }

    /// The manager's own address; checked when it was loaded.
    fn url(&self) -> Option<Url<'_>> {
        Url::parse(&self.base).ok()
    }

    /// The authorization for `url`: only the manager itself gets the token.
    fn token_for(&self, url: &Url<'_>) -> Option<(&'static str, &str)> {
        let own = self.url()?.is_same_origin(url) && !self.token.is_empty();
        let scheme = match self.kind {
            TokenKind::Target => "TargetToken",
            TokenKind::Gateway => "GatewayToken",
        };
        own.then_some((scheme, self.token.as_str()))
    }
}
