//! Encrypted images: for whom, and that one content is encrypted once.

use super::{BuildError, BuiltImage, hex};
use crate::keys::{DeviceKey, KeyError};
use crate::project::OpenProject;
use otaru_image::{Aes, EncryptionKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// How an image is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encrypted {
    /// Public half of the devices' key, 64 hex digits.
    pub for_key: String,
    /// Whether that key was made for development.
    pub development_key: bool,
    /// Bits of the AES key: 128 or 256.
    pub aes: u16,
}

impl Encrypted {
    /// What the manifest says; nothing if images are not encrypted.
    ///
    /// # Errors
    /// [`KeyError`] if there is no usable key.
    pub fn of(project: &OpenProject) -> Result<Option<Self>, KeyError> {
        let Some(settings) = &project.settings.encryption else {
            return Ok(None);
        };
        let key = DeviceKey::load_for(project, &project.root.join(&settings.key))?;
        Ok(Some(Self {
            for_key: key.public.to_hex(),
            development_key: key.development,
            aes: if settings.aes_256 { 256 } else { 128 },
        }))
    }

    /// For whom images are encrypted.
    pub(super) fn recipient(&self) -> Result<EncryptionKey, BuildError> {
        EncryptionKey::parse(&self.for_key)
            .map_err(|_not_a_key| BuildError::Format(otaru_image::BuildError::Recipient))
    }

    pub(super) const fn aes(&self) -> Aes {
        if self.aes == 256 {
            Aes::Aes256
        } else {
            Aes::Aes128
        }
    }

    /// The algorithm as the manager names it, `aes-128` or `aes-256`.
    pub fn algorithm(&self) -> String {
        format!("aes-{}", self.aes)
    }

    /// For people: the algorithm, and whose key.
    pub fn in_words(&self) -> String {
        let development = if self.development_key {
            " (development)"
        } else {
            ""
        };
        let algorithm = self.algorithm();
        format!("{algorithm} for the key {:.8}{development}", self.for_key)
    }
}

/// The image file of an earlier build of the same content under the same label, if it is still what
/// was made then. Where it was built from may have another commit by now.
pub(super) fn kept(wanted: &BuiltImage, about: &Path) -> Option<BuiltImage> {
    let text = std::fs::read(about).ok()?;
    let kept: BuiltImage = serde_json::from_slice(&text).ok()?;
    // For whom it is encrypted, and how, is a part of the content.
    let is_same = kept.content == wanted.content
        && kept.label == wanted.label
        && kept.build == wanted.build
        && kept.encryption.is_some();
    let bytes = std::fs::read(&wanted.path).ok().filter(|_| is_same)?;
    (hex(&Sha256::digest(&bytes)) == kept.digest).then(|| BuiltImage {
        digest: kept.digest,
        size: kept.size,
        ..wanted.clone()
    })
}
