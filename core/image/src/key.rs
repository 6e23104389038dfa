//! Public keys, and who checks a signature.

use core::fmt;

use sha2::{Digest as _, Sha256};

/// Most keys a device's key table holds.
pub const KEYS_MAX: usize = 8;

/// One entry of a key table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The Ed25519 public key as RFC 8032 encodes it.
    pub public: [u8; 32],
    /// Whether images signed by it are refused.
    pub revoked: bool,
}

/// DER of `SubjectPublicKeyInfo` up to the key: algorithm 1.3.101.112, then a bit string.
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The key as DER `SubjectPublicKeyInfo`, which is what `openssl pkey -pubout -outform DER` prints.
pub fn spki_der(public: &[u8; 32]) -> [u8; 44] {
    let mut der = [0; 44];
    for (to, from) in der.iter_mut().zip(SPKI_PREFIX.iter().chain(public)) {
        *to = *from;
    }
    der
}

/// The value by which an image names its key: SHA-256 of [`spki_der`].
#[inline(never)]
pub fn key_hash(public: &[u8; 32]) -> [u8; 32] {
    Sha256::digest(spki_der(public)).into()
}

/// A signature that was not made by this key over this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureRejected;

impl fmt::Display for SignatureRejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the signature was not made by this key over this message")
    }
}

impl core::error::Error for SignatureRejected {}

/// Checks Ed25519 signatures, so that a board can choose a small implementation or its hardware.
///
/// An implementation must refuse keys of small order and encodings that are not canonical: an
/// erased key table entry must never accept anything.
pub trait SignatureVerifier {
    /// Checks that `signature` was made by `public` over `message`.
    ///
    /// # Errors
    /// [`SignatureRejected`] in every other case, an unusable key included.
    fn check(
        &self,
        public: &[u8; 32],
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<(), SignatureRejected>;
}

/// The verifier on ed25519-dalek.
#[cfg(feature = "ed25519")]
#[derive(Debug, Clone, Copy, Default)]
pub struct Ed25519Dalek;

#[cfg(feature = "ed25519")]
impl SignatureVerifier for Ed25519Dalek {
    fn check(
        &self,
        public: &[u8; 32],
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<(), SignatureRejected> {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        let key = canonical(public).ok_or(SignatureRejected)?;
        key.verify_strict(message, &signature)
            .map_err(|_opaque| SignatureRejected)
    }
}

/// The key, if these bytes are the only encoding of a point. 32 erased bytes are not: they would
/// pass for the point with y = 18.
#[cfg(feature = "ed25519")]
pub(crate) fn canonical(public: &[u8; 32]) -> Option<ed25519_dalek::VerifyingKey> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(public).ok()?;
    (key.to_edwards().compress().to_bytes() == *public).then_some(key)
}
