//! `cargo xtask bench path`: how fast and how large the programs are, each value beside its limit.
//! It prints and never fails on a slow machine: limits are goals, and a benchmark is no test.
//! `cargo xtask bench layout`: how much of an image changes with its source, see
//! `docs/stable-layout.md`. `cargo xtask bench lsp`: the language server beside others, see
//! `docs/bench-lsp.md`.
//!
//! Linux only, because it reads `/proc`. Everything is measured on the real programs, built for
//! release, in temporary folders.

mod goosebit;
mod http;
mod layout;
mod lsp;
mod lsp_client;
mod lsp_world;
mod manager;
mod running;
mod server;
mod update;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::Program;
use crate::{report, setup, workspace};

/// A measured value beside its limit.
struct Value {
    what: String,
    measured: String,
    limit: String,
    within: Option<bool>,
}

impl Value {
    /// A duration that should not be longer than `limit`.
    fn time(what: &str, measured: Duration, limit: Duration) -> Self {
        Self {
            what: what.to_owned(),
            measured: short(measured),
            limit: short(limit),
            within: Some(measured <= limit),
        }
    }

    /// Memory that should not be more than `limit_mb`.
    fn memory(what: &str, kib: u64, limit_mb: u64) -> Self {
        let bytes = kib.saturating_mul(1024);
        Self {
            what: what.to_owned(),
            measured: format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
            limit: format!("{limit_mb} MB"),
            within: Some(bytes <= limit_mb.saturating_mul(1_000_000)),
        }
    }

    /// A value without a limit.
    fn plain(what: &str, measured: String) -> Self {
        Self {
            what: what.to_owned(),
            measured,
            limit: String::new(),
            within: None,
        }
    }
}

/// The commands `bench path`, `bench layout` and `bench lsp`.
///
/// # Errors
/// If a program does not build, does not start or does not answer.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    match args {
        ["path"] => path(),
        ["layout"] => layout::run(),
        ["lsp"] => lsp::run(None),
        ["lsp", server, otaru] => lsp::run(Some((server, otaru))),
        _ => bail!("usage: cargo xtask bench path|layout|lsp [SERVER OTARU]"),
    }
}

fn path() -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("the benchmark reads /proc and runs on Linux only");
    }
    let programs = build()?;
    let mut values = Vec::new();
    let mut failed = Vec::new();
    for (name, measure) in [
        (
            "device manager",
            manager::measure as fn(&Programs) -> Result<Vec<Value>>,
        ),
        ("language server", server::measure),
        ("an update", update::measure),
        ("goosebit, for comparison", goosebit::measure),
    ] {
        report::line(&format!("\n==> {name}"));
        match measure(&programs) {
            Ok(measured) => values.extend(measured),
            Err(error) => {
                report::failure(&error);
                failed.push(name);
            }
        }
    }
    print(&values);
    if failed.is_empty() {
        return Ok(());
    }
    bail!("could not be measured: {}", failed.join(", "))
}

/// Shows each value beside its limit.
fn print(values: &[Value]) {
    report::line(&format!(
        "\n{:<62} {:>12} {:>10}",
        "value", "measured", "limit"
    ));
    for value in values {
        let mark = match value.within {
            Some(true) => "ok",
            Some(false) => "OVER",
            None => "",
        };
        let row = format!(
            "{:<62} {:>12} {:>10}  {mark}",
            value.what, value.measured, value.limit
        );
        report::line(row.trim_end());
    }
}

/// The programs that are measured.
struct Programs {
    manager: PathBuf,
    otaru: PathBuf,
    python: PathBuf,
}

fn build() -> Result<Programs> {
    let root = workspace::root();
    Program::cargo()
        .args([
            "build",
            "--release",
            "-p",
            "otaru-manager",
            "-p",
            "otaru",
            "--bins",
        ])
        .folder(&root)
        .run()?;
    let release = workspace::target_folder(&root).join("release");
    let python = setup::python_only()?
        .into_iter()
        .find_map(|(name, path)| (name == "OTARU_VENV_PYTHON").then_some(path))
        .context("setup has installed no Python")?;
    Ok(Programs {
        manager: release.join("otaru-manager"),
        otaru: release.join("otaru"),
        python,
    })
}

/// A temporary folder; removed with this value.
struct TempFolder(PathBuf);

impl TempFolder {
    fn create(name: &str) -> Result<Self> {
        let folder =
            std::env::temp_dir().join(format!("otaru-bench-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self(folder))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.0).is_err();
    }
}

/// A duration with three digits: `173 µs`, `12.3 ms`, `1.25 s`.
fn short(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..1_000 => format!("{micros} \u{b5}s"),
        1_000..100_000 => format!("{}.{} ms", micros / 1_000, micros / 100 % 10),
        100_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{}.{:02} s", micros / 1_000_000, micros / 10_000 % 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_about_three_digits() {
        for (micros, expected) in [
            (173, "173 \u{b5}s"),
            (12_345, "12.3 ms"),
            (250_000, "250 ms"),
            (1_254_000, "1.25 s"),
        ] {
            assert_eq!(short(Duration::from_micros(micros)), expected);
        }
    }

    #[test]
    fn a_value_beyond_its_limit_is_marked() {
        assert_eq!(Value::memory("x", 30_000, 30).within, Some(false));
        let limit = Duration::from_millis(2);
        assert_eq!(
            Value::time("x", Duration::from_millis(1), limit).within,
            Some(true)
        );
    }
}
