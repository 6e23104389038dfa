//! What the bootloader does, as lines for the console.

use otaru_bootloader::{Event, Recovery, Step, Work};
use otaru_ddi::Reason;
use otaru_flash::DeviceBlock;
use otaru_record::{Backup, Cause, Image, Phase, State};

/// Most progress lines of one install.
const PROGRESS_LINES: u32 = 20;

/// Turns events into lines.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Whether the table of the record was begun.
    in_table: bool,
    phase: Option<Phase>,
}

impl Report {
    /// The lines for one event, without the mark of the bootloader.
    pub(super) fn lines(&mut self, event: &Event<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        let is_entry = matches!(event, Event::Entry(..));
        if is_entry && !self.in_table {
            lines.push("record     phase       image     other     step".to_owned());
        } else if self.in_table && !is_entry {
            lines.push("-".repeat(48));
        }
        self.in_table = is_entry;
        match event {
            Event::Board(block) => lines.extend(board(block)),
            Event::Entry(sequence, state) => lines.push(entry(*sequence, state)),
            Event::RecordLost => {
                lines.push("the record is lost: making a new one from what stands here".to_owned());
            }
            Event::RecordUnwritable => lines.push(
                "the record cannot be written: starting the confirmed image, without updates"
                    .to_owned(),
            ),
            Event::Phase(state) => {
                if self.phase.replace(state.phase()) != Some(state.phase()) {
                    lines.push(phase(state));
                }
            }
            Event::Begin(Work::Verify(slot)) => lines.push(format!("verifying {}", slot.name())),
            Event::Begin(Work::Compare) => lines.push("comparing the two images".to_owned()),
            Event::Copied {
                step,
                chunk,
                done,
                total,
            } => lines.extend(copied(*step, *chunk, *done, *total)),
            Event::Healing => {
                lines
                    .push("the execution slot is damaged: restoring it from its backup".to_owned());
            }
            Event::Ended(cause) => lines.push(format!("update ended: {}", reason(*cause))),
            Event::Starting { trial: 0, .. } => lines.push("starting".to_owned()),
            Event::Starting { trial, of } => {
                lines.push(format!("starting on trial, start {trial} of {of}"));
            }
            Event::Stopped(recovery) => lines.extend(stopped(**recovery)),
        }
        lines
    }
}

fn board(block: &DeviceBlock) -> [String; 2] {
    let mode = block.layout.mode.name();
    let watchdog = match block.watchdog_ms {
        0 => "off".to_owned(),
        ms => format!("{ms} ms"),
    };
    [
        format!("board {}, mode {mode}", block.name()),
        format!("watchdog {watchdog}"),
    ]
}

/// The first four bytes of an image's digest.
fn short(image: &Image) -> String {
    if !image.exists() {
        return "-".to_owned();
    }
    let [a, b, c, d, ..] = image.digest;
    format!("{a:02x}{b:02x}{c:02x}{d:02x}")
}

fn entry(sequence: u32, state: &State) -> String {
    format!(
        "{sequence:08}   {:<10}  {:<8}  {:<8}  {}",
        state.phase().name(),
        short(&state.current()),
        short(&state.other()),
        state.step()
    )
}

fn phase(state: &State) -> String {
    let name = state.phase().name();
    match state.phase() {
        Phase::Idle | Phase::Receiving | Phase::Parked => {
            let backup = match state.backup() {
                Backup::None => "no backup",
                Backup::Copy(slot) => slot.name(),
                Backup::Permuted => "the secondary slot",
            };
            format!(
                "{name}: image {}, backup: {backup}",
                short(&state.current())
            )
        }
        Phase::Requested => {
            let (from, to) = (short(&state.current()), short(&state.other()));
            format!("{name}: {from} to {to}, update {}", state.attempt())
        }
        Phase::Installing | Phase::Reverting => {
            let resets = match state.cuts() {
                0 => String::new(),
                1 => ", after 1 reset".to_owned(),
                more => format!(", after {more} resets"),
            };
            let chunks = state.differing.len();
            format!(
                "{name}: {chunks} chunks differ, at step {}{resets}",
                state.step()
            )
        }
        Phase::Installed | Phase::Trial | Phase::Refused => {
            let (used, of) = (state.trials_used(), state.trials_allowed());
            format!(
                "{name}: image {}, start {used} of {of}",
                short(&state.other())
            )
        }
    }
}

/// A line for about every twentieth part of the work.
fn copied(step: Step, chunk: u32, done: u32, total: u32) -> Option<String> {
    let part = |n: u32| n.saturating_mul(PROGRESS_LINES).checked_div(total);
    if part(done) == part(done.saturating_sub(1)) && done != total {
        return None;
    }
    let what = match step {
        Step::Save => "saving",
        Step::Install => "installing",
        Step::Restore => "restoring",
    };
    let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
    Some(format!(
        "{what} chunk {chunk}: {done} of {total}, {percent} %"
    ))
}

fn reason(cause: Cause) -> String {
    match Reason::try_from(cause.code()) {
        Ok(reason) => reason.name().to_owned(),
        Err(_no_failure) => format!("code {}", cause.code()),
    }
}

fn stopped(recovery: Recovery) -> [String; 2] {
    let why = match recovery {
        Recovery::NoImage(cause) => format!("no image that may run ({})", reason(cause)),
        Recovery::DeviceBlock(_)
        | Recovery::FlashRead
        | Recovery::Record(_)
        | Recovery::RecordWrite
        | Recovery::Buffer
        | Recovery::Requested => recovery.to_string(),
    };
    let wait = match recovery {
        Recovery::NoImage(_) | Recovery::Requested => {
            "recovery: waiting for an image on this console, for example `smpmgr image upload`"
        }
        Recovery::DeviceBlock(_)
        | Recovery::FlashRead
        | Recovery::Record(_)
        | Recovery::RecordWrite
        | Recovery::Buffer => "recovery: waiting for a debug probe, for example `otaru flash`",
    };
    [format!("nothing to start: {why}"), wait.to_owned()]
}

#[cfg(test)]
mod tests {
    // A51
    use super::*;

    fn progress(total: u32) -> Vec<String> {
        let mut report = Report::default();
        (1..=total)
            .flat_map(|done| {
                report.lines(&Event::Copied {
                    step: Step::Install,
                    chunk: done - 1,
                    done,
                    total,
                })
            })
            .collect()
    }

    #[test]
    fn long_installs_get_about_twenty_progress_lines_and_short_ones_all() {
        assert_eq!(progress(1), ["installing chunk 0: 1 of 1, 100 %"]);
        assert_eq!(progress(7).len(), 7);
        let long = progress(1000);
        assert_eq!(long.len(), 20);
        assert_eq!(long[19], "installing chunk 999: 1000 of 1000, 100 %");
    }

    #[test]
    fn record_is_a_table_with_a_line_below() {
        let state = State::factory(
            Image {
                len: 1,
                digest: [0xAB; 32],
            },
            0,
        );
        let mut report = Report::default();
        let mut lines = report.lines(&Event::Entry(1, &state));
        lines.extend(report.lines(&Event::Entry(2, &state)));
        lines.extend(report.lines(&Event::Phase(&state)));
        lines.extend(report.lines(&Event::Phase(&state)));
        lines.extend(report.lines(&Event::Starting { trial: 0, of: 0 }));
        assert_eq!(
            lines,
            [
                "record     phase       image     other     step",
                "00000001   idle        abababab  -         0",
                "00000002   idle        abababab  -         0",
                "------------------------------------------------",
                "idle: image abababab, backup: no backup",
                "starting",
            ]
        );
    }
}
