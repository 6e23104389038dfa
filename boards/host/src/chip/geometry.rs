//! The shape of the flash that the chip models.

use crate::DATA;
use otaru_flash::{Area, Layout};
use serde::{Deserialize, Serialize};

/// Largest flash a host board can have, in bytes.
pub const FLASH_LEN_MAX: u32 = 0x1000_0000;
/// Most areas of one board.
pub const AREAS_MAX: usize = 32;

/// Size, write unit and sectors of the flash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Geometry {
    /// Size of the flash in bytes, at most [`FLASH_LEN_MAX`].
    pub flash_len: u32,
    /// Smallest unit that can be programmed, in bytes: a power of two, 1…512.
    pub write_unit: u16,
    /// What an erased byte reads as: 0xFF or 0x00.
    pub erased: u8,
    /// Areas with their sectors, in any order. What lies between them cannot be erased.
    pub areas: Vec<NamedArea>,
}

/// A range of the flash with one sector size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedArea {
    /// Name under which operations are counted.
    pub name: String,
    /// Offset from the start of the flash, in bytes.
    pub offset: u32,
    /// Length in bytes.
    pub len: u32,
    /// Size of one sector, in bytes.
    pub erase_len: u32,
}

/// Why a geometry cannot be modelled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// The flash is empty or longer than [`FLASH_LEN_MAX`].
    #[error("flash of {0} bytes: must be 1 to {FLASH_LEN_MAX}")]
    FlashLen(u32),
    /// The write unit is not a power of two from 1 to 512.
    #[error("write unit of {0} bytes: must be a power of two from 1 to 512")]
    WriteUnit(u16),
    /// The erased value is neither 0xFF nor 0x00.
    #[error("erased value {0:#04x}: must be 0xff or 0x00")]
    Erased(u8),
    /// More than [`AREAS_MAX`] areas.
    #[error("{0} areas: at most {AREAS_MAX}")]
    TooManyAreas(usize),
    /// An area is empty, not on sector bounds, or ends behind the flash.
    #[error("area {0} is empty, not on sector bounds, or ends behind the flash")]
    Area(String),
    /// Two areas share bytes.
    #[error("areas {0} and {1} overlap")]
    Overlap(String, String),
}

impl NamedArea {
    pub(crate) const fn area(&self) -> Area {
        Area::new(self.offset, self.len, self.erase_len)
    }
}

impl Geometry {
    /// The geometry of a layout: its areas under the names of the device block, and where there is
    /// room for it the application's [`DATA`].
    pub fn of_layout(layout: &Layout) -> Self {
        let fits = DATA.end().is_some_and(|end| end <= layout.flash_len);
        let apart = !layout.areas().iter().any(|(_, area)| area.overlaps(&DATA));
        let data = (fits && apart).then_some(("data", DATA));
        let areas = layout
            .areas()
            .into_iter()
            .filter(|(_, area)| area.len > 0)
            .chain(data)
            .map(|(name, area)| NamedArea {
                name: name.to_owned(),
                offset: area.offset,
                len: area.len,
                erase_len: area.erase_len,
            })
            .collect();
        Self {
            flash_len: layout.flash_len,
            write_unit: layout.write_unit,
            erased: layout.erased,
            areas,
        }
    }

    /// Whether this can be modelled.
    ///
    /// # Errors
    /// The first [`GeometryError`] found.
    pub fn check(&self) -> Result<(), GeometryError> {
        if self.flash_len == 0 || self.flash_len > FLASH_LEN_MAX {
            return Err(GeometryError::FlashLen(self.flash_len));
        }
        if !self.write_unit.is_power_of_two() || self.write_unit > 512 {
            return Err(GeometryError::WriteUnit(self.write_unit));
        }
        if self.erased != 0xFF && self.erased != 0 {
            return Err(GeometryError::Erased(self.erased));
        }
        if self.areas.len() > AREAS_MAX {
            return Err(GeometryError::TooManyAreas(self.areas.len()));
        }
        for (index, named) in self.areas.iter().enumerate() {
            let whole = |n: u32| n.checked_rem(named.erase_len) == Some(0);
            let inside = named.area().end().is_some_and(|end| end <= self.flash_len);
            let units = named.erase_len.is_multiple_of(u32::from(self.write_unit));
            if named.len == 0 || !whole(named.offset) || !whole(named.len) || !inside || !units {
                return Err(GeometryError::Area(named.name.clone()));
            }
            for other in self.areas.iter().skip(index + 1) {
                if named.area().overlaps(&other.area()) {
                    return Err(GeometryError::Overlap(
                        named.name.clone(),
                        other.name.clone(),
                    ));
                }
            }
        }
        Ok(())
    }

    /// The area that holds this byte.
    pub(crate) fn area_at(&self, offset: u32) -> Option<usize> {
        self.areas
            .iter()
            .position(|area| offset >= area.offset && offset - area.offset < area.len)
    }
}
