//! Whether this device may run an image: one pass over its bytes, then the verdict.

#[cfg_attr(not(feature = "parts"), path = "verify/without_parts.rs")]
mod parts;

use core::convert::Infallible;

use subtle::ConstantTimeEq as _;

use crate::board::BoardIds;
use crate::dependency::{Dependency, Present};
use crate::ecdsa::p256_key_hash;
#[cfg(feature = "encryption")]
use crate::encryption::PayloadCipher;
use crate::encryption::{Decryption, DecryptionKey, Form};
#[cfg(feature = "encryption")]
use crate::error::ImageError;
use crate::error::{Unsupported, VerifyError};
use crate::hash::Sha256;
#[cfg(feature = "encryption")]
use crate::header::ImageHeader;
use crate::info::ImageInfo;
#[cfg(feature = "encryption")]
use crate::info::inspect;
#[cfg(feature = "ed25519")]
use crate::key::StandardVerifier;
use crate::key::{Key, KeyKind, Signature, SignatureRejected, SignatureVerifier, key_hash};
#[cfg(feature = "encryption")]
use crate::parser::malformed;
use crate::parser::{ITEM_LEN_MAX, Next, Parser, unsupported};
use crate::source::ReadAt;
use crate::tlv;
use parts::{PartKeys, PartsCheck, signers};

/// Shortest buffer that is used as given; a shorter one is replaced by this many bytes of stack.
/// 256 and more, a multiple of the flash's read unit, is sensible.
pub const BLOCK_LEN_MIN: usize = 96;
const _: () = assert!(BLOCK_LEN_MIN >= ITEM_LEN_MAX, "every item fits");

/// What an image must be to be accepted. The default accepts nothing: it has no keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expectation<'k> {
    /// Keys that may sign. Each costs one short hash, so the time grows with their number; a
    /// device has at most [`KEYS_MAX`](crate::KEYS_MAX). A key that stands there twice is revoked
    /// if one of its entries is.
    pub keys: &'k [Key],
    /// The board it must be made for. `None`: any (a manager or tool, never a device).
    pub board: Option<BoardIds>,
    /// Address of the execution slot. An image that is linked for a fixed address must be linked
    /// for this one. `None`: any (a manager or tool, never a device).
    pub slot_address: Option<u32>,
    /// Lowest security counter that may run.
    pub security_floor: u32,
    /// SHA-256 of the complete file, if it was announced.
    pub digest: Option<[u8; 32]>,
    /// Length of the complete file in bytes, if it was announced. Without it, bytes behind the
    /// image are not looked at.
    pub len: Option<u32>,
    /// Which of the device's images it is; the first one is 0.
    pub index: u8,
    /// The other images of the device. Empty where nobody knows them: then an image that depends on
    /// another one is refused as unsupported.
    pub present: &'k [Present],
    /// In which form the image stands there.
    pub form: Form,
    /// The key for encrypted images. Without it they are refused as unsupported.
    pub decryption_key: Option<&'k DecryptionKey>,
}

/// How far a [`Verification`] is.
#[expect(
    clippy::large_enum_variant,
    reason = "no heap here; the value lives for one match"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do.
    More {
        /// Bytes read so far.
        done: u32,
        /// Bytes to read, as far as it is known; grows twice, by the TLVs at most, unless the length
        /// was announced.
        total: u32,
    },
    /// The image is good.
    Done(Verified),
}

/// An image that passed. Only [`Verification`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    info: ImageInfo,
    digest: [u8; 32],
    key_index: usize,
    part_keys: PartKeys,
}

impl Verified {
    /// What the image says, parsed from the bytes that were hashed.
    pub const fn info(&self) -> &ImageInfo {
        &self.info
    }

    /// SHA-256 of the complete file: the name of this image in record, wire and manager.
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Which of the expected keys signed it.
    pub const fn key_index(&self) -> usize {
        self.key_index
    }

    /// Places of the keys that signed the image and its parts, in the order of the images, as in
    /// [`Verified::key_index`].
    pub fn signers(&self) -> impl Iterator<Item = usize> {
        signers(self.key_index, self.part_keys)
    }
}

/// The same where it was found, for devices: moving a large value costs them more code than what is
/// done with it.
#[derive(Debug, Clone, Copy)]
pub struct Accepted<'v> {
    info: &'v ImageInfo,
    digest: &'v [u8; 32],
    key_index: usize,
    part_keys: PartKeys,
}

