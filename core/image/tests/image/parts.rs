//! Multi-image: further images in the same file, verified with it, all or none.

use otaru_image::{
    BuildError, Dependency, Expectation, ImageBuilder, ImageError, Key, Label, Malformed, PART_GAP,
    Present, SigningKey, Unsupported, Verified, VerifyError, Version, inspect_part, tlv, verify,
};

use crate::forge::{
    Counting, Forge, SLOT_ADDRESS, VERSION, board, builder, check, device, digest_of, len_u32,
    look, other_key, payload, signing_key, small_image, trusted,
};

type Verdict = Result<Verified, VerifyError<otaru_image::OutOfBounds>>;

fn version(major: u8) -> Version {
    Version {
        major,
        ..Version::default()
    }
}

fn needs(image: u8, major: u8) -> Dependency {
    Dependency {
        image,
        version: version(major),
    }
}

/// A builder of the part with this index.
fn part(index: u8) -> ImageBuilder {
    ImageBuilder::new(payload(300 * usize::from(index)), version(4))
        .header_len(32)
        .label(Label::new("resources 4").unwrap())
        .board(board())
        .security_counter(6)
        .index(index)
}

fn signed(builder: &ImageBuilder) -> Vec<u8> {
    builder.sign(&signing_key()).unwrap()
}

/// Firmware with three parts, of which the last depends on the first and on the firmware.
fn good() -> Vec<u8> {
    let third = part(3).depends_on(needs(1, 4)).depends_on(needs(0, 1));
    let first = builder(1000)
        .depends_on(needs(2, 4))
        .part(2, signed(&part(2)))
        .part(1, signed(&part(1)))
        .part(3, signed(&third))
        .part_align(512);
    signed(&first)
}

/// A file that no honest tool would make: image 0 says about its parts what it is told to.
struct File {
    first: Forge,
    pieces: Vec<(usize, Vec<u8>)>,
}

impl File {
    fn new() -> Self {
        let first = Forge::new();
        let pieces = Vec::new();
        Self { first, pieces }
    }

    fn named(mut self, index: u8, place: (u32, u32), digest: [u8; 32]) -> Self {
        let mut data = place.0.to_le_bytes().to_vec();
        data.extend(place.1.to_le_bytes());
        data.extend(digest);
        self.first
            .protected
            .push((tlv::PART_FIRST + u16::from(index) - 1, data));
        self
    }

    fn piece(mut self, offset: usize, bytes: Vec<u8>) -> Self {
        self.pieces.push((offset, bytes));
        self
    }

    /// Depends on this part, in any version.
    fn needing(mut self, index: u8) -> Self {
        let mut data = vec![0; 12];
        data[0] = index;
        self.first.protected.push((tlv::DEPENDENCY, data));
        self
    }

    /// Names a part as it is, depends on it, and places it.
    fn with(self, index: u8, offset: u32, bytes: Vec<u8>) -> Self {
        self.needing(index)
            .named(index, (offset, len_u32(&bytes)), digest_of(&bytes))
            .piece(usize::try_from(offset).unwrap(), bytes)
    }

    fn build(&self) -> Vec<u8> {
        let mut file = self.first.build();
        for (offset, bytes) in &self.pieces {
            file.resize(file.len().max(offset + bytes.len()), PART_GAP);
            file[*offset..][..bytes.len()].copy_from_slice(bytes);
        }
        file
    }
}

/// The verdict about a file; the same with everything announced, unless that says it earlier.
fn judged(file: &[u8], expect: &Expectation<'_>) -> Verdict {
    let verdict = check(file, expect);
    let announced = Expectation {
        digest: Some(digest_of(file)),
        len: Some(len_u32(file)),
        ..*expect
    };
    assert_eq!(check(file, &announced), verdict);
    for buf_len in [0, 33, 100, 4096] {
        let again = verify(&mut &*file, len_u32(file), expect, &mut vec![0; buf_len]);
        assert_eq!(again, verdict, "blocks of {buf_len}");
    }
    verdict
}

