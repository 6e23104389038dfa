//! SHA-256 of everything that is verified.
//!
//! A library's, or on a device with the small verifier the one that the verifier brings along: both
//! functions of FIPS 180-4 from one piece of code.

#[cfg(feature = "small")]
pub(crate) mod fips180;

#[cfg(not(all(feature = "small", not(feature = "std"))))]
pub(crate) use library::Sha256;
#[cfg(all(feature = "small", not(feature = "std")))]
pub(crate) use own::Sha256;

#[cfg(not(all(feature = "small", not(feature = "std"))))]
mod library {
    use sha2::Digest as _;

    /// SHA-256 of bytes that come in pieces.
    #[derive(Debug, Clone)]
    pub(crate) struct Sha256(sha2::Sha256);

    impl Sha256 {
        pub(crate) fn new() -> Self {
            Self(sha2::Sha256::new())
        }

        /// Takes the next piece.
        pub(crate) fn update(&mut self, piece: &[u8]) {
            self.0.update(piece);
        }

        /// The hash of what was taken so far.
        pub(crate) fn hash(&self) -> [u8; 32] {
            self.0.clone().finalize().into()
        }
    }
}

#[cfg(all(feature = "small", not(feature = "std")))]
mod own {
    use super::fips180::{Hasher, Word as _};

    /// SHA-256 of bytes that come in pieces.
    #[derive(Debug, Clone)]
    pub(crate) struct Sha256(Hasher);

    impl Sha256 {
        pub(crate) fn new() -> Self {
            Self(Hasher::sha256())
        }

        /// Takes the next piece.
        pub(crate) fn update(&mut self, piece: &[u8]) {
            self.0.update(piece);
        }

        /// The hash of what was taken so far.
        #[inline(never)]
        pub(crate) fn hash(&self) -> [u8; 32] {
            let mut hash = [0; 32];
            let (chunks, _) = hash.as_chunks_mut::<4>();
            for (chunk, word) in chunks.iter_mut().rev().zip({ self.0 }.finish()) {
                *chunk = u32::upper(*word).to_be_bytes();
            }
            hash
        }
    }
}
