//! Signed images for scenarios.

mod parts;

pub use parts::{CHUNKS as PARTS_CHUNKS, Change};

use crate::Rng;
use otaru_flash::Layout;
use otaru_image::{
    Aes, BoardIds, DecryptionKey, Expectation, ImageBuilder, SigningKey, Uuid, Version,
    installed_form, verify,
};
use otaru_record::Image;

/// Vendor UUID of every simulated board.
pub(crate) const VENDOR: [u8; 16] = [0x11; 16];
/// Class UUID of every simulated board.
pub(crate) const CLASS: [u8; 16] = [0x22; 16];

/// The X25519 private key of every simulated device.
pub(crate) const DEVICE_KEY: [u8; 32] = [0x5A; 32];

/// One image: as it is sent and stored, as it runs, and what the record calls it.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) sent: Vec<u8>,
    pub(crate) installed: Vec<u8>,
    pub(crate) image: Image,
}

/// Which images are encrypted for the device. The keys they are encrypted with are random, so their
/// bytes differ from run to run; what happens to the flash does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encryption {
    /// None.
    None,
    /// All, with AES-256 and AES-128 in turn.
    All,
    /// Every second, beginning with the first update.
    Odd,
}

impl Encryption {
    fn of(self, index: u32) -> Option<Aes> {
        match (self, index % 2) {
            (Self::None, _) | (Self::Odd, 0) => None,
            (Self::All, 0) => Some(Aes::Aes256),
            (Self::All | Self::Odd, _) => Some(Aes::Aes128),
        }
    }
}

/// The images of a scenario, the first of which is flashed by cable. Their security counters are
/// 1, 2, 3, …
#[derive(Debug, Clone)]
pub struct Images {
    made: Vec<Made>,
    pub(crate) encryption: Encryption,
    /// The agent does not verify what it has stored.
    pub(crate) careless: bool,
    pub(crate) public: [u8; 32],
}

impl Images {
    /// Signed images with payloads of these lengths in bytes. About `differing` percent of the chunks
    /// of each differ from those of the one before it.
    ///
    /// # Panics
    /// If an image cannot be built, which is a mistake in the test.
    pub fn new(layout: &Layout, lens: &[u32], differing: u64, seed: u64) -> Self {
        Self::encrypted(layout, lens, differing, (seed, Encryption::None))
    }

    /// The same, with some of the images encrypted.
    ///
    /// # Panics
    /// If an image cannot be built, which is a mistake in the test.
    pub fn encrypted(
        layout: &Layout,
        lens: &[u32],
        differing: u64,
        (seed, encryption): (u64, Encryption),
    ) -> Self {
        let key = SigningKey::from_seed([7; 32]);
        let public = key.public().to_bytes();
        let mut rng = Rng::new(seed);
        let longest = lens.iter().copied().max().unwrap_or(0);
        let mut content: Vec<u8> = (0..longest).map(|_| rng.byte()).collect();
        let mut made = Vec::new();
        for (counter, &len) in (1..).zip(lens) {
            if counter > 1 {
                for chunk in content.chunks_mut(layout.chunk_len as usize) {
                    if rng.below(100) < differing {
                        let flip = rng.byte() | 1;
                        for byte in chunk.iter_mut() {
                            *byte ^= flip;
                        }
                    }
                }
            }
            let version = Version {
                major: 1,
                minor: 0,
                revision: 0,
                build: counter,
            };
            let mut builder = ImageBuilder::new(&content[..len as usize], version)
                .header_len(32)
                .security_counter(counter)
                .board(BoardIds {
                    vid: Uuid(VENDOR),
                    cid: Uuid(CLASS),
                });
            let device_key = DecryptionKey::new(DEVICE_KEY);
            if let Some(aes) = encryption.of(counter - 1) {
                builder = builder.encrypt(device_key.public(), aes);
            }
            let sent = builder.sign(&key).expect("the image can be built");
            let installed = installed_form(&sent, &device_key).expect("our own image");
            made.push(Made {
                image: named(&sent, &[public]),
                sent,
                installed,
            });
        }
        Self {
            made,
            encryption,
            careless: false,
            public,
        }
    }

    /// The bytes of an image as it is sent and stored.
    ///
    /// # Panics
    /// If there is no such image, which is a mistake in the test.
    pub fn sent(&self, index: u8) -> &[u8] {
        &self.made[usize::from(index)].sent
    }

    /// The bytes of an image as it runs: the same, unless it is encrypted.
    ///
    /// # Panics
    /// If there is no such image, which is a mistake in the test.
    pub fn installed(&self, index: u8) -> &[u8] {
        &self.made[usize::from(index)].installed
    }

    /// What the record calls an image.
    ///
    /// # Panics
    /// If there is no such image, which is a mistake in the test.
    pub fn image(&self, index: u8) -> Image {
        self.made[usize::from(index)].image
    }

    /// Its security counter.
    pub const fn counter(index: u8) -> u32 {
        index as u32 + 1
    }

    /// Which image the record names.
    pub fn index_of(&self, image: &Image) -> Option<u8> {
        let position = self.made.iter().position(|made| made.image == *image)?;
        u8::try_from(position).ok()
    }
}

fn named(bytes: &[u8], keys: &[[u8; 32]]) -> Image {
    let mut source = bytes;
    let keys: Vec<_> = keys
        .iter()
        .map(|&public| otaru_image::Key {
            public,
            kind: otaru_image::KeyKind::Ed25519,
            revoked: false,
        })
        .collect();
    let device_key = DecryptionKey::new(DEVICE_KEY);
    let expect = Expectation {
        keys: &keys,
        decryption_key: Some(&device_key),
        board: None,
        slot_address: None,
        security_floor: 0,
        digest: None,
        len: None,
        ..Expectation::default()
    };
    let len = u32::try_from(bytes.len()).expect("images are small");
    let verified = verify(&mut source, len, &expect, &mut [0; 256]).expect("our own image");
    Image {
        len,
        digest: verified.digest(),
    }
}
