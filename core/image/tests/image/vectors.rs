//! A4, A5, A6: what imgtool 2.5.0 made once (`tests/vectors/v1/README.md`) is read for ever.

use std::path::{Path, PathBuf};

use otaru_image::{
    Ed25519Dalek, Expectation, ImageBuilder, ImageError, Key, KeyKind, Label, Malformed, Present,
    PublicKey, SigningKey, Unsupported, VerifyError, Version, board_uuids, verify_with,
};

use crate::forge::{SLOT_ADDRESS, VERSION, check, digest_of, len_u32, look, payload};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/v1")
}

pub(crate) fn vector(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

pub(crate) fn vector_text(name: &str) -> String {
    String::from_utf8(vector(name)).unwrap()
}

/// The key in a vector's file as imgtool wrote it, without the mark that was put in front.
pub(crate) fn vector_pem(name: &str) -> String {
    let text = vector_text(name);
    let at = text.find("-----BEGIN").expect("a key");
    text[at..].to_owned()
}

pub(crate) fn vector_key() -> SigningKey {
    SigningKey::from_pem(&vector_text("signing-key.pem")).unwrap()
}

fn expectation(keys: &[Key]) -> Expectation<'_> {
    Expectation {
        keys,
        board: Some(board_uuids("example.com", "host")),
        slot_address: Some(SLOT_ADDRESS),
        security_floor: 5,
        digest: None,
        len: None,
        ..Expectation::default()
    }
}

fn full_builder() -> ImageBuilder {
    ImageBuilder::new(payload(1000), VERSION)
        .label(Label::new("1.2.3+4 beta").unwrap())
        .board(board_uuids("example.com", "host"))
        .rom_address(SLOT_ADDRESS)
        .security_counter(5)
}

#[test]
fn image_with_everything_is_accepted() {
    let image = vector("full.img");
    let keys = [Key {
        public: vector_key().public().to_bytes(),
        kind: KeyKind::Ed25519,
        revoked: false,
    }];
    let mut expect = expectation(&keys);
    expect.len = Some(len_u32(&image));
    let verified = check(&image, &expect).unwrap();
    let digest = verified
        .digest()
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    assert_eq!(
        digest,
        "f7049e5d3ae94150736720979edd9b2cade1109b622c498828adca32ed8832d0"
    );
    let info = verified.info();
    assert_eq!(info.header.version, VERSION);
    assert_eq!(info.label.unwrap().as_str(), "1.2.3+4 beta");
    assert_eq!(info.security_counter, 5);
    assert_eq!(info.rom_address(), Some(SLOT_ADDRESS));
}

#[test]
fn builder_makes_the_same_bytes_as_imgtool() {
    assert!(full_builder().sign(&vector_key()).unwrap() == vector("full.img"));
    let version = Version {
        minor: 1,
        ..Version::default()
    };
    let plain = ImageBuilder::new(payload(64), version)
        .header_len(32)
        .sign(&vector_key())
        .unwrap();
    assert!(plain == vector("plain.img"));
}

#[test]
fn every_flipped_byte_of_the_imgtool_image_is_refused() {
    let image = vector("full.img");
    let keys = [Key {
        public: vector_key().public().to_bytes(),
        kind: KeyKind::Ed25519,
        revoked: false,
    }];
    for offset in 0..image.len() {
        let mut damaged = image.clone();
        damaged[offset] ^= 0x81;
        assert!(
            check(&damaged, &expectation(&keys)).is_err(),
            "byte {offset}"
        );
    }
}

#[test]
fn image_without_protected_tlvs_is_for_no_board() {
    let keys = [Key {
        public: vector_key().public().to_bytes(),
        kind: KeyKind::Ed25519,
        revoked: false,
    }];
    let image = vector("plain.img");
    let mut expect = expectation(&keys);
    assert_eq!(check(&image, &expect), Err(VerifyError::WrongBoard));
    expect.board = None;
    assert_eq!(
        check(&image, &expect),
        Err(VerifyError::SecurityCounter { image: 0, floor: 5 })
    );
    expect.security_floor = 0;
    let verified = check(&image, &expect).unwrap();
    assert_eq!(verified.digest(), digest_of(&image));
    assert_eq!(verified.info().header.protected_len, 0);
}

