//! The two transitions of recovery: an image is uploaded over the console, and becomes the current
//! one. Nobody asked for it over the network, so there is no attempt and no trial: whoever sits at
//! the console answers for it, as with a flash by cable.

use super::Next;
use crate::{Backup, Cause, ChunkSet, Download, Image, Phase, State};
use otaru_flash::{Mode, Slot};

impl State {
    /// Whether an upload in recovery writes into storage: `receiving` without an attempt.
    pub fn is_recovering(&self) -> bool {
        self.phase() == Phase::Receiving && self.attempt() == 0
    }

    /// The storage slot that the next image is stored in: the one that is not the backup; in mode
    /// `swap` the secondary slot.
    pub fn free_slot(&self, mode: Mode) -> Slot {
        match (mode, self.backup()) {
            (Mode::Standby, Backup::Copy(Slot::Storage0)) => Slot::Storage1,
            (Mode::Standby | Mode::Swap, _) => Slot::Storage0,
        }
    }

    /// `idle`, `receiving`, `parked`, `reverting` → `receiving` without an attempt: the upload of
    /// `image` in recovery begins. An update that was under way ends as
    /// [`Cause::Recovered`]; its download is given up. An upload of the very same image goes on at
    /// its last mark.
    ///
    /// In mode `swap` the secondary slot is written from here on, so the caller must have seen that
    /// no backup is in it that still verifies while the execution slot does not.
    ///
    /// # Errors
    /// [`WrongPhase`](crate::WrongPhase) in the phases that a boot always leaves.
    pub fn recovering(&self, mode: Mode, image: Image) -> Next {
        let open = [
            Phase::Idle,
            Phase::Receiving,
            Phase::Parked,
            Phase::Reverting,
        ];
        let mut idle = self.copied(&open)?;
        // Without a digest nobody knows whether it is the same image.
        let known = image.digest != [0; 32];
        if known && self.is_recovering() && self.other() == image {
            return Ok(*self);
        }
        let ended_in = if self.phase() == Phase::Reverting {
            self.outcome_phase()
        } else {
            self.phase()
        };
        idle.finish(Some((Cause::Recovered, ended_in)));
        idle.forget_download();
        idle.receiving(
            mode,
            &Download {
                attempt: 0,
                image,
                deadline_s: 1,
                trials: 1,
            },
        )
    }

    /// `receiving` without an attempt → `idle`: the uploaded image, read back and verified in its
    /// slot, is the current one, and that slot is its backup. The next boot finds an execution slot
    /// that does not hold it and heals it from there.
    ///
    /// `digest` and `counter` are those that were found when it was verified. Only a record that was
    /// made in recovery takes its floor from `counter`: there nothing else is known. An image that
    /// nobody confirmed must not raise it.
    ///
    /// # Errors
    /// [`WrongPhase`](crate::WrongPhase) unless an upload in recovery is under way.
    pub fn recovered(&self, mode: Mode, digest: [u8; 32], counter: u32) -> Next {
        let Some(slot) = self.slot().filter(|_| self.is_recovering()) else {
            return Err(super::WrongPhase(self.phase()));
        };
        let image = Image {
            digest,
            ..self.other()
        };
        let mut next = *self;
        if !self.current().exists() {
            next.set_floor(self.floor().max(counter));
        }
        next.set_current(&image);
        next.set_factory_made(false);
        next.set_backup_image(&image);
        next.differing = ChunkSet::default();
        match mode {
            Mode::Standby => next.set_backup(Backup::Copy(slot)),
            Mode::Swap => {
                // As after an install that changed nothing: chunk i stands where it was parked.
                next.set_backup(Backup::Permuted);
                next.set_permuted_len(image.len);
            }
        }
        next.finish(Some((Cause::Recovered, Phase::Receiving)));
        next.forget_download();
        Ok(next)
    }
}