impl<'v> Accepted<'v> {
    /// What the image says, parsed from the bytes that were hashed.
    pub const fn info(&self) -> &'v ImageInfo {
        self.info
    }

    /// SHA-256 of the complete file.
    pub const fn digest(&self) -> &'v [u8; 32] {
        self.digest
    }

    /// Which of the expected keys signed it.
    pub const fn key_index(&self) -> usize {
        self.key_index
    }

    /// Whether any of these keys signed it or one of its parts; bit = place among the expected keys.
    #[inline] // Costs a device less than the call.
    pub fn signed_by(&self, keys: u16) -> bool {
        let is_one = |key: usize| (usize::from(keys) >> (key & 7)) & 1 != 0;
        if cfg!(feature = "parts") {
            signers(self.key_index, self.part_keys).any(is_one)
        } else {
            is_one(self.key_index)
        }
    }
}

/// Why a verification does not go on. `R` says why an image is refused: [`VerifyError`] or
/// [`Reason`](crate::Reason). `E` is the error of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped<R, E> {
    /// The image is refused. Final: a further step returns it again.
    Refused(R),
    /// The source could not be read. The step may be tried again.
    Read(E),
}

impl<R, E> From<R> for Stopped<R, E> {
    fn from(refusal: R) -> Self {
        Self::Refused(refusal)
    }
}

impl<E> From<Stopped<VerifyError<Infallible>, E>> for VerifyError<E> {
    fn from(stopped: Stopped<VerifyError<Infallible>, E>) -> Self {
        match stopped {
            Stopped::Refused(error) => error.widen(),
            Stopped::Read(cause) => Self::Read(cause),
        }
    }
}

/// Verifies the image at offset 0 of `source`, a slot or file of `slot_len` bytes.
///
/// # Errors
/// [`VerifyError`]: the first reason found, in the order described at [`Verification`].
#[cfg(feature = "ed25519")]
pub fn verify<S: ReadAt>(
    source: &mut S,
    slot_len: u32,
    expect: &Expectation<'_>,
    buf: &mut [u8],
) -> Result<Verified, VerifyError<S::Error>> {
    verify_with(source, slot_len, expect, buf, StandardVerifier::default())
}

/// The same with another implementation of the signature algorithms.
///
/// # Errors
/// [`VerifyError`]: the first reason found, in the order described at [`Verification`].
pub fn verify_with<S: ReadAt, V: SignatureVerifier>(
    source: &mut S,
    slot_len: u32,
    expect: &Expectation<'_>,
    buf: &mut [u8],
    verifier: V,
) -> Result<Verified, VerifyError<S::Error>> {
    let mut verification = Verification::with_verifier(slot_len, expect, verifier);
    loop {
        // Ends: each step that says `More` has read at least one byte of the slot.
        if let Progress::Done(verified) = verification.step(source, buf)? {
            return Ok(verified);
        }
    }
}

/// A verification in steps. Holds no borrow of the source, so a caller can let others use the
/// flash between two steps; the bytes of the image must not change meanwhile.
///
/// Order of the checks: format, as the bytes come (with both digest and length announced it is
/// judged after the digest, so that a damaged copy is called damaged); digest, length, image hash;
/// key known and not revoked; signature; and only then what the signed fields say: board, slot,
/// security counter, dependencies. Parts are judged as they come, and their first failure is reported
/// behind the signature of image 0.
///
/// `R` is how a refusal is told, see [`Stopped`].
#[derive(Debug, Clone)]
pub struct Verification<'k, V, R = VerifyError<Infallible>> {
    slot_len: u32,
    expect: Expectation<'k>,
    verifier: V,
    parser: Parser,
    hasher: Sha256,
    /// The hash of the hashed part, once that was read; before, no image is complete.
    image_hash: [u8; 32],
    /// The hash of everything, once that was read.
    digest: [u8; 32],
    /// Bytes read and hashed so far.
    done: u32,
    /// What an encrypted image needs besides.
    decryption: Option<Decryption>,
    refusal: Option<R>,
    parts: PartsCheck<R>,
}

#[cfg(feature = "ed25519")]
impl<'k> Verification<'k, StandardVerifier> {
    /// Begins with the image at offset 0 of a slot or file of `slot_len` bytes.
    pub fn new(slot_len: u32, expect: &Expectation<'k>) -> Self {
        Self::with_verifier(slot_len, expect, StandardVerifier::default())
    }
}

