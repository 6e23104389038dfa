//! Verifies the parts of a file in the pass that hashes the file.
//!
//! Behind image 0 the parser begins anew with every part, and so does a second hasher, for the
//! part's digest and image hash. Blocks end where an image or a gap ends, so a block belongs to one
//! thing only. A part's signature is checked in a step of its own, which reads nothing.
//!
//! A part is judged like an image, by the keys, board and floor of the device. Besides:
//!
//! * it is the file that image 0 names: its digest is right, and so is its index;
//! * it has no parts of its own and is not encrypted;
//! * it is linked for the place where it lies, if it is linked for a fixed one;
//! * its security counter is not below that of image 0 either, because the floor of the device
//!   follows image 0 when that is confirmed, and the part has to start then, too.

use core::convert::Infallible;

use super::{Verification, same};
use crate::dependency::Dependency;
use crate::error::{Malformed, Unsupported, VerifyError};
use crate::hash::Sha256;
use crate::header::Version;
use crate::info::ImageInfo;
use crate::key::SignatureVerifier;
use crate::parser::{Parser, Refuse, malformed, unsupported};
use crate::parts::{PART_GAP, PARTS_MAX, Part};

/// Images a file may have.
const IMAGES_MAX: usize = PARTS_MAX as usize + 1;

/// Which keys signed the parts, as places in the table of expected keys.
pub(super) type PartKeys = [Option<usize>; PARTS_MAX as usize];

/// What the bytes at the place of reading belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Image 0, or whatever there is if it is malformed.
    First,
    /// The gap in front of this part.
    Gap(Part),
    /// This part.
    Inside(Part),
    /// The end of this part, which is yet to be judged.
    Behind(Part),
    /// The end of the last part.
    End,
}

/// How far the parts are verified.
#[derive(Debug, Clone)]
pub(super) struct PartsCheck<R> {
    /// Image 0, when it was read and has parts.
    first: Option<ImageInfo>,
    place: Place,
    /// Takes the bytes of the part at the place of reading.
    hasher: Sha256,
    /// The hash that its signature is about, when that many bytes were read.
    image_hash: [u8; 32],
    /// Versions of the parts that passed.
    versions: [Option<Version>; IMAGES_MAX],
    /// The latest version of each image that any part needs.
    needed: [Option<Version>; IMAGES_MAX],
    pub(super) keys: PartKeys,
    /// What is wrong with a part, or with the gap in front of it.
    refusal: Option<R>,
}

impl<R: Refuse> PartsCheck<R> {
    pub(super) fn new() -> Self {
        Self {
            first: None,
            place: Place::First,
            hasher: Sha256::new(),
            image_hash: [0; 32],
            versions: [None; IMAGES_MAX],
            needed: [None; IMAGES_MAX],
            keys: [None; PARTS_MAX as usize],
            refusal: None,
        }
    }

    /// Whether a part was refused.
    pub(super) const fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }

    /// Why it was.
    pub(super) fn verdict(&self) -> Result<(), R> {
        self.refusal.map_or(Ok(()), Err)
    }

    /// What image 0 says, if the parser has gone on to its parts.
    pub(super) const fn first(&self) -> Option<&ImageInfo> {
        self.first.as_ref()
    }

    /// The version of a part that passed.
    pub(super) fn version(&self, image: u8) -> Option<Version> {
        self.versions.get(usize::from(image)).copied().flatten()
    }

    fn next_part(&self, after: u8) -> Option<Part> {
        let mut parts = self.first.iter().flat_map(|info| info.parts.iter());
        parts.find(|part| part.index > after).copied()
    }

    /// Keeps what a part that passed means for the others. Only the table of image 0 and its parts
    /// is kept; what lies beyond it was judged already.
    fn keep(&mut self, part: Part, info: (Version, [Option<Version>; IMAGES_MAX]), key: usize) {
        let (version, needed) = info;
        if let Some(entry) = self.versions.get_mut(usize::from(part.index)) {
            *entry = Some(version);
        }
        for (latest, needed) in self.needed.iter_mut().zip(needed) {
            *latest = (*latest).max(needed);
        }
        let place = usize::from(part.index.saturating_sub(1));
        if let Some(entry) = self.keys.get_mut(place) {
            *entry = Some(key);
        }
    }
}

