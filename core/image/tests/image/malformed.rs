//! A4, C-side hardening: headers and TLV areas that break a rule, all of them correctly signed.

use otaru_image::{ImageError, Malformed, TLVS_MAX, Unsupported, VerifyError, tlv};

use crate::forge::{Forge, check, device, len_u32, look, signing_key, trusted};

/// Builds the image and expects `inspect` and `verify` to refuse it for the same reason.
fn refused(forge: &Forge, expected: ImageError<otaru_image::OutOfBounds>) {
    refused_bytes(&forge.build(), expected);
}

fn refused_bytes(image: &[u8], expected: ImageError<otaru_image::OutOfBounds>) {
    let keys = [trusted(&signing_key())];
    assert_eq!(look(image), Err(expected));
    assert_eq!(
        check(image, &device(&keys)),
        Err(VerifyError::from(expected))
    );
}

fn forged(change: impl FnOnce(&mut Forge)) -> Forge {
    let mut forge = Forge::new();
    change(&mut forge);
    forge
}

fn malformed<E>(which: Malformed) -> ImageError<E> {
    ImageError::Malformed(which)
}

#[test]
fn wrong_magic() {
    let mut image = Forge::new().build();
    image[0] ^= 1;
    refused_bytes(&image, malformed(Malformed::Magic));
    refused_bytes(&[0xff; 4096], malformed(Malformed::Magic));
    refused_bytes(&[0; 4096], malformed(Malformed::Magic));
}

#[test]
fn header_lengths() {
    for len in [0, 1, 31] {
        refused(
            &forged(|f| f.header_len = len),
            malformed(Malformed::HeaderLen(len)),
        );
    }
    refused(
        &forged(|f| f.payload_len = Some(0)),
        malformed(Malformed::PayloadEmpty),
    );
    for len in [1, 2, 3] {
        refused(
            &forged(|f| f.protected_len = Some(len)),
            malformed(Malformed::AreaLen(len)),
        );
    }
}

#[test]
fn lengths_that_overflow_are_compared_without_overflow() {
    let slot_len = len_u32(&Forge::new().build());
    for payload_len in [
        u32::MAX,
        u32::MAX - 31,
        u32::MAX - 100,
        0x8000_0000,
        slot_len,
    ] {
        let forge = forged(|f| f.payload_len = Some(payload_len));
        let needed = 32 + u64::from(payload_len) + 4 + 8 + 20 + 20 + 11 + 4;
        refused(&forge, ImageError::TooLarge { needed, slot_len });
    }
    let all = forged(|f| {
        f.payload_len = Some(u32::MAX);
        f.header_len = u16::MAX;
        f.protected_len = Some(u16::MAX);
    });
    let needed = u64::from(u32::MAX) + 2 * u64::from(u16::MAX) + 4;
    refused(&all, ImageError::TooLarge { needed, slot_len });
}

#[test]
fn slots_shorter_than_a_header() {
    for len in 0..32_u32 {
        let image = vec![0xff; usize::try_from(len).unwrap()];
        refused_bytes(
            &image,
            ImageError::TooLarge {
                needed: 32,
                slot_len: len,
            },
        );
    }
}

#[test]
fn area_magics() {
    refused(
        &forged(|f| f.protected_magic = 0x6907),
        malformed(Malformed::AreaMagic(0x6907)),
    );
    refused(
        &forged(|f| f.protected_magic = 0xffff),
        malformed(Malformed::AreaMagic(0xffff)),
    );
    refused(
        &forged(|f| f.unprotected_magic = 0x6908),
        malformed(Malformed::AreaMagic(0x6908)),
    );
    // A protected area that the header does not announce would be outside the hash.
    let unannounced = forged(|f| f.protected_len = Some(0));
    refused(&unannounced, malformed(Malformed::AreaMagic(0x6908)));
}

#[test]
fn area_lengths() {
    let len = u16::try_from(Forge::new().protected.len()).unwrap() * 4 + 4 + 4 + 16 + 16 + 7;
    for wrong in [4, len - 1, len + 1, len + 50] {
        // The area itself says `len`.
        refused(
            &forged(|f| f.protected_len = Some(wrong)),
            malformed(Malformed::AreaLen(len)),
        );
    }
    for wrong in [0, 1, 2, 3] {
        let forge = forged(|f| f.unprotected_len = Some(wrong));
        refused(&forge, malformed(Malformed::AreaLen(wrong)));
    }
    let image = Forge::new().build();
    let (slot_len, area) = (len_u32(&image), 4 + 36 + 36 + 68);
    for wrong in [area + 1, u16::MAX] {
        let needed = u64::from(slot_len) - u64::from(area) + u64::from(wrong);
        let forge = forged(|f| f.unprotected_len = Some(wrong));
        refused(&forge, ImageError::TooLarge { needed, slot_len });
    }
    refused(
        &forged(|f| f.unprotected_len = Some(4)),
        malformed(Malformed::HashMissing),
    );
    refused(
        &forged(|f| f.unprotected_len = Some(area - 1)),
        malformed(Malformed::TlvBounds),
    );
}

