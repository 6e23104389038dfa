//! Copying and comparing chunks.

use otaru_flash::{Flash, Layout, Slot};
use otaru_image::PayloadCipher;

/// How often a chunk is erased and programmed before it counts as failed.
const TRIES: u32 = 3;

/// A chunk of a slot, by number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) slot: Slot,
    pub(crate) chunk: u32,
}

/// What is copied where, and what it becomes on the way into the execution slot.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) from: Place,
    pub(crate) to: Place,
    pub(crate) cipher: &'a PayloadCipher,
}

/// A chunk could not be copied: its source cannot be read, or three programs failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CopyFailed;

/// Erases `to` and copies `from` there; reads back what it programmed.
pub(crate) fn copy<F: Flash>(
    flash: &mut F,
    layout: &Layout,
    job: Job<'_>,
    buf: &mut [u8],
) -> Result<(), CopyFailed> {
    for _ in 0..TRIES {
        let mut walk = Walk {
            layout,
            from: job.from,
            to: job.to,
            program: Some(job.cipher),
        };
        if walk.same(flash, buf) == Some(true) {
            return Ok(());
        }
    }
    Err(CopyFailed)
}

/// Whether two chunks hold the same bytes; one that cannot be read counts as different.
pub(crate) fn equal<F: Flash>(
    flash: &mut F,
    layout: &Layout,
    from: Place,
    to: Place,
    buf: &mut [u8],
) -> bool {
    let mut walk = Walk {
        layout,
        from,
        to,
        program: None,
    };
    walk.same(flash, buf) == Some(true)
}

/// Two chunks side by side. Comparing them is the same as checking a copy, so one loop does both.
struct Walk<'a> {
    layout: &'a Layout,
    from: Place,
    to: Place,
    /// Whether `to` is erased and programmed first, and what the bytes become on the way.
    program: Option<&'a PayloadCipher>,
}

impl Walk<'_> {
    /// Whether both chunks hold the same bytes, at the end; nothing if a flash operation failed.
    #[inline(never)]
    fn same<F: Flash>(&mut self, flash: &mut F, buf: &mut [u8]) -> Option<bool> {
        let layout = self.layout;
        let source = layout.slot(self.from.slot);
        let target = layout.slot(self.to.slot);
        let chunk_len = layout.chunk_len;
        let mut source_at = self.from.chunk.wrapping_mul(chunk_len);
        let mut target_at = self.to.chunk.wrapping_mul(chunk_len);
        let (data, check) = buf.split_at_mut_checked(buf.len() / 2)?;
        if self.program.is_some() {
            target.erase(flash, target_at, chunk_len).ok()?;
        }
        let mut left = chunk_len as usize;
        while left > 0 {
            let len = left.min(data.len());
            let (piece, stored) = (data.get_mut(..len)?, check.get_mut(..len)?);
            source.read(flash, source_at, piece).ok()?;
            if let Some(cipher) = self.program {
                // In the execution slot images begin with their slot.
                cipher.apply(target_at, piece);
                if piece.iter().any(|&byte| byte != layout.erased) {
                    target.program(flash, target_at, piece).ok()?;
                }
            }
            target.read(flash, target_at, stored).ok()?;
            if piece != stored || len == 0 {
                return Some(false);
            }
            let step = u32::try_from(len).ok()?;
            source_at = source_at.wrapping_add(step);
            target_at = target_at.wrapping_add(step);
            left = left.wrapping_sub(len);
        }
        Some(true)
    }
}
