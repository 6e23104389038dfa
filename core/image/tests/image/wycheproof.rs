//! A5: Google's Wycheproof vectors against every verifier of this crate. An invalid signature is
//! refused; a valid one is accepted.

use otaru_image::{Ed25519Dalek, Ed25519Small, SignatureVerifier, StandardVerifier, WithP256};
use sha2::{Digest as _, Sha256};
use wycheproof::TestResult;

/// Every verifier that is compiled in, with its name.
fn verifiers() -> Vec<(&'static str, Box<dyn SignatureVerifier>)> {
    vec![
        ("Ed25519Dalek", Box::new(Ed25519Dalek)),
        ("Ed25519Small", Box::new(Ed25519Small)),
        ("WithP256", Box::new(WithP256(Ed25519Dalek))),
        ("StandardVerifier", Box::new(StandardVerifier::default())),
    ]
}

fn ed25519(verifier: &dyn SignatureVerifier, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (key.try_into(), signature.try_into()) else {
        // The parser lets no other length through: `malformed.rs`.
        return false;
    };
    verifier.check(key, message, signature).is_ok()
}

#[test]
fn ed25519_vectors() {
    use wycheproof::eddsa::{TestName, TestSet};
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            for (name, verifier) in verifiers() {
                let accepted = ed25519(&*verifier, &group.key.pk, &test.msg, &test.sig);
                let id = test.tc_id;
                match test.result {
                    TestResult::Valid => {
                        valid += 1;
                        assert!(accepted, "{name} refuses {id}: {}", test.comment);
                    }
                    TestResult::Invalid | TestResult::Acceptable => {
                        invalid += 1;
                        assert!(!accepted, "{name} accepts {id}: {}", test.comment);
                    }
                }
            }
        }
    }
    assert!(valid > 150 && invalid > 150, "{valid} {invalid}");
}

/// Checks a signature as an image's would be: by x coordinate and parity, over the hash.
fn p256(verifier: &dyn SignatureVerifier, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (four, coordinates) = key.split_first().unwrap();
    let (x, y) = coordinates.split_first_chunk::<32>().unwrap();
    assert_eq!((*four, y.len()), (4, 32), "an uncompressed point");
    let y_odd = y[31] & 1 == 1;
    let point = verifier.p256_point(x, y_odd).unwrap();
    assert_eq!(point, coordinates);
    let hash = Sha256::digest(message).into();
    verifier.check_p256(&point, &hash, signature).is_ok()
}

#[test]
fn p256_vectors() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            for (name, verifier) in verifiers() {
                if !verifier.knows_p256() {
                    continue;
                }
                let accepted = p256(&*verifier, &group.key.key, &test.msg, &test.sig);
                let id = test.tc_id;
                match test.result {
                    TestResult::Valid => {
                        valid += 1;
                        assert!(accepted, "{name} refuses {id}: {}", test.comment);
                    }
                    TestResult::Invalid | TestResult::Acceptable => {
                        invalid += 1;
                        assert!(!accepted, "{name} accepts {id}: {}", test.comment);
                    }
                }
            }
        }
    }
    assert!(valid > 200 && invalid > 200, "{valid} {invalid}");
}

#[test]
fn verifier_without_p256_refuses_every_p256_signature() {
    assert!(!Ed25519Dalek.knows_p256());
    assert_eq!(Ed25519Dalek.p256_point(&[1; 32], true), None);
    assert!(
        Ed25519Dalek
            .check_p256(&[1; 64], &[1; 32], &[1; 70])
            .is_err()
    );
}
