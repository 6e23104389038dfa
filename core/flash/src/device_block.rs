//! The device block: what a board is, written when it is flashed, never over the air.
//!
//! 512 bytes, little-endian, at the start of its area:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | magic `OTDB` |
//! | 4 | 2 | format version, 1 |
//! | 6 | 2 | length, 512 |
//! | 8 | 1 | engine, 1 = bootloader engine |
//! | 9 | 1 | install mode: 1 `swap`, 2 `standby` |
//! | 10 | 1 | erased value |
//! | 11 | 1 | boot attempts of a trial, 1…16 |
//! | 12 | 2 | write unit in bytes |
//! | 14 | 1 | number of keys |
//! | 15 | 1 | flags: bit 0 = a verified image is not hashed again at every start; rest 0 |
//! | 16 | 4 | flash length in bytes |
//! | 20 | 4 | chunk length in bytes |
//! | 24 | 72 | six areas (device block, identity, record, execution, storage 0, storage 1), each offset, length, erase size |
//! | 96 | 16 | vendor UUID |
//! | 112 | 16 | board (class) UUID |
//! | 128 | 32 | board name, UTF-8, padded with zeros |
//! | 160 | 288 | eight keys: 32 bytes Ed25519 public key, 1 byte flags (bit 0 development), 3 bytes 0 |
//! | 448 | 4 | watchdog time-out in milliseconds |
//! | 452 | 4 | address at which the flash is mapped for execution |
//! | 456 | 52 | 0 |
//! | 508 | 4 | CRC-32 of bytes 0…507 |

use crate::bytes::{Writer, checked};
use crate::{Area, Layout, LayoutError, Mode};
use core::fmt;

/// Size of the device block in bytes.
pub const DEVICE_BLOCK_LEN: usize = 512;
/// Number of keys a device can hold.
pub const KEYS_MAX: usize = 8;
/// Longest board name in bytes.
pub const BOARD_NAME_LEN_MAX: usize = 32;

const MAGIC: [u8; 4] = *b"OTDB";
const FORMAT: u16 = 1;
const ENGINE_BOOTLOADER: u8 = 1;
const TRIALS_MAX: u8 = 16;
const KEY_DEVELOPMENT: u8 = 1;
const FLAG_SKIP_HASH: u8 = 1;

/// One entry of the key table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Ed25519 public key.
    pub public: [u8; 32],
    /// Made for development; a release build of the tools refuses to provision it.
    pub development: bool,
}

/// What a board is: geometry, identity of the hardware, trusted keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceBlock {
    /// Where everything stands.
    pub layout: Layout,
    /// How many boots a trial gets unless the deployment says otherwise: 1…16.
    pub trials: u8,
    /// Watchdog time-out in milliseconds, armed before a firmware starts; 0 leaves it off.
    pub watchdog_ms: u32,
    /// Whether a start does without hashing the image if the record says that this very image was
    /// verified since it was written, and the last start did not end in a crash. Only a bootloader
    /// with the feature `skip-hash` heeds it; what is given up is in `docs/size.md`.
    pub skip_hash: bool,
    /// Address at which the first byte of the flash is mapped for execution; images that are linked
    /// for a fixed address are linked for this plus the offset of the execution slot.
    pub flash_address: u32,
    /// Vendor UUID (MCUboot TLV 0x74).
    pub vendor_id: [u8; 16],
    /// Class UUID of the board (MCUboot TLV 0x75).
    pub class_id: [u8; 16],
    keys: [Option<Key>; KEYS_MAX],
    name: [u8; BOARD_NAME_LEN_MAX],
}

/// Why a device block cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceBlockError {
    /// No device block here, or a damaged one: flash the board by cable.
    Invalid,
    /// Written by a newer tool, or for an engine this bootloader does not have.
    Unsupported,
    /// The layout in it cannot work.
    Layout(LayoutError),
    /// The board name is longer than 32 bytes, or there are more than eight keys, or trials are
    /// not in 1…16.
    OutOfRange,
}

impl fmt::Display for DeviceBlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str("no valid device block: flash the board by cable"),
            Self::Unsupported => f.write_str("device block of an unsupported version or engine"),
            Self::Layout(cause) => write!(f, "layout in the device block: {cause}"),
            Self::OutOfRange => f.write_str("board name, keys or trials out of range"),
        }
    }
}

impl core::error::Error for DeviceBlockError {}

/// The bytes at a constant offset of the table above.
fn field<const N: usize>(block: &[u8; DEVICE_BLOCK_LEN], at: usize) -> [u8; N] {
    let place = block.get(at..).and_then(<[u8]>::first_chunk);
    place.copied().unwrap_or([0; N])
}

impl DeviceBlock {
    /// A device block for a board named `name` with this layout and these keys; trials 1, the
    /// watchdog off, ids zero.
    ///
    /// # Errors
    /// [`DeviceBlockError::OutOfRange`] or [`DeviceBlockError::Layout`].
    pub fn new(name: &str, layout: Layout, keys: &[Key]) -> Result<Self, DeviceBlockError> {
        layout.check().map_err(DeviceBlockError::Layout)?;
        let mut table = [None; KEYS_MAX];
        if keys.len() > KEYS_MAX {
            return Err(DeviceBlockError::OutOfRange);
        }
        for (entry, key) in table.iter_mut().zip(keys) {
            *entry = Some(*key);
        }
        let mut padded = [0; BOARD_NAME_LEN_MAX];
        padded
            .get_mut(..name.len())
            .ok_or(DeviceBlockError::OutOfRange)?
            .copy_from_slice(name.as_bytes());
        Ok(Self {
            layout,
            trials: 1,
            watchdog_ms: 0,
            skip_hash: false,
            flash_address: 0,
            vendor_id: [0; 16],
            class_id: [0; 16],
            keys: table,
            name: padded,
        })
    }