fn refused(file: &File) -> VerifyError<otaru_image::OutOfBounds> {
    let keys = [trusted(&signing_key())];
    judged(&file.build(), &device(&keys)).unwrap_err()
}

fn malformed(which: Malformed) -> VerifyError<otaru_image::OutOfBounds> {
    VerifyError::Malformed(which)
}

#[test]
fn file_with_parts_is_verified_in_one_pass_whatever_the_blocks() {
    let file = good();
    let keys = [trusted(&signing_key())];
    let mut slot = file.clone();
    slot.resize(file.len() + 700, 0xEE);
    for (len, buf_len) in [(None, 0), (None, 512), (None, 64), (Some(file.len()), 4096)] {
        let mut source = Counting::new(&slot, len_u32(&file));
        let mut expect = device(&keys);
        expect.len = len.map(|len| u32::try_from(len).unwrap());
        let verified = verify(&mut source, len_u32(&slot), &expect, &mut vec![0; buf_len]);
        let verified = verified.unwrap();
        assert_eq!(verified.digest(), digest_of(&file));
        assert_eq!(verified.info().len, len_u32(&file));
        assert_eq!(verified.signers().collect::<Vec<_>>(), [0, 0, 0, 0]);
        assert!(
            source.times_read[..file.len()]
                .iter()
                .all(|&times| times == 1)
        );
        assert_eq!(look(&slot), Ok(*verified.info()));
    }
}

#[test]
fn parts_are_found_where_the_firmware_says() {
    let file = good();
    let info = look(&file).unwrap();
    let offsets: Vec<_> = info
        .parts
        .iter()
        .map(|part| (part.index, part.offset))
        .collect();
    assert_eq!(offsets, [(1, 2048), (2, 3072), (3, 4096)]);
    assert!(info.own_len() < 2048 && info.own_len() > 1500);
    for found in info.parts.iter() {
        let place = usize::try_from(found.offset).unwrap();
        let bytes = &file[place..][..usize::try_from(found.len).unwrap()];
        assert_eq!(found.digest, digest_of(bytes));
        let about = inspect_part(&mut file.as_slice(), found).unwrap();
        assert_eq!(about, look(bytes).unwrap());
        assert_eq!(about.index(), Some(found.index));
        assert_eq!(about.header.version, version(4));
    }
    assert_eq!(info.parts.get(4), None);
}

#[test]
fn firmware_without_parts_has_the_bytes_it_always_had() {
    let file = small_image();
    let info = look(&file).unwrap();
    assert!(info.parts.is_empty());
    assert_eq!((info.own_len(), info.index()), (len_u32(&file), None));
    // Saying that one is the firmware changes nothing.
    let said = signed(&builder(1000).index(0));
    let keys = [trusted(&signing_key())];
    assert!(judged(&said, &device(&keys)).is_ok());
}

#[test]
fn every_flipped_byte_is_refused_and_every_truncation() {
    let file = good();
    let keys = [trusted(&signing_key())];
    for offset in 0..file.len() {
        let mut damaged = file.clone();
        damaged[offset] ^= 0x81;
        assert!(check(&damaged, &device(&keys)).is_err(), "byte {offset}");
    }
    for len in 0..file.len() {
        let cut = &file[..len];
        assert!(check(cut, &device(&keys)).is_err(), "{len} bytes");
        let mut expect = device(&keys);
        expect.len = Some(len_u32(cut));
        let verdict = verify(&mut file.as_slice(), len_u32(&file), &expect, &mut [0; 256]);
        assert!(verdict.is_err(), "{len} bytes announced");
    }
}

