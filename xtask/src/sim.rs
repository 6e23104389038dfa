//! `cargo xtask sim`: the simulator as a program, always optimised. What it can do is in its own
//! help; this only starts it, and names the bounded part that the continuous integration runs.

use anyhow::Result;

use crate::process::Program;
use crate::report::Outcome;
use crate::workspace;

/// Enough random cases to notice a change that breaks something plainly; a minute at the most.
const CHECKED: &[&str] = &["--seeds", "300", "--budgets"];

/// The command `sim`.
///
/// # Errors
/// If it does not build, or finds a broken promise or budget.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let args = if args.is_empty() { &["--help"] } else { args };
    // Files that are named on the command line are looked for where the caller stands.
    let manifest = workspace::root().join("Cargo.toml");
    Program::cargo()
        .args(["run", "--quiet", "--release", "--manifest-path"])
        .arg(manifest)
        .args(["-p", "otaru-sim-bench", "--"])
        .args(args)
        .run_unannounced()
}

/// Lints and tests of the program, and a bounded run of it.
///
/// # Errors
/// If one of them fails.
pub(crate) fn check() -> Result<Outcome> {
    for args in [
        &[
            "clippy",
            "--release",
            "-p",
            "otaru-sim-bench",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ][..],
        &["test", "--release", "-p", "otaru-sim-bench"],
    ] {
        Program::cargo()
            .args(args)
            .folder(&workspace::root())
            .run()?;
    }
    run(CHECKED)?;
    Ok(Outcome::Done(
        "300 random cases, budgets asserted".to_owned(),
    ))
}
