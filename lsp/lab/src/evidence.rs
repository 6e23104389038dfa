//! What was seen: the device's own words, kept short.

use crate::{Expected, Fault, Look};
use otaru_board_host::control::EventKind;
use std::collections::VecDeque;

/// Console lines that are kept for people.
const LINES_MAX: usize = 200;

/// One moment at which the fault struck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strike {
    /// How the device was.
    pub look: Look,
    /// Whether a flash operation was cut in half.
    pub torn: bool,
}

/// Everything that is known about one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What was done.
    pub fault: Fault,
    /// What should have happened, from the record at the (last) strike.
    pub expected: Expected,
    /// When it struck; the first [`crate::TIMES_MAX`] of them.
    pub strikes: Vec<Strike>,
    /// How the device was afterwards.
    pub after: Look,
    /// Starts of the CPU before and after.
    pub boots: (u32, u32),
    /// Console and events since the strike.
    pub trace: Trace,
    /// Whether the device came to rest within the limit, and what was waited for.
    pub settled: Result<(), String>,
    /// What chance was made of, so that it can be repeated.
    pub seed: u64,
}

/// What the device printed and did since the first strike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// The version that the agent said it runs, since the last start.
    pub running: Option<String>,
    /// How often the bootloader has started an image on trial.
    pub trials: u32,
    /// Whether the bootloader waits in recovery since the last start.
    pub recovery: bool,
    /// How often the agent said that the manager does not answer.
    pub offline: u32,
    /// Whether the agent was online since the last start, and since it was offline.
    pub online: bool,
    /// How often the bootloader has begun to restore a damaged image.
    pub heals: u32,
    /// Bootloader banners: starts.
    pub starts: u32,
    /// How often the watchdog bit.
    pub watchdog: u32,
    /// How often a program ended by itself.
    pub exits: u32,
    /// The last console lines.
    pub lines: VecDeque<String>,
    /// Console lines before those.
    pub left_out: u64,
}

impl Trace {
    /// Takes in a line of the console.
    pub fn line(&mut self, line: &str) {
        if line.starts_with(":: Otaru bootloader") {
            self.starts = self.starts.saturating_add(1);
            self.running = None;
            self.recovery = false;
            self.online = false;
        } else if line.starts_with(":: starting on trial") {
            self.trials = self.trials.saturating_add(1);
        } else if line.starts_with(":: recovery:") {
            self.recovery = true;
        } else if line.starts_with(":: the execution slot is damaged") {
            self.heals = self.heals.saturating_add(1);
        } else if line == "ota: online" {
            self.online = true;
        } else if line.starts_with("ota: offline") {
            self.offline = self.offline.saturating_add(1);
            self.online = false;
        } else if let Some(version) = line.strip_prefix("ota: running version ") {
            self.running = Some(version.to_owned());
        } else if let Some(rest) = line.strip_prefix("ota: confirmed: version ") {
            self.running = rest.strip_suffix(" stays").map(str::to_owned);
        }
        if self.lines.len() >= LINES_MAX {
            self.lines.pop_front();
            self.left_out = self.left_out.saturating_add(1);
        }
        self.lines.push_back(line.to_owned());
    }

    /// Takes in an event of the chip.
    pub fn event(&mut self, event: &EventKind) {
        match event {
            EventKind::WatchdogBit => self.watchdog = self.watchdog.saturating_add(1),
            EventKind::Exited { .. } => self.exits = self.exits.saturating_add(1),
            EventKind::Started { .. }
            | EventKind::SoftwareReset
            | EventKind::PowerOff { .. }
            | EventKind::PowerOn
            | EventKind::OperationReached { .. }
            | EventKind::Held
            | EventKind::Released
            | EventKind::Network { .. }
            | EventKind::Dropped { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_agent_said_counts_until_the_next_start() {
        let mut trace = Trace::default();
        for line in ["ota: running version testing-2.0.0", "ota: online"] {
            trace.line(line);
        }
        assert_eq!(trace.running.as_deref(), Some("testing-2.0.0"));
        trace.line("ota: confirmed: version 2.0.0 stays");
        assert_eq!(trace.running.as_deref(), Some("2.0.0"));
        assert!(trace.online);
        trace.line(":: Otaru bootloader 0.1.0");
        assert_eq!(
            (trace.running.clone(), trace.online, trace.starts),
            (None, false, 1)
        );
    }

    #[test]
    fn old_lines_make_room_and_are_counted() {
        let mut trace = Trace::default();
        for number in 0..LINES_MAX + 5 {
            trace.line(&format!("line {number}"));
        }
        assert_eq!((trace.lines.len(), trace.left_out), (LINES_MAX, 5));
        assert_eq!(trace.lines.front().map(String::as_str), Some("line 5"));
    }
}
