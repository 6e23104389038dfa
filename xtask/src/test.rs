//! `cargo xtask test`: sets up what is missing, then runs every test of the project: Rust tests,
//! documentation examples, interoperability with third-party programs, device crates on bare-metal
//! targets, the house rules, and the editor extension with its end-to-end tests.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::{Program, find_program};
use crate::report::{Outcome, Steps};
use crate::setup::{self, Environment};
use crate::{firmware, size, tidy, workspace};

/// Stops a test that hangs, and shows the ones that are slow.
const NEXTEST_CONFIG: &str = "xtask/nextest.toml";
/// Judges the stored images with the features of the smallest bootloader.
const DEVICE_FEATURES: &str =
    "cargo test -p otaru-image --no-default-features --features small --test features";

/// The command `test [--quick] [FILTER]`.
///
/// # Errors
/// If a step fails.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let mut steps = Steps::new();
    match args {
        [] => all(&mut steps),
        ["--quick"] => quick(&mut steps),
        ["--quick", filter] | [filter, "--quick"] if !filter.starts_with('-') => {
            steps.run("rust tests", "cargo xtask test --quick FILTER", || {
                rust_tests(&Vec::new(), Ignored::Leave, Some(filter))
            });
        }
        [filter] if !filter.starts_with('-') => {
            let mut environment = Environment::new();
            steps.run("setup", "cargo xtask setup", || set_up(&mut environment));
            steps.run_after(&["setup"], "rust tests", "cargo xtask test FILTER", || {
                rust_tests(&environment, Ignored::Run, Some(filter))
            });
        }
        _ => bail!("usage: cargo xtask test [--quick] [FILTER]"),
    }
    steps.finish()
}

/// Adds every test of the project to `steps`.
pub(crate) fn all(steps: &mut Steps) {
    let mut environment = Environment::new();
    steps.run("tidy", "cargo xtask tidy", tidied);
    steps.run("setup", "cargo xtask setup", || set_up(&mut environment));
    steps.run("build", "cargo build --bins --tests", build);
    steps.run_after(&["build"], "rust tests", "cargo xtask test", || {
        // Without the third-party programs the other tests still tell something.
        let ignored = if environment.is_empty() {
            Ignored::Leave
        } else {
            Ignored::Run
        };
        rust_tests(&environment, ignored, None)
    });
    steps.run("device features", DEVICE_FEATURES, device_features);
    steps.run_after(&["build"], "doc examples", "cargo test --doc", doc_examples);
    steps.run_after(
        &["setup"],
        "firmware check",
        "cargo xtask firmware check",
        || firmware::check_installed(&[]),
    );
    steps.run_after(
        &["setup"],
        "size",
        "cargo xtask size",
        size::check_installed,
    );
    steps.run_after(&["setup"], "interop peers", "cargo xtask test", || {
        interop(&environment)
    });
    let root = workspace::root();
    if root.join("manager/e2e/package.json").exists() {
        let repeat = "npm --prefix manager/e2e test";
        steps.run_after(&["setup", "build"], "web app", repeat, || {
            npm(&root.join("manager/e2e"), "test", &environment)
        });
    }
    let has = |script: &str| has_script(&root, script);
    if !root.join("vscode-extension/package.json").exists() {
        return;
    }
    for (name, script, repeat) in [
        (
            "extension types",
            "typecheck",
            "npm --prefix vscode-extension run typecheck",
        ),
        (
            "extension lints",
            "lint",
            "npm --prefix vscode-extension run lint",
        ),
        (
            "extension tests",
            "test",
            "npm --prefix vscode-extension test",
        ),
        (
            "extension e2e",
            "e2e",
            "npm --prefix vscode-extension run e2e",
        ),
    ] {
        if has(script) {
            steps.run_after(&["setup", "build"], name, repeat, || {
                npm(&root.join("vscode-extension"), script, &environment)
            });
        }
    }
}

/// Adds what needs nothing but cargo.
fn quick(steps: &mut Steps) {
    steps.run("tidy", "cargo xtask tidy", tidied);
    steps.run("build", "cargo build --bins --tests", build);
    steps.run_after(&["build"], "rust tests", "cargo xtask test --quick", || {
        rust_tests(&Vec::new(), Ignored::Leave, None)
    });
    steps.run("device features", DEVICE_FEATURES, device_features);
    steps.run_after(&["build"], "doc examples", "cargo test --doc", doc_examples);
}

fn tidied() -> Result<Outcome> {
    tidy::check().map(Outcome::Done)
}

