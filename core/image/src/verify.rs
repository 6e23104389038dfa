//! Whether this device may run an image: one pass over its bytes, then the verdict.

#[cfg_attr(not(feature = "parts"), path = "verify/without_parts.rs")]
mod parts;

use subtle::ConstantTimeEq as _;

use crate::board::BoardIds;
use crate::dependency::{Dependency, Present};
use crate::ecdsa::p256_key_hash;
#[cfg(feature = "encryption")]
use crate::encryption::PayloadCipher;
use crate::encryption::{Decryption, DecryptionKey, Form};
use crate::error::Unsupported;
use crate::error::VerifyError;
use crate::hash::Sha256;
#[cfg(feature = "encryption")]
use crate::header::ImageHeader;
use crate::info::ImageInfo;
#[cfg(feature = "encryption")]
use crate::info::inspect;
#[cfg(feature = "ed25519")]
use crate::key::StandardVerifier;
use crate::key::{Key, KeyKind, Signature, SignatureRejected, SignatureVerifier, key_hash};
use crate::parser::{Fault, Parser};
use crate::source::ReadAt;
use crate::tlv;
use parts::{PartKeys, PartsCheck, signers};

/// Shortest buffer that is used as given; a shorter one is replaced by this many bytes of stack.
/// 256 and more, a multiple of the flash's read unit, is sensible.
pub const BLOCK_LEN_MIN: usize = 32;

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
    digest: [u8; 32],
    key_index: usize,
    part_keys: PartKeys,
}

