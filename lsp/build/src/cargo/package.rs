//! Finds the cargo package and binary that a manifest means.

use super::{CompileError, cargo_program};
use cargo_metadata::TargetKind;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The package and binary to build.
#[derive(Debug, Clone)]
pub struct Package {
    /// The folder of the project.
    pub root: PathBuf,
    /// Cargo's id of the package.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its version, as Cargo.toml says.
    pub version: String,
    /// The binary.
    pub bin: String,
    /// The workspace's folder; file names in messages are relative to it.
    pub workspace_root: PathBuf,
    /// Packages that are compiled from folders of this machine, by name.
    pub path_packages: Vec<(String, PathBuf)>,
    /// Whether the binary is all that is compiled from the workspace's folder.
    pub stands_alone: bool,
    /// Number of packages that take part.
    pub packages: u64,
}

impl Package {
    /// Asks cargo about the folder `root`.
    ///
    /// # Errors
    /// [`CompileError`]: cargo is missing, the project is broken, or package or binary are not
    /// there or not unique.
    pub async fn find(
        root: &Path,
        package: Option<&str>,
        bin: Option<&str>,
    ) -> Result<Self, CompileError> {
        let metadata = metadata(root).await?;
        let chosen = choose_package(&metadata, root, package)?;
        let bin = choose_bin(chosen, bin)?;
        let only_bins = |package: &cargo_metadata::Package| {
            package
                .targets
                .iter()
                .all(|target| !target.is_lib() && !target.is_proc_macro())
        };
        let stands_alone = metadata.workspace_packages().len() == 1 && only_bins(chosen);
        let path_packages = metadata
            .packages
            .iter()
            .filter(|package| package.source.is_none() && package.id != chosen.id)
            .filter_map(|package| {
                let folder = package.manifest_path.parent()?;
                Some((package.name.to_string(), folder.to_owned().into()))
            })
            .collect();
        Ok(Self {
            root: root.to_owned(),
            id: chosen.id.repr.clone(),
            name: chosen.name.to_string(),
            version: chosen.version.to_string(),
            bin,
            workspace_root: metadata.workspace_root.clone().into(),
            path_packages,
            stands_alone,
            packages: metadata
                .resolve
                .as_ref()
                .and_then(|resolve| u64::try_from(resolve.nodes.len()).ok())
                .unwrap_or(1),
        })
    }
}

async fn metadata(root: &Path) -> Result<cargo_metadata::Metadata, CompileError> {
    let output = Command::new(cargo_program())
        .current_dir(root)
        .args(["metadata", "--format-version", "1"])
        .env("CARGO_TERM_COLOR", "never")
        .kill_on_drop(true)
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .map_err(CompileError::Start)?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let words: Vec<&str> = words
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .collect();
        let from = words
            .iter()
            .position(|line| line.starts_with("error"))
            .unwrap_or(0);
        let text: Vec<&str> = words.into_iter().skip(from).take(8).collect();
        return Err(CompileError::Metadata(text.join("\n  ")));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| CompileError::Metadata(format!("unexpected answer: {error}")))
}

fn choose_package<'m>(
    metadata: &'m cargo_metadata::Metadata,
    root: &Path,
    wanted: Option<&str>,
) -> Result<&'m cargo_metadata::Package, CompileError> {
    let members = metadata.workspace_packages();
    if let Some(name) = wanted {
        return members
            .into_iter()
            .find(|package| package.name.as_str() == name)
            .ok_or_else(|| CompileError::PackageUnknown(name.to_owned()));
    }
    // The folder may have been named through a symbolic link.
    let canonical = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let beside = members.iter().find(|package| {
        package
            .manifest_path
            .parent()
            .is_some_and(|folder| folder.as_std_path() == root || folder.as_std_path() == canonical)
    });
    match (beside, members.as_slice()) {
        (Some(package), _) | (None, [package]) => Ok(package),
        (None, several) => Err(CompileError::PackageAmbiguous(
            several
                .iter()
                .map(|package| package.name.to_string())
                .collect(),
        )),
    }
}

fn choose_bin(
    package: &cargo_metadata::Package,
    wanted: Option<&str>,
) -> Result<String, CompileError> {
    let bins: Vec<&str> = package
        .targets
        .iter()
        .filter(|target| target.kind.contains(&TargetKind::Bin))
        .map(|target| target.name.as_str())
        .collect();
    let name = package.name.to_string();
    let wanted = wanted.or(package.default_run.as_deref());
    match (wanted, bins.as_slice()) {
        (Some(wanted), bins) if bins.contains(&wanted) => Ok(wanted.to_owned()),
        (Some(wanted), _) => Err(CompileError::BinUnknown {
            package: name,
            bin: wanted.to_owned(),
        }),
        (None, [only]) => Ok((*only).to_owned()),
        (None, several) => Err(CompileError::BinAmbiguous {
            package: name,
            bins: several.iter().map(|bin| (*bin).to_owned()).collect(),
        }),
    }
}
