//! API keys of managers, in the user's own configuration: never in a project.
//!
//! `OTARU_API_KEY` in the environment wins. Otherwise they stand in `credentials.json`, readable
//! by the user only, in `$OTARU_CONFIG_DIR`, else the usual place of the system (on Linux
//! `~/.config/otaru`).

use crate::explain::{ErrorClass, Explain};
use otaru_lsp_project::ManagerUrl;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

const FILE_NAME: &str = "credentials.json";
/// Longest file that is read, in bytes.
const FILE_LEN_MAX: u64 = 256 * 1024;

/// Why keys cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// There is no place for them.
    #[error("there is no home folder in which API keys could be kept")]
    NoHome,
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Storage {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is damaged.
    #[error("{} is damaged", .0.display())]
    Damaged(PathBuf),
}

impl Explain for CredentialError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoHome => "no-home",
            Self::Storage { .. } => "credentials-storage",
            Self::Damaged(_) => "credentials-damaged",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoHome => Some("set OTARU_API_KEY, or OTARU_CONFIG_DIR".to_owned()),
            Self::Storage { .. } => None,
            Self::Damaged(_) => Some("delete it and log in again: `otaru login`".to_owned()),
        }
    }

    fn class(&self) -> ErrorClass {
        ErrorClass::Access
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Stored {
    /// API key by address.
    managers: BTreeMap<String, String>,
}

/// The keys of this user.
#[derive(Debug, Clone)]
pub struct Credentials {
    path: PathBuf,
}

impl Credentials {
    /// Those of the user who runs us.
    ///
    /// # Errors
    /// [`CredentialError::NoHome`]
    pub fn of_user() -> Result<Self, CredentialError> {
        Ok(Self::in_folder(
            &config_dir().ok_or(CredentialError::NoHome)?,
        ))
    }

    /// Those kept in a folder.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            path: folder.join(FILE_NAME),
        }
    }

    /// The key for a manager.
    ///
    /// # Errors
    /// [`CredentialError`]
    pub fn get(&self, url: &ManagerUrl) -> Result<Option<String>, CredentialError> {
        Ok(self.load()?.managers.remove(url.as_str()))
    }

    /// Keeps the key for a manager.
    ///
    /// # Errors
    /// [`CredentialError`]
    pub fn set(&self, url: &ManagerUrl, api_key: &str) -> Result<(), CredentialError> {
        let mut stored = self.load()?;
        stored
            .managers
            .insert(url.as_str().to_owned(), api_key.to_owned());
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let write = || {
            std::fs::create_dir_all(folder)?;
            // A temporary file is readable by its owner only, and stays so when it is renamed.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&mut file, &stored)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(&self.path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|source| self.error(source))
    }

    fn error(&self, source: std::io::Error) -> CredentialError {
        CredentialError::Storage {
            path: self.path.clone(),
            source,
        }
    }

    fn load(&self) -> Result<Stored, CredentialError> {
        let mut text = Vec::new();
        match std::fs::File::open(&self.path) {
            Ok(file) => {
                file.take(FILE_LEN_MAX)
                    .read_to_end(&mut text)
                    .map_err(|e| self.error(e))?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Stored::default());
            }
            Err(error) => return Err(self.error(error)),
        }
        serde_json::from_slice(&text)
            .map_err(|_no_detail| CredentialError::Damaged(self.path.clone()))
    }
}

/// The API key for a manager: from the environment, else from the user's configuration.
///
/// # Errors
/// [`CredentialError`]
pub fn api_key(url: &ManagerUrl) -> Result<Option<String>, CredentialError> {
    match std::env::var("OTARU_API_KEY") {
        Ok(key) if !key.is_empty() => Ok(Some(key)),
        Ok(_) | Err(_) => match Credentials::of_user() {
            Ok(credentials) => credentials.get(url),
            Err(_) => Ok(None),
        },
    }
}

/// Where this user's configuration stands.
fn config_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = set("OTARU_CONFIG_DIR") {
        return Some(folder.into());
    }
    let base = if cfg!(windows) {
        set("APPDATA").map(PathBuf::from)
    } else if cfg!(target_os = "macos") {
        std::env::home_dir().map(|home| home.join("Library/Application Support"))
    } else {
        set("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| std::env::home_dir().map(|home| home.join(".config")))
    };
    base.map(|base| base.join("otaru"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ManagerUrl {
        ManagerUrl::parse(text).unwrap()
    }

    #[test]
    fn keys_are_kept_per_manager_and_readable_by_the_user_only() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::in_folder(&folder.path().join("otaru"));
        let (one, two) = (url("http://127.0.0.1:1"), url("http://127.0.0.1:2/"));
        assert_eq!(credentials.get(&one).unwrap(), None);
        credentials.set(&one, "first").unwrap();
        credentials.set(&two, "second").unwrap();
        credentials.set(&one, "third").unwrap();
        assert_eq!(credentials.get(&one).unwrap().as_deref(), Some("third"));
        assert_eq!(
            credentials
                .get(&url("http://127.0.0.1:2"))
                .unwrap()
                .as_deref(),
            Some("second")
        );
        assert!(!crate::keys::world_readable(&credentials.path));
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::in_folder(folder.path());
        std::fs::write(&credentials.path, "{\"managers\":").unwrap();
        let here = url("http://127.0.0.1:1");
        assert_eq!(
            credentials.get(&here).unwrap_err().code(),
            "credentials-damaged"
        );
        assert_eq!(
            credentials.set(&here, "x").unwrap_err().code(),
            "credentials-damaged"
        );
        assert_eq!(
            std::fs::read_to_string(&credentials.path).unwrap(),
            "{\"managers\":"
        );
    }
}
