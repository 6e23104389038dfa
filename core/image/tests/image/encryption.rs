//! A4, A5: encrypted images, as they were sent and as they are installed.

use otaru_image::{
    Aes, DecryptionKey, EncryptionKey, Expectation, Form, ImageError, ImageFlags, Malformed,
    PayloadCipher, Unsupported, VerifyError, installed_form, tlv, verify, verify_stated,
};
use proptest::prelude::*;

use crate::forge::{
    Forge, builder, check, device, digest_of, len_u32, look, payload, signing_key, trusted,
};
use crate::vectors::{vector, vector_key, vector_pem, vector_text};

const VECTORS: [&str; 2] = ["encrypted-128.img", "encrypted-256.img"];

fn device_key() -> DecryptionKey {
    DecryptionKey::from_pem(&vector_text("encryption-key.pem")).unwrap()
}

fn with<'k>(expect: Expectation<'k>, key: &'k DecryptionKey, form: Form) -> Expectation<'k> {
    Expectation {
        form,
        decryption_key: Some(key),
        ..expect
    }
}

#[test]
fn image_of_imgtool_is_accepted_in_both_forms_with_one_digest() {
    let (keys, key) = ([trusted(&vector_key())], device_key());
    for name in VECTORS {
        let sent = vector(name);
        let installed = installed_form(&sent, &key).unwrap();
        assert_eq!(installed.len(), sent.len());
        assert_eq!(installed[0x200..0x200 + 1000], payload(1000), "{name}");
        assert_eq!(installed[..0x200], sent[..0x200]);
        assert_eq!(installed[0x200 + 1008..], sent[0x200 + 1008..]);

        let expect = |form| Expectation {
            digest: Some(digest_of(&sent)),
            len: Some(len_u32(&sent)),
            ..with(device(&keys), &key, form)
        };
        let first = check(&sent, &expect(Form::AsSent)).unwrap();
        let second = check(&installed, &expect(Form::Installed)).unwrap();
        assert_eq!(first, second, "{name}");
        assert_eq!(first.digest(), digest_of(&sent));
        assert_eq!(first.info().label.unwrap().as_str(), "1.2.3+4");
        // The other way round it is another image.
        for (bytes, form) in [(&sent, Form::Installed), (&installed, Form::AsSent)] {
            assert_eq!(
                check(bytes, &expect(form)),
                Err(VerifyError::DigestMismatch)
            );
            let unannounced = with(device(&keys), &key, form);
            assert_eq!(check(bytes, &unannounced), Err(VerifyError::HashMismatch));
        }
    }
}

#[test]
fn image_for_another_device_is_refused_and_so_is_every_one_without_a_key() {
    let keys = [trusted(&vector_key())];
    let stranger = DecryptionKey::new([9; 32]);
    for name in VECTORS.iter().chain(&["encrypted.img"]) {
        let image = vector(name);
        let unsupported = VerifyError::Unsupported(Unsupported::Encryption);
        assert_eq!(check(&image, &device(&keys)), Err(unsupported), "{name}");
        for form in [Form::AsSent, Form::Installed] {
            let expect = with(device(&keys), &stranger, form);
            assert_eq!(check(&image, &expect), Err(VerifyError::NotDecryptable));
        }
    }
    assert_eq!(
        VerifyError::<otaru_image::OutOfBounds>::NotDecryptable.to_string(),
        "the image is encrypted for another device"
    );
}

#[test]
fn every_flipped_byte_is_refused_in_both_forms() {
    let (keys, key) = ([trusted(&vector_key())], device_key());
    for name in VECTORS {
        let sent = vector(name);
        let installed = installed_form(&sent, &key).unwrap();
        for (image, form) in [(&sent, Form::AsSent), (&installed, Form::Installed)] {
            let expect = Expectation {
                digest: Some(digest_of(&sent)),
                len: Some(len_u32(&sent)),
                ..with(device(&keys), &key, form)
            };
            assert!(check(image, &expect).is_ok());
            for offset in 0..image.len() {
                let mut damaged = image.clone();
                damaged[offset] ^= 0x81;
                let verdict = check(&damaged, &expect);
                assert!(verdict.is_err(), "{name} {form:?} byte {offset}");
                if form == Form::AsSent {
                    assert_eq!(verdict, Err(VerifyError::DigestMismatch));
                }
                let unannounced = with(device(&keys), &key, form);
                assert!(
                    check(&damaged, &unannounced).is_err(),
                    "{name} {form:?} byte {offset}"
                );
            }
        }
    }
}

