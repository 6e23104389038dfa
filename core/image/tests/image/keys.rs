//! A5: keys in the forms that imgtool and OpenSSL write and read.

use otaru_image::{KeyFileError, KeyKind, PublicKey, SigningKey, board_uuids};

use crate::forge::signing_key;
use crate::vectors::{folder, vector_pem, vector_text};

const PUBLIC_HEX: &str = "e67864cc5ab39acb4bae8f5676b531dbc9c41dab13fddcc6e54d8165797194bf";

#[test]
fn imgtool_key_file_is_read() {
    let key = SigningKey::load(&folder().join("signing-key.pem")).unwrap();
    assert_eq!(key.public().to_hex(), PUBLIC_HEX);
    assert_eq!(
        key.public(),
        PublicKey::load(&folder().join("signing-key.pub.pem")).unwrap()
    );
    assert_eq!(key.public(), PublicKey::parse(PUBLIC_HEX).unwrap());
    assert_eq!(
        key.public(),
        PublicKey::parse(&PUBLIC_HEX.to_uppercase()).unwrap()
    );
    assert_eq!(key.public().to_pem(), vector_text("signing-key.pub.pem"));
    let der = key.public().spki_der();
    assert_eq!(
        der[..12],
        *b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"
    );
    assert_eq!(der[12..], key.public().to_bytes());
}

#[test]
fn p256_key_is_read_and_written_in_every_form() {
    let key = SigningKey::load(&folder().join("p256-key.pem")).unwrap();
    let text = vector_text("p256-key.pub.pem");
    let public = PublicKey::parse(&text).unwrap();
    assert_eq!(key.public(), public);
    assert_eq!(public.to_pem(), text);
    assert_eq!(public.spki_der().len(), 91);
    assert!(matches!(public.kind(), KeyKind::P256 { .. }));
    let hex = public.to_hex();
    assert_eq!(hex.len(), 66);
    assert_eq!(PublicKey::parse(&hex).unwrap(), public);
    let other = if hex.starts_with("02") { "03" } else { "02" };
    let mirrored = PublicKey::parse(&(other.to_owned() + &hex[2..])).unwrap();
    assert_ne!(mirrored.key_hash(), public.key_hash());
    for bad in ["04", "00", "ff"] {
        assert!(PublicKey::parse(&(bad.to_owned() + &hex[2..])).is_err());
    }
    // The field's modulus itself stands for 0, which must have one encoding only.
    let modulus = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
    assert!(PublicKey::parse(&format!("02{modulus}")).is_err());

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    let made = SigningKey::generate_p256().unwrap();
    made.save_new(&path).unwrap();
    assert_eq!(SigningKey::load(&path).unwrap().public(), made.public());
}

#[test]
fn saved_key_is_what_imgtool_would_have_saved() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    let key = SigningKey::load(&folder().join("signing-key.pem")).unwrap();
    key.save_new(&path).unwrap();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        vector_pem("signing-key.pem")
    );
}

#[test]
fn saved_key_is_private_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    let key = SigningKey::generate().unwrap();
    key.save_new(&path).unwrap();
    assert_eq!(SigningKey::load(&path).unwrap().public(), key.public());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let again = SigningKey::generate().unwrap();
    assert_ne!(again.public(), key.public());
    assert!(matches!(
        again.save_new(&path),
        Err(KeyFileError::Write { .. })
    ));
    assert_eq!(SigningKey::load(&path).unwrap().public(), key.public());
}

#[test]
fn files_that_hold_no_key_are_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let missing = SigningKey::load(&dir.path().join("none.pem")).unwrap_err();
    assert!(matches!(missing, KeyFileError::Read { .. }), "{missing}");
    let long = dir.path().join("long.pem");
    std::fs::write(&long, vec![b'a'; 1 << 20]).unwrap();
    assert!(matches!(
        SigningKey::load(&long),
        Err(KeyFileError::TooLong)
    ));
    let binary = dir.path().join("binary.pem");
    std::fs::write(&binary, [0xff; 100]).unwrap();
    assert!(matches!(
        SigningKey::load(&binary),
        Err(KeyFileError::Read { .. })
    ));

    let private = vector_text("signing-key.pem");
    for text in [
        "",
        "hello",
        &private[..60],
        &private.replace('B', "A"),
        PUBLIC_HEX,
    ] {
        assert!(
            matches!(SigningKey::from_pem(text), Err(KeyFileError::NotPrivateKey)),
            "{text}"
        );
    }
    let public = vector_text("signing-key.pub.pem");
    assert!(matches!(
        SigningKey::from_pem(&public),
        Err(KeyFileError::NotPrivateKey)
    ));
    let encrypted = private.replace("PRIVATE", "ENCRYPTED PRIVATE");
    assert!(matches!(
        SigningKey::from_pem(&encrypted),
        Err(KeyFileError::Encrypted)
    ));
    let not_a_point = "02".to_owned() + &"00".repeat(31);
    for text in [
        "",
        "hello",
        &PUBLIC_HEX[1..],
        &private,
        &"ff".repeat(32),
        &"00".repeat(32),
    ] {
        assert!(
            matches!(PublicKey::parse(text), Err(KeyFileError::NotPublicKey)),
            "{text}"
        );
    }
    assert!(PublicKey::parse(&not_a_point).is_err());
    assert!(PublicKey::parse(&PUBLIC_HEX.replace('e', "+")).is_err());
}

#[test]
fn private_key_is_not_printed() {
    let text = format!("{:?}", signing_key());
    assert!(!text.contains("7, 7, 7"), "{text}");
}

// A6: the same UUIDs as imgtool, also for strings that are UUIDs already.
#[test]
fn board_uuids_are_those_of_imgtool() {
    let ids = board_uuids("example.com", "host");
    assert_eq!(ids.vid.to_string(), "cfbff0d1-9375-5685-968c-48ce8b15ae17");
    assert_eq!(ids.cid.to_string(), "3238bcba-be8d-56ea-924c-1151b2e51143");
    let raw = board_uuids("cfbff0d1-9375-5685-968c-48ce8b15ae17", "host");
    assert_eq!(raw, ids);
    assert_eq!(board_uuids("CFBFF0D193755685968C48CE8B15AE17", "host"), ids);
    assert_eq!(
        board_uuids("example.com", "3238bcbabe8d56ea924c1151b2e51143"),
        ids
    );
    assert_ne!(
        board_uuids("{cfbff0d1-9375-5685-968c-48ce8b15ae17}", "host").vid,
        ids.vid
    );
}
