//! The model of `board.toml`: flash geometry as data.

mod geometry;
mod read;

use crate::reader::{Parsed, read_document};
use crate::schema::BOARD_SCHEMA;
pub(crate) use read::read_mode;

/// How the bootloader installs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Copies from one of two storage slots.
    Standby,
    /// Exchanges execution and secondary slot.
    Swap,
}

impl Mode {
    /// Both modes.
    pub const ALL: [Self; 2] = [Self::Standby, Self::Swap];

    /// The word in manifests and on screens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standby => "standby",
            Self::Swap => "swap",
        }
    }

    /// The mode of this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == word)
    }
}

/// What the payload of an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageKind {
    /// The whole stripped executable.
    Elf,
    /// The bytes of the loadable sections, as they stand in flash.
    Flat,
}

/// What the compiler builds for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoardTarget {
    /// The machine that builds.
    Host,
    /// A rustc target triple.
    Triple(String),
}

/// A range of flash with its erase size, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// Its name, as in the glossary.
    pub name: &'static str,
    /// Where it begins.
    pub offset: u32,
    /// How long it is.
    pub len: u32,
    /// Bytes that are erased together.
    pub sector: u32,
}

impl Area {
    /// The first byte behind it.
    pub const fn end(&self) -> u64 {
        self.offset as u64 + self.len as u64
    }
}

/// Properties of the flash as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoardFlash {
    /// Its length in bytes.
    pub len: u32,
    /// Bytes that are programmed together, 1 to 512.
    pub write_unit: u32,
    /// Value of an erased byte, 0x00 or 0xFF.
    pub erased: u8,
    /// Whether a unit that is not erased may still be programmed to the inverse of `erased`.
    pub overwrite: bool,
    /// Unit of copying during an install, in bytes.
    pub chunk_len: u32,
    /// Address at which the first byte of the flash is mapped for execution.
    pub address: u32,
}

/// Values that a manifest or a deployment may override.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoardDefaults {
    /// Install mode.
    pub mode: Mode,
    /// Starts of a new firmware before it has to have confirmed itself, 1 to 16.
    pub trials: u32,
    /// Seconds the new firmware has to reach the manager, 1 to 65535.
    pub deadline_s: u32,
    /// Milliseconds that a firmware may hang before the watchdog resets it; 0 leaves it off.
    pub watchdog_ms: u32,
}

/// A kind of device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// Its name: the directory under `boards/`.
    pub name: String,
    /// Who makes it.
    pub vendor: String,
    /// One line about it.
    pub description: String,
    /// Name from which the vendor UUID is made, as `imgtool --vid` does.
    pub vid: String,
    /// Name from which the class UUID is made, as `imgtool --cid` does.
    pub cid: String,
    /// What the compiler builds for.
    pub target: BoardTarget,
    /// What the payload of an image is.
    pub image: ImageKind,
    /// The flash as a whole.
    pub flash: BoardFlash,
    /// Areas of every mode: device block, identity, record, execution.
    pub areas: [Area; 4],
    /// The two storage slots of mode `standby`, if the board has that mode.
    pub standby: Option<[Area; 2]>,
    /// The secondary slot of mode `swap`, if the board has that mode.
    pub swap: Option<Area>,
    /// Values that a manifest or a deployment may override.
    pub defaults: BoardDefaults,
}

impl Board {
    /// Reads a `board.toml`. There is a model only if nothing is wrong with the file.
    pub fn parse(text: &str) -> Parsed<Option<Self>> {
        let mut parsed = read_document(&BOARD_SCHEMA, text, read::read_board);
        if !parsed.is_usable() {
            parsed.model = None;
        }
        parsed
    }

    /// The area of this name that exists in every mode.
    ///
    /// Names: `device_block`, `identity`, `record`, `execution`.
    pub fn area(&self, name: &str) -> Option<&Area> {
        self.areas.iter().find(|area| area.name == name)
    }

    /// The execution slot.
    pub const fn execution(&self) -> &Area {
        &self.areas[3]
    }

    /// Whether the board has this install mode.
    pub const fn has_mode(&self, mode: Mode) -> bool {
        match mode {
            Mode::Standby => self.standby.is_some(),
            Mode::Swap => self.swap.is_some(),
        }
    }

    /// Longest image in bytes that this mode can install.
    ///
    /// In mode `swap` one chunk of the secondary slot is the hole through which images move.
    pub fn image_len_max(&self, mode: Mode) -> u32 {
        let slots = match mode {
            Mode::Standby => self.standby.iter().flatten().map(|area| area.len).min(),
            Mode::Swap => self
                .swap
                .as_ref()
                .map(|area| area.len.saturating_sub(self.flash.chunk_len)),
        };
        slots.map_or(0, |len| len.min(self.execution().len))
    }

    /// All areas of a mode, in the order of the flash.
    pub fn areas_of(&self, mode: Mode) -> Vec<&Area> {
        let mut areas: Vec<&Area> = self.areas.iter().collect();
        match mode {
            Mode::Standby => areas.extend(self.standby.iter().flatten()),
            Mode::Swap => areas.extend(self.swap.iter()),
        }
        areas.sort_by_key(|area| area.offset);
        areas
    }
}
