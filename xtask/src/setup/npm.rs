//! npm packages of a folder, as its lock file pins them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::packages::program_path;
use crate::cache;
use crate::process::Program;

/// The packages in the folder are those of its lock file.
pub(crate) fn is_installed(folder: &Path) -> Result<bool> {
    Ok(std::fs::read_to_string(stamp(folder)).ok() == Some(lock_hash(folder)?))
}

/// Installs the packages unless they are those of the lock file.
pub(crate) fn install(folder: &Path) -> Result<()> {
    if is_installed(folder)? {
        return Ok(());
    }
    let name = folder
        .file_name()
        .context("the folder has a name")?
        .to_string_lossy()
        .into_owned();
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
        .folder(folder)
        .run_logged(&cache::log_file(&format!("npm-{name}"))?)?;
    std::fs::write(stamp(folder), lock_hash(folder)?).context("cannot write the stamp")
}

fn lock_hash(folder: &Path) -> Result<String> {
    let read = |name: &str| std::fs::read(folder.join(name));
    let bytes = read("package-lock.json")
        .or_else(|_| read("package.json"))
        .with_context(|| format!("{} has no package.json", folder.display()))?;
    Ok(cache::short_hash([bytes.as_slice()]))
}

fn stamp(folder: &Path) -> PathBuf {
    folder.join("node_modules/.otaru-complete")
}
