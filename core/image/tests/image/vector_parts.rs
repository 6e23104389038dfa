//! Multi-image: the stored file with parts, and every way in which the TLVs that tie it together can
//! be wrong although every signature is right.

use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use otaru_image::{
    Dependency, ImageBuilder, ImageHeader, Label, Malformed, OutOfBounds, PART_GAP, Unsupported,
    VerifyError, Version, board_uuids, tlv,
};

use crate::forge::{
    SLOT_ADDRESS, Tlv, VERSION, area, check, device, digest_of, len_u32, look, payload, trusted,
};
use crate::vectors::{vector, vector_key, vector_text};

type Verdict = Result<(), VerifyError<OutOfBounds>>;
type Edit<'a> = &'a dyn Fn(&mut Vec<Tlv>);

/// Where the parts of the vector lie.
const PLACES: [u32; 3] = [512, 832, 1152];

/// What a device with the vectors' key says about a file that was announced, and that it does not
/// accept what nobody announced either if it refuses that.
fn judged(file: &[u8]) -> Verdict {
    let keys = [trusted(&vector_key())];
    let mut expect = device(&keys);
    let unannounced = check(file, &expect);
    (expect.digest, expect.len) = (Some(digest_of(file)), Some(len_u32(file)));
    let verdict = check(file, &expect).map(drop);
    assert_eq!(unannounced.is_ok(), verdict.is_ok());
    verdict
}

fn version(major: u8, minor: u8) -> Version {
    Version {
        major,
        minor,
        ..Version::default()
    }
}

fn part(index: u8, version: Version) -> ImageBuilder {
    ImageBuilder::new(payload(64), version)
        .header_len(32)
        .board(board_uuids("example.com", "host"))
        .security_counter(5)
        .index(index)
}

#[test]
fn stored_file_is_accepted_and_is_what_the_builder_makes() {
    let file = vector("parts.img");
    assert_eq!(judged(&file), Ok(()));
    let needs = |image, version| Dependency { image, version };
    let key = vector_key();
    let sign = |image: ImageBuilder| image.sign(&key).unwrap();
    let third = part(3, version(2, 1))
        .label(Label::new("resources 2.1.0").unwrap())
        .depends_on(needs(
            0,
            Version {
                build: 0,
                ..VERSION
            },
        ))
        .depends_on(needs(1, version(1, 0)));
    let linked = part(2, version(2, 0)).rom_address(SLOT_ADDRESS + PLACES[1]);
    let ours = ImageBuilder::new(payload(64), VERSION)
        .header_len(32)
        .label(Label::new("1.2.3+4 parts").unwrap())
        .board(board_uuids("example.com", "host"))
        .rom_address(SLOT_ADDRESS)
        .security_counter(5)
        .depends_on(needs(1, version(1, 0)))
        .depends_on(needs(2, version(0, 0)))
        .depends_on(needs(3, version(2, 1)))
        .part(1, sign(part(1, version(1, 0))))
        .part(2, sign(linked))
        .part(3, sign(third));
    assert!(sign(ours) == file, "the bytes differ");
    let digest = digest_of(&file);
    assert_eq!(digest[..4], [0xd2, 0xd2, 0x80, 0x1d]);
}

#[test]
fn every_flipped_byte_of_the_stored_file_is_refused() {
    let file = vector("parts.img");
    let keys = [trusted(&vector_key())];
    for offset in 0..file.len() {
        let mut damaged = file.clone();
        damaged[offset] ^= 0x81;
        assert!(check(&damaged, &device(&keys)).is_err(), "byte {offset}");
    }
}

/// The images of the stored file.
struct Set {
    first: Vec<u8>,
    parts: [Vec<u8>; 3],
}

impl Set {
    fn stored() -> Self {
        let file = vector("parts.img");
        let info = look(&file).unwrap();
        let piece = |offset: u32, len: u32| {
            let start = usize::try_from(offset).unwrap();
            file[start..start + usize::try_from(len).unwrap()].to_vec()
        };
        let parts = [1, 2, 3].map(|index| {
            let part = info.parts.get(index).unwrap();
            piece(part.offset, part.len)
        });
        let first = piece(0, info.own_len());
        Self { first, parts }
    }

