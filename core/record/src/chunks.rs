//! A set of chunk numbers, kept as a bitmap.

use otaru_flash::{CHUNKS_MAX, ones};

const BYTES: usize = (CHUNKS_MAX / 8) as usize;

/// A set of chunk numbers below [`CHUNKS_MAX`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChunkSet([u8; BYTES]);

impl Default for ChunkSet {
    fn default() -> Self {
        Self([0; BYTES])
    }
}

impl core::fmt::Debug for ChunkSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl ChunkSet {
    /// Adds a chunk; a number of [`CHUNKS_MAX`] or above is ignored.
    pub fn insert(&mut self, chunk: u32) {
        if let Some(byte) = self.0.get_mut((chunk / 8) as usize) {
            *byte |= 1 << (chunk % 8);
        }
    }

    /// Whether the chunk is in the set.
    #[inline(never)]
    pub fn contains(&self, chunk: u32) -> bool {
        self.0
            .get((chunk / 8) as usize)
            .is_some_and(|byte| byte & (1 << (chunk % 8)) != 0)
    }

    /// How many chunks are in the set.
    pub fn len(&self) -> u32 {
        ones(&self.0)
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The chunks in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..CHUNKS_MAX).filter(|&chunk| self.contains(chunk))
    }

    pub(crate) fn bytes(&self) -> &[u8; BYTES] {
        &self.0
    }

    /// Becomes the set with these first bytes of a bitmap; the rest is empty.
    pub(crate) fn take_bytes(&mut self, bytes: &[u8]) -> Option<()> {
        self.0 = [0; BYTES];
        self.0.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(())
    }
}
