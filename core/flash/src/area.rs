//! A range of the flash with one erase size; access is bounded to it.

use crate::Flash;
use core::fmt;

/// A contiguous range of sectors that serves one purpose.
///
/// All offsets passed to its methods are relative to its start, so that a wrong number ends in
/// [`AccessError::OutOfBounds`] and never in a neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Area {
    /// Offset from the start of the flash, in bytes; a multiple of `erase_len`.
    pub offset: u32,
    /// Length in bytes; a multiple of `erase_len`. Zero means that the area does not exist.
    pub len: u32,
    /// Size of one sector of this area, in bytes.
    pub erase_len: u32,
}

/// Why an access to an [`Area`] failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessError<E> {
    /// The range is not inside the area, or an erase is not on sector bounds. Nothing was done.
    OutOfBounds,
    /// The driver failed; after a program or an erase the content is unknown.
    Flash(E),
}

impl<E: fmt::Debug> fmt::Display for AccessError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfBounds => f.write_str("range outside the flash area"),
            Self::Flash(cause) => write!(f, "flash operation failed: {cause:?}"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for AccessError<E> {}

impl Area {
    pub(crate) const BLANK: Self = Self {
        offset: 0,
        len: 0,
        erase_len: 0,
    };

    /// An area; [`Layout::check`](crate::Layout::check) says whether it makes sense.
    #[inline(never)]
    pub const fn new(offset: u32, len: u32, erase_len: u32) -> Self {
        Self {
            offset,
            len,
            erase_len,
        }
    }

    /// Offset of the first byte behind the area, or `None` if that overflows.
    pub const fn end(&self) -> Option<u32> {
        self.offset.checked_add(self.len)
    }

    /// Whether the two areas share a byte.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (Some(end), Some(other_end)) = (self.end(), other.end()) else {
            return true;
        };
        self.len > 0 && other.len > 0 && self.offset < other_end && other.offset < end
    }

    fn absolute<E>(&self, at: u32, len: usize) -> Result<u32, AccessError<E>> {
        let len = u32::try_from(len).ok();
        let end = len.and_then(|len| at.checked_add(len));
        match (end, self.offset.checked_add(at)) {
            (Some(end), Some(offset)) if end <= self.len => Ok(offset),
            _ => Err(AccessError::OutOfBounds),
        }
    }

    /// Reads `buf.len()` bytes from `at` (relative to the area).
    ///
    /// # Errors
    /// [`AccessError`]; `buf` is then unspecified.
    pub fn read<F: Flash>(
        &self,
        flash: &mut F,
        at: u32,
        buf: &mut [u8],
    ) -> Result<(), AccessError<F::Error>> {
        let offset = self.absolute(at, buf.len())?;
        flash.read(offset, buf).map_err(AccessError::Flash)
    }

    /// Programs `data` at `at` (relative to the area); both multiples of the write unit.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn program<F: Flash>(
        &self,
        flash: &mut F,
        at: u32,
        data: &[u8],
    ) -> Result<(), AccessError<F::Error>> {
        let offset = self.absolute(at, data.len())?;
        flash.program(offset, data).map_err(AccessError::Flash)
    }

    /// Erases `len` bytes from `at` (relative to the area); both multiples of the erase size.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn erase<F: Flash>(
        &self,
        flash: &mut F,
        at: u32,
        len: u32,
    ) -> Result<(), AccessError<F::Error>> {
        let whole = |n: u32| n.checked_rem(self.erase_len) == Some(0);
        let Ok(bytes) = usize::try_from(len) else {
            return Err(AccessError::OutOfBounds);
        };
        let offset = self.absolute(at, bytes)?;
        if !whole(at) || !whole(len) {
            return Err(AccessError::OutOfBounds);
        }
        flash.erase(offset, len).map_err(AccessError::Flash)
    }

    /// The lower and the upper half of the area, for what is kept in two halves.
    pub const fn halves(&self) -> [Self; 2] {
        let half = self.len / 2;
        [
            Self {
                offset: self.offset,
                len: half,
                erase_len: self.erase_len,
            },
            Self {
                offset: self.offset.saturating_add(half),
                len: half,
                erase_len: self.erase_len,
            },
        ]
    }
}
