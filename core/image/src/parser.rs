//! Reads an image front to back, in pieces of any size.
//!
//! There is one parser for both users: `inspect` hands it just the items it asks for and jumps over
//! the rest; `Verification` hands it every byte, the same bytes that go into the hash. It keeps one
//! item at a time: the header, an area's head, an entry's head, or the data of an entry it knows.

use core::convert::Infallible;

use crate::board::Uuid;
use crate::dependency::{AddError, DEPENDENCY_LEN, Dependencies, Dependency};
use crate::ecdsa;
use crate::encryption::{EncryptedKey, KEY_TLV_LEN_LONG, KEY_TLV_LEN_SHORT};
use crate::error::{ImageError, Malformed, Unsupported};
use crate::header::{HEADER_LEN, ImageFlags, ImageHeader};
use crate::info::{ImageInfo, Label};
use crate::key::Signature;
#[cfg(feature = "parts")]
use crate::parts::PART_LEN;
use crate::parts::Parts;
use crate::tlv;

/// Longest item: an encrypted key, or a signature.
pub(crate) const ITEM_LEN_MAX: usize = if cfg!(feature = "encryption") {
    KEY_TLV_LEN_LONG as usize
} else if cfg!(feature = "p256") {
    ecdsa::P256_SIGNATURE_LEN_MAX as usize
} else {
    64
};

type Refused = ImageError<Infallible>;

/// What the parser needs now.
#[derive(Debug)]
pub(crate) enum Next {
    /// `len` bytes at `offset`.
    Item { offset: u32, len: u8 },
    /// Bytes it does not look at.
    Skip,
}

