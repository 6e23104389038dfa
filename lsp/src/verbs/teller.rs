//! Turns what the backend tells into news for the workspace.

use super::News;
use crate::convert::SOURCE;
use crate::protocol::Built;
use crate::update::ActionNews;
use otaru_lsp_build::cargo::{self, Level, Overflow};
use otaru_lsp_build::manager::{Action, ActionStatus};
use otaru_lsp_build::{JobEvent, Phase};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tower_lsp::ls_types::{Diagnostic, DiagnosticSeverity, NumberOrString, Position, Range};

/// Passes events on as news.
pub(super) struct Teller<'t> {
    pub(super) tell: &'t (dyn Fn(News) + Send + Sync),
    /// The actions of the running update, by id.
    pub(super) actions: Mutex<BTreeMap<String, Action>>,
}

impl<'t> Teller<'t> {
    pub(super) fn new(tell: &'t (dyn Fn(News) + Send + Sync)) -> Self {
        Self {
            tell,
            actions: Mutex::default(),
        }
    }

    pub(super) fn event(&self, event: JobEvent) {
        match event {
            JobEvent::Phase(phase) => {
                if let Some(step) = step(phase) {
                    (self.tell)(News::Step(step.to_owned()));
                }
            }
            JobEvent::Progress { phase, done, total } => self.progress(phase, done, total),
            JobEvent::Line(line) => (self.tell)(News::Output(line)),
            JobEvent::Warning(text) => (self.tell)(News::Output(format!("warning: {text}"))),
            JobEvent::Finished { summary, .. } => (self.tell)(News::Output(summary)),
            JobEvent::Diagnostic(found) => self.finding(&found),
            JobEvent::Action(action) => self.action(*action),
            JobEvent::Built(image) => (self.tell)(News::Built(Built {
                version: image.label,
                digest: image.digest,
                size: u32::try_from(image.size).unwrap_or(u32::MAX),
            })),
            // The image with the new number follows, and is what the editor shows.
            JobEvent::NumberTaken { .. } => {}
        }
    }

    fn progress(&self, phase: Phase, done: u64, total: Option<u64>) {
        let (Some(total), Some(step)) = (total.filter(|total| *total > 0), step(phase)) else {
            return;
        };
        let percent = done.saturating_mul(100) / total;
        let percent = u8::try_from(percent.min(100)).unwrap_or(100);
        if phase == Phase::Upload {
            (self.tell)(News::Uploading(percent));
        }
        (self.tell)(News::Progress {
            step: step.to_owned(),
            percent,
        });
    }

    fn finding(&self, found: &cargo::Diagnostic) {
        let shown = found
            .rendered
            .clone()
            .unwrap_or_else(|| found.place_and_message());
        for line in shown.trim_end().lines() {
            (self.tell)(News::Output(line.to_owned()));
        }
        if found.file.is_none() {
            self.too_large(&shown);
        }
        // Warnings belong to the editor's own Rust server; of errors it may not know, because it
        // checks another profile.
        let (Level::Error, Some(file)) = (found.level, &found.file) else {
            return;
        };
        let diagnostic = Diagnostic {
            range: range_of(found, &std::fs::read_to_string(file).unwrap_or_default()),
            severity: Some(DiagnosticSeverity::ERROR),
            code: found.code.clone().map(NumberOrString::String),
            source: Some(SOURCE.to_owned()),
            message: found.message.clone(),
            ..Diagnostic::default()
        };
        (self.tell)(News::Finding {
            file: file.clone(),
            diagnostic: Box::new(diagnostic),
        });
    }

    /// A linker points at no line of the program: what does not fit, does not fit the board.
    fn too_large(&self, text: &str) {
        for overflow in cargo::overflows(text) {
            let Overflow { region, bytes, .. } = &overflow;
            let message = if overflow.is_memory() {
                format!(
                    "the firmware needs {bytes} bytes more memory than {region} of this board has"
                )
            } else {
                format!(
                    "the firmware is {bytes} bytes too large for the execution slot of this board \
                     ({region})"
                )
            };
            (self.tell)(News::TooLarge {
                code: "region-overflow",
                message,
            });
        }
    }

