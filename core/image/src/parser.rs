//! Reads an image front to back, in pieces of any size.
//!
//! There is one parser for both users: `inspect` hands it just the items it asks for and jumps over
//! the rest; `Verification` hands it every byte, the same bytes that go into the hash. It keeps one
//! item at a time: the header, an area's head, an entry's head, or the data of an entry it knows.

use crate::board::Uuid;
use crate::dependency::{AddError, DEPENDENCY_LEN, Dependencies, Dependency};
use crate::ecdsa;
use crate::encryption::KEY_TLV_LEN_LONG;
#[cfg(feature = "encryption")]
use crate::encryption::{EncryptedKey, KEY_TLV_LEN_SHORT};
use crate::error::{ImageError, Malformed, Unsupported, VerifyError};
use crate::header::{HEADER_LEN, ImageFlags, ImageHeader, Version};
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

/// Why the bytes so far are no image. In eight bytes, so that it is returned in registers;
/// [`Parser::error`] knows the numbers that are missing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Malformed(Malformed),
    Unsupported(Unsupported),
    /// The slot is shorter than [`Parser`] knows.
    TooLarge,
    /// The key of an encrypted image is for another device.
    #[cfg_attr(
        not(feature = "encryption"),
        expect(dead_code, reason = "only an encrypted image ends in it")
    )]
    NotDecryptable,
}

/// What the parser needs now.
#[derive(Debug)]
pub(crate) enum Next {
    /// `len` bytes at `offset`.
    Item { offset: u32, len: u8 },
    /// Bytes it does not look at.
    Skip,
}

/// What the item means that is being collected.
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

/// A TLV whose value is kept: where it stands, and how long it is.
#[derive(Debug)]
struct Rule {
    kind: u16,
    least: u8,
    most: u8,
    area: Area,
    /// Bit that is set once the value was found; 0 if there may be several.
    once: u8,
}

const COUNTER: u8 = 1 << 0;
const VENDOR: u8 = 1 << 1;
const CLASS: u8 = 1 << 2;
const LABELLED: u8 = 1 << 3;
const REVOKES: u8 = 1 << 4;
const KEY_HASH: u8 = 1 << 5;
const IMAGE_HASH: u8 = 1 << 6;
/// Whichever the algorithm.
const SIGNATURE: u8 = 1 << 7;

const fn rule(kind: u16, area: Area, (least, most): (u8, u8), once: u8) -> Rule {
    Rule {
        kind,
        least,
        most,
        area,
        once,
    }
}

#[cfg(feature = "parts")]
const fn part_rule(place: u16) -> Rule {
    let kind = tlv::PART_FIRST.saturating_add(place);
    rule(kind, Area::Protected, (PART_LEN, PART_LEN), 0)
}

#[cfg(feature = "parts")]
const _: () = assert!(
    tlv::PART_LAST == tlv::PART_FIRST + 2,
    "the table of rules names every part"
);

