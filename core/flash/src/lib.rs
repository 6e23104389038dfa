//! The flash contract: areas, write units, layouts, device block and identity area.
//!
//! Geometry is data. A [`Layout`] says where everything stands; it comes from the
//! [`DeviceBlock`], which is written when a board is flashed and never over the air. One
//! bootloader binary therefore serves every layout of a board.
//!
//! This crate owns *where* things stand and what a flash may do to them. It never decides what is
//! installed and never knows what an image is.
//!
//! ```text
//! | device block | identity | record A | record B | execution | storage 0 | storage 1 |
//!                                                   (swap: storage 0 = secondary slot)
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod area;
mod bytes;
mod device_block;
mod identity;
mod layout;
mod nor;

pub use area::{AccessError, Area};
pub use bytes::{crc32, ones};
pub use device_block::{
    BOARD_NAME_LEN_MAX, DEVICE_BLOCK_LEN, DeviceBlock, DeviceBlockError, KEYS_MAX, Key, KeyKind,
};
pub use identity::{IDENTITY_LEN_MAX, Identity, IdentityError, IdentityStore, TokenKind};
pub use layout::{AreaName, CHUNKS_MAX, Layout, LayoutError, Mode, Slot, WRITE_UNIT_MAX};
pub use nor::{Flash, Nor};