    /// The address for which an image of the execution slot may be linked.
    pub fn execution_address(&self) -> u32 {
        self.flash_address
            .wrapping_add(self.layout.execution.offset)
    }

    /// The board's name; empty if the block holds something else than text there.
    pub fn name(&self) -> &str {
        let len = self
            .name
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(self.name.len());
        self.name
            .get(..len)
            .and_then(|name| core::str::from_utf8(name).ok())
            .unwrap_or("")
    }

    /// The key table, in order; the position is the number by which a key is revoked.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().flatten()
    }

    /// Writes the block.
    ///
    /// # Errors
    /// [`DeviceBlockError::OutOfRange`] or [`DeviceBlockError::Layout`] if it could not be read
    /// back.
    pub fn encode(&self) -> Result<[u8; DEVICE_BLOCK_LEN], DeviceBlockError> {
        self.layout.check().map_err(DeviceBlockError::Layout)?;
        if !(1..=TRIALS_MAX).contains(&self.trials) {
            return Err(DeviceBlockError::OutOfRange);
        }
        let mut block = [0; DEVICE_BLOCK_LEN];
        let mut out = Writer::new(&mut block);
        out.bytes(&MAGIC);
        out.u16(FORMAT);
        out.u16(512);
        out.bytes(&[
            ENGINE_BOOTLOADER,
            self.layout.mode as u8,
            self.layout.erased,
            self.trials,
        ]);
        out.u16(self.layout.write_unit);
        out.u8(u8::try_from(self.keys().count()).unwrap_or(u8::MAX));
        out.u8(if self.skip_hash { FLAG_SKIP_HASH } else { 0 });
        out.u32(self.layout.flash_len);
        out.u32(self.layout.chunk_len);
        for (_, area) in self.layout.areas() {
            out.u32(area.offset);
            out.u32(area.len);
            out.u32(area.erase_len);
        }
        out.bytes(&self.vendor_id);
        out.bytes(&self.class_id);
        out.bytes(&self.name);
        for key in self.keys() {
            out.bytes(&key.public);
            out.bytes(&[if key.development { KEY_DEVELOPMENT } else { 0 }, 0, 0, 0]);
        }
        out.zeros_to(448);
        out.u32(self.watchdog_ms);
        out.u32(self.flash_address);
        out.zeros_to(508);
        match out.finish_with_crc() {
            Some(DEVICE_BLOCK_LEN) => Ok(block),
            _ => Err(DeviceBlockError::OutOfRange),
        }
    }

    /// Reads a block and checks everything in it.
    ///
    /// # Errors
    /// [`DeviceBlockError`]; nothing of a block that fails may be used.
    pub fn decode(block: &[u8; DEVICE_BLOCK_LEN]) -> Result<Self, DeviceBlockError> {
        checked(block).ok_or(DeviceBlockError::Invalid)?;
        if field(block, 0) != MAGIC {
            return Err(DeviceBlockError::Invalid);
        }
        let supported = u16::from_le_bytes(field(block, 4)) == FORMAT
            && u16::from_le_bytes(field(block, 6)) == 512
            && field(block, 8) == [ENGINE_BOOTLOADER];
        if !supported {
            return Err(DeviceBlockError::Unsupported);
        }
        let decoded = Self::decode_fields(block).ok_or(DeviceBlockError::Invalid)?;
        decoded.layout.check().map_err(DeviceBlockError::Layout)?;
        if (1..=TRIALS_MAX).contains(&decoded.trials) {
            Ok(decoded)
        } else {
            Err(DeviceBlockError::OutOfRange)
        }
    }

    #[inline(never)]
    fn decode_fields(block: &[u8; DEVICE_BLOCK_LEN]) -> Option<Self> {
        let number = |at| u32::from_le_bytes(field(block, at));
        let area = |at: usize| {
            Area::new(
                number(at),
                number(at.saturating_add(4)),
                number(at.saturating_add(8)),
            )
        };
        let [mode, erased, trials] = field(block, 9);
        let [key_count, flags] = field(block, 14);
        let mut keys = [None; KEYS_MAX];
        let (entries, _) = block.get(160..448)?.as_chunks::<36>();
        let used = keys.iter_mut().take(usize::from(key_count));
        for (key, entry) in used.zip(entries) {
            let (public, rest) = entry.split_first_chunk()?;
            *key = Some(Key {
                public: *public,
                development: rest.first()? & KEY_DEVELOPMENT != 0,
            });
        }
        let block = Self {
            layout: Layout {
                flash_len: number(16),
                write_unit: u16::from_le_bytes(field(block, 12)),
                erased,
                mode: Mode::from_code(mode)?,
                chunk_len: number(20),
                device_block: area(24),
                identity: area(36),
                record: area(48),
                execution: area(60),
                storage: [area(72), area(84)],
            },
            trials,
            watchdog_ms: number(448),
            skip_hash: flags & FLAG_SKIP_HASH != 0,
            flash_address: number(452),
            vendor_id: field(block, 96),
            class_id: field(block, 112),
            keys,
            name: field(block, 128),
        };
        (usize::from(key_count) <= KEYS_MAX).then_some(block)
    }
}
