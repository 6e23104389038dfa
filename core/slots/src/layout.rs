//! Where VM and bytecode slots and the record stand, and whether that makes sense.

use crate::Config;
use crate::state::{ENTRIES_MIN, ENTRY_LEN};
use core::fmt;
use otaru_flash::{Area, WRITE_UNIT_MAX};
use otaru_record::{Geometry, Units};

/// Shortest preferred length of a block that is downloaded or written, in bytes.
pub const CHUNK_LEN_MIN: u16 = 64;
/// Longest one.
pub const CHUNK_LEN_MAX: u16 = 512;

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotKind {
    /// A native firmware that runs bytecode.
    Vm,
    /// A program for the VM.
    Bytecode,
}

/// One slot: its kind and its number, 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SlotName {
    /// What it holds.
    pub kind: SlotKind,
    /// Which of this kind, from 0.
    pub index: u8,
}

impl SlotName {
    /// Every slot that a layout can have.
    pub const ALL: [Self; 4] = [
        Self::vm(0),
        Self::bytecode(0),
        Self::vm(1),
        Self::bytecode(1),
    ];

    /// The VM slot with this number.
    pub const fn vm(index: u8) -> Self {
        let kind = SlotKind::Vm;
        Self { kind, index }
    }

    /// The bytecode slot with this number.
    pub const fn bytecode(index: u8) -> Self {
        let kind = SlotKind::Bytecode;
        Self { kind, index }
    }
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            SlotKind::Vm => "VM",
            SlotKind::Bytecode => "bytecode",
        };
        write!(f, "{kind} {}", self.index)
    }
}

/// Which updates a layout allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayoutKind {
    /// One VM slot, two bytecode slots.
    Bytecode,
    /// Two VM slots, two bytecode slots.
    VmBytecode,
}

impl LayoutKind {
    /// The name used in manifests and on screens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytecode => "bytecode",
            Self::VmBytecode => "vm+bytecode",
        }
    }
}

/// Where the FOTA record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordPlace {
    /// In flash, in two halves of whole sectors each.
    Flash(Area),
    /// In memory that a reset keeps and a power loss erases: [`VOLATILE_LEN`](crate::VOLATILE_LEN)
    /// bytes, which the board lends. A power loss then brings back the default configuration.
    Volatile,
}

/// The areas of a slot layout, in the order of the layout block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum SlotArea {
    /// The immutable first stage.
    FirstStage,
    /// The device block.
    DeviceBlock,
    /// The identity area.
    Identity,
    /// The FOTA record.
    Record,
    /// VM slot 0.
    Vm0,
    /// Bytecode slot 0.
    Bytecode0,
    /// VM slot 1.
    Vm1,
    /// Bytecode slot 1.
    Bytecode1,
}

impl SlotArea {
    /// Every area.
    pub const ALL: [Self; 8] = [
        Self::FirstStage,
        Self::DeviceBlock,
        Self::Identity,
        Self::Record,
        Self::Vm0,
        Self::Bytecode0,
        Self::Vm1,
        Self::Bytecode1,
    ];

    /// The name shown to people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstStage => "first stage",
            Self::DeviceBlock => "device block",
            Self::Identity => "identity",
            Self::Record => "record",
            Self::Vm0 => "VM 0",
            Self::Bytecode0 => "bytecode 0",
            Self::Vm1 => "VM 1",
            Self::Bytecode1 => "bytecode 1",
        }
    }
}

