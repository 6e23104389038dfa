//! `cargo xtask tidy`: the house rules that no compiler checks. A rule that is worth stating is
//! worth failing the build; each finding says where it is and what to do about it.
//!
//! A line that has to break the rule about words says so in a comment on the same line or the line
//! above: `tidy: allow, because …`.

mod edges;
mod edges_list;
mod files;
mod links;
mod rust_source;
mod tied;
mod words;

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{codegen, report, workspace};

/// One violation of a house rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    file: String,
    line: usize,
    what: String,
    advice: String,
}

impl Finding {
    fn new(file: &str, line: usize, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            what: what.into(),
            advice: advice.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}\n    {}",
            self.file, self.line, self.what, self.advice
        )
    }
}

/// A text file of the project.
pub(crate) struct Text {
    /// Path relative to the root, with `/` between its parts.
    path: String,
    content: String,
}

/// The command `tidy [--quick]`.
///
/// # Errors
/// If a rule is broken.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    if !matches!(args, [] | ["--quick"]) {
        bail!("usage: cargo xtask tidy [--quick]");
    }
    let note = check()?;
    report::line(&format!("tidy: {note}"));
    if args.is_empty() {
        codegen::check()?;
        report::line("tidy: generated files are current");
    }
    Ok(())
}

/// Checks every rule that needs no compiler. That generated files are current is checked by the
/// command above and by the generators themselves, which are tests.
///
/// # Errors
/// If a rule is broken; all findings have been printed.
pub(crate) fn check() -> Result<String> {
    let root = workspace::root();
    let files = workspace::files(&root)?;
    let texts = read(&root, &files)?;
    let packages = workspace::packages(&root)?;
    let mut findings = edges::check(&packages);
    findings.extend(texts.iter().flat_map(files::check));
    findings.extend(texts.iter().flat_map(words::check));
    findings.extend(tied::check(&texts));
    findings.extend(links::check(&texts, &files.into_iter().collect()));
    findings.sort();
    for finding in &findings {
        report::line(&finding.to_string());
    }
    if findings.is_empty() {
        return Ok(format!("{} files, {} crates", texts.len(), packages.len()));
    }
    bail!("{} house rules are broken, see above", findings.len())
}

fn read(root: &Path, files: &[String]) -> Result<Vec<Text>> {
    let mut texts = Vec::new();
    for path in files {
        let bytes =
            std::fs::read(root.join(path)).with_context(|| format!("cannot read {path}"))?;
        // Pictures and test vectors are no text; the rules are about text.
        if let Ok(content) = String::from_utf8(bytes) {
            texts.push(Text {
                path: path.clone(),
                content,
            });
        }
    }
    Ok(texts)
}

#[cfg(test)]
fn text(path: &str, content: &str) -> Text {
    Text {
        path: path.to_owned(),
        content: content.to_owned(),
    }
}
