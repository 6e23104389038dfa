//! The board of a simulated device, and a verifier that remembers.

use crate::progress::{CopyPhase, Ledger};
use otaru_bootloader::{Event, Port};
use otaru_image::{Ed25519Dalek, SignatureRejected, SignatureVerifier};
use std::cell::RefCell;
use std::collections::HashMap;

/// A key, a message and a signature over it.
type Question = ([u8; 32], Vec<u8>, [u8; 64]);

thread_local! {
    static VERDICTS: RefCell<HashMap<Question, bool>> = RefCell::default();
}

/// The shipped verifier; asked the same again, it gives its former answer. A device that is booted a
/// million times with three images would spend its life on three signatures.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Remembering;

impl SignatureVerifier for Remembering {
    fn check(
        &self,
        public: &[u8; 32],
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<(), SignatureRejected> {
        let question = (*public, message.to_vec(), *signature);
        let good = VERDICTS.with_borrow_mut(|verdicts| {
            *verdicts
                .entry(question)
                .or_insert_with(|| Ed25519Dalek.check(public, message, signature).is_ok())
        });
        if good { Ok(()) } else { Err(SignatureRejected) }
    }
}

/// A board without console, watchdog and clock, whose bootloader is watched.
pub(crate) struct Board<'a> {
    pub(crate) ledger: &'a Ledger,
    /// A promise that the bootloader broke while it worked.
    pub(crate) broken: Option<String>,
    phase: Option<CopyPhase>,
    step: u16,
}

impl<'a> Board<'a> {
    pub(crate) fn new(ledger: &'a Ledger) -> Self {
        Self {
            ledger,
            broken: None,
            phase: None,
            step: 0,
        }
    }
}

impl Port for Board<'_> {
    type Verifier = Remembering;

    const SHOWS_ENTRIES: bool = false;
    const DEVELOPMENT_KEYS: bool = true;

    fn verifier(&mut self) -> Remembering {
        Remembering
    }

    fn feed_watchdog(&mut self) {}

    fn arm_watchdog(&mut self, _timeout_ms: u32) {}

    fn now_ms(&mut self) -> u32 {
        0
    }

    fn report(&mut self, event: Event<'_>) {
        match event {
            Event::Phase(state) => {
                let phase = CopyPhase::of(state);
                // A28: a step that is marked as done is never done again.
                if let (Some(phase), Some((marked_in, marked))) = (phase, self.ledger.now().marked)
                    && phase == marked_in
                    && state.step() < marked
                {
                    self.broken.get_or_insert(format!(
                        "resumed at step {} although {marked} were marked",
                        state.step()
                    ));
                }
                self.phase = phase;
                self.step = state.step();
                // What this boot sees may be torn; only a mark that it made itself is sure.
                if phase.is_none() {
                    self.ledger.learn(|known| known.marked = None);
                }
            }
            Event::Copied { done, .. } => {
                let done = u16::try_from(done).unwrap_or(u16::MAX);
                if done <= self.step {
                    self.broken
                        .get_or_insert(format!("step {done} was done a second time"));
                }
                self.step = done;
                self.ledger.learn(|known| {
                    known.marked = self.phase.map(|phase| (phase, done));
                });
            }
            Event::Board(_)
            | Event::Entry(..)
            | Event::RecordLost
            | Event::RecordUnwritable
            | Event::Begin(_)
            | Event::Healing
            | Event::Ended(_)
            | Event::Starting { .. }
            | Event::Stopped(_) => {}
        }
    }
}
