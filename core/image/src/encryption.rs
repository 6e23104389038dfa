//! Encrypted images, as `imgtool sign --encrypt` makes them for an X25519 key.
//!
//! Only the payload is encrypted: AES-128 or AES-256 in counter mode, from counter 0. Its key stands
//! in TLV 0x33, encrypted for the device (ECIES: X25519, HKDF-SHA256, AES-CTR, HMAC-SHA256). Image
//! hash and signature are over the plain payload, the digest is over the file as it was sent.
//!
//! An image has two forms, see [`Form`]. A [`PayloadCipher`] turns one into the other, piece by
//! piece and in any order, because counter mode is its own inverse.
//!
//! Without the feature `encryption` the types here have no values, or do nothing, and encrypted
//! images are refused by the header's flags.

#[cfg(feature = "encryption")]
mod cipher;
#[cfg(feature = "std")]
mod keys;
#[cfg(feature = "std")]
mod seal;

use core::fmt;

#[cfg(feature = "encryption")]
pub(crate) use cipher::Decryption;
#[cfg(feature = "encryption")]
pub use cipher::PayloadCipher;
#[cfg(feature = "std")]
pub use keys::EncryptionKey;
#[cfg(feature = "std")]
pub(crate) use seal::Sealed;
#[cfg(feature = "std")]
pub use seal::{Aes, installed_form};
#[cfg(feature = "encryption")]
use zeroize::Zeroizing;

#[cfg(not(feature = "encryption"))]
use crate::info::ImageInfo;

/// Bytes of TLV 0x33 with an AES-128 key: ephemeral public key, HMAC, encrypted key.
#[cfg(feature = "encryption")]
pub(crate) const KEY_TLV_LEN_SHORT: u8 = 32 + 32 + 16;
/// The same with an AES-256 key.
pub(crate) const KEY_TLV_LEN_LONG: u8 = 32 + 32 + 32;

/// In which form an image stands somewhere. For an image that is not encrypted both are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Byte for byte the file that was sent.
    #[default]
    AsSent,
    /// With the payload in plain text, everything else as it was sent: how an image runs.
    Installed,
}

/// An X25519 private key, with which a device decrypts. Never printed, wiped when dropped.
#[derive(Clone)]
pub struct DecryptionKey(
    #[cfg(feature = "encryption")] Zeroizing<[u8; 32]>,
    #[cfg(not(feature = "encryption"))] core::marker::PhantomData<()>,
);

impl DecryptionKey {
    /// The key with these 32 bytes, as RFC 7748 has it.
    #[cfg(feature = "encryption")]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key with these 32 bytes, of no use without the feature `encryption`.
    #[cfg(not(feature = "encryption"))]
    pub fn new(_bytes: [u8; 32]) -> Self {
        Self(core::marker::PhantomData)
    }
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecryptionKey(..)")
    }
}

/// The key of a payload as it stands in TLV 0x33, encrypted for one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncryptedKey {
    #[cfg(feature = "encryption")]
    bytes: [u8; KEY_TLV_LEN_LONG as usize],
    #[cfg(feature = "encryption")]
    long: bool,
    #[cfg(not(feature = "encryption"))]
    never: core::convert::Infallible,
}

impl EncryptedKey {
    /// The key in a TLV of 80 or 96 bytes.
    #[cfg(feature = "encryption")]
    pub(crate) fn new(tlv: &[u8]) -> Option<Self> {
        let long = tlv.len() == usize::from(KEY_TLV_LEN_LONG);
        if !long && tlv.len() != usize::from(KEY_TLV_LEN_SHORT) {
            return None;
        }
        let mut bytes = [0; KEY_TLV_LEN_LONG as usize];
        bytes.get_mut(..tlv.len())?.copy_from_slice(tlv);
        Some(Self { bytes, long })
    }

    /// Whether it is a key for AES-256; else it is one for AES-128.
    #[cfg(feature = "encryption")]
    pub const fn is_256(&self) -> bool {
        self.long
    }

    /// Whether it is a key for AES-256; else it is one for AES-128.
    #[cfg(not(feature = "encryption"))]
    pub const fn is_256(&self) -> bool {
        match self.never {}
    }
}

/// The key of an image cannot be decrypted: it was encrypted for another device, or is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotDecryptable;

impl fmt::Display for NotDecryptable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the image is encrypted for another device")
    }
}

impl core::error::Error for NotDecryptable {}

/// Does nothing: without the feature `encryption` every image that is accepted is plain.
#[cfg(not(feature = "encryption"))]
#[derive(Debug, Clone, Copy)]
pub struct PayloadCipher;

#[cfg(not(feature = "encryption"))]
impl PayloadCipher {
    /// One that changes nothing.
    pub const fn none() -> Self {
        Self
    }

    /// What turns one form of this image into the other: nothing.
    ///
    /// # Errors
    /// Never.
    pub fn new(_image: &ImageInfo, _key: Option<&DecryptionKey>) -> Result<Self, NotDecryptable> {
        Ok(Self)
    }

    /// Does nothing.
    pub fn apply(&self, _image_offset: u32, _piece: &mut [u8]) {}
}

/// There is none.
#[cfg(not(feature = "encryption"))]
pub(crate) type Decryption = core::convert::Infallible;
