//! `embassy-boot` over the simulated flash: its three partitions, its bootloader, its updater.

pub(crate) mod device;
pub(crate) mod explore;
mod traced;
mod world;

pub(crate) use device::{Device, Ending, Failure};
pub(crate) use traced::trace;

use embassy_boot::{
    BlockingFirmwareUpdater, BootError, BootLoader, BootLoaderConfig, FirmwareUpdaterConfig,
    FirmwareUpdaterError, State,
};
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use otaru_flash::Flash;
use std::cell::RefCell;

/// Where the partitions stand, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Partitions {
    /// Length of ACTIVE, which begins at 0; DFU follows and has one page more.
    pub(crate) active: u32,
    /// Bytes of a page.
    pub(crate) page: u32,
    /// Length of STATE, which comes last.
    pub(crate) state: u32,
}

impl Partitions {
    /// For this many pages, with the shortest STATE that its documentation allows: 2 + 4·N words.
    pub(crate) fn new(pages: u32, page: u32, write_unit: u32) -> Self {
        let words = 2 + 4 * pages;
        Self {
            active: pages * page,
            page,
            state: (words * write_unit).next_multiple_of(page),
        }
    }

    pub(crate) fn dfu_at(&self) -> u32 {
        self.active
    }

    pub(crate) fn state_at(&self) -> u32 {
        2 * self.active + self.page
    }

    /// Bytes of the whole.
    pub(crate) fn len(&self) -> u32 {
        self.state_at() + self.state
    }
}

/// An error of the flash below.
#[derive(Debug)]
pub(crate) struct Failed;

impl NorFlashError for Failed {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

/// A partition of a flash with write unit `W` and pages of `E` bytes.
struct Partition<'a, F, const W: usize, const E: usize> {
    flash: &'a RefCell<F>,
    offset: u32,
    len: u32,
}

impl<F: Flash, const W: usize, const E: usize> ErrorType for Partition<'_, F, W, E> {
    type Error = Failed;
}

impl<F: Flash, const W: usize, const E: usize> Partition<'_, F, W, E> {
    fn absolute(&self, from: u32, to: u32) -> Result<u32, Failed> {
        if from <= to && to <= self.len {
            Ok(self.offset + from)
        } else {
            Err(Failed)
        }
    }
}

impl<F: Flash, const W: usize, const E: usize> ReadNorFlash for Partition<'_, F, W, E> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Failed> {
        let end = offset + u32::try_from(bytes.len()).map_err(|_too_long| Failed)?;
        let at = self.absolute(offset, end)?;
        let read = self.flash.borrow_mut().read(at, bytes);
        read.map_err(|_cause| Failed)
    }

    fn capacity(&self) -> usize {
        self.len as usize
    }
}

impl<F: Flash, const W: usize, const E: usize> NorFlash for Partition<'_, F, W, E> {
    const WRITE_SIZE: usize = W;
    const ERASE_SIZE: usize = E;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Failed> {
        let at = self.absolute(from, to)?;
        let erased = self.flash.borrow_mut().erase(at, to - from);
        erased.map_err(|_cause| Failed)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Failed> {
        let end = offset + u32::try_from(bytes.len()).map_err(|_too_long| Failed)?;
        let at = self.absolute(offset, end)?;
        let written = self.flash.borrow_mut().program(at, bytes);
        written.map_err(|_cause| Failed)
    }
}

fn partition<F: Flash, const W: usize, const E: usize>(
    flash: &RefCell<F>,
    offset: u32,
    len: u32,
) -> Partition<'_, F, W, E> {
    Partition { flash, offset, len }
}

/// Its bootloader, once.
pub(crate) fn prepare_boot<F: Flash, const W: usize, const E: usize>(
    flash: &RefCell<F>,
    at: &Partitions,
    buf: &mut [u8],
) -> Result<State, BootError> {
    let config = BootLoaderConfig {
        active: partition::<F, W, E>(flash, 0, at.active),
        dfu: partition::<F, W, E>(flash, at.dfu_at(), at.active + at.page),
        state: partition::<F, W, E>(flash, at.state_at(), at.state),
    };
    BootLoader::new(config).prepare_boot(buf)
}

/// What a firmware does through its updater.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Firmware<'a> {
    /// Writes an image into DFU.
    Download(&'a [u8]),
    /// Asks for the exchange.
    MarkUpdated,
    /// Confirms itself.
    MarkBooted,
}

/// Its updater, once.
pub(crate) fn update<F: Flash, const W: usize, const E: usize>(
    flash: &RefCell<F>,
    at: &Partitions,
    what: Firmware<'_>,
) -> Result<(), FirmwareUpdaterError> {
    let config = FirmwareUpdaterConfig {
        dfu: partition::<F, W, E>(flash, at.dfu_at(), at.active + at.page),
        state: partition::<F, W, E>(flash, at.state_at(), at.state),
    };
    let mut word = [0; W];
    let mut updater = BlockingFirmwareUpdater::new(config, &mut word);
    match what {
        Firmware::Download(image) => {
            let mut offset = 0;
            for page in image.chunks(E) {
                updater.write_firmware(offset, page)?;
                offset += page.len();
            }
            Ok(())
        }
        Firmware::MarkUpdated => updater.mark_updated(),
        Firmware::MarkBooted => updater.mark_booted(),
    }
}
