//! Why an image is refused. Each variant is one thing that can be wrong with it.

#[cfg(feature = "parts")]
use core::convert::Infallible;
use core::error::Error;
use core::fmt;

use crate::dependency::Dependency;
use crate::encryption::NotDecryptable;

/// Which rule of the format the bytes break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The first four bytes are not those of an MCUboot image.
    Magic,
    /// The header claims to be shorter than 32 bytes: the length found.
    HeaderLen(u16),
    /// There is no payload.
    PayloadEmpty,
    /// A TLV area begins with a wrong magic: the number found.
    AreaMagic(u16),
    /// A TLV area's length cannot be, or differs from the one in the header: the length found.
    AreaLen(u16),
    /// A TLV, or the four bytes in front of one, reaches beyond its area.
    TlvBounds,
    /// More TLVs than [`TLVS_MAX`](crate::TLVS_MAX).
    TlvCount,
    /// More dependencies than [`DEPENDENCIES_MAX`](crate::DEPENDENCIES_MAX).
    DependencyCount,
    /// A TLV of this type stands there twice; a dependency: on the same image.
    TlvDuplicate(u16),
    /// A TLV has a length its type does not allow.
    TlvLen {
        /// Its type.
        kind: u16,
        /// The length found.
        len: u16,
    },
    /// A TLV of this type stands in the wrong area.
    TlvArea(u16),
    /// The label is not UTF-8, or holds control characters.
    Label,
    /// It says it is this image of the device, and stands where another one belongs.
    ImageIndex(u8),
    /// A part does not lie behind what comes before it, at a multiple of
    /// [`PART_ALIGN`](crate::PART_ALIGN), or is shorter than a header.
    PartPlace,
    /// There is something between two images of the file.
    PartGap,
    /// A part has parts itself.
    PartNested,
    /// The image does not depend on this part of its own file, so whoever knows no parts would start
    /// it without.
    PartNotNeeded(u8),
    /// Its flags and its encrypted key do not belong together.
    EncryptedKey,
    /// There is no image hash.
    HashMissing,
    /// There is no signature, or no hash that names its key.
    Unsigned,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("it does not begin with the magic number of an image"),
            Self::HeaderLen(len) => write!(f, "its header has {len} bytes, at least 32 are needed"),
            Self::PayloadEmpty => f.write_str("its payload is empty"),
            Self::AreaMagic(found) => write!(f, "a TLV area begins with {found:#06x}"),
            Self::AreaLen(found) => write!(f, "a TLV area has the impossible length {found}"),
            Self::TlvBounds => f.write_str("a TLV reaches beyond its area"),
            Self::TlvCount => write!(f, "it has more than {} TLVs", crate::TLVS_MAX),
            Self::DependencyCount => {
                let most = crate::DEPENDENCIES_MAX;
                write!(f, "it depends on more than {most} images")
            }
            Self::TlvDuplicate(kind) => write!(f, "TLV {kind:#06x} stands there twice"),
            Self::TlvLen { kind, len } => write!(f, "TLV {kind:#06x} has the wrong length {len}"),
            Self::TlvArea(kind) => write!(f, "TLV {kind:#06x} stands in the wrong area"),
            Self::Label => f.write_str("its label is not plain UTF-8 text"),
            Self::ImageIndex(index) => {
                write!(f, "it is image {index}, and another one belongs there")
            }
            Self::PartPlace => f.write_str("a part of it lies where it cannot be"),
            Self::PartGap => f.write_str("there is something between its parts"),
            Self::PartNested => f.write_str("a part of it has parts"),
            Self::PartNotNeeded(index) => write!(f, "it does not depend on its own part {index}"),
            Self::EncryptedKey => f.write_str("its flags and its encrypted key do not match"),
            Self::HashMissing => f.write_str("it has no SHA-256 TLV"),
            Self::Unsigned => f.write_str("it is not signed"),
        }
    }
}