#[test]
fn damaged_copy_is_called_damaged_wherever_the_damage_is() {
    let file = good();
    let keys = [trusted(&signing_key())];
    let mut expect = device(&keys);
    (expect.digest, expect.len) = (Some(digest_of(&file)), Some(len_u32(&file)));
    for offset in (0..file.len()).step_by(7) {
        let mut damaged = file.clone();
        damaged[offset] ^= 0x81;
        let verdict = check(&damaged, &expect);
        assert_eq!(verdict, Err(VerifyError::DigestMismatch), "byte {offset}");
    }
}

#[test]
fn part_alone_is_no_firmware() {
    let keys = [trusted(&signing_key())];
    let alone = signed(&part(1));
    let mut expect = device(&keys);
    assert_eq!(
        judged(&alone, &expect),
        Err(malformed(Malformed::ImageIndex(1)))
    );
    expect.index = 1;
    assert!(judged(&alone, &expect).is_ok());
    expect.index = 2;
    assert_eq!(
        judged(&alone, &expect),
        Err(malformed(Malformed::ImageIndex(1)))
    );
}

#[test]
fn part_at_another_index_is_refused() {
    let wrong = |found| malformed(Malformed::ImageIndex(found));
    assert_eq!(
        refused(&File::new().with(1, 512, signed(&part(2)))),
        wrong(2)
    );
    assert_eq!(
        refused(&File::new().with(2, 512, signed(&part(1)))),
        wrong(1)
    );
    // An image that says nothing is firmware.
    assert_eq!(
        refused(&File::new().with(1, 512, small_image_anywhere())),
        wrong(0)
    );
    let swapped = File::new()
        .with(1, 512, signed(&part(2)))
        .with(2, 2048, signed(&part(1)));
    assert_eq!(refused(&swapped), wrong(2));
    // Bytes of another part at the place of one: not what image 0 names.
    let (one, two) = (signed(&part(1)), signed(&part(1).security_counter(7)));
    assert_eq!(one.len(), two.len());
    let exchanged = File::new()
        .needing(1)
        .named(1, (512, len_u32(&one)), digest_of(&one))
        .piece(512, two);
    assert_eq!(refused(&exchanged), VerifyError::HashMismatch);
}

fn small_image_anywhere() -> Vec<u8> {
    let image = ImageBuilder::new(payload(100), VERSION)
        .header_len(32)
        .board(board())
        .security_counter(6);
    signed(&image)
}

#[test]
fn parts_that_overlap_or_lie_elsewhere_are_refused() {
    let place = malformed(Malformed::PartPlace);
    let (one, two) = (signed(&part(1)), signed(&part(2)));
    let own = len_u32(&Forge::new().build());
    // In image 0, not aligned, in another part, in the wrong order, shorter than a header.
    for file in [
        File::new()
            .named(1, (64, len_u32(&one)), digest_of(&one))
            .piece(512, one.clone()),
        File::new().with(1, 520, one.clone()),
        File::new()
            .with(1, 512, one.clone())
            .with(2, 512 + 64, two.clone()),
        File::new()
            .with(1, 512, one.clone())
            .with(2, 512, two.clone()),
        File::new()
            .with(2, 512, two.clone())
            .with(1, 2048, one.clone()),
        File::new()
            .named(1, (512, 31), [0; 32])
            .piece(512, vec![0; 31]),
        File::new()
            .named(1, (512, 0), [0; 32])
            .piece(512, vec![0; 40]),
    ] {
        let bytes = file.build();
        assert!(own < 512);
        assert_eq!(
            look(&bytes),
            Err(ImageError::Malformed(Malformed::PartPlace))
        );
        assert_eq!(refused(&file), place);
    }
    for (offset, len) in [
        (512, u32::MAX),
        (u32::MAX - 63, 64),
        (u32::MAX - 63, u32::MAX),
    ] {
        let file = File::new().named(1, (offset, len), [0; 32]).build();
        let needed = u64::from(offset) + u64::from(len);
        let slot_len = len_u32(&file);
        let too_large = ImageError::TooLarge { needed, slot_len };
        assert_eq!(look(&file), Err(too_large));
        // A slot as long as the numbers are: nothing overflows.
        let unreadable = verify(&mut &*file, u32::MAX, &device(&[]), &mut [0; 64]);
        assert!(unreadable.is_err());
    }
}

