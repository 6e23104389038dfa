//! `cargo xtask setup`: installs what the tests need, once, into the user's cache folder or as
//! system packages. Every part is idempotent: what is there already is only looked at.

mod editor;
mod npm;
mod packages;
mod python;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::{cache, firmware, report, workspace};

/// Folders with npm packages of their own.
const EXTENSION: &str = "vscode-extension";
const WEB: &str = "manager/e2e";

/// What setup knows how to install.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Python programs: an image signer, a peer device manager, a language server client.
    Python,
    /// The third-party update client that is tested against our manager, and what signs for it.
    Swupdate,
    /// A compiler for bare-metal targets, where rustup has not installed them.
    Firmware,
    /// The machine emulator, for boots of a real bootloader.
    Qemu,
    /// What the editor extension is built and tested with.
    Extension,
    /// What the manager's web app is tested with.
    Web,
    /// A real VS Code and a browser for the end-to-end tests.
    Editor,
    /// A second editor that speaks to the language server.
    Neovim,
    /// A third one.
    Emacs,
}

impl Part {
    const ALL: [Self; 9] = [
        Self::Python,
        Self::Swupdate,
        Self::Firmware,
        Self::Qemu,
        Self::Extension,
        Self::Web,
        Self::Editor,
        Self::Neovim,
        Self::Emacs,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Swupdate => "swupdate",
            Self::Firmware => "firmware",
            Self::Qemu => "qemu",
            Self::Extension => "extension",
            Self::Web => "web",
            Self::Editor => "editor",
            Self::Neovim => "neovim",
            Self::Emacs => "emacs",
        }
    }

    fn packages(self) -> &'static [packages::Package] {
        match self {
            Self::Python => packages::PYTHON,
            Self::Swupdate => packages::SWUPDATE,
            Self::Firmware => packages::FIRMWARE,
            Self::Qemu => packages::QEMU,
            Self::Extension => packages::EXTENSION,
            Self::Web => packages::WEB,
            Self::Editor => packages::EDITOR,
            Self::Neovim => packages::NEOVIM,
            Self::Emacs => packages::EMACS,
        }
    }

    /// Why the part is not needed here, if it is not.
    fn not_needed(self) -> Result<Option<&'static str>> {
        let root = workspace::root();
        Ok(match self {
            Self::Firmware if firmware::rustup_has_targets()? => Some("rustup has the targets"),
            Self::Extension if !root.join(EXTENSION).exists() => Some("there is none here"),
            Self::Web if !root.join(WEB).exists() => Some("it has no tests here"),
            Self::Editor if editor::installer(&root).is_none() => {
                Some("the extension has no editor installer yet")
            }
            Self::Python
            | Self::Swupdate
            | Self::Firmware
            | Self::Qemu
            | Self::Extension
            | Self::Web
            | Self::Editor
            | Self::Neovim
            | Self::Emacs => None,
        })
    }
}

/// Environment variables that tell the tests where everything stands.
pub(crate) type Environment = Vec<(&'static str, PathBuf)>;

/// The command `setup [--check] [WHAT…]`.
///
/// # Errors
/// If something cannot be installed, or with `--check` if something is missing.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let (flags, names): (Vec<&str>, Vec<&str>) = args.iter().partition(|a| a.starts_with('-'));
    if let Some(unknown) = flags.iter().find(|flag| **flag != "--check") {
        bail!("setup does not know {unknown}; it takes --check and names of parts");
    }
    let parts = parts(&names)?;
    if flags.is_empty() {
        let environment = install(&parts)?;
        report::line("\nfor tests that are run without xtask:");
        for (name, path) in environment {
            report::line(&format!("    export {name}={}", path.display()));
        }
        return Ok(());
    }
    let mut missing = 0_usize;
    for part in parts {
        let state = if let Some(why) = part.not_needed()? {
            format!("not needed: {why}")
        } else if is_installed(part)? {
            "installed".to_owned()
        } else {
            missing += 1;
            format!("missing; `cargo xtask setup {}` installs it", part.name())
        };
        report::line(&format!("    {:<10} {state}", part.name()));
    }
    if missing > 0 {
        bail!("{missing} of the parts are missing");
    }
    Ok(())
}

/// Installs everything that is missing.
///
/// # Errors
/// If something cannot be installed; what was installed before it stays.
pub(crate) fn everything() -> Result<Environment> {
    install(&Part::ALL)
}

