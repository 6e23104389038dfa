//! Makes signed images, on the host.

mod parts;

use std::vec::Vec;

use sha2::{Digest as _, Sha256};

use crate::board::BoardIds;
use crate::dependency::{DEPENDENCIES_MAX, Dependency};
use crate::encryption::{Aes, EncryptionKey, Sealed};
use crate::header::{HEADER_LEN, ImageFlags, MAGIC, Version};
use crate::info::Label;
use crate::keyfile::SigningKey;
use crate::parts::PART_ALIGN;
use crate::tlv;
use parts::{Behind, Entry, unprotected_len_max};

/// Header length that suits the vector table alignment of every Cortex-M we know.
pub const HEADER_LEN_DEFAULT: u16 = 0x200;

/// A wish for an image that the format cannot express.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The header is to be shorter than 32 bytes: the length asked for.
    #[error("a header of {0} bytes is too short, at least 32 are needed")]
    HeaderLen(u16),
    /// There is no payload.
    #[error("the payload is empty")]
    PayloadEmpty,
    /// The operating system has no random numbers, and an encrypted image needs some.
    #[error("no random numbers from the operating system")]
    Random(getrandom::Error),
    /// Nothing can be encrypted for the key of the device: it has a small order.
    #[error("the encryption key is not usable")]
    Recipient,
    /// It depends on more than four other images, or twice on one.
    #[error("it depends on more than {DEPENDENCIES_MAX} images, or twice on the same one")]
    Dependencies,
    /// What is to be the part with this index is not an image that says so, or there is one already.
    #[error("what is given as part {0} is not one image with that index")]
    Part(u8),
    /// Parts cannot begin at multiples of this many bytes.
    #[error("parts cannot be aligned to {0} bytes, only to multiples of {PART_ALIGN}")]
    PartAlign(u32),
    /// An encrypted image cannot have parts.
    #[error("an image with parts cannot be encrypted")]
    PartsEncrypted,
    /// The image would have 4 GiB or more.
    #[error("the image would be 4 GiB or longer")]
    TooLarge,
}

/// An image to be signed. The result equals, byte for byte, what `imgtool sign` makes of the same
/// values with `--pad-header`.
///
/// ```
/// use otaru_image::{ImageBuilder, Label, SigningKey, Version, board_uuids};
///
/// let key = SigningKey::from_seed([7; 32]);
/// let image = ImageBuilder::new(vec![1, 2, 3], Version { major: 1, ..Version::default() })
///     .label(Label::new("1.0.0+1")?)
///     .board(board_uuids("example.com", "host"))
///     .security_counter(1)
///     .sign(&key)?;
/// assert_eq!(image[..4], [0x3d, 0xb8, 0xf3, 0x96]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageBuilder {
    payload: Vec<u8>,
    header_len: u16,
    version: Version,
    label: Option<Label>,
    security_counter: Option<u32>,
    revoke: u16,
    board: Option<BoardIds>,
    rom_address: Option<u32>,
    encryption: Option<(EncryptionKey, Aes)>,
    index: Option<u8>,
    dependencies: Vec<Dependency>,
    behind: Behind,
}

impl ImageBuilder {
    /// An image with this payload, for any board and slot until said otherwise.
    pub fn new(payload: impl Into<Vec<u8>>, version: Version) -> Self {
        Self {
            payload: payload.into(),
            header_len: HEADER_LEN_DEFAULT,
            version,
            label: None,
            security_counter: None,
            revoke: 0,
            board: None,
            rom_address: None,
            encryption: None,
            index: None,
            dependencies: Vec::new(),
            behind: Behind::new(),
        }
    }

    /// Offset of the payload in bytes, 32 or more; [`HEADER_LEN_DEFAULT`] unless set.
    #[must_use]
    pub fn header_len(mut self, len: u16) -> Self {
        self.header_len = len;
        self
    }

    /// The version as people read it.
    #[must_use]
    pub fn label(mut self, label: Label) -> Self {
        self.label = Some(label);
        self
    }

    /// The security counter; a device counts a missing one as 0.
    #[must_use]
    pub fn security_counter(mut self, counter: u32) -> Self {
        self.security_counter = Some(counter);
        self
    }

    /// The keys that are revoked when the image is confirmed, bit = position in the key table of its
    /// devices; 0 for none. The key that signs must not be among them: devices refuse that.
    #[must_use]
    pub fn revoke(mut self, keys: u16) -> Self {
        self.revoke = keys;
        self
    }

