//! Signed images for scenarios.

use crate::Rng;
use otaru_flash::Layout;
use otaru_image::{BoardIds, Expectation, ImageBuilder, SigningKey, Uuid, Version, verify};
use otaru_record::Image;

/// Vendor UUID of every simulated board.
pub(crate) const VENDOR: [u8; 16] = [0x11; 16];
/// Class UUID of every simulated board.
pub(crate) const CLASS: [u8; 16] = [0x22; 16];

/// One image: its bytes, and what the record calls it.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    pub(crate) image: Image,
}

/// The images of a scenario, the first of which is flashed by cable. Their security counters are
/// 1, 2, 3, …
#[derive(Debug, Clone)]
pub struct Images {
    made: Vec<Made>,
    pub(crate) public: [u8; 32],
}

impl Images {
    /// Signed images with payloads of these lengths in bytes. About `differing` percent of the chunks
    /// of each differ from those of the one before it.
    ///
    /// # Panics
    /// If an image cannot be built, which is a mistake in the test.
    pub fn new(layout: &Layout, lens: &[u32], differing: u64, seed: u64) -> Self {
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
            let bytes = ImageBuilder::new(&content[..len as usize], version)
                .header_len(32)
                .security_counter(counter)
                .board(BoardIds {
                    vid: Uuid(VENDOR),
                    cid: Uuid(CLASS),
                })
                .sign(&key)
                .expect("the image can be built");
            let image = named(&bytes, &public);
            made.push(Made { bytes, image });
        }
        Self { made, public }
    }

    /// The bytes of an image.
    ///
    /// # Panics
    /// If there is no such image, which is a mistake in the test.
    pub fn bytes(&self, index: u8) -> &[u8] {
        &self.made[usize::from(index)].bytes
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

fn named(bytes: &[u8], public: &[u8; 32]) -> Image {
    let mut source = bytes;
    let keys = [otaru_image::Key {
        public: *public,
        revoked: false,
    }];
    let expect = Expectation {
        keys: &keys,
        board: None,
        slot_address: None,
        security_floor: 0,
        digest: None,
        len: None,
    };
    let len = u32::try_from(bytes.len()).expect("images are small");
    let verified = verify(&mut source, len, &expect, &mut [0; 256]).expect("our own image");
    Image {
        len,
        digest: verified.digest(),
    }
}
