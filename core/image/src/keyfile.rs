//! Keys on the host, Ed25519 and P-256, as PKCS#8 PEM files: the form that imgtool and OpenSSL write.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::string::String;
use std::vec::Vec;
use std::{fmt, format};

use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, Document, EncodePrivateKey as _, KeypairBytes,
};

use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use sha2::{Digest as _, Sha256};

use crate::ecdsa::{decompress, p256_spki_der};
use crate::key::{KeyKind, canonical, spki_der};
use crate::tlv;

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
    /// The text is not a private key of an algorithm known here.
    #[error(
        "not an Ed25519 or P-256 private key in PKCS#8 PEM; make one with: imgtool keygen -t ed25519"
    )]
    NotPrivateKey,
    /// The text is not an X25519 private key.
    #[error("not an X25519 private key in PKCS#8 PEM; make one with: imgtool keygen -t x25519")]
    NotDecryptionKey,
    /// The text is not an X25519 public key.
    #[error("not an X25519 public key, neither as PEM nor as 64 hex digits")]
    NotEncryptionKey,
    /// The text is not a public key of an algorithm known here.
    #[error("not an Ed25519 or P-256 public key, neither as PEM nor as 64 or 66 hex digits")]
    NotPublicKey,
}

/// A private key that signs images. Wiped from memory when dropped; never printed.
#[derive(Clone)]
pub struct SigningKey(Secret);

#[derive(Clone)]
enum Secret {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public()).finish()
    }
}

impl SigningKey {
    /// A new Ed25519 key from the operating system's random numbers.
    ///
    /// # Errors
    /// [`KeyFileError::Random`] if there are none.
    pub fn generate() -> Result<Self, KeyFileError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(KeyFileError::Random)?;
        Ok(Self::from_seed(seed))
    }

    /// A new P-256 key from the operating system's random numbers.
    ///
    /// # Errors
    /// [`KeyFileError::Random`] if there are none.
    pub fn generate_p256() -> Result<Self, KeyFileError> {
        loop {
            // All but one in 2^32 numbers will do, so this ends.
            let mut number = [0; 32];
            getrandom::fill(&mut number).map_err(KeyFileError::Random)?;
            if let Ok(key) = p256::ecdsa::SigningKey::from_slice(&number) {
                return Ok(Self(Secret::P256(key)));
            }
        }
    }

    /// The Ed25519 key that RFC 8032 derives from these 32 secret bytes.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Secret::Ed25519(ed25519_dalek::SigningKey::from_bytes(
            &seed,
        )))
    }

    /// Reads a PKCS#8 PEM text.
    ///
    /// # Errors
    /// [`KeyFileError::Encrypted`] if it needs a password, [`KeyFileError::NotPrivateKey`] if it is
    /// anything but an Ed25519 or P-256 private key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyFileError> {
        if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") {
            return Err(KeyFileError::Encrypted);
        }
        let pem = pem.trim();
        if let Ok(key) = ed25519_dalek::SigningKey::from_pkcs8_pem(pem) {
            return Ok(Self(Secret::Ed25519(key)));
        }
        p256::ecdsa::SigningKey::from_pkcs8_pem(pem)
            .map(|key| Self(Secret::P256(key)))
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
    /// The public key is left out of it for Ed25519, as imgtool and OpenSSL do: older readers
    /// stumble over it.
    fn to_pem(&self) -> impl Deref<Target = String> {
        let pem = match &self.0 {
            Secret::Ed25519(key) => KeypairBytes {
                secret_key: key.to_bytes(),
                public_key: None,
            }
            .to_pkcs8_pem(LineEnding::LF),
            Secret::P256(key) => key.to_pkcs8_pem(LineEnding::LF),
        };
        pem.expect("32 bytes always fit into PKCS#8")
    }

    /// Writes the key to a new file that, on Unix, only its owner can read.
    ///
    /// # Errors
    /// [`KeyFileError::Write`], also if the file exists already.
    pub fn save_new(&self, path: &Path) -> Result<(), KeyFileError> {
        write_new(path, &self.to_pem())
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        match &self.0 {
            Secret::Ed25519(key) => PublicKey {
                kind: KeyKind::Ed25519,
                bytes: key.verifying_key().to_bytes(),
            },
            Secret::P256(key) => PublicKey::of_p256(key.verifying_key()),
        }
    }

    /// Signs an image hash; the bytes that go into the image.
    pub(crate) fn sign_hash(&self, image_hash: &[u8; 32]) -> Vec<u8> {
        match &self.0 {
            Secret::Ed25519(key) => key.sign(image_hash).to_bytes().to_vec(),
            Secret::P256(key) => {
                let signature: p256::ecdsa::Signature = key
                    .sign_prehash(image_hash)
                    .expect("a hash of 32 bytes can be signed");
                signature.to_der().as_bytes().to_vec()
            }
        }
    }
}

/// A public key, for key tables and key rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey {
    kind: KeyKind,
    bytes: [u8; 32],
}

