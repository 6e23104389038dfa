//! The place of one run: the connections, the clock, what was seen so far.

use super::feed::{Feed, Seen};
use super::{LabError, News, Order};
use crate::evidence::{Evidence, Strike, Trace};
use crate::expect::{Ending, Expected, expect};
use crate::look::{self, Look, look};
use crate::{Fault, TIMES_MAX};
use otaru_board_host::control::{Client, EventKind};
use otaru_flash::Layout;
use otaru_record::{Cause, Phase, State};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often somebody's wish to stop is looked for.
const LOOK: Duration = Duration::from_millis(100);
/// How long a device may take to come to rest, apart from the trial's own deadline.
const REST_MAX: Duration = Duration::from_secs(90);
/// How long a device that was connected may take until it is again.
const ONLINE_MAX: Duration = Duration::from_secs(15);

/// One run.
pub(super) struct Bench<'b> {
    pub(super) client: Client,
    feed: Feed,
    pub(super) order: Order,
    stop: &'b AtomicBool,
    tell: &'b dyn Fn(News),
    pub(super) layout: Layout,
    pub(super) strikes: Vec<Strike>,
    pub(super) trace: Trace,
    chance: u64,
    boots: u32,
    was_online: bool,
    expected: Option<Expected>,
}

impl<'b> Bench<'b> {
    /// Connects, and refuses what makes no sense now.
    pub(super) fn open(
        dir: &Path,
        order: Order,
        stop: &'b AtomicBool,
        tell: &'b dyn Fn(News),
    ) -> Result<Self, LabError> {
        let refuse = |why: &str| Err(LabError::Refused(why.to_owned()));
        if order.times == 0
            || order.times > TIMES_MAX
            || (order.times > 1 && !order.fault.repeats())
        {
            return refuse(&format!(
                "1 to {TIMES_MAX} times, and more than once only random cuts"
            ));
        }
        let mut client = Client::connect(dir)?;
        let status = client.status()?;
        if !status.power {
            return refuse("the device is switched off: switch it on first");
        }
        if !status.online && (order.fault.needs_update() || order.fault == Fault::Offline) {
            return refuse("the device has no network: give it back first");
        }
        let feed = Feed::open(dir)?;
        let mut trace = Trace::default();
        for line in feed.history() {
            trace.line(&line);
        }
        let now = look(&mut client)?;
        expect(order.fault, &now).map_err(LabError::Refused)?;
        Ok(Self {
            client,
            feed,
            order,
            stop,
            tell,
            layout: now.layout,
            strikes: Vec::new(),
            was_online: trace.online && status.online,
            trace,
            chance: order.seed,
            boots: status.boots,
            expected: None,
        })
    }

    pub(super) fn tell(&self, news: News) {
        (self.tell)(news);
    }

    /// The next random number below `below`, which is not 0.
    pub(super) fn random(&mut self, below: u64) -> u64 {
        // SplitMix64: every seed is a good one.
        self.chance = self.chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % below.max(1)
    }

    /// Whether somebody wants it to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Watches until something is seen, for at most this long; `None`: until somebody stops it.
    /// Says whether it was seen.
    pub(super) fn watch(
        &mut self,
        limit: Option<Duration>,
        mut wanted: impl FnMut(&Seen) -> bool,
    ) -> Result<bool, LabError> {
        let begun = Instant::now();
        loop {
            if self.is_stopped() {
                return Err(LabError::Stopped);
            }
            let left = limit.map(|limit| limit.saturating_sub(begun.elapsed()));
            if left == Some(Duration::ZERO) {
                return Ok(false);
            }
            let wait = left.map_or(LOOK, |left| left.min(LOOK));
            if let Some(seen) = self.feed.next(wait) {
                match &seen {
                    Seen::Line(line) => self.trace.line(line),
                    Seen::Event(event) => self.trace.event(event),
                }
                if wanted(&seen) {
                    return Ok(true);
                }
            } else if !self.chip_lives() {
                return Ok(false);
            }
        }
    }

    /// A chip that has ended sends nothing more, and nobody would notice.
    fn chip_lives(&mut self) -> bool {
        self.client.status().is_ok()
    }

