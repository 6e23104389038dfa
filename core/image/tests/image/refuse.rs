//! A5, A6: intact images that must not run here, each with its own reason.

use otaru_image::{
    ImageBuilder, Key, KeyKind, SignatureRejected, SignatureVerifier, VerifyError, Version,
    board_uuids, verify_with,
};

use crate::forge::{
    Forge, SLOT_ADDRESS, builder, check, device, digest_of, len_u32, other_key, signing_key,
    small_image, trusted,
};

#[test]
fn image_signed_by_an_unknown_key_is_refused_though_its_checksum_is_right() {
    let image = builder(1000).sign(&other_key()).unwrap();
    let keys = [trusted(&signing_key())];
    let mut expect = device(&keys);
    expect.digest = Some(digest_of(&image));
    assert_eq!(check(&image, &expect), Err(VerifyError::KeyUnknown));
    assert_eq!(check(&image, &device(&[])), Err(VerifyError::KeyUnknown));
}

#[test]
fn signature_of_another_key_under_a_trusted_name_is_refused() {
    let mut forge = Forge::new();
    forge.key = other_key();
    let keys = [trusted(&signing_key()), trusted(&other_key())];
    assert_eq!(
        check(&forge.build(), &device(&keys)),
        Err(VerifyError::SignatureInvalid)
    );
}

#[test]
fn signature_of_another_image_is_refused() {
    let (first, mut second) = (small_image(), builder(999).sign(&signing_key()).unwrap());
    let at = second.len() - 64;
    second[at..].copy_from_slice(&first[first.len() - 64..]);
    let keys = [trusted(&signing_key())];
    assert_eq!(
        check(&second, &device(&keys)),
        Err(VerifyError::SignatureInvalid)
    );
}