impl<'k, V: SignatureVerifier> Verification<'k, V> {
    /// The same with another implementation of the signature algorithms.
    pub fn with_verifier(slot_len: u32, expect: &Expectation<'k>, verifier: V) -> Self {
        Self::begin(slot_len, expect, verifier)
    }

    /// Reads and hashes the next block, at most `buf.len()` bytes, or, when all are read, checks
    /// the signature and decides. That last step reads nothing and takes the longest: two scalar
    /// multiplications.
    ///
    /// # Errors
    /// [`VerifyError::Read`]: the source failed; the step may be tried again. Every other one is
    /// final, and a further step returns it again.
    pub fn step<S: ReadAt>(
        &mut self,
        source: &mut S,
        buf: &mut [u8],
    ) -> Result<Progress, VerifyError<S::Error>> {
        if let Some(accepted) = self.advance(source, buf)? {
            return Ok(Progress::Done(Verified {
                info: *accepted.info,
                digest: *accepted.digest,
                key_index: accepted.key_index,
                part_keys: accepted.part_keys,
            }));
        }
        Ok(Progress::More {
            done: self.done,
            total: self.len_to_read().map_err(VerifyError::widen)?,
        })
    }
}

impl<'k, V, R> Verification<'k, V, R>
where
    V: SignatureVerifier,
    R: From<VerifyError<Infallible>> + Copy,
{
    /// Begins with the image at offset 0 of a slot or file of `slot_len` bytes. How refusals are told
    /// follows from the use.
    #[inline(never)]
    pub fn begin(slot_len: u32, expect: &Expectation<'k>, verifier: V) -> Self {
        Self {
            slot_len,
            expect: *expect,
            verifier,
            parser: Parser::new(slot_len),
            hasher: Sha256::new(),
            image_hash: [0; 32],
            digest: [0; 32],
            done: 0,
            decryption: None,
            refusal: Parser::check_slot(slot_len),
            parts: PartsCheck::new(),
        }
    }

    /// As [`Verification::step`]; nothing while there is more to do.
    ///
    /// # Errors
    /// As [`Verification::step`].
    pub fn advance<S: ReadAt>(
        &mut self,
        source: &mut S,
        buf: &mut [u8],
    ) -> Result<Option<Accepted<'_>>, Stopped<R, S::Error>> {
        let total = self.len_to_read()?;
        if self.judge_part() {
            return Ok(None);
        }
        if self.done >= total {
            return Ok(Some(self.conclude()?));
        }
        let mut own = [0; BLOCK_LEN_MIN];
        let buf = if buf.len() < BLOCK_LEN_MIN {
            own.as_mut_slice()
        } else {
            buf
        };
        let next = self.next();
        let len = self.block_len(next, self.boundary(total), buf.len());
        let block = buf.get_mut(..len).unwrap_or_default();
        source.read_at(self.done, block).map_err(Stopped::Read)?;
        #[cfg(feature = "encryption")]
        if self.done == 0 {
            self.begin_decryption(source, block)
                .map_err(Stopped::Read)?;
        }
        self.absorb(next, block);
        self.absorb_part(block);
        Ok(None)
    }

    /// Where reading ends, as far as it is known; or why it makes no sense to read on.
    fn len_to_read(&self) -> Result<u32, R> {
        let refused = self.refusal.is_some() || self.parts.is_refused();
        if let Some(announced) = self.expect.len {
            if announced > self.slot_len {
                let needed = u64::from(announced);
                let slot_len = self.slot_len;
                return Err(VerifyError::TooLarge { needed, slot_len }.into());
            }
            if !refused || self.expect.digest.is_some() {
                return Ok(announced);
            }
        }
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        self.parts.verdict()?;
        let first = self.parts.first().map(|first| first.len);
        Ok(first.unwrap_or_else(|| self.parser.known_len()))
    }

    /// What the parser wants, of which it wants nothing more once it has refused something.
    const fn next(&self) -> Next {
        if self.refusal.is_some() {
            Next::Nothing
        } else {
            self.parser.next()
        }
    }

    /// Bytes to read now. What is no item is read up to the next multiple of the buffer's length, so that
    /// blocks stay aligned in flash.
    fn block_len(&self, next: Next, total: u32, buf_len: usize) -> usize {
        let left = total.saturating_sub(self.done);
        let left = match next {
            Next::Item(len) => return u32::from(len).min(left) as usize,
            Next::Skip(len) => len.min(left),
            Next::Nothing => left,
        };
        let past_boundary = (self.done as usize).checked_rem(buf_len).unwrap_or(0);
        (left as usize).min(buf_len.saturating_sub(past_boundary))
    }

    /// If the first block is that of an encrypted image, gets its key from the TLVs at its end.
    ///
    /// They are read once more with everything else; if they read differently then, no hash and no
    /// digest will be right.
    #[cfg(feature = "encryption")]
    fn begin_decryption<S: ReadAt>(
        &mut self,
        source: &mut S,
        block: &[u8],
    ) -> Result<(), S::Error> {
        let header = block
            .first_chunk()
            .and_then(|bytes| ImageHeader::parse(bytes, self.slot_len).ok());
        if !header.is_some_and(|header| header.flags.is_encrypted()) {
            return Ok(());
        }
        let Some(key) = self.expect.decryption_key else {
            self.refusal = Some(unsupported(Unsupported::Encryption));
            return Ok(());
        };
        self.refusal = match inspect(source, self.slot_len) {
            Err(ImageError::Read(cause)) => return Err(cause),
            Err(ImageError::Malformed(which)) => Some(malformed(which)),
            Err(ImageError::Unsupported(what)) => Some(unsupported(what)),
            Err(ImageError::TooLarge { needed, slot_len }) => {
                Some(VerifyError::TooLarge { needed, slot_len }.into())
            }
            Ok(info) => {
                let cipher = PayloadCipher::new(&info, Some(key));
                let form = self.expect.form;
                self.decryption = cipher.ok().map(|cipher| Decryption::new(cipher, form));
                None
            }
        };
        if self.refusal.is_none() && self.decryption.is_none() {
            self.refusal = Some(VerifyError::NotDecryptable.into());
        }
        Ok(())
    }

    fn absorb(&mut self, next: Next, block: &mut [u8]) {
        let len = u32::try_from(block.len()).unwrap_or(u32::MAX);
        #[cfg(feature = "encryption")]
        if let Some(decryption) = &mut self.decryption {
            decryption.absorb(self.done, block, &mut self.hasher);
        } else {
            self.hasher.update(block);
        }
        #[cfg(not(feature = "encryption"))]
        self.hasher.update(block);
        self.done = self.done.saturating_add(len);
        if self.refusal.is_some() {
            return;
        }
        match next {
            // Else it is cut off by the announced length.
            Next::Item(item_len) if u32::from(item_len) == len => {
                self.refusal = self.parser.take(block).err();
            }
            Next::Skip(_) => self.parser.pass(len),
            Next::Item(_) | Next::Nothing => {}
        }
        if self.done == self.parser.hashed_len() && self.parts.first().is_none() {
            self.image_hash = self.plain_hash();
        }
    }

    /// The hash of the image in plain text, as far as it was read.
    fn plain_hash(&self) -> [u8; 32] {
        #[cfg(feature = "encryption")]
        if let Some(decryption) = &self.decryption {
            return decryption.image_hash();
        }
        self.hasher.hash()
    }

    fn conclude(&mut self) -> Result<Accepted<'_>, R> {
        self.digest = self.hasher.hash();
        if let Some(announced) = &self.expect.digest
            && !same(announced, &self.digest)
        {
            return Err(VerifyError::DigestMismatch.into());
        }
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let announced = self.expect.len.unwrap_or(self.done);
        let first = self.parts.first();
        let info = match first.or(self.parser.info()) {
            Some(info) if info.len == announced => info,
            Some(_) | None => {
                let image = first.map_or(self.parser.known_len(), |first| first.len);
                return Err(VerifyError::LengthMismatch { image, announced }.into());
            }
        };
        if !same(&self.image_hash, &info.image_hash) {
            return Err(VerifyError::HashMismatch.into());
        }
        if info.header.flags.is_encrypted() && self.decryption.is_none() {
            return Err(unsupported(Unsupported::Encryption));
        }
        let key_index = self.authenticate(info)?;
        self.conclude_parts(info)?;
        self.check_fit(info)?;
        Ok(Accepted {
            info,
            digest: &self.digest,
            key_index,
            part_keys: self.parts.keys,
        })
    }

    /// Judges what an image states about itself, its hash included.
    #[cfg(all(feature = "ed25519", feature = "encryption"))]
    pub(crate) fn judge(&self, info: &ImageInfo) -> Result<usize, R> {
        let key_index = self.authenticate(info)?;
        self.check_fit(info)?;
        Ok(key_index)
    }

    /// Which key signed this image.
    fn authenticate(&self, info: &ImageInfo) -> Result<usize, R> {
        if matches!(info.signature, Signature::P256(_)) && !self.verifier.knows_p256() {
            let algorithm = Unsupported::Signature(tlv::SIGNATURE_ECDSA);
            return Err(unsupported(algorithm));
        }
        let mut signer = None;
        let mut next = 0_usize;
        for key in self.expect.keys {
            let index = next;
            next = next.wrapping_add(1);
            if self.names(info, key) {
                if key.revoked {
                    return Err(VerifyError::KeyRevoked.into());
                }
                signer = signer.or(Some((index, key)));
            }
        }
        let (index, key) = signer.ok_or(VerifyError::KeyUnknown)?;
        self.check_signature(info, key)
            .map_err(|_rejected| VerifyError::SignatureInvalid)?;
        Ok(index)
    }

    /// Whether the image says that this key signed it. A key for another algorithm than the
    /// signature's is none that could have.
    fn names(&self, info: &ImageInfo, key: &Key) -> bool {
        let hash = match (&info.signature, key.kind) {
            (Signature::Ed25519(_), KeyKind::Ed25519) => Some(key_hash(&key.public)),
            (Signature::P256(_), KeyKind::P256 { y_odd }) => self
                .verifier
                .p256_point(&key.public, y_odd)
                .map(|point| p256_key_hash(&point)),
            (Signature::Ed25519(_), KeyKind::P256 { .. })
            | (Signature::P256(_), KeyKind::Ed25519) => None,
        };
        hash.is_some_and(|hash| same(&hash, &info.key_hash))
    }

    fn check_signature(&self, info: &ImageInfo, key: &Key) -> Result<(), SignatureRejected> {
        let hash = &info.image_hash;
        match (&info.signature, key.kind) {
            (Signature::Ed25519(signature), KeyKind::Ed25519) => {
                self.verifier.check(&key.public, hash, signature)
            }
            (Signature::P256(signature), KeyKind::P256 { y_odd }) => {
                let point = self.verifier.p256_point(&key.public, y_odd);
                let point = point.ok_or(SignatureRejected)?;
                self.verifier.check_p256(&point, hash, signature.as_bytes())
            }
            (Signature::Ed25519(_), KeyKind::P256 { .. })
            | (Signature::P256(_), KeyKind::Ed25519) => Err(SignatureRejected),
        }
    }

    /// Whether a genuine image belongs into this slot of this board.
    fn check_fit(&self, info: &ImageInfo) -> Result<(), R> {
        if let Some(board) = &self.expect.board
            && !info.is_for(board)
        {
            return Err(VerifyError::WrongBoard.into());
        }
        if let (Some(slot), Some(image)) = (self.expect.slot_address, info.rom_address())
            && slot != image
        {
            return Err(VerifyError::WrongSlot { image, slot }.into());
        }
        if info.security_counter < self.expect.security_floor {
            let (image, floor) = (info.security_counter, self.expect.security_floor);
            return Err(VerifyError::SecurityCounter { image, floor }.into());
        }
        info.dependencies
            .iter()
            .try_for_each(|needed| self.check_dependency(info, needed))
    }

    /// Whether another image is there as this one needs it. It may also depend on itself.
    fn check_dependency(&self, info: &ImageInfo, needed: &Dependency) -> Result<(), R> {
        if needed.image != self.expect.index {
            return self.check_other(needed);
        }
        if info.header.version.number() >= needed.version.number() {
            Ok(())
        } else {
            Err(VerifyError::DependencyUnmet(*needed).into())
        }
    }

    /// Whether another image is there: as a part of the same file, or on the device. Who has parts
    /// knows the others.
    fn check_other(&self, needed: &Dependency) -> Result<(), R> {
        let nobody_knows = self.expect.present.is_empty() && self.parts.first().is_none();
        let met = if let Some(version) = self.parts.version(needed.image) {
            version.number() >= needed.version.number()
        } else if nobody_knows {
            return Err(unsupported(Unsupported::Dependency));
        } else {
            let mut others = self.expect.present.iter();
            others.any(|other| {
                other.image == needed.image && other.version.number() >= needed.version.number()
            })
        };
        if met {
            Ok(())
        } else {
            Err(VerifyError::DependencyUnmet(*needed).into())
        }
    }
}

/// Compares without telling through time where the first difference is.
fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let difference = left.iter().zip(right);
    let difference = difference.fold(0, |sum, (left, right)| sum | (left ^ right));
    difference.ct_eq(&0).into()
}
