//! Images with parts: a firmware, a radio image and resources in one file.

use super::{CLASS, Images, Made, VENDOR, named};
use crate::Rng;
use otaru_flash::Layout;
use otaru_image::{BoardIds, Dependency, ImageBuilder, SigningKey, Uuid, Version};

/// What differs from one image with parts to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// Only the resources, part 2. The firmware names them, so its TLVs differ, too.
    Resources,
    /// Everything.
    All,
    /// The next image has no parts, the one behind it has them again.
    Removed,
    /// Everything, and the resources are signed by a key that no device knows. The agents of these
    /// devices do not look: the bootloader has the last word.
    BadPart,
}

/// Chunks of the execution slot that an image with parts fills.
pub const CHUNKS: u32 = 8;

const VERSION: Version = Version {
    major: 1,
    minor: 0,
    revision: 0,
    build: 0,
};

/// A counter that no firmware of a scenario reaches, so that a part need not be signed again.
const PART_COUNTER: u32 = 100;

impl Images {
    /// Three signed images with parts 1 and 2, each of which begins with a chunk of its own. They fill
    /// [`CHUNKS`] chunks of 512 bytes.
    ///
    /// # Panics
    /// If an image cannot be built, which is a mistake in the test.
    pub fn with_parts(layout: &Layout, change: Change, seed: u64) -> Self {
        let key = SigningKey::from_seed([7; 32]);
        let stranger = SigningKey::from_seed([8; 32]);
        let public = key.public().to_bytes();
        let mut rng = Rng::new(seed);
        let mut made = Vec::new();
        let mut contents: Vec<Vec<u8>> = Vec::new();
        for counter in 1..=3 {
            let others = [1100, 300, 1200].map(|len| (0..len).map(|_| rng.byte()).collect());
            for (index, other) in others.into_iter().enumerate() {
                match contents.get_mut(index) {
                    None => contents.push(other),
                    Some(kept) if change != Change::Resources || index == 2 => *kept = other,
                    Some(_) => {}
                }
            }
            let bad = change == Change::BadPart && counter > 1;
            let signer = if bad { &stranger } else { &key };
            let mut builder = of_board(&contents[0], counter).part_align(layout.chunk_len);
            if change != Change::Removed || counter != 2 {
                let radio = of_board(&contents[1], PART_COUNTER).index(1);
                let resources = of_board(&contents[2], PART_COUNTER).index(2);
                let needed = Dependency {
                    image: 1,
                    version: VERSION,
                };
                builder = builder
                    .depends_on(needed)
                    .part(1, radio.sign(&key).expect("a part can be built"))
                    .part(2, resources.sign(signer).expect("a part can be built"));
            }
            let sent = builder.sign(&key).expect("the image can be built");
            made.push(Made {
                image: named(&sent, &[public, stranger.public().to_bytes()]),
                installed: sent.clone(),
                sent,
            });
        }
        Self {
            made,
            encryption: super::Encryption::None,
            careless: change == Change::BadPart,
            public,
        }
    }
}

fn of_board(payload: &[u8], counter: u32) -> ImageBuilder {
    ImageBuilder::new(payload, VERSION)
        .header_len(32)
        .security_counter(counter)
        .board(BoardIds {
            vid: Uuid(VENDOR),
            cid: Uuid(CLASS),
        })
}