#[test]
fn second_encoding_of_the_same_signature_is_refused() {
    // Adding the group order to the second half keeps the equation true.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut image = small_image();
    let at = image.len() - 32;
    let mut carry = 0;
    for (byte, add) in image[at..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        [*byte, _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    let keys = [trusted(&signing_key())];
    assert_eq!(
        check(&image, &device(&keys)),
        Err(VerifyError::SignatureInvalid)
    );
}

#[test]
fn revoked_key_is_refused_even_if_it_stands_there_twice() {
    let good = trusted(&signing_key());
    let revoked = Key {
        revoked: true,
        ..good
    };
    let image = small_image();
    for keys in [&[revoked][..], &[good, revoked], &[revoked, good]] {
        assert_eq!(check(&image, &device(keys)), Err(VerifyError::KeyRevoked));
    }
    let other_revoked = Key {
        revoked: true,
        ..trusted(&other_key())
    };
    assert!(check(&image, &device(&[other_revoked, good])).is_ok());
}

#[test]
fn erased_or_weak_key_table_entry_accepts_nothing() {
    // 0x01 00… is the neutral element: a verifier that is not strict accepts R = A = 1, S = 0.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    for public in [[0xff; 32], [0; 32], neutral] {
        let mut forge = Forge::new();
        forge.claimed = public;
        let mut image = forge.build();
        let keys = [Key {
            public,
            kind: KeyKind::Ed25519,
            revoked: false,
        }];
        assert_eq!(
            check(&image, &device(&keys)),
            Err(VerifyError::SignatureInvalid)
        );
        let at = image.len() - 64;
        image[at..].fill(0);
        image[at] = 1;
        assert_eq!(
            check(&image, &device(&keys)),
            Err(VerifyError::SignatureInvalid)
        );
    }
}

#[test]
fn image_for_another_board_is_refused() {
    let keys = [trusted(&signing_key())];
    let host = board_uuids("example.com", "host");
    let mut other_class = host;
    other_class.cid = board_uuids("example.com", "nrf52840").cid;
    let mut other_vendor = host;
    other_vendor.vid = board_uuids("example.org", "host").vid;
    for board in [other_class, other_vendor] {
        let image = builder(10).board(board).sign(&signing_key()).unwrap();
        assert_eq!(check(&image, &device(&keys)), Err(VerifyError::WrongBoard));
    }
    let nobody = ImageBuilder::new([1], Version::default())
        .security_counter(5)
        .sign(&signing_key())
        .unwrap();
    assert_eq!(check(&nobody, &device(&keys)), Err(VerifyError::WrongBoard));
    let mut tool = device(&keys);
    tool.board = None;
    assert!(check(&nobody, &tool).is_ok());
}

#[test]
fn image_with_half_a_board_is_refused() {
    let keys = [trusted(&signing_key())];
    for missing in [otaru_image::tlv::VENDOR_ID, otaru_image::tlv::CLASS_ID] {
        let mut forge = Forge::new();
        forge.protected.retain(|(kind, _)| *kind != missing);
        assert_eq!(
            check(&forge.build(), &device(&keys)),
            Err(VerifyError::WrongBoard)
        );
    }
}

#[test]
fn image_linked_for_another_slot_is_refused() {
    let keys = [trusted(&signing_key())];
    let image = builder(10)
        .rom_address(SLOT_ADDRESS + 0x1000)
        .sign(&signing_key())
        .unwrap();
    let expected = VerifyError::WrongSlot {
        image: SLOT_ADDRESS + 0x1000,
        slot: SLOT_ADDRESS,
    };
    assert_eq!(check(&image, &device(&keys)), Err(expected));
    let mut tool = device(&keys);
    tool.slot_address = None;
    assert!(check(&image, &tool).is_ok());
}

#[test]
fn image_without_a_fixed_address_fits_every_slot() {
    let keys = [trusted(&signing_key())];
    let mut forge = Forge::new();
    forge.flags = 0;
    let mut expect = device(&keys);
    expect.slot_address = Some(0);
    assert!(check(&forge.build(), &expect).is_ok());
}

#[test]
fn image_below_the_floor_is_refused() {
    let keys = [trusted(&signing_key())];
    for (counter, floor, accepted) in [
        (5, 6, false),
        (5, 5, true),
        (6, 5, true),
        (0, u32::MAX, false),
        (u32::MAX, 0, true),
    ] {
        let image = builder(10)
            .security_counter(counter)
            .sign(&signing_key())
            .unwrap();
        let mut expect = device(&keys);
        expect.security_floor = floor;
        match check(&image, &expect) {
            Ok(verified) => {
                assert!(accepted);
                assert_eq!(verified.info().security_counter, counter);
            }
            Err(error) => {
                assert!(!accepted);
                assert_eq!(
                    error,
                    VerifyError::SecurityCounter {
                        image: counter,
                        floor
                    }
                );
            }
        }
    }
}

#[test]
fn image_without_a_counter_counts_as_zero() {
    let keys = [trusted(&signing_key())];
    let mut forge = Forge::new();
    forge
        .protected
        .retain(|(kind, _)| *kind != otaru_image::tlv::SECURITY_COUNTER);
    let mut expect = device(&keys);
    let expected = VerifyError::SecurityCounter { image: 0, floor: 5 };
    assert_eq!(check(&forge.build(), &expect), Err(expected));
    expect.security_floor = 0;
    assert!(check(&forge.build(), &expect).is_ok());
}

#[test]
fn good_image_that_was_not_the_announced_one_is_refused() {
    let image = small_image();
    let keys = [trusted(&signing_key())];
    let mut expect = device(&keys);
    expect.digest = Some(digest_of(&builder(999).sign(&signing_key()).unwrap()));
    assert_eq!(check(&image, &expect), Err(VerifyError::DigestMismatch));
}

#[test]
fn announced_length_beyond_the_slot_is_refused_before_reading() {
    let image = small_image();
    let keys = [trusted(&signing_key())];
    let mut expect = device(&keys);
    expect.len = Some(u32::MAX);
    let expected = VerifyError::TooLarge {
        needed: u64::from(u32::MAX),
        slot_len: len_u32(&image),
    };
    assert_eq!(check(&image, &expect), Err(expected));
}

#[test]
fn reasons_come_in_the_promised_order() {
    // Everything is wrong at once; repairing one thing brings up the next.
    let mut forge = Forge::new();
    forge.key = other_key();
    forge.claimed = other_key().public().to_bytes();
    let slot_len = len_u32(&forge.build());
    let keys = [trusted(&signing_key())];
    let mut expect = device(&keys);
    expect.board = Some(board_uuids("example.com", "other"));
    expect.slot_address = Some(0);
    expect.security_floor = 6;
    expect.digest = Some([0; 32]);
    expect.len = Some(slot_len - 1);
    assert_eq!(
        check(&forge.build(), &expect),
        Err(VerifyError::DigestMismatch)
    );
    expect.digest = None;
    let length = VerifyError::LengthMismatch {
        image: slot_len,
        announced: slot_len - 1,
    };
    assert_eq!(check(&forge.build(), &expect), Err(length));
    expect.len = None;
    assert_eq!(check(&forge.build(), &expect), Err(VerifyError::KeyUnknown));
    forge.claimed = signing_key().public().to_bytes();
    assert_eq!(
        check(&forge.build(), &expect),
        Err(VerifyError::SignatureInvalid)
    );
    forge.key = signing_key();
    assert_eq!(check(&forge.build(), &expect), Err(VerifyError::WrongBoard));
    expect.board = None;
    let slot = VerifyError::WrongSlot {
        image: SLOT_ADDRESS,
        slot: 0,
    };
    assert_eq!(check(&forge.build(), &expect), Err(slot));
    expect.slot_address = None;
    let counter = VerifyError::SecurityCounter { image: 5, floor: 6 };
    assert_eq!(check(&forge.build(), &expect), Err(counter));
    expect.security_floor = 0;
    assert!(check(&forge.build(), &expect).is_ok());
}

/// Says what it was asked and refuses.
struct Asked<'a>(&'a std::cell::RefCell<Vec<[u8; 32]>>, Vec<u8>);

impl SignatureVerifier for Asked<'_> {
    fn check(
        &self,
        public: &[u8; 32],
        message: &[u8],
        _signature: &[u8; 64],
    ) -> Result<(), SignatureRejected> {
        assert_eq!(message, self.1);
        self.0.borrow_mut().push(*public);
        Err(SignatureRejected)
    }
}

#[test]
fn another_verifier_has_the_last_word_over_the_image_hash() {
    let image = small_image();
    let keys = [trusted(&other_key()), trusted(&signing_key())];
    let asked = std::cell::RefCell::new(Vec::new());
    let message = crate::forge::look(&image).unwrap().image_hash.to_vec();
    let verdict = verify_with(
        &mut image.as_slice(),
        len_u32(&image),
        &device(&keys),
        &mut [0; 256],
        Asked(&asked, message),
    );
    assert_eq!(verdict, Err(VerifyError::SignatureInvalid));
    assert_eq!(*asked.borrow(), [signing_key().public().to_bytes()]);
}