#[test]
fn tlvs_of_parts_that_break_a_rule_are_refused() {
    let refusal = |entry: (u16, Vec<u8>), twice: bool| {
        let mut forge = Forge::new();
        if twice {
            forge.protected.push(entry.clone());
        }
        forge.protected.push(entry);
        look(&forge.build()).unwrap_err()
    };
    for kind in tlv::PART_FIRST..=tlv::PART_LAST {
        for len in [0_u16, 9, 39, 41, 80] {
            let wrong = ImageError::Malformed(Malformed::TlvLen { kind, len });
            assert_eq!(refusal((kind, vec![0; usize::from(len)]), false), wrong);
        }
        let duplicate = ImageError::Malformed(Malformed::TlvDuplicate(kind));
        assert_eq!(refusal((kind, vec![0; 40]), true), duplicate);
        let mut unsigned = Forge::new();
        unsigned.unprotected.push((kind, vec![0; 40]));
        let area = ImageError::Malformed(Malformed::TlvArea(kind));
        assert_eq!(look(&unsigned.build()), Err(area));
    }
    let kind = tlv::IMAGE_INDEX;
    let index = ImageError::Malformed(Malformed::ImageIndex(4));
    assert_eq!(refusal((kind, vec![4]), false), index);
    let long = ImageError::Malformed(Malformed::TlvLen { kind, len: 2 });
    assert_eq!(refusal((kind, vec![1, 0]), false), long);
    let duplicate = ImageError::Malformed(Malformed::TlvDuplicate(kind));
    assert_eq!(refusal((kind, vec![1]), true), duplicate);
}

#[test]
fn something_between_parts_is_refused() {
    let one = signed(&part(1));
    let file = File::new().with(1, 1024, one);
    let own = Forge::new().build().len() + 44 + 16;
    assert!(file.build()[own..1024].iter().all(|&byte| byte == PART_GAP));
    for offset in [own, 700, 1023] {
        let file = File::new()
            .with(1, 1024, signed(&part(1)))
            .piece(offset, vec![0x7F]);
        assert_eq!(refused(&file), malformed(Malformed::PartGap), "{offset}");
    }
}

#[test]
fn part_is_judged_by_the_keys_of_the_device() {
    let stranger = part(1).sign(&other_key()).unwrap();
    let file = File::new().with(1, 512, stranger).build();
    let verdict =
        |keys: &[Key]| judged(&file, &device(keys)).map(|found| found.signers().collect());
    let (own, other) = (trusted(&signing_key()), trusted(&other_key()));
    assert_eq!(verdict(&[own]), Err::<Vec<_>, _>(VerifyError::KeyUnknown));
    assert_eq!(verdict(&[own, other]), Ok(vec![0, 1]));
    let revoked = Key {
        revoked: true,
        ..other
    };
    assert_eq!(verdict(&[own, revoked]), Err(VerifyError::KeyRevoked));

    // A key that did not sign what it says.
    let mut forge = Forge::new();
    forge.protected.push((tlv::IMAGE_INDEX, vec![1]));
    forge.key = other_key();
    let file = File::new().with(1, 512, forge.build());
    assert_eq!(refused(&file), VerifyError::SignatureInvalid);
}

#[test]
fn parts_signed_with_p256_are_accepted() {
    let key = SigningKey::generate_p256().unwrap();
    // Their signatures differ in length.
    for len in 100..116 {
        let one = part(1).sign(&key).unwrap();
        let file = builder(len).part(1, one).sign(&key).unwrap();
        assert!(judged(&file, &device(&[trusted(&key)])).is_ok());
    }
}

