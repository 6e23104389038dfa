//! Which state may follow which. Pure: each function takes a state and returns the next.

mod change;
mod recovery;

pub use change::Change;

use crate::{Backup, Cause, ChunkSet, Image, Outcome, Phase, State};
use core::fmt;
use otaru_flash::{Mode, Slot};

/// The transition does not exist in this phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongPhase(
    /// The phase the record is in.
    pub Phase,
);

impl fmt::Display for WrongPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not possible while {}", self.0.name())
    }
}

impl core::error::Error for WrongPhase {}

/// What an attempt is going to download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Download {
    /// DDI action id.
    pub attempt: u64,
    /// Length and SHA-256 as announced; a digest of zeros if none was announced.
    pub image: Image,
    /// Seconds the new firmware will have to confirm: 1…65535.
    pub deadline_s: u16,
    /// Boot attempts of the trial: 1…16.
    pub trials: u8,
}

type Next = Result<State, WrongPhase>;

impl State {
    /// This state, changed by `edit`, if it is in one of `phases`.
    fn change(&self, phases: &[Phase], edit: impl FnOnce(&mut Self)) -> Next {
        let mut next = self.copied(phases);
        if let Ok(next) = &mut next {
            edit(next);
        }
        next
    }

    /// Never inlined: the compiler would take the copy apart, field by field, in every transition.
    #[inline(never)]
    fn copied(&self, phases: &[Phase]) -> Next {
        if phases.contains(&self.phase()) {
            Ok(*self)
        } else {
            Err(WrongPhase(self.phase()))
        }
    }

    /// `idle` → `idle` with a complete copy of the running image in `slot` (`standby`).
    ///
    /// # Errors
    /// [`WrongPhase`] outside `idle`, so a trial firmware never copies itself.
    pub fn backed_up(&self, slot: Slot) -> Next {
        self.change(&[Phase::Idle], |next| {
            if next.slot() == Some(slot) {
                next.forget_download();
            }
            next.set_backup(Backup::Copy(slot));
            next.back_current_up();
        })
    }

    /// `idle` → `receiving`: the storage slot that is not the backup. Resumes at the last mark if
    /// that slot holds the beginning of the very same image.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `idle`.
    pub fn receiving(&self, mode: Mode, download: &Download) -> Next {
        self.change(&[Phase::Idle], |next| {
            let slot = next.free_slot(mode);
            // Without an announced digest nobody knows whether it is the same image.
            let known = download.image.digest != [0; 32];
            let resumable = known && next.slot() == Some(slot) && next.other() == download.image;
            if !resumable {
                next.set_step(0);
            }
            if mode == Mode::Swap {
                next.set_backup(Backup::None);
                next.set_backup_image(&Image::default());
                next.differing = ChunkSet::default();
                next.set_permuted_len(0);
            }
            next.set_phase(Phase::Receiving);
            next.set_slot(Some(slot));
            next.set_other(&download.image);
            next.set_attempt(download.attempt);
            next.set_deadline_s(download.deadline_s.max(1));
            next.set_trials_allowed(download.trials.clamp(1, 16));
            next.set_trials_used(0);
            next.set_cuts(0);
        })
    }

    /// `receiving` → `receiving` from the first byte: what was stored turned out to be wrong.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `receiving`.
    pub fn restarted(&self) -> Next {
        self.change(&[Phase::Receiving], |next| next.set_step(0))
    }

    /// `receiving` → `parked`, after the stored image was read back and verified.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `receiving`.
    pub fn parked(&self) -> Next {
        self.parked_as(self.other().digest)
    }

    /// The same for an image whose digest was not announced: what was found when it was verified.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `receiving`.
    pub fn parked_as(&self, digest: [u8; 32]) -> Next {
        self.change(&[Phase::Receiving], |next| {
            next.set_phase(Phase::Parked);
            next.set_step(0);
            let image = Image {
                digest,
                ..next.other()
            };
            next.set_other(&image);
        })
    }

    /// `parked` → `requested`: the next boot installs.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `parked`.
    pub fn requested(&self) -> Next {
        self.change(&[Phase::Parked], |next| next.set_phase(Phase::Requested))
    }

    /// Ends an attempt before anything was installed: → `idle` with an outcome. A partial
    /// download is remembered only if it was interrupted; else its slot is free.
    ///
    /// # Errors
    /// [`WrongPhase`] once the install has begun.
    pub fn ended(&self, cause: Cause) -> Next {
        let open = [Phase::Receiving, Phase::Parked, Phase::Requested];
        self.change(&open, |next| {
            let phase = next.phase();
            // The marks of an upload in recovery are counted in other pieces than the agent's.
            let resumable = phase == Phase::Receiving && !next.is_recovering() && next.step() > 0;
            next.finish(Some((cause, phase)));
            if !(resumable && cause == Cause::Interrupted) {
                next.forget_download();
            }
        })
    }

    /// `idle` → `idle` with the outcome of an attempt that failed before it began to receive the
    /// image `to`; one of zeros if the deployment did not say which.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `idle`.
    pub fn failed_early(&self, attempt: u64, cause: Cause, to: &Image) -> Next {
        self.change(&[Phase::Idle], |next| {
            next.set_outcome(&Outcome {
                attempt,
                cause,
                phase: Phase::Receiving,
                from: next.current().name(),
                to: to.name(),
                ..Outcome::default()
            });
        })
    }

