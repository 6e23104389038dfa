//! Multi-image: both ways with the real imgtool 2.5.0, named by the variable `OTARU_IMGTOOL`.

use std::path::Path;

use otaru_image::{
    BoardIds, Dependency, Expectation, ImageBuilder, Label, PART_GAP, SigningKey, Version,
    board_uuids, inspect, tlv,
};

use crate::forge::{check, digest_of, len_u32, payload, trusted};
use crate::imgtool::{imgtool, path};
use crate::vectors::{folder, vector};

fn board() -> BoardIds {
    board_uuids("example.com", "host")
}

fn version(major: u8) -> Version {
    Version {
        major,
        ..Version::default()
    }
}

fn image(len: usize, major: u8) -> ImageBuilder {
    ImageBuilder::new(payload(len), version(major))
        .label(Label::new("parts").unwrap())
        .board(board())
        .security_counter(7)
}

fn needs(image: u8, major: u8) -> Dependency {
    Dependency {
        image,
        version: version(major),
    }
}

fn accepts_ours(key: &SigningKey) {
    let dir = tempfile::tempdir().unwrap();
    let key_file = path(dir.path(), "key.pem");
    key.save_new(Path::new(&key_file)).unwrap();
    let radio = image(700, 3).index(1).depends_on(needs(0, 1)).sign(key);
    let resources = image(5000, 4).index(2).sign(key).unwrap();
    let file = image(3001, 2)
        .depends_on(needs(1, 3))
        .part(1, radio.unwrap())
        .part(2, resources)
        .part_align(4096)
        .sign(key)
        .unwrap();
    let info = inspect(&mut file.as_slice(), len_u32(&file)).unwrap();
    let places = info.parts.iter().map(|part| (part.offset, part.len));
    for (offset, len) in [(0, info.own_len())].into_iter().chain(places) {
        let start = usize::try_from(offset).unwrap();
        let end = start + usize::try_from(len).unwrap();
        let cut_out = path(dir.path(), "cut.img");
        std::fs::write(&cut_out, &file[start..end]).unwrap();
        let verdict = imgtool(&["verify", "--key", &key_file, &cut_out]);
        let valid = verdict.contains("Image was correctly validated");
        assert!(valid, "{offset}: {verdict}");
    }
}

#[test]
#[ignore = "needs imgtool; cargo xtask test runs it"]
fn each_image_of_our_file_is_accepted_by_imgtool() {
    accepts_ours(&SigningKey::generate().unwrap());
    accepts_ours(&SigningKey::generate_p256().unwrap());
}

fn sign(dir: &Path, key: &str, (len, version): (usize, &str), options: &[&str]) -> Vec<u8> {
    let (raw, image) = (path(dir, "payload.bin"), path(dir, "signed.img"));
    std::fs::write(&raw, payload(len)).unwrap();
    let mut args = vec![
        "sign",
        "--key",
        key,
        "--header-size",
        "0x200",
        "--pad-header",
    ];
    args.extend(["--slot-size", "0x8000", "--version", version]);
    args.extend(["--security-counter", "7"]);
    args.extend(["--vid", "example.com", "--cid", "host"]);
    args.extend(["--custom-tlv", "0x00a0", "parts"]);
    args.extend_from_slice(options);
    args.extend([raw.as_str(), image.as_str()]);
    imgtool(&args);
    std::fs::read(image).unwrap()
}

/// The TLV that names a part, as imgtool takes it.
fn name_of(part: &[u8], offset: u32) -> String {
    let len = len_u32(part).to_le_bytes();
    let bytes = [&offset.to_le_bytes()[..], &len, &digest_of(part)].concat();
    let hex = bytes.iter().map(|byte| format!("{byte:02x}"));
    hex.fold("0x".to_owned(), |text, byte| text + &byte)
}

