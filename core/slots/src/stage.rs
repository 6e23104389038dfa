//! What a boot starts: the first stage, and the first code of a VM.
//!
//! *Decide, append, act*: the first stage decides, stores the decision twice, and only then starts
//! something. A trial is stored as used before it begins, so nothing is asked of a program that may be
//! faulty.

use crate::{Config, Facts, Judge, Rules, Run, SlotLayout, SlotLayoutError, SlotRecord, SlotState};
use crate::{SlotPhase, Taken};
use otaru_flash::Flash;
use otaru_record::Cause;

/// How often an image is judged before a verdict against it counts: a single bad reading must not
/// end an update or a start.
const READINGS: u32 = 2;

/// Why the CPU started, as far as it says something about what ran before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetCause {
    /// Power came on, the button, a restart that was asked for, or nobody knows.
    Plain,
    /// The watchdog expired.
    Watchdog,
    /// What ran crashed.
    Crash,
}

impl ResetCause {
    /// How a trial is called that ended in this reset.
    pub const fn ends_trial(self) -> Cause {
        match self {
            Self::Plain => Cause::TrialReset,
            Self::Watchdog => Cause::TrialWatchdog,
            Self::Crash => Cause::TrialCrash,
        }
    }
}

/// What the first stage is to do.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is no heap, and one lives until the jump"
)]
pub enum Decision<'m> {
    /// Arm the watchdog, hand over, start a VM.
    Start(Start<'m>),
    /// There is nothing to start: the board needs its cable.
    Stop(Stop),
}

/// Which VM the first stage starts, and what it hands over.
#[derive(Debug)]
pub struct Start<'m> {
    /// The VM to jump to. Before a trial of another VM it is the last working one, whose first code
    /// passes control on ([`first_code`]).
    pub vm: u8,
    /// What is to run; goes into the handover.
    pub run: Run,
    /// The record; `None` if it cannot be written. Goes into the handover.
    pub record: Option<SlotRecord<'m>>,
}

/// Why nothing can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The layout cannot work.
    Layout(SlotLayoutError),
    /// No configuration may be started; what is wrong with the working one, or with the last that
    /// was looked at.
    NothingToStart(Cause),
}

/// Decides what to start, and stores the decision.
///
/// `memory` is what the board keeps through a reset, for a volatile record. `judge` reads the images
/// of at most nine configurations, each at most twice.
pub fn first_stage<'m, F: Flash, J: Judge>(
    flash: &mut F,
    layout: &SlotLayout,
    memory: &'m mut [u8],
    judge: &mut J,
    reset: ResetCause,
) -> Decision<'m> {
    let opened = layout
        .check()
        .and_then(|()| SlotRecord::open(flash, layout, memory));
    let record = match opened {
        Ok(record) => record,
        Err(cause) => return Decision::Stop(Stop::Layout(cause)),
    };
    let mut boot = Boot {
        flash,
        layout,
        judge,
    };
    match record.state().copied() {
        Some(state) => boot.resume(record, &state, reset),
        None => boot.rebuild(record),
    }
}

/// What the first code of a VM does.
#[derive(Debug)]
pub enum FirstCode<'m> {
    /// Runs the bytecode of this configuration.
    Run(Taken<'m>),
    /// Passes control to another VM, with the handover block as it is. If that is not possible, it
    /// calls [`keep_control`].
    PassOn(u8, Taken<'m>),
}

/// Decides what the first code of VM `own` does with what it took over.
pub fn first_code(own: u8, taken: Taken<'_>) -> FirstCode<'_> {
    if taken.run.config.vm == own {
        FirstCode::Run(taken)
    } else {
        FirstCode::PassOn(taken.run.config.vm, taken)
    }
}

/// The VM on trial cannot be started: the working one stays, and the trial has ended with `cause`.
/// Nothing but this changes the record before the VM on trial runs.
pub fn keep_control<'m, F: Flash>(flash: &mut F, taken: Taken<'m>, cause: Cause) -> Taken<'m> {
    let Taken { run, record } = taken;
    let Some(mut record) = record else {
        return Taken { run, record: None };
    };
    let Some(next) = record.state().map(|state| state.ended(cause)) else {
        return Taken { run, record: None };
    };
    let stored = record.append(flash, &next).is_ok();
    Taken {
        run: next.run(),
        record: stored.then_some(record),
    }
}

struct Boot<'a, F, J> {
    flash: &'a mut F,
    layout: &'a SlotLayout,
    judge: &'a mut J,
}

