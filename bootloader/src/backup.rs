//! Where the chunks of a backup stand (install protocol, sections 3 and 4).
//!
//! Numbers of chunks and steps are below three thousand, because a layout that passes its check has at
//! most 1024 chunks, and no chunk begins behind its slot. So the arithmetic here and in the files beside
//! this one may wrap but never does; an area refuses any other offset.

use crate::boot::Context;
use crate::port::Port;
use crate::verify::verify_held;
use otaru_flash::{Flash, Layout, Mode, Slot};
use otaru_image::ReadAt;
use otaru_record::{Backup, Held, State};

/// Where in the secondary slot the old chunk `chunk` of a `swap` stands, as a chunk number.
///
/// An old chunk that differs went into the hole that the differing chunk before it had left; one
/// that does not differ *is* the new chunk at its place.
pub(crate) fn saved_at(state: &State, chunk: u32) -> u32 {
    if state.differing.contains(chunk) {
        let before = (0..chunk)
            .rev()
            .find(|&other| state.differing.contains(other));
        before.map_or(0, |other| other.wrapping_add(1))
    } else {
        chunk.wrapping_add(1)
    }
}

/// Slot and chunk number where chunk `chunk` of the backup stands.
pub(crate) fn chunk_of_backup(state: &State, chunk: u32) -> Option<(Slot, u32)> {
    match state.backup() {
        Backup::None => None,
        Backup::Copy(slot) => Some((slot, chunk)),
        Backup::Permuted => Some((Slot::Storage0, saved_at(state, chunk))),
    }
}

/// Whether there is a complete backup that verifies and may run. Never one below the floor: the
/// backup of mode `swap` is an older image.
pub fn backup_verifies<F: Flash, P: Port>(ctx: &mut Context<'_, F, P>, state: &State) -> bool {
    state.backup_complete() && verify_held(ctx, state, Held::Backup, Source::Backup(state)).is_ok()
}

/// Slot and chunk number where chunk `chunk` of the image stands that is being installed. In mode
/// `swap` the place of an installed chunk may hold an old one already, so it is read where it was
/// installed.
fn chunk_of_incoming(mode: Mode, state: &State, chunk: u32) -> Option<(Slot, u32)> {
    if mode == Mode::Standby {
        return Some((state.slot()?, chunk));
    }
    let before = state.differing.iter().take_while(|&other| other < chunk);
    let steps = before.fold(0_u32, |steps, _other| steps.wrapping_add(2));
    // Its step b is the second of its two, and the first one that is not done is in the state.
    let installed = state.differing.contains(chunk) && steps.wrapping_add(1) < state.step().into();
    if installed {
        Some((Slot::Execution, chunk))
    } else {
        Some((state.slot()?, chunk.wrapping_add(1)))
    }
}

/// An image cannot be read where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

impl core::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the flash does not read there")
    }
}

impl core::error::Error for Unreadable {}

/// Where an image stands.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// In one piece, in this slot.
    Slot(Slot),
    /// As the backup of this state, perhaps permuted.
    Backup(&'a State),
    /// As the image that this state installs, of which some chunks are installed already.
    Incoming(&'a State),
}

/// An image wherever it stands; offset 0 is its first header byte. One reader for every place, so
/// that there is one copy of the verification in the program.
pub(crate) struct ImageReader<'a, F> {
    pub(crate) flash: &'a mut F,
    pub(crate) layout: &'a Layout,
    pub(crate) source: Source<'a>,
}

impl<F: Flash> ReadAt for ImageReader<'_, F> {
    type Error = Unreadable;

    fn read_at(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Unreadable> {
        let chunk_len = self.layout.chunk_len;
        let mut at = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let chunk = at.checked_div(chunk_len).ok_or(Unreadable)?;
            let within = at.checked_rem(chunk_len).ok_or(Unreadable)?;
            let place = match self.source {
                Source::Slot(slot) => {
                    let shift = u32::from(self.layout.image_offset(slot) > 0);
                    Some((slot, chunk.wrapping_add(shift)))
                }
                Source::Backup(state) => chunk_of_backup(state, chunk),
                // Only an encrypted image is read while it is being installed.
                Source::Incoming(state) if cfg!(feature = "encryption") => {
                    chunk_of_incoming(self.layout.mode, state, chunk)
                }
                Source::Incoming(_) => None,
            };
            let (slot, stored) = place.ok_or(Unreadable)?;
            let room = chunk_len.wrapping_sub(within) as usize;
            let (piece, later) = rest.split_at_mut(room.min(rest.len()));
            let from = stored.wrapping_mul(chunk_len).wrapping_add(within);
            let area = self.layout.slot(slot);
            area.read(self.flash, from, piece)
                .map_err(|_failed| Unreadable)?;
            at = at.wrapping_add(u32::try_from(piece.len()).unwrap_or(u32::MAX));
            rest = later;
        }
        Ok(())
    }
}
