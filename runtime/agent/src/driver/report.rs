//! The bodies that go to the manager.

use otaru_ddi::{
    CancelFeedback, ConfigData, DETAILS_MAX, Detail, DetailLine, Feedback, Phase, write_body,
};
use otaru_flash::{Flash, Mode};
use otaru_record::DigestStart;

use super::Driver;
use crate::session::Report;
use crate::{Application, Platform, tail};

/// Bytes of console lines that go with a failure, at first; halved until the body fits.
const CONSOLE_LEN_MAX: usize = 3072;
/// Lines of it: the line for machines and the application's words come before them.
const CONSOLE_LINES_MAX: usize = DETAILS_MAX - 4;
/// The engine that executes the application.
const ENGINE: &str = "bootloader";

impl<P: Platform, F: Flash, A: Application> Driver<'_, P, F, A> {
    /// Writes the feedback into the buffer; its length.
    pub(super) fn write_report(&mut self, report: &Report) -> Option<usize> {
        let state = self.session.state();
        let version = self.session.version();
        let mut line = DetailLine {
            reason: report.reason,
            version: Some(version.name()),
            bytes: report.bytes,
            ..DetailLine::new(report.phase)
        };
        if report.reason.is_none() && matches!(report.phase, Phase::Trial | Phase::Confirmed) {
            line.digest = Some(state.running().digest);
        }
        if let Some((chunks, cuts, millis)) = report.install {
            line.chunks = Some(u32::from(chunks));
            line.cuts = Some(u32::from(cuts));
            line.ms = Some(millis);
            let per_chunk = match self.block.layout.mode {
                Mode::Swap => 2,
                Mode::Standby => 1,
            };
            line.programs = Some(u32::from(chunks).saturating_mul(per_chunk));
        }
        if report.with_images {
            let (from, to) = self.session.images();
            let known = |name: DigestStart| (name != DigestStart::default()).then_some(name);
            (line.from, line.to) = (known(from), known(to));
        }
        let own = report.with_text.then(|| self.session.text());
        let buffer = &mut self.buffer;
        let mut len = None;
        self.platform.with_retained(&mut |ram| {
            let (note, console) = if report.with_tail {
                (
                    tail::note_of(ram, report.attempt),
                    tail::of_attempt(ram, report.attempt),
                )
            } else {
                ("", "")
            };
            let mut budget = CONSOLE_LEN_MAX;
            while len.is_none() {
                let lines = own
                    .map(Detail::Text)
                    .into_iter()
                    .chain((!note.is_empty()).then_some(Detail::Refusal(note)))
                    .chain(last_lines(console, budget).lines().map(Detail::Console));
                let mut feedback = Feedback::new(report.attempt, line, lines);
                if let Some(percent) = report.percent {
                    feedback = feedback.with_percent(percent);
                }
                len = write_body(&feedback, buffer.as_mut_slice())
                    .ok()
                    .map(<[u8]>::len);
                if budget == 0 {
                    break;
                }
                budget /= 2;
            }
        });
        len
    }

    pub(super) fn write_config(&mut self) -> Option<usize> {
        let version = self.session.version();
        let boot = self.platform.boot().bootloader;
        let config = ConfigData {
            version: version.name(),
            trial: version.trial,
            digest: self.session.state().running().digest,
            board: self.block.name(),
            boot: if boot.is_empty() { "unknown" } else { boot },
            engine: ENGINE,
            mode: self.block.layout.mode.name(),
        };
        let body = write_body(&config, &mut self.buffer).ok()?;
        Some(body.len())
    }

    pub(super) fn write_cancel(&mut self, cancel: u64, accepted: bool) -> Option<usize> {
        let feedback = CancelFeedback {
            action: cancel,
            accepted,
            text: if accepted {
                "stopped; the running firmware stays"
            } else {
                "too late: the new firmware is confirmed"
            },
        };
        let body = write_body(&feedback, &mut self.buffer).ok()?;
        Some(body.len())
    }
}

/// The last whole lines of `text` with at most `budget` bytes.
fn last_lines(text: &str, budget: usize) -> &str {
    let mut from = text.len();
    for (count, line) in text.split_inclusive('\n').rev().enumerate() {
        let before = from.saturating_sub(line.len());
        if count >= CONSOLE_LINES_MAX || text.len().saturating_sub(before) > budget {
            break;
        }
        from = before;
    }
    text.get(from..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_console_lines_go_first_into_the_budget() {
        let text = "one\ntwo\nthree\n";
        assert_eq!(last_lines(text, 100), text);
        assert_eq!(last_lines(text, 13), "two\nthree\n");
        assert_eq!(last_lines(text, 6), "three\n");
        assert_eq!(last_lines(text, 5), "");
        assert_eq!(last_lines("", 5), "");
        let many = "x\n".repeat(100);
        assert_eq!(last_lines(&many, 1000).lines().count(), CONSOLE_LINES_MAX);
    }
}