    /// The board it is made for. Devices refuse an image without one.
    #[must_use]
    pub fn board(mut self, board: BoardIds) -> Self {
        self.board = Some(board);
        self
    }

    /// Binds the image to the slot at this address.
    #[must_use]
    pub fn rom_address(mut self, address: u32) -> Self {
        self.rom_address = Some(address);
        self
    }

    /// Encrypts the payload for the device with this key. It is padded with zeros to a multiple of
    /// 16 bytes, as imgtool does. Each call of [`ImageBuilder::sign`] then makes another file.
    #[must_use]
    pub fn encrypt(mut self, recipient: EncryptionKey, aes: Aes) -> Self {
        self.encryption = Some((recipient, aes));
        self
    }

    /// Which image of the device it is: 1 and above for a part; firmware need not say that it is 0.
    #[must_use]
    pub fn index(mut self, index: u8) -> Self {
        self.index = Some(index);
        self
    }

    /// Another image must be there in this version or a later one.
    #[must_use]
    pub fn depends_on(mut self, needed: Dependency) -> Self {
        self.dependencies.push(needed);
        self
    }

    /// Puts a complete image behind this one, as the part with this index (see [`Part`](crate::Part)). It must say
    /// by itself that it has this index, and stays as it is. Devices want its security counter not to
    /// be lower than the one of this image. This image depends on every part of it: on any version,
    /// unless [`ImageBuilder::depends_on`] says more.
    #[must_use]
    pub fn part(mut self, index: u8, file: impl Into<Vec<u8>>) -> Self {
        self.behind.files.push((index, file.into()));
        self
    }

    /// Lets parts begin at multiples of this many bytes: best the chunk of the board, so that a change
    /// of one does not move the next. A multiple of [`PART_ALIGN`], which it is unless set.
    #[must_use]
    pub fn part_align(mut self, align: u32) -> Self {
        self.behind.align = align;
        self
    }

    /// The complete image file.
    ///
    /// # Errors
    /// [`BuildError`] if the header is too short, the payload empty or the image too long, if it
    /// cannot be encrypted, or if its parts or dependencies cannot be.
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, BuildError> {
        if self.header_len < u16::from(HEADER_LEN) {
            return Err(BuildError::HeaderLen(self.header_len));
        }
        if self.payload.is_empty() {
            return Err(BuildError::PayloadEmpty);
        }
        self.check_others()?;
        let mut payload = self.payload.clone();
        if self.encryption.is_some() {
            payload.resize(payload.len().next_multiple_of(16), 0);
        }
        let parts = self.place_parts(key, payload.len())?;
        let protected = self.protected_area(&parts);
        let mut image = self.header(payload.len(), protected.len())?;
        image.extend_from_slice(&payload);
        image.extend_from_slice(&protected);

        let image_hash: [u8; 32] = Sha256::digest(&image).into();
        let (key_hash, signature) = (key.public().key_hash(), key.sign_hash(&image_hash));
        let mut entries: Vec<(u16, &[u8])> = Vec::new();
        entries.push((tlv::SHA256, &image_hash));
        entries.push((tlv::KEY_HASH, &key_hash));
        entries.push((key.public().signature_tlv(), &signature));
        let sealed = self.encryption.map(|(to, aes)| Sealed::new(to, aes));
        let sealed = sealed.transpose()?;
        if let Some(sealed) = &sealed {
            entries.push((tlv::ENCRYPTION_X25519, &sealed.tlv));
        }
        image.extend_from_slice(&area(tlv::UNPROTECTED_MAGIC, &entries));
        if let Some(sealed) = sealed {
            let placed = image.iter_mut().skip(usize::from(self.header_len));
            sealed.encrypt(placed.take(payload.len()));
        }
        self.behind.append(&mut image, &parts)?;
        u32::try_from(image.len()).map_err(|_too_long| BuildError::TooLarge)?;
        Ok(image)
    }

    /// Whether parts and dependencies can be expressed.
    fn check_others(&self) -> Result<(), BuildError> {
        self.behind.check()?;
        if self.encryption.is_some() && !self.behind.files.is_empty() {
            return Err(BuildError::PartsEncrypted);
        }
        let mut seen = Vec::new();
        for needed in self.all_dependencies() {
            if seen.contains(&needed.image) || seen.len() >= DEPENDENCIES_MAX {
                return Err(BuildError::Dependencies);
            }
            seen.push(needed.image);
        }
        Ok(())
    }

