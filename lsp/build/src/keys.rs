//! Keys of a project: making, finding and listing them.
//!
//! A key that was made for development says so in its own file, in a line above the PEM block,
//! which every PEM reader skips. Devices and manager carry the mark along. What is built for devices in
//! the field refuses such keys: that is decided in [`refuse_in_release`] alone.

mod device;
mod published;
mod table;

pub use device::DeviceKey;
pub use table::{KeyTable, KeyTableError};

use crate::explain::{ErrorClass, Explain};
use crate::project::OpenProject;
use otaru_image::{
    DecryptionKey, EncryptionKey, KEY_FILE_LEN_MAX, KeyFileError, KeyKind, PublicKey, SigningKey,
};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What stands above the PEM block of a development key.
const DEVELOPMENT_MARK: &str = "Otaru-Key: development";
/// Most key files of a folder among which the private half of a public one is looked for.
const BESIDE_MAX: usize = 50;
/// What stands there for people.
const NOTE: &str = "anyone who has this file can sign firmware for the devices that trust it";

/// The code of every refusal of a development key.
pub const DEV_KEY_IN_RELEASE: &str = "dev-key-in-release";
/// The way out of it.
pub const RELEASE_HINT: &str = "make one with `otaru keys new --release FILE` (`--encryption` for the \
     devices' key), name it in Otaru.toml, and flash the devices with it; for a device on your desk \
     leave out `--release` and `[signing] release`";

/// Refuses a key that was made for development where a project is built for devices in the field.
///
/// # Errors
/// [`KeyError::DevelopmentInRelease`]
pub fn refuse_in_release(
    project: &OpenProject,
    path: &Path,
    development: bool,
) -> Result<(), KeyError> {
    if project.settings.release && development {
        return Err(KeyError::DevelopmentInRelease(path.to_owned()));
    }
    Ok(())
}

/// What a key signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// Ed25519.
    #[default]
    Ed25519,
    /// ECDSA on P-256 with SHA-256.
    P256,
}

impl Algorithm {
    /// That of a public key.
    pub fn of(key: &PublicKey) -> Self {
        match key.kind() {
            KeyKind::Ed25519 => Self::Ed25519,
            KeyKind::P256 { .. } => Self::P256,
        }
    }

    /// Its name, in commands and in the manager's API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::P256 => "p256",
        }
    }
}

/// A private key and what is known about it.
#[derive(Debug, Clone)]
pub struct ProjectKey {
    /// Its file.
    pub path: PathBuf,
    /// The key.
    pub signing: SigningKey,
    /// Whether it was made for development.
    pub development: bool,
}

/// One key file of a folder.
#[derive(Debug, Clone)]
pub struct ListedKey {
    /// Its file.
    pub path: PathBuf,
    /// Its public half; `None` if the file is no key that signs.
    pub public: Option<PublicKey>,
    /// Its public half, if it is a key for which images are encrypted.
    pub encrypts: Option<EncryptionKey>,
    /// Whether it was made for development.
    pub development: bool,
    /// Whether others on this machine can read the private key.
    pub world_readable: bool,
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no such file.
    #[error("the signing key {} does not exist", .0.display())]
    Missing(PathBuf),
    /// There is no such file, and the key table names it.
    #[error("the key {} of the key table does not exist", .0.display())]
    MissingInTable(PathBuf),
    /// There is no such file, and images are to be encrypted for it.
    #[error("the encryption key {} does not exist", .0.display())]
    MissingDevice(PathBuf),
    /// A device needs the private half, and this file is the public one.
    #[error("{} is the public half of the encryption key, a device needs the private one", .0.display())]
    PublicOnly(PathBuf),
    /// What is built is for devices in the field, and the key is for development.
    #[error("{} is a development key, and this is for devices in the field", .0.display())]
    DevelopmentInRelease(PathBuf),
    /// The file exists and is never overwritten.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// The key file cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyFileError,
    },
    /// The folder or file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Storage {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Explain for KeyError {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) | Self::MissingInTable(_) | Self::MissingDevice(_) => "key-missing",
            Self::PublicOnly(_) => "key-public-only",
            Self::DevelopmentInRelease(_) => DEV_KEY_IN_RELEASE,
            Self::Exists(_) => "key-exists",
            Self::File { .. } => "key-unusable",
            Self::Storage { .. } => "key-storage",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing(path) => Some(format!(
                "make one with `otaru keys new {}`, or correct `[signing] key` in Otaru.toml",
                path.display()
            )),
            Self::MissingInTable(_) => Some(
                "correct `[signing] key_table` in Otaru.toml, or put the public half there: \
                 `otaru keys list` shows it, a file with its 64 digits will do"
                    .to_owned(),
            ),
            Self::MissingDevice(path) => Some(format!(
                "make one with `otaru keys new --encryption {}`, or correct `[encryption] key` in \
                 Otaru.toml",
                path.display()
            )),
            Self::PublicOnly(_) => Some(
                "give the private half: `otaru flash --decryption-key FILE`; over the air the \
                 public one is enough"
                    .to_owned(),
            ),
            Self::DevelopmentInRelease(_) => Some(RELEASE_HINT.to_owned()),
            Self::Exists(_) => Some(
                "a key is never overwritten: devices that have it would refuse every update"
                    .to_owned(),
            ),
            Self::File { .. } | Self::Storage { .. } => None,
        }
    }

    fn class(&self) -> ErrorClass {
        ErrorClass::Project
    }
}

