//! The workspace as cargo and git see it: its root, its packages with their dependencies on each
//! other, and the files that belong to it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::Program;

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    // xtask stands in the folder `xtask` of the workspace it was compiled in.
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// Kind of a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Needed by the crate itself, or by its build script.
    Normal,
    /// Needed by the crate's tests only.
    Dev,
}

/// One package of the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Folder, relative to the root, with `/` between its parts.
    pub(crate) folder: String,
    /// It has a library.
    pub(crate) library: bool,
    /// Names of all its direct dependencies.
    pub(crate) dependencies: Vec<(String, Kind)>,
}

/// Every package of the workspace.
///
/// # Errors
/// If cargo cannot read the workspace.
pub(crate) fn packages(root: &Path) -> Result<Vec<Package>> {
    let text = Program::cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .folder(root)
        .output()
        .context("cargo cannot read the workspace")?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata printed no JSON")?;
    let list = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    list.iter()
        .map(|package| read_package(package, root))
        .collect()
}

fn read_package(package: &Value, root: &Path) -> Result<Package> {
    let name = package["name"]
        .as_str()
        .context("a package has no name")?
        .to_owned();
    let manifest = package["manifest_path"]
        .as_str()
        .context("a package has no manifest")?;
    let folder = Path::new(manifest)
        .parent()
        .context("a manifest stands in no folder")?;
    let folder = folder.strip_prefix(root).unwrap_or(folder);
    let targets = package["targets"].as_array().map_or(&[][..], Vec::as_slice);
    let library = targets.iter().any(|target| {
        let kinds = target["kind"].as_array().map_or(&[][..], Vec::as_slice);
        kinds.iter().any(|kind| kind == "lib")
    });
    let listed = package["dependencies"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let dependencies = listed
        .iter()
        .filter_map(|dependency| {
            let kind = if dependency["kind"] == "dev" {
                Kind::Dev
            } else {
                Kind::Normal
            };
            Some((dependency["name"].as_str()?.to_owned(), kind))
        })
        .collect();
    let folder = folder.to_string_lossy().replace('\\', "/");
    Ok(Package {
        name,
        folder,
        library,
        dependencies,
    })
}

/// Every file that git knows or would add, relative to the root, with `/` between its parts.
///
/// # Errors
/// If git is missing or the folder is no clone.
pub(crate) fn files(root: &Path) -> Result<Vec<String>> {
    let text = Program::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .folder(root)
        .output()
        .context("the files of the project are listed with git")?;
    let mut files: Vec<String> = text
        .split('\0')
        // A file that was deleted but not yet committed is still listed.
        .filter(|file| !file.is_empty() && root.join(file).is_file())
        .map(str::to_owned)
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// The target folder of normal builds.
pub(crate) fn target_folder(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_lists_itself() {
        let packages = packages(&root()).unwrap();
        let own = packages
            .iter()
            .find(|package| package.name == "xtask")
            .unwrap();
        assert_eq!(own.folder, "xtask");
        assert!(!own.library);
        assert!(
            own.dependencies
                .contains(&("tempfile".to_owned(), Kind::Dev))
        );
        assert!(
            packages
                .iter()
                .any(|p| p.name == "otaru-flash" && p.library)
        );
    }
}
