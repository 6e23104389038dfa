//! A4, A7: a good image is accepted, however it is read, and described rightly.

use otaru_image::{
    HEADER_LEN_DEFAULT, ImageBuilder, Label, OutOfBounds, Progress, ReadAt, Verification,
    VerifyError, Version, board_uuids, verify,
};
use proptest::prelude::*;

use crate::forge::{
    Counting, Forge, SLOT_ADDRESS, VERSION, board, check, device, digest_of, len_u32, look,
    other_key, signing_key, small_image, trusted,
};

#[test]
fn good_image_is_accepted_and_described() {
    let image = small_image();
    let keys = [trusted(&other_key()), trusted(&signing_key())];
    let verified = check(&image, &device(&keys)).unwrap();
    let info = verified.info();
    assert_eq!(verified.digest(), digest_of(&image));
    assert_eq!(verified.key_index(), 1);
    assert_eq!(info.header.version, VERSION);
    assert_eq!(info.header.version.to_string(), "1.2.3+4");
    assert_eq!(info.header.header_len, HEADER_LEN_DEFAULT);
    assert_eq!(info.header.payload_len, 1000);
    assert_eq!(info.len, len_u32(&image));
    let hashed = usize::try_from(info.hashed_len).unwrap();
    assert_eq!(info.image_hash, digest_of(&image[..hashed]));
    assert_ne!(info.image_hash, verified.digest());
    assert_eq!(info.security_counter, 5);
    assert_eq!(info.board(), Some(board()));
    assert_eq!(
        info.label.map(|label| label.to_string()).as_deref(),
        Some("1.2.3+4")
    );
    assert_eq!(info.rom_address(), Some(SLOT_ADDRESS));
    assert_eq!(info.key_hash, signing_key().public().key_hash());
    let at = usize::try_from(info.signature_offset).unwrap();
    assert_eq!(&image[at..at + 64], info.signature.as_bytes());
    assert_eq!(look(&image).as_ref(), Ok(info));
}

#[test]
fn announced_digest_and_length_are_accepted() {
    let image = small_image();
    let keys = [trusted(&signing_key())];
    let mut expect = device(&keys);
    expect.digest = Some(digest_of(&image));
    expect.len = Some(len_u32(&image));
    assert!(check(&image, &expect).is_ok());
}

#[test]
fn buffer_length_changes_nothing() {
    let image = small_image();
    let keys = [trusted(&signing_key())];
    let expected = check(&image, &device(&keys)).unwrap();
    for len in (0..600).chain([1024, 4096]) {
        let verified = verify(
            &mut image.as_slice(),
            len_u32(&image),
            &device(&keys),
            &mut vec![0; len],
        );
        assert_eq!(verified, Ok(expected), "buffer of {len} bytes");
    }
}

#[test]
fn every_byte_is_read_once_and_none_behind_the_image() {
    let image = small_image();
    let slot = [image.as_slice(), &[0xff; 5000]].concat();
    let keys = [trusted(&signing_key())];
    let mut source = Counting::new(&slot, len_u32(&image));
    let verified = verify(&mut source, len_u32(&slot), &device(&keys), &mut [0; 256]).unwrap();
    assert_eq!(verified.digest(), digest_of(&image));
    assert!(
        source.times_read[..image.len()]
            .iter()
            .all(|&times| times == 1)
    );
    assert!(
        source.times_read[image.len()..]
            .iter()
            .all(|&times| times == 0)
    );
}

/// Remembers where blocks lie.
struct Blocks<'i>(&'i [u8], Vec<(u32, u32)>);

impl ReadAt for Blocks<'_> {
    type Error = OutOfBounds;

    fn read_at(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), OutOfBounds> {
        self.1.push((offset, len_u32(buf)));
        self.0.read_at(offset, buf)
    }
}

#[test]
fn blocks_of_payload_stay_aligned_to_the_buffer() {
    let image = small_image();
    let keys = [trusted(&signing_key())];
    for buf_len in [256, 512] {
        let mut source = Blocks(&image, Vec::new());
        let mut buf = vec![0; usize::try_from(buf_len).unwrap()];
        verify(&mut source, len_u32(&image), &device(&keys), &mut buf).unwrap();
        // Header, heads and values of TLVs are read one by one.
        let payload = source
            .1
            .into_iter()
            .filter(|(offset, _)| (32..0x200 + 1000).contains(offset));
        for (offset, len) in payload {
            assert_eq!(
                offset / buf_len,
                (offset + len - 1) / buf_len,
                "{len} bytes at {offset}"
            );
        }
    }
}

#[test]
fn inspect_reads_neither_padding_nor_payload() {
    let image = small_image();
    let slot = [image.as_slice(), &[0; 100]].concat();
    let mut source = Counting::new(&slot, len_u32(&image));
    otaru_image::inspect(&mut source, len_u32(&slot)).unwrap();
    assert!(
        source.times_read[32..0x200 + 1000]
            .iter()
            .all(|&times| times == 0)
    );
}

