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
//! | 15 | 1 | flags: bit 0 = a verified image is not hashed again at every start, bit 1 = units may be overwritten with the inverse of the erased value, bit 2 = there is a decryption key; rest 0 |
//! | 16 | 4 | flash length in bytes |
//! | 20 | 4 | chunk length in bytes |
//! | 24 | 72 | six areas (device block, identity, record, execution, storage 0, storage 1), each offset, length, erase size |
//! | 96 | 16 | vendor UUID |
//! | 112 | 16 | board (class) UUID |
//! | 128 | 32 | board name, UTF-8, padded with zeros |
//! | 160 | 288 | eight keys: 32 bytes public key (Ed25519, or x of P-256), 1 byte flags (bit 0 development, bit 1 P-256, bit 2 y is odd), 3 bytes 0 |
//! | 448 | 4 | watchdog time-out in milliseconds |
//! | 452 | 4 | address at which the flash is mapped for execution |
//! | 456 | 32 | decryption key: X25519 private key for encrypted images, else 0 |
//! | 488 | 20 | 0 |
//! | 508 | 4 | CRC-32 of bytes 0…507 |

use crate::bytes::{Writer, checked};
use crate::{Flash, Layout, LayoutError, Mode};
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
/// Bit 2 of the flags at offset 15; bits 0 and 1 are not this one's.
const FLAG_DECRYPTION_KEY: u8 = 4;
const DECRYPTION_KEY_AT: u32 = 456;
const KEY_DEVELOPMENT: u8 = 1;
const FLAG_SKIP_HASH: u8 = 1;
const FLAG_OVERWRITE: u8 = 2;
const KEY_P256: u8 = 2;
const KEY_P256_Y_ODD: u8 = 2 | 4;

/// Which algorithm a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyKind {
    /// Ed25519.
    #[default]
    Ed25519,
    /// ECDSA on P-256 with SHA-256.
    P256 {
        /// Which of the two points with the key's x coordinate it is.
        y_odd: bool,
    },
}

/// One entry of the key table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The public key: Ed25519 as RFC 8032 encodes it, P-256 as the x coordinate, big-endian.
    pub public: [u8; 32],
    /// Which algorithm it is for.
    pub kind: KeyKind,
    /// Made for development: its private half lies in somebody's project folder. Bootloaders for
    /// devices in the field do not start with it in their key table.
    pub development: bool,
}

impl Key {
    /// The place of a key that is not there. Of this kind because it is all zeros then, and so is a
    /// device block that says nothing.
    const BLANK: Self = Self {
        public: [0; 32],
        kind: KeyKind::P256 { y_odd: false },
        development: false,
    };

    fn flags(&self) -> u8 {
        let kind = match self.kind {
            KeyKind::Ed25519 => 0,
            KeyKind::P256 { y_odd: false } => KEY_P256,
            KeyKind::P256 { y_odd: true } => KEY_P256_Y_ODD,
        };
        kind | if self.development { KEY_DEVELOPMENT } else { 0 }
    }

    /// The key with these flags; `None` if they mean something this version does not know.
    fn decode(public: [u8; 32], flags: u8) -> Option<Self> {
        let kind = match flags & !KEY_DEVELOPMENT {
            0 => KeyKind::Ed25519,
            KEY_P256 => KeyKind::P256 { y_odd: false },
            KEY_P256_Y_ODD => KeyKind::P256 { y_odd: true },
            _ => return None,
        };
        Some(Self {
            public,
            kind,
            development: flags & KEY_DEVELOPMENT != 0,
        })
    }
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
    /// The key table; only the first [`Self::key_count`] are there.
    keys: [Key; KEYS_MAX],
    key_count: u8,
    name: [u8; BOARD_NAME_LEN_MAX],
    /// Whether the block in flash holds a decryption key. The key itself is not kept here, because
    /// this value lives as long as the firmware: see [`DeviceBlock::read_decryption_key`].
    decrypts: bool,
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
    /// A key in it was made for development, and this bootloader was not.
    DevelopmentKey,
}

