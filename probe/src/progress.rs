//! Progress of one request: sums up what a backend reports and tells the other side about each
//! percent, so that the number of lines does not grow with the amount of flash.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::backend::{Phase, Watch};

/// Sends `(phase, done, total)`; false if nobody listens any more.
type Send<'a> = dyn FnMut(Phase, u64, u64) -> bool + 'a;

/// Steps into which a phase is divided at most.
const STEPS: u64 = 100;

/// How far a request is, and whether it should stop.
pub(crate) struct Progress<'a> {
    cancel: &'a AtomicBool,
    send: Box<Send<'a>>,
    /// `(done, total)` by phase, in the order of [`Phase`].
    phases: [(u64, u64); 3],
}

impl<'a> Progress<'a> {
    /// Reports through `send` and stops when `cancel` is set.
    pub(crate) fn new(
        cancel: &'a AtomicBool,
        send: impl FnMut(Phase, u64, u64) -> bool + 'a,
    ) -> Self {
        Self {
            cancel,
            send: Box::new(send),
            phases: [(0, 0); 3],
        }
    }

    /// Sets the totals: bytes that will be erased, and bytes that will be programmed and verified.
    pub(crate) fn expect(&mut self, erase: u64, bytes: u64) {
        self.phases = [(0, erase), (0, bytes), (0, bytes)];
    }
}

impl Watch for Progress<'_> {
    fn advance(&mut self, phase: Phase, bytes: u64) {
        let (done, total) = match phase {
            Phase::Erase => &mut self.phases[0],
            Phase::Program => &mut self.phases[1],
            Phase::Verify => &mut self.phases[2],
        };
        // A backend may touch more than was asked for: whole pages, a sector of two segments twice.
        let before = *done;
        *done = done.saturating_add(bytes).min(*total);
        let step = (*total / STEPS).max(1);
        let shown = *done / step > before / step || (*done == *total && before < *total);
        if shown && !(self.send)(phase, *done, *total) {
            self.cancel.store(true, Ordering::Relaxed);
        }
    }

    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_sends_few_events_and_ends_with_its_total() {
        let cancel = AtomicBool::new(false);
        let mut seen = Vec::new();
        let mut progress = Progress::new(&cancel, |phase, done, total| {
            seen.push((phase, done, total));
            true
        });
        progress.expect(0, 100_007);
        for _ in 0..100_010 {
            progress.advance(Phase::Program, 1);
        }
        drop(progress);
        assert!(seen.len() <= 102, "{}", seen.len());
        assert!(
            seen.windows(2).all(|pair| pair[0].1 < pair[1].1),
            "{seen:?}"
        );
        assert_eq!(seen.last(), Some(&(Phase::Program, 100_007, 100_007)));
    }

    #[test]
    fn nobody_listening_cancels_the_request() {
        let cancel = AtomicBool::new(false);
        let mut progress = Progress::new(&cancel, |_, _, _| false);
        progress.expect(8, 8);
        progress.advance(Phase::Erase, 1);
        assert!(progress.cancelled());
    }
}
