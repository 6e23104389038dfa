//! A4: one flipped, missing or extra byte anywhere is refused.

use std::sync::LazyLock;

use otaru_image::{VerifyError, verify};
use proptest::prelude::*;

use crate::forge::{builder, check, device, digest_of, len_u32, signing_key, small_image, trusted};

#[test]
fn every_flipped_bit_is_refused() {
    let image = small_image();
    let keys = [trusted(&signing_key())];
    for offset in 0..image.len() {
        for bit in 0..8 {
            let mut damaged = image.clone();
            damaged[offset] ^= 1 << bit;
            let verdict = check(&damaged, &device(&keys));
            assert!(verdict.is_err(), "bit {bit} of byte {offset} passed");
        }
    }
}

#[test]
fn every_inverted_byte_is_refused() {
    let image = small_image();
    let keys = [trusted(&signing_key())];
    for offset in 0..image.len() {
        let mut damaged = image.clone();
        damaged[offset] ^= 0xff;
        assert!(
            check(&damaged, &device(&keys)).is_err(),
            "byte {offset} passed"
        );
    }
}

#[test]
fn damaged_payload_of_an_unannounced_image_does_not_match_its_own_hash() {
    let image = small_image();
    let keys = [trusted(&signing_key())];
    for offset in 0x200..0x200 + 1000 {
        let mut damaged = image.clone();
        damaged[offset] ^= 1;
        assert_eq!(
            check(&damaged, &device(&keys)),
            Err(VerifyError::HashMismatch)
        );
    }
}

// A22, A23: what was stored differs from what was announced, and is called that way.
#[test]
fn damaged_copy_of_an_announced_image_is_called_damaged() {
    let image = small_image();
    let keys = [trusted(&signing_key())];
    let mut expect = device(&keys);
    expect.digest = Some(digest_of(&image));
    expect.len = Some(len_u32(&image));
    for offset in 0..image.len() {
        let mut damaged = image.clone();
        damaged[offset] ^= 0x10;
        let verdict = check(&damaged, &expect);
        assert_eq!(verdict, Err(VerifyError::DigestMismatch), "byte {offset}");
    }
}

#[test]
fn every_missing_byte_is_refused() {
    let image = small_image();
    let keys = [trusted(&signing_key())];
    for offset in 0..image.len() {
        let mut shorter = image.clone();
        shorter.remove(offset);
        assert!(
            check(&shorter, &device(&keys)).is_err(),
            "without byte {offset}"
        );
        // The same in a slot with erased flash behind it.
        shorter.extend([0xff; 64]);
        assert!(
            check(&shorter, &device(&keys)).is_err(),
            "without byte {offset}, in a slot"
        );
    }
}

#[test]
fn every_extra_byte_is_refused() {
    let image = small_image();
    let keys = [trusted(&signing_key())];
    for offset in 0..=image.len() {
        for extra in [0x00, 0x5a, 0xff] {
            let mut longer = image.clone();
            longer.insert(offset, extra);
            if longer[..image.len()] == image[..] {
                // The image itself is whole and something follows it: what a file must not have.
                let mut file = device(&keys);
                file.len = Some(len_u32(&longer));
                let image = len_u32(&image);
                let announced = image + 1;
                let expected = Err(VerifyError::LengthMismatch { image, announced });
                assert_eq!(check(&longer, &file), expected);
            } else {
                assert!(
                    check(&longer, &device(&keys)).is_err(),
                    "{extra:#04x} at {offset}"
                );
            }
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let image = small_image();
    let keys = [trusted(&signing_key())];
    for len in 0..image.len() {
        let verdict = check(&image[..len], &device(&keys));
        assert!(
            matches!(verdict, Err(VerifyError::TooLarge { .. })),
            "{len} bytes: {verdict:?}"
        );

        // An announced length that is too short, in a slot that holds the whole image.
        let mut expect = device(&keys);
        expect.len = Some(u32::try_from(len).unwrap());
        let verdict = verify(
            &mut image.as_slice(),
            len_u32(&image),
            &expect,
            &mut [0; 256],
        )
        .unwrap_err();
        assert!(
            matches!(verdict, VerifyError::LengthMismatch { .. }),
            "{len}: {verdict:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn flipped_bits_of_a_large_image_are_refused(
        position in any::<proptest::sample::Index>(),
        bit in 0_u8..8,
    ) {
        static LARGE: LazyLock<Vec<u8>> =
            LazyLock::new(|| builder(200_000).sign(&signing_key()).unwrap());
        let mut image = LARGE.clone();
        let offset = position.index(image.len());
        image[offset] ^= 1_u8 << bit;
        let keys = [trusted(&signing_key())];
        prop_assert!(check(&image, &device(&keys)).is_err(), "bit {} of byte {}", bit, offset);
    }
}
