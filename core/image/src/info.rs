//! What an image says about itself.

use core::convert::Infallible;
use core::fmt;

use crate::board::{BoardIds, Uuid};
use crate::dependency::Dependencies;
use crate::encryption::EncryptedKey;
use crate::error::{ImageError, VerifyError};
use crate::header::ImageHeader;
use crate::key::Signature;
use crate::parser::{ITEM_LEN_MAX, Next, Parser, Value};
use crate::parts::Parts;
use crate::source::ReadAt;

/// Longest label in bytes.
pub const LABEL_LEN_MAX: usize = 32;

/// The version as people read it, `1.1.0+7` or free text: 1 to 32 bytes of UTF-8 without control
/// characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label {
    len: u8,
    bytes: [u8; LABEL_LEN_MAX],
}

/// A text that cannot be a label: empty, longer than 32 bytes, or with control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelError;

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a label has 1 to {LABEL_LEN_MAX} bytes of text without control characters"
        )
    }
}

impl core::error::Error for LabelError {}

impl Label {
    /// A label with this text.
    ///
    /// # Errors
    /// [`LabelError`] if it is empty, longer than 32 bytes, or has control characters.
    pub fn new(text: &str) -> Result<Self, LabelError> {
        Self::from_bytes(text.as_bytes()).ok_or(LabelError)
    }

    /// A label with this text, if it is text.
    pub(crate) fn from_bytes(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; LABEL_LEN_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        let len = u8::try_from(text.len()).ok()?;
        (len > 0 && is_plain_text(text)).then_some(Self { len, bytes })
    }

    /// A place for this many bytes of plain text.
    pub(crate) const fn of_zeros(len: u8) -> Self {
        let bytes = [0; LABEL_LEN_MAX];
        Self { len, bytes }
    }

    /// Where they belong.
    pub(crate) const fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let used = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        // Always UTF-8, because `from_bytes` checks it.
        core::str::from_utf8(used).unwrap_or_default()
    }
}

