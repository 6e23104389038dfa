//! A4, A5, A6: both ways with the real imgtool 2.5.0, named by the variable `OTARU_IMGTOOL`.
//!
//! `cargo xtask test` installs it and runs these tests. Without the variable they fail.

use std::path::Path;
use std::process::{Command, Output};

use otaru_image::{
    Aes, BoardIds, DecryptionKey, EncryptionKey, Expectation, Form, ImageBuilder, Key, Label,
    SigningKey, VerifyError, Version, board_uuids, installed_form,
};

use crate::forge::{check, digest_of, len_u32, other_key, payload, trusted};

pub(crate) fn run(args: &[&str]) -> Output {
    let program = std::env::var_os("OTARU_IMGTOOL")
        .expect("OTARU_IMGTOOL is the path of imgtool 2.5.0; cargo xtask test sets it");
    Command::new(program)
        .args(args)
        .output()
        .expect("imgtool can be started")
}

pub(crate) fn imgtool(args: &[&str]) -> String {
    let output = run(args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "imgtool {args:?}: {text}{errors}");
    text
}

pub(crate) fn path(dir: &Path, name: &str) -> String {
    dir.join(name)
        .to_str()
        .expect("temporary folders have plain names")
        .to_owned()
}

fn expectation(keys: &[Key], board: Option<BoardIds>) -> Expectation<'_> {
    let slot_address = Some(0x0c00);
    Expectation {
        keys,
        board,
        slot_address,
        security_floor: 0,
        digest: None,
        len: None,
        ..Expectation::default()
    }
}

/// Signs 5000 bytes with every option we use, and returns the image.
fn signed_by_imgtool(dir: &Path, key: &str, vendor: &str, class: &str) -> Vec<u8> {
    let (raw, image) = (path(dir, "payload.bin"), path(dir, "signed.img"));
    std::fs::write(&raw, payload(5000)).unwrap();
    imgtool(&[
        "sign",
        "--key",
        key,
        "--header-size",
        "0x200",
        "--pad-header",
        "--slot-size",
        "0x8000",
        "--version",
        "9.8.7+6",
        "--security-counter",
        "41",
        "--vid",
        vendor,
        "--cid",
        class,
        "--custom-tlv",
        "0x00a0",
        "9.8.7+6",
        "--custom-tlv",
        "0x01a7",
        "0x0102",
        "--rom-fixed",
        "0xc00",
        &raw,
        &image,
    ]);
    std::fs::read(image).unwrap()
}

fn accepts(image: &[u8], key: &SigningKey, board: BoardIds) {
    let keys = [trusted(key)];
    let mut expect = expectation(&keys, Some(board));
    expect.len = Some(len_u32(image));
    let verified = check(image, &expect).unwrap();
    let info = verified.info();
    assert_eq!(verified.digest(), digest_of(image));
    assert_eq!(
        info.header.version,
        Version {
            major: 9,
            minor: 8,
            revision: 7,
            build: 6
        }
    );
    assert_eq!(info.label.unwrap().as_str(), "9.8.7+6");
    assert_eq!(info.security_counter, 41);
    assert_eq!(info.rom_address(), Some(0xc00));

    expect.security_floor = 42;
    assert_eq!(
        check(image, &expect),
        Err(VerifyError::SecurityCounter {
            image: 41,
            floor: 42
        })
    );
    let stranger = [trusted(&other_key())];
    let verdict = check(image, &expectation(&stranger, Some(board)));
    assert_eq!(verdict, Err(VerifyError::KeyUnknown));
}

#[test]
#[ignore = "needs imgtool; cargo xtask test runs it"]
fn image_signed_with_a_key_made_by_imgtool_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let key_file = path(dir.path(), "key.pem");
    imgtool(&["keygen", "--key", &key_file, "--type", "ed25519"]);
    let key = SigningKey::load(Path::new(&key_file)).unwrap();
    accepts_boards(dir.path(), &key_file, &key);
}

#[test]
#[ignore = "needs imgtool; cargo xtask test runs it"]
fn image_signed_with_a_p256_key_made_by_imgtool_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let key_file = path(dir.path(), "key.pem");
    // Signatures are random and 70 to 72 bytes long.
    for _ in 0..4 {
        imgtool(&["keygen", "--key", &key_file, "--type", "ecdsa-p256"]);
        let key = SigningKey::load(Path::new(&key_file)).unwrap();
        accepts_boards(dir.path(), &key_file, &key);
    }
}