#[test]
fn steps_read_one_block_each_and_report_progress() {
    let image = small_image();
    let keys = [trusted(&signing_key())];
    let mut expect = device(&keys);
    expect.len = Some(len_u32(&image));
    let mut verification = Verification::new(len_u32(&image), &expect);
    let mut source = Counting::new(&image, len_u32(&image));
    let mut before = 0;
    loop {
        let reads = source.reads;
        match verification.step(&mut source, &mut [0; 256]).unwrap() {
            Progress::More { done, total } => {
                assert_eq!(source.reads, reads + 1);
                assert!(done > before && done - before <= 256);
                assert_eq!(total, len_u32(&image));
                before = done;
            }
            Progress::Done(verified) => {
                assert_eq!((source.reads, before), (reads, len_u32(&image)));
                assert_eq!(verified.digest(), digest_of(&image));
                break;
            }
        }
    }
}

/// Fails every other read.
struct Flaky<'i>(&'i [u8], bool);

impl ReadAt for Flaky<'_> {
    type Error = OutOfBounds;

    fn read_at(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), OutOfBounds> {
        self.1 = !self.1;
        if self.1 {
            Err(OutOfBounds)
        } else {
            self.0.read_at(offset, buf)
        }
    }
}

#[test]
fn failed_read_can_be_tried_again() {
    let image = small_image();
    let keys = [trusted(&signing_key())];
    let mut source = Flaky(&image, false);
    let mut verification = Verification::new(len_u32(&image), &device(&keys));
    let mut failures = 0;
    let verified = loop {
        match verification.step(&mut source, &mut [0; 64]) {
            Ok(Progress::More { .. }) => {}
            Ok(Progress::Done(verified)) => break verified,
            Err(error) => {
                assert_eq!(error, VerifyError::Read(OutOfBounds));
                failures += 1;
                assert!(failures < 100, "no progress after {failures} failed reads");
            }
        }
    };
    assert!(failures > 20);
    assert_eq!(verified.digest(), digest_of(&image));
}

#[test]
fn forge_makes_what_the_builder_makes() {
    let keys = [trusted(&signing_key())];
    assert!(check(&Forge::new().build(), &device(&keys)).is_ok());
    let built = crate::forge::builder(40)
        .header_len(32)
        .sign(&signing_key())
        .unwrap();
    assert!(Forge::new().build() == built);
}

#[test]
fn impossible_wishes_are_refused_by_the_builder() {
    use otaru_image::BuildError;
    let key = signing_key();
    let image = ImageBuilder::new([1, 2], Version::default());
    assert_eq!(
        image.clone().header_len(31).sign(&key),
        Err(BuildError::HeaderLen(31))
    );
    assert!(image.header_len(32).sign(&key).is_ok());
    let empty = ImageBuilder::new([], Version::default()).sign(&key);
    assert_eq!(empty, Err(BuildError::PayloadEmpty));
    for text in [
        "",
        "a\nb",
        "\u{1b}[31m",
        "123456789 123456789 123456789 123",
    ] {
        assert!(Label::new(text).is_err(), "{text:?}");
    }
    assert!(Label::new("123456789 123456789 123456789 12").is_ok());
}

proptest! {
    #[test]
    fn built_images_say_what_was_asked_for(
        payload in proptest::collection::vec(any::<u8>(), 1..3000),
        header_len in 32_u16..1024,
        (major, minor, revision, build) in any::<(u8, u8, u16, u32)>(),
        label in proptest::option::of("[^\\p{Cc}]{1,8}"),
        counter in proptest::option::of(any::<u32>()),
        revoke: u16,
        board in proptest::option::of(("[ -~]{0,20}", "[ -~]{0,20}")),
        address in proptest::option::of(any::<u32>()),
        seed in any::<[u8; 32]>(),
        buf_len in 0_usize..700,
    ) {
        let key = otaru_image::SigningKey::from_seed(seed);
        let version = Version { major, minor, revision, build };
        let label = label.map(|text| Label::new(&text).unwrap());
        let board = board.map(|(vendor, name)| board_uuids(&vendor, &name));
        let mut builder = ImageBuilder::new(payload.clone(), version).header_len(header_len);
        if let Some(label) = label { builder = builder.label(label); }
        if let Some(counter) = counter { builder = builder.security_counter(counter); }
        if let Some(board) = board { builder = builder.board(board); }
        builder = builder.revoke(revoke);
        if let Some(address) = address { builder = builder.rom_address(address); }
        let image = builder.sign(&key).unwrap();

        let keys = [trusted(&key)];
        let expect = otaru_image::Expectation {
            keys: &keys,
            board,
            slot_address: address,
            security_floor: counter.unwrap_or(0),
            digest: Some(digest_of(&image)),
            len: Some(len_u32(&image)),
            ..otaru_image::Expectation::default()
        };
        let mut source = image.as_slice();
        let verified =
            verify(&mut source, len_u32(&image), &expect, &mut vec![0; buf_len]).unwrap();
        let info = verified.info();
        prop_assert_eq!(info.header.version, version);
        prop_assert_eq!(info.header.header_len, header_len);
        prop_assert_eq!(info.label, label);
        prop_assert_eq!(info.board(), board);
        prop_assert_eq!(info.rom_address(), address);
        prop_assert_eq!(info.security_counter, counter.unwrap_or(0));
        prop_assert_eq!(info.revoke, revoke);
        let start = usize::from(header_len);
        prop_assert_eq!(&image[start..start + payload.len()], &payload[..]);
    }
}
