//! Reads an image front to back, in pieces of any size.
//!
//! There is one parser for both users: `inspect` reads just the items it asks for and jumps over the
//! rest; `Verification` reads every byte, and hands it the same bytes that go into the hash. An item is
//! the header, an area's head, an entry's head, or the data of an entry it knows.

use core::convert::Infallible;

use crate::board::{BoardIds, Uuid};
use crate::dependency::{AddError, DEPENDENCY_LEN, Dependencies, Dependency};
use crate::ecdsa;
use crate::encryption::KEY_TLV_LEN_LONG;
#[cfg(feature = "encryption")]
use crate::encryption::{EncryptedKey, KEY_TLV_LEN_SHORT};
use crate::error::{Malformed, Unsupported, VerifyError};
use crate::header::{HEADER_LEN, ImageFlags, ImageHeader, Version};
use crate::info::{ImageInfo, Label, is_plain_text};
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

/// How a refusal is told: to an agent or a tool with all it knows, to a bootloader as a
/// [`Reason`](crate::Reason). The checks are the same code.
pub(crate) trait Refuse: From<VerifyError<Infallible>> + Copy {}
impl<R: From<VerifyError<Infallible>> + Copy> Refuse for R {}

/// A rule of the format is broken.
#[expect(
    clippy::inline_always,
    reason = "a constant where nobody asks which rule"
)]
#[inline(always)]
pub(crate) fn malformed<R: Refuse>(which: Malformed) -> R {
    VerifyError::Malformed(which).into()
}

/// The image asks for something Otaru does not do.
#[expect(clippy::inline_always, reason = "a constant where nobody asks what")]
#[inline(always)]
pub(crate) fn unsupported<R: Refuse>(what: Unsupported) -> R {
    VerifyError::Unsupported(what).into()
}

/// What the parser needs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// An item of this many bytes.
    Item(u8),
    /// This many bytes, at which it does not look.
    Skip(u32),
    /// Nothing: the image is complete.
    Nothing,
}

/// What the next item means.
#[derive(Debug, Clone, Copy)]
enum Expect {
    Header,
    AreaInfo,
    EntryHead,
    EntryData(&'static Rule),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Area {
    Protected,
    Unprotected,
}

/// A TLV that is known: where it stands, how long it is, and what it says.
#[derive(Debug)]
struct Rule {
    kind: u16,
    least: u8,
    most: u8,
    area: Area,
    value: Value,
}

/// What a TLV says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Value {
    Counter,
    Vendor,
    Class,
    Label,
    Revoke,
    KeyHash,
    ImageHash,
    /// Whichever the algorithm.
    Signature,
    // Those that follow are not counted, there may be several, or they look after it themselves.
    Dependency,
    #[cfg(feature = "parts")]
    Part,
    #[cfg(feature = "encryption")]
    EncryptedKey,
}

impl Value {
    /// The bit that is set once there was one.
    pub(crate) const fn bit(self) -> u8 {
        if let Some(bit) = 1_u8.checked_shl(self as u32) {
            bit
        } else {
            0
        }
    }
}

const fn rule(kind: u16, area: Area, (least, most): (u8, u8), value: Value) -> Rule {
    Rule {
        kind,
        least,
        most,
        area,
        value,
    }
}

#[cfg(feature = "parts")]
const fn part_rule(place: u16) -> Rule {
    let kind = tlv::PART_FIRST.saturating_add(place);
    rule(kind, Area::Protected, (PART_LEN, PART_LEN), Value::Part)
}

#[cfg(feature = "parts")]
const _: () = assert!(
    tlv::PART_LAST == tlv::PART_FIRST + 2,
    "the table of rules names every part"
);

