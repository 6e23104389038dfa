//! What stands in for the verification of parts where the feature `parts` is off: a file is one
//! image, because the TLVs that name parts are refused.
#![expect(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "the interface is that of the module with parts"
)]

use core::marker::PhantomData;

use super::Verification;
use crate::header::Version;
use crate::info::ImageInfo;

/// Nobody signed a part.
pub(super) type PartKeys = ();

/// There is nothing to verify.
#[derive(Debug, Clone)]
pub(super) struct PartsCheck<R> {
    pub(super) keys: PartKeys,
    refusal: PhantomData<R>,
}

impl<R> PartsCheck<R> {
    pub(super) const fn new() -> Self {
        Self {
            keys: (),
            refusal: PhantomData,
        }
    }

    pub(super) const fn is_refused(&self) -> bool {
        false
    }

    pub(super) const fn verdict(&self) -> Result<(), R> {
        Ok(())
    }

    pub(super) const fn first(&self) -> Option<&ImageInfo> {
        None
    }

    pub(super) const fn version(&self, _image: u8) -> Option<Version> {
        None
    }
}

impl<V, R> Verification<'_, V, R> {
    pub(super) const fn boundary(&self, total: u32) -> u32 {
        total
    }

    pub(super) const fn absorb_part(&mut self, _block: &[u8]) {}

    pub(super) const fn judge_part(&mut self) -> bool {
        false
    }

    pub(super) const fn conclude_parts(&self, _first: &ImageInfo) -> Result<(), R> {
        Ok(())
    }
}

/// Place of the key that signed the image.
pub(super) fn signers(first: usize, (): PartKeys) -> impl Iterator<Item = usize> {
    core::iter::once(first)
}
