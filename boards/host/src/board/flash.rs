//! The flash driver of the CPU: reads directly, programs and erases through the chip.

use super::Shared;
use super::map::SharedMap;
use crate::wire::{
    BAD_RANGES_MAX, FlashFault, Operation, PAGE_HEADER_LEN, PROGRAM_LEN_MAX, page_word,
};
use otaru_flash::Flash;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Longest read that goes through the memory map, in bytes.
const MAPPED_READ_LEN_MAX: usize = 512;

/// The chip's flash as this process sees it, both ways read only.
#[derive(Debug)]
pub(super) struct FlashMemory {
    pub(super) file: File,
    pub(super) map: SharedMap,
}

/// The flash of the board.
///
/// Reading needs no word with the chip. Short reads, of which a boot does a hundred thousand, come
/// out of a memory map; long ones out of the file, so that the resident memory of a firmware does
/// not grow with the images it has looked at.
#[derive(Debug, Clone)]
pub struct HostFlash {
    memory: Arc<FlashMemory>,
    shared: Arc<Shared>,
}

impl HostFlash {
    pub(super) fn new(memory: Arc<FlashMemory>, shared: Arc<Shared>) -> Self {
        Self { memory, shared }
    }

    /// Whether the chip says that this range does not read.
    fn is_unreadable(&self, offset: u32, len: u32) -> bool {
        let page = &self.shared.page;
        let mut header = [0; PAGE_HEADER_LEN];
        // The page is as long as the map that was made of it.
        page.read(0, &mut header);
        let count = usize::try_from(page_word(&header, 2)).unwrap_or(usize::MAX);
        let end = offset.saturating_add(len);
        (0..count.min(BAD_RANGES_MAX)).any(|index| {
            let mut range = [0; 8];
            page.read(PAGE_HEADER_LEN + index * 8, &mut range);
            let start = page_word(&range, 0);
            let range_end = start.saturating_add(page_word(&range, 1));
            start < end && offset < range_end
        })
    }
}

impl Flash for HostFlash {
    type Error = FlashFault;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), FlashFault> {
        let len = u32::try_from(buf.len()).map_err(|_too_long| FlashFault::OutOfBounds)?;
        match offset.checked_add(len) {
            Some(end) if end <= self.shared.hello.flash_len => {}
            _ => return Err(FlashFault::OutOfBounds),
        }
        if self.is_unreadable(offset, len) {
            return Err(FlashFault::Unreadable);
        }
        if buf.len() <= MAPPED_READ_LEN_MAX {
            let at = usize::try_from(offset).unwrap_or(usize::MAX);
            let inside = self.memory.map.read(at, buf);
            return if inside {
                Ok(())
            } else {
                Err(FlashFault::OutOfBounds)
            };
        }
        self.memory
            .file
            .read_exact_at(buf, u64::from(offset))
            .map_err(|_gone| FlashFault::ChipLost)
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), FlashFault> {
        for (index, part) in data.chunks(PROGRAM_LEN_MAX).enumerate() {
            let skip = u32::try_from(index * PROGRAM_LEN_MAX).unwrap_or(u32::MAX);
            let at = offset.saturating_add(skip);
            self.shared.ask(Operation::Program, at, 0, part)?;
        }
        Ok(())
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), FlashFault> {
        self.shared.ask(Operation::Erase, offset, len, &[])?;
        Ok(())
    }
}
