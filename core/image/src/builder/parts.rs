//! Places the parts of a file behind the image that names them.

use std::vec::Vec;

use sha2::{Digest as _, Sha256};

use super::BuildError;
use crate::ecdsa::P256_SIGNATURE_LEN_MAX;
use crate::info::inspect;
use crate::key::KeyKind;
use crate::keyfile::SigningKey;
use crate::parts::{PART_ALIGN, PART_GAP, PART_LEN, PARTS_MAX};
use crate::tlv;

/// What goes behind an image: complete files, by index.
#[derive(Debug, Clone)]
pub(super) struct Behind {
    pub(super) files: Vec<(u8, Vec<u8>)>,
    pub(super) align: u32,
}

/// One TLV that names a part.
pub(super) type Entry = (u16, [u8; PART_LEN as usize]);

impl Behind {
    pub(super) const fn new() -> Self {
        Self {
            files: Vec::new(),
            align: PART_ALIGN,
        }
    }

    /// Whether each file is an image that says it is this part, and no index is there twice.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        if !self.align.is_multiple_of(PART_ALIGN) || self.align == 0 {
            return Err(BuildError::PartAlign(self.align));
        }
        for (place, (index, file)) in self.files.iter().enumerate() {
            let len = u32::try_from(file.len()).map_err(|_too_long| BuildError::TooLarge)?;
            let fits = inspect(&mut file.as_slice(), len).is_ok_and(|info| {
                info.index() == Some(*index)
                    && info.len == len
                    && info.parts.is_empty()
                    && !info.header.flags.is_encrypted()
            });
            let again = self
                .files
                .iter()
                .take(place)
                .any(|(other, _)| other == index);
            if !fits || again || *index == 0 || *index > PARTS_MAX {
                return Err(BuildError::Part(*index));
            }
        }
        Ok(())
    }

    /// The indices of the parts, in their order.
    pub(super) fn indices(&self) -> Vec<u8> {
        let mut indices: Vec<u8> = self.files.iter().map(|(index, _)| *index).collect();
        indices.sort_unstable();
        indices
    }

    /// The TLVs that name the parts, the first of which may begin at `free`.
    pub(super) fn entries(&self, free: u64) -> Result<Vec<Entry>, BuildError> {
        let mut sorted: Vec<_> = self.files.iter().collect();
        sorted.sort_by_key(|(index, _)| *index);
        let mut free = free;
        let mut entries = Vec::new();
        for (index, file) in sorted {
            let offset = free
                .checked_next_multiple_of(u64::from(self.align))
                .and_then(|offset| u32::try_from(offset).ok())
                .ok_or(BuildError::TooLarge)?;
            let len = u32::try_from(file.len()).map_err(|_too_long| BuildError::TooLarge)?;
            free = u64::from(offset).saturating_add(u64::from(len));
            let mut data = [0; PART_LEN as usize];
            let digest = Sha256::digest(file);
            let bytes = offset.to_le_bytes().into_iter().chain(len.to_le_bytes());
            for (to, from) in data.iter_mut().zip(bytes.chain(digest)) {
                *to = from;
            }
            let kind = tlv::PART_FIRST.saturating_add(u16::from(index.saturating_sub(1)));
            entries.push((kind, data));
        }
        Ok(entries)
    }

    /// Appends the files where the entries say that they lie.
    pub(super) fn append(&self, image: &mut Vec<u8>, entries: &[Entry]) -> Result<(), BuildError> {
        let mut sorted: Vec<_> = self.files.iter().collect();
        sorted.sort_by_key(|(index, _)| *index);
        for ((_, file), (_, data)) in sorted.into_iter().zip(entries) {
            let offset = data.first_chunk().copied().map_or(0, u32::from_le_bytes);
            let offset = usize::try_from(offset).map_err(|_too_long| BuildError::TooLarge)?;
            image.resize(offset.max(image.len()), PART_GAP);
            image.extend_from_slice(file);
        }
        Ok(())
    }
}

/// Most bytes that the unprotected area of an image takes that this key signs. The length of an
/// ECDSA signature is known only when it was made, and then it is too late to move the parts.
pub(super) fn unprotected_len_max(key: &SigningKey) -> u64 {
    let signature = match key.public().kind() {
        KeyKind::Ed25519 => 64,
        KeyKind::P256 { .. } => P256_SIGNATURE_LEN_MAX,
    };
    let info = u64::from(tlv::AREA_INFO_LEN);
    let entry = |data: u8| u64::from(tlv::ENTRY_HEAD_LEN).saturating_add(u64::from(data));
    [entry(32), entry(32), entry(signature)]
        .into_iter()
        .fold(info, u64::saturating_add)
}
