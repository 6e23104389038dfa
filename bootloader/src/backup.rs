//! Where the chunks of a backup stand (install protocol, sections 3 and 4).

use crate::port::Port;
use crate::verify::Acceptance;
use otaru_flash::{DeviceBlock, Flash, Layout, Slot};
use otaru_image::ReadAt;
use otaru_record::{Backup, State};

/// Where in the secondary slot the old chunk `chunk` of a `swap` stands, as a chunk number.
///
/// An old chunk that differs went into the hole that the differing chunk before it had left; one
/// that does not differ *is* the new chunk at its place.
pub(crate) fn saved_at(state: &State, chunk: u32) -> u32 {
    if state.differing.contains(chunk) {
        let before = (0..chunk)
            .rev()
            .find(|&other| state.differing.contains(other));
        before.map_or(0, |other| other.saturating_add(1))
    } else {
        chunk.saturating_add(1)
    }
}

/// Slot and chunk number where chunk `chunk` of the backup stands.
pub(crate) fn chunk_of_backup(state: &State, chunk: u32) -> Option<(Slot, u32)> {
    match state.backup {
        Backup::None => None,
        Backup::Copy(slot) => Some((slot, chunk)),
        Backup::Permuted => Some((Slot::Storage0, saved_at(state, chunk))),
    }
}

/// Whether there is a complete backup that verifies and may run. Never one below the floor: the
/// backup of mode `swap` is an older image.
pub fn backup_verifies<F: Flash, P: Port>(
    flash: &mut F,
    port: &mut P,
    block: &DeviceBlock,
    state: &State,
    buf: &mut [u8],
) -> bool {
    let accept = Acceptance::of(block, state, state.backup_image);
    let mut source = BackupReader {
        flash,
        layout: &block.layout,
        state,
    };
    state.backup_complete() && accept.verify(&mut source, port, buf).is_ok()
}

/// The backup as one image; offset 0 is its first header byte.
pub(crate) struct BackupReader<'a, F> {
    pub(crate) flash: &'a mut F,
    pub(crate) layout: &'a Layout,
    pub(crate) state: &'a State,
}

impl<F: Flash> ReadAt for BackupReader<'_, F> {
    type Error = ();

    fn read_at(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), ()> {
        let chunk_len = self.layout.chunk_len;
        let mut at = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let chunk = at.checked_div(chunk_len).ok_or(())?;
            let within = at.checked_rem(chunk_len).ok_or(())?;
            let (slot, stored) = chunk_of_backup(self.state, chunk).ok_or(())?;
            let room = chunk_len.saturating_sub(within) as usize;
            let (piece, later) = rest.split_at_mut(room.min(rest.len()));
            let from = stored
                .checked_mul(chunk_len)
                .and_then(|base| base.checked_add(within));
            let area = self.layout.slot(slot);
            area.read(self.flash, from.ok_or(())?, piece)
                .map_err(|_failed| ())?;
            at = at
                .checked_add(u32::try_from(piece.len()).unwrap_or(u32::MAX))
                .ok_or(())?;
            rest = later;
        }
        Ok(())
    }
}
