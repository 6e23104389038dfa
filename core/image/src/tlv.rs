//! The numbers of the TLV areas: magics, types, limits.
//!
//! Only the types that mean something to Otaru have a name here. Everything else is refused, except
//! vendor types in the protected area: see [`is_vendor`].

/// Magic of the protected area, which is hashed and therefore signed.
pub const PROTECTED_MAGIC: u16 = 0x6908;
/// Magic of the area behind it, with hash, key hash and signature.
pub const UNPROTECTED_MAGIC: u16 = 0x6907;
/// Bytes of an area's own header: magic and total length, which counts these bytes too.
pub const AREA_INFO_LEN: u8 = 4;
/// Bytes in front of each entry's data: type and length.
pub const ENTRY_HEAD_LEN: u8 = 4;
/// Most entries an image may have, both areas together. `imgtool` writes fewer than ten.
pub const TLVS_MAX: u8 = 32;

/// SHA-256 of the signing key as DER `SubjectPublicKeyInfo`, 32 bytes.
pub const KEY_HASH: u16 = 0x01;
/// The signing key itself, DER: an image made with `--public-key-format full`.
pub const PUBLIC_KEY: u16 = 0x02;
/// SHA-256 of header, payload and protected area, 32 bytes.
pub const SHA256: u16 = 0x10;
/// SHA-384 in its place.
pub const SHA384: u16 = 0x11;
/// SHA-512 in its place.
pub const SHA512: u16 = 0x12;
/// First of the other signature algorithms: RSA-2048.
pub const SIGNATURE_RSA2048: u16 = 0x20;
/// ECDSA on any curve, over the image hash, ASN.1 DER of variable length; P-256 is what Otaru knows.
pub const SIGNATURE_ECDSA: u16 = 0x22;
/// RSA-3072.
pub const SIGNATURE_RSA3072: u16 = 0x23;
/// Ed25519 over the 32-byte image hash, 64 bytes.
pub const SIGNATURE_ED25519: u16 = 0x24;
/// Marks a signature over the image itself instead of its hash.
pub const SIGNATURE_PURE: u16 = 0x25;
/// The key of the payload, encrypted with X25519 and HMAC-SHA256, 80 or 96 bytes.
pub const ENCRYPTION_X25519: u16 = 0x33;
/// First of the types that carry an encrypted key.
pub const ENCRYPTION_FIRST: u16 = 0x30;
/// Last of them.
pub const ENCRYPTION_LAST: u16 = 0x34;
/// Another image that must be there too: index, three zero bytes, version; 12 bytes.
pub const DEPENDENCY: u16 = 0x40;
/// Security counter, `u32`.
pub const SECURITY_COUNTER: u16 = 0x50;
/// Attestation data for other software; Otaru skips it.
pub const BOOT_RECORD: u16 = 0x60;
/// First of the types that describe a compressed payload.
pub const COMPRESSION_FIRST: u16 = 0x70;
/// Last of them.
pub const COMPRESSION_LAST: u16 = 0x73;
/// Vendor UUID, 16 bytes.
pub const VENDOR_ID: u16 = 0x74;
/// Class UUID, 16 bytes.
pub const CLASS_ID: u16 = 0x75;
/// Otaru's own: the label, UTF-8, 1 to 32 bytes.
pub const LABEL: u16 = 0x00a0;
/// Otaru's own: keys that are revoked when the image is confirmed, `u16`, bit = position in the
/// device's key table.
pub const REVOKE: u16 = 0x00a1;
/// Otaru's own: which image of the device it is, one byte; 0 is the firmware.
pub const IMAGE_INDEX: u16 = 0x00a2;
/// Otaru's own: where part 1 lies in the same file, 40 bytes: offset and length, `u32` each, and
/// digest.
pub const PART_FIRST: u16 = 0x00a3;
/// The same for part 3, the last one there may be.
pub const PART_LAST: u16 = 0x00a5;

/// Last of the types that are Otaru's own. One of them that a device does not know could be essential,
/// so it is refused; other vendors' types are skipped.
pub const OWN_LAST: u16 = 0x00bf;

/// Whether vendors may use this type as they like: its low byte is 0xA0 or above.
pub const fn is_vendor(kind: u16) -> bool {
    kind & 0x00ff >= 0x00a0
}