/// What the item means that is being collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Header,
    AreaInfo,
    EntryHead,
    EntryData { kind: u16 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Area {
    Protected,
    Unprotected,
}

/// The fields found so far.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    header: Option<ImageHeader>,
    security_counter: Option<u32>,
    vid: Option<Uuid>,
    cid: Option<Uuid>,
    label: Option<Label>,
    dependencies: Dependencies,
    encryption: Option<EncryptedKey>,
    revoke: Option<u16>,
    parts: Parts,
    key_hash: Option<[u8; 32]>,
    image_hash: Option<[u8; 32]>,
    signature: Option<(Signature, u32)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Parser {
    slot_len: u32,
    /// Bytes taken so far; the offset of the next one.
    pos: u32,
    /// Bytes to pass over before the next item.
    skip: u32,
    item: [u8; ITEM_LEN_MAX],
    item_len: u8,
    filled: u8,
    expect: Expect,
    area: Area,
    /// First byte behind what is known to belong to the image.
    end: u32,
    /// First byte behind the area that is being read.
    area_end: u32,
    tlvs: u8,
    found: Found,
    done: Option<ImageInfo>,
}

impl Parser {
    pub(crate) fn new(slot_len: u32) -> Self {
        Self {
            slot_len,
            pos: 0,
            skip: 0,
            item: [0; ITEM_LEN_MAX],
            item_len: HEADER_LEN,
            filled: 0,
            expect: Expect::Header,
            area: Area::Protected,
            end: u32::from(HEADER_LEN),
            area_end: 0,
            tlvs: 0,
            found: Found::default(),
            done: None,
        }
    }

    /// Refuses a slot in which not even a header fits.
    pub(crate) fn check_slot(slot_len: u32) -> Result<(), Refused> {
        if slot_len < u32::from(HEADER_LEN) {
            return Err(ImageError::TooLarge {
                needed: u64::from(HEADER_LEN),
                slot_len,
            });
        }
        Ok(())
    }

    /// Length of the file as far as it is known: it is at least this long, and never beyond the
    /// slot.
    pub(crate) fn known_len(&self) -> u32 {
        self.end.max(self.found.parts.end())
    }

    /// The same of the image without its parts.
    #[cfg(feature = "parts")]
    pub(crate) const fn own_len(&self) -> u32 {
        self.end
    }

    /// Bytes the image hash covers, once the header was read.
    pub(crate) fn hashed_len(&self) -> Option<u32> {
        self.found.header.map(|header| header.hashed_len())
    }

    /// The complete description, once the last byte was taken.
    pub(crate) fn info(&self) -> Option<&ImageInfo> {
        self.done.as_ref()
    }

    pub(crate) fn next(&self) -> Next {
        if self.skip > 0 {
            return Next::Skip;
        }
        let offset = self.pos.saturating_add(u32::from(self.filled));
        Next::Item {
            offset,
            len: self.item_len.saturating_sub(self.filled),
        }
    }

    /// Passes over the bytes nobody looks at without having read them.
    pub(crate) fn skip_all(&mut self) {
        self.pos = self.pos.saturating_add(self.skip);
        self.skip = 0;
    }

    /// Takes the next bytes of the image and says how many belong to it; only behind its last byte
    /// are there fewer than given.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<usize, Refused> {
        let mut rest = bytes;
        // Each turn takes bytes, or completes an item, or ends: at most two turns for each byte.
        while self.done.is_none() {
            if self.skip > 0 {
                let Some(later) = self.pass(rest) else { break };
                rest = later;
            } else {
                rest = self.collect(rest);
                if self.filled < self.item_len {
                    break;
                }
                self.pos = self.pos.saturating_add(u32::from(self.item_len));
                self.filled = 0;
                self.item_complete()?;
            }
        }
        Ok(bytes.len().saturating_sub(rest.len()))
    }

    /// Takes bytes that are skipped and returns those behind them, or nothing if there are none
    /// to take.
    fn pass<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        if bytes.is_empty() {
            return None;
        }
        let wanted = usize::try_from(self.skip)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let (_, later) = bytes.split_at_checked(wanted)?;
        let passed = u32::try_from(wanted).unwrap_or(self.skip);
        self.skip = self.skip.saturating_sub(passed);
        self.pos = self.pos.saturating_add(passed);
        Some(later)
    }

    /// Copies bytes into the item and returns those behind it.
    fn collect<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let missing = usize::from(self.item_len.saturating_sub(self.filled));
        let (now, later) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
        let room = self.item.iter_mut().skip(usize::from(self.filled));
        for (to, from) in room.zip(now) {
            *to = *from;
            self.filled = self.filled.saturating_add(1);
        }
        later
    }

    #[inline(never)]
    fn item_complete(&mut self) -> Result<(), Refused> {
        match self.expect {
            Expect::Header => self.header_complete(),
            Expect::AreaInfo => self.area_info_complete(),
            Expect::EntryHead => self.entry_head_complete(),
            Expect::EntryData { kind } => {
                self.entry_data_complete(kind)?;
                self.next_entry()
            }
        }
    }

    fn want(&mut self, expect: Expect, item_len: u8) {
        self.expect = expect;
        self.item_len = item_len;
    }

    fn header_complete(&mut self) -> Result<(), Refused> {
        let header = ImageHeader::parse(&self.item_bytes(), self.slot_len)?;
        self.found.header = Some(header);
        self.skip = u32::from(header.header_len.saturating_sub(u16::from(HEADER_LEN)))
            .saturating_add(header.payload_len);
        self.end = header
            .hashed_len()
            .saturating_add(u32::from(tlv::AREA_INFO_LEN));
        if header.protected_len == 0 {
            self.area = Area::Unprotected;
        }
        self.want(Expect::AreaInfo, tlv::AREA_INFO_LEN);
        Ok(())
    }

    fn area_info_complete(&mut self) -> Result<(), Refused> {
        let (magic, len) = self.item_u16s();
        let expected = match self.area {
            Area::Protected => tlv::PROTECTED_MAGIC,
            Area::Unprotected => tlv::UNPROTECTED_MAGIC,
        };
        if magic != expected {
            return Err(ImageError::Malformed(Malformed::AreaMagic(magic)));
        }
        let data_len = len
            .checked_sub(u16::from(tlv::AREA_INFO_LEN))
            .ok_or(ImageError::Malformed(Malformed::AreaLen(len)))?;
        let area_end = u64::from(self.pos).saturating_add(u64::from(data_len));
        match self.area {
            Area::Protected => {
                if self
                    .found
                    .header
                    .is_none_or(|header| header.protected_len != len)
                {
                    return Err(ImageError::Malformed(Malformed::AreaLen(len)));
                }
            }
            Area::Unprotected => {
                if area_end > u64::from(self.slot_len) {
                    let slot_len = self.slot_len;
                    return Err(ImageError::TooLarge {
                        needed: area_end,
                        slot_len,
                    });
                }
            }
        }
        self.area_end = self.pos.saturating_add(u32::from(data_len));
        if self.area == Area::Unprotected {
            self.end = self.area_end;
        }
        self.next_entry()
    }

    /// Goes on behind an entry, or behind the head of an area.
    fn next_entry(&mut self) -> Result<(), Refused> {
        let left = self
            .area_end
            .saturating_sub(self.pos.saturating_add(self.skip));
        if left == 0 {
            match self.area {
                Area::Protected => {
                    self.area = Area::Unprotected;
                    self.want(Expect::AreaInfo, tlv::AREA_INFO_LEN);
                }
                Area::Unprotected => self.done = Some(self.found.complete(self.area_end)?),
            }
        } else if left < u32::from(tlv::ENTRY_HEAD_LEN) {
            return Err(ImageError::Malformed(Malformed::TlvBounds));
        } else {
            self.want(Expect::EntryHead, tlv::ENTRY_HEAD_LEN);
        }
        Ok(())
    }

    fn entry_head_complete(&mut self) -> Result<(), Refused> {
        let (kind, len) = self.item_u16s();
        self.tlvs = self.tlvs.saturating_add(1);
        if self.tlvs > tlv::TLVS_MAX {
            return Err(ImageError::Malformed(Malformed::TlvCount));
        }
        if u32::from(len) > self.area_end.saturating_sub(self.pos) {
            return Err(ImageError::Malformed(Malformed::TlvBounds));
        }
        if let Some(item_len) = self.area.item_len(kind, len)? {
            self.want(Expect::EntryData { kind }, item_len);
            Ok(())
        } else {
            self.skip = u32::from(len);
            self.next_entry()
        }
    }

    #[inline(never)]
    fn entry_data_complete(&mut self, kind: u16) -> Result<(), Refused> {
        let duplicate = match kind {
            tlv::SECURITY_COUNTER => {
                let counter = u32::from_le_bytes(self.item_bytes());
                self.found.security_counter.replace(counter).is_some()
            }
            tlv::REVOKE => {
                let revoke = u16::from_le_bytes(self.item_bytes());
                self.found.revoke.replace(revoke).is_some()
            }
            tlv::VENDOR_ID => self.found.vid.replace(Uuid(self.item_bytes())).is_some(),
            tlv::CLASS_ID => self.found.cid.replace(Uuid(self.item_bytes())).is_some(),
            tlv::LABEL => {
                let label = Label::from_bytes(self.item_slice())
                    .ok_or(ImageError::Malformed(Malformed::Label))?;
                self.found.label.replace(label).is_some()
            }
            tlv::DEPENDENCY => self.dependency()?,
            #[cfg(feature = "parts")]
            tlv::IMAGE_INDEX..=tlv::PART_LAST => {
                let mut parts = self.found.parts;
                let again = parts.take(kind, self.item_slice(), self.slot_len)?;
                self.found.parts = parts;
                again
            }
            #[cfg(feature = "encryption")]
            tlv::ENCRYPTION_X25519 => {
                let len = u16::from(self.item_len);
                let key = EncryptedKey::new(self.item_slice())
                    .ok_or(ImageError::Malformed(Malformed::TlvLen { kind, len }))?;
                self.found.encryption.replace(key).is_some()
            }
            tlv::KEY_HASH => self.found.key_hash.replace(self.item_bytes()).is_some(),
            tlv::SHA256 => self.found.image_hash.replace(self.item_bytes()).is_some(),
            _ => {
                let offset = self.pos.saturating_sub(u32::from(self.item_len));
                let signature = self.signature(kind)?;
                self.found.signature.replace((signature, offset)).is_some()
            }
        };
        if duplicate {
            return Err(ImageError::Malformed(Malformed::TlvDuplicate(kind)));
        }
        Ok(())
    }

    /// Keeps the dependency that was collected; whether there was one on the same image already.
    fn dependency(&mut self) -> Result<bool, Refused> {
        let parsed = Dependency::parse(self.item_bytes());
        let new = parsed.ok_or(ImageError::Unsupported(Unsupported::Dependency))?;
        match self.found.dependencies.add(new) {
            Ok(()) => Ok(false),
            Err(AddError::Duplicate) => Ok(true),
            Err(AddError::TooMany) => Err(ImageError::Malformed(Malformed::DependencyCount)),
        }
    }

    /// The signature that was collected.
    fn signature(&self, kind: u16) -> Result<Signature, Refused> {
        #[cfg(feature = "p256")]
        if kind == tlv::SIGNATURE_ECDSA {
            let len = u16::from(self.item_len);
            return ecdsa::P256Signature::new(self.item_slice())
                .map(Signature::P256)
                .ok_or(ImageError::Malformed(Malformed::TlvLen { kind, len }));
        }
        if kind == tlv::SIGNATURE_ED25519 {
            Ok(Signature::Ed25519(self.item_bytes()))
        } else {
            Err(ImageError::Unsupported(Unsupported::Signature(kind)))
        }
    }

    fn item_slice(&self) -> &[u8] {
        let len = usize::from(self.item_len);
        self.item.get(..len).unwrap_or_default()
    }

    /// The first bytes of the item; callers ask for no more than they made the parser collect.
    fn item_bytes<const N: usize>(&self) -> [u8; N] {
        self.item.first_chunk().copied().unwrap_or([0; N])
    }

    fn item_u16s(&self) -> (u16, u16) {
        let [a0, a1, b0, b1] = self.item_bytes();
        (u16::from_le_bytes([a0, a1]), u16::from_le_bytes([b0, b1]))
    }
}

