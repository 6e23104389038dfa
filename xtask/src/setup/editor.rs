//! What the editor extension needs: its npm packages, and for its end-to-end tests a real VS Code
//! (installed by the extension's own installer) and a browser.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Environment;
use super::packages::program_path;
use crate::cache;
use crate::process::Program;

const EXTENSION: &str = "vscode-extension";
const INSTALLER: &str = "e2e/install-code-server.mjs";

/// The extension's program that installs the editor under test, if there is one.
pub(crate) fn installer(root: &Path) -> Option<PathBuf> {
    Some(root.join(EXTENSION).join(INSTALLER)).filter(|path| path.is_file())
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
    // Not `npm ci`: it refuses a lock file that lacks optional packages for other systems, which npm
    // itself leaves out where a registry has none. This keeps to the lock file and does not write it.
    Program::new(program_path(&["npm"])?)
        .args([
            "install",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ])
        .folder(&folder)
        .run_logged(&cache::log_file("extension-packages")?)?;
    std::fs::write(modules_stamp(root), lock_hash(root)?).context("cannot write the stamp")
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
        (
            "OTARU_CHROMIUM",
            program_path(&["chromium", "chromium-browser", "google-chrome"])?,
        ),
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
