//! The editor under test, a real VS Code, installed by the extension's own installer, and a browser
//! to see it in.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Environment;
use super::packages::{BROWSERS, program_path};
use crate::cache;
use crate::process::Program;

const EXTENSION: &str = "vscode-extension";
const INSTALLER: &str = "e2e/install-code-server.mjs";

/// The extension's program that installs the editor under test, if there is one.
pub(crate) fn installer(root: &Path) -> Option<PathBuf> {
    Some(root.join(EXTENSION).join(INSTALLER)).filter(|path| path.is_file())
}

/// The installer finds its editor complete.
pub(crate) fn is_installed(root: &Path) -> Result<bool> {
    Ok(ask_installer(root, "isInstalled(defaultFolder())")? == "true")
}

/// Installs the editor under test.
pub(crate) fn install(root: &Path) -> Result<Environment> {
    let installer = installer(root).context("the extension has no editor installer")?;
    if !is_installed(root)? {
        Program::new(program_path(&["node"])?)
            .arg(&installer)
            .folder(&root.join(EXTENSION))
            .run_logged(&cache::log_file("editor")?)?;
    }
    Ok(vec![
        (
            "OTARU_CODE_SERVER",
            PathBuf::from(ask_installer(root, "defaultFolder()")?),
        ),
        ("OTARU_CHROMIUM", program_path(BROWSERS)?),
    ])
}

/// The installer is a module that knows where its editor belongs and whether it is complete.
fn ask_installer(root: &Path, expression: &str) -> Result<String> {
    let script = format!(
        "import {{ defaultFolder, isInstalled }} from './{INSTALLER}';\
         process.stdout.write(String({expression}))"
    );
    let Ok(node) = program_path(&["node"]) else {
        return Ok(String::new());
    };
    Program::new(node)
        .args(["--input-type=module", "--eval", &script])
        .folder(&root.join(EXTENSION))
        .output()
        .context("the extension's editor installer does not answer")
}