#[test]
fn part_is_judged_by_board_place_and_counter() {
    let of = |builder: ImageBuilder| refused(&File::new().with(1, 512, signed(&builder)));
    let other = otaru_image::board_uuids("example.com", "other");
    assert_eq!(of(part(1).board(other)), VerifyError::WrongBoard);
    let slot = SLOT_ADDRESS + 512;
    let image = SLOT_ADDRESS;
    let wrong = VerifyError::WrongSlot { image, slot };
    assert_eq!(of(part(1).rom_address(image)), wrong);
    let keys = [trusted(&signing_key())];
    let linked = File::new().with(1, 512, signed(&part(1).rom_address(slot)));
    assert!(judged(&linked.build(), &device(&keys)).is_ok());

    let below = |image, floor| VerifyError::SecurityCounter { image, floor };
    assert_eq!(of(part(1).security_counter(4)), below(4, 5));
    // Image 0 has counter 5: once it is confirmed that is the floor.
    let low = File::new().with(1, 512, signed(&part(1).security_counter(4)));
    let mut expect = device(&keys);
    expect.security_floor = 0;
    assert_eq!(judged(&low.build(), &expect), Err(below(4, 5)));
    let same = File::new().with(1, 512, signed(&part(1).security_counter(5)));
    assert!(judged(&same.build(), &expect).is_ok());
}

#[test]
fn dependencies_among_the_images_of_a_file_are_honoured() {
    let keys = [trusted(&signing_key())];
    let verdict = |first: Option<Dependency>, second: Option<Dependency>| {
        let mut first_image = builder(100);
        let mut second_image = part(2);
        if let Some(needed) = first {
            first_image = first_image.depends_on(needed);
        }
        if let Some(needed) = second {
            second_image = second_image.depends_on(needed);
        }
        let file = first_image
            .part(1, signed(&part(1)))
            .part(2, signed(&second_image));
        judged(&signed(&file), &device(&keys)).map(drop)
    };
    let unmet = |needed| Err(VerifyError::DependencyUnmet(needed));
    // Parts are version 4, the firmware is version 1.
    assert_eq!(verdict(Some(needs(1, 4)), Some(needs(0, 1))), Ok(()));
    assert_eq!(verdict(Some(needs(2, 4)), Some(needs(1, 4))), Ok(()));
    assert_eq!(verdict(None, Some(needs(2, 4))), Ok(()));
    for needed in [
        needs(0, 2),
        needs(1, 5),
        needs(2, 5),
        needs(3, 0),
        needs(9, 0),
    ] {
        assert_eq!(verdict(Some(needed), None), unmet(needed));
        assert_eq!(verdict(None, Some(needed)), unmet(needed));
    }
    // Without parts nobody knows which others there are, as ever.
    let alone = signed(&builder(100).depends_on(needs(1, 0)));
    let unknown = VerifyError::Unsupported(Unsupported::Dependency);
    assert_eq!(judged(&alone, &device(&keys)), Err(unknown));
    // What is on the device besides counts, too.
    let besides = [Present {
        image: 9,
        version: version(3),
    }];
    let mut expect = device(&keys);
    expect.present = &besides;
    for (major, met) in [(3, true), (4, false)] {
        let one = signed(&part(1).depends_on(needs(9, major)));
        let file = signed(&builder(100).part(1, one));
        assert_eq!(judged(&file, &expect).is_ok(), met);
    }
}