impl fmt::Display for DeviceBlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str("no valid device block: flash the board by cable"),
            Self::Unsupported => f.write_str("device block of an unsupported version or engine"),
            Self::Layout(cause) => write!(f, "layout in the device block: {cause}"),
            Self::OutOfRange => f.write_str("board name, keys or trials out of range"),
            Self::DevelopmentKey => f.write_str(
                "the device block trusts a development key, which this bootloader does not: flash the \
                 board with keys made by `otaru keys new --release`",
            ),
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
        let mut table = [Key::BLANK; KEYS_MAX];
        if keys.len() > KEYS_MAX {
            return Err(DeviceBlockError::OutOfRange);
        }
        let mut key_count = 0_u8;
        for (entry, key) in table.iter_mut().zip(keys) {
            *entry = *key;
            key_count = key_count.wrapping_add(1);
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
            key_count,
            name: padded,
            decrypts: false,
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
        self.keys.iter().take(self.key_count.into())
    }

    /// Whether a key of the table was made for development.
    pub fn trusts_development_key(&self) -> bool {
        self.keys().any(|key| key.development)
    }

    /// Whether this device can decrypt images.
    pub const fn decrypts(&self) -> bool {
        self.decrypts
    }

    /// Reads the X25519 private key of this device from the block in its flash; nothing if there is
    /// none, or if it cannot be read. Whoever reads the flash reads the key: lock the debug port.
    pub fn read_decryption_key<F: Flash>(&self, flash: &mut F) -> Option<[u8; 32]> {
        if !self.decrypts {
            return None;
        }
        let mut key = [0; 32];
        let area = &self.layout.device_block;
        area.read(flash, DECRYPTION_KEY_AT, &mut key).ok()?;
        Some(key)
    }

    /// Writes a block without a decryption key.
    ///
    /// # Errors
    /// [`DeviceBlockError::OutOfRange`] or [`DeviceBlockError::Layout`] if it could not be read
    /// back; [`DeviceBlockError::OutOfRange`] also for a block that was read with a decryption key,
    /// which would be lost.
    pub fn encode(&self) -> Result<[u8; DEVICE_BLOCK_LEN], DeviceBlockError> {
        if self.decrypts {
            return Err(DeviceBlockError::OutOfRange);
        }
        self.encode_with(None)
    }

    /// Writes the block with this X25519 private key, for which images may then be encrypted.
    ///
    /// # Errors
    /// As [`DeviceBlock::encode`].
    pub fn encode_with(
        &self,
        decryption_key: Option<&[u8; 32]>,
    ) -> Result<[u8; DEVICE_BLOCK_LEN], DeviceBlockError> {
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
        out.u8(self.key_count);
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        out.u8(flag(self.skip_hash, FLAG_SKIP_HASH)
            | flag(self.layout.overwrite, FLAG_OVERWRITE)
            | flag(decryption_key.is_some(), FLAG_DECRYPTION_KEY));
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
            out.bytes(&[key.flags(), 0, 0, 0]);
        }
        out.zeros_to(448);
        out.u32(self.watchdog_ms);
        out.u32(self.flash_address);
        out.bytes(decryption_key.unwrap_or(&[0; 32]));
        out.zeros_to(508);
        match out.finish_with_crc() {
            Some(DEVICE_BLOCK_LEN) => Ok(block),
            _ => Err(DeviceBlockError::OutOfRange),
        }
    }

    /// A block that says nothing, for [`DeviceBlock::fill`].
    pub const fn blank() -> Self {
        Self {
            layout: Layout::blank(),
            trials: 0,
            watchdog_ms: 0,
            skip_hash: false,
            flash_address: 0,
            vendor_id: [0; 16],
            class_id: [0; 16],
            keys: [Key::BLANK; KEYS_MAX],
            key_count: 0,
            name: [0; BOARD_NAME_LEN_MAX],
            decrypts: false,
        }
    }

    /// Reads a block and checks everything in it.
    ///
    /// # Errors
    /// [`DeviceBlockError`]; nothing of a block that fails may be used.
    pub fn decode(block: &[u8; DEVICE_BLOCK_LEN]) -> Result<Self, DeviceBlockError> {
        let mut decoded = Self::blank();
        decoded.fill(block).map(|()| decoded)
    }

    /// The same in place, which spares devices the code that moves a large value.
    ///
    /// # Errors
    /// [`DeviceBlockError`]; nothing of it may be used then.
    pub fn fill(&mut self, block: &[u8; DEVICE_BLOCK_LEN]) -> Result<(), DeviceBlockError> {
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
        self.fill_fields(block).ok_or(DeviceBlockError::Invalid)?;
        self.layout.check().map_err(DeviceBlockError::Layout)?;
        if (1..=TRIALS_MAX).contains(&self.trials) {
            Ok(())
        } else {
            Err(DeviceBlockError::OutOfRange)
        }
    }

    #[inline(never)]
    fn fill_fields(&mut self, block: &[u8; DEVICE_BLOCK_LEN]) -> Option<()> {
        let number = |at| u32::from_le_bytes(field(block, at));
        let [mode, erased, trials] = field(block, 9);
        let [key_count, flags] = field(block, 14);
        let (entries, _) = block.get(160..448)?.as_chunks::<36>();
        self.key_count = key_count;
        let used = self.keys.get_mut(..usize::from(key_count))?;
        for (key, entry) in used.iter_mut().zip(entries) {
            let (public, rest) = entry.split_first_chunk()?;
            *key = Key::decode(*public, *rest.first()?)?;
        }
        let layout = &mut self.layout;
        layout.flash_len = number(16);
        layout.write_unit = u16::from_le_bytes(field(block, 12));
        layout.erased = erased;
        layout.overwrite = flags & FLAG_OVERWRITE != 0;
        layout.mode = Mode::from_code(mode)?;
        layout.chunk_len = number(20);
        let [first, second] = &mut layout.storage;
        let mut areas = [
            &mut layout.device_block,
            &mut layout.identity,
            &mut layout.record,
            &mut layout.execution,
            first,
            second,
        ];
        let (numbers, _) = block.get(24..96)?.as_chunks::<4>();
        let (triples, _) = numbers.as_chunks::<3>();
        for (area, [offset, len, erase_len]) in areas.iter_mut().zip(triples) {
            area.offset = u32::from_le_bytes(*offset);
            area.len = u32::from_le_bytes(*len);
            area.erase_len = u32::from_le_bytes(*erase_len);
        }
        self.trials = trials;
        self.watchdog_ms = number(448);
        self.skip_hash = flags & FLAG_SKIP_HASH != 0;
        self.flash_address = number(452);
        self.vendor_id = field(block, 96);
        self.class_id = field(block, 112);
        self.name = field(block, 128);
        self.decrypts = flags & FLAG_DECRYPTION_KEY != 0;
        Some(())
    }
}