    fn file(&self) -> Vec<u8> {
        let mut file = self.first.clone();
        for (bytes, place) in self.parts.iter().zip(PLACES) {
            let place = usize::try_from(place).unwrap();
            file.resize(file.len().max(place + bytes.len()), PART_GAP);
            file[place..place + bytes.len()].copy_from_slice(bytes);
        }
        file
    }
}

/// The same image with other protected TLVs, signed again.
fn edited(image: &[u8], edit: Edit<'_>) -> Vec<u8> {
    let header = ImageHeader::parse(image.first_chunk().unwrap(), len_u32(image)).unwrap();
    let payload_end = usize::from(header.header_len) + usize::try_from(header.payload_len).unwrap();
    let mut entries = Vec::new();
    let mut rest = &image[payload_end + 4..][..usize::from(header.protected_len) - 4];
    while let Some((head, data)) = rest.split_first_chunk::<4>() {
        let len = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let kind = u16::from_le_bytes([head[0], head[1]]);
        entries.push((kind, data[..len].to_vec()));
        rest = &data[len..];
    }
    edit(&mut entries);
    let protected = area(tlv::PROTECTED_MAGIC, None, &entries, &[]);
    let mut image = image[..payload_end].to_vec();
    image[10..12].copy_from_slice(&u16::try_from(protected.len()).unwrap().to_le_bytes());
    image.extend(protected);
    let hash = digest_of(&image);
    let key = ed25519_dalek::SigningKey::from_pkcs8_pem(vector_text("signing-key.pem").trim());
    let signature = key.unwrap().sign(&hash).to_bytes();
    let entries = [
        (tlv::SHA256, hash.to_vec()),
        (tlv::KEY_HASH, vector_key().public().key_hash().to_vec()),
        (tlv::SIGNATURE_ED25519, signature.to_vec()),
    ];
    image.extend(area(tlv::UNPROTECTED_MAGIC, None, &entries, &[]));
    image
}

/// The entry of this type.
fn entry(entries: &mut [Tlv], kind: u16) -> &mut Vec<u8> {
    let found = entries.iter_mut().find(|(other, _)| *other == kind);
    &mut found.unwrap().1
}

/// The verdict about the stored file with other TLVs in image 0.
fn with_first(edit: Edit<'_>) -> Verdict {
    let mut set = Set::stored();
    set.first = edited(&set.first, edit);
    judged(&set.file())
}

/// The verdict about the stored file with other TLVs in a part, which image 0 names as it is now.
fn with_part(index: u8, edit: Edit<'_>) -> Verdict {
    let mut set = Set::stored();
    let place = usize::from(index) - 1;
    let part = edited(&set.parts[place], edit);
    let (len, digest) = (len_u32(&part), digest_of(&part));
    set.parts[place] = part;
    set.first = edited(&set.first, &move |entries| {
        let name = entry(entries, tlv::IMAGE_INDEX + u16::from(index));
        name[4..8].copy_from_slice(&len.to_le_bytes());
        name[8..].copy_from_slice(&digest);
    });
    judged(&set.file())
}

fn malformed(which: Malformed) -> Verdict {
    Err(VerifyError::Malformed(which))
}

#[test]
fn images_that_are_signed_again_unchanged_are_the_stored_ones() {
    assert_eq!(with_first(&|_| ()), Ok(()));
    for index in 1..=3 {
        assert_eq!(with_part(index, &|_| ()), Ok(()));
    }
    let set = Set::stored();
    assert!(edited(&set.first, &|_| ()) == set.first);
}