    /// `requested` → `installing 0` with the chunks that differ.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `requested`.
    pub fn installing(&self, mode: Mode, differing: ChunkSet) -> Next {
        self.after(&Change::Installing(mode, &differing))
    }

    /// `installing` or `reverting` at another step, after a reset.
    ///
    /// # Errors
    /// [`WrongPhase`] in any other phase.
    pub fn resumed(&self) -> Next {
        self.after(&Change::Resumed)
    }

    /// `installing` → `installed`, after the copied image was verified where it runs.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `installing`.
    pub fn installed(&self, steps: u16, chunks: u16, millis: u32) -> Next {
        self.after(&Change::Installed {
            steps,
            chunks,
            millis,
        })
    }

    /// `installed` or `trial u` → `trial u+1`.
    ///
    /// # Errors
    /// [`WrongPhase`] in any other phase, or when no attempt is left.
    pub fn trial(&self) -> Next {
        self.after(&Change::Trial)
    }

    /// `trial` → `refused`: the new firmware gives itself up.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `trial`.
    pub fn refused(&self, cause: Cause) -> Next {
        self.change(&[Phase::Trial], |next| {
            next.set_phase(Phase::Refused);
            next.set_outcome_cause(cause);
            next.set_outcome_phase(Phase::Trial);
        })
    }

    /// → `reverting 0`. `steps` is how much of the install had been done.
    ///
    /// # Errors
    /// [`WrongPhase`] unless an install had begun.
    pub fn reverting(&self, cause: Cause, steps: u16) -> Next {
        self.after(&Change::Reverting(cause, steps))
    }

    /// `reverting` → `idle` on the old image, after it was verified where it runs.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `reverting`.
    pub fn reverted(&self) -> Next {
        self.after(&Change::Reverted)
    }

    /// Whether the backup holds every chunk of its image. After an install in mode `swap` was
    /// aborted only a part of the old image was moved out; the rest never left its place.
    pub fn backup_complete(&self) -> bool {
        match self.backup() {
            Backup::None => false,
            Backup::Copy(_) => true,
            Backup::Permuted => {
                let aborted = self.phase() == Phase::Installing
                    || (self.phase() == Phase::Reverting
                        && self.attempt() != 0
                        && self.ended_in(Phase::Installing));
                !aborted
            }
        }
    }

    /// `reverting` → `reverting 0` of every chunk: undoing the install did not bring back a
    /// verified image.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `reverting`, without a complete backup, or the second time.
    pub fn escalated(&self) -> Next {
        self.after(&Change::Escalated)
    }

    /// `idle`, `receiving`, `parked` → `reverting 0` to restore a bad execution slot from the
    /// backup. A download under way is given up.
    ///
    /// # Errors
    /// [`WrongPhase`] in any other phase, or without a backup.
    pub fn healing(&self) -> Next {
        self.after(&Change::Healing)
    }

    /// `trial` → `idle` on the new image. The only transition that stops a revert, raises the
    /// floor and revokes keys.
    ///
    /// # Errors
    /// [`WrongPhase`] unless on trial with this attempt and this image.
    pub fn confirmed(&self, mode: Mode, attempt: u64, counter: u32, revoke: u16) -> Next {
        let open: &[Phase] = if attempt == self.attempt() {
            &[Phase::Trial]
        } else {
            &[]
        };
        self.change(open, |next| {
            next.finish(Some((Cause::Confirmed, Phase::Trial)));
            let confirmed = next.other();
            next.set_current(&confirmed);
            next.set_factory_made(false);
            next.set_floor(next.floor().max(counter));
            next.set_revoked(next.revoked() | revoke);
            if mode == Mode::Standby
                && let Some(slot) = next.slot()
            {
                next.set_backup(Backup::Copy(slot));
                next.set_backup_image(&confirmed);
            }
            next.forget_download();
        })
    }

    /// `idle` → `idle` with the outcome marked as reported.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `idle`.
    pub fn reported(&self) -> Next {
        self.change(&[Phase::Idle], |next| next.set_reported(true))
    }

    fn forget_download(&mut self) {
        self.set_slot(None);
        self.set_other(&Image::default());
        self.set_step(0);
    }

    /// Back to `idle`; what is known about the install of this attempt stays in the outcome, with cause
    /// and phase unless they stand there already. Before the download is forgotten and the current image
    /// replaced: the outcome names both. What nobody asked for over the network (attempt 0) leaves the
    /// last outcome as it is.
    #[inline(never)]
    fn finish(&mut self, ended: Option<(Cause, Phase)>) {
        if self.attempt() != 0 {
            if self.outcome_attempt() != self.attempt() {
                self.clear_outcome();
                self.set_outcome_attempt(self.attempt());
            }
            if let Some((cause, phase)) = ended {
                self.set_outcome_cause(cause);
                self.set_outcome_phase(phase);
            }
            self.name_outcome_images();
            self.set_reported(false);
            self.add_outcome_cuts(self.cuts());
        }
        self.set_phase(Phase::Idle);
        self.set_attempt(0);
        self.set_trials_used(0);
        self.set_trials_allowed(0);
        self.set_deadline_s(0);
        self.set_cuts(0);
        self.set_steps_installed(0);
        self.set_heals(false);
    }
}