/// A legal image that asks for something Otaru does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupported {
    /// The payload is encrypted, and not in a way or for a key that is known here.
    Encryption,
    /// The payload is compressed.
    Compression,
    /// The payload must be copied to RAM to run.
    RamLoad,
    /// The image is marked as not bootable.
    NonBootable,
    /// Flags without a meaning here: the bits found.
    Flags(u32),
    /// The hash is not SHA-256: the TLV type found.
    Hash(u16),
    /// The signature is of an algorithm that is not built in, or the key is embedded: the TLV type
    /// found.
    Signature(u16),
    /// The signature covers the image instead of its hash (`imgtool --pure`).
    PureSignature,
    /// The image depends on another one, and nobody here knows which others there are.
    Dependency,
    /// A protected TLV that nobody here knows, and that could be essential: its type.
    ProtectedTlv(u16),
    /// A TLV outside the signed part that has no business there: its type.
    UnprotectedTlv(u16),
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encryption => {
                f.write_str("the image is encrypted in a way that is not supported here")
            }
            Self::Compression => f.write_str("compressed images are not supported"),
            Self::RamLoad => f.write_str("images that run from RAM are not supported"),
            Self::NonBootable => f.write_str("the image is marked as not bootable"),
            Self::Flags(bits) => write!(f, "unknown flags {bits:#x}"),
            Self::Hash(kind) => {
                write!(
                    f,
                    "hash type {kind:#06x} is not supported; sign with SHA-256 and without --pure"
                )
            }
            Self::Signature(kind) => {
                write!(
                    f,
                    "signature type {kind:#06x} is not supported here; sign with Ed25519"
                )
            }
            Self::PureSignature => {
                f.write_str("pure signatures are not supported; sign without --pure")
            }
            Self::Dependency => f.write_str("dependencies on other images are not supported"),
            Self::ProtectedTlv(kind) => write!(f, "unknown protected TLV {kind:#06x}"),
            Self::UnprotectedTlv(kind) => write!(f, "unknown unprotected TLV {kind:#06x}"),
        }
    }
}

/// Why [`inspect`](crate::inspect) cannot describe an image. `E` is the error of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageError<E> {
    /// The bytes break a rule of the format.
    Malformed(Malformed),
    /// The image says it is longer than the slot, or than the file it came in.
    TooLarge {
        /// Bytes it needs at least.
        needed: u64,
        /// Bytes there are.
        slot_len: u32,
    },
    /// The image asks for something Otaru does not do.
    Unsupported(Unsupported),
    /// The source could not be read.
    Read(E),
}

impl<E: fmt::Display> fmt::Display for ImageError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(which) => write!(f, "not a valid image: {which}"),
            Self::TooLarge { needed, slot_len } => {
                write!(
                    f,
                    "the image needs at least {needed} bytes, there are {slot_len}"
                )
            }
            Self::Unsupported(what) => write!(f, "{what}"),
            Self::Read(cause) => write!(f, "the image could not be read: {cause}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for ImageError<E> {}

/// Why an image may not run here. `E` is the error of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyError<E> {
    /// The bytes break a rule of the format.
    Malformed(Malformed),
    /// The image, or its announced length, exceeds the slot.
    TooLarge {
        /// Bytes needed at least.
        needed: u64,
        /// Bytes there are.
        slot_len: u32,
    },
    /// The image is not as long as it was announced.
    LengthMismatch {
        /// Bytes the image says it has, at least.
        image: u32,
        /// Bytes that were announced.
        announced: u32,
    },
    /// The bytes are not those the image's own hash was made of, or a part is not the one that the
    /// image names.
    HashMismatch,
    /// The bytes are not those that were announced.
    DigestMismatch,
    /// No key of the table made the signature.
    KeyUnknown,
    /// The key that made the signature was revoked.
    KeyRevoked,
    /// The signature does not belong to this image.
    SignatureInvalid,
    /// The image is for another board, or for none in particular.
    WrongBoard,
    /// The image is linked for another address.
    WrongSlot {
        /// The address it is linked for.
        image: u32,
        /// The address of the execution slot.
        slot: u32,
    },
    /// The image is older than what this device has already confirmed.
    SecurityCounter {
        /// The counter of the image.
        image: u32,
        /// The lowest that may run.
        floor: u32,
    },
    /// Another image is not present in the version that this one needs.
    DependencyUnmet(Dependency),
    /// The image is encrypted for another device, or its encrypted key is damaged.
    NotDecryptable,
    /// The image asks for something Otaru does not do.
    Unsupported(Unsupported),
    /// The source could not be read. The same step may be tried again.
    Read(E),
}

