//! How a device is at one moment, read from its flash by the debug probe. Reads only.

use otaru_board_host::DEVICE_BLOCK_AT;
use otaru_flash::{DEVICE_BLOCK_LEN, DeviceBlock, Flash, Layout, Slot};
use otaru_image::inspect;
use otaru_lsp_build::flash_map::{MapError, details};
use otaru_record::{Journal, SlotReader, State};
use std::fmt::Debug;

/// How a device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Where everything stands.
    pub layout: Layout,
    /// The record, or why it cannot be read.
    pub record: Result<State, String>,
    /// Digest of the image in the execution slot (64 hex digits) if the device would run it, or why
    /// it would not. `None` where it cannot be told from outside: the image came encrypted.
    pub execution: Option<Result<String, String>>,
    /// Version of the image in the execution slot, as people read it.
    pub version: Option<String>,
}

impl Look {
    /// The record.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn state(&self) -> Result<&State, &str> {
        self.record.as_ref().map_err(String::as_str)
    }
}

/// The device block.
pub(crate) fn layout<F: Flash>(flash: &mut F) -> Result<Layout, MapError<F::Error>>
where
    F::Error: Debug,
{
    let mut bytes = [0; DEVICE_BLOCK_LEN];
    flash
        .read(DEVICE_BLOCK_AT, &mut bytes)
        .map_err(MapError::Flash)?;
    Ok(DeviceBlock::decode(&bytes).map_err(MapError::Block)?.layout)
}

/// The record alone, which is quick.
pub(crate) fn record<F: Flash>(flash: &mut F, layout: &Layout) -> Result<State, String> {
    Journal::load(flash, layout)
        .map(|journal| *journal.state())
        .map_err(|error| error.to_string())
}

/// Reads record and execution slot, and verifies the image there as the device would.
///
/// # Errors
/// The flash does not read, or holds no device block: then nothing was ever flashed.
pub fn look<F: Flash>(flash: &mut F) -> Result<Look, MapError<F::Error>>
where
    F::Error: Debug,
{
    let layout = layout(flash)?;
    let record = record(flash, &layout);
    let mut reader = SlotReader::new(flash, &layout, Slot::Execution);
    let info = inspect(&mut reader, layout.image_len_max());
    let version = info.as_ref().ok().map(|info| {
        info.label.as_ref().map_or_else(
            || info.header.version.to_string(),
            |label| label.as_str().to_owned(),
        )
    });
    let encrypted = info
        .as_ref()
        .is_ok_and(|info| info.header.flags.is_encrypted());
    let execution = if encrypted {
        None
    } else {
        Some(match details(flash, DEVICE_BLOCK_AT, Slot::Execution) {
            Ok(found) => found.digest.ok_or_else(|| {
                found
                    .problem
                    .unwrap_or_else(|| "the image is not good".to_owned())
            }),
            Err(error) => Err(error.to_string()),
        })
    };
    Ok(Look {
        layout,
        record,
        execution,
        version,
    })
}
