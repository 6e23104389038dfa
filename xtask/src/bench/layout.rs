//! `cargo xtask bench layout`: builds real changes of a firmware with and without a stable layout and
//! counts the chunks that differ. The work is done by an example of the build backend, because it has
//! to be the backend's own builds that are measured.

use anyhow::Result;

use crate::process::Program;
use crate::{firmware, setup, workspace};

/// The command.
///
/// # Errors
/// If something does not build.
pub(super) fn run() -> Result<()> {
    setup::firmware_only()?;
    let root = workspace::root();
    Program::cargo()
        .args([
            "build",
            "--quiet",
            "-p",
            "otaru-lsp-build",
            "--example",
            "layout",
        ])
        .folder(&root)
        .run()?;
    let target = workspace::target_folder(&root);
    Program::new(target.join("debug/examples/layout"))
        .env("OTARU_SOURCE", &root)
        .env("OTARU_FIRMWARE_RUSTC", firmware::compiler()?)
        .env("CARGO_TARGET_DIR", target)
        .run_unannounced()
}
