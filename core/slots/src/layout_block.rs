//! The layout as bytes, as a board's tools write it and its first stage reads it.
//!
//! 128 bytes, little-endian; the table is in `docs/formats/fota-record.md`.

use crate::{Config, RecordPlace, SlotArea, SlotLayout, SlotLayoutError};
use core::fmt;
use otaru_flash::{Area, crc32};

/// Size of the layout block in bytes.
pub const LAYOUT_BLOCK_LEN: usize = 128;

const MAGIC: [u8; 4] = *b"OTSL";
const FORMAT: u16 = 1;
const FLAG_OVERWRITE: u8 = 1;
const FLAG_VOLATILE: u8 = 2;
const AREAS_AT: usize = 24;
const CRC_AT: usize = LAYOUT_BLOCK_LEN - 4;

/// Why a layout block cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayoutBlockError {
    /// No layout block here, or a damaged one.
    Invalid,
    /// Written by a newer tool.
    Unsupported,
    /// The layout in it cannot work.
    Layout(SlotLayoutError),
}

impl fmt::Display for LayoutBlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str("no valid layout block: flash the board by cable"),
            Self::Unsupported => f.write_str("layout block of an unsupported version"),
            Self::Layout(cause) => write!(f, "layout in the layout block: {cause}"),
        }
    }
}

impl core::error::Error for LayoutBlockError {}

type Block = [u8; LAYOUT_BLOCK_LEN];

fn put<const N: usize>(block: &mut Block, at: usize, value: [u8; N]) {
    if let Some(place) = block.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *place = value;
    }
}

fn get<const N: usize>(block: &Block, at: usize) -> [u8; N] {
    let place = block.get(at..).and_then(<[u8]>::first_chunk);
    place.copied().unwrap_or([0; N])
}

fn get_u32(block: &Block, at: usize) -> u32 {
    u32::from_le_bytes(get(block, at))
}

/// Where the area with this number stands in the block.
const fn area_at(area: SlotArea) -> usize {
    (area as usize).saturating_mul(12).saturating_add(AREAS_AT)
}

fn get_area(block: &Block, name: SlotArea) -> Area {
    let at = area_at(name);
    Area::new(
        get_u32(block, at),
        get_u32(block, at.saturating_add(4)),
        get_u32(block, at.saturating_add(8)),
    )
}

impl SlotLayout {
    /// The layout as a block.
    ///
    /// # Errors
    /// [`SlotLayoutError`] if it cannot work.
    pub fn encode(&self) -> Result<[u8; LAYOUT_BLOCK_LEN], SlotLayoutError> {
        self.check()?;
        let mut block = [0; LAYOUT_BLOCK_LEN];
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(self.overwrite, FLAG_OVERWRITE)
            | flag(self.record == RecordPlace::Volatile, FLAG_VOLATILE);
        put(&mut block, 0, MAGIC);
        put(&mut block, 4, FORMAT.to_le_bytes());
        put(&mut block, 6, 128_u16.to_le_bytes());
        put(&mut block, 8, [self.erased, flags]);
        put(&mut block, 10, self.write_unit.to_le_bytes());
        put(&mut block, 12, self.chunk_len.to_le_bytes());
        put(&mut block, 14, [self.default.vm, self.default.bytecode]);
        put(&mut block, 16, self.flash_len.to_le_bytes());
        put(&mut block, 20, self.flash_address.to_le_bytes());
        for name in SlotArea::ALL {
            let area = self.area(name);
            let at = area_at(name);
            put(&mut block, at, area.offset.to_le_bytes());
            put(&mut block, at.saturating_add(4), area.len.to_le_bytes());
            put(
                &mut block,
                at.saturating_add(8),
                area.erase_len.to_le_bytes(),
            );
        }
        let crc = crc32(block.get(..CRC_AT).unwrap_or_default());
        put(&mut block, CRC_AT, crc.to_le_bytes());
        Ok(block)
    }

    /// The layout in a block.
    ///
    /// # Errors
    /// [`LayoutBlockError`]; a layout that overlaps or is not aligned is refused here.
    pub fn decode(block: &[u8; LAYOUT_BLOCK_LEN]) -> Result<Self, LayoutBlockError> {
        let body = block.get(..CRC_AT).unwrap_or_default();
        let [erased, flags] = get(block, 8);
        if get(block, 0) != MAGIC || crc32(body) != get_u32(block, CRC_AT) {
            return Err(LayoutBlockError::Invalid);
        }
        if u16::from_le_bytes(get(block, 4)) != FORMAT
            || flags & !(FLAG_OVERWRITE | FLAG_VOLATILE) != 0
        {
            return Err(LayoutBlockError::Unsupported);
        }
        let [vm, bytecode] = get(block, 14);
        let layout = Self {
            flash_len: get_u32(block, 16),
            flash_address: get_u32(block, 20),
            write_unit: u16::from_le_bytes(get(block, 10)),
            erased,
            overwrite: flags & FLAG_OVERWRITE != 0,
            chunk_len: u16::from_le_bytes(get(block, 12)),
            default: Config { vm, bytecode },
            first_stage: get_area(block, SlotArea::FirstStage),
            device_block: get_area(block, SlotArea::DeviceBlock),
            identity: get_area(block, SlotArea::Identity),
            record: if flags & FLAG_VOLATILE == 0 {
                RecordPlace::Flash(get_area(block, SlotArea::Record))
            } else {
                RecordPlace::Volatile
            },
            vm: [
                get_area(block, SlotArea::Vm0),
                get_area(block, SlotArea::Vm1),
            ],
            bytecode: [
                get_area(block, SlotArea::Bytecode0),
                get_area(block, SlotArea::Bytecode1),
            ],
        };
        layout.check().map_err(LayoutBlockError::Layout)?;
        Ok(layout)
    }
}
