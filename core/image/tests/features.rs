//! What devices say about the stored files that are built without encryption, P-256 or parts: a clear
//! no, before anything is judged that they do not understand.
//!
//! The other tests need the feature `std`, which switches everything on. This one is run once more as
//! a device is built, by `cargo xtask test`:
//! `cargo test -p otaru-image --no-default-features --features small --test features`.
// A5, A22, with features switched off.

use otaru_image::{
    BoardIds, Ed25519Small, Expectation, Key, KeyKind, OutOfBounds, Unsupported, Uuid, VerifyError,
    verify_with,
};

/// The vectors' key, board `example.com` / `host`.
const PUBLIC: [u8; 32] = [
    0xe6, 0x78, 0x64, 0xcc, 0x5a, 0xb3, 0x9a, 0xcb, 0x4b, 0xae, 0x8f, 0x56, 0x76, 0xb5, 0x31, 0xdb,
    0xc9, 0xc4, 0x1d, 0xab, 0x13, 0xfd, 0xdc, 0xc6, 0xe5, 0x4d, 0x81, 0x65, 0x79, 0x71, 0x94, 0xbf,
];
const VENDOR: [u8; 16] = [
    0xcf, 0xbf, 0xf0, 0xd1, 0x93, 0x75, 0x56, 0x85, 0x96, 0x8c, 0x48, 0xce, 0x8b, 0x15, 0xae, 0x17,
];
const CLASS: [u8; 16] = [
    0x32, 0x38, 0xbc, 0xba, 0xbe, 0x8d, 0x56, 0xea, 0x92, 0x4c, 0x11, 0x51, 0xb2, 0xe5, 0x11, 0x43,
];

fn verdict(name: &str) -> Result<(), VerifyError<OutOfBounds>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/v1/");
    let file = std::fs::read(format!("{folder}{name}")).expect("the vector is there");
    let keys = [Key {
        public: PUBLIC,
        kind: KeyKind::Ed25519,
        revoked: false,
    }];
    let expect = Expectation {
        keys: &keys,
        board: Some(BoardIds {
            vid: Uuid(VENDOR),
            cid: Uuid(CLASS),
        }),
        slot_address: Some(0x0802_0000),
        security_floor: 5,
        ..Expectation::default()
    };
    let len = u32::try_from(file.len()).expect("a small file");
    let verifier = Ed25519Small;
    verify_with(&mut file.as_slice(), len, &expect, &mut [0; 256], verifier).map(drop)
}

const fn unsupported(what: Unsupported) -> Result<(), VerifyError<OutOfBounds>> {
    Err(VerifyError::Unsupported(what))
}

#[test]
fn plain_image_is_accepted_whatever_the_features() {
    assert_eq!(verdict("full.img"), Ok(()));
}

#[test]
fn file_with_parts_is_refused_where_nobody_knows_parts() {
    let expected = if cfg!(feature = "parts") {
        Ok(())
    } else {
        unsupported(Unsupported::ProtectedTlv(0x00a3))
    };
    assert_eq!(verdict("parts.img"), expected);
}

#[test]
fn encrypted_image_is_refused_without_feature_or_key() {
    for name in ["encrypted-128.img", "encrypted-256.img"] {
        assert_eq!(
            verdict(name),
            unsupported(Unsupported::Encryption),
            "{name}"
        );
    }
}

#[test]
fn p256_image_is_refused_by_a_verifier_for_ed25519() {
    let expected = unsupported(Unsupported::Signature(0x22));
    assert_eq!(verdict("p256.img"), expected);
}
