//! The transitions of the bootloader, made in place: a device that changes a state where it stands needs
//! a third of the code of one that returns a new state from every transition.

use super::{Next, WrongPhase};
use crate::{Backup, Cause, ChunkSet, Image, Phase, State};
use otaru_flash::Mode;

/// A transition of the bootloader. The function of [`State`] with the same name says what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// `requested` → `idle` with this outcome: the image may not be installed.
    Rejected(Cause),
    /// [`State::installing`].
    Installing(Mode, &'a ChunkSet),
    /// [`State::resumed`].
    Resumed,
    /// [`State::installed`].
    Installed {
        /// Steps of the install.
        steps: u16,
        /// Chunks copied into the execution slot.
        chunks: u16,
        /// How long it took.
        millis: u32,
    },
    /// [`State::trial`].
    Trial,
    /// [`State::reverting`].
    Reverting(Cause, u16),
    /// [`State::reverted`].
    Reverted,
    /// [`State::escalated`].
    Escalated,
    /// [`State::healing`].
    Healing,
}

/// A set of phases.
#[derive(Clone, Copy)]
struct Phases(u16);

impl Phases {
    const fn of(phases: &[Phase]) -> Self {
        let mut bits = 0;
        let mut rest = phases;
        while let [first, others @ ..] = rest {
            bits |= Self::bit(*first);
            rest = others;
        }
        Self(bits)
    }

    const fn bit(phase: Phase) -> u16 {
        1_u16.wrapping_shl(phase as u32)
    }

    const fn contains(self, phase: Phase) -> bool {
        self.0 & Self::bit(phase) != 0
    }
}

impl State {
    /// The state behind this change.
    ///
    /// # Errors
    /// [`WrongPhase`] if the change does not exist here.
    pub fn after(&self, change: &Change<'_>) -> Next {
        let mut next = *self;
        next.apply(change).map(|()| next)
    }

    /// Whether this change exists here.
    pub fn allows(&self, change: &Change<'_>) -> bool {
        let open = match change {
            Change::Rejected(_) | Change::Installing(..) => {
                const { Phases::of(&[Phase::Requested]) }
            }
            Change::Resumed => const { Phases::of(&[Phase::Installing, Phase::Reverting]) },
            Change::Installed { .. } => const { Phases::of(&[Phase::Installing]) },
            Change::Trial => const { Phases::of(&[Phase::Installed, Phase::Trial]) },
            Change::Reverting(..) => {
                const {
                    Phases::of(&[
                        Phase::Installing,
                        Phase::Installed,
                        Phase::Trial,
                        Phase::Refused,
                    ])
                }
            }
            Change::Reverted | Change::Escalated => const { Phases::of(&[Phase::Reverting]) },
            Change::Healing => {
                const { Phases::of(&[Phase::Idle, Phase::Receiving, Phase::Parked]) }
            }
        };
        let possible = match change {
            Change::Trial => self.trials_begun() < self.trials_allowed(),
            Change::Escalated => !self.heals() && self.backup_complete(),
            Change::Healing => self.backup_complete(),
            Change::Rejected(_)
            | Change::Installing(..)
            | Change::Resumed
            | Change::Installed { .. }
            | Change::Reverting(..)
            | Change::Reverted => true,
        };
        possible && open.contains(self.phase())
    }

    /// Makes this change.
    ///
    /// # Errors
    /// [`WrongPhase`] if it does not exist here; nothing is changed then.
    #[inline(never)]
    pub fn apply(&mut self, change: &Change<'_>) -> Result<(), WrongPhase> {
        let phase = self.phase();
        if !self.allows(change) {
            return Err(WrongPhase(phase));
        }
        match *change {
            Change::Rejected(cause) => {
                self.finish(Some((cause, phase)));
                self.forget_download();
            }
            Change::Installing(mode, differing) => self.begin_install(mode, differing),
            Change::Resumed => self.set_cuts(self.cuts().saturating_add(1)),
            Change::Installed {
                steps,
                chunks,
                millis,
            } => {
                self.begin(Phase::Installed);
                self.set_steps_installed(steps);
                self.clear_outcome();
                self.set_outcome_attempt(self.attempt());
                self.set_outcome_phase(Phase::Installed);
                self.set_outcome_work(self.cuts(), chunks, millis);
                self.set_cuts(0);
            }
            Change::Trial => {
                self.set_trials_used(self.trials_begun().saturating_add(1));
                self.set_phase(Phase::Trial);
            }
            Change::Reverting(cause, steps) => {
                self.begin(Phase::Reverting);
                self.set_steps_installed(steps);
                self.set_heals(false);
                self.set_outcome_attempt(self.attempt());
                if phase != Phase::Refused {
                    self.set_outcome_cause(cause);
                    self.set_outcome_phase(phase);
                }
            }
            Change::Reverted => self.end_revert(),
            Change::Escalated => {
                self.begin(Phase::Reverting);
                self.set_heals(true);
            }
            Change::Healing => {
                if phase != Phase::Idle {
                    self.finish(Some((Cause::StorageFailed, phase)));
                }
                self.forget_download();
                self.begin(Phase::Reverting);
                self.set_heals(true);
                self.set_cuts(0);
            }
        }
        Ok(())
    }

    /// Starts of the image on trial; those of a former attempt do not count.
    fn trials_begun(&self) -> u8 {
        if self.phase() == Phase::Installed {
            0
        } else {
            self.trials_used()
        }
    }

    fn begin(&mut self, phase: Phase) {
        self.set_phase(phase);
        self.set_step(0);
    }

    fn begin_install(&mut self, mode: Mode, differing: &ChunkSet) {
        self.begin(Phase::Installing);
        self.set_steps_installed(0);
        self.set_cuts(0);
        self.clear_outcome();
        self.differing = *differing;
        if mode == Mode::Swap {
            self.set_backup(Backup::Permuted);
            self.back_current_up();
            self.set_permuted_len(self.other().len);
        }
    }

    fn end_revert(&mut self) {
        let complete = self.backup_complete();
        if self.heals() {
            self.take_backup_for_current();
        }
        self.finish(None);
        if self.backup() == Backup::Permuted && !complete {
            self.set_backup(Backup::None);
            self.set_backup_image(&Image::default());
        }
        self.forget_download();
    }
}
