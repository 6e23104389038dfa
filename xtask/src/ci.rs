//! `cargo xtask ci`: what has to hold before a change is merged. The continuous integration calls
//! this and nothing else.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::process::Program;
use crate::report::{Outcome, Steps};
use crate::{cache, fuzz, report, sim, test, workspace};

const TARGET_MAX_BYTES: u64 = 15 << 30;

/// The command `ci`.
///
/// # Errors
/// If a step fails.
pub(crate) fn run() -> Result<()> {
    drop_old_builds()?;
    let mut steps = Steps::new();
    steps.run("lock file", "git diff Cargo.lock", lock_file);
    steps.run("formatting", "cargo fmt --all -- --check", || {
        cargo(&["fmt", "--all", "--", "--check"])
    });
    steps.run("lints", "cargo clippy --all-targets -- -D warnings", || {
        cargo(&[
            "clippy",
            "--all-targets",
            "--keep-going",
            "--",
            "-D",
            "warnings",
        ])
    });
    steps.run("documentation", "cargo doc --no-deps", || {
        cargo(&["doc", "--no-deps", "--keep-going"])
    });
    test::all(&mut steps);
    steps.run(
        "simulator",
        "cargo xtask sim --seeds 300 --budgets",
        sim::check,
    );
    steps.run("probe", "cargo test -p otaru-probe", || {
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
    steps.run("fuzz", "cargo xtask fuzz --bounded", || {
        cargo(&[
            "clippy",
            "-p",
            "otaru-fuzz",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ])?;
        cargo(&["test", "-p", "otaru-fuzz"])?;
        fuzz::bounded()
    });
    steps.finish()
}

/// Every fresh clone leaves its own build of our crates behind. When they have grown too many, all
/// goes; only a folder of our own cache is ever removed.
fn drop_old_builds() -> Result<()> {
    let target = workspace::target_folder(&workspace::root());
    if !target.starts_with(cache::folder()?) || size(&target) <= TARGET_MAX_BYTES {
        return Ok(());
    }
    report::line(&format!(
        "{} holds more than 15 GiB: starting afresh",
        target.display()
    ));
    std::fs::remove_dir_all(&target).with_context(|| format!("cannot remove {}", target.display()))
}

/// Bytes of all files below a folder; what cannot be read counts as nothing.
fn size(folder: &Path) -> u64 {
    let mut total = 0_u64;
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(data) if data.is_dir() => open.push(entry.path()),
                Ok(data) => total = total.saturating_add(data.len()),
                Err(_) => {}
            }
        }
    }
    total
}

/// In a fresh clone, starting this program has made cargo complete a lock file that lacked something.
fn lock_file() -> Result<Outcome> {
    if std::env::var_os("CI").is_none() {
        return Ok(Outcome::Skipped("no fresh clone".to_owned()));
    }
    let changed = Program::new("git")
        .args(["diff", "--stat", "--", "Cargo.lock"])
        .folder(&workspace::root())
        .output()?;
    if !changed.trim().is_empty() {
        bail!("Cargo.lock is not what the manifests need; run a build and commit it");
    }
    Ok(Outcome::done())
}

fn cargo(args: &[&str]) -> Result<Outcome> {
    Program::cargo()
        .args(args)
        .folder(&workspace::root())
        .run()?;
    Ok(Outcome::done())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_size_of_a_folder_counts_all_levels() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::write(folder.path().join("x"), [0; 10]).unwrap();
        std::fs::write(folder.path().join("a/b/y"), [0; 5]).unwrap();
        assert_eq!(super::size(folder.path()), 15);
        assert_eq!(super::size(&folder.path().join("none")), 0);
    }
}
