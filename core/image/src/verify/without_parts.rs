//! What stands in for the verification of parts where the feature `parts` is off: a file is one
//! image, because the TLVs that name parts are refused.
#![expect(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "the interface is that of the module with parts"
)]

use super::{Refusal, Verification, Verified};
use crate::error::VerifyError;
use crate::header::Version;
use crate::info::ImageInfo;
use crate::key::SignatureVerifier;

/// Nobody signed a part.
pub(super) type PartKeys = ();

/// There is nothing to verify.
#[derive(Debug, Clone)]
pub(super) struct PartsCheck {
    pub(super) keys: PartKeys,
}

impl PartsCheck {
    pub(super) const fn new() -> Self {
        Self { keys: () }
    }

    pub(super) const fn refusal(&self) -> Option<Refusal> {
        None
    }

    pub(super) const fn first(&self) -> Option<&ImageInfo> {
        None
    }

    pub(super) const fn version(&self, _image: u8) -> Option<Version> {
        None
    }
}

impl<V: SignatureVerifier> Verification<'_, V> {
    pub(super) const fn boundary(&self, total: u32) -> u32 {
        total
    }

    pub(super) const fn absorb_part(&mut self, _at: u32, _block: &[u8]) {}

    pub(super) const fn judge_part(&mut self) -> bool {
        false
    }

    pub(super) const fn conclude_parts<E>(&self, _first: &ImageInfo) -> Result<(), VerifyError<E>> {
        Ok(())
    }
}

impl Verified {
    /// Place of the key that signed the image, as in [`Verified::key_index`].
    pub fn signers(&self) -> impl Iterator<Item = usize> {
        core::iter::once(self.key_index)
    }
}