#[test]
fn entries_that_reach_beyond_their_area() {
    for stray in 1..4 {
        refused(
            &forged(|f| f.protected_tail = vec![0; stray]),
            malformed(Malformed::TlvBounds),
        );
        refused(
            &forged(|f| f.unprotected_tail = vec![0; stray]),
            malformed(Malformed::TlvBounds),
        );
    }
    for len in [1_u16, 100, u16::MAX] {
        let mut head = tlv::LABEL.to_le_bytes().to_vec();
        head.extend(len.to_le_bytes());
        refused(
            &forged(|f| f.protected_tail = head),
            malformed(Malformed::TlvBounds),
        );
        let mut head = tlv::KEY_HASH.to_le_bytes().to_vec();
        head.extend(len.to_le_bytes());
        refused(
            &forged(|f| f.unprotected_tail = head),
            malformed(Malformed::TlvBounds),
        );
    }
}

#[test]
fn number_of_entries_is_limited() {
    let spare = usize::from(TLVS_MAX) - 4 - 3;
    let with = |count| forged(|f| f.protected.extend(vec![(0x01a0, vec![]); count]));
    assert!(look(&with(spare).build()).is_ok());
    refused(&with(spare + 1), malformed(Malformed::TlvCount));
    refused(&with(10_000), malformed(Malformed::TlvCount));
}

#[test]
fn known_entries_twice() {
    let good = Forge::new();
    for entry in &good.protected {
        let forge = forged(|f| f.protected.push(entry.clone()));
        refused(&forge, malformed(Malformed::TlvDuplicate(entry.0)));
    }
    for (kind, len) in [
        (tlv::SHA256, 32),
        (tlv::KEY_HASH, 32),
        (tlv::SIGNATURE_ED25519, 64),
    ] {
        let forge = forged(|f| f.unprotected.push((kind, vec![0; len])));
        refused(&forge, malformed(Malformed::TlvDuplicate(kind)));
    }
}

#[test]
fn known_entries_with_a_wrong_length() {
    let good = Forge::new();
    for (index, (kind, data)) in good.protected.iter().enumerate() {
        let wrong = if *kind == tlv::LABEL {
            vec![0, 33]
        } else {
            vec![0, 1, data.len() + 1, 300]
        };
        for len in wrong {
            let forge = forged(|f| f.protected[index].1 = vec![b'x'; len]);
            let len = u16::try_from(len).unwrap();
            refused(&forge, malformed(Malformed::TlvLen { kind: *kind, len }));
        }
    }
    for (kind, right) in [
        (tlv::SHA256, 32),
        (tlv::KEY_HASH, 32),
        (tlv::SIGNATURE_ED25519, 64),
    ] {
        for len in [0, right - 1, right + 1, 256 + right] {
            let forge = forged(|f| {
                f.omit.push(kind);
                f.unprotected.push((kind, vec![0; usize::from(len)]));
            });
            refused(&forge, malformed(Malformed::TlvLen { kind, len }));
        }
    }
}

#[test]
fn known_entries_in_the_wrong_area() {
    for (kind, data) in Forge::new().protected {
        let forge = forged(|f| f.unprotected.push((kind, data)));
        refused(&forge, malformed(Malformed::TlvArea(kind)));
    }
    for (kind, len) in [
        (tlv::SHA256, 32),
        (tlv::KEY_HASH, 32),
        (tlv::SIGNATURE_ED25519, 64),
    ] {
        let forge = forged(|f| f.protected.push((kind, vec![0; len])));
        refused(&forge, malformed(Malformed::TlvArea(kind)));
    }
}

#[test]
fn labels_that_are_no_text() {
    for label in [
        &b"\xff\xfe"[..],
        b"1.0\n2.0",
        b"\x1b[2J",
        b"a\0b",
        b"\xc3",
        "\u{85}".as_bytes(),
    ] {
        let forge = forged(|f| f.protected[3].1 = label.to_vec());
        refused(&forge, malformed(Malformed::Label));
    }
    let longest = "Überraschung für die 32 Zeichen".as_bytes().to_vec();
    assert!(longest.len() > 32);
    let forge = forged(|f| f.protected[3].1 = longest[..31].to_vec());
    assert!(look(&forge.build()).is_ok());
}

#[test]
fn missing_hash_key_hash_or_signature() {
    refused(
        &forged(|f| f.omit.push(tlv::SHA256)),
        malformed(Malformed::HashMissing),
    );
    refused(
        &forged(|f| f.omit.push(tlv::KEY_HASH)),
        malformed(Malformed::Unsigned),
    );
    refused(
        &forged(|f| f.omit.push(tlv::SIGNATURE_ED25519)),
        malformed(Malformed::Unsigned),
    );
    let nothing = vec![tlv::SHA256, tlv::KEY_HASH, tlv::SIGNATURE_ED25519];
    refused(
        &forged(|f| f.omit = nothing),
        malformed(Malformed::HashMissing),
    );
}