const RULES: &[Rule] = &[
    rule(tlv::SECURITY_COUNTER, Area::Protected, (4, 4), COUNTER),
    rule(tlv::VENDOR_ID, Area::Protected, (16, 16), VENDOR),
    rule(tlv::CLASS_ID, Area::Protected, (16, 16), CLASS),
    rule(tlv::LABEL, Area::Protected, (1, 32), LABELLED),
    rule(
        tlv::DEPENDENCY,
        Area::Protected,
        (DEPENDENCY_LEN, DEPENDENCY_LEN),
        0,
    ),
    rule(tlv::REVOKE, Area::Protected, (2, 2), REVOKES),
    #[cfg(feature = "parts")]
    rule(tlv::IMAGE_INDEX, Area::Protected, (1, 1), 0),
    #[cfg(feature = "parts")]
    part_rule(0),
    #[cfg(feature = "parts")]
    part_rule(1),
    #[cfg(feature = "parts")]
    part_rule(2),
    rule(tlv::KEY_HASH, Area::Unprotected, (32, 32), KEY_HASH),
    rule(tlv::SHA256, Area::Unprotected, (32, 32), IMAGE_HASH),
    rule(
        tlv::SIGNATURE_ED25519,
        Area::Unprotected,
        (64, 64),
        SIGNATURE,
    ),
    #[cfg(feature = "p256")]
    rule(
        tlv::SIGNATURE_ECDSA,
        Area::Unprotected,
        (ecdsa::P256_SIGNATURE_LEN_MIN, ecdsa::P256_SIGNATURE_LEN_MAX),
        SIGNATURE,
    ),
    #[cfg(feature = "encryption")]
    rule(
        tlv::ENCRYPTION_X25519,
        Area::Unprotected,
        (KEY_TLV_LEN_SHORT, KEY_TLV_LEN_LONG),
        0,
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
    vid: None,
    cid: None,
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

/// In this order, because a short instruction reaches the first 31 bytes of a value byte by byte and the
/// first 124 word by word.
#[derive(Debug, Clone)]
#[repr(C)]
pub(crate) struct Parser {
    item_len: u8,
    filled: u8,
    tlvs: u8,
    /// The values found so far, as [`Rule::once`].
    seen: u8,
    complete: bool,
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
    /// Bytes that were needed when the slot turned out to be too short.
    needed: u64,
    item: [u8; ITEM_LEN_MAX],
    info: ImageInfo,
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
            needed: u64::from(HEADER_LEN),
            tlvs: 0,
            seen: 0,
            complete: false,
            info: EMPTY,
        }
    }

    /// Refuses a slot in which not even a header fits.
    pub(crate) fn check_slot(slot_len: u32) -> Option<Fault> {
        (slot_len < u32::from(HEADER_LEN)).then_some(Fault::TooLarge)
    }

    /// Takes over a fault that another pass over the same bytes has found.
    #[cfg(feature = "encryption")]
    pub(crate) fn adopt<E>(&mut self, error: ImageError<E>) -> Result<Fault, E> {
        Ok(match error {
            ImageError::Malformed(which) => Fault::Malformed(which),
            ImageError::Unsupported(what) => Fault::Unsupported(what),
            ImageError::TooLarge { needed, .. } => {
                self.needed = needed;
                Fault::TooLarge
            }
            ImageError::Read(cause) => return Err(cause),
        })
    }

    /// What a fault means to who verifies the image.
    pub(crate) fn error<E>(&self, fault: Fault) -> VerifyError<E> {
        match fault {
            Fault::Malformed(which) => VerifyError::Malformed(which),
            Fault::Unsupported(what) => VerifyError::Unsupported(what),
            Fault::TooLarge => VerifyError::TooLarge {
                needed: self.needed,
                slot_len: self.slot_len,
            },
            Fault::NotDecryptable => VerifyError::NotDecryptable,
        }
    }

    /// What it means to who only inspects it; the parser itself decrypts nothing.
    pub(crate) fn image_error<E>(&self, fault: Fault) -> ImageError<E> {
        match fault {
            Fault::Malformed(which) => ImageError::Malformed(which),
            Fault::Unsupported(what) => ImageError::Unsupported(what),
            Fault::TooLarge => ImageError::TooLarge {
                needed: self.needed,
                slot_len: self.slot_len,
            },
            Fault::NotDecryptable => ImageError::Unsupported(Unsupported::Encryption),
        }
    }

    /// Length of the file as far as it is known: it is at least this long, and never beyond the
    /// slot.
    pub(crate) fn known_len(&self) -> u32 {
        self.end.max(self.info.parts.end())
    }

    /// The same of the image without its parts.
    #[cfg(feature = "parts")]
    pub(crate) const fn own_len(&self) -> u32 {
        self.end
    }

    /// Bytes the image hash covers, once the header was read.
    pub(crate) fn hashed_len(&self) -> Option<u32> {
        (self.info.hashed_len > 0).then_some(self.info.hashed_len)
    }

    /// The complete description, once the last byte was taken.
    pub(crate) fn info(&self) -> Option<&ImageInfo> {
        self.complete.then_some(&self.info)
    }

    pub(crate) fn next(&self) -> Next {
        if self.skip > 0 {
            return Next::Skip;
        }
        Next::Item {
            offset: self.pos,
            len: self.item_len.saturating_sub(self.filled),
        }
    }

    /// Passes over the bytes nobody looks at without having read them.
    pub(crate) fn skip_all(&mut self) {
        self.pos = self.pos.saturating_add(self.skip);
        self.skip = 0;
    }

    /// Takes the next bytes of the image; those behind its last byte are not looked at.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut rest = bytes;
        // Each turn takes bytes: at most one turn for each.
        while !(self.complete || rest.is_empty()) {
            let missing = self.item_len.saturating_sub(self.filled);
            let skipping = self.skip > 0;
            let wanted = if skipping {
                self.skip
            } else {
                u32::from(missing)
            };
            let (now, later) = rest
                .split_at_checked(wanted as usize)
                .unwrap_or((rest, &[]));
            rest = later;
            let taken = u32::try_from(now.len()).unwrap_or(wanted);
            self.pos = self.pos.saturating_add(taken);
            if skipping {
                self.skip = self.skip.saturating_sub(taken);
                continue;
            }
            let room = self.item.get_mut(usize::from(self.filled)..);
            keep(room.unwrap_or_default(), now);
            self.filled = self
                .filled
                .saturating_add(u8::try_from(taken).unwrap_or(missing));
            if self.filled >= self.item_len {
                self.filled = 0;
                self.item_complete()?;
            }
        }
        Ok(())
    }

    #[inline(never)]
    fn item_complete(&mut self) -> Result<(), Fault> {
        match self.expect {
            Expect::Header => return self.header_complete(),
            Expect::AreaInfo => self.area_info_complete()?,
            Expect::EntryHead => {
                if self.entry_head_complete()? {
                    return Ok(());
                }
            }
            Expect::EntryData(rule) => self.entry_data_complete(rule)?,
        }
        self.next_entry()
    }

    fn want(&mut self, expect: Expect, item_len: u8) {
        self.expect = expect;
        self.item_len = item_len;
    }

    fn header_complete(&mut self) -> Result<(), Fault> {
        let header = ImageHeader::read(&self.item_bytes());
        let header = header.ok_or(Fault::Malformed(Malformed::Magic))?;
        self.info.header = header;
        self.needed = header.needed();
        header.check(self.slot_len)?;
        self.info.hashed_len = header.hashed_len();
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

    fn area_info_complete(&mut self) -> Result<(), Fault> {
        let (magic, len) = self.item_u16s();
        let protected = self.area == Area::Protected;
        let expected = if protected {
            tlv::PROTECTED_MAGIC
        } else {
            tlv::UNPROTECTED_MAGIC
        };
        if magic != expected {
            return Err(Fault::Malformed(Malformed::AreaMagic(magic)));
        }
        let impossible = Fault::Malformed(Malformed::AreaLen(len));
        let data_len = len
            .checked_sub(u16::from(tlv::AREA_INFO_LEN))
            .ok_or(impossible)?;
        self.area_end = self.pos.saturating_add(u32::from(data_len));
        if protected {
            if self.info.header.protected_len != len {
                return Err(impossible);
            }
        } else {
            self.needed = u64::from(self.pos).saturating_add(u64::from(data_len));
            if self.needed > u64::from(self.slot_len) {
                return Err(Fault::TooLarge);
            }
            self.end = self.area_end;
        }
        Ok(())
    }

    /// Goes on behind an entry, or behind the head of an area.
    fn next_entry(&mut self) -> Result<(), Fault> {
        let left = self
            .area_end
            .saturating_sub(self.pos.saturating_add(self.skip));
        if left == 0 {
            match self.area {
                Area::Protected => {
                    self.area = Area::Unprotected;
                    self.want(Expect::AreaInfo, tlv::AREA_INFO_LEN);
                }
                Area::Unprotected => return self.image_complete(),
            }
        } else if left < u32::from(tlv::ENTRY_HEAD_LEN) {
            return Err(Fault::Malformed(Malformed::TlvBounds));
        } else {
            self.want(Expect::EntryHead, tlv::ENTRY_HEAD_LEN);
        }
        Ok(())
    }

    /// Whether the value of this entry is wanted; else it is passed over.
    fn entry_head_complete(&mut self) -> Result<bool, Fault> {
        let (kind, len) = self.item_u16s();
        self.tlvs = self.tlvs.saturating_add(1);
        if self.tlvs > tlv::TLVS_MAX {
            return Err(Fault::Malformed(Malformed::TlvCount));
        }
        if u32::from(len) > self.area_end.saturating_sub(self.pos) {
            return Err(Fault::Malformed(Malformed::TlvBounds));
        }
        let Some(rule) = RULES.iter().find(|rule| rule.kind == kind) else {
            self.area.skip_or_refuse(kind).map_err(Fault::Unsupported)?;
            self.skip = u32::from(len);
            return Ok(false);
        };
        if self.area != rule.area {
            return Err(Fault::Malformed(Malformed::TlvArea(kind)));
        }
        match u8::try_from(len) {
            Ok(len) if (rule.least..=rule.most).contains(&len) => {
                self.want(Expect::EntryData(rule), len);
                Ok(true)
            }
            Ok(_) | Err(_) => Err(Fault::Malformed(Malformed::TlvLen { kind, len })),
        }
    }

    fn entry_data_complete(&mut self, rule: &Rule) -> Result<(), Fault> {
        let kind = rule.kind;
        let value = self.item.get(..usize::from(self.item_len));
        let value = value.unwrap_or_default();
        let info = &mut self.info;
        let mut number = [0; 4];
        let target: &mut [u8] = match kind {
            tlv::SECURITY_COUNTER | tlv::REVOKE => &mut number,
            tlv::VENDOR_ID => &mut info.vid.insert(Uuid([0; 16])).0,
            tlv::CLASS_ID => &mut info.cid.insert(Uuid([0; 16])).0,
            tlv::LABEL => {
                let label = Label::from_bytes(value);
                info.label = Some(label.ok_or(Fault::Malformed(Malformed::Label))?);
                &mut []
            }
            tlv::DEPENDENCY => {
                add_dependency(&mut info.dependencies, value)?;
                &mut []
            }
            #[cfg(feature = "parts")]
            tlv::IMAGE_INDEX..=tlv::PART_LAST => {
                let slot = (self.slot_len, &mut self.needed);
                if info.parts.take(kind, value, slot)? {
                    return Err(Fault::Malformed(Malformed::TlvDuplicate(kind)));
                }
                &mut []
            }
            #[cfg(feature = "encryption")]
            tlv::ENCRYPTION_X25519 => {
                let len = u16::from(self.item_len);
                let key = EncryptedKey::new(value)
                    .ok_or(Fault::Malformed(Malformed::TlvLen { kind, len }))?;
                if info.encryption.replace(key).is_some() {
                    return Err(Fault::Malformed(Malformed::TlvDuplicate(kind)));
                }
                &mut []
            }
            tlv::KEY_HASH => &mut info.key_hash,
            tlv::SHA256 => &mut info.image_hash,
            _ => {
                info.signature_offset = self.pos.saturating_sub(u32::from(self.item_len));
                info.signature = signature(kind, value)?;
                &mut []
            }
        };
        keep(target, value);
        match kind {
            tlv::SECURITY_COUNTER => info.security_counter = u32::from_le_bytes(number),
            tlv::REVOKE => info.revoke = u16::from_le_bytes([number[0], number[1]]),
            _ => {}
        }
        if self.seen & rule.once != 0 {
            return Err(Fault::Malformed(Malformed::TlvDuplicate(kind)));
        }
        self.seen |= rule.once;
        Ok(())
    }

    fn image_complete(&mut self) -> Result<(), Fault> {
        let info = &mut self.info;
        if self.seen & IMAGE_HASH == 0 {
            return Err(Fault::Malformed(Malformed::HashMissing));
        }
        if self.seen & (KEY_HASH | SIGNATURE) != KEY_HASH | SIGNATURE {
            return Err(Fault::Malformed(Malformed::Unsigned));
        }
        let key_bits = match info.encryption {
            None => 0,
            Some(key) if key.is_256() => ImageFlags::ENCRYPTED_AES256,
            Some(_) => ImageFlags::ENCRYPTED_AES128,
        };
        if info.header.flags.encryption() != key_bits {
            return Err(Fault::Malformed(Malformed::EncryptedKey));
        }
        #[cfg(feature = "parts")]
        info.parts.complete(
            self.area_end,
            info.header.flags.is_encrypted(),
            &info.dependencies,
        )?;
        info.len = self.area_end.max(info.parts.end());
        self.complete = true;
        Ok(())
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

/// Copies as many bytes as fit.
#[inline(never)]
fn keep(target: &mut [u8], bytes: &[u8]) {
    for (to, from) in target.iter_mut().zip(bytes) {
        *to = *from;
    }
}

fn add_dependency(known: &mut Dependencies, value: &[u8]) -> Result<(), Fault> {
    let parsed = value.first_chunk().and_then(Dependency::parse);
    let new = parsed.ok_or(Fault::Unsupported(Unsupported::Dependency))?;
    known.add(new).map_err(|error| {
        Fault::Malformed(match error {
            AddError::Duplicate => Malformed::TlvDuplicate(tlv::DEPENDENCY),
            AddError::TooMany => Malformed::DependencyCount,
        })
    })
}

/// The signature in a TLV of this kind.
fn signature(kind: u16, value: &[u8]) -> Result<Signature, Fault> {
    let unsupported = Fault::Unsupported(Unsupported::Signature(kind));
    #[cfg(feature = "p256")]
    if kind == tlv::SIGNATURE_ECDSA {
        return ecdsa::P256Signature::new(value)
            .map(Signature::P256)
            .ok_or(unsupported);
    }
    let bytes = value.first_chunk();
    bytes.copied().map(Signature::Ed25519).ok_or(unsupported)
}

impl Area {
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
            // Among them those of the feature `parts`: whoever skips them would run half of a file.
            tlv::IMAGE_INDEX..=tlv::OWN_LAST => Err(Unsupported::ProtectedTlv(kind)),
            tlv::BOOT_RECORD => Ok(()),
            _ if tlv::is_vendor(kind) => Ok(()),
            _ => Err(Unsupported::ProtectedTlv(kind)),
        }
    }
}
