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

/// Erases the target and copies the source there; reads back what it programmed.
pub(crate) fn copy<F: Flash>(
    flash: &mut F,
    layout: &Layout,
    job: Job<'_>,
    buf: &mut [u8],
) -> Result<(), CopyFailed> {
    for _ in 0..TRIES {
        if copy_once(flash, layout, job, buf).is_some() {
            return Ok(());
        }
    }
    Err(CopyFailed)
}

fn copy_once<F: Flash>(
    flash: &mut F,
    layout: &Layout,
    Job { from, to, cipher }: Job<'_>,
    buf: &mut [u8],
) -> Option<()> {
    let source = layout.slot(from.slot);
    let target = layout.slot(to.slot);
    let source_at = from.chunk.checked_mul(layout.chunk_len)?;
    let target_at = to.chunk.checked_mul(layout.chunk_len)?;
    let (data, check) = buf.split_at_mut_checked(buf.len() / 2)?;
    target.erase(flash, target_at, layout.chunk_len).ok()?;
    for at in pieces(layout.chunk_len, data.len()) {
        let len = piece_len(layout.chunk_len, data.len(), at);
        let piece = data.get_mut(..len)?;
        source.read(flash, source_at.checked_add(at)?, piece).ok()?;
        // In the execution slot images begin with their slot.
        cipher.apply(target_at.checked_add(at)?, piece);
        if piece.iter().any(|&byte| byte != layout.erased) {
            target
                .program(flash, target_at.checked_add(at)?, piece)
                .ok()?;
        }
        let stored = check.get_mut(..len)?;
        target
            .read(flash, target_at.checked_add(at)?, stored)
            .ok()?;
        if stored != piece {
            return None;
        }
    }
    Some(())
}

/// Whether two chunks hold the same bytes; one that cannot be read counts as different.
pub(crate) fn equal<F: Flash>(
    flash: &mut F,
    layout: &Layout,
    one: Place,
    other: Place,
    buf: &mut [u8],
) -> bool {
    equal_inner(flash, layout, one, other, buf).unwrap_or(false)
}

fn equal_inner<F: Flash>(
    flash: &mut F,
    layout: &Layout,
    one: Place,
    other: Place,
    buf: &mut [u8],
) -> Option<bool> {
    let one_at = one.chunk.checked_mul(layout.chunk_len)?;
    let other_at = other.chunk.checked_mul(layout.chunk_len)?;
    let (left, right) = buf.split_at_mut_checked(buf.len() / 2)?;
    for at in pieces(layout.chunk_len, left.len()) {
        let len = piece_len(layout.chunk_len, left.len(), at);
        let (left, right) = (left.get_mut(..len)?, right.get_mut(..len)?);
        layout
            .slot(one.slot)
            .read(flash, one_at.checked_add(at)?, left)
            .ok()?;
        layout
            .slot(other.slot)
            .read(flash, other_at.checked_add(at)?, right)
            .ok()?;
        if left != right {
            return Some(false);
        }
    }
    Some(true)
}

fn pieces(chunk_len: u32, piece_len: usize) -> impl Iterator<Item = u32> {
    (0..chunk_len).step_by(piece_len.max(1))
}

fn piece_len(chunk_len: u32, piece_len: usize, at: u32) -> usize {
    piece_len.min(chunk_len.saturating_sub(at) as usize)
}