const RULES: &[Rule] = &[
    rule(
        tlv::SECURITY_COUNTER,
        Area::Protected,
        (4, 4),
        Value::Counter,
    ),
    rule(tlv::VENDOR_ID, Area::Protected, (16, 16), Value::Vendor),
    rule(tlv::CLASS_ID, Area::Protected, (16, 16), Value::Class),
    rule(tlv::LABEL, Area::Protected, (1, 32), Value::Label),
    rule(
        tlv::DEPENDENCY,
        Area::Protected,
        (DEPENDENCY_LEN, DEPENDENCY_LEN),
        Value::Dependency,
    ),
    rule(tlv::REVOKE, Area::Protected, (2, 2), Value::Revoke),
    #[cfg(feature = "parts")]
    rule(tlv::IMAGE_INDEX, Area::Protected, (1, 1), Value::Part),
    #[cfg(feature = "parts")]
    part_rule(0),
    #[cfg(feature = "parts")]
    part_rule(1),
    #[cfg(feature = "parts")]
    part_rule(2),
    rule(tlv::KEY_HASH, Area::Unprotected, (32, 32), Value::KeyHash),
    rule(tlv::SHA256, Area::Unprotected, (32, 32), Value::ImageHash),
    rule(
        tlv::SIGNATURE_ED25519,
        Area::Unprotected,
        (64, 64),
        Value::Signature,
    ),
    #[cfg(feature = "p256")]
    rule(
        tlv::SIGNATURE_ECDSA,
        Area::Unprotected,
        (ecdsa::P256_SIGNATURE_LEN_MIN, ecdsa::P256_SIGNATURE_LEN_MAX),
        Value::Signature,
    ),
    #[cfg(feature = "encryption")]
    rule(
        tlv::ENCRYPTION_X25519,
        Area::Unprotected,
        (KEY_TLV_LEN_SHORT, KEY_TLV_LEN_LONG),
        Value::EncryptedKey,
    ),
];

const EMPTY: ImageInfo = ImageInfo {
    header: ImageHeader {
        load_address: 0,
        header_len: 0,
        protected_len: 0,
        payload_len: 0,
        flags: ImageFlags(0),
        version: Version {
            major: 0,
            minor: 0,
            revision: 0,
            build: 0,
        },
    },
    len: 0,
    hashed_len: 0,
    security_counter: 0,
    seen: 0,
    ids: BoardIds {
        vid: Uuid([0; 16]),
        cid: Uuid([0; 16]),
    },
    label: None,
    dependencies: Dependencies::NONE,
    encryption: None,
    revoke: 0,
    parts: Parts::NONE,
    key_hash: [0; 32],
    image_hash: [0; 32],
    signature: Signature::Ed25519([0; 64]),
    signature_offset: 0,
};

#[derive(Debug, Clone)]
#[repr(C)] // In this order, because a short instruction reaches the first bytes of a value.
pub(crate) struct Parser {
    /// Bytes of the next item, 0 when the image is complete.
    item_len: u8,
    tlvs: u8,
    area: Area,
    expect: Expect,
    slot_len: u32,
    /// Bytes taken so far; the offset of the next one.
    pos: u32,
    /// Bytes to pass over before the next item.
    skip: u32,
    /// First byte behind what is known to belong to the image.
    end: u32,
    /// First byte behind the area that is being read.
    area_end: u32,
    info: ImageInfo,
}

impl Parser {
    pub(crate) fn new(slot_len: u32) -> Self {
        Self {
            slot_len,
            pos: 0,
            skip: 0,
            item_len: HEADER_LEN,
            expect: Expect::Header,
            area: Area::Protected,
            end: u32::from(HEADER_LEN),
            area_end: 0,
            tlvs: 0,
            info: EMPTY,
        }
    }

    /// Refuses a slot in which not even a header fits.
    pub(crate) fn check_slot<R: Refuse>(slot_len: u32) -> Option<R> {
        let needed = u64::from(HEADER_LEN);
        let too_large = VerifyError::TooLarge { needed, slot_len };
        (slot_len < u32::from(HEADER_LEN)).then(|| too_large.into())
    }

    /// Length of the file as far as it is known: it is at least this long, and never beyond the
    /// slot.
    pub(crate) fn known_len(&self) -> u32 {
        self.end.max(self.info.parts.end())
    }

