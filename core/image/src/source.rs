//! Where image bytes come from: a flash area, a file, a slice.

use core::fmt;

/// Random access to the bytes of a slot, or of a file that holds an image.
///
/// Offset 0 is the first header byte. Offsets and lengths are arbitrary: an implementation over
/// flash that reads whole words only must round by itself. Reads never go beyond the `slot_len`
/// given to [`inspect`](crate::inspect) and [`verify`](crate::verify), nor beyond the end of the
/// image as far as it is known by then, because what lies behind it may be torn and unreadable.
///
/// Reading has no effect on the stored bytes, so a power cut at any time leaves them as they were.
pub trait ReadAt {
    /// Why a read failed.
    type Error;

    /// Fills `buf` with the bytes that begin at `offset`.
    ///
    /// # Errors
    /// Whatever the medium reports; the content of `buf` is then unspecified. The caller may try the
    /// same read again.
    fn read_at(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Self::Error>;
}

/// A read beyond the end of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfBounds;

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("read beyond the end of the data")
    }
}

impl core::error::Error for OutOfBounds {}

impl ReadAt for &[u8] {
    type Error = OutOfBounds;

    fn read_at(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), OutOfBounds> {
        let start = usize::try_from(offset).map_err(|_too_large| OutOfBounds)?;
        let end = start.checked_add(buf.len()).ok_or(OutOfBounds)?;
        buf.copy_from_slice(self.get(start..end).ok_or(OutOfBounds)?);
        Ok(())
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &mut T {
    type Error = T::Error;

    fn read_at(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), T::Error> {
        (**self).read_at(offset, buf)
    }
}
