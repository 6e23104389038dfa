//! What the world outside knows, now and at every earlier moment of a life.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct World {
    /// The new image has run.
    pub(super) started: bool,
    /// Its confirm call has returned.
    pub(super) confirmed: bool,
}

/// What is known, with the history that forks of the flash refer to.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    known: Rc<RefCell<Vec<World>>>,
    moment: Rc<Cell<u64>>,
}

impl History {
    pub(super) fn new(world: World) -> Self {
        let history = Self::default();
        history.known.borrow_mut().push(world);
        history
    }

    pub(super) fn now(&self) -> World {
        self.at(self.moment.get())
    }

    pub(super) fn at(&self, moment: u64) -> World {
        let index = usize::try_from(moment).unwrap_or(usize::MAX);
        let known = self.known.borrow();
        known.get(index).copied().unwrap_or_default()
    }

    pub(super) fn learn(&self, change: impl FnOnce(&mut World)) {
        let mut next = self.now();
        change(&mut next);
        if next != self.now() {
            let mut known = self.known.borrow_mut();
            known.push(next);
            self.moment.set(known.len() as u64 - 1);
        }
    }

    /// The moment's number, for the flash to keep with its forks.
    pub(super) fn moment(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.moment)
    }
}