    pub(super) fn watch_line(
        &mut self,
        limit: Option<Duration>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<bool, LabError> {
        self.watch(
            limit,
            |seen| matches!(seen, Seen::Line(line) if wanted(line)),
        )
    }

    pub(super) fn watch_event(
        &mut self,
        limit: Option<Duration>,
        wanted: impl Fn(&EventKind) -> bool,
    ) -> Result<bool, LabError> {
        self.watch(
            limit,
            |seen| matches!(seen, Seen::Event(event) if wanted(event)),
        )
    }

    /// The record as it stands.
    pub(super) fn record(&mut self) -> Result<State, String> {
        look::record(&mut self.client, &self.layout)
    }

    /// Notes a strike: from now on everything that is seen counts.
    pub(super) fn struck(&mut self, look: Look, torn: bool) {
        if self.strikes.is_empty() {
            // A device that goes on has said before what it runs.
            let goes_on = !self.order.fault.restarts();
            self.trace = Trace {
                running: self.trace.running.take().filter(|_| goes_on),
                online: self.trace.online && goes_on && self.order.fault != Fault::Offline,
                ..Trace::default()
            };
        }
        // What a torn record says while the power is off is as good as any other reading.
        if let Ok(expected) = expect(self.order.fault, &look) {
            self.expected = Some(expected);
        }
        self.strikes.push(Strike { look, torn });
        let count = u32::try_from(self.strikes.len()).unwrap_or(u32::MAX);
        self.tell(News::Struck(count));
    }

    /// Takes the fault back, as far as it is one that lasts.
    pub(super) fn take_back(&mut self) -> Result<(), LabError> {
        self.client.clear_faults()?;
        self.client.power_on()?;
        if self.order.fault == Fault::Offline || self.order.fault.needs_update() {
            self.client.set_online(true)?;
        }
        Ok(())
    }

    /// Watches until the device is at rest, then looks.
    pub(super) fn settle(mut self) -> Result<Evidence, LabError> {
        self.tell(News::Watching);
        // A wish that ended the cuts is fulfilled; another one ends the watch.
        self.stop.store(false, Ordering::Relaxed);
        let expected = self.expected.take().ok_or(LabError::Stopped)?;
        let deadline = self.record().map_or(0, |state| state.deadline_s());
        let limit = REST_MAX + Duration::from_secs(u64::from(deadline));
        let begun = Instant::now();
        let mut settled = Err(format!("it did not within {} s", limit.as_secs()));
        while begun.elapsed() < limit {
            if self.is_at_rest(expected.ending) {
                settled = Ok(());
                break;
            }
            self.watch(Some(LOOK), |_| false)?;
            if !self.chip_lives() {
                settled = Err("the device was switched off".to_owned());
                break;
            }
        }
        if settled.is_ok() && self.was_online && expected.ending != Ending::Recovery {
            let online = self.trace.online;
            // Without a manager it stays offline, which is not this fault's fault.
            let _connected =
                online || self.watch_line(Some(ONLINE_MAX), |line| line == "ota: online")?;
        }
        Ok(Evidence {
            fault: self.order.fault,
            expected,
            strikes: self.strikes,
            after: look(&mut self.client)?,
            boots: (self.boots, self.client.status()?.boots),
            trace: self.trace,
            settled,
            seed: self.order.seed,
        })
    }

    fn is_at_rest(&mut self, ending: Ending) -> bool {
        if ending == Ending::Recovery {
            return self.trace.recovery;
        }
        if self.trace.running.is_none() {
            return false;
        }
        let Ok(state) = self.record() else {
            return false;
        };
        let offline = self.order.fault == Fault::Offline && !self.trace.online;
        match ending {
            Ending::Installed => state.phase() == Phase::Idle || self.trace.trials > 0,
            // The agent tells the reason of an interrupted download a moment after its start.
            Ending::Ended(_) => {
                state.phase() == Phase::Idle && state.outcome().cause != Cause::None
            }
            Ending::Unchanged | Ending::Either | Ending::Restored | Ending::Recovery => {
                state.phase() == Phase::Idle && !offline
            }
        }
    }
}
