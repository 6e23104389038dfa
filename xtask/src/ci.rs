//! `cargo xtask ci`: what has to hold before a change is merged. The continuous integration calls
//! this and nothing else.

use anyhow::Result;

use crate::process::Program;
use crate::report::{Outcome, Steps};
use crate::{test, workspace};

/// Set to `1`, it adds the crate that links probe-rs, which is minutes of compilation.
const PROBE: &str = "OTARU_CI_PROBE";

/// The command `ci`.
///
/// # Errors
/// If a step fails.
pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::new();
    steps.run("formatting", "cargo fmt --all -- --check", || {
        cargo(&["fmt", "--all", "--", "--check"])
    });
    steps.run("lints", "cargo clippy --all-targets -- -D warnings", || {
        cargo(&["clippy", "--all-targets", "--", "-D", "warnings"])
    });
    test::all(&mut steps);
    steps.run("probe", "cargo test -p otaru-probe", || {
        if std::env::var(PROBE).as_deref() != Ok("1") {
            let why = format!("probe-rs takes minutes to compile; {PROBE}=1 includes it");
            return Ok(Outcome::Skipped(why));
        }
        cargo(&[
            "clippy",
            "-p",
            "otaru-probe",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ])?;
        cargo(&["test", "-p", "otaru-probe"])
    });
    steps.finish()
}

fn cargo(args: &[&str]) -> Result<Outcome> {
    Program::cargo()
        .args(args)
        .folder(&workspace::root())
        .run()?;
    Ok(Outcome::done())
}
