//! Keys on the host: Ed25519 as PKCS#8 PEM files, the form that imgtool and OpenSSL write.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::string::String;
use std::{fmt, format};

use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _,
    KeypairBytes, PublicKeyBytes,
};

use crate::key::{canonical, key_hash, spki_der};

/// Longest key file that is read, in bytes. Real ones have about 120.
pub const KEY_FILE_LEN_MAX: u64 = 16 * 1024;

/// Why a key cannot be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The operating system has no random numbers.
    #[error("no random numbers from the operating system")]
    Random(#[source] getrandom::Error),
    /// The file cannot be read.
    #[error("cannot read the key file {}", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file cannot be written. An existing file is never overwritten.
    #[error("cannot write the key file {}", path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The text is longer than [`KEY_FILE_LEN_MAX`].
    #[error("the key file is longer than {KEY_FILE_LEN_MAX} bytes, so it is none")]
    TooLong,
    /// The key is protected by a password.
    #[error(
        "the key is protected by a password, which is not supported; \
         store it without one: openssl pkey -in KEY -out PLAIN"
    )]
    Encrypted,
    /// The text is not an Ed25519 private key.
    #[error("not an Ed25519 private key in PKCS#8 PEM; make one with: imgtool keygen -t ed25519")]
    NotPrivateKey,
    /// The text is not an Ed25519 public key.
    #[error("not an Ed25519 public key, neither as PEM nor as 64 hex digits")]
    NotPublicKey,
}

/// A private key that signs images. Wiped from memory when dropped; never printed.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public()).finish()
    }
}

impl SigningKey {
    /// A new key from the operating system's random numbers.
    ///
    /// # Errors
    /// [`KeyFileError::Random`] if there are none.
    pub fn generate() -> Result<Self, KeyFileError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(KeyFileError::Random)?;
        Ok(Self::from_seed(seed))
    }

    /// The key that RFC 8032 derives from these 32 secret bytes.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// Reads a PKCS#8 PEM text.
    ///
    /// # Errors
    /// [`KeyFileError::Encrypted`] if it needs a password, [`KeyFileError::NotPrivateKey`] if it is
    /// anything but an Ed25519 private key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyFileError> {
        if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") {
            return Err(KeyFileError::Encrypted);
        }
        ed25519_dalek::SigningKey::from_pkcs8_pem(pem.trim())
            .map(Self)
            .map_err(|_no_detail| KeyFileError::NotPrivateKey)
    }

    /// Reads a PKCS#8 PEM file.
    ///
    /// # Errors
    /// [`KeyFileError::Read`] and [`KeyFileError::TooLong`], else as [`SigningKey::from_pem`].
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        Self::from_pem(&read_text(path)?)
    }

    /// PKCS#8 PEM without a password, in memory that is wiped when dropped.
    ///
    /// The public key is left out of it, as imgtool and OpenSSL do: older readers stumble over it.
    fn to_pem(&self) -> impl Deref<Target = String> {
        let pair = KeypairBytes {
            secret_key: self.0.to_bytes(),
            public_key: None,
        };
        pair.to_pkcs8_pem(LineEnding::LF)
            .expect("32 bytes always fit into PKCS#8")
    }

    /// Writes the key to a new file that, on Unix, only its owner can read.
    ///
    /// # Errors
    /// [`KeyFileError::Write`], also if the file exists already.
    pub fn save_new(&self, path: &Path) -> Result<(), KeyFileError> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(path).and_then(|mut file| {
            file.write_all(self.to_pem().as_bytes())?;
            file.sync_all()
        });
        written.map_err(|source| KeyFileError::Write {
            path: path.to_path_buf(),
            source,
        })
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Ed25519 over the 32 bytes of an image hash.
    pub(crate) fn sign_hash(&self, image_hash: &[u8; 32]) -> [u8; 64] {
        self.0.sign(image_hash).to_bytes()
    }
}

/// A public key, for key tables and key rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads a public key: a PEM text (`imgtool getpub`, `openssl pkey -pubout`) or 64 hex digits.
    ///
    /// # Errors
    /// [`KeyFileError::NotPublicKey`] for anything else, points of small order and second
    /// encodings of a point included.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let text = text.trim();
        let bytes = decode_hex(text).or_else(|| {
            ed25519_dalek::VerifyingKey::from_public_key_pem(text)
                .ok()
                .map(|key| key.to_bytes())
        });
        bytes
            .and_then(|bytes| canonical(&bytes))
            .filter(|key| !key.is_weak())
            .map(|key| Self(key.to_bytes()))
            .ok_or(KeyFileError::NotPublicKey)
    }

    /// Reads a file that holds a public key.
    ///
    /// # Errors
    /// [`KeyFileError::Read`] and [`KeyFileError::TooLong`], else as [`PublicKey::parse`].
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        Self::parse(&read_text(path)?)
    }

    /// As RFC 8032 encodes it: what a key table holds.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// 64 lower-case hex digits.
    pub fn to_hex(self) -> String {
        self.0.iter().fold(String::with_capacity(64), |text, byte| {
            text + &format!("{byte:02x}")
        })
    }

    /// DER `SubjectPublicKeyInfo`.
    pub fn spki_der(self) -> [u8; 44] {
        spki_der(&self.0)
    }

    /// PEM `PUBLIC KEY`.
    ///
    /// # Panics
    /// Never: 32 bytes always fit into this form.
    pub fn to_pem(self) -> String {
        PublicKeyBytes(self.0)
            .to_public_key_pem(LineEnding::LF)
            .expect("32 bytes always fit into SubjectPublicKeyInfo")
    }

    /// SHA-256 of [`PublicKey::spki_der`]: how an image names its key.
    pub fn key_hash(self) -> [u8; 32] {
        key_hash(&self.0)
    }
}

fn decode_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 {
        return None;
    }
    let mut digits = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|d| u8::try_from(d).ok()));
    let mut bytes = [0; 32];
    for byte in &mut bytes {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = (high << 4) | low;
    }
    Some(bytes)
}

fn read_text(path: &Path) -> Result<String, KeyFileError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| {
        file.take(KEY_FILE_LEN_MAX.saturating_add(1))
            .read_to_string(&mut text)
    });
    match read {
        Ok(len) if u64::try_from(len).is_ok_and(|len| len <= KEY_FILE_LEN_MAX) => Ok(text),
        Ok(_) => Err(KeyFileError::TooLong),
        Err(source) => Err(KeyFileError::Read {
            path: path.to_path_buf(),
            source,
        }),
    }
}