#[test]
fn parts_of_parts_and_encrypted_ones_are_refused() {
    let mut inner = Forge::new();
    inner.protected.push((tlv::IMAGE_INDEX, vec![1]));
    let nested = File {
        first: inner,
        pieces: Vec::new(),
    }
    .with(2, 512, signed(&part(2)))
    .build();
    let file = File::new().with(1, 512, nested);
    assert_eq!(refused(&file), malformed(Malformed::PartNested));

    let device_key = otaru_image::DecryptionKey::new([3; 32]);
    let encrypted = part(1).encrypt(device_key.public(), otaru_image::Aes::Aes128);
    let keys = [trusted(&signing_key())];
    let mut expect = device(&keys);
    expect.decryption_key = Some(&device_key);
    let unsupported = Err(VerifyError::Unsupported(Unsupported::Encryption));
    let file = File::new().with(1, 512, signed(&encrypted)).build();
    assert_eq!(judged(&file, &expect), unsupported);
    // Image 0 encrypted: TLV and flag are there, whatever the key.
    let mut first = File::new().with(1, 512, signed(&part(1)));
    first.first.flags = otaru_image::ImageFlags::ENCRYPTED_AES128;
    first
        .first
        .unprotected
        .push((tlv::ENCRYPTION_X25519, vec![1; 80]));
    let file = first.build();
    assert_eq!(
        look(&file),
        Err(ImageError::Unsupported(Unsupported::Encryption))
    );
    assert_eq!(judged(&file, &expect), unsupported);
}

#[test]
fn builder_refuses_what_devices_would() {
    let one = signed(&part(1));
    let fails = |builder: ImageBuilder| builder.sign(&signing_key()).unwrap_err();
    assert_eq!(fails(builder(9).part(2, one.clone())), BuildError::Part(2));
    assert_eq!(
        fails(builder(9).part(0, small_image())),
        BuildError::Part(0)
    );
    let twice = builder(9).part(1, one.clone()).part(1, one.clone());
    assert_eq!(fails(twice), BuildError::Part(1));
    let longer = [one.as_slice(), &[0xFF]].concat();
    assert_eq!(fails(builder(9).part(1, longer)), BuildError::Part(1));
    let align = builder(9).part(1, one.clone()).part_align(100);
    assert_eq!(fails(align), BuildError::PartAlign(100));
    let key = otaru_image::DecryptionKey::new([3; 32]).public();
    let encrypted = builder(9)
        .part(1, one)
        .encrypt(key, otaru_image::Aes::Aes128);
    assert_eq!(fails(encrypted), BuildError::PartsEncrypted);
    let again = builder(9).depends_on(needs(1, 1)).depends_on(needs(1, 2));
    assert_eq!(fails(again), BuildError::Dependencies);
}

#[test]
fn part_that_the_firmware_does_not_need_is_refused() {
    let not_needed = |index| malformed(Malformed::PartNotNeeded(index));
    let one = signed(&part(1));
    let named = |file: File| {
        let place = (512, len_u32(&one));
        file.named(1, place, digest_of(&one))
            .piece(512, one.clone())
    };
    assert_eq!(refused(&named(File::new())), not_needed(1));
    assert_eq!(refused(&named(File::new().needing(2))), not_needed(1));
    let two = named(File::new().needing(1)).with(2, 2048, signed(&part(2)));
    let keys = [trusted(&signing_key())];
    assert!(judged(&two.build(), &device(&keys)).is_ok());
}

#[test]
fn builder_depends_on_every_part_and_on_no_version_of_it_unless_told() {
    let info = look(&good()).unwrap();
    let needed = |image| {
        let mut found = info.dependencies.iter();
        found.find(|needed| needed.image == image).copied()
    };
    assert_eq!(needed(1), Some(needs(1, 0)));
    assert_eq!(needed(2), Some(needs(2, 4)));
    assert_eq!(needed(3), Some(needs(3, 0)));
    // One more than an image can express.
    let others = [7, 8].map(|image| needs(image, 0));
    let mut full = builder(9);
    for index in 1..=3 {
        full = full.part(index, signed(&part(index)));
    }
    let full = full.depends_on(others[0]);
    assert!(full.sign(&signing_key()).is_ok());
    let more = full.depends_on(others[1]).sign(&signing_key());
    assert_eq!(more.unwrap_err(), BuildError::Dependencies);
}