impl Area {
    /// How many bytes of this entry are kept: `None` for an entry that may be skipped.
    fn item_len(self, kind: u16, len: u16) -> Result<Option<u8>, Refused> {
        let (area, least, most) = match kind {
            tlv::SECURITY_COUNTER => (Self::Protected, 4, 4),
            tlv::VENDOR_ID | tlv::CLASS_ID => (Self::Protected, 16, 16),
            tlv::LABEL => (Self::Protected, 1, 32),
            tlv::DEPENDENCY => (Self::Protected, DEPENDENCY_LEN, DEPENDENCY_LEN),
            tlv::REVOKE => (Self::Protected, 2, 2),
            #[cfg(feature = "parts")]
            tlv::IMAGE_INDEX => (Self::Protected, 1, 1),
            #[cfg(feature = "parts")]
            tlv::PART_FIRST..=tlv::PART_LAST => (Self::Protected, PART_LEN, PART_LEN),
            tlv::KEY_HASH | tlv::SHA256 => (Self::Unprotected, 32, 32),
            tlv::SIGNATURE_ED25519 => (Self::Unprotected, 64, 64),
            tlv::ENCRYPTION_X25519 if cfg!(feature = "encryption") => {
                (Self::Unprotected, KEY_TLV_LEN_SHORT, KEY_TLV_LEN_LONG)
            }
            tlv::SIGNATURE_ECDSA if cfg!(feature = "p256") => (
                Self::Unprotected,
                ecdsa::P256_SIGNATURE_LEN_MIN,
                ecdsa::P256_SIGNATURE_LEN_MAX,
            ),
            _ => {
                return self
                    .skip_or_refuse(kind)
                    .map(|()| None)
                    .map_err(ImageError::Unsupported);
            }
        };
        if self != area {
            return Err(ImageError::Malformed(Malformed::TlvArea(kind)));
        }
        match u8::try_from(len) {
            Ok(len) if (least..=most).contains(&len) => Ok(Some(len)),
            Ok(_) | Err(_) => Err(ImageError::Malformed(Malformed::TlvLen { kind, len })),
        }
    }

