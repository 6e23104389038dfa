//! Where devices live on disk.
//!
//! A device is a folder: by default `~/.local/share/otaru/devices/<name>` (XDG), or any folder.

use super::{CONTROL_SOCKET, connect};
use crate::chip::Geometry;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Name of the file that makes a folder a device.
const DEVICE_FILE: &str = "device.json";
/// Longest device name in bytes.
const NAME_LEN_MAX: usize = 64;

/// What stands in `device.json`: what the device was made as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFile {
    /// Name of the board.
    pub board: String,
    /// Its flash.
    pub geometry: Geometry,
    /// How often the CPU has started.
    #[serde(default)]
    pub boots: u32,
}

impl DeviceFile {
    /// Reads the file of a device folder; `None` if it is not a device yet.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub fn load(dir: &Path) -> io::Result<Option<Self>> {
        let path = dir.join(DEVICE_FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            let text = format!("{} is damaged: {error}", path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        })
    }

    /// Writes the file, all of it or nothing.
    pub(crate) fn store(&self, dir: &Path) -> io::Result<()> {
        let new = dir.join("device.json.new");
        let bytes = serde_json::to_vec_pretty(self)?;
        std::fs::write(&new, bytes)?;
        std::fs::rename(new, dir.join(DEVICE_FILE))
    }
}

/// A device found on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceEntry {
    /// Name of the device.
    pub name: String,
    /// Its folder.
    pub dir: PathBuf,
    /// Whether a chip runs in it.
    pub running: bool,
}

/// A name that cannot be a device's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot be a device name: 1 to {NAME_LEN_MAX} letters, digits, '-', '_' or '.', \
     beginning with a letter or digit"
)]
pub struct DeviceNameError(pub String);

/// The folder that holds the devices of this user: `$XDG_DATA_HOME/otaru/devices`, by default
/// `~/.local/share/otaru/devices`. `None` without a home directory.
pub fn devices_root() -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    std::env::var_os("XDG_DATA_HOME")
        .and_then(|path| absolute(path.into()))
        .or_else(|| Some(std::env::home_dir()?.join(".local/share")))
        .map(|data| data.join("otaru/devices"))
}

/// Whether `name` can be a device's.
///
/// # Errors
/// [`DeviceNameError`].
pub fn check_device_name(name: &str) -> Result<(), DeviceNameError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts && name.len() <= NAME_LEN_MAX && name.chars().all(plain) {
        Ok(())
    } else {
        Err(DeviceNameError(name.to_owned()))
    }
}

/// The folder of the device `name` under `root`.
///
/// # Errors
/// [`DeviceNameError`]; a name never leads out of `root`.
pub fn device_dir(root: &Path, name: &str) -> Result<PathBuf, DeviceNameError> {
    check_device_name(name)?;
    Ok(root.join(name))
}

/// The devices under `root`, in the order of their names. A missing folder holds none.
///
/// # Errors
/// When the folder cannot be read.
pub fn list_devices(root: &Path) -> io::Result<Vec<DeviceEntry>> {
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut devices = Vec::new();
    for entry in entries {
        let dir = entry?.path();
        let name = dir.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|_| dir.join(DEVICE_FILE).is_file()) else {
            continue;
        };
        devices.push(DeviceEntry {
            name: name.to_owned(),
            running: connect(&dir, CONTROL_SOCKET).is_ok(),
            dir,
        });
    }
    devices.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_names_never_lead_out_of_the_folder() {
        let root = Path::new("/devices");
        for name in [
            "",
            "..",
            ".hidden",
            "a/b",
            "a\0b",
            "é",
            "-x",
            &"x".repeat(65),
        ] {
            assert!(device_dir(root, name).is_err(), "{name:?}");
        }
        assert_eq!(
            device_dir(root, "kitchen-1.b"),
            Ok(PathBuf::from("/devices/kitchen-1.b"))
        );
    }

    #[test]
    fn missing_root_holds_no_devices() {
        assert_eq!(
            list_devices(Path::new("/nonexistent/x")).expect("empty"),
            []
        );
    }
}
