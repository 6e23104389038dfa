//! A5: the small verifier says the same as the usual one, about genuine, damaged and hostile input.

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::{Signer as _, SigningKey};
use otaru_image::{Ed25519Dalek, Ed25519Small, SignatureVerifier as _};
use proptest::prelude::*;
use sha2::{Digest as _, Sha512};

/// What both say; they must say the same.
fn verdict(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let usual = Ed25519Dalek.check(public, message, signature).is_ok();
    let small = Ed25519Small.check(public, message, signature).is_ok();
    assert_eq!(
        usual, small,
        "key {public:02x?}, message {message:02x?}, signature {signature:02x?}"
    );
    small
}

fn joined(r: [u8; 32], s: [u8; 32]) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(&s);
    signature
}

/// The challenge of RFC 8032.
fn challenge(r: &[u8; 32], public: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new()
        .chain_update(r)
        .chain_update(public)
        .chain_update(message)
        .finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}

/// Signs with the secret `a` for the key `public`, as RFC 8032 does but for any encodings.
fn sign(a: Scalar, public: &[u8; 32], nonce: Scalar, r: [u8; 32], message: &[u8]) -> [u8; 64] {
    let s = nonce + challenge(&r, public, message) * a;
    joined(r, s.to_bytes())
}

/// The order of the base point, little-endian.
fn order() -> [u8; 32] {
    let mut bytes = (-Scalar::ONE).to_bytes();
    bytes[0] += 1;
    bytes
}

/// Adds two little-endian numbers; `None` if the sum has more than 256 bits.
fn add(left: [u8; 32], right: [u8; 32]) -> Option<[u8; 32]> {
    let mut carry = 0_u16;
    let mut sum = [0; 32];
    for (index, to) in sum.iter_mut().enumerate() {
        carry += u16::from(left[index]) + u16::from(right[index]);
        *to = u8::try_from(carry & 0xff).unwrap();
        carry >>= 8;
    }
    (carry == 0).then_some(sum)
}

/// Every encoding of a y below 19, with and without p added: those are the only y with two.
fn unusual_keys() -> Vec<[u8; 32]> {
    let mut keys = Vec::new();
    for low in 0..19_u8 {
        for top in [0x00, 0x80] {
            let mut small = [0; 32];
            small[0] = low;
            small[31] |= top;
            keys.push(small);
            let mut second = [0xff; 32];
            second[0] = 0xed + low;
            second[31] = 0x7f | top;
            keys.push(second);
        }
    }
    for torsion in EIGHT_TORSION {
        let bytes = torsion.compress().to_bytes();
        let mut other_sign = bytes;
        other_sign[31] ^= 0x80;
        keys.extend([bytes, other_sign]);
    }
    keys.extend([[0x00; 32], [0xff; 32]]);
    keys
}

#[test]
fn rfc_8032_signature_is_accepted_and_its_damage_is_not() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let public = key.verifying_key().to_bytes();
    let message = [0x5a; 32];
    let signature = key.sign(&message).to_bytes();
    assert!(verdict(&public, &message, &signature));
    for bit in 0..512 {
        let mut damaged = signature;
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(!verdict(&public, &message, &damaged), "bit {bit}");
    }
    for bit in 0..256 {
        let mut other = public;
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(!verdict(&other, &message, &signature), "key bit {bit}");
    }
}

#[test]
fn scalar_that_is_not_reduced_is_refused() {
    let key = SigningKey::from_bytes(&[9; 32]);
    let public = key.verifying_key().to_bytes();
    let good = key.sign(b"message").to_bytes();
    let r = *good.first_chunk().unwrap();
    let mut s = *good.last_chunk().unwrap();
    assert!(verdict(&public, b"message", &good));
    let mut tried = 0;
    while let Some(larger) = add(s, order()) {
        s = larger;
        tried += 1;
        assert!(!verdict(&public, b"message", &joined(r, s)));
    }
    assert!(tried >= 14);
}

#[test]
fn keys_of_small_order_and_second_encodings_accept_nothing() {
    for public in unusual_keys() {
        for r in unusual_keys() {
            // With such a key R = s B is all that it takes without the check.
            for s in [Scalar::ZERO, Scalar::ONE] {
                assert!(!verdict(&public, b"message", &joined(r, s.to_bytes())));
                let honest = (s * ED25519_BASEPOINT_POINT).compress().to_bytes();
                assert!(!verdict(&public, b"message", &joined(honest, s.to_bytes())));
            }
        }
    }
}

#[test]
fn r_of_small_order_is_refused_even_where_the_equation_holds() {
    let a = Scalar::from(12_345_u32);
    let public = (a * ED25519_BASEPOINT_POINT).compress().to_bytes();
    for r in unusual_keys() {
        let signature = sign(a, &public, Scalar::ZERO, r, b"message");
        assert!(!verdict(&public, b"message", &signature));
    }
}

#[test]
fn keys_with_a_part_of_small_order_are_judged_without_the_cofactor() {
    let a = Scalar::from(987_654_321_u32);
    let nonce = Scalar::from(55_u32);
    let (mut accepted, mut refused) = (0, 0);
    for torsion in EIGHT_TORSION {
        for r_torsion in EIGHT_TORSION {
            let public = (a * ED25519_BASEPOINT_POINT + torsion)
                .compress()
                .to_bytes();
            let r: EdwardsPoint = nonce * ED25519_BASEPOINT_POINT + r_torsion;
            for number in 0..12_u8 {
                let message = [number; 32];
                let signature = sign(a, &public, nonce, r.compress().to_bytes(), &message);
                if verdict(&public, &message, &signature) {
                    accepted += 1;
                } else {
                    refused += 1;
                }
            }
        }
    }
    assert!(accepted > 20 && refused > 200, "{accepted}, {refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn genuine_signatures_are_accepted(secret: [u8; 32], message in prop::collection::vec(any::<u8>(), 0..200)) {
        let key = SigningKey::from_bytes(&secret);
        let signature = key.sign(&message).to_bytes();
        prop_assert!(verdict(&key.verifying_key().to_bytes(), &message, &signature));
    }

    #[test]
    fn arbitrary_bytes_are_judged_alike(public: [u8; 32], message: [u8; 32], r: [u8; 32], s: [u8; 32]) {
        verdict(&public, &message, &joined(r, s));
    }

    #[test]
    fn arbitrary_scalars_are_judged_alike(secret: [u8; 32], nonce: [u8; 32], s: [u8; 32], message: [u8; 32]) {
        let a = Scalar::from_bytes_mod_order(secret);
        let nonce = Scalar::from_bytes_mod_order(nonce);
        let public = (a * ED25519_BASEPOINT_POINT).compress().to_bytes();
        let r = (nonce * ED25519_BASEPOINT_POINT).compress().to_bytes();
        prop_assert!(verdict(&public, &message, &sign(a, &public, nonce, r, &message)));
        verdict(&public, &message, &joined(r, s));
        // Every point but one in 2^250 has a second one with this y.
        let mut mirrored = public;
        mirrored[31] ^= 0x80;
        prop_assert!(!verdict(&mirrored, &message, &sign(a, &public, nonce, r, &message)));
    }
}
