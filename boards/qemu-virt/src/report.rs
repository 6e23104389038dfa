//! What the bootloader does, as lines for the console. The words are the host board's.

use core::fmt::{self, Write};
use otaru_bootloader::{Event, Recovery, Step, Work};
use otaru_ddi::Reason;
use otaru_record::{Backup, Cause, Image, Phase, State};

/// Most progress lines of one install.
const PROGRESS_LINES: u32 = 20;

/// Turns events into lines.
#[derive(Debug)]
pub struct Report<W> {
    console: W,
    /// Whether the table of the record was begun.
    in_table: bool,
    phase: Option<Phase>,
}

impl<W: Write> Report<W> {
    /// Lines go to `console`.
    pub fn new(console: W) -> Self {
        Self {
            console,
            in_table: false,
            phase: None,
        }
    }

    fn say(&mut self, line: fmt::Arguments<'_>) {
        match writeln!(self.console, ":: {line}") {
            // There is nobody to tell that the console fails.
            Ok(()) | Err(fmt::Error) => {}
        }
    }

    /// Prints what one event has to say.
    pub fn event(&mut self, event: &Event<'_>) {
        let is_entry = matches!(event, Event::Entry(..));
        if is_entry && !self.in_table {
            self.say(format_args!(
                "record     phase       image     other     step"
            ));
        } else if self.in_table && !is_entry {
            self.say(format_args!("{:-<48}", ""));
        }
        self.in_table = is_entry;
        match event {
            Event::Board(block) => {
                let (name, mode) = (block.name(), block.layout.mode.name());
                self.say(format_args!("board {name}, mode {mode}"));
                match block.watchdog_ms {
                    0 => self.say(format_args!("watchdog off")),
                    ms => self.say(format_args!("watchdog {ms} ms")),
                }
            }
            Event::Entry(sequence, state) => self.say(format_args!(
                "{sequence:08}   {:<10}  {:<8}  {:<8}  {}",
                state.phase().name(),
                Short(&state.current()),
                Short(&state.other()),
                state.step()
            )),
            Event::RecordLost => self.say(format_args!(
                "the record is lost: making a new one from what stands here"
            )),
            Event::RecordUnwritable => self.say(format_args!(
                "the record cannot be written: starting the confirmed image, without updates"
            )),
            Event::Phase(state) => {
                if self.phase.replace(state.phase()) != Some(state.phase()) {
                    self.phase_of(state);
                }
            }
            Event::Begin(Work::Verify(slot)) => {
                self.say(format_args!("verifying {}", slot.name()));
            }
            Event::Begin(Work::Compare) => self.say(format_args!("comparing the two images")),
            Event::Copied {
                step,
                chunk,
                done,
                total,
            } => self.copied(*step, *chunk, *done, *total),
            Event::Healing => self.say(format_args!(
                "the execution slot is damaged: restoring it from its backup"
            )),
            Event::Ended(cause) => self.say(format_args!("update ended: {}", Name(*cause))),
            Event::Starting { trial: 0, .. } => self.say(format_args!("starting")),
            Event::Starting { trial, of } => {
                self.say(format_args!("starting on trial, start {trial} of {of}"));
            }
            Event::Stopped(recovery) => self.stopped(**recovery),
        }
    }

    fn phase_of(&mut self, state: &State) {
        let name = state.phase().name();
        let (current, other) = (Short(&state.current()), Short(&state.other()));
        match state.phase() {
            Phase::Idle | Phase::Receiving | Phase::Parked => {
                let backup = match state.backup() {
                    Backup::None => "no backup",
                    Backup::Copy(slot) => slot.name(),
                    Backup::Permuted => "the secondary slot",
                };
                self.say(format_args!("{name}: image {current}, backup: {backup}"));
            }
            Phase::Requested => self.say(format_args!(
                "{name}: {current} to {other}, update {}",
                state.attempt()
            )),
            Phase::Installing | Phase::Reverting => self.say(format_args!(
                "{name}: {} chunks differ, at step {}, after {} resets",
                state.differing.len(),
                state.step(),
                state.cuts()
            )),
            Phase::Installed | Phase::Trial | Phase::Refused => self.say(format_args!(
                "{name}: image {other}, start {} of {}",
                state.trials_used(),
                state.trials_allowed()
            )),
        }
    }

