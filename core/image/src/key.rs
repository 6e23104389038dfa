//! Public keys, and who checks a signature.

use core::fmt;

use crate::ecdsa::P256Signature;
use crate::hash::Sha256;

/// Most keys a device's key table holds.
pub const KEYS_MAX: usize = 8;

/// Which algorithm a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum KeyKind {
    /// Ed25519.
    #[default]
    Ed25519,
    /// ECDSA on P-256 with SHA-256.
    P256 {
        /// Which of the two points with the key's x coordinate it is.
        y_odd: bool,
    },
}

/// One entry of a key table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The public key: Ed25519 as RFC 8032 encodes it, P-256 as the x coordinate, big-endian.
    pub public: [u8; 32],
    /// Which algorithm it is for.
    pub kind: KeyKind,
    /// Whether images signed by it are refused.
    pub revoked: bool,
}

/// The signature of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// Ed25519 over the image hash.
    Ed25519([u8; 64]),
    /// ECDSA on P-256; its hash is the image hash. Only with the feature `p256`.
    P256(P256Signature),
}

impl Signature {
    /// Its bytes, as they stand in the image.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(bytes) => bytes,
            Self::P256(signature) => signature.as_bytes(),
        }
    }
}

/// DER of `SubjectPublicKeyInfo` up to an Ed25519 key: algorithm 1.3.101.112, then a bit string.
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// An Ed25519 key as DER `SubjectPublicKeyInfo`, which is what `openssl pkey -pubout -outform DER` prints.
pub fn spki_der(public: &[u8; 32]) -> [u8; 44] {
    let mut der = [0; 44];
    for (to, from) in der.iter_mut().zip(SPKI_PREFIX.iter().chain(public)) {
        *to = *from;
    }
    der
}

/// The value by which an image names its Ed25519 key: SHA-256 of [`spki_der`].
#[inline(never)]
pub fn key_hash(public: &[u8; 32]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(&SPKI_PREFIX);
    hasher.update(public);
    hasher.hash()
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

/// Checks signatures, Ed25519 and if it can P-256, so that a board can choose a small implementation or its hardware.
///
/// An implementation must refuse keys of small order and encodings that are not canonical: an
/// erased key table entry must never accept anything.
pub trait SignatureVerifier {
    /// Checks that the Ed25519 `signature` was made by `public` over `message`.
    ///
    /// # Errors
    /// [`SignatureRejected`] in every other case, an unusable key included.
    fn check(
        &self,
        public: &[u8; 32],
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<(), SignatureRejected>;

    /// Whether the two functions below do more than refuse. Without, an image that is signed with
    /// P-256 is refused as unsupported.
    fn knows_p256(&self) -> bool {
        false
    }

    /// x and y of the P-256 point with this x coordinate, big-endian: what the key hash is made
    /// of. Nothing if there is no such point, or if `x` is not below the field's modulus.
    fn p256_point(&self, _x: &[u8; 32], _y_odd: bool) -> Option<[u8; 64]> {
        None
    }

    /// Checks that the ECDSA signature, in DER, was made by the key `point` (x, then y) over a
    /// message with this SHA-256. The DER form must be the only one of its two numbers.
    ///
    /// # Errors
    /// [`SignatureRejected`] in every other case, and always where P-256 is not known.
    fn check_p256(
        &self,
        _point: &[u8; 64],
        _hash: &[u8; 32],
        _signature: &[u8],
    ) -> Result<(), SignatureRejected> {
        Err(SignatureRejected)
    }
}

/// What the features of this crate can check: Ed25519 on ed25519-dalek, and P-256 with `p256`.
#[cfg(all(feature = "ed25519", feature = "p256"))]
pub type StandardVerifier = crate::ecdsa::WithP256<Ed25519Dalek>;
/// What the features of this crate can check: Ed25519 on ed25519-dalek, and P-256 with `p256`.
#[cfg(all(feature = "ed25519", not(feature = "p256")))]
pub type StandardVerifier = Ed25519Dalek;

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