#[test]
fn damaged_encrypted_key_is_never_used() {
    let (keys, key) = ([trusted(&vector_key())], device_key());
    for name in VECTORS {
        let sent = vector(name);
        let key_len = if name == VECTORS[0] { 80 } else { 96 };
        for bit in (sent.len() - key_len) * 8..sent.len() * 8 {
            let mut damaged = sent.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let info = look(&damaged).unwrap();
            assert!(PayloadCipher::new(&info, Some(&key)).is_err(), "{bit}");
            let verdict = check(&damaged, &with(device(&keys), &key, Form::AsSent));
            assert_eq!(verdict, Err(VerifyError::NotDecryptable), "{bit}");
        }
        // A key of small order leads to a secret that everybody knows.
        let mut weak = sent.clone();
        let start = sent.len() - key_len;
        weak[start..start + 32].fill(0);
        let verdict = check(&weak, &with(device(&keys), &key, Form::AsSent));
        assert_eq!(verdict, Err(VerifyError::NotDecryptable));
    }
}

#[test]
fn truncated_image_is_refused() {
    let (keys, key) = ([trusted(&vector_key())], device_key());
    let sent = vector(VECTORS[0]);
    for len in 0..sent.len() {
        for form in [Form::AsSent, Form::Installed] {
            let verdict = check(&sent[..len], &with(device(&keys), &key, form));
            assert!(verdict.is_err(), "{len} bytes");
        }
    }
}

/// A signed image with these flags and this unprotected entry.
fn forged(flags: u32, entries: &[(u16, usize)]) -> Forge {
    let mut forge = Forge::new();
    forge.flags |= flags;
    let entries = entries.iter().map(|&(kind, len)| (kind, vec![1; len]));
    forge.unprotected.extend(entries);
    forge
}

#[test]
fn key_and_flags_that_do_not_belong_together_are_malformed() {
    let kind = tlv::ENCRYPTION_X25519;
    let (short, long) = (ImageFlags::ENCRYPTED_AES128, ImageFlags::ENCRYPTED_AES256);
    let refusal = |forge: &Forge| look(&forge.build()).unwrap_err();
    let mismatch = ImageError::Malformed(Malformed::EncryptedKey);
    assert!(look(&forged(short, &[(kind, 80)]).build()).is_ok());
    assert!(look(&forged(long, &[(kind, 96)]).build()).is_ok());
    for forge in [
        forged(0, &[(kind, 80)]),
        forged(0, &[(kind, 96)]),
        forged(short, &[]),
        forged(long, &[]),
        forged(short, &[(kind, 96)]),
        forged(long, &[(kind, 80)]),
    ] {
        assert_eq!(refusal(&forge), mismatch);
    }
    for len in [0, 79, 81, 95, 97, 256 + 80] {
        let wrong = ImageError::Malformed(Malformed::TlvLen {
            kind,
            len: u16::try_from(len).unwrap(),
        });
        assert_eq!(refusal(&forged(short, &[(kind, len)])), wrong);
    }
    let twice = forged(short, &[(kind, 80), (kind, 80)]);
    let duplicate = ImageError::Malformed(Malformed::TlvDuplicate(kind));
    assert_eq!(refusal(&twice), duplicate);
    let mut signed = Forge::new();
    signed.flags |= short;
    signed.protected.push((kind, vec![0; 80]));
    let area = ImageError::Malformed(Malformed::TlvArea(kind));
    assert_eq!(refusal(&signed), area);
    for other in [0x30, 0x31, 0x32, 0x34] {
        let unsupported = ImageError::Unsupported(Unsupported::Encryption);
        assert_eq!(refusal(&forged(short, &[(other, 80)])), unsupported);
    }
}

#[test]
fn plain_image_is_the_same_in_both_forms_on_a_device_with_a_key() {
    let (keys, key) = ([trusted(&signing_key())], device_key());
    let image = builder(1000).sign(&signing_key()).unwrap();
    for form in [Form::AsSent, Form::Installed] {
        assert!(check(&image, &with(device(&keys), &key, form)).is_ok());
    }
    assert_eq!(installed_form(&image, &key).unwrap(), image);
}