    /// A line for about every twentieth part of the work.
    fn copied(&mut self, step: Step, chunk: u32, done: u32, total: u32) {
        let part = |n: u32| n.saturating_mul(PROGRESS_LINES).checked_div(total);
        if part(done) == part(done.saturating_sub(1)) && done != total {
            return;
        }
        let what = match step {
            Step::Save => "saving",
            Step::Install => "installing",
            Step::Restore => "restoring",
        };
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
        self.say(format_args!(
            "{what} chunk {chunk}: {done} of {total}, {percent} %"
        ));
    }

    fn stopped(&mut self, recovery: Recovery) {
        match recovery {
            Recovery::NoImage(cause) => self.say(format_args!(
                "nothing to start: no image that may run ({})",
                Name(cause)
            )),
            Recovery::DeviceBlock(_)
            | Recovery::FlashRead
            | Recovery::Record(_)
            | Recovery::RecordWrite
            | Recovery::Buffer
            | Recovery::Requested => self.say(format_args!("nothing to start: {recovery}")),
        }
        match recovery {
            Recovery::NoImage(_) | Recovery::Requested => self.say(format_args!(
                "recovery: waiting for an image on this console, for example `smpmgr image upload`"
            )),
            Recovery::DeviceBlock(_)
            | Recovery::FlashRead
            | Recovery::Record(_)
            | Recovery::RecordWrite
            | Recovery::Buffer => self.say(format_args!(
                "recovery: nothing can be done over this console"
            )),
        }
    }
}

/// The first four bytes of an image's digest.
#[derive(Debug)]
pub struct Short<'i>(pub &'i Image);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.exists() {
            return f.pad("-");
        }
        self.0
            .digest
            .iter()
            .take(4)
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Name of a reason, or its number.
struct Name(Cause);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Reason::try_from(self.0.code()) {
            Ok(reason) => f.write_str(reason.name()),
            Err(_no_failure) => write!(f, "code {}", self.0.code()),
        }
    }
}

#[cfg(test)]
mod tests {
    // A51
    use super::*;

    fn lines(events: &[Event<'_>]) -> Vec<String> {
        let mut report = Report::new(String::new());
        for event in events {
            report.event(event);
        }
        report.console.lines().map(str::to_owned).collect()
    }

    fn progress(total: u32) -> Vec<String> {
        let events: Vec<_> = (1..=total)
            .map(|done| Event::Copied {
                step: Step::Install,
                chunk: done - 1,
                done,
                total,
            })
            .collect();
        lines(&events)
    }

    #[test]
    fn long_installs_get_about_twenty_progress_lines_and_short_ones_all() {
        assert_eq!(progress(1), [":: installing chunk 0: 1 of 1, 100 %"]);
        assert_eq!(progress(7).len(), 7);
        assert_eq!(progress(1000).len(), 20);
    }

    #[test]
    fn record_is_a_table_with_a_line_below() {
        let current = Image {
            len: 1,
            digest: [0xAB; 32],
        };
        let state = State::factory(current, 0);
        let lines = lines(&[
            Event::Entry(1, &state),
            Event::Entry(2, &state),
            Event::Phase(&state),
            Event::Phase(&state),
            Event::Starting { trial: 0, of: 0 },
        ]);
        assert_eq!(
            lines,
            [
                ":: record     phase       image     other     step",
                ":: 00000001   idle        abababab  -         0",
                ":: 00000002   idle        abababab  -         0",
                ":: ------------------------------------------------",
                ":: idle: image abababab, backup: no backup",
                ":: starting",
            ]
        );
    }
}
