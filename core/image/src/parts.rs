//! Further images in the same file, *parts*: what the first image says about them.
//!
//! A file of one image is what it always was. A file with parts begins with the firmware, image 0,
//! whose signed TLVs say where each part lies, how long it is, and its digest. Each part is a
//! complete image with a signature of its own, and says in a signed TLV which one it is. Between
//! them there is nothing but [`PART_GAP`], so that every byte of the file is vouched for.
//!
//! Image 0 depends on each of its parts. That is what makes a bootloader refuse the file that was built
//! before there were parts, and skips TLVs that it does not know: it knows of no other image.
//!
//! Without the feature `parts` there are none: both TLVs are refused as unsupported.

#[cfg(feature = "parts")]
use crate::dependency::Dependencies;
#[cfg(feature = "parts")]
use crate::error::{ImageError, Malformed, Unsupported};
#[cfg(feature = "parts")]
use crate::header::HEADER_LEN;
#[cfg(feature = "parts")]
use crate::info::{ImageInfo, inspect};
#[cfg(feature = "parts")]
use crate::parser::Fault;
#[cfg(feature = "parts")]
use crate::source::ReadAt;
#[cfg(feature = "parts")]
use crate::tlv;

/// Most parts a file may have besides image 0; their indices are 1 to this.
pub const PARTS_MAX: u8 = 3;
/// Parts begin at multiples of this many bytes: of every write unit there is, and of a cache line.
/// Tools take the board's chunk, so that chunks in which nothing changed are not copied.
pub const PART_ALIGN: u32 = 64;
/// The value of every byte between two images of a file.
pub const PART_GAP: u8 = 0xff;
/// Bytes of the TLV.
#[cfg(feature = "parts")]
pub(crate) const PART_LEN: u8 = 4 + 4 + 32;

/// Where a part lies, as image 0 says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Part {
    /// Which image of the device it is, 1 to [`PARTS_MAX`].
    pub index: u8,
    /// Its first header byte, in bytes from the first one of image 0; a multiple of [`PART_ALIGN`].
    pub offset: u32,
    /// Bytes of the complete part, first header byte to last TLV byte.
    pub len: u32,
    /// SHA-256 of those bytes.
    pub digest: [u8; 32],
}

impl Part {
    /// Offset of the first byte behind it; sums beyond `u32` are never accepted.
    pub const fn end(&self) -> u32 {
        self.offset.saturating_add(self.len)
    }
}

/// The parts of a file, in the order of their indices, which is the order in which they lie there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts {
    /// What the image says about its own place.
    #[cfg(feature = "parts")]
    index: Option<u8>,
    /// Bytes of the image that names the parts, without them.
    #[cfg(feature = "parts")]
    own_len: u32,
    #[cfg(feature = "parts")]
    list: [Option<Part>; PARTS_MAX as usize],
}

#[cfg(feature = "parts")]
impl Parts {
    /// No parts, and nothing said about the index.
    pub(crate) const NONE: Self = Self {
        index: None,
        own_len: 0,
        list: [None; PARTS_MAX as usize],
    };

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Part> {
        self.list.iter().flatten()
    }

    /// Which image of the device this one says it is.
    pub(crate) const fn index(&self) -> Option<u8> {
        self.index
    }

    /// Bytes of the image itself; known once it was read to its end.
    pub(crate) const fn own_len(&self, _with_parts: u32) -> u32 {
        self.own_len
    }

    /// Offset of the first byte behind the last part; 0 if there is none.
    pub(crate) fn end(&self) -> u32 {
        self.iter().map(Part::end).max().unwrap_or(0)
    }

