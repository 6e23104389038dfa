//! `receiving`: the download in pieces, resumed by range, and its verification where it is stored.
//!
//! The image is requested in sixteenths (rounded up to whole sectors and blocks). Behind each the
//! record gets a mark, and between two of them the manager is asked, at most once a second,
//! whether it still wants the attempt.

use otaru_flash::Slot;
use otaru_record::{Cause, Phase};

use super::{Action, BLOCK_LEN, Event, For, Notice, Report, Session, Stage, Then};

/// Marks of a download.
const PIECES: u32 = 16;
/// Least time between two reports of a download's progress.
const REPORT_MS: u64 = 1000;

/// Where a transfer into a storage slot stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transfer {
    pub(super) slot: Slot,
    /// Bytes stored.
    pub(super) at: u32,
    total: u32,
    erase_len: u32,
    erased_to: u32,
    /// Bytes in the buffer that are to be stored at `at`.
    pending: u32,
    /// Length of a piece; a multiple of blocks and sectors.
    piece: u32,
    /// Whether the body that is open ends with the piece.
    ranged: bool,
    /// Whether bytes of an earlier attempt are part of the image.
    resumed: bool,
    announced: bool,
    reported_ms: u64,
    noticed: u8,
}

impl Default for Transfer {
    fn default() -> Self {
        Self::new(Slot::Storage0, 0, 1, 0)
    }
}

fn gcd(mut a: u32, mut b: u32) -> u32 {
    while let Some(rest) = a.checked_rem(b) {
        (a, b) = (b, rest);
    }
    a
}

impl Transfer {
    /// A transfer of `total` bytes of which `step` sixteenths are stored.
    pub(super) fn new(slot: Slot, total: u32, erase_len: u32, step: u16) -> Self {
        let common = gcd(erase_len, BLOCK_LEN);
        let unit = erase_len
            .checked_div(common)
            .and_then(|n| n.checked_mul(BLOCK_LEN))
            .unwrap_or(u32::MAX);
        let piece = total
            .div_ceil(PIECES)
            .checked_next_multiple_of(unit.max(1))
            .unwrap_or(u32::MAX)
            .max(1);
        let at = piece.saturating_mul(u32::from(step));
        // A mark at or behind the end is none that this code has written.
        let at = if at < total { at } else { 0 };
        Self {
            slot,
            at,
            total,
            erase_len,
            erased_to: at,
            pending: 0,
            piece,
            ranged: false,
            resumed: at > 0,
            announced: false,
            reported_ms: 0,
            noticed: 0,
        }
    }

    pub(super) fn percent(&self) -> u8 {
        let percent = u64::from(self.at)
            .saturating_mul(100)
            .checked_div(u64::from(self.total))
            .unwrap_or(0);
        u8::try_from(percent).unwrap_or(100).min(100)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.at >= self.total
    }

    /// Pieces stored.
    pub(super) fn step(&self) -> u16 {
        let step = self.at.checked_div(self.piece).unwrap_or(0);
        u16::try_from(step).unwrap_or(0)
    }

    /// First byte behind the piece that is being received.
    pub(super) fn piece_end(&self) -> u32 {
        let next = u32::from(self.step()).saturating_add(1);
        self.piece.saturating_mul(next).min(self.total)
    }

    fn block_len(&self) -> u32 {
        let end = if self.ranged {
            self.piece_end()
        } else {
            self.total
        };
        end.saturating_sub(self.at).min(BLOCK_LEN)
    }

    fn at_mark(&self) -> bool {
        self.at.checked_rem(self.piece) == Some(0) && !self.is_complete()
    }

    /// The sector to erase before `len` bytes can be stored.
    fn sector_to_erase(&self, len: u32) -> Option<Action> {
        (self.erased_to < self.at.saturating_add(len)).then_some(Action::Erase {
            slot: self.slot,
            at: self.erased_to,
            len: self.erase_len,
        })
    }

    /// The flash operation that [`Session::backup_action`] asked for has worked.
    pub(super) fn stored_or_erased(&mut self) {
        let len = self.block_len();
        if self.sector_to_erase(len).is_some() {
            self.erased_to = self.erased_to.saturating_add(self.erase_len);
        } else {
            self.at = self.at.saturating_add(len);
        }
    }
}

impl Session {
    pub(super) fn backup_action(&self) -> Action {
        let len = self.transfer.block_len();
        self.transfer.sector_to_erase(len).unwrap_or(Action::Copy {
            slot: self.transfer.slot,
            at: self.transfer.at,
            len,
        })
    }

    pub(super) fn receive_action(&self) -> Action {
        let transfer = &self.transfer;
        if transfer.pending == 0 {
            return Action::Receive {
                len: transfer.block_len(),
            };
        }
        transfer
            .sector_to_erase(transfer.pending)
            .unwrap_or(Action::Program {
                slot: transfer.slot,
                at: transfer.at,
                len: transfer.pending,
            })
    }

    /// `receiving` stands in the record, or the copy of the running firmware does.
    pub(super) fn begin_receiving(&mut self) {
        if self.state.phase() == Phase::Idle {
            return self.append_receiving();
        }
        let Some(slot) = self.state.slot() else {
            return self.halt("the record names no slot; reset the device");
        };
        let erase_len = self.erase_len(slot);
        self.transfer = Transfer::new(slot, self.state.other().len, erase_len, self.state.step());
        if self.transfer.resumed {
            self.notice(Notice::Resuming(self.transfer.at));
        }
        self.stage = Stage::ReportReceiving;
    }