impl fmt::Display for SlotArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The geometry of a device of the slot engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotLayout {
    /// Size of the flash in bytes.
    pub flash_len: u32,
    /// Address at which the first byte of the flash is mapped.
    pub flash_address: u32,
    /// Smallest unit that can be programmed, in bytes: a power of two, 1…512.
    pub write_unit: u16,
    /// What an erased byte reads as: 0xFF or 0x00.
    pub erased: u8,
    /// Whether a used unit may be overwritten with all bits inverse; see
    /// [`otaru_flash::Layout::overwrite`].
    pub overwrite: bool,
    /// Preferred length of a block that is downloaded or written: 64…512 bytes.
    pub chunk_len: u16,
    /// What runs if the record is lost and both images of it are good.
    pub default: Config,
    /// The immutable first stage.
    pub first_stage: Area,
    /// The device block; may be empty.
    pub device_block: Area,
    /// The identity area; may be empty.
    pub identity: Area,
    /// The FOTA record.
    pub record: RecordPlace,
    /// The VM slots; the second one is empty in a layout `bytecode`.
    pub vm: [Area; 2],
    /// The bytecode slots. They need not be equally long.
    pub bytecode: [Area; 2],
}

/// What is wrong with a [`SlotLayout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotLayoutError {
    /// The write unit is not a power of two in 1…512.
    WriteUnit,
    /// The erased value is neither 0xFF nor 0x00.
    ErasedValue,
    /// The preferred block length is not in 64…512.
    ChunkLen,
    /// An area is empty, or not on sector bounds, or its sectors are no multiple of the write unit.
    Unaligned(SlotArea),
    /// An area ends behind the flash, or its address is not a 32-bit one.
    OutsideFlash(SlotArea),
    /// Two areas share bytes.
    Overlap(SlotArea, SlotArea),
    /// A half of the record holds fewer than 16 entries or is not made of whole sectors; or the
    /// memory for a volatile one is too short.
    RecordTooShort,
    /// The default configuration names a slot that does not exist.
    NoSuchDefault,
}

impl fmt::Display for SlotLayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteUnit => f.write_str("write unit must be a power of two from 1 to 512"),
            Self::ErasedValue => f.write_str("erased value must be 0xFF or 0x00"),
            Self::ChunkLen => f.write_str("preferred block length must be from 64 to 512"),
            Self::Unaligned(area) => write!(f, "{area} is empty or not on sector bounds"),
            Self::OutsideFlash(area) => write!(f, "{area} ends behind the flash"),
            Self::Overlap(a, b) => write!(f, "{a} and {b} overlap"),
            Self::RecordTooShort => f.write_str("record too short for 16 entries in each half"),
            Self::NoSuchDefault => f.write_str("the default configuration has no such slot"),
        }
    }
}

impl core::error::Error for SlotLayoutError {}

const NO_AREA: Area = Area::new(0, 0, 0);

impl SlotLayout {
    /// Which updates it allows.
    pub const fn kind(&self) -> LayoutKind {
        let [_, second] = &self.vm;
        if second.len == 0 {
            LayoutKind::Bytecode
        } else {
            LayoutKind::VmBytecode
        }
    }

    /// The area with this name; an empty one if there is none.
    pub fn area(&self, name: SlotArea) -> Area {
        let ([vm_0, vm_1], [bytecode_0, bytecode_1]) = (self.vm, self.bytecode);
        match name {
            SlotArea::FirstStage => self.first_stage,
            SlotArea::DeviceBlock => self.device_block,
            SlotArea::Identity => self.identity,
            SlotArea::Record => match self.record {
                RecordPlace::Flash(area) => area,
                RecordPlace::Volatile => NO_AREA,
            },
            SlotArea::Vm0 => vm_0,
            SlotArea::Bytecode0 => bytecode_0,
            SlotArea::Vm1 => vm_1,
            SlotArea::Bytecode1 => bytecode_1,
        }
    }

    /// The area of a slot, if the layout has it.
    pub fn slot(&self, slot: SlotName) -> Option<&Area> {
        let areas = match slot.kind {
            SlotKind::Vm => &self.vm,
            SlotKind::Bytecode => &self.bytecode,
        };
        areas
            .get(usize::from(slot.index))
            .filter(|area| area.len > 0)
    }

    /// How many slots of this kind there are: 1 or 2.
    pub fn count(&self, kind: SlotKind) -> u8 {
        match (kind, self.kind()) {
            (SlotKind::Vm, LayoutKind::Bytecode) => 1,
            (SlotKind::Vm, LayoutKind::VmBytecode) | (SlotKind::Bytecode, _) => 2,
        }
    }

