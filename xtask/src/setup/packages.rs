//! System packages, installed with `apt-get` where we may, else named in a message.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::{Program, find_program};
use crate::{cache, report};

/// A system package and how to see that what it brings is there already.
#[derive(Debug)]
pub(crate) struct Package {
    /// Name in Debian and Ubuntu.
    name: &'static str,
    sign: Sign,
}

#[derive(Debug)]
enum Sign {
    /// One of these programs is on the search path.
    Program(&'static [&'static str]),
    /// This file exists.
    File(&'static str),
}

const fn program(name: &'static str, programs: &'static [&'static str]) -> Package {
    Package {
        name,
        sign: Sign::Program(programs),
    }
}

const fn file(name: &'static str, path: &'static str) -> Package {
    Package {
        name,
        sign: Sign::File(path),
    }
}

pub(crate) const PYTHON: &[Package] = &[program("python3", &["python3"])];

pub(crate) const SWUPDATE: &[Package] = &[
    program("swupdate", &["swupdate"]),
    program("cpio", &["cpio"]),
    program("openssl", &["openssl"]),
];

pub(crate) const FIRMWARE: &[Package] = &[
    file("rustc-web", crate::firmware::SYSTEM_RUSTC),
    file(
        "rust-web-src",
        "/usr/lib/rustlib/src/rust/library/Cargo.lock",
    ),
    file(
        "libstd-rust-web-dev",
        "/usr/lib/rustlib/x86_64-unknown-linux-gnu/lib",
    ),
];

pub(crate) const QEMU_RISCV32: &[&str] = &["qemu-system-riscv32"];

pub(crate) const QEMU: &[Package] = &[program("qemu-system-misc", QEMU_RISCV32)];

pub(crate) const EXTENSION: &[Package] = &[program("nodejs", &["node"]), program("npm", &["npm"])];

/// The browser, by any of its names.
pub(crate) const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

const FONT: &str = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";

pub(crate) const WEB: &[Package] = &[
    program("nodejs", &["node"]),
    program("npm", &["npm"]),
    program("chromium", BROWSERS),
    file("fonts-dejavu-core", FONT),
];

pub(crate) const EDITOR: &[Package] = &[
    program("chromium", BROWSERS),
    file("fonts-dejavu-core", FONT),
    program("g++", &["g++"]),
    program("make", &["make"]),
];

pub(crate) const NEOVIM: &[Package] = &[program("neovim", &["nvim"])];

/// From version 29 on Emacs has its client of language servers built in; Debian's package of it is empty
/// there.
pub(crate) const EMACS: &[Package] = &[
    program("emacs-nox", &["emacs"]),
    file("elpa-eglot", "/usr/share/doc/elpa-eglot"),
];

/// Where a program of an installed package stands.
///
/// # Errors
/// If it is missing.
pub(crate) fn program_path(names: &[&str]) -> Result<PathBuf> {
    names
        .iter()
        .find_map(|name| find_program(name))
        .with_context(|| format!("none of {} is on the search path", names.join(", ")))
}

/// The packages whose sign is missing.
pub(crate) fn missing<'a>(list: impl IntoIterator<Item = &'a Package>) -> Vec<&'static str> {
    let absent = |package: &&Package| match package.sign {
        Sign::Program(names) => names.iter().all(|name| find_program(name).is_none()),
        Sign::File(path) => !Path::new(path).exists(),
    };
    let mut names: Vec<&'static str> = list.into_iter().filter(absent).map(|p| p.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Installs the packages that are missing.
///
/// # Errors
/// If some are missing and we cannot install them; the message says what to install.
pub(crate) fn install(list: &[&Package]) -> Result<()> {
    let names = missing(list.iter().copied());
    if names.is_empty() {
        return Ok(());
    }
    let wanted = names.join(" ");
    if find_program("apt-get").is_none() {
        bail!(
            "these programs are missing: {wanted} (Debian's names); install them with your \
             system's package manager, or run `cargo xtask test --quick`, which needs none of them"
        );
    }
    if !is_root() {
        bail!(
            "these packages are missing; install them with\n\n    sudo apt-get install \
             --no-install-recommends {wanted}\n\nor run `cargo xtask test --quick`, which needs \
             none of them"
        );
    }
    let apt = || {
        Program::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            // Another installation may be running; wait for it instead of failing.
            .args([
                "-o",
                "DPkg::Lock::Timeout=600",
                "-o",
                "Acquire::Retries=3",
                "-q",
            ])
    };
    report::line(&format!("    installing system packages: {wanted}"));
    apt()
        .arg("update")
        .run_logged(&cache::log_file("apt-update")?)?;
    apt()
        .args(["install", "-y", "--no-install-recommends"])
        .args(&names)
        .run_logged(&cache::log_file("apt-install")?)?;
    let still = missing(list.iter().copied());
    if still.is_empty() {
        return Ok(());
    }
    bail!(
        "apt-get succeeded, but what {} should bring is still not found",
        still.join(", ")
    )
}

fn is_root() -> bool {
    Program::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|text| text.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_packages_without_their_sign_are_missing() {
        let here = file("here", env!("CARGO_MANIFEST_DIR"));
        let gone = file("gone", "/no/such/file");
        let tool = program("tool", &["otaru-no-such-program", "cargo"]);
        let none = program("none", &["otaru-no-such-program"]);
        assert_eq!(
            missing([&none, &here, &gone, &tool, &none]),
            ["gone", "none"]
        );
    }
}
