//! Polling: when, how long the server may hold it, and what its reply means.

use otaru_ddi::PollReply;
use otaru_record::{Cause, Phase};

use super::{Action, Event, For, Session, Stage};

/// Seconds the server is asked to hold a poll; 55 is the most that is allowed.
pub(super) const WAIT_S: u16 = 50;
/// Seconds between polls when the server does not say.
const SLEEP_S_DEFAULT: u32 = 60;
/// Longest sleep the server may ask for, in seconds: a day.
const SLEEP_S_MAX: u32 = 86_400;
/// Polls within [`BURST_MS`] that are not held. More means that the server and this device do not
/// understand each other.
const BURST_MAX: u8 = 8;
const BURST_MS: u64 = 10_000;
const BURST_PAUSE_MS: u32 = 10_000;

/// What is known about polling this server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Polling {
    /// When the last poll was sent that could be held.
    pub(super) sent_ms: u64,
    sleep_s: u32,
    /// Whether the last poll left nothing to do, so that the next one may be held.
    settled: bool,
    etag: bool,
    burst: u8,
    burst_since_ms: u64,
}

impl Default for Polling {
    fn default() -> Self {
        Self {
            sent_ms: 0,
            sleep_s: SLEEP_S_DEFAULT,
            settled: false,
            etag: false,
            burst: 0,
            burst_since_ms: 0,
        }
    }
}

impl Session {
    pub(super) fn poll_action(&self, whom: For) -> Action {
        let held = self.poll.settled && matches!(whom, For::Idle | For::Parked);
        Action::Poll {
            wait_s: if held { WAIT_S } else { 0 },
            if_changed: held,
        }
    }

    pub(super) fn on_poll(&mut self, whom: For, event: Event<'_>) {
        if let Event::Polled { reply, etag } = event {
            self.reachable();
            self.poll.etag = etag;
            self.take_links(reply);
            self.polled(whom);
        } else if let Event::NotModified = event
            && self.poll.settled
        {
            self.reachable();
            self.not_modified(whom);
        } else {
            self.poll.settled = false;
            self.no_answer(event, Stage::Poll(whom));
        }
    }

    fn take_links(&mut self, reply: &PollReply) {
        let sleep_s = reply.sleep_s.unwrap_or(SLEEP_S_DEFAULT);
        self.poll.sleep_s = sleep_s.clamp(1, SLEEP_S_MAX);
        self.link.clone_from(&reply.deployment);
        self.cancel.clone_from(&reply.cancel);
        if let Some(href) = &reply.config_data {
            self.config_href.clone_from(href);
            self.config_due = true;
        }
    }

    fn polled(&mut self, whom: For) {
        self.poll.settled = false;
        let wanted = self.link.as_ref().map(|link| link.action);
        match whom {
            For::Idle | For::Receiving | For::Parked if self.cancel.is_some() => {
                self.stage = Stage::FetchCancel(whom);
            }
            For::Idle => self.idle(),
            For::Receiving => match wanted {
                Some(action) if action == self.state.attempt() => self.stage = Stage::Open,
                Some(action) => self.decline(action),
                None => self.end_attempt(Cause::Withdrawn),
            },
            For::Parked if wanted == Some(self.state.attempt()) => self.still_parked(),
            // Also when another action is offered: it replaces the parked one.
            For::Parked => self.end_attempt(Cause::Withdrawn),
            For::Trial if wanted == Some(self.state.attempt()) => self.still_on_trial(),
            // A valid reply without this attempt: nobody expects this firmware any more (C7).
            For::Trial => self.refuse(Cause::Withdrawn),
            For::Gone if wanted == Some(self.state.outcome().attempt) => {
                self.back_off(Stage::ReportOutcome);
            }
            For::Gone => self.mark_reported(),
        }
    }

    fn not_modified(&mut self, whom: For) {
        let elapsed = self.now_ms.saturating_sub(self.poll.sent_ms);
        let was_held = elapsed >= u64::from(WAIT_S).saturating_mul(500);
        if was_held && self.link.is_some() {
            // What the manager holds back may have changed without the poll showing it.
            self.poll.settled = false;
            self.stage = Stage::FetchDeployment(whom);
        } else if was_held {
            self.await_change(whom);
        } else {
            // This server does not hold requests.
            self.sleep_as_told(whom);
        }
    }

    /// Nothing to do: waits for the server's next word, held if the server can do that.
    pub(super) fn rest(&mut self, whom: For) {
        if !self.poll.etag {
            self.sleep_as_told(whom);
        } else if self.burst_is_over() {
            self.pause(BURST_PAUSE_MS, Stage::Poll(whom));
            self.poll.settled = true;
        } else {
            self.await_change(whom);
        }
    }

    /// Polls again soon, because something was done; but not for ever.
    pub(super) fn poll_again(&mut self, whom: For) {
        if self.burst_is_over() {
            self.pause(BURST_PAUSE_MS, Stage::Poll(whom));
        } else {
            self.stage = Stage::Poll(whom);
        }
    }

    fn burst_is_over(&mut self) -> bool {
        if self.now_ms.saturating_sub(self.poll.burst_since_ms) > BURST_MS {
            self.poll.burst_since_ms = self.now_ms;
            self.poll.burst = 0;
        }
        self.poll.burst = self.poll.burst.saturating_add(1);
        self.poll.burst > BURST_MAX
    }

    fn await_change(&mut self, whom: For) {
        self.poll.settled = true;
        self.poll.sent_ms = self.now_ms;
        self.stage = Stage::Poll(whom);
    }

    fn sleep_as_told(&mut self, whom: For) {
        let ms = self.poll.sleep_s.saturating_mul(1000);
        self.pause(ms, Stage::Poll(whom));
        // With an entity tag the reply after the sleep is short if nothing has changed.
        self.poll.settled = self.poll.etag && self.link.is_none();
    }

    /// Whether a cancel of the running attempt can still be granted.
    pub(super) fn may_still_end(&self) -> bool {
        matches!(self.state.phase(), Phase::Receiving | Phase::Parked)
    }
}