    /// Keeps what one of the two TLVs says; whether there was one of its type already. A slot is its
    /// length, and the place for the bytes that were needed if it is too short.
    pub(crate) fn take(
        &mut self,
        kind: u16,
        data: &[u8],
        (slot_len, needed): (u32, &mut u64),
    ) -> Result<bool, Fault> {
        if kind == tlv::IMAGE_INDEX {
            let index = data.first().copied().unwrap_or(0);
            if index > PARTS_MAX {
                return Err(Fault::Malformed(Malformed::ImageIndex(index)));
            }
            return Ok(self.index.replace(index).is_some());
        }
        let part = parse(kind, data).ok_or(Fault::Malformed(Malformed::PartPlace))?;
        *needed = u64::from(part.offset).saturating_add(u64::from(part.len));
        if *needed > u64::from(slot_len) {
            return Err(Fault::TooLarge);
        }
        let place = usize::from(part.index.saturating_sub(1));
        let entry = self.list.get_mut(place);
        let entry = entry.ok_or(Fault::Malformed(Malformed::PartPlace))?;
        Ok(entry.replace(part).is_some())
    }

    /// The image was read to its end: whether the parts lie behind it, one behind the other, and it
    /// depends on each, so that it is refused where nobody knows parts.
    pub(crate) fn complete(
        &mut self,
        own_len: u32,
        encrypted: bool,
        needed: &Dependencies,
    ) -> Result<(), Fault> {
        self.own_len = own_len;
        let mut free = own_len;
        for part in self.list.iter().flatten() {
            let aligned = part.offset.checked_rem(PART_ALIGN) == Some(0);
            if !aligned || part.offset < free || part.len < u32::from(HEADER_LEN) {
                return Err(Fault::Malformed(Malformed::PartPlace));
            }
            if needed.iter().all(|needed| needed.image != part.index) {
                return Err(Fault::Malformed(Malformed::PartNotNeeded(part.index)));
            }
            free = part.end();
        }
        if encrypted && free != own_len {
            return Err(Fault::Unsupported(Unsupported::Encryption));
        }
        Ok(())
    }
}

#[cfg(not(feature = "parts"))]
#[expect(
    clippy::unused_self,
    clippy::trivially_copy_pass_by_ref,
    reason = "the interface is that of the type with parts"
)]
impl Parts {
    /// No parts.
    pub(crate) const NONE: Self = Self {};

    /// All of them: none.
    pub fn iter(&self) -> impl Iterator<Item = &Part> {
        core::iter::empty()
    }

    /// Bytes of the image itself: all of them.
    pub(crate) const fn own_len(&self, with_parts: u32) -> u32 {
        with_parts
    }

    /// Where the last part ends: nowhere.
    pub(crate) const fn end(&self) -> u32 {
        0
    }
}

impl Parts {
    /// The part with this index, if there is one.
    pub fn get(&self, index: u8) -> Option<&Part> {
        self.iter().find(|part| part.index == index)
    }

    /// Whether the file is one image and nothing more.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

#[cfg(feature = "parts")]
fn parse(kind: u16, data: &[u8]) -> Option<Part> {
    let index = kind.checked_sub(tlv::PART_FIRST)?.checked_add(1)?;
    let (offset, rest) = data.split_first_chunk()?;
    let (len, digest) = rest.split_first_chunk()?;
    Some(Part {
        index: u8::try_from(index).ok()?,
        offset: u32::from_le_bytes(*offset),
        len: u32::from_le_bytes(*len),
        digest: *digest.first_chunk()?,
    })
}

/// Reads header and TLVs of a part, like [`inspect`] those of an image. `source` is the file, or
/// the slot, in which image 0 begins at offset 0.
///
/// # Errors
/// [`ImageError`]: the first rule that the bytes break, or the error of the source.
#[cfg(feature = "parts")]
pub fn inspect_part<S: ReadAt>(
    source: &mut S,
    part: &Part,
) -> Result<ImageInfo, ImageError<S::Error>> {
    let offset = part.offset;
    inspect(&mut PartSource { source, offset }, part.len)
}

/// What begins at this offset of a source.
#[cfg(feature = "parts")]
struct PartSource<'s, S> {
    source: &'s mut S,
    offset: u32,
}

#[cfg(feature = "parts")]
impl<S: ReadAt> ReadAt for PartSource<'_, S> {
    type Error = S::Error;

    fn read_at(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), S::Error> {
        // Nothing is read behind the part's length, and offset and length fit together.
        self.source.read_at(self.offset.saturating_add(offset), buf)
    }
}