fn accepts_boards(dir: &Path, key_file: &str, key: &SigningKey) {
    for (vendor, class) in [
        ("example.com", "nrf52840-dk"),
        ("Größe & Söhne", ""),
        (
            "12345678-1234-5678-1234-567812345678",
            "abcdefABCDEF12345678123456781234",
        ),
        (
            "12345678-1234-5678-1234-56781234567",
            "{2345678-1234-5678-1234-56781234567}",
        ),
    ] {
        let image = signed_by_imgtool(dir, key_file, vendor, class);
        accepts(&image, key, board_uuids(vendor, class));
    }
}

#[test]
#[ignore = "needs imgtool; cargo xtask test runs it"]
fn image_signed_by_imgtool_with_our_key_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    for (name, key) in [
        ("ed25519.pem", SigningKey::generate().unwrap()),
        ("p256.pem", SigningKey::generate_p256().unwrap()),
    ] {
        accepts_with_our_key(dir.path(), &path(dir.path(), name), &key);
    }
}

fn accepts_with_our_key(dir: &Path, key_file: &str, key: &SigningKey) {
    key.save_new(Path::new(key_file)).unwrap();
    let image = signed_by_imgtool(dir, key_file, "example.com", "host");
    accepts(&image, key, board_uuids("example.com", "host"));
    let public = imgtool(&["getpub", "--key", key_file, "--encoding", "pem"]);
    assert_eq!(public.trim(), key.public().to_pem().trim());
    let hash_file = path(dir, "hash.bin");
    imgtool(&[
        "getpubhash",
        "--key",
        key_file,
        "--encoding",
        "raw",
        "--output",
        &hash_file,
    ]);
    assert_eq!(std::fs::read(hash_file).unwrap(), key.public().key_hash());
}

#[test]
#[ignore = "needs imgtool; cargo xtask test runs it"]
fn our_image_is_accepted_by_imgtool() {
    imgtool_accepts_image_of(&SigningKey::generate().unwrap(), "ED25519");
    for _ in 0..4 {
        imgtool_accepts_image_of(&SigningKey::generate_p256().unwrap(), "ECDSASIG");
    }
}

fn imgtool_accepts_image_of(key: &SigningKey, signature: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (key_file, other_file) = (path(dir.path(), "key.pem"), path(dir.path(), "other.pem"));
    key.save_new(Path::new(&key_file)).unwrap();
    SigningKey::generate()
        .unwrap()
        .save_new(Path::new(&other_file))
        .unwrap();
    let image = ImageBuilder::new(
        payload(3001),
        Version {
            major: 4,
            ..Version::default()
        },
    )
    .label(Label::new("4.0.0+1").unwrap())
    .board(board_uuids("example.com", "host"))
    .security_counter(7)
    .rom_address(0xc00)
    .sign(key)
    .unwrap();
    let file = path(dir.path(), "ours.img");
    std::fs::write(&file, &image).unwrap();

    let verdict = imgtool(&["verify", "--key", &key_file, &file]);
    assert!(
        verdict.contains("Image was correctly validated"),
        "{verdict}"
    );
    assert!(verdict.contains("Image version: 4.0.0+0"), "{verdict}");
    let dump = imgtool(&["dumpinfo", &file]);
    for expected in [
        "ROM_FIXED",
        "SEC_CNT",
        "UUID_VID",
        "UUID_CID",
        "KEYHASH",
        signature,
        "0xc00",
    ] {
        assert!(dump.contains(expected), "no {expected} in {dump}");
    }
    assert!(
        !run(&["verify", "--key", &other_file, &file])
            .status
            .success()
    );
    let mut damaged = image;
    damaged[700] ^= 1;
    std::fs::write(&file, damaged).unwrap();
    assert!(!run(&["verify", "--key", &key_file, &file]).status.success());
}

