//! The 32-byte image header, little-endian.

use core::convert::Infallible;
use core::fmt;

use crate::error::{ImageError, Malformed, Unsupported, VerifyError};
use crate::parser::{Refuse, malformed, unsupported};
use crate::tlv;

/// First four bytes of every image, as a little-endian number.
pub const MAGIC: u32 = 0x96f3_b83d;
/// Bytes of the header proper. `hdr_size` is this or more; the rest is padding.
pub const HEADER_LEN: u8 = 32;

/// Version numbers of the header. The label is what people read; these are its machine half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version {
    /// First number.
    pub major: u8,
    /// Second number.
    pub minor: u8,
    /// Third number, Cargo's "patch".
    pub revision: u16,
    /// Build number.
    pub build: u32,
}

impl Version {
    /// The eight bytes that stand in headers and dependencies.
    pub(crate) const fn from_le_bytes(bytes: [u8; 8]) -> Self {
        let [major, minor, r0, r1, b0, b1, b2, b3] = bytes;
        Self {
            major,
            minor,
            revision: u16::from_le_bytes([r0, r1]),
            build: u32::from_le_bytes([b0, b1, b2, b3]),
        }
    }
}

impl Version {
    /// One number in the order of the versions: a comparison of four takes more code.
    pub(crate) const fn number(self) -> u64 {
        let [r0, r1] = self.revision.to_be_bytes();
        let [b0, b1, b2, b3] = self.build.to_be_bytes();
        u64::from_be_bytes([self.major, self.minor, r0, r1, b0, b1, b2, b3])
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}+{}",
            self.major, self.minor, self.revision, self.build
        )
    }
}

/// The header's flags, as they stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ImageFlags(pub u32);

impl ImageFlags {
    /// The payload runs at any address.
    pub const POSITION_INDEPENDENT: u32 = 0x1;
    /// The payload runs only if the image stands at the header's load address.
    pub const ROM_FIXED: u32 = 0x100;
    /// The payload is encrypted with AES-128.
    pub const ENCRYPTED_AES128: u32 = 0x4;
    /// The payload is encrypted with AES-256.
    pub const ENCRYPTED_AES256: u32 = 0x8;
    const ENCRYPTED: u32 = Self::ENCRYPTED_AES128 | Self::ENCRYPTED_AES256;
    const NON_BOOTABLE: u32 = 0x10;
    const RAM_LOAD: u32 = 0x20;
    const COMPRESSED: u32 = 0x200 | 0x400 | 0x800;

    /// Whether the load address is binding.
    pub const fn is_rom_fixed(self) -> bool {
        self.0 & Self::ROM_FIXED != 0
    }

    /// The flags that say how the payload is encrypted.
    pub(crate) const fn encryption(self) -> u32 {
        self.0 & Self::ENCRYPTED
    }

    /// Whether the image is encrypted. It says so in both forms.
    pub const fn is_encrypted(self) -> bool {
        self.0 & Self::ENCRYPTED != 0
    }

    /// Refuses everything that would need more than copying the image and jumping into it.
    const fn supported(self) -> Result<(), Unsupported> {
        let both = self.0 & Self::ENCRYPTED == Self::ENCRYPTED;
        if both || (self.is_encrypted() && !cfg!(feature = "encryption")) {
            return Err(Unsupported::Encryption);
        }
        if self.0 & Self::COMPRESSED != 0 {
            return Err(Unsupported::Compression);
        }
        if self.0 & Self::RAM_LOAD != 0 {
            return Err(Unsupported::RamLoad);
        }
        if self.0 & Self::NON_BOOTABLE != 0 {
            return Err(Unsupported::NonBootable);
        }
        let known = Self::POSITION_INDEPENDENT | Self::ROM_FIXED | Self::ENCRYPTED;
        let unknown = self.0 & !known;
        if unknown != 0 {
            return Err(Unsupported::Flags(unknown));
        }
        Ok(())
    }
}

/// A header whose magic, flags and sizes were checked against the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageHeader {
    /// Address of the slot the image is linked for; binding only with
    /// [`ImageFlags::is_rom_fixed`].
    pub load_address: u32,
    /// Offset of the payload in bytes, 32 or more.
    pub header_len: u16,
    /// Bytes of the protected TLV area with its own header; 0 or at least 4.
    pub protected_len: u16,
    /// Bytes of the payload, at least 1.
    pub payload_len: u32,
    /// Flags; only supported ones are set.
    pub flags: ImageFlags,
    /// Version numbers.
    pub version: Version,
}

impl ImageHeader {
    /// Reads a header and checks it against the length of the slot, in bytes.
    ///
    /// # Errors
    /// [`ImageError::Malformed`] for a wrong magic or impossible sizes,
    /// [`ImageError::Unsupported`] for flags Otaru does not handle, [`ImageError::TooLarge`] if
    /// header, payload, protected area and the beginning of the next area exceed the slot.
    pub fn parse(
        bytes: &[u8; HEADER_LEN as usize],
        slot_len: u32,
    ) -> Result<Self, ImageError<Infallible>> {
        let header = Self::read(bytes).ok_or(ImageError::Malformed(Malformed::Magic))?;
        header.check(slot_len).map_err(VerifyError::of_form)?;
        Ok(header)
    }

    /// The fields as they stand there, if the magic is right.
    pub(crate) fn read(bytes: &[u8; HEADER_LEN as usize]) -> Option<Self> {
        let right = u32::from_le_bytes(field(bytes, 0)) == MAGIC;
        right.then(|| Self {
            load_address: u32::from_le_bytes(field(bytes, 4)),
            header_len: u16::from_le_bytes(field(bytes, 8)),
            protected_len: u16::from_le_bytes(field(bytes, 10)),
            payload_len: u32::from_le_bytes(field(bytes, 12)),
            flags: ImageFlags(u32::from_le_bytes(field(bytes, 16))),
            version: Version::from_le_bytes(field(bytes, 20)),
        })
    }

    /// Whether flags and sizes can be those of an image in a slot of this length.
    pub(crate) fn check<R: Refuse>(&self, slot_len: u32) -> Result<(), R> {
        self.flags.supported().map_err(unsupported)?;
        if self.header_len < u16::from(HEADER_LEN) {
            return Err(malformed(Malformed::HeaderLen(self.header_len)));
        }
        if self.payload_len == 0 {
            return Err(malformed(Malformed::PayloadEmpty));
        }
        if self.protected_len != 0 && self.protected_len < u16::from(tlv::AREA_INFO_LEN) {
            return Err(malformed(Malformed::AreaLen(self.protected_len)));
        }
        // Up to the head of the area behind the hashed part.
        let around = u32::from(self.header_len)
            .saturating_add(u32::from(self.protected_len))
            .saturating_add(u32::from(tlv::AREA_INFO_LEN));
        if slot_len.saturating_sub(self.payload_len) < around {
            let needed = u64::from(around).saturating_add(u64::from(self.payload_len));
            return Err(VerifyError::TooLarge { needed, slot_len }.into());
        }
        Ok(())
    }

    /// Bytes the image hash covers: header, payload and protected area.
    ///
    /// Bounded by the slot length this header was checked against, so nothing is cut off.
    pub fn hashed_len(&self) -> u32 {
        u32::from(self.header_len)
            .saturating_add(self.payload_len)
            .saturating_add(u32::from(self.protected_len))
    }
}

/// The `N` bytes at offset `at`, which every caller takes from the table of the format.
fn field<const N: usize>(bytes: &[u8; HEADER_LEN as usize], at: usize) -> [u8; N] {
    bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .copied()
        .unwrap_or([0; N])
}
