//! Makes good images, and images no honest tool would make but with a valid signature.

use otaru_image::{
    BoardIds, Ed25519Dalek, Expectation, ImageBuilder, ImageError, ImageFlags, ImageInfo, Key,
    Label, OutOfBounds, ReadAt, SignatureVerifier as _, SigningKey, Verified, VerifyError, Version,
    board_uuids, inspect, tlv, verify,
};
use sha2::{Digest as _, Sha256};

pub(crate) const SLOT_ADDRESS: u32 = 0x0802_0000;
pub(crate) const VERSION: Version = Version {
    major: 1,
    minor: 2,
    revision: 3,
    build: 4,
};

pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_seed([7; 32])
}

pub(crate) fn other_key() -> SigningKey {
    SigningKey::from_seed([8; 32])
}

pub(crate) fn trusted(key: &SigningKey) -> Key {
    Key {
        public: key.public().to_bytes(),
        kind: key.public().kind(),
        revoked: false,
    }
}

pub(crate) fn board() -> BoardIds {
    board_uuids("example.com", "host")
}

/// The bytes that the vectors' payloads are made of, too.
pub(crate) fn payload(len: usize) -> Vec<u8> {
    (0..len)
        .map(|index| u8::try_from((index * 7 + 3) % 256).unwrap())
        .collect()
}

pub(crate) fn builder(payload_len: usize) -> ImageBuilder {
    ImageBuilder::new(payload(payload_len), VERSION)
        .label(Label::new("1.2.3+4").unwrap())
        .board(board())
        .rom_address(SLOT_ADDRESS)
        .security_counter(5)
}

/// A good image of 1719 bytes.
pub(crate) fn small_image() -> Vec<u8> {
    builder(1000).sign(&signing_key()).unwrap()
}

/// What a device expects that accepts [`small_image`].
pub(crate) fn device(keys: &[Key]) -> Expectation<'_> {
    Expectation {
        keys,
        board: Some(board()),
        slot_address: Some(SLOT_ADDRESS),
        security_floor: 5,
        digest: None,
        len: None,
        ..Expectation::default()
    }
}

pub(crate) fn digest_of(image: &[u8]) -> [u8; 32] {
    Sha256::digest(image).into()
}

pub(crate) fn len_u32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

/// Verifies a slot that ends with the image.
pub(crate) fn check(
    mut image: &[u8],
    expect: &Expectation<'_>,
) -> Result<Verified, VerifyError<OutOfBounds>> {
    let len = len_u32(image);
    verify(&mut image, len, expect, &mut [0; 256])
}

pub(crate) fn look(mut image: &[u8]) -> Result<ImageInfo, ImageError<OutOfBounds>> {
    let len = len_u32(image);
    inspect(&mut image, len)
}

/// A source that counts how often each byte is read and refuses to read behind `end`.
pub(crate) struct Counting<'i> {
    pub(crate) bytes: &'i [u8],
    pub(crate) end: u32,
    pub(crate) times_read: Vec<u8>,
    pub(crate) reads: u32,
}

impl<'i> Counting<'i> {
    pub(crate) fn new(bytes: &'i [u8], end: u32) -> Self {
        Self {
            bytes,
            end,
            times_read: vec![0; bytes.len()],
            reads: 0,
        }
    }
}

impl ReadAt for Counting<'_> {
    type Error = OutOfBounds;

    fn read_at(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), OutOfBounds> {
        self.reads += 1;
        if offset
            .checked_add(len_u32(buf))
            .is_none_or(|end| end > self.end)
        {
            return Err(OutOfBounds);
        }
        self.bytes.read_at(offset, buf)?;
        let start = usize::try_from(offset).unwrap();
        for count in &mut self.times_read[start..start + buf.len()] {
            *count += 1;
        }
        Ok(())
    }
}

pub(crate) type Tlv = (u16, Vec<u8>);

