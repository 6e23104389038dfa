//! The flash driver of the CPU: reads directly, programs and erases through the chip.

use super::Shared;
use crate::wire::{
    BAD_RANGES_MAX, FlashFault, Operation, PAGE_HEADER_LEN, PROGRAM_LEN_MAX, page_word,
};
use otaru_flash::Flash;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The flash of the board.
///
/// Reading costs two system calls and no round trip to the chip. Reads go through the file and not
/// through a memory map: the resident memory of a firmware then does not grow with the flash it
/// has looked at.
#[derive(Debug, Clone)]
pub struct HostFlash {
    file: Arc<File>,
    shared: Arc<Shared>,
}

impl HostFlash {
    pub(super) fn new(file: Arc<File>, shared: Arc<Shared>) -> Self {
        Self { file, shared }
    }

    /// Whether the chip says that this range does not read.
    fn is_unreadable(&self, offset: u32, len: u32) -> Result<bool, FlashFault> {
        let page = &self.shared.page;
        let mut header = [0; PAGE_HEADER_LEN];
        page.read_exact_at(&mut header, 0)
            .map_err(|_gone| FlashFault::ChipLost)?;
        let count = usize::try_from(page_word(&header, 2)).unwrap_or(usize::MAX);
        if count == 0 {
            return Ok(false);
        }
        let mut ranges = [0; BAD_RANGES_MAX * 8];
        page.read_exact_at(&mut ranges, PAGE_HEADER_LEN as u64)
            .map_err(|_gone| FlashFault::ChipLost)?;
        let end = offset.saturating_add(len);
        Ok((0..count.min(BAD_RANGES_MAX)).any(|index| {
            let start = page_word(&ranges, index * 2);
            let range_end = start.saturating_add(page_word(&ranges, index * 2 + 1));
            start < end && offset < range_end
        }))
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
        if self.is_unreadable(offset, len)? {
            return Err(FlashFault::Unreadable);
        }
        self.file
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