fn set_up(environment: &mut Environment) -> Result<Outcome> {
    *environment = setup::everything()?;
    Ok(Outcome::done())
}

/// Programs and tests in one go, so that a test that starts one of our programs finds it, and so
/// that every dependency is compiled once, with one set of features.
fn build() -> Result<Outcome> {
    Program::cargo()
        .args(["build", "--bins", "--tests"])
        .folder(&workspace::root())
        .run()?;
    Ok(Outcome::done())
}

/// What to do with tests that need third-party programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ignored {
    Run,
    Leave,
}

fn rust_tests(
    environment: &Environment,
    ignored: Ignored,
    filter: Option<&str>,
) -> Result<Outcome> {
    let mut cargo = Program::cargo().folder(&workspace::root());
    for (name, path) in environment {
        cargo = cargo.env(name, path);
    }
    let with_nextest = find_program("cargo-nextest").is_some();
    if with_nextest {
        cargo = cargo.args(["nextest", "run", "--bins", "--tests", "--no-fail-fast"]);
        cargo = cargo.args(["--config-file", NEXTEST_CONFIG, "--status-level", "slow"]);
        if ignored == Ignored::Run {
            cargo = cargo.args(["--run-ignored", "all"]);
        }
        cargo = cargo.args(filter);
    } else {
        cargo = cargo
            .args(["test", "--bins", "--tests", "--lib", "--no-fail-fast"])
            .args(filter);
        if ignored == Ignored::Run {
            cargo = cargo.args(["--", "--include-ignored"]);
        }
    }
    cargo.run()?;
    Ok(match ignored {
        Ignored::Run => Outcome::Done("with third-party programs".to_owned()),
        Ignored::Leave => Outcome::Done("without third-party programs".to_owned()),
    })
}

/// What devices are built without, which no test of the whole workspace can show: cargo gives a crate
/// the features that anybody in it asks for.
fn device_features() -> Result<Outcome> {
    Program::cargo()
        .args(DEVICE_FEATURES.split(' ').skip(1))
        .folder(&workspace::root())
        .run()?;
    Ok(Outcome::done())
}

fn doc_examples() -> Result<Outcome> {
    Program::cargo()
        .args(["test", "--quiet", "--doc"])
        .folder(&workspace::root())
        .run()?;
    Ok(Outcome::done())
}

/// The third-party programs against each other: what our own tests assume about them is true.
fn interop(environment: &Environment) -> Result<Outcome> {
    let find =
        |(name, path): &(&str, PathBuf)| (*name == "OTARU_VENV_PYTHON").then(|| path.clone());
    let python = environment
        .iter()
        .find_map(find)
        .context("setup has installed no Python")?;
    let mut pytest = Program::new(python).args(["-m", "pytest", "--quiet", "tests/interop"]);
    for (name, path) in environment {
        pytest = pytest.env(name, path);
    }
    pytest.folder(&workspace::root()).run()?;
    Ok(Outcome::done())
}

fn has_script(root: &Path, script: &str) -> bool {
    let text = std::fs::read_to_string(root.join("vscode-extension/package.json"));
    let manifest = text.ok().and_then(|text| serde_json::from_str(&text).ok());
    manifest.is_some_and(|manifest: serde_json::Value| manifest["scripts"][script].is_string())
}

/// Runs a script of a folder with npm packages, on the programs that were just built.
fn npm(folder: &Path, script: &str, environment: &Environment) -> Result<Outcome> {
    let built = workspace::target_folder(&workspace::root()).join("debug");
    let program = |name: &str| built.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let mut npm = Program::new("npm")
        .args(["run", "--silent", script])
        .env("OTARU", program("otaru"))
        .env("OTARU_MANAGER_BIN", program("otaru-manager"));
    for (name, path) in environment {
        npm = npm.env(name, path);
        if *name == "OTARU_CHROMIUM" {
            npm = npm.env("CHROMIUM", path);
        }
    }
    npm.folder(folder).run()?;
    Ok(Outcome::done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_found_only_where_the_manifest_lists_it() {
        let root = tempfile::tempdir().unwrap();
        assert!(!has_script(root.path(), "test"));
        std::fs::create_dir(root.path().join("vscode-extension")).unwrap();
        let manifest = root.path().join("vscode-extension/package.json");
        std::fs::write(&manifest, r#"{"scripts":{"test":"node --test"}}"#).unwrap();
        assert!(has_script(root.path(), "test"));
        assert!(!has_script(root.path(), "e2e"));
    }

    #[test]
    fn unknown_flags_are_refused() {
        assert!(run(&["--quik"]).is_err());
    }
}