impl ProjectKey {
    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        if !path.exists() {
            return Err(KeyError::Missing(path.to_owned()));
        }
        let unusable = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        let signing = SigningKey::load(path).map_err(unusable)?;
        let development = is_development(path, &signing.public().to_hex())?;
        Ok(Self {
            path: path.to_owned(),
            signing,
            development,
        })
    }

    /// Makes a new key in a new file, readable by its owner only. Folders are made as needed.
    ///
    /// # Errors
    /// [`KeyError`]; an existing file is never touched.
    pub fn create(path: &Path, algorithm: Algorithm, development: bool) -> Result<Self, KeyError> {
        let unusable = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        prepare(path)?;
        let signing = match algorithm {
            Algorithm::Ed25519 => SigningKey::generate(),
            Algorithm::P256 => SigningKey::generate_p256(),
        };
        let signing = signing.map_err(unusable)?;
        signing.save_new(path).map_err(unusable)?;
        if development {
            mark_development(path, NOTE)?;
        }
        Ok(Self {
            path: path.to_owned(),
            signing,
            development,
        })
    }

    /// The short name of the key on screens: the first eight digits of its public half.
    pub fn short(&self) -> String {
        short(&self.signing.public())
    }
}

/// Makes the folders of a new key, which must not be there yet.
fn prepare(path: &Path) -> Result<(), KeyError> {
    if path.exists() {
        return Err(KeyError::Exists(path.to_owned()));
    }
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.map_err(|source| KeyError::Storage {
        path: path.to_owned(),
        source,
    })
}

/// Writes into a new key's file that it is for development, and what that means.
fn mark_development(path: &Path, note: &str) -> Result<(), KeyError> {
    let mark = || {
        let pem = std::fs::read_to_string(path)?;
        std::fs::write(path, format!("{DEVELOPMENT_MARK}\n({note})\n\n{pem}"))
    };
    mark().map_err(|source| KeyError::Storage {
        path: path.to_owned(),
        source,
    })
}

/// The short name of a key on screens.
pub fn short(key: &PublicKey) -> String {
    key.to_hex().chars().take(8).collect()
}