impl<'v> Accepted<'v> {
    /// What the image says, parsed from the bytes that were hashed.
    pub const fn info(&self) -> &'v ImageInfo {
        self.info
    }

    /// SHA-256 of the complete file.
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
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
#[derive(Debug, Clone)]
pub struct Verification<'k, V> {
    slot_len: u32,
    expect: Expectation<'k>,
    verifier: V,
    parser: Parser,
    hasher: Sha256,
    /// Set when the hasher has passed the hashed part.
    image_hash: Option<[u8; 32]>,
    /// Bytes read and hashed so far.
    done: u32,
    /// What an encrypted image needs besides.
    decryption: Option<Decryption>,
    refusal: Option<Fault>,
    parts: PartsCheck,
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
    #[inline(never)]
    pub fn with_verifier(slot_len: u32, expect: &Expectation<'k>, verifier: V) -> Self {
        Self {
            slot_len,
            expect: *expect,
            verifier,
            parser: Parser::new(slot_len),
            hasher: Sha256::new(),
            image_hash: None,
            done: 0,
            decryption: None,
            refusal: Parser::check_slot(slot_len),
            parts: PartsCheck::new(),
        }
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
                digest: accepted.digest,
                key_index: accepted.key_index,
                part_keys: accepted.part_keys,
            }));
        }
        Ok(Progress::More {
            done: self.done,
            total: self.len_to_read()?,
        })
    }

    /// The same; nothing while there is more to do.
    ///
    /// # Errors
    /// As [`Verification::step`].
    pub fn advance<S: ReadAt>(
        &mut self,
        source: &mut S,
        buf: &mut [u8],
    ) -> Result<Option<Accepted<'_>>, VerifyError<S::Error>> {
        let total = self.len_to_read()?;
        if self.judge_part() {
            return Ok(None);
        }
        if self.done >= total {
            return self.conclude().map(Some);
        }
        let mut own = [0; BLOCK_LEN_MIN];
        let buf = if buf.len() < BLOCK_LEN_MIN {
            own.as_mut_slice()
        } else {
            buf
        };
        let block = self.block_len(self.boundary(total), buf.len());
        let block = buf.get_mut(..block).unwrap_or_default();
        source
            .read_at(self.done, block)
            .map_err(VerifyError::Read)?;
        #[cfg(feature = "encryption")]
        if self.done == 0 {
            self.begin_decryption(source, block)
                .map_err(VerifyError::Read)?;
        }
        let at = self.done;
        self.absorb(block);
        self.absorb_part(at, block);
        Ok(None)
    }

    /// Where reading ends, as far as it is known; or why it makes no sense to read on.
    fn len_to_read<E>(&self) -> Result<u32, VerifyError<E>> {
        let refused = self.refusal.is_some() || self.parts.is_refused();
        if let Some(announced) = self.expect.len {
            if announced > self.slot_len {
                let needed = u64::from(announced);
                return Err(VerifyError::TooLarge {
                    needed,
                    slot_len: self.slot_len,
                });
            }
            if !refused || self.expect.digest.is_some() {
                return Ok(announced);
            }
        }
        if let Some(refusal) = self.refusal {
            return Err(self.parser.error(refusal));
        }
        self.parts.verdict()?;
        let first = self.parts.first().map(|first| first.len);
        Ok(first.unwrap_or_else(|| self.parser.known_len()))
    }

    /// Up to the next multiple of the buffer's length, so that blocks stay aligned in flash.
    fn block_len(&self, total: u32, buf_len: usize) -> usize {
        let left = usize::try_from(total.saturating_sub(self.done)).unwrap_or(usize::MAX);
        let done = usize::try_from(self.done).unwrap_or(usize::MAX);
        let past_boundary = done.checked_rem(buf_len).unwrap_or(0);
        left.min(buf_len.saturating_sub(past_boundary))
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
            self.refusal = Some(Fault::Unsupported(Unsupported::Encryption));
            return Ok(());
        };
        self.refusal = match inspect(source, self.slot_len) {
            Err(error) => Some(self.parser.adopt(error)?),
            Ok(info) => {
                let cipher = PayloadCipher::new(&info, Some(key));
                let form = self.expect.form;
                self.decryption = cipher.ok().map(|cipher| Decryption::new(cipher, form));
                None
            }
        };
        if self.refusal.is_none() && self.decryption.is_none() {
            self.refusal = Some(Fault::NotDecryptable);
        }
        Ok(())
    }

    fn absorb(&mut self, block: &mut [u8]) {
        if self.refusal.is_none() {
            self.refusal = self.parser.feed(block).err();
        }
        let len = u32::try_from(block.len()).unwrap_or(u32::MAX);
        let boundary = self
            .parser
            .hashed_len()
            .and_then(|end| end.checked_sub(self.done));
        #[cfg(feature = "encryption")]
        if let Some(decryption) = &mut self.decryption {
            let ends = boundary.and_then(|at| usize::try_from(at).ok());
            let ends = ends.filter(|&at| at <= block.len() && self.image_hash.is_none());
            let hashed = if self.image_hash.is_none() {
                ends.unwrap_or(block.len())
            } else {
                0
            };
            decryption.absorb(self.done, block, hashed, &mut self.hasher);
            self.image_hash = self.image_hash.or(ends.map(|_end| decryption.image_hash()));
            self.done = self.done.saturating_add(len);
            return;
        }
        match boundary.map(|at| block.split_at_checked(usize::try_from(at).unwrap_or(usize::MAX))) {
            Some(Some((hashed, behind))) if self.image_hash.is_none() => {
                self.hasher.update(hashed);
                self.image_hash = Some(self.hasher.hash());
                self.hasher.update(behind);
            }
            Some(_) | None => self.hasher.update(block),
        }
        self.done = self.done.saturating_add(len);
    }

    fn conclude<E>(&self) -> Result<Accepted<'_>, VerifyError<E>> {
        let digest: [u8; 32] = self.hasher.hash();
        if self
            .expect
            .digest
            .is_some_and(|announced| !same(&announced, &digest))
        {
            return Err(VerifyError::DigestMismatch);
        }
        if let Some(refusal) = self.refusal {
            return Err(self.parser.error(refusal));
        }
        let announced = self.expect.len.unwrap_or(self.done);
        let first = self.parts.first();
        let info = match first.or(self.parser.info()) {
            Some(info) if info.len == announced => info,
            Some(_) | None => {
                let image = first.map_or(self.parser.known_len(), |first| first.len);
                return Err(VerifyError::LengthMismatch { image, announced });
            }
        };
        if self
            .image_hash
            .is_none_or(|hash| !same(&hash, &info.image_hash))
        {
            return Err(VerifyError::HashMismatch);
        }
        if info.header.flags.is_encrypted() && self.decryption.is_none() {
            return Err(VerifyError::Unsupported(Unsupported::Encryption));
        }
        let key_index = self.authenticate(info)?;
        self.conclude_parts(info)?;
        self.check_fit(info)?;
        Ok(Accepted {
            info,
            digest,
            key_index,
            part_keys: self.parts.keys,
        })
    }

    /// Judges what an image states about itself, its hash included.
    #[cfg(all(feature = "ed25519", feature = "encryption"))]
    pub(crate) fn judge<E>(&self, info: &ImageInfo) -> Result<usize, VerifyError<E>> {
        let key_index = self.authenticate(info)?;
        self.check_fit(info)?;
        Ok(key_index)
    }

    /// Which key signed this image.
    fn authenticate<E>(&self, info: &ImageInfo) -> Result<usize, VerifyError<E>> {
        if matches!(info.signature, Signature::P256(_)) && !self.verifier.knows_p256() {
            let algorithm = Unsupported::Signature(tlv::SIGNATURE_ECDSA);
            return Err(VerifyError::Unsupported(algorithm));
        }
        let mut signer = None;
        let mut next = 0_usize;
        for key in self.expect.keys {
            let index = next;
            next = next.wrapping_add(1);
            if self.names(info, key) {
                if key.revoked {
                    return Err(VerifyError::KeyRevoked);
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
    fn check_fit<E>(&self, info: &ImageInfo) -> Result<(), VerifyError<E>> {
        if let Some(board) = &self.expect.board
            && (info.vid.as_ref() != Some(&board.vid) || info.cid.as_ref() != Some(&board.cid))
        {
            return Err(VerifyError::WrongBoard);
        }
        if let (Some(slot), Some(image)) = (self.expect.slot_address, info.rom_address())
            && slot != image
        {
            return Err(VerifyError::WrongSlot { image, slot });
        }
        if info.security_counter < self.expect.security_floor {
            let (image, floor) = (info.security_counter, self.expect.security_floor);
            return Err(VerifyError::SecurityCounter { image, floor });
        }
        info.dependencies
            .iter()
            .try_for_each(|needed| self.check_dependency(info, needed))
    }

    /// Whether another image is there as this one needs it. It may also depend on itself.
    fn check_dependency<E>(
        &self,
        info: &ImageInfo,
        needed: &Dependency,
    ) -> Result<(), VerifyError<E>> {
        if needed.image != self.expect.index {
            return self.check_other(needed);
        }
        if info.header.version.number() >= needed.version.number() {
            Ok(())
        } else {
            Err(VerifyError::DependencyUnmet(*needed))
        }
    }

    /// Whether another image is there: as a part of the same file, or on the device. Who has parts
    /// knows the others.
    fn check_other<E>(&self, needed: &Dependency) -> Result<(), VerifyError<E>> {
        let nobody_knows = self.expect.present.is_empty() && self.parts.first().is_none();
        let met = if let Some(version) = self.parts.version(needed.image) {
            version.number() >= needed.version.number()
        } else if nobody_knows {
            return Err(VerifyError::Unsupported(Unsupported::Dependency));
        } else {
            let mut others = self.expect.present.iter();
            others.any(|other| {
                other.image == needed.image && other.version.number() >= needed.version.number()
            })
        };
        if met {
            Ok(())
        } else {
            Err(VerifyError::DependencyUnmet(*needed))
        }
    }
}

/// Compares without telling through time where the first difference is.
fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    left.ct_eq(right).into()
}
