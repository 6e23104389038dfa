//! The Python programs of the interoperability tests, in a virtual environment of their own. Every
//! package is pinned in `tests/interop/requirements.txt`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::Environment;
use super::packages::program_path;
use crate::cache;
use crate::process::Program;

const REQUIREMENTS: &str = "tests/interop/requirements.txt";
const OLDEST: (u32, u32) = (3, 11);

/// The environment of exactly these requirements is complete.
pub(crate) fn is_installed(root: &Path) -> Result<bool> {
    Ok(stamp(&folder(root)?).exists())
}

/// Creates the environment unless it is complete.
pub(crate) fn install(root: &Path) -> Result<Environment> {
    let folder = folder(root)?;
    if !stamp(&folder).exists() {
        create(root, &folder)?;
    }
    let programs = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let program = |name: &str| programs.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    Ok(vec![
        ("OTARU_VENV_PYTHON", program("python")),
        ("OTARU_IMGTOOL", program("imgtool")),
        ("OTARU_SMPMGR", program("smpmgr")),
        ("OTARU_INTEROP", root.join("tests/interop")),
    ])
}

fn create(root: &Path, folder: &Path) -> Result<()> {
    let python = newest_python()?;
    if folder.exists() {
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove the incomplete {}", folder.display()))?;
    }
    Program::new(&python)
        .args(["-m", "venv"])
        .arg(folder)
        .run_logged(&cache::log_file("python-venv")?)
        .context("Python's venv module does not work; on Debian install python3-venv")?;
    let pip = folder
        .join(if cfg!(windows) { "Scripts" } else { "bin" })
        .join("python");
    Program::new(pip)
        .args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .arg(root.join(REQUIREMENTS))
        .run_logged(&cache::log_file("python-packages")?)?;
    std::fs::write(stamp(folder), "complete\n").context("cannot write the stamp")
}

/// The first Python on the search path that is new enough.
fn newest_python() -> Result<PathBuf> {
    let mut seen = Vec::new();
    for name in [
        "python3",
        "python3.14",
        "python3.13",
        "python3.12",
        "python3.11",
        "python",
    ] {
        let Ok(path) = program_path(&[name]) else {
            continue;
        };
        let Ok(text) = Program::new(&path).arg("--version").output() else {
            continue;
        };
        if version(&text).is_some_and(|found| found >= OLDEST) {
            return Ok(path);
        }
        seen.push(text.trim().to_owned());
    }
    let (major, minor) = OLDEST;
    bail!(
        "the tests need Python {major}.{minor} or newer; found: {}",
        seen.join(", ")
    )
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix("Python ")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn folder(root: &Path) -> Result<PathBuf> {
    let path = root.join(REQUIREMENTS);
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = format!("python-{}", cache::short_hash([text.as_slice()]));
    Ok(cache::folder()?.join(name))
}

fn stamp(folder: &Path) -> PathBuf {
    folder.join("otaru-complete")
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(version("Python 3.11.7\n"), Some((3, 11)));
        assert!(version("Python 3.9.1").unwrap() < (3, 11));
        assert_eq!(version("Pythonic"), None);
    }
}
