//! Random identifiers, secrets and their hashes.
//!
//! A secret is shown once; the database keeps its SHA-256, which is enough because every secret is
//! 32 random characters and cannot be guessed from its hash.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const ID_LEN: usize = 12;
const SECRET_LEN: usize = 32;

/// SHA-256 of a secret.
pub(crate) type SecretHash = [u8; 32];

/// A new identifier such as `dev-4k2j9x0q7a1m`.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}-{}", random_text(ID_LEN))
}

/// A new secret of 32 characters, 165 bits.
pub(crate) fn new_secret() -> String {
    random_text(SECRET_LEN)
}

/// What the database keeps of a secret.
pub(crate) fn hash(secret: &str) -> SecretHash {
    Sha256::digest(secret.as_bytes()).into()
}

/// Whether the secret has this hash, in constant time.
pub(crate) fn matches(secret: &str, stored: &[u8]) -> bool {
    hash(secret).as_slice().ct_eq(stored).into()
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
            text
        })
}

/// The 32 bytes of 64 hex digits of either case.
pub(crate) fn parse_hex32(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn random_text(len: usize) -> String {
    let mut text = String::with_capacity(len);
    while text.len() < len {
        let mut bytes = [0_u8; 64];
        getrandom::fill(&mut bytes).expect("the operating system has randomness");
        // 252 is the largest multiple of 36 in a byte: above it the choice would be uneven.
        let digits = bytes.iter().filter(|byte| **byte < 252);
        text.extend(
            digits
                .take(len - text.len())
                .map(|byte| char::from(ALPHABET[usize::from(byte % 36)])),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_match_only_their_own_hash() {
        let (one, other) = (new_secret(), new_secret());
        assert_eq!(one.len(), SECRET_LEN);
        assert!(matches(&one, &hash(&one)));
        assert!(!matches(&other, &hash(&one)));
        assert!(!matches(&one, &[]));
    }

    #[test]
    fn hex_round_trips_and_refuses_what_is_not_hex() {
        let bytes: [u8; 32] = std::array::from_fn(|index| u8::try_from(index * 7).unwrap());
        assert_eq!(parse_hex32(&hex(&bytes)), Some(bytes));
        assert_eq!(parse_hex32(&hex(&bytes).to_uppercase()), Some(bytes));
        assert_eq!(parse_hex32("zz"), None);
        assert_eq!(parse_hex32(&"+f".repeat(32)), None);
    }
}
