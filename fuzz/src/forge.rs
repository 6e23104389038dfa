//! Images as an attacker without the key and a maker with it have them: originals that are signed,
//! and a repair of everything but the signature, so that a changed image gets past the hashes.

use std::sync::LazyLock;

use otaru_image::{
    BoardIds, Dependency, ImageBuilder, Key, Label, SignatureRejected, SignatureVerifier,
    SigningKey, Uuid, Version, inspect, key_hash,
};
use sha2::{Digest as _, Sha256};

/// The board of all images.
pub const BOARD: BoardIds = BoardIds {
    vid: Uuid([0xA1; 16]),
    cid: Uuid([0xB2; 16]),
};
/// The address the first image is linked for.
pub const SLOT_ADDRESS: u32 = 0x0800_4000;
/// What a signature begins with that [`Marked`] accepts.
const MARKER: &[u8; 8] = b"accepted";

/// Accepts a signature that begins with a marker, whoever made it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Marked;

impl SignatureVerifier for Marked {
    fn check(&self, _: &[u8; 32], _: &[u8], signature: &[u8; 64]) -> Result<(), SignatureRejected> {
        if signature.starts_with(MARKER) {
            Ok(())
        } else {
            Err(SignatureRejected)
        }
    }
}

/// The key that signs every original.
static SIGNER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_seed([7; 32]));

/// Its public half.
static PUBLIC: LazyLock<[u8; 32]> = LazyLock::new(|| SIGNER.public().to_bytes());

/// That key in a key table, with one that never signed anything.
pub fn keys() -> [Key; 2] {
    [[9; 32], *PUBLIC].map(|public| Key {
        kind: otaru_image::KeyKind::Ed25519,
        public,
        revoked: false,
    })
}

/// Signed images that differ in what they have: everything; the least; another payload and counter.
pub static ORIGINALS: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
    let payload = |len: usize, step: usize| -> Vec<u8> {
        (0..len)
            .map(|at| u8::try_from(at / 64 * step % 251).unwrap_or(0))
            .collect()
    };
    let label = Label::new("1.1.0+7").expect("seven bytes of text");
    let version = Version {
        major: 1,
        ..Version::default()
    };
    let first = ImageBuilder::new(payload(2600, 1), version)
        .header_len(64)
        .board(BOARD)
        .label(label)
        .security_counter(2)
        .revoke(1)
        .rom_address(SLOT_ADDRESS);
    let second = ImageBuilder::new(payload(40, 1), version).header_len(32);
    let third = ImageBuilder::new(payload(3100, 3), version)
        .header_len(32)
        .board(BOARD)
        .security_counter(3);
    [first, second, third].map(|image| {
        image
            .sign(&SIGNER)
            .expect("header and payload are long enough")
    })
});

/// An original with two parts, the second of which depends on the first.
pub static WITH_PARTS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let version = Version {
        major: 1,
        ..Version::default()
    };
    let image = |len: usize| {
        ImageBuilder::new(vec![0x55; len], version)
            .header_len(32)
            .board(BOARD)
            .security_counter(3)
    };
    let first = image(50).index(1).sign(&SIGNER);
    let needed = Dependency { image: 1, version };
    let second = image(90).index(3).depends_on(needed).sign(&SIGNER);
    image(70)
        .part(1, first.expect("a part can be built"))
        .part(3, second.expect("a part can be built"))
        .sign(&SIGNER)
        .expect("parts and payload are long enough")
});

/// The originals with a marker for a signature.
pub static MARKED: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
    ORIGINALS.clone().map(|mut image| {
        repair(&mut image);
        image
    })
});

/// Makes the hash right again, names our key, and marks the signature, if the bytes begin with an
/// image that can be taken apart. The same with its parts.
///
/// # Panics
/// If there are 4 GiB of them.
pub fn repair(bytes: &mut [u8]) {
    let len = u32::try_from(bytes.len()).expect("inputs are short");
    let Ok(info) = inspect(&mut &*bytes, len) else {
        return;
    };
    for part in info.parts.iter() {
        let (start, end) = (part.offset as usize, part.end() as usize);
        repair_one(&mut bytes[start..end]);
        let digest = Sha256::digest(&bytes[start..end]);
        let named = &mut bytes[..info.hashed_len as usize];
        if let Some(at) = named.windows(32).position(|window| window == part.digest) {
            named[at..at + 32].copy_from_slice(&digest);
        }
    }
    repair_one(bytes);
}

/// The same with one image.
fn repair_one(bytes: &mut [u8]) {
    let len = u32::try_from(bytes.len()).expect("inputs are short");
    let Ok(info) = inspect(&mut &*bytes, len) else {
        return;
    };
    let (hashed, signed) = (info.hashed_len as usize, info.own_len() as usize);
    let hash = Sha256::digest(&bytes[..hashed]);
    let signature = info.signature_offset as usize;
    bytes[signature..signature + MARKER.len()].copy_from_slice(MARKER);
    let tlvs = &mut bytes[hashed..signed];
    for (old, new) in [
        (info.image_hash, hash.as_slice()),
        (info.key_hash, &key_hash(&PUBLIC)),
    ] {
        if let Some(at) = tlvs.windows(32).position(|window| window == old) {
            tlvs[at..at + 32].copy_from_slice(new);
        }
    }
}

/// SHA-256, which names an image.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
