//! X25519 keys on the host, in the forms that imgtool and OpenSSL write.

use std::format;
use std::path::Path;
use std::string::String;
use std::vec::Vec;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{Document, SecretDocument};
use zeroize::Zeroizing;

use super::DecryptionKey;
use crate::keyfile::{KeyFileError, decode_hex, read_text, write_new};

/// DER of PKCS#8 up to an X25519 private key: version 0, the algorithm 1.3.101.110.
const PRIVATE_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20,
];
/// DER of `SubjectPublicKeyInfo` up to an X25519 public key.
const PUBLIC_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00,
];

impl DecryptionKey {
    /// A new key from the operating system's random numbers.
    ///
    /// # Errors
    /// [`KeyFileError::Random`] if there are none.
    pub fn generate() -> Result<Self, KeyFileError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(KeyFileError::Random)?;
        Ok(Self::new(*bytes))
    }

    /// Reads a PKCS#8 PEM text (`imgtool keygen -t x25519`).
    ///
    /// # Errors
    /// [`KeyFileError::Encrypted`] if it needs a password, [`KeyFileError::NotDecryptionKey`] if it
    /// is anything but an X25519 private key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyFileError> {
        if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") {
            return Err(KeyFileError::Encrypted);
        }
        let (label, der) =
            SecretDocument::from_pem(pem.trim()).map_err(|_none| KeyFileError::NotDecryptionKey)?;
        let bytes = der.as_bytes().strip_prefix(&PRIVATE_PREFIX);
        let bytes = bytes.filter(|_| label == "PRIVATE KEY");
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self::new).ok_or(KeyFileError::NotDecryptionKey)
    }

    /// Reads a PKCS#8 PEM file.
    ///
    /// # Errors
    /// [`KeyFileError::Read`] and [`KeyFileError::TooLong`], else as [`DecryptionKey::from_pem`].
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        Self::from_pem(&Zeroizing::new(read_text(path)?))
    }

    /// Writes the key, as imgtool does, to a new file that, on Unix, only its owner can read.
    ///
    /// # Errors
    /// [`KeyFileError::Write`], also if the file exists already.
    ///
    /// # Panics
    /// Never: 48 bytes always fit into this form.
    pub fn save_new(&self, path: &Path) -> Result<(), KeyFileError> {
        let der: Vec<u8> = PRIVATE_PREFIX.iter().chain(&*self.0).copied().collect();
        let document = SecretDocument::try_from(der).expect("it is well-formed DER");
        let pem = document.to_pem("PRIVATE KEY", LineEnding::LF);
        write_new(path, &pem.expect("a short text"))
    }

    /// The 32 secret bytes, as a device block holds them.
    pub fn secret(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its public half: what images for this device are encrypted for.
    pub fn public(&self) -> EncryptionKey {
        let base = x25519_dalek::X25519_BASEPOINT_BYTES;
        EncryptionKey(x25519_dalek::x25519(*self.0, base))
    }
}

/// An X25519 public key: images are encrypted for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncryptionKey(pub(super) [u8; 32]);

impl EncryptionKey {
    /// The key with these 32 bytes, as RFC 7748 has it.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads a public key: a PEM text (`imgtool getpub`) or 64 hex digits.
    ///
    /// # Errors
    /// [`KeyFileError::NotEncryptionKey`] if it is anything but an X25519 public key.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let text = text.trim();
        if let Some(bytes) = decode_hex(text) {
            let bytes = bytes.as_slice().try_into();
            return bytes
                .map(Self)
                .map_err(|_len| KeyFileError::NotEncryptionKey);
        }
        let (label, der) =
            Document::from_pem(text).map_err(|_none| KeyFileError::NotEncryptionKey)?;
        let bytes = der.as_bytes().strip_prefix(&PUBLIC_PREFIX);
        let bytes = bytes.filter(|_| label == "PUBLIC KEY");
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(KeyFileError::NotEncryptionKey)
    }

    /// Reads a file that holds a public key.
    ///
    /// # Errors
    /// [`KeyFileError::Read`] and [`KeyFileError::TooLong`], else as [`EncryptionKey::parse`].
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        Self::parse(&read_text(path)?)
    }

    /// 64 lower-case hex digits.
    pub fn to_hex(self) -> String {
        let digits = String::with_capacity(64);
        let bytes = self.0.iter();
        bytes.fold(digits, |text, byte| text + &format!("{byte:02x}"))
    }

    /// The 32 bytes.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// PEM `PUBLIC KEY`.
    ///
    /// # Panics
    /// Never: 44 bytes always fit into this form.
    pub fn to_pem(self) -> String {
        let der: Vec<u8> = PUBLIC_PREFIX.iter().chain(&self.0).copied().collect();
        let document = Document::try_from(der).expect("it is well-formed DER");
        document
            .to_pem("PUBLIC KEY", LineEnding::LF)
            .expect("a short text")
    }
}
