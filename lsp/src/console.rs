//! The debug console's memory: one history for each device, fed by several sources, read by number.
//! Pure; time is an argument.

mod level;
pub(crate) mod remote;
pub(crate) mod serial;

use crate::protocol::{ConsoleChannel, ConsoleEntry, ConsoleLine};
pub(crate) use level::level_of;
use std::collections::VecDeque;

/// Most lines that are kept.
const LINES_MAX: usize = 50_000;
/// Most text that is kept, in bytes.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest line that is kept, in bytes.
const LINE_MAX: usize = 4 * 1024;
/// Most lines of one answer.
const PAGE_LINES_MAX: usize = 2_000;
/// Most text of one answer, in bytes.
const PAGE_BYTES_MAX: usize = 256 * 1024;

/// The last lines of a device, numbered.
#[derive(Debug, Default)]
pub(crate) struct History {
    lines: VecDeque<ConsoleEntry>,
    bytes: usize,
    /// Number of the newest line; 0 before the first.
    last: u32,
}

/// Lines after a number.
#[derive(Debug, PartialEq)]
pub(crate) struct Page {
    /// Lines in between that are not kept any more.
    pub(crate) missed: u32,
    pub(crate) lines: Vec<ConsoleEntry>,
    pub(crate) more: bool,
}

impl History {
    /// Keeps a line; the oldest make room.
    pub(crate) fn push(&mut self, channel: ConsoleChannel, line: ConsoleLine, at_ms: f64) {
        let ConsoleLine { source, mut text } = line;
        if text.len() > LINE_MAX {
            let mut end = LINE_MAX;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text.push('…');
        }
        // A console of four thousand million lines begins anew at the end, and shows that as a gap.
        self.last = self.last.saturating_add(1);
        self.bytes += text.len();
        self.lines.push_back(ConsoleEntry {
            seq: self.last,
            at_ms,
            channel,
            source,
            level: level_of(source, &text),
            text,
        });
        while self.lines.len() > LINES_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.bytes -= oldest.text.len();
        }
    }

    /// What came after this line. A number that was never given asks for everything.
    pub(crate) fn read(&self, after: u32) -> Page {
        let after = if after > self.last { 0 } else { after };
        let first = self.lines.front().map_or(self.last, |line| line.seq - 1);
        let missed = first.saturating_sub(after);
        let skip = usize::try_from(after.saturating_sub(first)).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let mut lines = Vec::new();
        for line in self.lines.iter().skip(skip) {
            bytes += line.text.len();
            if lines.len() >= PAGE_LINES_MAX || (bytes > PAGE_BYTES_MAX && !lines.is_empty()) {
                break;
            }
            lines.push(line.clone());
        }
        let end = lines.last().map_or(self.last, |line| line.seq);
        Page {
            missed,
            more: end < self.last,
            lines,
        }
    }
}

#[cfg(test)]
mod tests {
    // C56: no line is lost silently
    use super::*;
    use crate::protocol::ConsoleSource;

    fn fill(history: &mut History, count: usize, text: &str) {
        for _ in 0..count {
            let line = ConsoleLine {
                source: ConsoleSource::Application,
                text: text.to_owned(),
            };
            history.push(ConsoleChannel::Board, line, 1.0);
        }
    }

    /// Reads to the end; every line and every gap is accounted for.
    fn read_all(history: &History, mut after: u32) -> (u32, u32) {
        let (mut lines, mut missed) = (0, 0);
        loop {
            let page = history.read(after);
            missed += page.missed;
            assert!(page.lines.len() <= PAGE_LINES_MAX);
            for line in &page.lines {
                lines += 1;
                assert_eq!(line.seq, after + page.missed + 1);
                after = line.seq - page.missed;
            }
            after = page.lines.last().map_or(after, |line| line.seq);
            if !page.more {
                return (lines, missed);
            }
        }
    }

    #[test]
    fn a_reader_gets_every_line_once_in_pieces_of_bounded_size() {
        let mut history = History::default();
        fill(&mut history, 7_001, "count 12");
        assert_eq!(read_all(&history, 0), (7_001, 0));
        assert_eq!(read_all(&history, 7_000), (1, 0));
        assert_eq!(
            history.read(7_001),
            Page {
                missed: 0,
                lines: Vec::new(),
                more: false
            }
        );
    }

    #[test]
    fn what_a_slow_reader_missed_is_counted() {
        let mut history = History::default();
        fill(&mut history, LINES_MAX + 123, "x");
        let (lines, missed) = read_all(&history, 100);
        assert_eq!((lines as usize, missed), (LINES_MAX, 23));
    }

    #[test]
    fn long_lines_make_room_by_their_bytes() {
        let mut history = History::default();
        fill(&mut history, 3_000, &"é".repeat(LINE_MAX));
        assert!(history.bytes <= BYTES_MAX);
        let (lines, missed) = read_all(&history, 0);
        assert_eq!(lines + missed, 3_000);
        assert!(missed > 0);
    }

    #[test]
    fn a_number_of_another_server_asks_for_everything() {
        let mut history = History::default();
        fill(&mut history, 3, "x");
        assert_eq!(history.read(1_000).lines.len(), 3);
    }
}
