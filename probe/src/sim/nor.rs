//! Memory that follows the rules of NOR flash: erasing sets every bit, programming only clears bits.

use crate::failure::{Code, Failure};

/// Flash cells.
pub(super) struct Nor {
    cells: Vec<u8>,
}

impl Nor {
    /// `len` bytes, all erased.
    pub(super) fn erased(len: usize) -> Self {
        Self {
            cells: vec![0xff; len],
        }
    }

    /// Sets `len` bytes from `offset` to erased.
    ///
    /// # Errors
    /// `flash_failed` outside the flash.
    pub(super) fn erase(&mut self, offset: usize, len: usize) -> Result<(), Failure> {
        self.range(offset, len)?.fill(0xff);
        Ok(())
    }

    /// Clears bits.
    ///
    /// # Errors
    /// `flash_failed` outside the flash, and where a bit would have to become one again; such cells
    /// then hold the bits of both.
    pub(super) fn program(&mut self, offset: usize, data: &[u8]) -> Result<(), Failure> {
        let mut unwritable = false;
        for (cell, byte) in self.range(offset, data.len())?.iter_mut().zip(data) {
            unwritable |= *byte & !*cell != 0;
            *cell &= byte;
        }
        if unwritable {
            return Err(failed("programming a cell that is not erased"));
        }
        Ok(())
    }

    /// `len` bytes from `offset`.
    ///
    /// # Errors
    /// `flash_failed` outside the flash.
    pub(super) fn read(&self, offset: usize, len: usize) -> Result<&[u8], Failure> {
        offset
            .checked_add(len)
            .and_then(|end| self.cells.get(offset..end))
            .ok_or_else(|| failed("an address behind the flash"))
    }

    fn range(&mut self, offset: usize, len: usize) -> Result<&mut [u8], Failure> {
        offset
            .checked_add(len)
            .and_then(|end| self.cells.get_mut(offset..end))
            .ok_or_else(|| failed("an address behind the flash"))
    }
}

fn failed(what: &str) -> Failure {
    Failure::new(Code::FlashFailed, what, "erase the sector first")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_erasing_sets_bits() {
        let mut nor = Nor::erased(16);
        nor.program(4, &[0xf0, 0x0f]).unwrap();
        assert_eq!(nor.read(3, 4).unwrap(), [0xff, 0xf0, 0x0f, 0xff]);
        assert_eq!(nor.program(4, &[0x0f]).unwrap_err().code, Code::FlashFailed);
        assert_eq!(nor.read(4, 1).unwrap(), [0x00]);
        nor.erase(4, 4).unwrap();
        nor.program(4, &[0x0f]).unwrap();
        assert_eq!(nor.read(4, 2).unwrap(), [0x0f, 0xff]);
    }

    #[test]
    fn nothing_lies_outside() {
        let mut nor = Nor::erased(16);
        assert!(nor.program(15, &[0, 0]).is_err());
        assert!(nor.erase(16, 1).is_err());
        assert!(nor.read(usize::MAX, 2).is_err());
    }
}