#[test]
fn boot_record_is_skipped() {
    let image = vector("boot-record.img");
    let keys = [Key {
        public: vector_key().public().to_bytes(),
        kind: KeyKind::Ed25519,
        revoked: false,
    }];
    let mut expect = expectation(&keys);
    (expect.board, expect.security_floor) = (None, 0);
    assert!(check(&image, &expect).is_ok());
}

#[test]
fn what_is_not_supported_is_named() {
    for (name, expected) in [
        // imgtool 2.5.0 puts a SHA-512 in front of the mark of a pure signature.
        ("pure.img", Unsupported::Hash(0x12)),
        ("embedded-key.img", Unsupported::Signature(0x02)),
        ("compressed.img", Unsupported::Compression),
        ("ram-load.img", Unsupported::RamLoad),
        ("non-bootable.img", Unsupported::NonBootable),
    ] {
        assert_eq!(
            look(&vector(name)),
            Err(ImageError::Unsupported(expected)),
            "{name}"
        );
    }
    let unsigned = look(&vector("unsigned.img"));
    assert_eq!(unsigned, Err(ImageError::Malformed(Malformed::Unsigned)));
}

#[test]
fn dependencies_of_imgtool_are_read_and_judged() {
    let image = vector("dependencies.img");
    let described = look(&image).unwrap();
    let needed: Vec<_> = described
        .dependencies
        .iter()
        .map(|needed| (needed.image, needed.version.to_string()))
        .collect();
    let expected = [(0, "1.2.3+0"), (1, "1.2.3+0"), (7, "2.0.0+9")];
    assert_eq!(
        needed,
        expected.map(|(image, text)| (image, text.to_owned()))
    );

    let keys = [crate::forge::trusted(&vector_key())];
    let mut expect = expectation(&keys);
    (expect.board, expect.security_floor) = (None, 0);
    for name in ["dependency.img", "dependencies.img"] {
        assert_eq!(
            check(&vector(name), &expect),
            Err(VerifyError::Unsupported(Unsupported::Dependency)),
            "{name}"
        );
    }
    let present = |image, revision| Present {
        image,
        version: Version {
            major: 2,
            revision,
            build: 9,
            ..Version::default()
        },
    };
    let both = [present(7, 0), present(1, 0)];
    expect.present = &both;
    assert!(check(&image, &expect).is_ok());
    expect.present = &both[..1];
    let unmet = |image: &[u8]| match check(image, &expect) {
        Err(VerifyError::DependencyUnmet(needed)) => needed.image,
        other => panic!("{other:?}"),
    };
    assert_eq!(unmet(&image), 1);
}

#[test]
fn p256_image_of_imgtool_is_accepted_and_named_where_p256_is_not_known() {
    let image = vector("p256.img");
    let key = SigningKey::from_pem(&vector_text("p256-key.pem")).unwrap();
    let public = PublicKey::parse(&vector_text("p256-key.pub.pem")).unwrap();
    assert_eq!(key.public(), public);
    let keys = [crate::forge::trusted(&key)];
    let expect = expectation(&keys);
    let verified = check(&image, &expect).unwrap();
    assert_eq!(verified.digest(), digest_of(&image));
    assert_eq!(verified.info().key_hash, public.key_hash());

    let verdict = verify_with(
        &mut image.as_slice(),
        len_u32(&image),
        &expect,
        &mut [0; 256],
        Ed25519Dalek,
    );
    let reason = Unsupported::Signature(0x22);
    assert_eq!(verdict, Err(VerifyError::Unsupported(reason)));
    let stranger = check(&vector("ecdsa-p256.img"), &expect);
    assert_eq!(stranger, Err(VerifyError::KeyUnknown));
}

#[test]
fn every_flipped_byte_of_the_p256_image_is_refused() {
    let image = vector("p256.img");
    let key = SigningKey::from_pem(&vector_text("p256-key.pem")).unwrap();
    let keys = [crate::forge::trusted(&key)];
    for offset in 0..image.len() {
        let mut damaged = image.clone();
        damaged[offset] ^= 0x81;
        assert!(
            check(&damaged, &expectation(&keys)).is_err(),
            "byte {offset}"
        );
    }
}