/// The key files (`*.pem`) of a folder, by name. A folder that does not exist holds none.
///
/// # Errors
/// [`KeyError::Storage`] if the folder cannot be read.
pub fn list(folder: &Path) -> Result<Vec<ListedKey>, KeyError> {
    let storage = |source| KeyError::Storage {
        path: folder.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(storage(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(storage)?.path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths
        .into_iter()
        .map(|path| {
            let public = SigningKey::load(&path).ok().map(|key| key.public());
            let encrypts = DecryptionKey::load(&path).ok().map(|key| key.public());
            let hex = public.map(PublicKey::to_hex);
            let hex = hex.or(encrypts.map(EncryptionKey::to_hex));
            ListedKey {
                public,
                encrypts,
                development: is_development(&path, &hex.unwrap_or_default()).unwrap_or(false),
                world_readable: world_readable(&path),
                path,
            }
        })
        .collect())
}

/// Whether anybody but the owner can read the file.
pub fn world_readable(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        drop(path);
        false
    }
}

/// Whether this file holds a key of any kind that was made for development; not if it cannot be read.
pub fn is_for_development(path: &Path) -> bool {
    if !path.is_file() {
        return false;
    }
    let device = || DeviceKey::load(path).is_ok_and(|key| key.development);
    table::read(path).is_ok_and(|(_, development)| development) || device()
}

/// Whether a key file holds a key that was made for development: its own text says so, or its public
/// half is that of a private key which everybody has. A file with a public half alone says nothing; then
/// the private one may lie beside it.
fn is_development(path: &Path, public: &str) -> Result<bool, KeyError> {
    if published::is_published(public) || is_marked(path)? {
        return Ok(true);
    }
    let beside = path.parent().map(Path::read_dir);
    let Some(Ok(beside)) = beside else {
        return Ok(false);
    };
    let halves = beside.flatten().map(|entry| entry.path());
    let pem = halves.filter(|other| other != path && other.extension().is_some_and(|e| e == "pem"));
    Ok(pem.take(BESIDE_MAX).any(|other| {
        let signs = || SigningKey::load(&other).is_ok_and(|key| key.public().to_hex() == public);
        let decrypts =
            || DecryptionKey::load(&other).is_ok_and(|key| key.public().to_hex() == public);
        is_marked(&other).unwrap_or(false) && (signs() || decrypts())
    }))
}

fn is_marked(path: &Path) -> Result<bool, KeyError> {
    let storage = |source| KeyError::Storage {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(KEY_FILE_LEN_MAX).read_to_string(&mut text))
        .map_err(storage)?;
    Ok(text
        .lines()
        .take_while(|line| !line.starts_with("-----"))
        .any(|line| line == DEVELOPMENT_MARK))
}

#[cfg(test)]
mod tests {
    // A5, D1: images are signed; a development key is marked as such.
    use super::*;

    #[test]
    fn a_development_key_is_marked_in_its_own_file_and_still_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/dev.pem");
        let made = ProjectKey::create(&path, Algorithm::Ed25519, true).unwrap();
        let read = ProjectKey::load(&path).unwrap();
        assert!(read.development);
        assert_eq!(read.signing.public(), made.signing.public());
        assert_eq!(read.short().len(), 8);
        assert!(!world_readable(&path));
    }

    #[test]
    fn p256_key_is_made_read_and_listed_like_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.pem");
        let made = ProjectKey::create(&path, Algorithm::P256, true).unwrap();
        let read = ProjectKey::load(&path).unwrap();
        let public = read.signing.public();
        assert_eq!(public, made.signing.public());
        assert_eq!(Algorithm::of(&public), Algorithm::P256);
        assert!(read.development && !world_readable(&path));
        assert_eq!(list(folder.path()).unwrap()[0].public, Some(public));
    }

    #[test]
    fn other_keys_are_not_marked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("release.pem");
        ProjectKey::create(&path, Algorithm::Ed25519, false).unwrap();
        assert!(!ProjectKey::load(&path).unwrap().development);
    }

    #[test]
    fn an_existing_key_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.pem");
        ProjectKey::create(&path, Algorithm::Ed25519, true).unwrap();
        let before = std::fs::read(&path).unwrap();
        let error = ProjectKey::create(&path, Algorithm::Ed25519, true).unwrap_err();
        assert_eq!(error.code(), "key-exists");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn missing_and_damaged_keys_say_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.pem");
        let error = ProjectKey::load(&path).unwrap_err();
        assert_eq!(error.code(), "key-missing");
        assert!(error.hint().unwrap().contains("otaru keys new"));
        std::fs::write(&path, "-----BEGIN PRIVATE KEY-----\nnonsense\n").unwrap();
        assert_eq!(ProjectKey::load(&path).unwrap_err().code(), "key-unusable");
    }

    #[test]
    fn the_list_shows_damaged_files_too() {
        let folder = tempfile::tempdir().unwrap();
        assert!(list(&folder.path().join("nothing")).unwrap().is_empty());
        ProjectKey::create(&folder.path().join("b.pem"), Algorithm::Ed25519, true).unwrap();
        std::fs::write(folder.path().join("a.pem"), "junk").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "not a key").unwrap();
        let listed = list(folder.path()).unwrap();
        assert_eq!(listed.len(), 2);
        assert!(listed[0].public.is_none());
        assert!(listed[1].public.is_some() && listed[1].development);
    }
}
