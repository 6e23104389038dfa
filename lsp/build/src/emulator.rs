//! Devices that an emulator plays on this machine: finding it, and building what its board boots.

use crate::cargo::{cargo_program, shared_target_dir};
use crate::elf::{ElfError, flat_payload};
use crate::explain::Explain;
use crate::tools;
use otaru_lsp_project::{Board, BoardTarget};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// The emulator's program.
pub const QEMU: &str = "qemu-system-riscv32";
/// Names another one.
pub const QEMU_VARIABLE: &str = "OTARU_QEMU_RISCV32";
/// Boards that it plays.
const BOARDS: &[&str] = &["qemu-virt"];
/// Lines of cargo's words that are kept for an error.
const LAST_LINES: usize = 8;

/// Why a device cannot be emulated here.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// The emulator is not installed.
    #[error("there is no {QEMU} on this machine")]
    Missing,
    /// The bootloader is part of the source, and that is not here.
    #[error("the bootloader of {board} is built from Otaru's source, which is not on this machine")]
    NoSource {
        /// The board.
        board: String,
    },
    /// Cargo cannot be started.
    #[error("cannot start cargo")]
    Start(#[source] std::io::Error),
    /// The bootloader does not compile.
    #[error("the bootloader of {board} does not build: {words}")]
    Failed {
        /// The board.
        board: String,
        /// What cargo said.
        words: String,
    },
    /// What was built cannot be read.
    #[error("the bootloader cannot be read")]
    Read(#[source] std::io::Error),
    /// What was built does not fit its place.
    #[error("the bootloader cannot be used: {0}")]
    Elf(#[from] ElfError),
}

impl Explain for EmulatorError {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "emulator-missing",
            Self::Start(_) => "cargo-missing",
            Self::NoSource { .. } | Self::Failed { .. } | Self::Read(_) | Self::Elf(_) => {
                "bootloader-build"
            }
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing => Some(format!(
                "install it (Debian: qemu-system-misc), or say where it is: `{QEMU_VARIABLE}`"
            )),
            Self::NoSource { .. } => Some("use the `otaru` that a checkout builds".to_owned()),
            Self::Start(_) => Some("install Rust: https://rustup.rs".to_owned()),
            Self::Failed { .. } => Some("`otaru doctor` says whether the compiler fits".to_owned()),
            Self::Read(_) | Self::Elf(_) => None,
        }
    }
}

/// Whether devices of this board are played by an emulator.
pub fn is_emulated(board: &Board) -> bool {
    BOARDS.contains(&board.name.as_str())
}

/// Where the emulator is.
///
/// # Errors
/// [`EmulatorError::Missing`]
pub fn qemu() -> Result<PathBuf, EmulatorError> {
    if let Some(named) = std::env::var_os(QEMU_VARIABLE) {
        return Ok(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(QEMU))
        .find(|program| program.is_file())
        .ok_or(EmulatorError::Missing)
}

/// Compiles the bootloader of an emulated board from the checkout `source`; its bytes from the first
/// address of the flash on.
///
/// # Errors
/// [`EmulatorError`]
pub async fn bootloader(board: &Board, source: Option<&Path>) -> Result<Vec<u8>, EmulatorError> {
    let name = || board.name.clone();
    let (Some(source), BoardTarget::Triple(triple)) = (source, &board.target) else {
        return Err(EmulatorError::NoSource { board: name() });
    };
    let package = format!("otaru-board-{}", board.name);
    // The folder of `cargo xtask firmware build`, so that it is compiled once.
    let target = shared_target_dir()
        .or_else(|| std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from))
        .unwrap_or_else(|| source.join("target"))
        .join("bare-metal");
    let mut command = Command::new(cargo_program());
    command
        .current_dir(source)
        .args(["build", "--quiet", "--profile", "firmware"])
        .args(["--package", &package, "--bin", &package])
        // What the agent of a firmware takes, the bootloader must install.
        .args(["--features", "parts"])
        .args(["--target", triple, "--target-dir"])
        .arg(&target)
        .env("CARGO_TERM_COLOR", "never")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(compiler) = tools::bare_metal_compiler() {
        command.env("RUSTC", compiler);
    }
    let done = command.output().await.map_err(EmulatorError::Start)?;
    if !done.status.success() {
        let words = String::from_utf8_lossy(&done.stderr);
        let lines = words.lines().map(str::trim).filter(|l| !l.is_empty());
        let first: Vec<&str> = lines.take(LAST_LINES).collect();
        return Err(EmulatorError::Failed {
            board: name(),
            words: first.join("\n  "),
        });
    }
    let built = target.join(triple).join("firmware").join(&package);
    let elf = tokio::fs::read(built).await.map_err(EmulatorError::Read)?;
    let start = u64::from(board.flash.address);
    let [block, ..] = &board.areas;
    let end = start.saturating_add(u64::from(block.offset));
    Ok(flat_payload(&elf, start..end, board.flash.erased)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bootloader_needs_the_source() {
        let board = otaru_lsp_project::board("qemu-virt").expect("a known board");
        assert!(is_emulated(board));
        let error = bootloader(board, None).await.expect_err("no source");
        assert_eq!(error.code(), "bootloader-build");
        assert!(!is_emulated(
            otaru_lsp_project::board("host").expect("known")
        ));
    }
}
