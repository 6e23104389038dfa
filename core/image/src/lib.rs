//! MCUboot image format v1: parse and verify, and (feature `std`) build and sign.
//!
//! ```text
//! | header 32 B | padding | payload  | protected TLVs | TLVs: hash, key hash, signature |
//! |<------ hdr_size ----->|<img_size>|<-- protect --->|
//! |<--------------- image hash (signed) ------------->|
//! |<------------------------- digest (content address) ---------------------------->|
//! ```
//!
//! The bytes are described in `docs/formats/image.md`. This crate owns their meaning: nobody else
//! interprets a header or a TLV. It never writes flash, never decides when something is installed,
//! and knows neither the record nor the network.
//!
//! Images lie in flash and are read block by block through [`ReadAt`]. Every byte is treated as
//! hostile: all lengths are checked against the slot, the number of TLVs is limited by
//! [`TLVS_MAX`], and nothing here panics, allocates or recurses.
//!
//! * [`inspect`] reads header and TLVs and says what the image claims to be. Nothing is
//!   authenticated yet.
//! * [`verify`] reads every byte once and says whether this device may run the image.
//!   [`Verification`] is the same in steps, for callers that must yield in between. What it reports
//!   was parsed from the very bytes that were hashed, so flash bits that read differently each time
//!   cannot slip a value past the signature.
//! * `ImageBuilder` and `SigningKey` (feature `std`, host only) make images, byte for byte as
//!   `imgtool` makes them.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

#[cfg(feature = "std")]
extern crate std;

mod board;
#[cfg(feature = "std")]
mod builder;
mod dependency;
mod ecdsa;
mod encryption;
mod error;
mod hash;
mod header;
mod info;
mod key;
#[cfg(feature = "std")]
mod keyfile;
mod parser;
mod parts;
#[cfg(feature = "small")]
mod small;
mod source;
#[cfg(all(feature = "ed25519", feature = "encryption"))]
mod stated;
pub mod tlv;
mod verify;

#[cfg(feature = "std")]
pub use board::board_uuids;
pub use board::{BoardIds, Uuid};
#[cfg(feature = "std")]
pub use builder::{BuildError, HEADER_LEN_DEFAULT, ImageBuilder};
pub use dependency::{DEPENDENCIES_MAX, Dependencies, Dependency, Present};
#[cfg(feature = "p256")]
pub use ecdsa::WithP256;
pub use ecdsa::{
    NoEd25519, P256_SIGNATURE_LEN_MAX, P256_SIGNATURE_LEN_MIN, P256Signature, p256_key_hash,
    p256_spki_der,
};
#[cfg(feature = "std")]
pub use encryption::{Aes, EncryptionKey, installed_form};
pub use encryption::{DecryptionKey, EncryptedKey, Form, NotDecryptable, PayloadCipher};
pub use error::{ImageError, Malformed, Reason, Unsupported, VerifyError};
pub use header::{HEADER_LEN, ImageFlags, ImageHeader, MAGIC, Version};
pub use info::{ImageInfo, LABEL_LEN_MAX, Label, LabelError, inspect};
#[cfg(feature = "ed25519")]
pub use key::{Ed25519Dalek, StandardVerifier};
pub use key::{
    KEYS_MAX, Key, KeyKind, Signature, SignatureRejected, SignatureVerifier, key_hash, spki_der,
};
#[cfg(feature = "std")]
pub use keyfile::{KEY_FILE_LEN_MAX, KeyFileError, PublicKey, SigningKey};
#[cfg(feature = "parts")]
pub use parts::inspect_part;
pub use parts::{PART_ALIGN, PART_GAP, PARTS_MAX, Part, Parts};
#[cfg(feature = "small")]
pub use small::Ed25519Small;
pub use source::{OutOfBounds, ReadAt};
#[cfg(all(feature = "ed25519", feature = "encryption"))]
pub use stated::verify_stated;
pub use tlv::TLVS_MAX;
#[cfg(feature = "ed25519")]
pub use verify::verify;
pub use verify::{
    Accepted, BLOCK_LEN_MIN, Expectation, Progress, Stopped, Verification, Verified, verify_with,
};