#[cfg(feature = "parts")]
impl VerifyError<Infallible> {
    /// The same error where reading could have failed, but did not.
    pub(crate) fn widen<E>(self) -> VerifyError<E> {
        match self {
            Self::Malformed(which) => VerifyError::Malformed(which),
            Self::TooLarge { needed, slot_len } => VerifyError::TooLarge { needed, slot_len },
            Self::LengthMismatch { image, announced } => {
                VerifyError::LengthMismatch { image, announced }
            }
            Self::HashMismatch => VerifyError::HashMismatch,
            Self::DigestMismatch => VerifyError::DigestMismatch,
            Self::KeyUnknown => VerifyError::KeyUnknown,
            Self::KeyRevoked => VerifyError::KeyRevoked,
            Self::SignatureInvalid => VerifyError::SignatureInvalid,
            Self::WrongBoard => VerifyError::WrongBoard,
            Self::WrongSlot { image, slot } => VerifyError::WrongSlot { image, slot },
            Self::SecurityCounter { image, floor } => VerifyError::SecurityCounter { image, floor },
            Self::DependencyUnmet(needed) => VerifyError::DependencyUnmet(needed),
            Self::NotDecryptable => VerifyError::NotDecryptable,
            Self::Unsupported(what) => VerifyError::Unsupported(what),
            Self::Read(never) => match never {},
        }
    }
}

impl<E> From<ImageError<E>> for VerifyError<E> {
    fn from(error: ImageError<E>) -> Self {
        match error {
            ImageError::Malformed(which) => Self::Malformed(which),
            ImageError::TooLarge { needed, slot_len } => Self::TooLarge { needed, slot_len },
            ImageError::Unsupported(what) => Self::Unsupported(what),
            ImageError::Read(cause) => Self::Read(cause),
        }
    }
}

impl<E: fmt::Display> fmt::Display for VerifyError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(which) => write!(f, "not a valid image: {which}"),
            Self::TooLarge { needed, slot_len } => {
                write!(
                    f,
                    "the image needs at least {needed} bytes, there are {slot_len}"
                )
            }
            Self::LengthMismatch { image, announced } => {
                write!(f, "the image has {image} bytes, announced were {announced}")
            }
            Self::HashMismatch => f.write_str("the image does not match its own hash"),
            Self::DigestMismatch => f.write_str("the image does not match the announced digest"),
            Self::KeyUnknown => {
                f.write_str("the image is signed by a key this device does not know")
            }
            Self::KeyRevoked => f.write_str("the image is signed by a revoked key"),
            Self::SignatureInvalid => f.write_str("the signature does not match the image"),
            Self::WrongBoard => f.write_str("the image is for another board"),
            Self::WrongSlot { image, slot } => {
                write!(
                    f,
                    "the image is linked for {image:#010x}, the slot is at {slot:#010x}"
                )
            }
            Self::SecurityCounter { image, floor } => {
                write!(
                    f,
                    "the image has security counter {image}, at least {floor} is required"
                )
            }
            Self::NotDecryptable => write!(f, "{NotDecryptable}"),
            Self::DependencyUnmet(Dependency { image, version }) => {
                write!(
                    f,
                    "the image needs image {image} in version {version} or later"
                )
            }
            Self::Unsupported(what) => write!(f, "{what}"),
            Self::Read(cause) => write!(f, "the image could not be read: {cause}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for VerifyError<E> {}
