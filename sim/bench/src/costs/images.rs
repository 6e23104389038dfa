//! Two signed images of exactly one length, exactly so many chunks of which differ.

use super::PAGE_LEN;
use anyhow::{Context as _, Result, ensure};
use otaru_image::{
    BoardIds, Expectation, ImageBuilder, Key, KeyKind, SigningKey, Uuid, Version, verify,
};
use otaru_record::Image;
use otaru_sim::Rng;

const HEADER_LEN: u16 = 32;
const VENDOR: [u8; 16] = [0x11; 16];
const CLASS: [u8; 16] = [0x22; 16];

/// An image, and what the record calls it.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    pub(crate) image: Image,
}

/// The old image and the new one.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) old: Made,
    pub(crate) new: Made,
    pub(crate) public: [u8; 32],
}

impl Pair {
    pub(crate) const IDS: BoardIds = BoardIds {
        vid: Uuid(VENDOR),
        cid: Uuid(CLASS),
    };

    /// Images of `len` bytes. Of their chunks `percent` differ, and at least two: the first holds the
    /// version, the last the signature.
    ///
    /// # Errors
    /// If no such image can be built.
    pub(crate) fn new(len: u32, percent: u32) -> Result<Self> {
        let key = SigningKey::from_seed([7; 32]);
        let public = key.public().to_bytes();
        let chunks = len / PAGE_LEN;
        let wanted = (chunks * percent + 50) / 100;
        let mut rng = Rng::new(u64::from(len));
        // Header and TLVs have the same length in every image.
        let overhead = sign(&key, &[0; 16], 1)?.len() - 16;
        let payload_len = (len as usize).checked_sub(overhead).context("too short")?;
        let old: Vec<u8> = (0..payload_len).map(|_| rng.byte()).collect();
        let mut new = old.clone();
        let inner = chunks.saturating_sub(2);
        let changed = wanted.saturating_sub(2).min(inner);
        for index in 0..changed {
            // Spread evenly over the chunks between the first and the last.
            let chunk = 1 + index * inner / changed;
            let at = (chunk * PAGE_LEN + PAGE_LEN / 2) as usize - usize::from(HEADER_LEN);
            if let Some(byte) = new.get_mut(at) {
                *byte ^= 0xFF;
            }
        }
        let pair = Self {
            old: made(sign(&key, &old, 1)?, &public)?,
            new: made(sign(&key, &new, 2)?, &public)?,
            public,
        };
        ensure!(
            pair.old.bytes.len() == len as usize,
            "the image has another length"
        );
        ensure!(
            pair.differing() == wanted.max(2),
            "{} chunks differ, not {wanted}",
            pair.differing()
        );
        Ok(pair)
    }

    /// Chunks of an image.
    pub(crate) fn chunks(&self) -> u32 {
        u32::try_from(self.old.bytes.len().div_ceil(PAGE_LEN as usize)).unwrap_or(u32::MAX)
    }

    /// Chunks that differ, counted.
    pub(crate) fn differing(&self) -> u32 {
        let chunks = |made: &Made| -> Vec<Vec<u8>> {
            made.bytes
                .chunks(PAGE_LEN as usize)
                .map(<[u8]>::to_vec)
                .collect()
        };
        let (old, new) = (chunks(&self.old), chunks(&self.new));
        let differ = old.iter().zip(&new).filter(|(old, new)| old != new).count();
        u32::try_from(differ).unwrap_or(u32::MAX)
    }
}

fn sign(key: &SigningKey, payload: &[u8], counter: u32) -> Result<Vec<u8>> {
    let version = Version {
        major: 1,
        minor: 0,
        revision: 0,
        build: counter,
    };
    ImageBuilder::new(payload, version)
        .header_len(HEADER_LEN)
        .security_counter(counter)
        .board(Pair::IDS)
        .sign(key)
        .context("the image cannot be built")
}

fn made(bytes: Vec<u8>, public: &[u8; 32]) -> Result<Made> {
    let keys = [Key {
        public: *public,
        kind: KeyKind::Ed25519,
        revoked: false,
    }];
    let expect = Expectation {
        keys: &keys,
        board: Some(Pair::IDS),
        ..Expectation::default()
    };
    let len = u32::try_from(bytes.len()).context("too long")?;
    let mut source = bytes.as_slice();
    let verified = verify(&mut source, len, &expect, &mut [0; 512])
        .map_err(|error| anyhow::anyhow!("the image does not verify: {error}"))?;
    let image = Image {
        len,
        digest: verified.digest(),
    };
    Ok(Made { bytes, image })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_so_many_chunks_differ() {
        for (kib, percent, differing) in [(64, 5, 2), (64, 30, 5), (64, 100, 16), (256, 5, 3)] {
            let pair = Pair::new(kib * 1024, percent).unwrap();
            assert_eq!(pair.differing(), differing, "{kib} KiB, {percent} %");
            assert_eq!(pair.chunks(), kib / 4);
        }
    }
}