#[test]
fn unknown_protected_entries_are_refused_unless_they_are_a_vendors() {
    for kind in [
        0x0000, 0x0003, 0x0013, 0x0026, 0x0041, 0x0076, 0x009f, 0x0150, 0x019f, 0xff9f,
        // Otaru's own, for what comes after this version.
        0x00a6, 0x00bf,
    ] {
        let forge = forged(|f| f.protected.push((kind, vec![1, 2, 3])));
        refused(
            &forge,
            ImageError::Unsupported(Unsupported::ProtectedTlv(kind)),
        );
    }
    for kind in [0x00c0, 0x00ff, 0x01a0, 0xffa0, 0xfffe] {
        for data in [vec![], vec![1, 2, 3], vec![0xff; 500]] {
            let forge = forged(|f| f.protected.insert(1, (kind, data)));
            let keys = [trusted(&signing_key())];
            assert!(check(&forge.build(), &device(&keys)).is_ok(), "{kind:#06x}");
        }
    }
}

#[test]
fn unsigned_area_holds_nothing_else() {
    for kind in [0x0000, 0x0003, 0x0026, 0x0060, 0x00a6, 0x01a0, 0xfffe] {
        let forge = forged(|f| f.unprotected.push((kind, vec![1])));
        refused(
            &forge,
            ImageError::Unsupported(Unsupported::UnprotectedTlv(kind)),
        );
    }
}

#[test]
fn entries_of_features_nobody_here_has() {
    for (kind, expected) in [
        (0x02, Unsupported::Signature(0x02)),
        (0x11, Unsupported::Hash(0x11)),
        (0x12, Unsupported::Hash(0x12)),
        (0x20, Unsupported::Signature(0x20)),
        (0x23, Unsupported::Signature(0x23)),
        (0x25, Unsupported::PureSignature),
        (0x30, Unsupported::Encryption),
        (0x34, Unsupported::Encryption),
        (0x70, Unsupported::Compression),
        (0x73, Unsupported::Compression),
    ] {
        let expected = ImageError::Unsupported(expected);
        refused(&forged(|f| f.protected.push((kind, vec![1]))), expected);
        refused(&forged(|f| f.unprotected.push((kind, vec![1]))), expected);
    }
}

#[test]
fn flags_nobody_here_can_honour() {
    for (flags, expected) in [
        (0xc, Unsupported::Encryption),
        (0x10, Unsupported::NonBootable),
        (0x20, Unsupported::RamLoad),
        (0x200, Unsupported::Compression),
        (0x400, Unsupported::Compression),
        (0xc00, Unsupported::Compression),
        (0x2, Unsupported::Flags(0x2)),
        (0x8000_0101, Unsupported::Flags(0x8000_0000)),
    ] {
        refused(
            &forged(|f| f.flags = flags),
            ImageError::Unsupported(expected),
        );
    }
    assert!(look(&forged(|f| f.flags = 0x1).build()).is_ok());
}

#[test]
fn messages_say_what_is_wrong() {
    let text = |change: fn(&mut Forge)| look(&forged(change).build()).unwrap_err().to_string();
    assert_eq!(
        text(|f| f.header_len = 16),
        "not a valid image: its header has 16 bytes, at least 32 are needed"
    );
    assert_eq!(
        text(|f| f.omit.push(tlv::KEY_HASH)),
        "not a valid image: it is not signed"
    );
    assert_eq!(
        text(|f| f.flags = 0xc),
        "the image is encrypted in a way that is not supported here"
    );
}

#[test]
fn revoke_has_two_bytes_once_in_the_signed_area() {
    let with = |data: &[u8]| forged(|f| f.protected.push((tlv::REVOKE, data.to_vec())));
    assert_eq!(look(&Forge::new().build()).map(|info| info.revoke), Ok(0));
    for revoke in [0, 1, 0x8001, u16::MAX] {
        let image = with(&revoke.to_le_bytes()).build();
        assert_eq!(look(&image).map(|info| info.revoke), Ok(revoke));
    }
    let kind = tlv::REVOKE;
    for len in [0_u16, 1, 3, 4, 300] {
        let forge = with(&vec![0; usize::from(len)]);
        refused(&forge, malformed(Malformed::TlvLen { kind, len }));
    }
    let twice = forged(|f| f.protected.extend(vec![(kind, vec![1, 0]); 2]));
    refused(&twice, malformed(Malformed::TlvDuplicate(kind)));
    let outside = forged(|f| f.unprotected.push((kind, vec![1, 0])));
    refused(&outside, malformed(Malformed::TlvArea(kind)));
}
