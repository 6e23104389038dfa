//! `cargo xtask firmware check`: every device crate builds alone for bare-metal targets. Alone,
//! because a build of the whole workspace may turn a feature of a dependency on for everybody and
//! so hide that a device crate needs the standard library.

mod toolchain;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::process::Program;
use crate::report::{self, Outcome};
use crate::{setup, workspace};

pub(crate) use toolchain::{
    SYSTEM_RUSTC, build as build_toolchain, is_built as toolchain_is_built, rustup_has_targets,
};

/// An Arm Cortex-M4F or M7, and a RISC-V with atomics.
const TARGETS: &[&str] = &["thumbv7em-none-eabihf", "riscv32imac-unknown-none-elf"];

/// Folders whose library crates run on devices.
const DEVICE_FOLDERS: &[&str] = &["core/", "bootloader", "runtime/agent"];

/// The command `firmware check [CRATE…]`: sets up what is missing, then checks.
///
/// # Errors
/// If a crate does not build for a target.
pub(crate) fn check(only: &[&str]) -> Result<()> {
    setup::firmware_only()?;
    match check_installed(only)? {
        Outcome::Done(note) | Outcome::Skipped(note) => report::line(&note),
    }
    Ok(())
}

/// The check itself, with everything in place.
///
/// # Errors
/// If a crate does not build for a target.
pub(crate) fn check_installed(only: &[&str]) -> Result<Outcome> {
    let root = workspace::root();
    let device: Vec<String> = workspace::packages(&root)?
        .into_iter()
        .filter(|p| p.library && DEVICE_FOLDERS.iter().any(|f| p.folder.starts_with(f)))
        .map(|package| package.name)
        .collect();
    if let Some(unknown) = only
        .iter()
        .find(|name| !device.iter().any(|crate_| crate_ == *name))
    {
        bail!(
            "`{unknown}` is no device crate; these are: {}",
            device.join(", ")
        );
    }
    let chosen: Vec<&String> = device
        .iter()
        .filter(|n| only.is_empty() || only.contains(&n.as_str()))
        .collect();
    let mut failed = Vec::new();
    for target in TARGETS {
        for name in &chosen {
            let started = Instant::now();
            match build(name, target) {
                Ok(()) => {
                    let took = report::seconds(started.elapsed());
                    report::line(&format!("    {name} for {target}: builds ({took})"));
                }
                Err(error) => {
                    report::failure(&error);
                    failed.push(format!("{name} for {target}"));
                }
            }
        }
    }
    if !failed.is_empty() {
        bail!("does not build: {}", failed.join(", "));
    }
    Ok(Outcome::Done(format!(
        "{} crates for {} targets",
        chosen.len(),
        TARGETS.len()
    )))
}

fn build(name: &str, target: &str) -> Result<()> {
    let root = workspace::root();
    let mut cargo = Program::cargo()
        .args([
            "build",
            "--quiet",
            "--lib",
            "--no-default-features",
            "--profile",
            "firmware",
        ])
        .args(["-p", name, "--target", target, "--target-dir"])
        .arg(target_folder())
        .folder(&root);
    // The compiler of the host build does not know the target; only this call uses another one.
    if !toolchain::rustup_has(target)? {
        cargo = cargo.env("RUSTC", toolchain::rustc()?);
    }
    cargo
        .run_unannounced()
        .with_context(|| format!("{name} does not build for {target}"))
}

/// A folder of its own, so that neither compiler throws away the other's work.
fn target_folder() -> PathBuf {
    workspace::target_folder(&workspace::root()).join("bare-metal")
}
