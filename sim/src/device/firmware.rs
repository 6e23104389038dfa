//! What the firmware and its agent do to flash, in the order in which they do it.

use super::{Device, Ended};
use crate::images::{CLASS, DEVICE_KEY, VENDOR};
use crate::scenario::{End, Update};
use crate::{Images, port::Remembering};
use otaru_bootloader::ResetCause;
use otaru_flash::{Mode, Slot};
use otaru_image::{BoardIds, DecryptionKey, Expectation, Key, Uuid, verify_with};
use otaru_record::{Backup, Cause, Download, Image, Journal, Phase, SlotReader, State, WrongPhase};

type Done<T = ()> = Result<T, String>;

impl Device {
    /// The firmware's part, until it resets or has nothing left to do.
    pub(super) fn firmware(&mut self, journal: &mut Journal) -> Done<Ended> {
        let state = *journal.state();
        match state.phase() {
            Phase::Idle => {}
            Phase::Receiving => self.append(journal, &state.ended(Cause::Interrupted))?,
            Phase::Parked => return self.request(journal),
            Phase::Trial => return self.trial(journal),
            Phase::Requested
            | Phase::Installing
            | Phase::Installed
            | Phase::Refused
            | Phase::Reverting => {
                return Err(format!("firmware started in {}", state.phase().name()));
            }
        }
        self.report(journal)?;
        while let Some(update) = self.update() {
            if self.layout().mode == Mode::Standby && journal.state().backup() == Backup::None {
                self.back_up(journal)?;
            }
            self.download(journal, update)?;
            let next = journal.state().parked();
            self.append(journal, &next)?;
            if let ended @ Ended::Reset(_) = self.request(journal)? {
                return Ok(ended);
            }
        }
        Ok(Ended::Settled)
    }

    /// The update that the manager wants now.
    fn update(&self) -> Option<Update> {
        let index = usize::from(self.ledger.now().update);
        self.setting.scenario.updates.get(index).copied()
    }

    /// Tells the manager how the last attempt ended.
    fn report(&mut self, journal: &mut Journal) -> Done {
        let state = *journal.state();
        let outcome = state.outcome();
        if outcome.attempt == 0 {
            return Ok(());
        }
        if outcome.attempt == self.ledger.now().attempt {
            let again = matches!(outcome.cause, Cause::Interrupted | Cause::StorageFailed);
            self.ledger.learn(|known| {
                known.update += u8::from(known.open && !again);
                known.open = false;
                known.trials = 0;
            });
        }
        if !outcome.reported {
            self.append(journal, &state.reported())?;
        }
        Ok(())
    }

    fn append(&mut self, journal: &mut Journal, next: &Result<State, WrongPhase>) -> Done {
        let next = next.as_ref().map_err(ToString::to_string)?;
        journal
            .append(&mut self.flash, next)
            .map_err(|error| error.to_string())
    }

    fn request(&mut self, journal: &mut Journal) -> Done<Ended> {
        let state = *journal.state();
        if self.update().is_none_or(|update| update.end == End::Cancel) {
            self.append(journal, &state.ended(Cause::Withdrawn))?;
            self.report(journal)?;
            return Ok(Ended::Settled);
        }
        self.append(journal, &state.requested())?;
        Ok(Ended::Reset(ResetCause::Software))
    }

    fn trial(&mut self, journal: &mut Journal) -> Done<Ended> {
        let state = *journal.state();
        let update = self.update().ok_or("a trial of nothing")?;
        match update.end {
            End::Confirm(at) if state.trials_used() >= at => {
                self.ledger
                    .learn(|known| known.confirming = Some(update.image));
                let counter = Images::counter(update.image);
                let next = state
                    .confirmed(self.layout().mode, state.attempt(), counter, 0)
                    .map_err(|wrong| wrong.to_string())?;
                journal
                    .append_twice(&mut self.flash, &next)
                    .map_err(|error| error.to_string())?;
                self.ledger.learn(|known| {
                    known.current = update.image;
                    known.confirming = None;
                    known.floor = known.floor.max(counter);
                });
                self.report(journal)?;
                Ok(Ended::Settled)
            }
            End::Refuse => {
                self.append(journal, &state.refused(Cause::Unhealthy))?;
                Ok(Ended::Reset(ResetCause::Software))
            }
            End::Confirm(_) | End::Hang | End::Cancel | End::Impossible => {
                Ok(Ended::Reset(ResetCause::Watchdog))
            }
        }
    }

