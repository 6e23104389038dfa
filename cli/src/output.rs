//! The one place that prints.
//!
//! Results go to standard output, everything that tells how the work goes to standard error. With
//! `--json` standard output carries one JSON object a line, each with a `type`, and nothing else;
//! an error is the last of them.

use crate::failure::{Exit, Failure, FileProblems};
use otaru_lsp_project::{LineIndex, Severity};
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

/// Colours and marks, as the terminal allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// It went well.
    Good,
    /// Look at it.
    Odd,
    /// It went wrong.
    Bad,
    /// Less important.
    Quiet,
    /// A heading.
    Strong,
}

/// Where output goes and how it looks.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    json: bool,
    colours_out: bool,
    colours_err: bool,
}

impl Output {
    /// As the command line and the terminal say.
    pub(crate) fn new(json: bool) -> Self {
        let allowed = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            json,
            colours_out: allowed && std::io::stdout().is_terminal(),
            colours_err: allowed && std::io::stderr().is_terminal(),
        }
    }

    /// Whether programs read the output.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// A result: a line for people, an object for programs.
    pub(crate) fn result(&self, kind: &str, text: &str, object: Value) {
        if self.json {
            self.object(kind, object);
        } else {
            print_line(text);
        }
    }

    /// An object for programs; people do not see it.
    pub(crate) fn object(&self, kind: &str, mut object: Value) {
        if !self.json {
            return;
        }
        object["type"] = json!(kind);
        print_line(&object.to_string());
    }

    /// A line for people among the results; programs do not see it.
    pub(crate) fn text(&self, text: &str) {
        if !self.json {
            print_line(text);
        }
    }

    /// A line that tells how the work goes; programs get objects instead.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            let mut err = std::io::stderr().lock();
            writeln!(err, "{text}").unwrap_or_default();
        }
    }

    /// Raw bytes for people, as a device's console has them.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        if self.json {
            return;
        }
        let mut out = std::io::stdout().lock();
        out.write_all(bytes)
            .and_then(|()| out.flush())
            .unwrap_or_default();
    }

    /// A warning.
    pub(crate) fn warning(&self, text: &str) {
        self.object("warning", json!({ "message": text }));
        if !self.json {
            self.note(&format!("{} {text}", self.paint_err(Tone::Odd, "warning:")));
        }
    }

    /// Columns, aligned; the last one is not padded. Programs get one object per row.
    pub(crate) fn table(&self, kind: &str, headings: &[&str], rows: &[Vec<String>]) {
        if self.json {
            for row in rows {
                let object: serde_json::Map<String, Value> = headings
                    .iter()
                    .zip(row)
                    .map(|(heading, cell)| (heading.replace(' ', "_"), json!(cell)))
                    .collect();
                self.object(kind, Value::Object(object));
            }
            return;
        }
        for (index, line) in columns(headings, rows).iter().enumerate() {
            match index {
                0 => print_line(&self.paint(Tone::Quiet, line)),
                _ => print_line(line),
            }
        }
    }

    /// How a command ended that did not end well.
    pub(crate) fn failure(&self, failure: &Failure) {
        if let Some(file) = &failure.problems {
            self.problems(file);
        }
        if self.json {
            let object = json!({
                "code": failure.code,
                "message": failure.message,
                "causes": failure.causes,
                "hint": failure.hint,
                "exit_code": failure.exit.code(),
            });
            self.object("error", object);
            return;
        }
        self.note(&format!(
            "{} {}",
            self.paint_err(Tone::Bad, "error:"),
            failure.message
        ));
        for cause in &failure.causes {
            self.note(&format!("  because: {cause}"));
        }
        if let Some(hint) = &failure.hint {
            self.note(&format!(
                "  {} {hint}",
                self.paint_err(Tone::Quiet, "next:")
            ));
        }
    }

    /// Problems of a file, each with the line it is about.
    pub(crate) fn problems(&self, file: &FileProblems) {
        let index = LineIndex::new(&file.text);
        for problem in &file.problems {
            let at = index.position(problem.span.start);
            let severity = match problem.severity {
                Severity::Error => ("error", Tone::Bad),
                Severity::Warning => ("warning", Tone::Odd),
            };
            if self.json {
                self.object(
                    "problem",
                    json!({
                        "code": problem.code.as_str(),
                        "severity": severity.0,
                        "file": file.path,
                        "line": at.line + 1,
                        "column": at.chars + 1,
                        "message": problem.message,
                        "hint": problem.hint,
                    }),
                );
                continue;
            }
            let name = file
                .path
                .file_name()
                .map_or_else(String::new, |n| n.to_string_lossy().into());
            let head = self.paint_err(
                severity.1,
                &format!("{}[{}]:", severity.0, problem.code.as_str()),
            );
            let number = (at.line + 1).to_string();
            let gutter = " ".repeat(number.len());
            let width = file.text.get(problem.span.clone()).map_or(1, |text| {
                text.lines().next().unwrap_or("").chars().count().max(1)
            });
            let indent = " ".repeat(usize::try_from(at.chars).unwrap_or(0));
            let marks = self.paint_err(severity.1, &"^".repeat(width));
            let hint = problem.hint.as_deref().unwrap_or("");
            self.note(&format!("{head} {}", problem.message));
            self.note(&format!("{gutter}--> {name}:{number}:{}", at.chars + 1));
            self.note(&format!("{number} | {}", index.line(at.line)));
            self.note(format!("{gutter} | {indent}{marks} {hint}").trim_end());
            self.note("");
        }
    }

    /// Text in a colour for standard output.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        paint(self.colours_out, tone, text)
    }

    /// Text in a colour for standard error.
    pub(crate) fn paint_err(&self, tone: Tone, text: &str) -> String {
        paint(self.colours_err, tone, text)
    }
}

/// A line on standard output. A reader that has gone away is no error.
fn print_line(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .unwrap_or_default();
}

/// What the parser of the command line has to say: help, the version, or what is wrong.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Nobody is left to be told that telling failed.
    error.print().unwrap_or_default();
    let asked_for = [
        clap::error::ErrorKind::DisplayHelp,
        clap::error::ErrorKind::DisplayVersion,
    ];
    if asked_for.contains(&error.kind()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(Exit::Usage.code())
    }
}

fn paint(colours: bool, tone: Tone, text: &str) -> String {
    let code = match tone {
        _ if !colours => return text.to_owned(),
        Tone::Good => "32",
        Tone::Odd => "33",
        Tone::Bad => "31;1",
        Tone::Quiet => "2",
        Tone::Strong => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// Lines with aligned columns; the first is the headings.
fn columns(headings: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let heading: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&heading).chain(rows).collect();
    let widths: Vec<usize> = (0..headings.len())
        .map(|column| {
            all.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    all.iter()
        .map(|row| {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| {
                    format!(
                        "{cell}{}",
                        " ".repeat(width.saturating_sub(cell.chars().count()))
                    )
                })
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}

/// A number with thousands apart: `742,912`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            vec!["lamp".to_owned(), "1.0.0+1".to_owned(), "online".to_owned()],
            vec!["küche-größer".to_owned(), "–".to_owned(), String::new()],
        ];
        assert_eq!(
            columns(&["device", "version", "state"], &rows),
            [
                "device        version  state",
                "lamp          1.0.0+1  online",
                "küche-größer  –",
            ]
        );
    }

    #[test]
    fn numbers_have_their_thousands_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn without_colours_text_stays_as_it_is() {
        assert_eq!(paint(false, Tone::Bad, "x"), "x");
        assert_eq!(paint(true, Tone::Bad, "x"), "\u{1b}[31;1mx\u{1b}[0m");
    }
}
