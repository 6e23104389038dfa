//! ECDSA on P-256: how its keys are named, its signatures as images carry them, and the verifier on
//! the crate `p256`.
//!
//! A key table holds a key as its x coordinate and whether y is odd (a compressed point), because
//! that fits an entry made for Ed25519. Images name a key by the hash of the whole point, so
//! whoever looks for a key has to work out y first.

use core::fmt;

use crate::hash::Sha256;

/// Shortest signature: two numbers of one byte each.
pub const P256_SIGNATURE_LEN_MIN: u8 = 8;
/// Longest signature: two numbers of 32 bytes, each with a zero in front of its first bit.
pub const P256_SIGNATURE_LEN_MAX: u8 = 72;

/// DER of `SubjectPublicKeyInfo` up to the coordinates: the algorithm 1.2.840.10045.2.1, the curve
/// 1.2.840.10045.3.1.7, then a bit string that begins with 4 for "not compressed".
const SPKI_PREFIX: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// The key as DER `SubjectPublicKeyInfo`, not compressed; `point` is x, then y, big-endian.
pub fn p256_spki_der(point: &[u8; 64]) -> [u8; 91] {
    let mut der = [0; 91];
    for (to, from) in der.iter_mut().zip(SPKI_PREFIX.iter().chain(point)) {
        *to = *from;
    }
    der
}

/// The value by which an image names its key: SHA-256 of [`p256_spki_der`].
pub fn p256_key_hash(point: &[u8; 64]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(&SPKI_PREFIX);
    hasher.update(point);
    hasher.hash()
}

/// A signature as it stands in the image: ASN.1 DER, 8 to 72 bytes, not yet looked into.
///
/// Without the feature `p256` there is no value of this type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct P256Signature {
    #[cfg(feature = "p256")]
    len: u8,
    #[cfg(feature = "p256")]
    bytes: [u8; P256_SIGNATURE_LEN_MAX as usize],
    #[cfg(not(feature = "p256"))]
    never: core::convert::Infallible,
}

impl P256Signature {
    /// A signature with these bytes, if it may have that many.
    #[cfg(feature = "p256")]
    pub(crate) fn new(der: &[u8]) -> Option<Self> {
        let len = u8::try_from(der.len()).ok()?;
        let mut bytes = [0; P256_SIGNATURE_LEN_MAX as usize];
        bytes.get_mut(..der.len())?.copy_from_slice(der);
        (len >= P256_SIGNATURE_LEN_MIN).then_some(Self { len, bytes })
    }

    /// The DER bytes.
    #[cfg(feature = "p256")]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The DER bytes.
    #[cfg(not(feature = "p256"))]
    pub fn as_bytes(&self) -> &[u8] {
        match self.never {}
    }
}

impl fmt::Debug for P256Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_bytes(), f)
    }
}

/// A verifier that knows P-256 (on the crate `p256`) and for Ed25519 asks another one.
///
/// It takes a signature in its only DER form; both s and n − s are signatures, as ECDSA has it.
#[cfg(feature = "p256")]
#[derive(Debug, Clone, Copy, Default)]
pub struct WithP256<V>(pub V);

#[cfg(feature = "p256")]
mod verifier {
    use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
    use p256::ecdsa::{Signature, VerifyingKey};

    use super::WithP256;
    use crate::key::{SignatureRejected, SignatureVerifier};

    impl<V: SignatureVerifier> SignatureVerifier for WithP256<V> {
        fn check(
            &self,
            public: &[u8; 32],
            message: &[u8],
            signature: &[u8; 64],
        ) -> Result<(), SignatureRejected> {
            self.0.check(public, message, signature)
        }

        fn knows_p256(&self) -> bool {
            true
        }

        fn p256_point(&self, x: &[u8; 32], y_odd: bool) -> Option<[u8; 64]> {
            decompress(x, y_odd)
        }

        fn check_p256(
            &self,
            point: &[u8; 64],
            hash: &[u8; 32],
            signature: &[u8],
        ) -> Result<(), SignatureRejected> {
            let signature = Signature::from_der(signature).map_err(|_opaque| SignatureRejected)?;
            let mut sec1 = [4; 65];
            for (to, from) in sec1.iter_mut().skip(1).zip(point) {
                *to = *from;
            }
            VerifyingKey::from_sec1_bytes(&sec1)
                .and_then(|key| key.verify_prehash(hash, &signature))
                .map_err(|_opaque| SignatureRejected)
        }
    }

    /// x and y of the point with this x; nothing if there is none, or if x is not below the
    /// field's modulus.
    pub(crate) fn decompress(x: &[u8; 32], y_odd: bool) -> Option<[u8; 64]> {
        let mut sec1 = [if y_odd { 3 } else { 2 }; 33];
        for (to, from) in sec1.iter_mut().skip(1).zip(x) {
            *to = *from;
        }
        let key = VerifyingKey::from_sec1_bytes(&sec1).ok()?;
        let encoded = key.to_sec1_point(false);
        let (_four, point) = encoded.as_bytes().split_first()?;
        point.try_into().ok()
    }
}

#[cfg(feature = "std")]
pub(crate) use verifier::decompress;

/// Refuses every Ed25519 key: for a board whose keys are all P-256, as `WithP256(NoEd25519)`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEd25519;

impl crate::key::SignatureVerifier for NoEd25519 {
    fn check(
        &self,
        _public: &[u8; 32],
        _message: &[u8],
        _signature: &[u8; 64],
    ) -> Result<(), crate::key::SignatureRejected> {
        Err(crate::key::SignatureRejected)
    }
}
