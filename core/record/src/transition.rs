//! Which state may follow which. Pure: each function takes a state and returns the next.

mod recovery;

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
        if phases.contains(&self.phase) {
            Ok(*self)
        } else {
            Err(WrongPhase(self.phase))
        }
    }

    /// `idle` → `idle` with a complete copy of the running image in `slot` (`standby`).
    ///
    /// # Errors
    /// [`WrongPhase`] outside `idle`, so a trial firmware never copies itself.
    pub fn backed_up(&self, slot: Slot) -> Next {
        self.change(&[Phase::Idle], |next| {
            if next.slot == Some(slot) {
                next.forget_download();
            }
            next.backup = Backup::Copy(slot);
            next.backup_image = next.current;
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
            let resumable = known && next.slot == Some(slot) && next.other == download.image;
            if !resumable {
                next.step = 0;
            }
            if mode == Mode::Swap {
                next.backup = Backup::None;
                next.backup_image = Image::default();
                next.differing = ChunkSet::default();
                next.permuted_len = 0;
            }
            next.phase = Phase::Receiving;
            next.slot = Some(slot);
            next.other = download.image;
            next.attempt = download.attempt;
            next.deadline_s = download.deadline_s.max(1);
            next.trials_allowed = download.trials.clamp(1, 16);
            next.trials_used = 0;
            next.cuts = 0;
        })
    }

    /// `receiving` → `receiving` from the first byte: what was stored turned out to be wrong.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `receiving`.
    pub fn restarted(&self) -> Next {
        self.change(&[Phase::Receiving], |next| next.step = 0)
    }

    /// `receiving` → `parked`, after the stored image was read back and verified.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `receiving`.
    pub fn parked(&self) -> Next {
        self.parked_as(self.other.digest)
    }

    /// The same for an image whose digest was not announced: what was found when it was verified.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `receiving`.
    pub fn parked_as(&self, digest: [u8; 32]) -> Next {
        self.change(&[Phase::Receiving], |next| {
            next.phase = Phase::Parked;
            next.step = 0;
            next.other.digest = digest;
        })
    }

    /// `parked` → `requested`: the next boot installs.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `parked`.
    pub fn requested(&self) -> Next {
        self.change(&[Phase::Parked], |next| next.phase = Phase::Requested)
    }

    /// Ends an attempt before anything was installed: → `idle` with an outcome. A partial
    /// download is remembered only if it was interrupted; else its slot is free.
    ///
    /// # Errors
    /// [`WrongPhase`] once the install has begun.
    pub fn ended(&self, cause: Cause) -> Next {
        let open = [Phase::Receiving, Phase::Parked, Phase::Requested];
        self.change(&open, |next| {
            let phase = next.phase;
            // The marks of an upload in recovery are counted in other pieces than the agent's.
            let resumable = phase == Phase::Receiving && !next.is_recovering() && next.step > 0;
            next.finish(cause, phase);
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
            next.outcome = Outcome {
                attempt,
                cause,
                phase: Phase::Receiving,
                from: next.current.name(),
                to: to.name(),
                ..Outcome::default()
            };
        })
    }

    /// `requested` → `installing 0` with the chunks that differ.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `requested`.
    pub fn installing(&self, mode: Mode, differing: ChunkSet) -> Next {
        self.change(&[Phase::Requested], |next| {
            next.phase = Phase::Installing;
            next.step = 0;
            next.installed = 0;
            next.cuts = 0;
            next.outcome = Outcome::default();
            next.differing = differing;
            if mode == Mode::Swap {
                next.backup = Backup::Permuted;
                next.backup_image = next.current;
                next.permuted_len = next.other.len;
            }
        })
    }

    /// `installing` or `reverting` at another step, after a reset.
    ///
    /// # Errors
    /// [`WrongPhase`] in any other phase.
    pub fn resumed(&self) -> Next {
        self.change(&[Phase::Installing, Phase::Reverting], |next| {
            next.cuts = next.cuts.saturating_add(1);
        })
    }

    /// `installing` → `installed`, after the copied image was verified where it runs.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `installing`.
    pub fn installed(&self, steps: u16, chunks: u16, millis: u32) -> Next {
        self.change(&[Phase::Installing], |next| {
            next.phase = Phase::Installed;
            next.step = 0;
            next.installed = steps;
            next.outcome = Outcome {
                attempt: next.attempt,
                phase: Phase::Installed,
                cuts: next.cuts,
                chunks,
                millis,
                ..Outcome::default()
            };
            next.cuts = 0;
        })
    }

    /// `installed` or `trial u` → `trial u+1`.
    ///
    /// # Errors
    /// [`WrongPhase`] in any other phase, or when no attempt is left.
    pub fn trial(&self) -> Next {
        let used = if self.phase == Phase::Installed {
            0
        } else {
            self.trials_used
        };
        let open: &[Phase] = if used < self.trials_allowed {
            &[Phase::Installed, Phase::Trial]
        } else {
            &[]
        };
        self.change(open, |next| {
            next.phase = Phase::Trial;
            next.trials_used = used.saturating_add(1);
        })
    }

    /// `trial` → `refused`: the new firmware gives itself up.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `trial`.
    pub fn refused(&self, cause: Cause) -> Next {
        self.change(&[Phase::Trial], |next| {
            next.phase = Phase::Refused;
            next.outcome.cause = cause;
            next.outcome.phase = Phase::Trial;
        })
    }

    /// → `reverting 0`. `steps` is how much of the install had been done.
    ///
    /// # Errors
    /// [`WrongPhase`] unless an install had begun.
    pub fn reverting(&self, cause: Cause, steps: u16) -> Next {
        let begun = [
            Phase::Installing,
            Phase::Installed,
            Phase::Trial,
            Phase::Refused,
        ];
        self.change(&begun, |next| {
            let phase = next.phase;
            next.phase = Phase::Reverting;
            next.installed = steps;
            next.step = 0;
            next.heal = false;
            next.outcome.attempt = next.attempt;
            if phase != Phase::Refused {
                next.outcome.cause = cause;
                next.outcome.phase = phase;
            }
        })
    }

    /// `reverting` → `idle` on the old image, after it was verified where it runs.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `reverting`.
    pub fn reverted(&self) -> Next {
        self.change(&[Phase::Reverting], |next| {
            let complete = next.backup_complete();
            if next.heal {
                next.current = next.backup_image;
            }
            if next.attempt == 0 {
                next.phase = Phase::Idle;
                next.step = 0;
                next.heal = false;
                return;
            }
            next.finish(next.outcome.cause, next.outcome.phase);
            if next.backup == Backup::Permuted && !complete {
                next.backup = Backup::None;
                next.backup_image = Image::default();
            }
            next.forget_download();
        })
    }

    /// Whether the backup holds every chunk of its image. After an install in mode `swap` was
    /// aborted only a part of the old image was moved out; the rest never left its place.
    pub fn backup_complete(&self) -> bool {
        match self.backup {
            Backup::None => false,
            Backup::Copy(_) => true,
            Backup::Permuted => {
                let aborted = self.phase == Phase::Installing
                    || (self.phase == Phase::Reverting
                        && self.attempt != 0
                        && self.outcome.phase == Phase::Installing);
                !aborted
            }
        }
    }

    /// `reverting` → `reverting 0` of every chunk: undoing the install did not bring back a
    /// verified image.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `reverting`, without a complete backup, or the second time.
    #[inline(never)]
    pub fn escalated(&self) -> Next {
        let open: &[Phase] = if self.heal || !self.backup_complete() {
            &[]
        } else {
            &[Phase::Reverting]
        };
        self.change(open, |next| {
            next.heal = true;
            next.step = 0;
        })
    }

    /// `idle`, `receiving`, `parked` → `reverting 0` to restore a bad execution slot from the
    /// backup. A download under way is given up.
    ///
    /// # Errors
    /// [`WrongPhase`] in any other phase, or without a backup.
    pub fn healing(&self) -> Next {
        let open: &[Phase] = if self.backup_complete() {
            &[Phase::Idle, Phase::Receiving, Phase::Parked]
        } else {
            &[]
        };
        self.change(open, |next| {
            let phase = next.phase;
            if phase != Phase::Idle {
                next.finish(Cause::StorageFailed, phase);
            }
            next.forget_download();
            next.phase = Phase::Reverting;
            next.heal = true;
            next.step = 0;
            next.cuts = 0;
        })
    }

    /// `trial` → `idle` on the new image. The only transition that stops a revert, raises the
    /// floor and revokes keys.
    ///
    /// # Errors
    /// [`WrongPhase`] unless on trial with this attempt and this image.
    pub fn confirmed(&self, mode: Mode, attempt: u64, counter: u32, revoke: u16) -> Next {
        let open: &[Phase] = if attempt == self.attempt {
            &[Phase::Trial]
        } else {
            &[]
        };
        self.change(open, |next| {
            next.finish(Cause::Confirmed, Phase::Trial);
            next.current = next.other;
            next.factory = false;
            next.floor = next.floor.max(counter);
            next.revoked |= revoke;
            if mode == Mode::Standby
                && let Some(slot) = next.slot
            {
                next.backup = Backup::Copy(slot);
                next.backup_image = next.other;
            }
            next.forget_download();
        })
    }

    /// `idle` → `idle` with the outcome marked as reported.
    ///
    /// # Errors
    /// [`WrongPhase`] outside `idle`.
    pub fn reported(&self) -> Next {
        self.change(&[Phase::Idle], |next| next.outcome.reported = true)
    }

    fn forget_download(&mut self) {
        self.slot = None;
        self.other = Image::default();
        self.step = 0;
    }

    /// Back to `idle`; what is known about the install of this attempt stays in the outcome. Before
    /// the download is forgotten and the current image replaced: the outcome names both. What nobody
    /// asked for over the network (attempt 0) leaves the last outcome as it is.
    #[inline(never)]
    fn finish(&mut self, cause: Cause, phase: Phase) {
        if self.attempt != 0 {
            if self.outcome.attempt != self.attempt {
                self.outcome = Outcome {
                    attempt: self.attempt,
                    ..Outcome::default()
                };
            }
            self.outcome.cause = cause;
            self.outcome.phase = phase;
            self.outcome.from = self.current.name();
            self.outcome.to = self.other.name();
            self.outcome.reported = false;
            self.outcome.cuts = self.outcome.cuts.saturating_add(self.cuts);
        }
        self.phase = Phase::Idle;
        self.attempt = 0;
        self.trials_used = 0;
        self.trials_allowed = 0;
        self.deadline_s = 0;
        self.cuts = 0;
        self.installed = 0;
        self.heal = false;
    }
}
