//! Where everything stands in the flash of a device, and whether that makes sense.

use crate::Area;
use core::fmt;

/// Largest number of chunks of an execution slot; bounds the set of differing chunks in a record
/// entry to 128 bytes. A larger slot takes larger chunks.
pub const CHUNKS_MAX: u32 = 1024;

/// Largest write unit in bytes.
pub const WRITE_UNIT_MAX: u16 = 512;

/// How the bootloader installs an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Two slots; the images change places through one moving hole in the secondary slot.
    Swap = 1,
    /// Three slots; the backup already stands in a storage slot, so installing only copies.
    Standby = 2,
}

impl Mode {
    /// The name used in manifests, on screens and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Swap => "swap",
            Self::Standby => "standby",
        }
    }

    /// The mode with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "swap" => Some(Self::Swap),
            "standby" => Some(Self::Standby),
            _ => None,
        }
    }

    #[inline(never)]
    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Swap),
            2 => Some(Self::Standby),
            _ => None,
        }
    }
}

/// A flash area that holds an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Slot {
    /// Where the firmware runs; only the bootloader changes it.
    Execution = 0,
    /// Storage slot 0; in mode `swap` the secondary slot.
    Storage0 = 1,
    /// Storage slot 1; only in mode `standby`.
    Storage1 = 2,
}

impl Slot {
    /// The slot with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Execution),
            1 => Some(Self::Storage0),
            2 => Some(Self::Storage1),
            _ => None,
        }
    }

    /// The number that is stored.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The name shown to people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Execution => "execution",
            Self::Storage0 => "storage0",
            Self::Storage1 => "storage1",
        }
    }
}

/// The areas of a layout, in the order of the device block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum AreaName {
    /// The device block.
    DeviceBlock,
    /// The identity area.
    Identity,
    /// The FOTA record.
    Record,
    /// The execution slot.
    Execution,
    /// Storage slot 0.
    Storage0,
    /// Storage slot 1.
    Storage1,
}

impl AreaName {
    /// Every area.
    pub const ALL: [Self; 6] = [
        Self::DeviceBlock,
        Self::Identity,
        Self::Record,
        Self::Execution,
        Self::Storage0,
        Self::Storage1,
    ];

    /// The name shown to people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeviceBlock => "device block",
            Self::Identity => "identity",
            Self::Record => "record",
            Self::Execution => "execution",
            Self::Storage0 => "storage 0",
            Self::Storage1 => "storage 1",
        }
    }
}

impl fmt::Display for AreaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The geometry of a device: where each area stands and how the flash behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Size of the flash in bytes.
    pub flash_len: u32,
    /// Smallest unit that can be programmed, in bytes: a power of two, 1…512.
    pub write_unit: u16,
    /// What an erased byte reads as: 0xFF or 0x00.
    pub erased: u8,
    /// Whether a unit that is not erased may still be programmed to the inverse of the erased value in
    /// every bit. Most NOR flash allows it; some flash with ECC does not.
    pub overwrite: bool,
    /// How images are installed.
    pub mode: Mode,
    /// Unit of copying, in bytes.
    pub chunk_len: u32,
    /// The device block.
    pub device_block: Area,
    /// The identity area, kept in two halves.
    pub identity: Area,
    /// The FOTA record, kept in two halves.
    pub record: Area,
    /// The execution slot.
    pub execution: Area,
    /// The storage slots. In mode `swap` the first is the secondary slot, the second is empty.
    pub storage: [Area; 2],
}

/// What is wrong with a [`Layout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayoutError {
    /// The write unit is not a power of two in 1…512.
    WriteUnit,
    /// The erased value is neither 0xFF nor 0x00.
    ErasedValue,
    /// An area is empty, or not on sector bounds, or its sectors are no multiple of the write unit.
    Unaligned(AreaName),
    /// An area ends behind the flash.
    OutsideFlash(AreaName),
    /// Two areas share bytes.
    Overlap(AreaName, AreaName),
    /// The chunk length is zero, no multiple of an erase size involved, or does not divide the
    /// execution slot.
    ChunkLen,
    /// The execution slot has more than [`CHUNKS_MAX`] chunks: choose larger chunks.
    TooManyChunks,
    /// A storage slot is too short: the secondary slot needs one chunk more than the longest
    /// image, a storage slot as much as the execution slot.
    StorageTooShort,
    /// An area that is kept in two halves has an odd number of sectors.
    OddHalves(AreaName),
    /// A record half is too short for 28 entries and the marks of one update: make the record
    /// larger or choose larger chunks.
    RecordTooShort,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteUnit => f.write_str("write unit must be a power of two from 1 to 512"),
            Self::ErasedValue => f.write_str("erased value must be 0xFF or 0x00"),
            Self::Unaligned(area) => write!(f, "{area} is empty or not on sector bounds"),
            Self::OutsideFlash(area) => write!(f, "{area} ends behind the flash"),
            Self::Overlap(a, b) => write!(f, "{a} and {b} overlap"),
            Self::ChunkLen => {
                f.write_str("chunk length must be a multiple of the sectors and divide the slot")
            }
            Self::TooManyChunks => {
                write!(f, "more than {CHUNKS_MAX} chunks: choose larger chunks")
            }
            Self::StorageTooShort => f.write_str("a storage slot is too short for the slot"),
            Self::OddHalves(area) => write!(f, "{area} needs an even number of sectors"),
            Self::RecordTooShort => {
                f.write_str("record too short for one update: enlarge it or the chunks")
            }
        }
    }
}

impl core::error::Error for LayoutError {}