    /// What was asked for, and every part for which nothing was.
    fn all_dependencies(&self) -> Vec<Dependency> {
        let mut all = self.dependencies.clone();
        for index in self.behind.indices() {
            if self.dependencies.iter().all(|needed| needed.image != index) {
                let (image, version) = (index, Version::default());
                all.push(Dependency { image, version });
            }
        }
        all
    }

    /// The TLVs that name the parts. Their number alone says how long they are.
    fn place_parts(&self, key: &SigningKey, payload_len: usize) -> Result<Vec<Entry>, BuildError> {
        let protected = self.protected_area(&self.behind.entries(0)?);
        let own = [usize::from(self.header_len), payload_len, protected.len()];
        let own = own
            .into_iter()
            .filter_map(|len| u64::try_from(len).ok())
            .fold(unprotected_len_max(key), u64::saturating_add);
        self.behind.entries(own)
    }

    fn header(&self, payload_len: usize, protected_len: usize) -> Result<Vec<u8>, BuildError> {
        let payload_len = u32::try_from(payload_len).map_err(|_too_long| BuildError::TooLarge)?;
        let encrypted = match self.encryption {
            None => 0,
            Some((_, Aes::Aes128)) => ImageFlags::ENCRYPTED_AES128,
            Some((_, Aes::Aes256)) => ImageFlags::ENCRYPTED_AES256,
        };
        let fixed = if self.rom_address.is_some() {
            ImageFlags::ROM_FIXED
        } else {
            0
        };
        let flags = fixed | encrypted;
        let mut header = Vec::new();
        header.extend_from_slice(&MAGIC.to_le_bytes());
        header.extend_from_slice(&self.rom_address.unwrap_or(0).to_le_bytes());
        header.extend_from_slice(&self.header_len.to_le_bytes());
        header.extend_from_slice(&len_u16(protected_len).to_le_bytes());
        header.extend_from_slice(&payload_len.to_le_bytes());
        header.extend_from_slice(&flags.to_le_bytes());
        header.extend_from_slice(&[self.version.major, self.version.minor]);
        header.extend_from_slice(&self.version.revision.to_le_bytes());
        header.extend_from_slice(&self.version.build.to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        // Like erased flash, so that nothing needs to be programmed here.
        header.resize(usize::from(self.header_len), 0xff);
        Ok(header)
    }

    /// The signed TLVs, in the order in which imgtool writes them; empty if there are none.
    fn protected_area(&self, parts: &[Entry]) -> Vec<u8> {
        let counter = self.security_counter.map(u32::to_le_bytes);
        let revoke = self.revoke.to_le_bytes();
        let needed: Vec<_> = self
            .all_dependencies()
            .into_iter()
            .map(Dependency::to_bytes)
            .collect();
        let index = self.index.map(|index| [index]);
        let mut entries: Vec<(u16, &[u8])> = Vec::new();
        if let Some(counter) = &counter {
            entries.push((tlv::SECURITY_COUNTER, counter));
        }
        for bytes in &needed {
            entries.push((tlv::DEPENDENCY, bytes));
        }
        if let Some(board) = &self.board {
            entries.push((tlv::VENDOR_ID, &board.vid.0));
            entries.push((tlv::CLASS_ID, &board.cid.0));
        }
        if let Some(label) = &self.label {
            entries.push((tlv::LABEL, label.as_str().as_bytes()));
        }
        if self.revoke != 0 {
            entries.push((tlv::REVOKE, &revoke));
        }
        if let Some(index) = &index {
            entries.push((tlv::IMAGE_INDEX, index));
        }
        for (kind, data) in parts {
            entries.push((*kind, data));
        }
        if entries.is_empty() {
            Vec::new()
        } else {
            area(tlv::PROTECTED_MAGIC, &entries)
        }
    }
}

fn area(magic: u16, entries: &[(u16, &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    for (kind, value) in entries {
        data.extend_from_slice(&kind.to_le_bytes());
        data.extend_from_slice(&len_u16(value.len()).to_le_bytes());
        data.extend_from_slice(value);
    }
    let len = len_u16(data.len().saturating_add(usize::from(tlv::AREA_INFO_LEN)));
    let mut area = Vec::new();
    area.extend_from_slice(&magic.to_le_bytes());
    area.extend_from_slice(&len.to_le_bytes());
    area.extend_from_slice(&data);
    area
}

fn len_u16(len: usize) -> u16 {
    u16::try_from(len).expect("both areas hold a handful of entries of at most 96 bytes")
}