    /// Whether both slots of the configuration exist.
    pub fn has(&self, config: Config) -> bool {
        config.slots().iter().all(|&slot| self.slot(slot).is_some())
    }

    /// Flash address at which a slot begins.
    pub fn address(&self, slot: SlotName) -> Option<u32> {
        self.flash_address.checked_add(self.slot(slot)?.offset)
    }

    /// The slot in which all `len` bytes from this flash address lie, and the offset in it. With a
    /// length of 0 the address itself must lie in the slot.
    pub fn find(&self, address: u32, len: u32) -> Option<(SlotName, u32)> {
        let offset = address.checked_sub(self.flash_address)?;
        SlotName::ALL.into_iter().find_map(|slot| {
            let area = self.slot(slot)?;
            let at = offset.checked_sub(area.offset)?;
            let end = at.checked_add(len)?;
            (at < area.len && end <= area.len).then_some((slot, at))
        })
    }

    /// Whether the layout can work; call this before anything else is done with it.
    ///
    /// # Errors
    /// The first [`SlotLayoutError`] found.
    pub fn check(&self) -> Result<(), SlotLayoutError> {
        if !self.write_unit.is_power_of_two() || self.write_unit > WRITE_UNIT_MAX {
            return Err(SlotLayoutError::WriteUnit);
        }
        if self.erased != 0xFF && self.erased != 0 {
            return Err(SlotLayoutError::ErasedValue);
        }
        if !(CHUNK_LEN_MIN..=CHUNK_LEN_MAX).contains(&self.chunk_len) {
            return Err(SlotLayoutError::ChunkLen);
        }
        for name in SlotArea::ALL {
            self.check_area(name)?;
        }
        for (index, &name) in SlotArea::ALL.iter().enumerate() {
            let area = self.area(name);
            for &other in SlotArea::ALL.iter().take(index) {
                if area.overlaps(&self.area(other)) {
                    return Err(SlotLayoutError::Overlap(other, name));
                }
            }
        }
        if let RecordPlace::Flash(area) = &self.record {
            self.geometry(area)?;
        }
        if self.has(self.default) {
            Ok(())
        } else {
            Err(SlotLayoutError::NoSuchDefault)
        }
    }

    fn check_area(&self, name: SlotArea) -> Result<(), SlotLayoutError> {
        let area = self.area(name);
        let optional = match name {
            SlotArea::DeviceBlock | SlotArea::Identity | SlotArea::Vm1 => true,
            SlotArea::Record => self.record == RecordPlace::Volatile,
            SlotArea::FirstStage | SlotArea::Vm0 | SlotArea::Bytecode0 | SlotArea::Bytecode1 => {
                false
            }
        };
        if optional && area.len == 0 {
            return Ok(());
        }
        let whole = |n: u32, of: u32| n.checked_rem(of) == Some(0);
        let aligned = area.len > 0
            && whole(area.offset, area.erase_len)
            && whole(area.len, area.erase_len)
            && whole(area.erase_len, u32::from(self.write_unit));
        if !aligned {
            return Err(SlotLayoutError::Unaligned(name));
        }
        let end = area.end().filter(|&end| end <= self.flash_len);
        match end.and_then(|end| self.flash_address.checked_add(end)) {
            Some(_) => Ok(()),
            None => Err(SlotLayoutError::OutsideFlash(name)),
        }
    }

    /// How the record in `area` is divided into cells.
    pub(crate) fn geometry(&self, area: &Area) -> Result<Geometry, SlotLayoutError> {
        let units = Units {
            write_unit: self.write_unit,
            erased: self.erased,
            overwrite: self.overwrite,
        };
        Geometry::of_entries(area, units, ENTRY_LEN, ENTRIES_MIN)
            .map_err(|_short| SlotLayoutError::RecordTooShort)
    }
}