    fn action(&self, action: Action) {
        let mut actions = self.actions.lock().unwrap_or_else(PoisonError::into_inner);
        actions.insert(action.id.clone(), action);
        let Some(slowest) = slowest(actions.values()) else {
            return;
        };
        let news = ActionNews {
            status: slowest.status.as_str().to_owned(),
            phase: slowest.phase.clone(),
            percent: slowest.percent,
            reason: slowest.reason.clone(),
            message: slowest.message.clone(),
        };
        if !slowest.status.is_final() {
            let step = news.phase.clone().unwrap_or_else(|| news.status.clone());
            (self.tell)(match news.percent {
                Some(percent) => News::Progress { step, percent },
                None => News::Step(step),
            });
        }
        (self.tell)(News::Action(news));
    }
}

/// The action that a person waits for: the least advanced one that still runs. When all have ended,
/// one that failed speaks for all.
fn slowest<'a>(actions: impl Iterator<Item = &'a Action>) -> Option<&'a Action> {
    actions.min_by_key(|action| match action.status {
        ActionStatus::Pending | ActionStatus::Unknown => 0,
        ActionStatus::Canceling => 1,
        ActionStatus::Downloading => 2,
        ActionStatus::Verifying => 3,
        ActionStatus::Parked => 4,
        ActionStatus::Installing => 5,
        ActionStatus::Trial => 6,
        ActionStatus::Reverted => 7,
        ActionStatus::Failed => 8,
        ActionStatus::TimedOut => 9,
        ActionStatus::Canceled => 10,
        ActionStatus::Succeeded => 11,
    })
}

/// What a phase is called on the screen. The update's own phases come with its actions.
const fn step(phase: Phase) -> Option<&'static str> {
    Some(match phase {
        Phase::Compile => "compiling",
        Phase::Pack => "packing and signing",
        Phase::Upload => "uploading",
        Phase::Flash => "flashing",
        Phase::Erase => "erasing",
        Phase::Provision => "provisioning",
        Phase::Update => return None,
    })
}

/// The compiler counts lines and characters from one, editors UTF-16 units from zero.
fn range_of(found: &cargo::Diagnostic, text: &str) -> Range {
    let [first_line, first_column, last_line, last_column] = found.range;
    let place = |line: u32, column: u32| {
        let line = line.saturating_sub(1);
        let characters = column.saturating_sub(1);
        let content = text.lines().nth(line as usize).unwrap_or_default();
        let taken = content.chars().take(characters as usize);
        let units = taken.clone().map(char::len_utf16).sum::<usize>();
        let character = match u32::try_from(taken.count()) {
            Ok(count) if count == characters => u32::try_from(units).unwrap_or(u32::MAX),
            // The file has changed, or cannot be read: the compiler's own count has to do.
            _ => characters,
        };
        Position { line, character }
    };
    Range {
        start: place(first_line, first_column),
        end: place(last_line, last_column),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(range: [u32; 4]) -> cargo::Diagnostic {
        cargo::Diagnostic {
            level: Level::Error,
            code: None,
            message: String::new(),
            file: None,
            range,
            rendered: None,
        }
    }

    #[test]
    fn columns_behind_an_emoji_are_counted_in_utf16() {
        let text = "fn main() {\r\n    let 😀 = x;\r\n}\r\n";
        let range = range_of(&found([2, 13, 2, 14]), text);
        assert_eq!(
            range.start,
            Position {
                line: 1,
                character: 13
            }
        );
        assert_eq!(
            range.end,
            Position {
                line: 1,
                character: 14
            }
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_keeps_the_compilers_columns() {
        let range = range_of(&found([7, 3, 8, 1]), "");
        assert_eq!(
            range.start,
            Position {
                line: 6,
                character: 2
            }
        );
        assert_eq!(
            range.end,
            Position {
                line: 7,
                character: 0
            }
        );
    }
}