    /// Offset of the next byte.
    pub(crate) const fn pos(&self) -> u32 {
        self.pos
    }

    /// Bytes the image hash covers; 0 before the header was read.
    pub(crate) const fn hashed_len(&self) -> u32 {
        self.info.hashed_len
    }

    /// The description as far as it goes.
    pub(crate) const fn described(&self) -> &ImageInfo {
        &self.info
    }

    /// The complete description, once the last byte was taken.
    pub(crate) fn info(&self) -> Option<&ImageInfo> {
        (self.item_len == 0).then_some(&self.info)
    }

    pub(crate) const fn next(&self) -> Next {
        if self.skip > 0 {
            Next::Skip(self.skip)
        } else if self.item_len > 0 {
            Next::Item(self.item_len)
        } else {
            Next::Nothing
        }
    }

    /// Passes over so many of the bytes nobody looks at.
    pub(crate) fn pass(&mut self, len: u32) {
        self.pos = self.pos.saturating_add(len);
        self.skip = self.skip.saturating_sub(len);
    }

    /// Takes the item that comes next.
    #[inline(never)]
    pub(crate) fn take<R: Refuse>(&mut self, item: &[u8]) -> Result<(), R> {
        self.pos = self.pos.saturating_add(u32::from(self.item_len));
        match self.expect {
            Expect::Header => return self.header(item),
            Expect::AreaInfo => self.area_info(item)?,
            Expect::EntryHead => {
                if self.entry_head(item)? {
                    return Ok(());
                }
            }
            Expect::EntryData(rule) => self.entry_data(rule, item)?,
        }
        self.next_entry()
    }

    fn want(&mut self, expect: Expect, item_len: u8) {
        self.expect = expect;
        self.item_len = item_len;
    }

    fn header<R: Refuse>(&mut self, item: &[u8]) -> Result<(), R> {
        let header = item.first_chunk().and_then(ImageHeader::read);
        let header = header.ok_or_else(|| malformed(Malformed::Magic))?;
        header.check(self.slot_len)?;
        self.info.header = header;
        self.info.hashed_len = header.hashed_len();
        self.skip = header
            .hashed_len()
            .saturating_sub(u32::from(header.protected_len).saturating_add(u32::from(HEADER_LEN)));
        self.end = header
            .hashed_len()
            .saturating_add(u32::from(tlv::AREA_INFO_LEN));
        if header.protected_len == 0 {
            self.area = Area::Unprotected;
        }
        self.want(Expect::AreaInfo, tlv::AREA_INFO_LEN);
        Ok(())
    }

    fn area_info<R: Refuse>(&mut self, item: &[u8]) -> Result<(), R> {
        let (magic, len) = two_numbers(item);
        let protected = self.area == Area::Protected;
        let expected = if protected {
            tlv::PROTECTED_MAGIC
        } else {
            tlv::UNPROTECTED_MAGIC
        };
        if magic != expected {
            return Err(malformed(Malformed::AreaMagic(magic)));
        }
        let impossible = Malformed::AreaLen(len);
        let data_len = len.checked_sub(u16::from(tlv::AREA_INFO_LEN));
        let data_len = u32::from(data_len.ok_or_else(|| malformed(impossible))?);
        self.area_end = self.pos.saturating_add(data_len);
        if protected {
            if self.info.header.protected_len != len {
                return Err(malformed(impossible));
            }
        } else {
            if data_len > self.slot_len.saturating_sub(self.pos) {
                let needed = u64::from(self.pos).saturating_add(u64::from(data_len));
                let slot_len = self.slot_len;
                return Err(VerifyError::TooLarge { needed, slot_len }.into());
            }
            self.end = self.area_end;
        }
        Ok(())
    }