#[test]
fn keys_are_read_in_the_forms_of_imgtool_and_not_printed() {
    let key = device_key();
    let text = vector_text("encryption-key.pub.pem");
    let public = EncryptionKey::parse(&text).unwrap();
    assert_eq!(key.public(), public);
    assert_eq!(public.to_pem(), text);
    assert_eq!(EncryptionKey::new(public.to_bytes()), public);
    assert_eq!(EncryptionKey::parse(&public.to_hex()).unwrap(), public);
    assert!(EncryptionKey::parse(&format!("02{}", public.to_hex())).is_err());
    for wrong in ["", "signing-key.pem", "signing-key.pub.pem", "p256-key.pem"] {
        let text = if wrong.is_empty() {
            String::new()
        } else {
            vector_text(wrong)
        };
        assert!(DecryptionKey::from_pem(&text).is_err(), "{wrong}");
        assert!(EncryptionKey::parse(&text).is_err(), "{wrong}");
    }
    assert_eq!(format!("{key:?}"), "DecryptionKey(..)");
    let info = look(&vector(VECTORS[0])).unwrap();
    let cipher = PayloadCipher::new(&info, Some(&key)).unwrap();
    assert_eq!(format!("{cipher:?}"), "PayloadCipher(..)");
}

#[test]
fn new_key_is_written_as_imgtool_writes_it_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("device.pem");
    device_key().save_new(&path).unwrap();
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written, vector_pem("encryption-key.pem"));
    assert!(device_key().save_new(&path).is_err(), "never overwritten");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let (one, other) = (DecryptionKey::generate(), DecryptionKey::generate());
    assert_ne!(one.unwrap().public(), other.unwrap().public());
}

#[test]
fn without_the_key_everything_but_the_payload_is_checked() {
    let keys = [trusted(&vector_key())];
    let expect = device(&keys);
    for name in VECTORS {
        let sent = vector(name);
        let stated = |bytes: &[u8]| verify_stated(&mut &*bytes, len_u32(bytes), &expect);
        let (info, key) = stated(&sent).unwrap();
        assert_eq!((info.label.unwrap().as_str(), key), ("1.2.3+4", 0));
        assert_eq!(info, look(&sent).unwrap());

        let unknown = Expectation {
            keys: &[],
            ..expect
        };
        let verdict = verify_stated(&mut &*sent, len_u32(&sent), &unknown);
        assert_eq!(verdict, Err(VerifyError::KeyUnknown));
        let mut longer = sent.clone();
        longer.push(0);
        assert!(matches!(
            stated(&longer),
            Err(VerifyError::LengthMismatch { .. })
        ));
        // What is stated is what is signed: no bit of hash or signature can change.
        let hash = sent
            .windows(32)
            .position(|at| at == info.image_hash)
            .unwrap();
        for byte in [hash, usize::try_from(info.signature_offset).unwrap()] {
            let mut damaged = sent.clone();
            damaged[byte] ^= 1;
            assert_eq!(
                stated(&damaged),
                Err(VerifyError::SignatureInvalid),
                "{byte}"
            );
        }
        // And this is what it cannot see.
        let mut damaged = sent.clone();
        damaged[0x200] ^= 1;
        assert!(stated(&damaged).is_ok());
    }
}

#[test]
fn nothing_is_encrypted_for_a_key_of_small_order() {
    let weak = EncryptionKey::new([0; 32]);
    let built = builder(10).encrypt(weak, Aes::Aes128).sign(&signing_key());
    assert_eq!(built, Err(otaru_image::BuildError::Recipient));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn built_images_are_decrypted_piece_by_piece(
        payload in proptest::collection::vec(any::<u8>(), 1..1500),
        header_len in 32_u16..300,
        long in any::<bool>(),
        secret in any::<[u8; 32]>(),
        buf_len in 0_usize..700,
        piece_len in 1_usize..200,
    ) {
        let key = DecryptionKey::new(secret);
        let aes = if long { Aes::Aes256 } else { Aes::Aes128 };
        let sent = otaru_image::ImageBuilder::new(payload.clone(), crate::forge::VERSION)
            .header_len(header_len)
            .encrypt(key.public(), aes)
            .sign(&signing_key())
            .unwrap();
        let cipher = PayloadCipher::new(&look(&sent).unwrap(), Some(&key)).unwrap();
        let mut installed = sent.clone();
        for (index, piece) in installed.chunks_mut(piece_len).enumerate() {
            cipher.apply(u32::try_from(index * piece_len).unwrap(), piece);
        }
        let start = usize::from(header_len);
        prop_assert_eq!(&installed[start..start + payload.len()], &payload[..]);
        prop_assert_eq!(&installed, &installed_form(&sent, &key).unwrap());

        let keys = [trusted(&signing_key())];
        for (image, form) in [(&sent, Form::AsSent), (&installed, Form::Installed)] {
            let expect = Expectation {
                keys: &keys,
                digest: Some(digest_of(&sent)),
                ..with(Expectation::default(), &key, form)
            };
            let mut source = image.as_slice();
            let verdict = verify(&mut source, len_u32(image), &expect, &mut vec![0; buf_len]);
            prop_assert!(verdict.is_ok(), "{:?}", verdict);
        }
    }
}