/// Installs the bare-metal compiler if it is missing.
///
/// # Errors
/// If it cannot be installed.
pub(crate) fn firmware_only() -> Result<()> {
    install(&[Part::Firmware]).map(drop)
}

/// Installs the Python programs if they are missing.
///
/// # Errors
/// If they cannot be installed.
pub(crate) fn python_only() -> Result<Environment> {
    install(&[Part::Python])
}

fn parts(names: &[&str]) -> Result<Vec<Part>> {
    if names.is_empty() {
        return Ok(Part::ALL.to_vec());
    }
    let find = |name: &&str| {
        Part::ALL
            .into_iter()
            .find(|part| part.name() == *name)
            .with_context(|| {
                let known: Vec<&str> = Part::ALL.iter().map(|part| part.name()).collect();
                format!(
                    "setup does not know `{name}`; it knows {}",
                    known.join(", ")
                )
            })
    };
    names.iter().map(find).collect()
}

fn install(parts: &[Part]) -> Result<Environment> {
    let _lock = cache::lock()?;
    let mut needed = Vec::new();
    for part in parts {
        match part.not_needed()? {
            Some(why) => report::line(&format!("    {:<10} not needed: {why}", part.name())),
            None => needed.push(*part),
        }
    }
    let lists: Vec<&packages::Package> = needed.iter().flat_map(|part| part.packages()).collect();
    packages::install(&lists)?;
    let mut environment = Environment::new();
    for part in needed {
        let started = Instant::now();
        let present = is_installed(part)?;
        let exported = install_part(part)
            .with_context(|| format!("cannot install `{}` (cargo xtask setup)", part.name()))?;
        environment.extend(exported);
        let state = if present { "present" } else { "installed" };
        let took = report::seconds(started.elapsed());
        report::line(&format!("    {:<10} {state} ({took})", part.name()));
    }
    Ok(environment)
}

fn is_installed(part: Part) -> Result<bool> {
    let root = workspace::root();
    let own = match part {
        Part::Python => python::is_installed(&root)?,
        Part::Swupdate | Part::Qemu | Part::Neovim | Part::Emacs => true,
        Part::Firmware => firmware::toolchain_is_built()?,
        Part::Extension => npm::is_installed(&root.join(EXTENSION))?,
        Part::Web => npm::is_installed(&root.join(WEB))?,
        Part::Editor => editor::is_installed(&root)?,
    };
    Ok(own && packages::missing(part.packages()).is_empty())
}

fn install_part(part: Part) -> Result<Environment> {
    let root = workspace::root();
    match part {
        Part::Python => python::install(&root),
        Part::Swupdate => Ok(vec![
            ("OTARU_SWUPDATE", packages::program_path(&["swupdate"])?),
            ("OTARU_OPENSSL", packages::program_path(&["openssl"])?),
            ("OTARU_CPIO", packages::program_path(&["cpio"])?),
        ]),
        Part::Firmware => {
            firmware::build_toolchain()?;
            Ok(vec![
                ("OTARU_FIRMWARE_RUSTC", firmware::compiler()?),
                ("OTARU_WASM_RUSTC", firmware::rustc()?),
            ])
        }
        Part::Qemu => Ok(vec![
            (
                "OTARU_QEMU_RISCV32",
                packages::program_path(packages::QEMU_RISCV32)?,
            ),
            ("OTARU_BARE_METAL_RUSTC", firmware::emulated_compiler()?),
        ]),
        Part::Extension => npm::install(&root.join(EXTENSION)).map(|()| Environment::new()),
        Part::Web => {
            npm::install(&root.join(WEB))?;
            Ok(vec![(
                "OTARU_CHROMIUM",
                packages::program_path(packages::BROWSERS)?,
            )])
        }
        Part::Editor => editor::install(&root),
        Part::Neovim => Ok(vec![("OTARU_NVIM", packages::program_path(&["nvim"])?)]),
        Part::Emacs => Ok(vec![("OTARU_EMACS", packages::program_path(&["emacs"])?)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_every_part_and_an_unknown_one_is_refused() {
        assert_eq!(parts(&[]).unwrap(), Part::ALL);
        assert_eq!(parts(&["python"]).unwrap(), [Part::Python]);
        let error = parts(&["pyton"]).expect_err("a typo").to_string();
        assert!(
            error.contains("`pyton`") && error.contains("python, swupdate"),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_flag_is_refused() {
        assert!(run(&["--chek"]).is_err());
    }
}