impl Layout {
    /// One that fails every check.
    pub(crate) const fn blank() -> Self {
        Self {
            flash_len: 0,
            write_unit: 0,
            erased: 0,
            overwrite: false,
            mode: Mode::Swap,
            chunk_len: 0,
            device_block: Area::BLANK,
            identity: Area::BLANK,
            record: Area::BLANK,
            execution: Area::BLANK,
            storage: [Area::BLANK; 2],
        }
    }

    /// The area of a slot.
    #[inline(never)]
    pub const fn slot(&self, slot: Slot) -> &Area {
        match slot {
            Slot::Execution => &self.execution,
            Slot::Storage0 => &self.storage[0],
            Slot::Storage1 => &self.storage[1],
        }
    }

    /// The area with this name.
    pub const fn area(&self, name: AreaName) -> &Area {
        match name {
            AreaName::DeviceBlock => &self.device_block,
            AreaName::Identity => &self.identity,
            AreaName::Record => &self.record,
            AreaName::Execution => &self.execution,
            AreaName::Storage0 => &self.storage[0],
            AreaName::Storage1 => &self.storage[1],
        }
    }

    /// The areas with their names, in the order of the device block.
    pub fn areas(&self) -> [(&'static str, Area); 6] {
        AreaName::ALL.map(|name| (name.name(), *self.area(name)))
    }

    /// Longest image file that can be stored and installed, in bytes.
    pub const fn image_len_max(&self) -> u32 {
        self.execution.len
    }

    /// Offset in a slot at which an image begins. In mode `swap` chunk *i* of a new image is stored
    /// one chunk further on, so that the first chunk is the hole.
    pub const fn image_offset(&self, slot: Slot) -> u32 {
        match (self.mode, slot) {
            (Mode::Swap, Slot::Storage0) => self.chunk_len,
            (Mode::Swap | Mode::Standby, _) => 0,
        }
    }

    /// Number of chunks of the execution slot.
    pub fn chunk_count(&self) -> u32 {
        self.execution.len.checked_div(self.chunk_len).unwrap_or(0)
    }

    /// Number of chunks that an image of `len` bytes touches.
    #[inline(never)]
    pub fn chunks_of(&self, len: u32) -> u32 {
        let rest = u32::from(rest(len, self.chunk_len) != 0);
        let whole = len.checked_div(self.chunk_len);
        whole.map_or(0, |whole| whole.wrapping_add(rest))
    }

    /// Whether the layout can work; call this before anything else is done with it.
    ///
    /// The record's own size is checked by the record, which knows the size of its entries.
    ///
    /// # Errors
    /// The first [`LayoutError`] found.
    #[inline(never)]
    pub fn check(&self) -> Result<(), LayoutError> {
        if !self.write_unit.is_power_of_two() || self.write_unit > WRITE_UNIT_MAX {
            return Err(LayoutError::WriteUnit);
        }
        if self.erased != 0xFF && self.erased != 0 {
            return Err(LayoutError::ErasedValue);
        }
        let [first, second] = &self.storage;
        let areas = [
            &self.device_block,
            &self.identity,
            &self.record,
            &self.execution,
            first,
            second,
        ];
        for (area, &name) in areas.iter().zip(&AreaName::ALL) {
            if name == AreaName::Storage1 && self.mode == Mode::Swap && area.len == 0 {
                break;
            }
            self.check_area(area, name)?;
            for (other, &before) in areas.iter().zip(&AreaName::ALL) {
                if before < name && area.overlaps(other) {
                    return Err(LayoutError::Overlap(before, name));
                }
            }
        }
        self.check_chunks()
    }

    fn check_area(&self, area: &Area, name: AreaName) -> Result<(), LayoutError> {
        let unaligned = rest(area.offset, area.erase_len)
            | rest(area.len, area.erase_len)
            | rest(area.erase_len, u32::from(self.write_unit));
        if area.len == 0 || unaligned != 0 {
            return Err(LayoutError::Unaligned(name));
        }
        let halved = matches!(name, AreaName::Identity | AreaName::Record);
        let half = area.len / 2;
        if halved && (half == 0 || rest(half, area.erase_len) != 0) {
            return Err(LayoutError::OddHalves(name));
        }
        match area.end() {
            Some(end) if end <= self.flash_len => Ok(()),
            _ => Err(LayoutError::OutsideFlash(name)),
        }
    }

    fn check_chunks(&self) -> Result<(), LayoutError> {
        let [first, second] = &self.storage;
        let (chunk_len, execution) = (self.chunk_len, &self.execution);
        let swap = self.mode == Mode::Swap;
        let smallest = if swap {
            first.erase_len
        } else {
            execution.erase_len
        };
        let unfit = rest(chunk_len, execution.erase_len)
            | rest(execution.len, chunk_len)
            | rest(chunk_len, smallest);
        if unfit != 0 {
            return Err(LayoutError::ChunkLen);
        }
        if self.chunk_count() > CHUNKS_MAX {
            return Err(LayoutError::TooManyChunks);
        }
        let hole = if swap { chunk_len } else { 0 };
        let long_enough = execution
            .len
            .checked_add(hole)
            .is_some_and(|needed| first.len >= needed && (swap || second.len >= needed));
        if long_enough {
            Ok(())
        } else {
            Err(LayoutError::StorageTooShort)
        }
    }
}

/// What is left of `n` when it is divided; not zero if it cannot be.
#[inline(never)]
fn rest(n: u32, by: u32) -> u32 {
    n.checked_rem(by).unwrap_or(1)
}