impl<F: Flash, J: Judge> Boot<'_, F, J> {
    fn resume<'m>(
        &mut self,
        mut record: SlotRecord<'m>,
        state: &SlotState,
        reset: ResetCause,
    ) -> Decision<'m> {
        let next = match state.phase {
            SlotPhase::Armed => match self.usable(state.candidate, state) {
                Ok(_) => state.tried(),
                Err(cause) => state.ended(cause),
            },
            SlotPhase::Tried => state.ended(reset.ends_trial()),
            SlotPhase::Idle => self.reconsider(state, reset),
        };
        let stored = if next == *state {
            record.settle(self.flash)
        } else {
            record.append(self.flash, &next)
        };
        match stored {
            Ok(()) => self.start(record, &next),
            // Nothing is begun that does not stand in the record: no trial, and no updates.
            Err(_unwritable) => self.start_unrecorded(state),
        }
    }

    /// What was merely found, and crashes, gives way to the next that can be started.
    fn reconsider(&mut self, state: &SlotState, reset: ResetCause) -> SlotState {
        if !state.assumed || reset == ResetCause::Plain {
            return *state;
        }
        let mut order = self.order();
        let own = order.iter().position(|&config| config == state.working);
        order.rotate_left(own.unwrap_or(0));
        let others = order.iter().skip(1);
        for &config in others {
            if self.usable(config, state).is_ok() {
                return state.assuming(config);
            }
        }
        *state
    }

    fn start<'m>(&mut self, mut record: SlotRecord<'m>, state: &SlotState) -> Decision<'m> {
        let run = state.run();
        let working = self.usable(state.working, state);
        let cause = match working {
            Ok(_) => {
                return Decision::Start(Start {
                    vm: state.working.vm,
                    run,
                    record: Some(record),
                });
            }
            // The working VM cannot be relied on to pass control on.
            Err(_) if run.trial => {
                return Decision::Start(Start {
                    vm: run.config.vm,
                    run,
                    record: Some(record),
                });
            }
            Err(cause) => cause,
        };
        for config in self.order() {
            // Of a state that was merely found, nothing is proven.
            let allowed = state.assumed || state.proven.has_both(config);
            let other = config != state.working;
            if other && allowed && self.usable(config, state).is_ok() {
                let next = state.fallen_back(config);
                let stored = record.append(self.flash, &next).is_ok();
                return Decision::Start(Start {
                    vm: config.vm,
                    run: next.run(),
                    record: stored.then_some(record),
                });
            }
        }
        Decision::Stop(Stop::NothingToStart(cause))
    }

    /// The record does not take what was decided: the last working configuration runs, without one.
    fn start_unrecorded<'m>(&mut self, state: &SlotState) -> Decision<'m> {
        match self.usable(state.working, state) {
            Ok(_) => Decision::Start(Start {
                vm: state.working.vm,
                run: Run {
                    config: state.working,
                    trial: false,
                },
                record: None,
            }),
            Err(cause) => Decision::Stop(Stop::NothingToStart(cause)),
        }
    }

    /// The record is lost: the first configuration that may be started is assumed, the default
    /// before all others. Its own counters are the floors.
    fn rebuild<'m>(&mut self, mut record: SlotRecord<'m>) -> Decision<'m> {
        let mut refused = Cause::None;
        for config in self.order() {
            let facts = match self.usable(config, &SlotState::default()) {
                Ok(facts) => facts,
                Err(cause) => {
                    refused = cause;
                    continue;
                }
            };
            let [vm, bytecode] = facts;
            let state = SlotState {
                floors: [vm.security_counter, bytecode.security_counter],
                revoked: vm.revoke | bytecode.revoke,
                ..SlotState::default().assuming(config)
            };
            let stored = record.append(self.flash, &state).is_ok();
            return Decision::Start(Start {
                vm: config.vm,
                run: state.run(),
                record: stored.then_some(record),
            });
        }
        Decision::Stop(Stop::NothingToStart(refused))
    }

    /// Every configuration, in the order in which they are looked at: the default, then those with
    /// equal numbers, then the mixed ones.
    fn order(&self) -> [Config; 4] {
        let mut order =
            [(0, 0), (1, 1), (0, 1), (1, 0)].map(|(vm, bytecode)| Config { vm, bytecode });
        let default = order
            .iter()
            .position(|&config| config == self.layout.default);
        if let Some(front) = order.get_mut(..=default.unwrap_or(0)) {
            front.rotate_right(1);
        }
        order
    }

    /// Judges both images of a configuration.
    fn usable(&mut self, config: Config, state: &SlotState) -> Result<[Facts; 2], Cause> {
        let [vm, bytecode] = config.slots();
        let [vm_floor, bytecode_floor] = state.floors;
        Ok([
            self.judge_slot(vm, vm_floor, state.revoked)?,
            self.judge_slot(bytecode, bytecode_floor, state.revoked)?,
        ])
    }

    fn judge_slot(
        &mut self,
        slot: crate::SlotName,
        floor: u32,
        revoked: u16,
    ) -> Result<Facts, Cause> {
        let rules = Rules { floor, revoked };
        let mut verdict = Err(Cause::WrongSlot);
        for _ in 0..READINGS {
            verdict = self.judge.judge(self.flash, self.layout, slot, rules);
            if verdict.is_ok() {
                break;
            }
        }
        verdict
    }
}
