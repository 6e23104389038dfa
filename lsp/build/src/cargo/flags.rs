//! Compiler flags that keep paths of this machine out of the image, so that the same source gives
//! the same bytes in every folder and on every machine.

use super::{CompileRequest, Package};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// Separates flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: char = '\u{1f}';

/// Adds our flags to those that the user gives cargo, from the one place where cargo would take
/// them: the environment, else `build.rustflags` of the configuration. Flags that the
/// configuration gives for a target are joined by cargo itself.
pub(super) fn apply(command: &mut Command, request: &CompileRequest) -> std::io::Result<()> {
    let package = &request.package;
    let mut ours = remaps(package);
    if request.placement.is_some() {
        // These names tell instances of one generic function apart.
        ours.push("-Csymbol-mangling-version=v0".into());
    }
    let encoded = std::env::var_os("CARGO_ENCODED_RUSTFLAGS").filter(|flags| !flags.is_empty());
    let plain = std::env::var_os("RUSTFLAGS").filter(|flags| !flags.is_empty());
    match (encoded, plain) {
        (Some(encoded), _) => {
            command.env("CARGO_ENCODED_RUSTFLAGS", joined(encoded, &ours));
        }
        (None, Some(plain)) => {
            let words: Vec<OsString> = plain
                .to_string_lossy()
                .split_whitespace()
                .map(OsString::from)
                .collect();
            command.env("CARGO_ENCODED_RUSTFLAGS", joined(encode(&words), &ours));
        }
        (None, None) => {
            let mut flags = configured(&package.root)?;
            flags.extend(ours.iter().map(|flag| flag.to_string_lossy().into_owned()));
            let list: Vec<String> = flags.iter().map(|flag| toml_string(flag)).collect();
            command.arg("--config").arg(format!(
                "target.'cfg(all())'.rustflags=[{}]",
                list.join(",")
            ));
        }
    }
    Ok(())
}

/// What the folders of packages from this machine are called in the image.
pub(super) fn renamed(package: &Package) -> Vec<(String, PathBuf)> {
    let name = |(name, folder): &(String, PathBuf)| (format!("/source/{name}"), folder.clone());
    package.path_packages.iter().map(name).collect()
}

/// Flags for the project's own binary only. Its folder is not named in flags for all packages,
/// so that projects which share a target directory also share the compiled dependencies.
pub(super) fn own(request: &CompileRequest) -> Vec<OsString> {
    let package = &request.package;
    let mut flags = Vec::new();
    if package.stands_alone {
        flags.push(remap(&package.workspace_root, WORKSPACE));
    }
    if let Some(placement) = &request.placement {
        let link = |option: &str, file: &Path| {
            let mut flag = OsString::from("-Clink-arg=");
            flag.push(option);
            flag.push(file);
            flag
        };
        // Whatever is named first is placed first, and these flags come before those of build
        // scripts and of the configuration.
        flags.push(link("-T", &placement.script));
        flags.push(link("-Map=", &placement.map));
        // Equal texts of different files are not merged, so that each file's stay together.
        flags.push("-Clink-arg=-O0".into());
    }
    flags
}

/// What stands in the image instead of the project's folder.
const WORKSPACE: &str = "/workspace";

/// `--remap-path-prefix` for every folder whose name could end up in the image. The compiler
/// takes the last one that fits, so the most special stands last.
fn remaps(package: &Package) -> Vec<OsString> {
    let mut pairs: Vec<(PathBuf, String)> = Vec::new();
    if let Some(home) = cargo_home() {
        pairs.push((home, "/cargo".to_owned()));
    }
    pairs.extend(
        renamed(package)
            .into_iter()
            .map(|(name, folder)| (folder, name)),
    );
    if !package.stands_alone {
        pairs.push((package.workspace_root.clone(), WORKSPACE.to_owned()));
    }
    pairs.sort_by_key(|(folder, _)| folder.components().count());
    pairs.iter().map(|(from, to)| remap(from, to)).collect()
}

fn remap(from: &Path, to: &str) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(from);
    flag.push("=");
    flag.push(to);
    flag
}

fn cargo_home() -> Option<PathBuf> {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
}

fn encode(flags: &[OsString]) -> OsString {
    flags.join(OsStr::new(&SEPARATOR.to_string()))
}

fn joined(mut flags: OsString, ours: &[OsString]) -> OsString {
    for flag in ours {
        flags.push(SEPARATOR.to_string());
        flags.push(flag);
    }
    flags
}

/// `build.rustflags` as cargo would join them: its home first, the nearest folder last.
fn configured(root: &Path) -> std::io::Result<Vec<String>> {
    let mut folders: Vec<PathBuf> = root
        .ancestors()
        .map(|folder| folder.join(".cargo"))
        .collect();
    folders.extend(cargo_home());
    folders.reverse();
    folders.dedup();
    let mut flags = Vec::new();
    for folder in folders {
        for name in ["config.toml", "config"] {
            match std::fs::read_to_string(folder.join(name)) {
                Ok(text) => {
                    flags.extend(build_flags(&text));
                    break;
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(flags)
}

/// `build.rustflags` of one configuration file; cargo itself reports a file that is damaged.
fn build_flags(text: &str) -> Vec<String> {
    let (root, _) = toml::de::DeTable::parse_recoverable(text);
    let flags = root
        .get_ref()
        .get("build")
        .and_then(|build| build.get_ref().get("rustflags"));
    match flags.map(toml::Spanned::get_ref) {
        Some(toml::de::DeValue::String(words)) => {
            words.split_whitespace().map(str::to_owned).collect()
        }
        Some(toml::de::DeValue::Array(items)) => items
            .iter()
            .filter_map(|item| item.get_ref().as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// A TOML string with everything escaped that needs it.
fn toml_string(text: &str) -> String {
    use std::fmt::Write as _;
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            control if control.is_control() => {
                // Writing into a string cannot fail.
                write!(quoted, "\\u{:04X}", u32::from(control)).unwrap_or_default();
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_configuration_are_read_in_both_spellings() {
        assert_eq!(
            build_flags("[build]\nrustflags = \"-C a  -D b\""),
            ["-C", "a", "-D", "b"]
        );
        assert_eq!(
            build_flags("build.rustflags = ['-C', 'a b']"),
            ["-C", "a b"]
        );
        assert!(build_flags("[target.x]\nrustflags = ['-C']").is_empty());
        assert!(build_flags("not = [toml").is_empty());
    }

    #[test]
    fn flags_are_quoted_so_that_cargo_reads_them_back() {
        let flag = "--cfg=x=\"a\\b\"\u{7}ä";
        let text = format!("[build]\nrustflags = [{}]", toml_string(flag));
        assert_eq!(build_flags(&text), [flag]);
    }
}