/// The file whose images imgtool signed, put together by hand as `docs/formats/image.md` says it.
#[test]
#[ignore = "needs imgtool; cargo xtask test runs it"]
fn file_put_together_of_images_by_imgtool_is_the_one_that_we_make() {
    let dir = tempfile::tempdir().unwrap();
    let key_file = path(dir.path(), "key.pem");
    let key = SigningKey::generate().unwrap();
    key.save_new(Path::new(&key_file)).unwrap();
    let index = ["--custom-tlv", "0x00a2", "0x01"];
    let radio = sign(dir.path(), &key_file, (700, "3.0.0+0"), &index);
    let offset = 8192_u32;
    let named = name_of(&radio, offset);
    let kind = format!("{:#06x}", tlv::PART_FIRST);
    let options = [
        "--dependencies",
        "(1, 3.0.0+0)",
        "--custom-tlv",
        &kind,
        &named,
    ];
    let mut file = sign(dir.path(), &key_file, (3001, "2.0.0+0"), &options);
    file.resize(usize::try_from(offset).unwrap(), PART_GAP);
    file.extend_from_slice(&radio);

    let keys = [trusted(&key)];
    let expect = Expectation {
        keys: &keys,
        board: Some(board()),
        len: Some(len_u32(&file)),
        ..Expectation::default()
    };
    let verified = check(&file, &expect).unwrap();
    assert_eq!(verified.digest(), digest_of(&file));
    let ours = image(3001, 2)
        .depends_on(needs(1, 3))
        .part(1, image(700, 3).index(1).sign(&key).unwrap())
        .part_align(8192)
        .sign(&key)
        .unwrap();
    assert!(ours == file, "the bytes differ");
}

/// An image of the stored file.
fn sign_vector(dir: &Path, options: &[&str]) -> Vec<u8> {
    let (raw, image) = (path(dir, "payload.bin"), path(dir, "signed.img"));
    std::fs::write(&raw, payload(64)).unwrap();
    let key = folder().join("signing-key.pem");
    let key = key.to_str().unwrap();
    let sign = ["sign", "-k", key, "--pad-header", "-S", "0x10000", "-H"];
    let common = ["32", "-s", "5", "--vid", "example.com", "--cid", "host"];
    imgtool(&[&sign[..], &common, options, &[&raw, &image]].concat());
    std::fs::read(image).unwrap()
}

/// `tests/vectors/v1/README.md` says how `parts.img` was made; this is it.
#[test]
#[ignore = "needs imgtool; cargo xtask test runs it"]
fn stored_file_with_parts_is_still_what_imgtool_makes() {
    let dir = tempfile::tempdir().unwrap();
    let index = "0x00a2";
    let one = ["-v", "1.0.0", "--custom-tlv", index, "0x01"];
    let two = ["-v", "2.0.0", "--rom-fixed", "0x08020340", "--custom-tlv"];
    let two = [&two[..], &[index, "0x02"]].concat();
    let three = ["-v", "2.1.0", "-d", "(0, 1.2.3+0)(1, 1.0.0+0)"];
    let label = ["--custom-tlv", "0x00a0", "resources 2.1.0"];
    let three = [&three[..], &label, &["--custom-tlv", index, "0x03"]].concat();
    let parts = [&one[..], &two, &three].map(|options| sign_vector(dir.path(), options));
    let mut options: Vec<String> = [
        "-v",
        "1.2.3+4",
        "-d",
        "(1, 1.0.0+0)(2, 0.0.0+0)(3, 2.1.0+0)",
        "--rom-fixed",
        "0x08020000",
        "--custom-tlv",
        "0x00a0",
        "1.2.3+4 parts",
    ]
    .map(str::to_owned)
    .into();
    let places = [512_u32, 832, 1152];
    for (kind, (part, place)) in (tlv::PART_FIRST..).zip(parts.iter().zip(places)) {
        options.extend(["--custom-tlv".to_owned(), format!("{kind:#06x}")]);
        options.push(name_of(part, place));
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let mut file = sign_vector(dir.path(), &options);
    for (part, place) in parts.iter().zip(places) {
        file.resize(usize::try_from(place).unwrap(), PART_GAP);
        file.extend_from_slice(part);
    }
    assert!(file == vector("parts.img"), "the bytes differ");
}
