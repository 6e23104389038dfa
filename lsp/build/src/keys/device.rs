//! The key for which a project's images are encrypted, and which its devices hold.
//!
//! The public half encrypts, so a build needs no more. The private half goes into a device when it is
//! flashed by cable, and nowhere else.

use super::{KeyError, is_development, mark_development, refuse_in_release};
use crate::project::OpenProject;
use otaru_image::{DecryptionKey, EncryptionKey, KeyFileError};
use std::path::{Path, PathBuf};

/// What stands above the PEM block of a development key, for people.
const NOTE: &str = "anyone who has this file can read the firmware that was encrypted for it";

/// An X25519 key file, whichever half it holds.
#[derive(Debug, Clone)]
pub struct DeviceKey {
    /// Its file.
    pub path: PathBuf,
    /// What images are encrypted for.
    pub public: EncryptionKey,
    /// What a device decrypts with, if the file is the private half.
    pub private: Option<DecryptionKey>,
    /// Whether it was made for development.
    pub development: bool,
}

impl DeviceKey {
    /// Reads a key file, private or public half.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        if !path.exists() {
            return Err(KeyError::MissingDevice(path.to_owned()));
        }
        let unusable = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        let (public, private) = match DecryptionKey::load(path) {
            Ok(private) => (private.public(), Some(private)),
            Err(not_private @ KeyFileError::Encrypted) => return Err(unusable(not_private)),
            Err(_not_private) => (EncryptionKey::load(path).map_err(unusable)?, None),
        };
        Ok(Self {
            path: path.to_owned(),
            public,
            private,
            development: is_development(path, &public.to_hex())?,
        })
    }

    /// The same for this project.
    ///
    /// # Errors
    /// [`KeyError`], also if the project is for devices in the field and the key for development.
    pub fn load_for(project: &OpenProject, path: &Path) -> Result<Self, KeyError> {
        let key = Self::load(path)?;
        refuse_in_release(project, path, key.development)?;
        Ok(key)
    }

    /// Makes a new key in a new file, readable by its owner only. Folders are made as needed.
    ///
    /// # Errors
    /// [`KeyError`]; an existing file is never touched.
    pub fn create(path: &Path, development: bool) -> Result<Self, KeyError> {
        let unusable = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        super::prepare(path)?;
        let private = DecryptionKey::generate().map_err(unusable)?;
        private.save_new(path).map_err(unusable)?;
        if development {
            mark_development(path, NOTE)?;
        }
        Ok(Self {
            path: path.to_owned(),
            public: private.public(),
            private: Some(private),
            development,
        })
    }

    /// The short name of the key on screens: the first eight digits of its public half.
    pub fn short(&self) -> String {
        self.public.to_hex().chars().take(8).collect()
    }

    /// The half that a device gets by cable.
    ///
    /// # Errors
    /// [`KeyError::PublicOnly`] if the file holds the other one.
    pub fn secret(&self) -> Result<&DecryptionKey, KeyError> {
        let missing = || KeyError::PublicOnly(self.path.clone());
        self.private.as_ref().ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{list, world_readable};
    use super::*;
    use crate::explain::Explain as _;

    #[test]
    fn made_key_is_private_marked_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/device.pem");
        let made = DeviceKey::create(&path, true).unwrap();
        assert!(!world_readable(&path));
        let read = DeviceKey::load(&path).unwrap();
        assert_eq!((read.public, read.development), (made.public, true));
        assert!(read.secret().is_ok());
        let error = DeviceKey::create(&path, true).unwrap_err();
        assert_eq!(error.code(), "key-exists");
        let listed = list(path.parent().unwrap()).unwrap();
        assert_eq!(listed[0].encrypts, Some(made.public));
        assert!(listed[0].public.is_none() && listed[0].development);
    }

    #[test]
    fn public_half_encrypts_and_cannot_be_flashed() {
        let folder = tempfile::tempdir().unwrap();
        let made = DeviceKey::create(&folder.path().join("device.pem"), false).unwrap();
        for text in [made.public.to_pem(), made.public.to_hex()] {
            let path = folder.path().join("device.pub");
            std::fs::write(&path, text).unwrap();
            let read = DeviceKey::load(&path).unwrap();
            assert_eq!(read.public, made.public);
            assert_eq!(read.secret().unwrap_err().code(), "key-public-only");
        }
    }

    #[test]
    fn other_keys_and_missing_ones_say_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.pem");
        let error = DeviceKey::load(&path).unwrap_err();
        assert_eq!(error.code(), "key-missing");
        assert!(error.hint().unwrap().contains("keys new --encryption"));
        super::super::ProjectKey::create(&path, super::super::Algorithm::Ed25519, true).unwrap();
        let error = DeviceKey::load(&path).unwrap_err();
        assert_eq!(error.code(), "key-unusable");
        assert!(error.to_string().contains("X25519"), "{error}");
    }
}
