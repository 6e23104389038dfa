//! Deletes what builds left behind. Keys, build numbers and devices are none of it.

use crate::cargo::target_dir;
use crate::explain::Explain;
use std::path::{Path, PathBuf};

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned {
    /// The folder of our builds.
    pub folder: PathBuf,
    /// Files in it.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Why something is still there.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be deleted", path.display())]
pub struct CleanError {
    /// The folder.
    pub path: PathBuf,
    /// Why.
    pub source: std::io::Error,
}

impl Explain for CleanError {
    fn code(&self) -> &'static str {
        "clean-failed"
    }

    fn hint(&self) -> Option<String> {
        Some("end what still uses the folder, and try again".to_owned())
    }
}

/// Deletes the build folder of the project in `root`: compiled code and images. The next build of
/// the same content gets the same build number again.
///
/// # Errors
/// [`CleanError`]; a part may be gone then.
pub fn clean(root: &Path) -> Result<Cleaned, CleanError> {
    let folder = target_dir(root);
    let (files, bytes) = count(&folder);
    match std::fs::remove_dir_all(&folder) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => {
            return Err(CleanError {
                path: folder,
                source,
            });
        }
    }
    Ok(Cleaned {
        folder,
        files,
        bytes,
    })
}

/// Files below a folder, and their bytes. Links are counted, not followed.
fn count(folder: &Path) -> (u64, u64) {
    let mut folders = vec![folder.to_owned()];
    let (mut files, mut bytes) = (0, 0);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => {
                    files += 1;
                    bytes += found.len();
                }
                Err(_) => {}
            }
        }
    }
    (files, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_numbers_and_other_builds_stay() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "12345").unwrap();
            path
        };
        let stay = ["keys/dev.pem", ".otaru/builds.json", "target/debug/lamp"].map(write);
        let gone = ["target/otaru/images/a.img", "target/otaru/release/lamp"].map(write);
        let cleaned = clean(root.path()).unwrap();
        assert_eq!((cleaned.files, cleaned.bytes), (2, 10));
        assert!(stay.iter().all(|path| path.exists()));
        assert!(gone.iter().all(|path| !path.exists()));
        assert_eq!(clean(root.path()).unwrap().files, 0, "nothing is left");
    }
}