    pub(super) fn receiving_report(&self) -> Report {
        Report {
            percent: Some(self.transfer.percent()),
            bytes: Some(self.transfer.at),
            ..self.report(otaru_ddi::Phase::Downloading)
        }
    }

    pub(super) fn on_receiving_reported(&mut self, event: Event<'_>) {
        let Some(status) = event.status() else {
            return self.unreachable(Stage::Poll(For::Receiving));
        };
        self.reachable();
        let first = !self.transfer.announced;
        self.transfer.announced = true;
        self.transfer.reported_ms = self.now_ms;
        self.stage = if first && status < 300 {
            Stage::Open
        } else {
            Stage::Poll(For::Receiving)
        };
    }

    pub(super) fn on_opened(&mut self, event: Event<'_>) {
        let again = Stage::Poll(For::Receiving);
        let Event::Opened {
            from,
            partial,
            total,
            changed,
        } = event
        else {
            return match event.status() {
                Some(416) => self.end_attempt(Cause::SizeMismatch),
                // C9: what may pass is tried again, everything else will not change by itself.
                None | Some(401 | 408 | 425 | 429 | 500..) => self.no_answer(event, again),
                Some(_) => self.end_attempt(Cause::DownloadFailed),
            };
        };
        self.reachable();
        let at = self.transfer.at;
        if total.is_some_and(|total| total != self.transfer.total) {
            self.end_attempt(Cause::SizeMismatch);
        } else if changed && at > 0 {
            self.start_over();
        } else if partial && from == at {
            self.transfer.ranged = true;
            self.stage = Stage::Receive;
        } else if !partial {
            // A server without ranges sends everything.
            self.transfer.ranged = false;
            self.stage = if at > 0 { Stage::Skip } else { Stage::Receive };
        } else {
            self.back_off(again);
        }
    }

    pub(super) fn on_skipped(&mut self, event: Event<'_>) {
        if let Event::Done = event {
            self.stage = Stage::Receive;
        } else {
            self.body_failed(event);
        }
    }

    pub(super) fn on_received(&mut self, event: Event<'_>) {
        if let Event::Received = event {
            self.transfer.pending = self.transfer.block_len();
        } else if let Event::Done = event {
            self.stored();
        } else if let Event::StorageFailed = event {
            self.end_attempt(Cause::StorageFailed);
        } else {
            self.body_failed(event);
        }
    }

    fn body_failed(&mut self, event: Event<'_>) {
        self.transfer.pending = 0;
        let ended = matches!(event, Event::BodyEnded);
        if ended && !self.transfer.ranged {
            self.end_attempt(Cause::SizeMismatch);
        } else if ended {
            // The piece was shorter than asked for: ask for the rest.
            self.back_off(Stage::Poll(For::Receiving));
        } else {
            self.unreachable(Stage::Poll(For::Receiving));
        }
    }

    /// The sector is erased, or the block is programmed.
    fn stored(&mut self) {
        let transfer = &mut self.transfer;
        if transfer.sector_to_erase(transfer.pending).is_some() {
            transfer.erased_to = transfer.erased_to.saturating_add(transfer.erase_len);
            return;
        }
        transfer.at = transfer.at.saturating_add(transfer.pending);
        transfer.pending = 0;
        let tens = transfer.percent() / 10;
        if tens > transfer.noticed {
            transfer.noticed = tens;
            self.notice(Notice::Received(tens.saturating_mul(10)));
        }
        if self.transfer.is_complete() {
            self.begin_verifying();
        } else if self.transfer.at_mark() {
            self.stage = Stage::Mark;
        }
    }

    pub(super) fn on_marked(&mut self, event: Event<'_>) {
        if !matches!(event, Event::Done) {
            return self.halt("the record cannot be written");
        }
        self.state.set_step(self.transfer.step());
        let due = self.now_ms.saturating_sub(self.transfer.reported_ms) >= REPORT_MS;
        self.stage = match (self.transfer.ranged, due) {
            // In the middle of a body nothing else can be asked on this connection.
            (false, _) => Stage::Receive,
            (true, false) => Stage::Open,
            (true, true) => Stage::ReportReceiving,
        };
    }

    fn begin_verifying(&mut self) {
        self.notice(Notice::Verifying);
        self.stage = Stage::ReportVerifying;
    }

    /// Told or not: verifying needs nobody.
    pub(super) fn on_verifying_reported(&mut self, event: Event<'_>) {
        if event.status().is_some() {
            self.reachable();
        }
        self.stage = Stage::Verify;
    }

    pub(super) fn on_verified(&mut self, event: Event<'_>) {
        let verdict = if let Event::Verdict(verdict) = event {
            verdict
        } else {
            Err(Cause::StorageFailed)
        };
        match verdict {
            Ok(found) => {
                if let Some(label) = found.label {
                    self.label.clear();
                    let _fits = self.label.push_str(label.as_str());
                }
                self.notice(Notice::Parked(self.label.clone()));
                let next = self.state.parked_as(found.digest);
                self.append(&next, false, Then::ReportParked);
            }
            // What an earlier attempt left may have been torn: once from the beginning.
            Err(Cause::DigestMismatch) if self.transfer.resumed => self.start_over(),
            Err(cause) => self.end_attempt(cause),
        }
    }

    fn start_over(&mut self) {
        let former = self.transfer;
        self.transfer = Transfer {
            announced: true,
            reported_ms: former.reported_ms,
            ..Transfer::new(former.slot, former.total, former.erase_len, 0)
        };
        self.append(&self.state.restarted(), false, Then::Open);
    }
}