/// What a bootloader sees that was built before there were parts: types that it skips as those of a
/// vendor, and a need for images that nobody has told it of.
#[test]
fn bootloader_that_skips_the_names_of_the_parts_refuses_the_file_all_the_same() {
    let mut set = Set::stored();
    set.first = edited(&set.first, &|entries| {
        for (kind, _) in entries {
            if (tlv::IMAGE_INDEX..=tlv::PART_LAST).contains(kind) {
                *kind += 0x0100;
            }
        }
    });
    let file = set.file();
    let info = look(&file).unwrap();
    assert!(info.parts.is_empty() && info.len < PLACES[0]);
    let keys = [trusted(&vector_key())];
    let unsupported = VerifyError::Unsupported(Unsupported::Dependency);
    assert_eq!(check(&file, &device(&keys)), Err(unsupported));
    assert_eq!(check(&set.first, &device(&keys)), Err(unsupported));
}

/// 0xa2 in image 0 and in each part.
#[test]
fn image_index_that_is_wrong_missing_or_there_twice_is_refused() {
    let index = |value: &'static [u8]| {
        move |entries: &mut Vec<Tlv>| entries.push((tlv::IMAGE_INDEX, value.to_vec()))
    };
    let wrong = |found| malformed(Malformed::ImageIndex(found));
    let kind = tlv::IMAGE_INDEX;
    let twice = malformed(Malformed::TlvDuplicate(kind));
    let length = |len| malformed(Malformed::TlvLen { kind, len });
    let first: [(Edit<'_>, Verdict); 6] = [
        (&index(&[0]), Ok(())),
        (&index(&[1]), wrong(1)),
        (&index(&[4]), wrong(4)),
        (&index(&[]), length(0)),
        (&index(&[0, 0]), length(2)),
        (
            &|entries| entries.extend([(kind, vec![0]), (kind, vec![0])]),
            twice,
        ),
    ];
    for (row, (edit, verdict)) in first.into_iter().enumerate() {
        assert_eq!(with_first(edit), verdict, "row {row}");
    }
    for own in 1..=3_u8 {
        let set =
            |value: Vec<u8>| move |entries: &mut Vec<Tlv>| entry(entries, kind).clone_from(&value);
        let other = own % 3 + 1;
        let rows: [(Edit<'_>, Verdict); 7] = [
            (&set(vec![0]), wrong(0)),
            (&set(vec![other]), wrong(other)),
            (&set(vec![4]), wrong(4)),
            (&set(vec![own, 0]), length(2)),
            (&set(vec![]), length(0)),
            (
                &|entries| entries.retain(|(found, _)| *found != kind),
                wrong(0),
            ),
            (&|entries| entries.push((kind, vec![own])), twice),
        ];
        for (row, (edit, verdict)) in rows.into_iter().enumerate() {
            assert_eq!(with_part(own, edit), verdict, "part {own}, row {row}");
        }
    }
}

/// 0xa3 to 0xa5: where a part begins, by how much it is moved.
#[test]
fn part_that_is_named_at_another_place_is_refused() {
    let place = malformed(Malformed::PartPlace);
    let gap = malformed(Malformed::PartGap);
    for (part, offset) in PLACES.into_iter().enumerate() {
        let kind = tlv::PART_FIRST + u16::try_from(part).unwrap();
        let at = |offset: u32| {
            with_first(&move |entries| {
                entry(entries, kind)[..4].copy_from_slice(&offset.to_le_bytes());
            })
        };
        assert_eq!(at(offset - 1), place, "{kind:#06x} not aligned");
        assert_eq!(at(offset - 64), place, "{kind:#06x} in what is before it");
        assert_eq!(at(0), place, "{kind:#06x} at the beginning");
        let len = len_u32(&Set::stored().parts[part]);
        let beyond = |needed| {
            let slot_len = len_u32(&vector("parts.img"));
            Err(VerifyError::TooLarge { needed, slot_len })
        };
        // Further back there is the next part, or nothing more.
        let moved = if part == 2 {
            beyond(u64::from(offset + 64 + len))
        } else {
            place
        };
        assert_eq!(at(offset + 64), moved, "{kind:#06x} further back");
        let last = u32::MAX - 63;
        assert_eq!(at(last), beyond(u64::from(last) + u64::from(len)));
    }
    // Behind a part that does not move there is room: what stands there is no gap.
    let swapped = with_first(&|entries| {
        let third = entry(entries, tlv::PART_LAST)[..].to_vec();
        *entry(entries, tlv::PART_FIRST + 1) = third;
        entries.retain(|(kind, _)| *kind != tlv::PART_LAST);
    });
    assert_eq!(swapped, gap, "part 3 named as part 2");
}

/// 0xa3 to 0xa5: how long a part is.
#[test]
fn part_that_is_named_with_another_length_is_refused() {
    for part in 0..3 {
        let kind = tlv::PART_FIRST + u16::try_from(part).unwrap();
        let own = len_u32(&Set::stored().parts[part]);
        let with_len = |len: u32| {
            with_first(&move |entries| {
                entry(entries, kind)[4..8].copy_from_slice(&len.to_le_bytes());
            })
        };
        let place = malformed(Malformed::PartPlace);
        assert_eq!(with_len(0), place);
        assert_eq!(with_len(31), place);
        // The part's own TLVs say how much it needs.
        let (needed, slot_len) = (u64::from(own), own - 1);
        let short = Err(VerifyError::TooLarge { needed, slot_len });
        assert_eq!(with_len(own - 1), short, "{kind:#06x}");
        let long = if part == 2 {
            let slot_len = len_u32(&vector("parts.img"));
            let needed = u64::from(slot_len) + 1;
            Err(VerifyError::TooLarge { needed, slot_len })
        } else {
            Err(VerifyError::HashMismatch)
        };
        assert_eq!(with_len(own + 1), long, "{kind:#06x}");
    }
}

/// 0xa3 to 0xa5: digest, type, number, and the dependency that goes with it.
#[test]
fn part_that_is_not_named_as_it_should_be_is_refused() {
    for part in 0..3_u8 {
        let kind = tlv::PART_FIRST + u16::from(part);
        for bit in [0, 100, 255] {
            let digest = with_first(&move |entries| {
                entry(entries, kind)[8 + bit / 8] ^= 1 << (bit % 8);
            });
            assert_eq!(digest, Err(VerifyError::HashMismatch), "{kind:#06x}");
        }
        let twice = with_first(&move |entries| {
            let again = entry(entries, kind).clone();
            entries.push((kind, again));
        });
        assert_eq!(twice, malformed(Malformed::TlvDuplicate(kind)));
        for len in [0_u16, 39, 41] {
            let wrong = with_first(&move |entries| {
                entry(entries, kind).resize(usize::from(len), 0);
            });
            assert_eq!(wrong, malformed(Malformed::TlvLen { kind, len }));
        }
        let missing = with_first(&move |entries| entries.retain(|(found, _)| *found != kind));
        let expected = if part == 2 {
            // The file ends before it.
            let announced = len_u32(&vector("parts.img"));
            let image = PLACES[1] + len_u32(&Set::stored().parts[1]);
            Err(VerifyError::LengthMismatch { image, announced })
        } else {
            malformed(Malformed::PartGap)
        };
        assert_eq!(missing, expected, "{kind:#06x}");
        let not_needed = with_first(&move |entries| {
            entries.retain(|(kind, data)| *kind != tlv::DEPENDENCY || data[0] != part + 1);
        });
        assert_eq!(not_needed, malformed(Malformed::PartNotNeeded(part + 1)));
        let too_old = with_first(&move |entries| {
            let needed = entries
                .iter_mut()
                .find(|(kind, data)| *kind == tlv::DEPENDENCY && data[0] == part + 1);
            needed.unwrap().1[4] = 9;
        });
        let unmet = matches!(too_old, Err(VerifyError::DependencyUnmet(needed)) if needed.image == part + 1);
        assert!(unmet, "{kind:#06x}: {too_old:?}");
    }
    // Two parts that have changed places, each with its own digest.
    let exchanged = with_first(&|entries| {
        let one = entry(entries, tlv::PART_FIRST).clone();
        let two = std::mem::replace(entry(entries, tlv::PART_FIRST + 1), one);
        *entry(entries, tlv::PART_FIRST) = two;
    });
    assert_eq!(exchanged, malformed(Malformed::PartPlace));
}
