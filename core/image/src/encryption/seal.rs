//! Encrypting images, on the host.

use std::vec::Vec;

use aes::cipher::KeyInit as _;
use zeroize::Zeroizing;

use super::cipher::{Derived, PayloadKey, derive, xor};
use super::{DecryptionKey, EncryptionKey, NotDecryptable, PayloadCipher};
use crate::builder::BuildError;
use crate::error::{ImageError, VerifyError};
use crate::info::inspect;
use crate::source::OutOfBounds;

/// Which AES a payload is encrypted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Aes {
    /// AES-128, imgtool's default.
    #[default]
    Aes128,
    /// AES-256, `imgtool --encrypt-keylen 256`.
    Aes256,
}

/// A fresh key for one payload: as the TLV that holds it, and ready to encrypt with.
pub(crate) struct Sealed {
    pub(crate) tlv: Vec<u8>,
    key: PayloadKey,
}

impl Sealed {
    /// A fresh key, encrypted for `recipient`.
    pub(crate) fn new(recipient: EncryptionKey, aes: Aes) -> Result<Self, BuildError> {
        let ephemeral = DecryptionKey::new(*random()?);
        let public = ephemeral.public().0;
        match aes {
            Aes::Aes128 => {
                let key = random::<16>()?;
                let derived = derive(&recipient.0, &ephemeral).ok_or(BuildError::Recipient)?;
                let tlv = sealed(&derived, public, *key, |with, secret| {
                    xor(&aes::Aes128::new(with.into()), 0, secret.iter_mut());
                })?;
                let key = PayloadKey::Short(key);
                Ok(Self { tlv, key })
            }
            Aes::Aes256 => {
                let key = random::<32>()?;
                let derived = derive(&recipient.0, &ephemeral).ok_or(BuildError::Recipient)?;
                let tlv = sealed(&derived, public, *key, |with, secret| {
                    xor(&aes::Aes256::new(with.into()), 0, secret.iter_mut());
                })?;
                let key = PayloadKey::Long(key);
                Ok(Self { tlv, key })
            }
        }
    }

    /// Encrypts the payload of an image.
    pub(crate) fn encrypt<'b>(self, payload: impl Iterator<Item = &'b mut u8>) {
        self.key.apply(0, payload);
    }
}

fn sealed<const N: usize>(
    derived: &Derived<N>,
    public: [u8; 32],
    mut secret: [u8; N],
    encrypt: impl FnOnce(&[u8; N], &mut [u8; N]),
) -> Result<Vec<u8>, BuildError> {
    let mac = derived
        .seal(&mut secret, encrypt)
        .ok_or(BuildError::Recipient)?;
    Ok([&public[..], &mac, &secret].concat())
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, BuildError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes).map_err(BuildError::Random)?;
    Ok(bytes)
}

/// The installed form of an image file: what stands in the execution slot while it runs. Checks
/// the image's form, not its signature.
///
/// # Errors
/// [`VerifyError`] if it is not well-formed or not encrypted for this key.
pub fn installed_form(
    image: &[u8],
    key: &DecryptionKey,
) -> Result<Vec<u8>, VerifyError<OutOfBounds>> {
    let len = u32::try_from(image.len()).map_err(|_too_long| ImageError::Read(OutOfBounds))?;
    let info = inspect(&mut &*image, len)?;
    let cipher = PayloadCipher::new(&info, Some(key))
        .map_err(|NotDecryptable| VerifyError::NotDecryptable)?;
    let mut installed = image.to_vec();
    cipher.apply(0, &mut installed);
    Ok(installed)
}
