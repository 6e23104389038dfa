//! X25519 keys on the host, in the forms that imgtool and OpenSSL write.

use std::string::String;
use std::vec::Vec;

use ed25519_dalek::pkcs8::{Document, SecretDocument};

use super::DecryptionKey;
use crate::keyfile::KeyFileError;

/// DER of PKCS#8 up to an X25519 private key: version 0, the algorithm 1.3.101.110.
const PRIVATE_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20,
];
/// DER of `SubjectPublicKeyInfo` up to an X25519 public key.
const PUBLIC_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00,
];

impl DecryptionKey {
    /// Reads a PKCS#8 PEM text (`imgtool keygen -t x25519`).
    ///
    /// # Errors
    /// [`KeyFileError::NotPrivateKey`] if it is anything but an X25519 private key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyFileError> {
        let (label, der) =
            SecretDocument::from_pem(pem.trim()).map_err(|_none| KeyFileError::NotPrivateKey)?;
        let bytes = der.as_bytes().strip_prefix(&PRIVATE_PREFIX);
        let bytes = bytes.filter(|_| label == "PRIVATE KEY");
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self::new).ok_or(KeyFileError::NotPrivateKey)
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

    /// Reads a PEM text (`imgtool getpub`).
    ///
    /// # Errors
    /// [`KeyFileError::NotPublicKey`] if it is anything but an X25519 public key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyFileError> {
        let (label, der) =
            Document::from_pem(pem.trim()).map_err(|_none| KeyFileError::NotPublicKey)?;
        let bytes = der.as_bytes().strip_prefix(&PUBLIC_PREFIX);
        let bytes = bytes.filter(|_| label == "PUBLIC KEY");
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(KeyFileError::NotPublicKey)
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
        let ending = ed25519_dalek::pkcs8::spki::der::pem::LineEnding::LF;
        document.to_pem("PUBLIC KEY", ending).expect("a short text")
    }
}