/// An image whose every field can be chosen; hash and signature are right for what results.
#[derive(Clone)]
pub(crate) struct Forge {
    pub(crate) header_len: u16,
    pub(crate) payload_len: Option<u32>,
    pub(crate) protected_len: Option<u16>,
    pub(crate) flags: u32,
    pub(crate) protected_magic: u16,
    pub(crate) protected: Vec<Tlv>,
    /// Bytes behind the last protected entry.
    pub(crate) protected_tail: Vec<u8>,
    pub(crate) unprotected_magic: u16,
    pub(crate) unprotected_len: Option<u16>,
    /// Entries behind hash, key hash and signature.
    pub(crate) unprotected: Vec<Tlv>,
    pub(crate) unprotected_tail: Vec<u8>,
    /// Types left out of hash, key hash and signature.
    pub(crate) omit: Vec<u16>,
    pub(crate) key: SigningKey,
    /// The public key the image claims to be signed by.
    pub(crate) claimed: [u8; 32],
}

impl Forge {
    pub(crate) fn new() -> Self {
        let key = signing_key();
        let board = board();
        Self {
            header_len: 32,
            payload_len: None,
            protected_len: None,
            flags: ImageFlags::ROM_FIXED,
            protected_magic: tlv::PROTECTED_MAGIC,
            protected: vec![
                (tlv::SECURITY_COUNTER, 5_u32.to_le_bytes().to_vec()),
                (tlv::VENDOR_ID, board.vid.0.to_vec()),
                (tlv::CLASS_ID, board.cid.0.to_vec()),
                (tlv::LABEL, b"1.2.3+4".to_vec()),
            ],
            protected_tail: Vec::new(),
            unprotected_magic: tlv::UNPROTECTED_MAGIC,
            unprotected_len: None,
            unprotected: Vec::new(),
            unprotected_tail: Vec::new(),
            omit: Vec::new(),
            claimed: key.public().to_bytes(),
            key,
        }
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let protected = area(
            self.protected_magic,
            None,
            &self.protected,
            &self.protected_tail,
        );
        let payload = payload(40);
        let mut image = Vec::new();
        image.extend(0x96f3_b83d_u32.to_le_bytes());
        image.extend(SLOT_ADDRESS.to_le_bytes());
        image.extend(self.header_len.to_le_bytes());
        let protected_len = u16::try_from(protected.len()).unwrap();
        image.extend(self.protected_len.unwrap_or(protected_len).to_le_bytes());
        image.extend(self.payload_len.unwrap_or(len_u32(&payload)).to_le_bytes());
        image.extend(self.flags.to_le_bytes());
        image.extend([1, 2, 3, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
        image.extend(payload);
        image.extend(protected);
        let hash = digest_of(&image);
        let mut entries = vec![
            (tlv::SHA256, hash.to_vec()),
            (tlv::KEY_HASH, otaru_image::key_hash(&self.claimed).to_vec()),
            (tlv::SIGNATURE_ED25519, sign(&self.key, &hash).to_vec()),
        ];
        entries.retain(|(kind, _)| !self.omit.contains(kind));
        entries.extend(self.unprotected.iter().cloned());
        let tail = &self.unprotected_tail;
        image.extend(area(
            self.unprotected_magic,
            self.unprotected_len,
            &entries,
            tail,
        ));
        image
    }
}

pub(crate) fn area(magic: u16, len: Option<u16>, entries: &[Tlv], tail: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    for (kind, value) in entries {
        data.extend(kind.to_le_bytes());
        data.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
        data.extend(value);
    }
    data.extend(tail);
    let len = len.unwrap_or_else(|| u16::try_from(data.len() + 4).unwrap());
    [&magic.to_le_bytes()[..], &len.to_le_bytes(), &data].concat()
}

/// Signs any hash with the library the crate verifies with; the check here keeps the forge honest.
fn sign(key: &SigningKey, hash: &[u8; 32]) -> [u8; 64] {
    use ed25519_dalek::Signer as _;
    let seed = if key.public() == signing_key().public() {
        [7; 32]
    } else {
        [8; 32]
    };
    let signature = ed25519_dalek::SigningKey::from_bytes(&seed)
        .sign(hash)
        .to_bytes();
    Ed25519Dalek
        .check(&key.public().to_bytes(), hash, &signature)
        .unwrap();
    signature
}
