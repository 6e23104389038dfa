//! What a person sees: the only module that prints. Steps with their durations and, at the end, a
//! table of them with the command that repeats each one that failed.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Prints one line for people.
#[expect(clippy::print_stdout, reason = "this module is the program's output")]
pub(crate) fn line(text: &str) {
    println!("{text}");
    // A reader behind a pipe should see progress, and a closed pipe is no reason to stop working.
    let _closed_pipe_is_fine = std::io::stdout().flush().is_err();
}

/// Prints an error with its causes.
#[expect(clippy::print_stderr, reason = "this module is the program's output")]
pub(crate) fn failure(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}

/// How a step that did not fail went.
pub(crate) enum Outcome {
    /// It did its work; the text says what, and may be empty.
    Done(String),
    /// It had nothing to do; the text says why.
    Skipped(String),
}

impl Outcome {
    /// Finished, with nothing to add.
    pub(crate) fn done() -> Self {
        Self::Done(String::new())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passed,
    Skipped,
    Failed,
}

struct Row {
    name: &'static str,
    verdict: Verdict,
    note: String,
    took: Duration,
    repeat: &'static str,
}

/// Runs steps one after the other, goes on after a failure where that makes sense, and sums up.
pub(crate) struct Steps {
    started: Instant,
    rows: Vec<Row>,
}

impl Steps {
    /// No step has run.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            rows: Vec::new(),
        }
    }

    /// Runs one step. `repeat` is the command that runs it alone.
    pub(crate) fn run(
        &mut self,
        name: &'static str,
        repeat: &'static str,
        work: impl FnOnce() -> Result<Outcome>,
    ) {
        line(&format!("\n==> {name}"));
        let started = Instant::now();
        let (verdict, note) = match work() {
            Ok(Outcome::Done(note)) => (Verdict::Passed, note),
            Ok(Outcome::Skipped(why)) => (Verdict::Skipped, why),
            Err(error) => {
                failure(&error);
                (
                    Verdict::Failed,
                    error.to_string().lines().next().unwrap_or("").to_owned(),
                )
            }
        };
        let took = started.elapsed();
        let word = match verdict {
            Verdict::Passed => "done",
            Verdict::Skipped => "skipped",
            Verdict::Failed => "FAILED",
        };
        let colon = if note.is_empty() { "" } else { ": " };
        line(&format!(
            "<== {name} {word} in {}{colon}{note}",
            seconds(took)
        ));
        self.rows.push(Row {
            name,
            verdict,
            note,
            took,
            repeat,
        });
    }

    /// Runs one step unless one of the steps it `needs` failed.
    pub(crate) fn run_after(
        &mut self,
        needs: &[&'static str],
        name: &'static str,
        repeat: &'static str,
        work: impl FnOnce() -> Result<Outcome>,
    ) {
        let broken = |row: &&Row| needs.contains(&row.name) && row.verdict == Verdict::Failed;
        if let Some(need) = self.rows.iter().find(broken) {
            let note = format!("not run, because `{}` failed", need.name);
            line(&format!("\n==> {name}\n<== {note}"));
            let row = Row {
                name,
                verdict: Verdict::Failed,
                note,
                took: Duration::ZERO,
                repeat,
            };
            self.rows.push(row);
        } else {
            self.run(name, repeat, work);
        }
    }

    /// Prints the table.
    ///
    /// # Errors
    /// If a step failed; the error names the steps and how to repeat them.
    pub(crate) fn finish(self) -> Result<()> {
        line(&format!("\n{}", self.table()));
        let failed: Vec<&Row> = self
            .rows
            .iter()
            .filter(|r| r.verdict == Verdict::Failed)
            .collect();
        if failed.is_empty() {
            line("everything passed");
            return Ok(());
        }
        let mut text = format!(
            "{} of {} steps failed; to repeat",
            failed.len(),
            self.rows.len()
        );
        for row in failed {
            write!(text, "\n  {:<18} {}", row.name, row.repeat)?;
        }
        bail!(text)
    }

    fn table(&self) -> String {
        let mut table = format!("{:<22} {:<8} {:>9}  note\n", "step", "result", "time");
        for row in &self.rows {
            let verdict = match row.verdict {
                Verdict::Passed => "ok",
                Verdict::Skipped => "skipped",
                Verdict::Failed => "FAILED",
            };
            let entry = format!(
                "{:<22} {verdict:<8} {:>9}  {}",
                row.name,
                seconds(row.took),
                row.note
            );
            table.push_str(entry.trim_end());
            table.push('\n');
        }
        let total = format!(
            "{:<22} {:<8} {:>9}",
            "total",
            "",
            seconds(self.started.elapsed())
        );
        table.push_str(&total);
        table
    }
}

/// A duration as people read it: `0.4 s`, `12 s`, `3 min 05 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    match whole {
        0..=9 => format!("{:.1} s", duration.as_secs_f64()),
        10..=119 => format!("{whole} s"),
        _ => format!("{} min {:02} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        for (millis, expected) in [(40, "0.0 s"), (950, "0.9 s"), (12_300, "12 s")] {
            assert_eq!(seconds(Duration::from_millis(millis)), expected);
        }
        assert_eq!(seconds(Duration::from_secs(185)), "3 min 05 s");
    }

    #[test]
    fn a_failed_step_fails_the_whole_and_names_its_command() {
        let mut steps = Steps::new();
        steps.run("good", "cargo xtask good", || Ok(Outcome::done()));
        steps.run("bad", "cargo xtask bad", || bail!("broken"));
        let error = steps.finish().expect_err("a step failed").to_string();
        assert!(
            error.contains("1 of 2") && error.contains("cargo xtask bad"),
            "{error}"
        );
        assert!(!error.contains("cargo xtask good"), "{error}");
    }

    #[test]
    fn a_step_whose_need_failed_is_not_run_and_counts_as_failed() {
        let mut steps = Steps::new();
        steps.run("build", "b", || bail!("broken"));
        steps.run_after(&["build"], "test", "t", || unreachable!("must not run"));
        steps.run_after(&["other"], "tidy", "y", || {
            Ok(Outcome::Skipped("nothing".to_owned()))
        });
        let table = steps.table();
        assert!(table.contains("not run, because `build` failed"), "{table}");
        assert!(steps.finish().is_err());
    }

    #[test]
    fn skipped_steps_do_not_fail_the_whole() {
        let mut steps = Steps::new();
        steps.run("probe", "p", || {
            Ok(Outcome::Skipped("not asked for".to_owned()))
        });
        assert!(steps.finish().is_ok());
    }
}
