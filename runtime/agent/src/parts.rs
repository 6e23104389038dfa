//! Where a firmware finds the parts that were installed with it.
//!
//! They lie in its own execution slot, and the bootloader verified them with it before it started it.

use core::fmt;

use otaru_flash::{DEVICE_BLOCK_LEN, DeviceBlock, Flash, Slot};
use otaru_image::{ImageInfo, inspect, inspect_part};
use otaru_record::SlotReader;

/// A part of the running firmware, and where its payload is.
#[derive(Debug, Clone, Copy)]
pub struct InstalledPart {
    info: ImageInfo,
    /// Offset of the part in the flash.
    at: u32,
    /// Address of the part in memory.
    address: u32,
}

/// Why a part cannot be looked up or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartError {
    /// The flash cannot be read.
    Flash,
    /// There is no valid device block, or no image: not started by the bootloader.
    NotInstalled,
    /// Bytes were asked for that are not in the payload.
    OutOfBounds,
}

impl fmt::Display for PartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flash => "the flash cannot be read",
            Self::NotInstalled => "this firmware was not installed by the bootloader",
            Self::OutOfBounds => "the part is not that long",
        })
    }
}

impl core::error::Error for PartError {}

/// Looks up the part with this index, 1 to 3; nothing if the firmware has no such part.
///
/// `device_block_at` is the offset of the device block from the start of the flash, as in
/// [`Boot`](crate::Boot).
///
/// # Errors
/// [`PartError::Flash`] if the flash cannot be read, [`PartError::NotInstalled`] if what it holds is
/// not what the bootloader would have started.
pub fn find_part<F: Flash>(
    flash: &mut F,
    device_block_at: u32,
    index: u8,
) -> Result<Option<InstalledPart>, PartError> {
    let mut raw = [0; DEVICE_BLOCK_LEN];
    flash
        .read(device_block_at, &mut raw)
        .map_err(|_failed| PartError::Flash)?;
    let block = DeviceBlock::decode(&raw).map_err(|_other| PartError::NotInstalled)?;
    let layout = &block.layout;
    let mut running = SlotReader::new(flash, layout, Slot::Execution);
    let firmware =
        inspect(&mut running, layout.image_len_max()).map_err(|_other| PartError::NotInstalled)?;
    let Some(part) = firmware.parts.get(index) else {
        return Ok(None);
    };
    let info = inspect_part(&mut running, part).map_err(|_other| PartError::NotInstalled)?;
    Ok(Some(InstalledPart {
        info,
        at: layout.execution.offset.saturating_add(part.offset),
        address: block.execution_address().saturating_add(part.offset),
    }))
}

impl InstalledPart {
    /// What the part says about itself: version, label, security counter.
    pub const fn info(&self) -> &ImageInfo {
        &self.info
    }

    /// Bytes of its payload.
    pub const fn len(&self) -> u32 {
        self.info.header.payload_len
    }

    /// Whether the payload is empty, which no image's is.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Offset of its payload from the start of the flash.
    pub fn offset(&self) -> u32 {
        let header_len = u32::from(self.info.header.header_len);
        self.at.saturating_add(header_len)
    }

    /// Address of its payload, where the CPU sees the flash in its memory.
    pub fn address(&self) -> u32 {
        let header_len = u32::from(self.info.header.header_len);
        self.address.saturating_add(header_len)
    }

    /// Reads `buf.len()` bytes of the payload from `at` on.
    ///
    /// # Errors
    /// [`PartError::OutOfBounds`] if the payload is not that long, [`PartError::Flash`] if the flash
    /// cannot be read.
    pub fn read<F: Flash>(&self, flash: &mut F, at: u32, buf: &mut [u8]) -> Result<(), PartError> {
        let len = u32::try_from(buf.len()).map_err(|_too_long| PartError::OutOfBounds)?;
        let end = at.checked_add(len).ok_or(PartError::OutOfBounds)?;
        if end > self.len() {
            return Err(PartError::OutOfBounds);
        }
        let from = self.offset().checked_add(at);
        flash
            .read(from.ok_or(PartError::OutOfBounds)?, buf)
            .map_err(|_failed| PartError::Flash)
    }
}
