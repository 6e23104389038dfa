//! Public keys of the ring: Ed25519 and P-256, as hex digits, as PEM and as they are stored.

use crate::error::ApiError;
use crate::secret;
use otaru_image::{
    Key, KeyKind, SignatureVerifier as _, StandardVerifier, p256_spki_der, spki_der,
};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;

/// Bytes of DER `SubjectPublicKeyInfo` in front of an Ed25519 key.
const ED25519_AT: usize = 12;
/// Bytes of it in front of the coordinates of a P-256 key.
const P256_AT: usize = 27;

/// A public key that can have signed an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PublicKey {
    kind: KeyKind,
    bytes: [u8; 32],
}

impl PublicKey {
    /// The key with these stored bytes: 32 of Ed25519, or 33 of P-256, 02 or 03 and x.
    pub(crate) fn of_stored(stored: &[u8]) -> Option<Self> {
        if let Ok(bytes) = <[u8; 32]>::try_from(stored) {
            let is_erased = bytes == [0xFF; 32] || bytes == [0; 32];
            let kind = KeyKind::Ed25519;
            return (!is_erased).then_some(Self { kind, bytes });
        }
        let (parity, x) = stored.split_first()?;
        let y_odd = matches!(parity, 2 | 3).then_some(*parity == 3)?;
        Self::of_point(x.try_into().ok()?, y_odd)
    }

    fn of_point(x: [u8; 32], y_odd: bool) -> Option<Self> {
        let point = StandardVerifier::default().p256_point(&x, y_odd);
        point.map(|_exists| Self {
            kind: KeyKind::P256 { y_odd },
            bytes: x,
        })
    }

    /// Reads 64 or 66 hex digits.
    ///
    /// # Errors
    /// 422 if it is no key.
    pub(crate) fn parse(digits: &str) -> Result<Self, ApiError> {
        let bytes = match digits.len() {
            64 => secret::parse_hex32(digits).map(|bytes| bytes.to_vec()),
            66 => digits.split_at_checked(2).and_then(|(parity, x)| {
                let parity = u8::from_str_radix(parity, 16).ok()?;
                Some([&[parity][..], &secret::parse_hex32(x)?].concat())
            }),
            _ => None,
        };
        bytes
            .and_then(|bytes| Self::of_stored(&bytes))
            .ok_or_else(|| {
                ApiError::unprocessable(
                    "malformed-key",
                    "a public key has 64 hex digits (Ed25519) or 66 (P-256: 02 or 03, then x)",
                )
            })
    }

    /// Reads a PEM text, as `imgtool getpub` and `openssl pkey -pubout` write it.
    pub(crate) fn of_pem(text: &str) -> Option<Self> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).ok()?;
        let ed25519 = der.get(ED25519_AT..).and_then(|key| key.try_into().ok());
        if let Some(key) = ed25519.filter(|key| spki_der(key)[..] == der[..]) {
            return Self::of_stored(&key);
        }
        let x = der.get(P256_AT..)?.first_chunk()?;
        let y_odd = der.last()? & 1 != 0;
        let point = StandardVerifier::default().p256_point(x, y_odd)?;
        if p256_spki_der(&point)[..] != der[..] {
            return None;
        }
        Self::of_point(*x, y_odd)
    }

    /// The bytes that are stored.
    pub(crate) fn stored(&self) -> Vec<u8> {
        let parity: &[u8] = match self.kind {
            KeyKind::Ed25519 => &[],
            KeyKind::P256 { y_odd: false } => &[2],
            KeyKind::P256 { y_odd: true } => &[3],
        };
        [parity, &self.bytes].concat()
    }

    /// Lower-case hex digits of the stored bytes.
    pub(crate) fn to_hex(self) -> String {
        secret::hex(&self.stored())
    }

    /// What it is for, as the API says it.
    pub(crate) const fn algorithm(&self) -> &'static str {
        match self.kind {
            KeyKind::Ed25519 => "ed25519",
            KeyKind::P256 { .. } => "p256",
        }
    }

    /// As an image is verified with it.
    pub(crate) const fn to_key(self) -> Key {
        Key {
            public: self.bytes,
            kind: self.kind,
            revoked: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use otaru_image::SigningKey;

    #[test]
    fn keys_of_both_algorithms_are_read_in_every_form() {
        let keys = [
            SigningKey::from_seed([7; 32]),
            SigningKey::generate_p256().unwrap(),
            SigningKey::generate_p256().unwrap(),
        ];
        for (key, algorithm) in keys.iter().zip(["ed25519", "p256", "p256"]) {
            let public = key.public();
            let read = PublicKey::parse(&public.to_hex()).unwrap();
            assert_eq!(read.to_hex(), public.to_hex());
            assert_eq!(read.algorithm(), algorithm);
            assert_eq!(PublicKey::of_pem(&public.to_pem()), Some(read));
            assert_eq!(PublicKey::of_stored(&read.stored()), Some(read));
            assert_eq!(read.to_key().public, public.to_bytes());
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let x_of_no_point = format!("02{}", "ff".repeat(32));
        let parity = format!("04{}", "11".repeat(32));
        let erased = "ff".repeat(32);
        for text in ["", "ab", &erased, &x_of_no_point, &parity, &"é".repeat(33)] {
            let error = PublicKey::parse(text).unwrap_err();
            assert_eq!(error.code, "malformed-key", "{text}");
        }
        for text in [
            "",
            "-----BEGIN",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        ] {
            assert_eq!(PublicKey::of_pem(text), None, "{text}");
        }
        // A point that is not on the curve: another y of the same parity.
        let public = SigningKey::generate_p256().unwrap().public();
        let mut der = public.spki_der();
        der[80] ^= 0x10;
        assert_eq!(PublicKey::of_pem(&pem(&der)), None);
        assert!(PublicKey::of_pem(&pem(&public.spki_der())).is_some());
    }

    fn pem(der: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for part in der.chunks(3) {
            let mut bits = 0_usize;
            for at in 0..3 {
                bits = bits << 8 | usize::from(*part.get(at).unwrap_or(&0));
            }
            for at in 0..4 {
                let digit = DIGITS[bits >> (18 - 6 * at) & 63];
                text.push(if at > part.len() { '=' } else { digit.into() });
            }
        }
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }
}
