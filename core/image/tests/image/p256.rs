//! A5: images signed with ECDSA on P-256.

use otaru_image::{
    Ed25519Dalek, Expectation, ImageError, Key, KeyKind, Malformed, NoEd25519, Signature,
    SigningKey, Unsupported, VerifyError, WithP256, tlv, verify_with,
};

use crate::forge::{
    Forge, builder, check, device, digest_of, len_u32, look, signing_key, small_image, trusted,
};
use crate::vectors::vector_text;

fn p256_key() -> SigningKey {
    SigningKey::from_pem(&vector_text("p256-key.pem")).unwrap()
}

fn p256_image() -> Vec<u8> {
    builder(1000).sign(&p256_key()).unwrap()
}

#[test]
fn image_of_the_builder_is_accepted_by_its_key_alone() {
    let image = p256_image();
    let keys = [trusted(&signing_key()), trusted(&p256_key())];
    let verified = check(&image, &device(&keys)).unwrap();
    assert_eq!(verified.digest(), digest_of(&image));
    assert_eq!(verified.key_index(), 1);
    let Signature::P256(signature) = verified.info().signature else {
        panic!("{:?}", verified.info().signature);
    };
    let at = usize::try_from(verified.info().signature_offset).unwrap();
    assert_eq!(&image[at..], signature.as_bytes());

    let ed25519_only = [trusted(&signing_key())];
    assert_eq!(
        check(&image, &device(&ed25519_only)),
        Err(VerifyError::KeyUnknown)
    );
    let revoked = Key {
        revoked: true,
        ..trusted(&p256_key())
    };
    assert_eq!(
        check(&image, &device(&[trusted(&p256_key()), revoked])),
        Err(VerifyError::KeyRevoked)
    );
}

#[test]
fn key_of_another_kind_or_with_the_other_y_accepts_nothing() {
    let image = p256_image();
    let good = trusted(&p256_key());
    let KeyKind::P256 { y_odd } = good.kind else {
        panic!("{good:?}");
    };
    for kind in [KeyKind::Ed25519, KeyKind::P256 { y_odd: !y_odd }] {
        let keys = [Key { kind, ..good }];
        assert_eq!(check(&image, &device(&keys)), Err(VerifyError::KeyUnknown));
    }
    for kind in [KeyKind::P256 { y_odd }, KeyKind::P256 { y_odd: !y_odd }] {
        let keys = [Key {
            kind,
            ..trusted(&signing_key())
        }];
        let verdict = check(&small_image(), &device(&keys));
        assert_eq!(verdict, Err(VerifyError::KeyUnknown));
    }
    // Erased entries are no points.
    for public in [[0xff; 32], [0; 32]] {
        let kind = KeyKind::P256 { y_odd: true };
        let keys = [Key {
            public,
            kind,
            revoked: false,
        }];
        assert_eq!(check(&image, &device(&keys)), Err(VerifyError::KeyUnknown));
    }
}

fn verdict_of<V: otaru_image::SignatureVerifier>(
    image: &[u8],
    expect: &Expectation<'_>,
    verifier: V,
) -> Result<(), VerifyError<otaru_image::OutOfBounds>> {
    let mut source = image;
    verify_with(&mut source, len_u32(image), expect, &mut [0; 256], verifier).map(drop)
}

#[test]
fn verifier_decides_which_algorithms_a_device_has() {
    let keys = [trusted(&signing_key()), trusted(&p256_key())];
    let expect = device(&keys);
    let (ed25519, p256) = (small_image(), p256_image());
    let unsupported = VerifyError::Unsupported(Unsupported::Signature(tlv::SIGNATURE_ECDSA));
    assert_eq!(verdict_of(&p256, &expect, Ed25519Dalek), Err(unsupported));
    assert_eq!(verdict_of(&ed25519, &expect, Ed25519Dalek), Ok(()));
    let only_p256 = WithP256(NoEd25519);
    assert_eq!(verdict_of(&p256, &expect, only_p256), Ok(()));
    let refused = VerifyError::SignatureInvalid;
    assert_eq!(verdict_of(&ed25519, &expect, only_p256), Err(refused));
}

#[test]
fn signature_of_an_impossible_length_or_beside_another_is_malformed() {
    let malformed = |forge: &Forge| match look(&forge.build()) {
        Err(ImageError::Malformed(which)) => which,
        other => panic!("{other:?}"),
    };
    let kind = tlv::SIGNATURE_ECDSA;
    for len in [0, 7, 73, 103, 256 + 70] {
        let mut forge = Forge::new();
        forge.omit.push(tlv::SIGNATURE_ED25519);
        forge.unprotected.push((kind, vec![0; usize::from(len)]));
        assert_eq!(malformed(&forge), Malformed::TlvLen { kind, len });
    }
    let mut second = Forge::new();
    second.unprotected.push((kind, vec![0; 70]));
    assert_eq!(malformed(&second), Malformed::TlvDuplicate(kind));
    let mut signed = Forge::new();
    signed.protected.push((kind, vec![0; 70]));
    assert_eq!(malformed(&signed), Malformed::TlvArea(kind));
}

#[test]
fn padded_signature_is_refused() {
    // `imgtool --pad-sig` did this for bootloaders before 2020.
    let mut image = p256_image();
    let at = usize::try_from(look(&image).unwrap().signature_offset).unwrap();
    let area = usize::try_from(look(&image).unwrap().hashed_len).unwrap();
    let grow = |image: &mut Vec<u8>, offset: usize| {
        let len = u16::from_le_bytes([image[offset], image[offset + 1]]) + 1;
        image[offset..offset + 2].copy_from_slice(&len.to_le_bytes());
    };
    grow(&mut image, at - 2);
    grow(&mut image, area + 2);
    image.push(0);
    let keys = [trusted(&p256_key())];
    let verdict = check(&image, &device(&keys));
    assert!(
        matches!(
            verdict,
            Err(VerifyError::SignatureInvalid | VerifyError::Malformed(Malformed::TlvLen { .. }))
        ),
        "{verdict:?}"
    );
}

#[test]
fn every_flipped_bit_of_the_signature_is_refused() {
    let image = p256_image();
    let keys = [trusted(&p256_key())];
    let at = usize::try_from(look(&image).unwrap().signature_offset).unwrap();
    for bit in at * 8..image.len() * 8 {
        let mut damaged = image.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            check(&damaged, &device(&keys)),
            Err(VerifyError::SignatureInvalid),
            "bit {bit}"
        );
    }
}
