//! From the encrypted key of an image to the plain text of its payload.

use core::fmt;

use aes::cipher::consts::U16;
use aes::cipher::{Array, BlockCipherEncrypt, BlockSizeUser, KeyInit};
use aes::{Aes128, Aes256};
use hkdf::Hkdf;
use hkdf::hmac::{Hmac, Mac as _};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::{DecryptionKey, EncryptedKey, Form, NotDecryptable};
use crate::hash::Sha256;
use crate::info::ImageInfo;

/// What MCUboot and imgtool put into the key derivation.
const INFO: &[u8] = b"MCUBoot_ECIES_v1";
/// Bytes of the key of an HMAC-SHA256.
const MAC_KEY_LEN: usize = 32;
/// Bytes that are encrypted at a time: four blocks of AES, which its software does in pairs.
const BATCH_LEN: u32 = 64;
const BATCH_BLOCKS: u32 = 4;

/// Turns one form of an image into the other; see [`Form`]. For an image that is not encrypted it
/// changes nothing. Wiped when dropped.
#[derive(Clone)]
pub struct PayloadCipher {
    key: Option<PayloadKey>,
    /// Where the payload begins and how long it is, in bytes.
    start: u32,
    len: u32,
}

#[derive(Clone)]
pub(super) enum PayloadKey {
    Short(Zeroizing<[u8; 16]>),
    Long(Zeroizing<[u8; 32]>),
}

impl fmt::Debug for PayloadCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadCipher(..)")
    }
}

impl PayloadCipher {
    /// One that changes nothing.
    pub const fn none() -> Self {
        Self {
            key: None,
            start: 0,
            len: 0,
        }
    }

    /// What turns one form of this image into the other. Takes one scalar multiplication if the
    /// image is encrypted.
    ///
    /// # Errors
    /// [`NotDecryptable`] if there is no key, or the image was not encrypted for it.
    pub fn new(image: &ImageInfo, key: Option<&DecryptionKey>) -> Result<Self, NotDecryptable> {
        let Some(encrypted) = &image.encryption else {
            return Ok(Self::none());
        };
        let key = key.ok_or(NotDecryptable)?;
        Ok(Self {
            key: Some(payload_key(encrypted, key).ok_or(NotDecryptable)?),
            start: u32::from(image.header.header_len),
            len: image.header.payload_len,
        })
    }

    /// Changes a piece of the image that begins at this offset into its other form. Header and
    /// TLVs stay as they are.
    pub fn apply(&self, image_offset: u32, piece: &mut [u8]) {
        let before = self.start.saturating_sub(image_offset);
        let at = image_offset.saturating_sub(self.start);
        let left = self.len.saturating_sub(at);
        let (Ok(before), Ok(left)) = (usize::try_from(before), usize::try_from(left)) else {
            return;
        };
        let payload = piece.iter_mut().skip(before).take(left);
        if let Some(key) = &self.key {
            key.apply(at, payload);
        }
    }
}

impl PayloadKey {
    /// Encrypts or decrypts bytes of the payload from `at` on.
    pub(super) fn apply<'b>(&self, at: u32, bytes: impl Iterator<Item = &'b mut u8>) {
        match self {
            Self::Short(key) => xor(&Aes128::new((&**key).into()), at, bytes),
            Self::Long(key) => xor(&Aes256::new((&**key).into()), at, bytes),
        }
    }
}

/// Counter mode: the bytes from `at` on are combined with the encrypted numbers of their blocks.
pub(super) fn xor<'b, C>(cipher: &C, at: u32, bytes: impl Iterator<Item = &'b mut u8>)
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let mut batch = (at / BATCH_LEN).wrapping_mul(BATCH_BLOCKS);
    let mut skip = (at % BATCH_LEN) as usize;
    let mut bytes = bytes.peekable();
    while bytes.peek().is_some() {
        let mut blocks: [Array<u8, U16>; BATCH_BLOCKS as usize] = Default::default();
        for (number, block) in (batch..).zip(&mut blocks) {
            *block = u128::from(number).to_be_bytes().into();
        }
        cipher.encrypt_blocks(&mut blocks);
        for stream in blocks.iter().flatten().skip(skip) {
            if let Some(byte) = bytes.next() {
                *byte ^= *stream;
            }
        }
        for block in &mut blocks {
            block.zeroize();
        }
        batch = batch.wrapping_add(BATCH_BLOCKS);
        skip = 0;
    }
}