#[test]
#[ignore = "needs imgtool; cargo xtask test runs it"]
fn both_make_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let key_file = path(dir.path(), "key.pem");
    let key = SigningKey::generate().unwrap();
    key.save_new(Path::new(&key_file)).unwrap();
    let (raw, file) = (
        path(dir.path(), "payload.bin"),
        path(dir.path(), "theirs.img"),
    );
    for len in [1, 63, 4096, 100_001] {
        std::fs::write(&raw, payload(len)).unwrap();
        imgtool(&[
            "sign",
            "--key",
            &key_file,
            "--header-size",
            "0x400",
            "--pad-header",
            "--slot-size",
            "0x40000",
            "--version",
            "1.2.3+4",
            "--security-counter",
            "3",
            "--vid",
            "example.com",
            "--cid",
            "host",
            "--custom-tlv",
            "0x00a0",
            "1.2.3+4",
            &raw,
            &file,
        ]);
        let version = Version {
            major: 1,
            minor: 2,
            revision: 3,
            build: 4,
        };
        let ours = ImageBuilder::new(payload(len), version)
            .header_len(0x400)
            .label(Label::new("1.2.3+4").unwrap())
            .board(board_uuids("example.com", "host"))
            .security_counter(3)
            .sign(&key)
            .unwrap();
        assert!(
            ours == std::fs::read(&file).unwrap(),
            "payload of {len} bytes"
        );
    }
}

#[test]
#[ignore = "needs imgtool; cargo xtask test runs it"]
fn image_encrypted_by_imgtool_is_decrypted() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| path(dir.path(), name);
    let signing = SigningKey::generate().unwrap();
    signing.save_new(Path::new(&file("key.pem"))).unwrap();
    for (keylen, len) in [("128", 5000), ("256", 5001), ("128", 16), ("256", 70_000)] {
        imgtool(&["keygen", "-k", &file("device.pem"), "-t", "x25519"]);
        let public = imgtool(&["getpub", "-k", &file("device.pem"), "-e", "pem"]);
        std::fs::write(file("device.pub.pem"), public).unwrap();
        std::fs::write(file("payload.bin"), payload(len)).unwrap();
        imgtool(&[
            "sign",
            "-k",
            &file("key.pem"),
            "--pad-header",
            "-H",
            "0x200",
            "-S",
            "0x20000",
            "-v",
            "1.0.0",
            "-E",
            &file("device.pub.pem"),
            "--encrypt-keylen",
            keylen,
            &file("payload.bin"),
            &file("sent.img"),
        ]);
        let pem = std::fs::read_to_string(file("device.pem")).unwrap();
        let key = DecryptionKey::from_pem(&pem).unwrap();
        let sent = std::fs::read(file("sent.img")).unwrap();
        let installed = installed_form(&sent, &key).unwrap();
        assert_eq!(installed[0x200..0x200 + len], payload(len));
        let keys = [trusted(&signing)];
        for (image, form) in [(&sent, Form::AsSent), (&installed, Form::Installed)] {
            let expect = Expectation {
                keys: &keys,
                digest: Some(digest_of(&sent)),
                form,
                decryption_key: Some(&key),
                ..Expectation::default()
            };
            assert!(check(image, &expect).is_ok(), "{keylen} {len} {form:?}");
        }
    }
}

#[test]
#[ignore = "needs imgtool; cargo xtask test runs it"]
fn installed_form_of_our_encrypted_image_is_accepted_by_imgtool() {
    let dir = tempfile::tempdir().unwrap();
    let (key_file, file) = (path(dir.path(), "key.pem"), path(dir.path(), "ours.img"));
    let key = SigningKey::generate().unwrap();
    key.save_new(Path::new(&key_file)).unwrap();
    let device = DecryptionKey::new([3; 32]);
    for (aes, name) in [
        (Aes::Aes128, "ENCRYPTED_AES128"),
        (Aes::Aes256, "ENCRYPTED_AES256"),
    ] {
        let sent = ImageBuilder::new(payload(3001), Version::default())
            .encrypt(device.public(), aes)
            .sign(&key)
            .unwrap();
        std::fs::write(&file, installed_form(&sent, &device).unwrap()).unwrap();
        let verdict = imgtool(&["verify", "--key", &key_file, &file]);
        assert!(
            verdict.contains("Image was correctly validated"),
            "{verdict}"
        );
        let dump = imgtool(&["dumpinfo", &file]);
        for expected in [name, "ENCX25519"] {
            assert!(dump.contains(expected), "no {expected} in {dump}");
        }
    }
}

#[test]
#[ignore = "needs imgtool; cargo xtask test runs it"]
fn our_key_of_a_device_is_read_by_imgtool() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(dir.path(), "device.pem");
    let key = DecryptionKey::generate().unwrap();
    key.save_new(Path::new(&file)).unwrap();
    let public = imgtool(&["getpub", "--key", &file, "--encoding", "pem"]);
    assert_eq!(EncryptionKey::parse(&public).unwrap(), key.public());
}
