//! What the editor extension needs: its npm packages, and for its end-to-end tests a real VS Code
//! (installed by the extension's own installer) and a browser.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Environment;
use super::packages::program_path;
use crate::cache;
use crate::process::Program;

const EXTENSION: &str = "vscode-extension";
const INSTALLERS: &[&str] = &["e2e/install-editor.mjs", "e2e/install-code-server.mjs"];

/// The extension's program that installs the editor under test, if there is one.
pub(crate) fn installer(root: &Path) -> Option<PathBuf> {
    INSTALLERS
        .iter()
        .map(|name| root.join(EXTENSION).join(name))
        .find(|path| path.is_file())
}

/// The extension's npm packages are those of its lock file.
pub(crate) fn modules_are_installed(root: &Path) -> Result<bool> {
    Ok(std::fs::read_to_string(modules_stamp(root)).ok() == Some(lock_hash(root)?))
}

/// Installs the extension's npm packages unless they are those of its lock file.
pub(crate) fn install_modules(root: &Path) -> Result<()> {
    if modules_are_installed(root)? {
        return Ok(());
    }
    let folder = root.join(EXTENSION);
    let verb = if folder.join("package-lock.json").exists() {
        "ci"
    } else {
        "install"
    };
    Program::new(program_path(&["npm"])?)
        .args([verb, "--no-audit", "--no-fund", "--loglevel=error"])
        .folder(&folder)
        .run_logged(&cache::log_file("extension-packages")?)?;
    std::fs::write(modules_stamp(root), lock_hash(root)?).context("cannot write the stamp")
}

/// The editor under test was installed by this very installer.
pub(crate) fn is_installed(root: &Path) -> Result<bool> {
    let Some(installer) = installer(root) else {
        return Ok(false);
    };
    Ok(home(&installer)?.join("otaru-complete").exists())
}

/// Installs the editor under test.
pub(crate) fn install(root: &Path) -> Result<Environment> {
    let installer = installer(root).context("the extension has no editor installer")?;
    let home = home(&installer)?;
    if !is_installed(root)? {
        Program::new(program_path(&["node"])?)
            .arg(&installer)
            .arg(&home)
            .folder(&root.join(EXTENSION))
            .run_logged(&cache::log_file("editor")?)?;
        std::fs::write(home.join("otaru-complete"), "complete\n")
            .context("cannot write the stamp")?;
    }
    Ok(vec![
        ("OTARU_CODE_SERVER", home),
        (
            "OTARU_CHROMIUM",
            program_path(&["chromium", "chromium-browser", "google-chrome"])?,
        ),
    ])
}

/// One folder per content of the installer, which pins the versions.
fn home(installer: &Path) -> Result<PathBuf> {
    let text =
        std::fs::read(installer).with_context(|| format!("cannot read {}", installer.display()))?;
    Ok(cache::folder()?.join(format!("editor-{}", cache::short_hash([text.as_slice()]))))
}

fn lock_hash(root: &Path) -> Result<String> {
    let folder = root.join(EXTENSION);
    let read = |name: &str| std::fs::read(folder.join(name));
    let bytes = read("package-lock.json")
        .or_else(|_| read("package.json"))
        .context("the extension has no package.json")?;
    Ok(cache::short_hash([bytes.as_slice()]))
}

fn modules_stamp(root: &Path) -> PathBuf {
    root.join(EXTENSION).join("node_modules/.otaru-complete")
}