    /// Goes on behind an entry, or behind the head of an area.
    fn next_entry<R: Refuse>(&mut self) -> Result<(), R> {
        let left = self
            .area_end
            .saturating_sub(self.pos.saturating_add(self.skip));
        if left == 0 {
            if self.area == Area::Unprotected {
                return self.image_complete();
            }
            self.area = Area::Unprotected;
            self.want(Expect::AreaInfo, tlv::AREA_INFO_LEN);
        } else if left < u32::from(tlv::ENTRY_HEAD_LEN) {
            return Err(malformed(Malformed::TlvBounds));
        } else {
            self.want(Expect::EntryHead, tlv::ENTRY_HEAD_LEN);
        }
        Ok(())
    }

    /// Whether the value of this entry is wanted; else it is passed over.
    fn entry_head<R: Refuse>(&mut self, item: &[u8]) -> Result<bool, R> {
        let (kind, len) = two_numbers(item);
        self.tlvs = self.tlvs.saturating_add(1);
        if self.tlvs > tlv::TLVS_MAX {
            return Err(malformed(Malformed::TlvCount));
        }
        if u32::from(len) > self.area_end.saturating_sub(self.pos) {
            return Err(malformed(Malformed::TlvBounds));
        }
        let Some(rule) = RULES.iter().find(|rule| rule.kind == kind) else {
            self.area.skip_or_refuse(kind).map_err(unsupported)?;
            self.skip = u32::from(len);
            return Ok(false);
        };
        if self.area != rule.area {
            return Err(malformed(Malformed::TlvArea(kind)));
        }
        let [item_len, _] = len.to_le_bytes();
        if len > u16::from(rule.most) || item_len < rule.least {
            return Err(malformed(Malformed::TlvLen { kind, len }));
        }
        self.want(Expect::EntryData(rule), item_len);
        Ok(true)
    }

    fn entry_data<R: Refuse>(&mut self, rule: &Rule, value: &[u8]) -> Result<(), R> {
        let kind = rule.kind;
        let info = &mut self.info;
        let target: &mut [u8] = match rule.value {
            Value::Counter => {
                let bytes = value.first_chunk().copied().unwrap_or_default();
                info.security_counter = u32::from_le_bytes(bytes);
                &mut []
            }
            Value::Vendor => &mut info.ids.vid.0,
            Value::Class => &mut info.ids.cid.0,
            Value::Label => {
                if !is_plain_text(value) {
                    return Err(malformed(Malformed::Label));
                }
                info.label
                    .insert(Label::of_zeros(self.item_len))
                    .bytes_mut()
            }
            Value::Revoke => {
                let bytes = value.first_chunk().copied().unwrap_or_default();
                info.revoke = u16::from_le_bytes(bytes);
                &mut []
            }
            Value::KeyHash => &mut info.key_hash,
            Value::ImageHash => &mut info.image_hash,
            Value::Signature => {
                info.signature_offset = self.pos.saturating_sub(u32::from(self.item_len));
                keep_signature(&mut info.signature, kind, value).map_err(unsupported)?;
                &mut []
            }
            Value::Dependency => {
                add_dependency(&mut info.dependencies, value)?;
                &mut []
            }
            #[cfg(feature = "parts")]
            Value::Part => {
                if info.parts.take(kind, value, self.slot_len)? {
                    return Err(malformed(Malformed::TlvDuplicate(kind)));
                }
                &mut []
            }
            #[cfg(feature = "encryption")]
            Value::EncryptedKey => {
                let len = u16::from(self.item_len);
                let key = EncryptedKey::new(value);
                let key = key.ok_or_else(|| malformed(Malformed::TlvLen { kind, len }))?;
                if info.encryption.replace(key).is_some() {
                    return Err(malformed(Malformed::TlvDuplicate(kind)));
                }
                &mut []
            }
        };
        keep(target, value);
        let bit = rule.value.bit();
        if info.seen & bit != 0 {
            return Err(malformed(Malformed::TlvDuplicate(kind)));
        }
        info.seen |= bit;
        Ok(())
    }