    /// What to do with an entry whose value means nothing here. A protected one that could be
    /// essential is refused. So is every one outside the signed part: nobody vouches for it, and
    /// whoever changes it must not get away with it.
    fn skip_or_refuse(self, kind: u16) -> Result<(), Unsupported> {
        match kind {
            tlv::SHA384 | tlv::SHA512 => Err(Unsupported::Hash(kind)),
            tlv::PUBLIC_KEY | tlv::SIGNATURE_RSA2048..=tlv::SIGNATURE_RSA3072 => {
                Err(Unsupported::Signature(kind))
            }
            tlv::SIGNATURE_PURE => Err(Unsupported::PureSignature),
            tlv::ENCRYPTION_FIRST..=tlv::ENCRYPTION_LAST => Err(Unsupported::Encryption),
            tlv::COMPRESSION_FIRST..=tlv::COMPRESSION_LAST => Err(Unsupported::Compression),
            _ if self == Self::Unprotected => Err(Unsupported::UnprotectedTlv(kind)),
            // Known only with the feature `parts`; whoever skips them would run half of a file.
            tlv::IMAGE_INDEX..=tlv::PART_LAST => Err(Unsupported::ProtectedTlv(kind)),
            tlv::BOOT_RECORD => Ok(()),
            _ if tlv::is_vendor(kind) => Ok(()),
            _ => Err(Unsupported::ProtectedTlv(kind)),
        }
    }
}

impl Found {
    fn complete(&self, len: u32) -> Result<ImageInfo, Refused> {
        let header = self.header.ok_or(ImageError::Malformed(Malformed::Magic))?;
        let image_hash = self
            .image_hash
            .ok_or(ImageError::Malformed(Malformed::HashMissing))?;
        let (Some(key_hash), Some((signature, signature_offset))) = (self.key_hash, self.signature)
        else {
            return Err(ImageError::Malformed(Malformed::Unsigned));
        };
        let key_bits = match self.encryption {
            None => 0,
            Some(key) if key.is_256() => ImageFlags::ENCRYPTED_AES256,
            Some(_) => ImageFlags::ENCRYPTED_AES128,
        };
        if header.flags.encryption() != key_bits {
            return Err(ImageError::Malformed(Malformed::EncryptedKey));
        }
        #[cfg(feature = "parts")]
        let parts = {
            let mut parts = self.parts;
            parts.complete(len, header.flags.is_encrypted())?;
            parts
        };
        #[cfg(not(feature = "parts"))]
        let parts = self.parts;
        Ok(ImageInfo {
            header,
            len: len.max(parts.end()),
            hashed_len: header.hashed_len(),
            security_counter: self.security_counter.unwrap_or(0),
            vid: self.vid,
            cid: self.cid,
            label: self.label,
            dependencies: self.dependencies,
            encryption: self.encryption,
            revoke: self.revoke.unwrap_or(0),
            parts,
            key_hash,
            image_hash,
            signature,
            signature_offset,
        })
    }
}