/// Decrypts the key of a payload, after the HMAC has said that it is whole and for this device.
fn payload_key(encrypted: &EncryptedKey, key: &DecryptionKey) -> Option<PayloadKey> {
    let (ephemeral, rest) = encrypted.bytes.split_first_chunk::<32>()?;
    let (mac, secret) = rest.split_first_chunk::<32>()?;
    // X25519 ignores this bit, so a set one would make another file of the same image.
    if ephemeral.last()? & 0x80 != 0 {
        return None;
    }
    if encrypted.long {
        let mut plain = Zeroizing::new(*secret.first_chunk::<32>()?);
        let derived = derive::<32>(ephemeral, key)?;
        derived.open(mac, &mut plain, |key, secret| {
            xor(&Aes256::new(key.into()), 0, secret.iter_mut());
        })?;
        Some(PayloadKey::Long(plain))
    } else {
        let mut plain = Zeroizing::new(*secret.first_chunk::<16>()?);
        let derived = derive::<16>(ephemeral, key)?;
        derived.open(mac, &mut plain, |key, secret| {
            xor(&Aes128::new(key.into()), 0, secret.iter_mut());
        })?;
        Some(PayloadKey::Short(plain))
    }
}

/// The two keys that protect the key of a payload of `N` bytes.
pub(super) struct Derived<const N: usize> {
    cipher: Zeroizing<[u8; N]>,
    mac: Zeroizing<[u8; MAC_KEY_LEN]>,
}

/// Derives them from the private key of one side and the public key of the other.
pub(super) fn derive<const N: usize>(public: &[u8; 32], key: &DecryptionKey) -> Option<Derived<N>> {
    let shared = Zeroizing::new(x25519_dalek::x25519(*key.0, *public));
    // A public key of small order leads to zero, whatever the private key.
    if shared.ct_eq(&[0; 32]).into() {
        return None;
    }
    let mut bytes = Zeroizing::new([0; 64]);
    let used = bytes.get_mut(..N.checked_add(MAC_KEY_LEN)?)?;
    Hkdf::<sha2::Sha256>::new(None, &*shared)
        .expand(INFO, used)
        .ok()?;
    let (cipher, mac) = bytes.split_first_chunk::<N>()?;
    Some(Derived {
        cipher: Zeroizing::new(*cipher),
        mac: Zeroizing::new(*mac.first_chunk()?),
    })
}

impl<const N: usize> Derived<N> {
    /// Checks the HMAC of an encrypted key, and only then decrypts it in place.
    fn open(
        &self,
        mac: &[u8; 32],
        secret: &mut [u8; N],
        decrypt: impl FnOnce(&[u8; N], &mut [u8; N]),
    ) -> Option<()> {
        if !bool::from(self.mac_of(secret)?.ct_eq(mac)) {
            return None;
        }
        decrypt(&self.cipher, secret);
        Some(())
    }

    /// Encrypts a key in place and returns the HMAC of the result.
    #[cfg(feature = "std")]
    pub(super) fn seal(
        &self,
        secret: &mut [u8; N],
        encrypt: impl FnOnce(&[u8; N], &mut [u8; N]),
    ) -> Option<[u8; 32]> {
        encrypt(&self.cipher, secret);
        self.mac_of(secret)
    }

    fn mac_of(&self, secret: &[u8; N]) -> Option<[u8; 32]> {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&*self.mac).ok()?;
        mac.update(secret);
        Some(mac.finalize().into_bytes().into())
    }
}

/// What a verification of an encrypted image has besides that of a plain one: its other form, and
/// the hash of the plain text.
#[derive(Debug, Clone)]
pub(crate) struct Decryption {
    cipher: PayloadCipher,
    plain: Sha256,
    form: Form,
}

impl Decryption {
    pub(crate) fn new(cipher: PayloadCipher, form: Form) -> Self {
        Self {
            cipher,
            plain: Sha256::new(),
            form,
        }
    }

    /// Takes the next block of the image, at this offset, and changes it. `digest` is the hash of the
    /// image as it was sent.
    pub(crate) fn absorb(&mut self, offset: u32, block: &mut [u8], digest: &mut Sha256) {
        if self.form == Form::AsSent {
            digest.update(&*block);
            self.cipher.apply(offset, block);
        }
        self.plain.update(&*block);
        if self.form == Form::Installed {
            self.cipher.apply(offset, block);
            digest.update(&*block);
        }
    }

    /// The hash of the plain text so far.
    pub(crate) fn image_hash(&self) -> [u8; 32] {
        self.plain.hash()
    }
}