/// Whether these bytes are UTF-8 without control characters. Written out, because the library's
/// functions for both are three quarters of a kilobyte on a device.
pub(crate) fn is_plain_text(bytes: &[u8]) -> bool {
    let mut rest = bytes.iter();
    while let Some(&first) = rest.next() {
        // How many bytes follow, and the lowest code point that is not written in fewer. The lowest
        // two-byte ones, below 0xA0, are control characters.
        let (more, least) = match first {
            0x20..=0x7E => continue,
            0xC0..=0xDF => (1, 0xA0),
            0xE0..=0xEF => (2, 0x800),
            0xF0..=0xF7 => (3, 0x1_0000),
            _ => return false,
        };
        let mut code = u32::from(first) & (0x3F >> more);
        for _ in 0..more {
            match rest.next() {
                Some(next) if next & 0xC0 == 0x80 => code = code << 6 | u32::from(next & 0x3F),
                Some(_) | None => return false,
            }
        }
        if code < least || char::from_u32(code).is_none() {
            return false;
        }
    }
    true
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const BOTH_IDS: u8 = Value::Vendor.bit() | Value::Class.bit();

/// What header and TLVs say. From [`inspect`] it is a mere claim; from
/// [`Verified::info`](crate::Verified::info) everything but key hash and signature is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)] // Fields in this order take the shortest instructions.
pub struct ImageInfo {
    /// The header.
    pub header: ImageHeader,
    /// Bytes of the complete file, first header byte to last TLV byte, of the last part if it has
    /// any.
    pub len: u32,
    /// Bytes the image hash covers: header, payload and protected area.
    pub hashed_len: u32,
    /// Security counter; 0 if the image has none.
    pub security_counter: u32,
    /// The values it has, as [`Value::bit`].
    pub(crate) seen: u8,
    /// What it is made for, as far as it names it.
    pub(crate) ids: BoardIds,
    /// The version as people read it.
    pub label: Option<Label>,
    /// What it needs of other images.
    pub dependencies: Dependencies,
    /// The key of the payload, if that is encrypted.
    pub encryption: Option<EncryptedKey>,
    /// Keys that are revoked when the image is confirmed, bit = position in the device's key table;
    /// 0 if the image says nothing about it.
    pub revoke: u16,
    /// The further images in the same file.
    pub parts: Parts,
    /// SHA-256 of the signing key as DER `SubjectPublicKeyInfo`.
    pub key_hash: [u8; 32],
    /// SHA-256 over the first `hashed_len` bytes, as the image states it. Not the digest.
    pub image_hash: [u8; 32],
    /// The signature over `image_hash`.
    pub signature: Signature,
    /// Where the bytes of the signature begin.
    pub signature_offset: u32,
}

impl ImageInfo {
    /// The board the image is made for, if it names both vendor and class.
    pub const fn board(&self) -> Option<BoardIds> {
        if self.seen & BOTH_IDS == BOTH_IDS {
            Some(self.ids)
        } else {
            None
        }
    }

    /// Whether it is made for this board.
    pub(crate) fn is_for(&self, board: &BoardIds) -> bool {
        self.seen & BOTH_IDS == BOTH_IDS && self.ids == *board
    }

    /// Vendor UUID of the board, if it names one.
    pub fn vid(&self) -> Option<Uuid> {
        (self.seen & Value::Vendor.bit() != 0).then_some(self.ids.vid)
    }

    /// Class UUID of the board, if it names one.
    pub fn cid(&self) -> Option<Uuid> {
        (self.seen & Value::Class.bit() != 0).then_some(self.ids.cid)
    }

    /// Bytes of this image alone, without its parts.
    pub const fn own_len(&self) -> u32 {
        self.parts.own_len(self.len)
    }

    /// Which image of the device it says it is: 0 is the firmware, others are parts. Most firmware
    /// does not say it.
    #[cfg(feature = "parts")]
    pub const fn index(&self) -> Option<u8> {
        self.parts.index()
    }

    /// The address the image is linked for, if it runs nowhere else.
    pub fn rom_address(&self) -> Option<u32> {
        self.header
            .flags
            .is_rom_fixed()
            .then_some(self.header.load_address)
    }
}

/// Reads header and TLVs, not the payload, and checks their form. Authenticates nothing.
///
/// `slot_len` is the length of the slot, or of the file, in bytes. Makes at most
/// 3 + 2 × [`TLVS_MAX`](crate::TLVS_MAX) reads of at most 96 bytes.
///
/// # Errors
/// [`ImageError`]: the first rule that the bytes break, or the error of the source.
pub fn inspect<S: ReadAt>(
    source: &mut S,
    slot_len: u32,
) -> Result<ImageInfo, ImageError<S::Error>> {
    let mut parser = Parser::new(slot_len);
    if let Some(refusal) = Parser::check_slot::<VerifyError<Infallible>>(slot_len) {
        return Err(refusal.of_form());
    }
    let mut item = [0; ITEM_LEN_MAX];
    loop {
        match parser.next() {
            Next::Skip(len) => parser.pass(len),
            Next::Item(len) => {
                let bytes = item.get_mut(..usize::from(len)).unwrap_or_default();
                source
                    .read_at(parser.pos(), bytes)
                    .map_err(ImageError::Read)?;
                parser.take(bytes).map_err(VerifyError::of_form)?;
            }
            Next::Nothing => return Ok(*parser.described()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_plain_text;
    use proptest::prelude::*;

    fn as_the_library_says(bytes: &[u8]) -> bool {
        core::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(char::is_control))
    }

    #[test]
    fn every_short_text_is_judged_as_the_library_does() {
        for first in 0..=0xFF {
            for second in 0..=0xFF {
                for rest in [
                    &[][..],
                    &[0x80],
                    &[0xBF],
                    &[0x80, 0x80],
                    &[0xBF, 0xBF],
                    b"a",
                ] {
                    let mut bytes = [first, second, 0, 0];
                    bytes[2..2 + rest.len()].copy_from_slice(rest);
                    let bytes = &bytes[..2 + rest.len()];
                    assert_eq!(
                        is_plain_text(bytes),
                        as_the_library_says(bytes),
                        "{bytes:02x?}"
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_as_the_library_does(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(is_plain_text(&bytes), as_the_library_says(&bytes));
        }

        #[test]
        fn any_text_is_judged_as_the_library_does(text: std::string::String) {
            prop_assert_eq!(is_plain_text(text.as_bytes()), as_the_library_says(text.as_bytes()));
        }
    }
}
