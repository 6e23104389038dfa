//! `cargo xtask firmware build`: the bootloader of a board, and
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
    SYSTEM_RUSTC, build as build_toolchain, is_built as toolchain_is_built, rustc,
    rustup_has_targets,
};

/// The compiler that builds for the machine that QEMU emulates.
///
/// # Errors
/// If there is no compiler on the search path.
pub(crate) fn emulated_compiler() -> Result<PathBuf> {
    if toolchain::rustup_has(EMULATED)? {
        return toolchain::rustup_rustc();
    }
    toolchain::rustc()
}

/// An Arm Cortex-M4F or M7, and a RISC-V with atomics.
const TARGETS: &[&str] = &[CORTEX_M, EMULATED];
const CORTEX_M: &str = "thumbv7em-none-eabihf";
const EMULATED: &str = "riscv32imac-unknown-none-elf";
/// An Arm Cortex-M0. Bootloaders only: what needs a network or a VM has no room on such a chip.
const CORTEX_M0: &str = "thumbv6m-none-eabi";

/// The boards with a bootloader, and what it is built for.
const BOARDS: &[(&str, &str)] = &[
    ("nrf52840", CORTEX_M),
    ("microbit", CORTEX_M0),
    ("qemu-virt", EMULATED),
];

/// Folders whose library crates run on devices.
const DEVICE_FOLDERS: &[&str] = &[
    "core/",
    "bootloader",
    "runtime/agent",
    "runtime/data",
    "runtime/fota",
    "runtime/vm",
];
/// What bytecode for the VM is built for.
pub(crate) const GUEST_TARGET: &str = "wasm32-unknown-unknown";

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
    if only.is_empty() {
        for (board, _) in BOARDS {
            let started = Instant::now();
            Bootloader::of(board)?.build()?;
            let took = report::seconds(started.elapsed());
            report::line(&format!("    bootloader of {board}: builds ({took})"));
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

/// The command `firmware build BOARD`.
///
/// # Errors
/// If there is no such board with a bootloader, or it does not build.
pub(crate) fn build_board(board: &str) -> Result<()> {
    setup::firmware_only()?;
    let program = Bootloader::of(board)?.build()?;
    report::line(&format!("    {}", program.display()));
    Ok(())
}

/// A bootloader to be built: a board, and how.
pub(crate) struct Bootloader {
    package: String,
    target: &'static str,
    features: Option<String>,
    stack_sizes: bool,
}

impl Bootloader {
    /// The bootloader of a board, with its default features.
    ///
    /// # Errors
    /// If there is no such board with a bootloader for bare metal.
    pub(crate) fn of(board: &str) -> Result<Self> {
        let (_, target) = BOARDS
            .iter()
            .find(|(name, _)| *name == board)
            .with_context(|| format!("boards/{board} holds no bootloader for bare metal"))?;
        Ok(Self {
            package: format!("otaru-board-{board}"),
            target,
            features: None,
            stack_sizes: false,
        })
    }

    /// What it is built for.
    pub(crate) fn target(&self) -> &'static str {
        self.target
    }

    /// The same with these features instead of the default ones.
    pub(crate) fn features(mut self, features: &str) -> Self {
        self.features = Some(features.to_owned());
        self
    }

    /// The same with a section that says how much stack each function needs.
    pub(crate) fn with_stack_sizes(mut self) -> Self {
        self.stack_sizes = true;
        self
    }

    /// Builds it with everything in place, and returns where it is.
    ///
    /// # Errors
    /// If it does not build.
    pub(crate) fn build(&self) -> Result<PathBuf> {
        let target = self.target;
        let mut cargo = Program::cargo()
            .args([
                "build",
                "--quiet",
                "--profile",
                "firmware",
                "--target",
                target,
            ])
            .args(["-p", &self.package, "--target-dir"])
            .arg(target_folder())
            .folder(&workspace::root());
        if let Some(features) = &self.features {
            cargo = cargo.args(["--no-default-features", "--features", features]);
        }
        if self.stack_sizes {
            // Joined with the flags of .cargo/config.toml; an environment variable would replace
            // them. The flag is one of the compiler's unstable ones, hence the second line.
            let flag = format!("target.{target}.rustflags=[\"-Zemit-stack-sizes\"]");
            cargo = cargo.args(["--config", &flag]);
            cargo = cargo.env("RUSTC_BOOTSTRAP", "1");
        }
        if !toolchain::rustup_has(target)? {
            cargo = cargo.env("RUSTC", toolchain::rustc()?);
        }
        cargo
            .run_unannounced()
            .with_context(|| format!("{} does not build for {target}", self.package))?;
        Ok(target_folder()
            .join(target)
            .join("firmware")
            .join(&self.package))
    }
}

/// A compiler for Cortex-M.
///
/// # Errors
/// If there is none on the search path, or the cache folder cannot be found.
pub(crate) fn compiler() -> Result<PathBuf> {
    if toolchain::rustup_has(CORTEX_M)? {
        return toolchain::rustup_rustc();
    }
    toolchain::rustc()
}

/// A folder of its own, so that neither compiler throws away the other's work.
fn target_folder() -> PathBuf {
    workspace::target_folder(&workspace::root()).join("bare-metal")
}