    /// `standby`: copies the running image, once.
    fn back_up(&mut self, journal: &mut Journal) -> Done {
        let current = self.ledger.now().current;
        let image = self.setting.images.image(current);
        // As it was sent, whatever form it runs in.
        let bytes = self.setting.images.sent(current).to_vec();
        journal
            .claim(&mut self.flash)
            .map_err(|error| error.to_string())?;
        self.store(journal, Slot::Storage0, &bytes, 0)?;
        self.verify(Slot::Storage0, image)?;
        let next = journal.state().backed_up(Slot::Storage0);
        self.append(journal, &next)
    }

    fn download(&mut self, journal: &mut Journal, update: Update) -> Done {
        self.ledger.learn(|known| {
            known.attempt += 1;
            known.open = true;
        });
        let image = self.setting.images.image(update.image);
        let download = Download {
            attempt: self.ledger.now().attempt,
            image,
            deadline_s: 300,
            trials: update.trials,
        };
        let next = journal.state().receiving(self.layout().mode, &download);
        self.append(journal, &next)?;
        let slot = journal.state().slot().ok_or("no slot")?;
        let bytes = self.setting.images.sent(update.image).to_vec();
        let resume = u32::from(journal.state().step());
        self.store(journal, slot, &bytes, resume)?;
        self.verify(slot, image)
    }

    /// Erases and programs sector by sector from mark `resume` on, with a mark per sixteenth.
    fn store(&mut self, journal: &mut Journal, slot: Slot, bytes: &[u8], resume: u32) -> Done {
        let layout = *self.layout();
        let sector = layout.slot(slot).erase_len;
        let unit = usize::from(layout.write_unit);
        let sectors = u32::try_from(bytes.len().div_ceil(sector as usize)).expect("few sectors");
        let marked = |mark: u32| mark * sectors / 16;
        let mut mark = resume;
        for (number, data) in (0_u32..).zip(bytes.chunks(sector as usize)) {
            if number < marked(resume) {
                continue;
            }
            let mut data = data.to_vec();
            data.resize(data.len().next_multiple_of(unit), layout.erased);
            let at = number * sector;
            let permit = journal.permit(slot).ok_or("storage may not be written")?;
            permit
                .erase(&mut self.flash, &layout, at, sector)
                .map_err(|error| error.to_string())?;
            permit
                .program(&mut self.flash, &layout, at, &data)
                .map_err(|error| error.to_string())?;
            while journal.state().phase() == Phase::Receiving
                && mark < 15
                && marked(mark + 1) <= number + 1
            {
                let step = u16::try_from(mark).expect("at most 16 marks");
                journal
                    .mark(&mut self.flash, step)
                    .map_err(|error| error.to_string())?;
                mark += 1;
            }
        }
        Ok(())
    }

    /// Reads back what was stored and verifies it.
    fn verify(&mut self, slot: Slot, image: Image) -> Done {
        if self.setting.images.careless {
            return Ok(());
        }
        let keys = [Key {
            public: self.setting.images.public,
            kind: otaru_image::KeyKind::Ed25519,
            revoked: false,
        }];
        let device_key = DecryptionKey::new(DEVICE_KEY);
        let expect = Expectation {
            keys: &keys,
            decryption_key: Some(&device_key),
            board: Some(BoardIds {
                vid: Uuid(VENDOR),
                cid: Uuid(CLASS),
            }),
            slot_address: None,
            security_floor: 0,
            digest: Some(image.digest),
            len: Some(image.len),
            ..Expectation::default()
        };
        let layout = self.setting.layout;
        let mut source = SlotReader::new(&mut self.flash, &layout, slot);
        let len_max = layout.image_len_max();
        verify_with(&mut source, len_max, &expect, &mut [0; 512], Remembering)
            .map(drop)
            .map_err(|error| format!("what was stored does not verify: {error}"))
    }
}
