//! The promises of the install protocol.

use super::{Checked, Device, violated};
use otaru_bootloader::Decision;
use otaru_flash::{Mode, Slot};
use otaru_record::State;

impl Device {
    /// What the running image promises at the moment it is started: old or new, never mixed; the
    /// floor never falls; an unconfirmed image is not permanent; a confirmed one is not lost.
    pub(super) fn check_start(&mut self, state: &State) -> Checked {
        let known = self.ledger.now();
        let images = &self.setting.images;
        if state.floor() < known.floor {
            return violated(format!(
                "the floor fell from {} to {}",
                known.floor,
                state.floor()
            ));
        }
        let Some(current) = images.index_of(&state.current()) else {
            return violated("the record names an unknown image");
        };
        let running = if state.on_trial() {
            images.index_of(&state.other())
        } else {
            Some(current)
        };
        if !running.is_some_and(|image| self.holds(image)) {
            return violated(format!(
                "a mixed image runs in phase {}",
                state.phase().name()
            ));
        }
        if state.on_trial() && state.trials_used() > state.trials_allowed() {
            return violated("more trials than allowed");
        }
        let may_be = current == known.current || known.confirming == Some(current);
        if !may_be {
            return violated(format!(
                "image {current} is current, the manager knows {}",
                known.current
            ));
        }
        // The boot has settled what it saw: from here on the verdict must not change any more.
        self.ledger.learn(|known| {
            known.floor = state.floor();
            if !state.on_trial() {
                known.current = current;
                known.confirming = None;
            }
        });
        Ok(())
    }

    /// A27: a complete copy of the confirmed image exists at every instant, every bit of it solid.
    pub(super) fn check_copy_exists(&self) -> Checked {
        let known = self.ledger.now();
        let copied = |image: u8| match self.layout().mode {
            Mode::Standby => [Slot::Execution, Slot::Storage0, Slot::Storage1]
                .iter()
                .any(|&slot| self.slot_holds(slot, image)),
            Mode::Swap => self.swap_holds(image),
        };
        if copied(known.current) || known.confirming.is_some_and(copied) {
            Ok(())
        } else {
            violated(format!(
                "no complete copy of the confirmed image {} exists",
                known.current
            ))
        }
    }

    fn slot_holds(&self, slot: Slot, image: u8) -> bool {
        let images = &self.setting.images;
        let bytes = match slot {
            Slot::Execution => images.installed(image),
            Slot::Storage0 | Slot::Storage1 => images.sent(image),
        };
        self.flash.holds(self.layout().slot(slot).offset, bytes)
    }

    fn swap_holds(&self, image: u8) -> bool {
        let layout = self.layout();
        let chunk_len = layout.chunk_len;
        let secondary = &layout.storage[0];
        let places = secondary.len / chunk_len;
        let images = &self.setting.images;
        let installed = images.installed(image).chunks(chunk_len as usize);
        let sent = images.sent(image).chunks(chunk_len as usize);
        (0_u32..)
            .zip(installed.zip(sent))
            .all(|(index, (installed, sent))| {
                let here = layout.execution.offset + index * chunk_len;
                let saved = |place: u32| {
                    let at = secondary.offset + place * chunk_len;
                    self.flash.holds(at, installed) || self.flash.holds(at, sent)
                };
                self.flash.holds(here, installed) || (0..places).any(saved)
            })
    }

    /// What must hold when nothing is left to do.
    pub(crate) fn check_end(&mut self) -> Checked {
        // One boot may have to write the state in force a second time: the first, or the first that
        // does not see a torn copy of it any more. No other boot changes anything.
        let mut wrote = 0;
        for _ in 0..4 {
            let operations = self.flash.operations();
            match self.boot() {
                Decision::Start(start) => self.check_start(start.journal.state())?,
                Decision::Recovery(reason) => return violated(format!("recovery: {reason}")),
            }
            wrote += u32::from(self.flash.operations() != operations);
            self.flash.reset();
        }
        if wrote > 1 {
            return violated("booting again changed the flash");
        }
        self.check_use()?;
        self.check_copy_exists()?;
        self.check_result()
    }

    /// Which image may run in the end.
    fn check_result(&self) -> Checked {
        let scenario = &self.setting.scenario;
        let wanted = scenario
            .updates
            .iter()
            .rfind(|update| matches!(update.end, super::super::End::Confirm(_)));
        let runs = self.ledger.now().current;
        match wanted {
            None if scenario.updates.is_empty() => Ok(()),
            None if scenario.updates.iter().any(|update| update.image == runs) => {
                violated("an image that never confirmed stayed")
            }
            Some(update) if self.cuts == 0 && runs != update.image => {
                violated("an update without a cut did not succeed")
            }
            None | Some(_) => Ok(()),
        }
    }
}
