//! What the world outside the device knows: the manager's side of the updates.

use otaru_record::{Phase, State};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What the world knows at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Progress {
    /// How many of the scenario's updates are over.
    pub update: u8,
    /// Number of the attempt, counted from 1.
    pub attempt: u64,
    /// Whether the manager waits for the end of that attempt.
    pub open: bool,
    /// The image that the manager knows as confirmed.
    pub current: u8,
    /// The image whose confirm entry is being written: from that moment on it may be permanent.
    pub confirming: Option<u8>,
    /// Highest floor seen.
    pub floor: u32,
    /// The phase whose steps the bootloader is doing, and how many are marked as done.
    pub marked: Option<(CopyPhase, u16)>,
    /// Starts of the trial that were seen.
    pub trials: u8,
}

/// A phase of copying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CopyPhase {
    /// `installing`.
    Installing,
    /// `reverting` of an install.
    Reverting,
    /// `reverting` of every chunk.
    Healing,
}

impl CopyPhase {
    /// The phase of copying that this is, if it is one.
    pub fn of(state: &State) -> Option<Self> {
        match state.phase() {
            Phase::Installing => Some(Self::Installing),
            Phase::Reverting if state.heals() => Some(Self::Healing),
            Phase::Reverting => Some(Self::Reverting),
            Phase::Idle
            | Phase::Receiving
            | Phase::Parked
            | Phase::Requested
            | Phase::Installed
            | Phase::Trial
            | Phase::Refused => None,
        }
    }
}

/// The progress now, and at every earlier moment since forking began.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    now: Rc<Cell<Progress>>,
    history: Rc<RefCell<Vec<Progress>>>,
    moment: Rc<Cell<u64>>,
}

impl Ledger {
    /// A ledger that begins with this progress.
    pub fn new(progress: Progress) -> Self {
        let ledger = Self::default();
        ledger.begin(progress);
        ledger
    }

    /// Begins anew.
    pub fn begin(&self, progress: Progress) {
        self.now.set(progress);
        self.moment.set(0);
        let mut history = self.history.borrow_mut();
        history.clear();
        history.push(progress);
    }

    /// What is known now.
    pub fn now(&self) -> Progress {
        self.now.get()
    }

    /// Learns something.
    pub fn learn(&self, change: impl FnOnce(&mut Progress)) {
        let mut next = self.now.get();
        change(&mut next);
        if next != self.now.get() {
            self.now.set(next);
            let mut history = self.history.borrow_mut();
            history.push(next);
            self.moment.set(history.len() as u64 - 1);
        }
    }

    /// The moment's number, for the flash to keep with its forks.
    pub(crate) fn moment(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.moment)
    }

    /// What was known at a moment.
    pub(crate) fn at(&self, moment: u64) -> Progress {
        let history = self.history.borrow();
        let index = usize::try_from(moment).unwrap_or(usize::MAX);
        history.get(index).copied().unwrap_or_else(|| self.now())
    }
}