impl<V, R> Verification<'_, V, R>
where
    V: SignatureVerifier,
    R: From<VerifyError<Infallible>> + Copy,
{
    /// Where the block that is read next ends at the latest. Once something is wrong, nothing but the
    /// digest of the file matters.
    pub(super) fn boundary(&self, total: u32) -> u32 {
        if self.refusal.is_some() || self.parts.refusal.is_some() {
            return total;
        }
        let end = match self.parts.place {
            Place::Gap(part) => part.offset,
            Place::Inside(part) => part.end(),
            Place::First | Place::Behind(_) | Place::End => total,
        };
        // Always further than now, so that reading comes to an end.
        if end > self.done {
            end.min(total)
        } else {
            total
        }
    }

    /// Takes the block that was read at `at`, after image 0 or the parser has taken it.
    pub(super) fn absorb_part(&mut self, block: &[u8]) {
        if self.refusal.is_some() || self.parts.refusal.is_some() {
            return;
        }
        match self.parts.place {
            Place::First => {
                let Some(info) = self.parser.info() else {
                    return;
                };
                let first = info.parts.iter().next().copied();
                if let Some(part) = first {
                    self.parts.first = Some(*info);
                    self.parts.place = Place::Gap(part);
                } else {
                    self.parts.place = Place::End;
                }
            }
            Place::Gap(_) => {
                if block.iter().any(|&byte| byte != PART_GAP) {
                    self.refuse(malformed(Malformed::PartGap));
                    return;
                }
            }
            Place::Inside(part) => {
                self.parts.hasher.update(block);
                let hashed_len = self.parser.hashed_len();
                if part.offset.checked_add(hashed_len) == Some(self.done) {
                    self.parts.image_hash = self.parts.hasher.hash();
                }
            }
            Place::Behind(_) | Place::End => {}
        }
        self.enter();
    }

    /// Enters the next part, or leaves one, if the place of reading is there.
    fn enter(&mut self) {
        match self.parts.place {
            Place::Gap(part) if part.offset == self.done => {
                self.parser = Parser::new(part.len);
                self.parts.hasher = Sha256::new();
                self.parts.image_hash = [0; 32];
                self.parts.place = Place::Inside(part);
            }
            Place::Inside(part) if part.end() == self.done => {
                self.parts.place = Place::Behind(part);
            }
            Place::First | Place::Gap(_) | Place::Inside(_) | Place::Behind(_) | Place::End => {}
        }
    }

    /// Judges the part that was read last; whether there was one.
    pub(super) fn judge_part(&mut self) -> bool {
        let Place::Behind(part) = self.parts.place else {
            return false;
        };
        if self.refusal.is_none() && self.parts.refusal.is_none() {
            match self.part_verdict(part) {
                Ok((version, needed, key)) => self.parts.keep(part, (version, needed), key),
                Err(error) => self.refuse(error),
            }
        }
        self.parts.place = match self.parts.next_part(part.index) {
            Some(next) => Place::Gap(next),
            None => Place::End,
        };
        self.enter();
        true
    }

    fn refuse(&mut self, error: R) {
        self.parts.refusal = Some(error);
    }

    fn part_verdict(
        &self,
        part: Part,
    ) -> Result<(Version, [Option<Version>; IMAGES_MAX], usize), R> {
        let digest = self.parts.hasher.hash();
        if !same(&digest, &part.digest) {
            return Err(VerifyError::HashMismatch.into());
        }
        let info = match self.parser.info() {
            Some(info) if info.len == part.len => info,
            Some(_) | None => {
                let (image, announced) = (self.parser.known_len(), part.len);
                return Err(VerifyError::LengthMismatch { image, announced }.into());
            }
        };
        if !info.parts.is_empty() {
            return Err(malformed(Malformed::PartNested));
        }
        if info.header.flags.is_encrypted() {
            return Err(unsupported(Unsupported::Encryption));
        }
        if !same(&self.parts.image_hash, &info.image_hash) {
            return Err(VerifyError::HashMismatch.into());
        }
        if info.index() != Some(part.index) {
            let index = info.index().unwrap_or(0);
            return Err(malformed(Malformed::ImageIndex(index)));
        }
        let key = self.authenticate(info)?;
        self.check_part_fit(part, info)?;
        let mut needed = [None; IMAGES_MAX];
        for other in info.dependencies.iter() {
            match needed.get_mut(usize::from(other.image)) {
                Some(entry) => *entry = Some(other.version),
                None => self.check_other(other)?,
            }
        }
        Ok((info.header.version, needed, key))
    }

    /// Whether a genuine part belongs into this place of this board.
    fn check_part_fit(&self, part: Part, info: &ImageInfo) -> Result<(), R> {
        if self.expect.board.is_some() && self.expect.board != info.board() {
            return Err(VerifyError::WrongBoard.into());
        }
        let slot = self.expect.slot_address;
        let slot = slot.map(|address| address.wrapping_add(part.offset));
        if let (Some(slot), Some(image)) = (slot, info.rom_address())
            && slot != image
        {
            return Err(VerifyError::WrongSlot { image, slot }.into());
        }
        let first = self.parts.first.as_ref();
        let least = first.map_or(0, |first| first.security_counter);
        let floor = self.expect.security_floor.max(least);
        if info.security_counter < floor {
            let image = info.security_counter;
            return Err(VerifyError::SecurityCounter { image, floor }.into());
        }
        Ok(())
    }

    /// The last word about the parts of an image that itself is good.
    pub(super) fn conclude_parts(&self, first: &ImageInfo) -> Result<(), R> {
        if let Some(index) = first.index().filter(|&index| index != self.expect.index) {
            return Err(malformed(Malformed::ImageIndex(index)));
        }
        if first.parts.is_empty() {
            return Ok(());
        }
        self.parts.verdict()?;
        if self.parts.place != Place::End {
            let (image, announced) = (first.len, self.done);
            return Err(VerifyError::LengthMismatch { image, announced }.into());
        }
        for (image, needed) in (0..).zip(self.parts.needed) {
            if let Some(version) = needed {
                self.check_dependency(first, &Dependency { image, version })?;
            }
        }
        Ok(())
    }
}

/// Places of the keys that signed the image and its parts.
pub(super) fn signers(first: usize, parts: PartKeys) -> impl Iterator<Item = usize> {
    core::iter::once(first).chain(parts.into_iter().flatten())
}
