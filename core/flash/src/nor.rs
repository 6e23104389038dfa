//! The one trait through which everything in this workspace reads and changes flash.

use core::fmt::Debug;
use embedded_storage::nor_flash::NorFlash;

/// A NOR flash, addressed by byte offset from its start.
///
/// # Power-cut contract
///
/// * An interrupted [`program`](Self::program) may leave any subset of the bits it would have
///   changed. An interrupted [`erase`](Self::erase) may leave any subset of the bits of the
///   sectors it covers.
/// * Such bits may read differently each time until the sector is erased again. On flash with
///   ECC, reading such a unit may fail.
/// * Offsets and lengths of `program` are multiples of the write unit, those of `erase` of the
///   erase size. No unit is programmed twice between two erases.
///
/// A read error is an input, never a reason to panic.
pub trait Flash {
    /// What the driver reports when an operation fails.
    type Error: Debug;

    /// Reads `buf.len()` bytes from `offset`.
    ///
    /// # Errors
    /// Whatever the driver reports, for example an ECC error or an offset outside the flash.
    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Self::Error>;

    /// Programs `data` at `offset`; both are multiples of the write unit.
    ///
    /// # Errors
    /// Whatever the driver reports. The content of the range is then unknown.
    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), Self::Error>;

    /// Erases `len` bytes from `offset`; both are multiples of the erase size.
    ///
    /// # Errors
    /// Whatever the driver reports. The content of the range is then unknown.
    fn erase(&mut self, offset: u32, len: u32) -> Result<(), Self::Error>;
}

impl<F: Flash> Flash for &mut F {
    type Error = F::Error;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Self::Error> {
        (**self).read(offset, buf)
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), Self::Error> {
        (**self).program(offset, data)
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), Self::Error> {
        (**self).erase(offset, len)
    }
}

/// Makes a HAL's `embedded-storage` flash driver usable as [`Flash`].
#[derive(Debug)]
pub struct Nor<T>(pub T);

impl<T: NorFlash> Flash for Nor<T> {
    type Error = T::Error;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Self::Error> {
        self.0.read(offset, buf)
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), Self::Error> {
        self.0.write(offset, data)
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), Self::Error> {
        self.0.erase(offset, offset.saturating_add(len))
    }
}