    fn image_complete<R: Refuse>(&mut self) -> Result<(), R> {
        let info = &mut self.info;
        let signed = Value::KeyHash.bit() | Value::Signature.bit();
        if info.seen & Value::ImageHash.bit() == 0 {
            return Err(malformed(Malformed::HashMissing));
        }
        if info.seen & signed != signed {
            return Err(malformed(Malformed::Unsigned));
        }
        let key_bits = match info.encryption {
            None => 0,
            Some(key) if key.is_256() => ImageFlags::ENCRYPTED_AES256,
            Some(_) => ImageFlags::ENCRYPTED_AES128,
        };
        if info.header.flags.encryption() != key_bits {
            return Err(malformed(Malformed::EncryptedKey));
        }
        #[cfg(feature = "parts")]
        info.parts.complete(
            self.area_end,
            info.header.flags.is_encrypted(),
            &info.dependencies,
        )?;
        info.len = self.area_end.max(info.parts.end());
        self.item_len = 0;
        Ok(())
    }
}

/// The two numbers of the head of an area or entry, which the parser asked for.
fn two_numbers(item: &[u8]) -> (u16, u16) {
    let [a0, a1, b0, b1] = item.first_chunk().copied().unwrap_or_default();
    (u16::from_le_bytes([a0, a1]), u16::from_le_bytes([b0, b1]))
}

/// Copies as many bytes as fit.
#[inline(never)]
fn keep(target: &mut [u8], bytes: &[u8]) {
    for (to, from) in target.iter_mut().zip(bytes) {
        *to = *from;
    }
}

fn add_dependency<R: Refuse>(known: &mut Dependencies, value: &[u8]) -> Result<(), R> {
    let parsed = value.first_chunk().and_then(Dependency::parse);
    let new = parsed.ok_or_else(|| unsupported(Unsupported::Dependency))?;
    known.add(new).map_err(|error| {
        malformed(match error {
            AddError::Duplicate => Malformed::TlvDuplicate(tlv::DEPENDENCY),
            AddError::TooMany => Malformed::DependencyCount,
        })
    })
}

/// Keeps the signature in a TLV of this kind.
fn keep_signature(to: &mut Signature, kind: u16, value: &[u8]) -> Result<(), Unsupported> {
    #[cfg(feature = "p256")]
    if kind == tlv::SIGNATURE_ECDSA {
        let signature = ecdsa::P256Signature::new(value);
        *to = Signature::P256(signature.ok_or(Unsupported::Signature(kind))?);
        return Ok(());
    }
    match (to, value.first_chunk()) {
        (Signature::Ed25519(to), Some(bytes)) => {
            *to = *bytes;
            Ok(())
        }
        (Signature::Ed25519(_) | Signature::P256(_), _) => Err(Unsupported::Signature(kind)),
    }
}

impl Area {
    /// What to do with an entry whose value means nothing here. A protected one that could be
    /// essential is refused. So is every one outside the signed part: nobody vouches for it, and
    /// whoever changes it must not get away with it.
    fn skip_or_refuse(self, kind: u16) -> Result<(), Unsupported> {
        // Among Otaru's own are those of the feature `parts`: whoever skips them would run half of a
        // file.
        let own = (tlv::IMAGE_INDEX..=tlv::OWN_LAST).contains(&kind);
        let harmless = kind == tlv::BOOT_RECORD || (tlv::is_vendor(kind) && !own);
        if self == Self::Protected && harmless {
            return Ok(());
        }
        Err(match kind {
            tlv::SHA384 | tlv::SHA512 => Unsupported::Hash(kind),
            tlv::PUBLIC_KEY | tlv::SIGNATURE_RSA2048..=tlv::SIGNATURE_RSA3072 => {
                Unsupported::Signature(kind)
            }
            tlv::SIGNATURE_PURE => Unsupported::PureSignature,
            tlv::ENCRYPTION_FIRST..=tlv::ENCRYPTION_LAST => Unsupported::Encryption,
            tlv::COMPRESSION_FIRST..=tlv::COMPRESSION_LAST => Unsupported::Compression,
            _ if self == Self::Unprotected => Unsupported::UnprotectedTlv(kind),
            _ => Unsupported::ProtectedTlv(kind),
        })
    }
}