impl PublicKey {
    /// Reads a public key: a PEM text (`imgtool getpub`, `openssl pkey -pubout`), 64 hex digits for
    /// Ed25519, or 66 for P-256 (02 or 03, then the x coordinate).
    ///
    /// # Errors
    /// [`KeyFileError::NotPublicKey`] for anything else, points of small order and second
    /// encodings of a point included.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let text = text.trim();
        let key = decode_hex(text)
            .and_then(|bytes| Self::of_bytes(&bytes))
            .or_else(|| {
                let key = ed25519_dalek::VerifyingKey::from_public_key_pem(text).ok()?;
                Self::of_bytes(&key.to_bytes())
            })
            .or_else(|| {
                let key = p256::ecdsa::VerifyingKey::from_public_key_pem(text).ok()?;
                Some(Self::of_p256(&key))
            });
        key.ok_or(KeyFileError::NotPublicKey)
    }

    /// A key from the bytes that [`PublicKey::to_hex`] prints.
    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        if let Ok(bytes) = <[u8; 32]>::try_from(bytes) {
            let key = canonical(&bytes).filter(|key| !key.is_weak())?;
            let (kind, bytes) = (KeyKind::Ed25519, key.to_bytes());
            return Some(Self { kind, bytes });
        }
        let (parity, x) = bytes.split_first()?;
        let y_odd = matches!(parity, 2 | 3).then_some(*parity == 3)?;
        let (kind, bytes) = (KeyKind::P256 { y_odd }, x.try_into().ok()?);
        decompress(&bytes, y_odd).map(|_point| Self { kind, bytes })
    }

    fn of_p256(key: &p256::ecdsa::VerifyingKey) -> Self {
        Self::of_bytes(key.to_sec1_point(true).as_bytes()).expect("it is a point")
    }

    /// Reads a file that holds a public key.
    ///
    /// # Errors
    /// [`KeyFileError::Read`] and [`KeyFileError::TooLong`], else as [`PublicKey::parse`].
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        Self::parse(&read_text(path)?)
    }

    /// Which algorithm it is for.
    pub const fn kind(self) -> KeyKind {
        self.kind
    }

    /// What a key table holds: Ed25519 as RFC 8032 encodes it, P-256 as the x coordinate.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.bytes
    }

    /// The type of the TLV that holds its signatures.
    pub(crate) const fn signature_tlv(self) -> u16 {
        match self.kind {
            KeyKind::Ed25519 => tlv::SIGNATURE_ED25519,
            KeyKind::P256 { .. } => tlv::SIGNATURE_ECDSA,
        }
    }

    /// Lower-case hex digits: 64 for Ed25519, 66 for P-256.
    pub fn to_hex(self) -> String {
        let parity: &[u8] = match self.kind {
            KeyKind::Ed25519 => &[],
            KeyKind::P256 { y_odd: false } => &[2],
            KeyKind::P256 { y_odd: true } => &[3],
        };
        let bytes = parity.iter().chain(&self.bytes);
        bytes.fold(String::with_capacity(66), |text, byte| {
            text + &format!("{byte:02x}")
        })
    }

    /// DER `SubjectPublicKeyInfo`: 44 bytes for Ed25519, 91 for P-256.
    ///
    /// # Panics
    /// Never: only points can be made into a key.
    pub fn spki_der(self) -> Vec<u8> {
        match self.kind {
            KeyKind::Ed25519 => spki_der(&self.bytes).to_vec(),
            KeyKind::P256 { y_odd } => {
                let point =
                    decompress(&self.bytes, y_odd).expect("it was checked when it was made");
                p256_spki_der(&point).to_vec()
            }
        }
    }

    /// PEM `PUBLIC KEY`.
    ///
    /// # Panics
    /// Never: a key always fits into this form.
    pub fn to_pem(self) -> String {
        let der = self.spki_der();
        let document = Document::try_from(der.as_slice()).expect("it is well-formed DER");
        document
            .to_pem("PUBLIC KEY", LineEnding::LF)
            .expect("a short text")
    }

    /// SHA-256 of [`PublicKey::spki_der`]: how an image names its key.
    pub fn key_hash(self) -> [u8; 32] {
        Sha256::digest(self.spki_der()).into()
    }
}

/// The bytes of 64 or 66 hex digits.
pub(crate) fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if !matches!(text.len(), 64 | 66) {
        return None;
    }
    let mut digits = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|d| u8::try_from(d).ok()));
    let mut bytes = Vec::new();
    while let Some(high) = digits.next() {
        let (high, low) = (high?, digits.next()??);
        bytes.push((high << 4) | low);
    }
    Some(bytes)
}

/// Writes a secret text to a new file that, on Unix, only its owner can read.
pub(crate) fn write_new(path: &Path, secret: &str) -> Result<(), KeyFileError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(secret.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|source| KeyFileError::Write {
        path: path.to_path_buf(),
        source,
    })
}

pub(crate) fn read_text(path: &Path) -> Result<String, KeyFileError> {
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
