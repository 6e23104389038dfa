//! What the session asks of flash, record and application.

use embassy_futures::yield_now;
use otaru_flash::{Flash, Slot};
use otaru_image::{
    BoardIds, DecryptionKey, Expectation, Key, PayloadCipher, Progress, ReadAt, Uuid, Verification,
    Verified, inspect,
};
use otaru_record::{Cause, Image, SlotReader, key_table};

use super::Driver;
use crate::session::{Action, Event, Found};
use crate::{Application, MayInstall, Platform, tail};

/// How often a stored image is read before a failure to read it counts.
const READINGS: u8 = 2;

impl<P: Platform, F: Flash, A: Application> Driver<'_, P, F, A> {
    /// `Done` or `StorageFailed`.
    fn stored(&mut self, worked: bool) -> Action {
        self.step(if worked {
            Event::Done
        } else {
            Event::StorageFailed
        })
    }

    pub(super) fn append(&mut self, twice: bool) -> Action {
        let next = *self.session.next_state();
        let appended = if twice {
            self.journal.append_twice(&mut self.flash, &next)
        } else {
            self.journal.append(&mut self.flash, &next)
        };
        self.stored(appended.is_ok())
    }

    pub(super) fn mark(&mut self, step: u16) -> Action {
        // A mark names the last sixteenth that is done, counted from 0.
        let marked = self.journal.mark(&mut self.flash, step.saturating_sub(1));
        self.stored(marked.is_ok())
    }

    pub(super) fn erase(&mut self, slot: Slot, at: u32, len: u32) -> Action {
        // A copy of the running image begins in `idle`, where this boot may not have appended yet.
        let claimed = self.journal.claim(&mut self.flash).is_ok();
        let permit = self.journal.permit(slot).filter(|_permit| claimed);
        let erased = permit.is_some_and(|permit| {
            permit
                .erase(&mut self.flash, &self.block.layout, at, len)
                .is_ok()
        });
        self.stored(erased)
    }

    pub(super) fn program(&mut self, slot: Slot, at: u32, len: u32) -> Action {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let padded = len.next_multiple_of(usize::from(self.block.layout.write_unit.max(1)));
        if let Some(padding) = self.buffer.get_mut(len..padded) {
            padding.fill(self.block.layout.erased);
        }
        let permit = self.journal.permit(slot);
        let programmed = match (permit, self.buffer.get(..padded)) {
            (Some(permit), Some(data)) => permit
                .program(&mut self.flash, &self.block.layout, at, data)
                .is_ok(),
            _ => false,
        };
        self.stored(programmed)
    }

    /// Copies a piece of the running image into storage, where images stand as they were sent.
    pub(super) fn copy(&mut self, slot: Slot, at: u32, len: u32) -> Action {
        let cipher = self.running_cipher();
        let layout = &self.block.layout;
        let read = usize::try_from(len)
            .ok()
            .and_then(|len| self.buffer.get_mut(..len))
            .is_some_and(|data| {
                let mut running = SlotReader::new(&mut self.flash, layout, Slot::Execution);
                let read = running.read_at(at, data).is_ok();
                if let Some(cipher) = &cipher {
                    cipher.apply(at, data);
                }
                read && cipher.is_some()
            });
        if read {
            self.program(slot, at, len)
        } else {
            self.stored(false)
        }
    }

    /// The device's key for encrypted images, wiped when dropped.
    fn decryption_key(&mut self) -> Option<DecryptionKey> {
        if cfg!(feature = "encryption") {
            let key = self.block.read_decryption_key(&mut self.flash);
            key.map(DecryptionKey::new)
        } else {
            None
        }
    }

    /// What turns the running image into what was sent. Nothing if its header cannot be read, or if
    /// it is encrypted and there is no key for it.
    fn running_cipher(&mut self) -> Option<PayloadCipher> {
        if !cfg!(feature = "encryption") {
            return Some(PayloadCipher::none());
        }
        let key = self.decryption_key();
        let layout = &self.block.layout;
        let mut running = SlotReader::new(&mut self.flash, layout, Slot::Execution);
        let info = inspect(&mut running, layout.execution.len).ok()?;
        PayloadCipher::new(&info, key.as_ref()).ok()
    }

    /// A22: reads what was stored, block by block, and lets the application run in between.
    pub(super) async fn verify(&mut self, slot: Slot, image: Image) -> Action {
        let mut verdict = self.read_back(slot, image).await;
        for _ in 1..READINGS {
            if verdict == Err(Cause::StorageFailed) {
                verdict = self.read_back(slot, image).await;
            }
        }
        self.step(Event::Verdict(verdict.map(|verified| Found {
            label: verified.info().label,
            digest: verified.digest(),
        })))
    }

    async fn read_back(&mut self, slot: Slot, image: Image) -> Result<Verified, Cause> {
        // Not the whole state: this future is held while the image is read.
        let (floor, revoked) = {
            let state = self.session.state();
            (state.floor(), state.revoked())
        };
        let (keys, count) = key_table(&self.block, revoked);
        let decryption_key = self.decryption_key();
        let expect = Expectation {
            keys: keys.get(..count).unwrap_or_default(),
            board: Some(BoardIds {
                vid: Uuid(self.block.vendor_id),
                cid: Uuid(self.block.class_id),
            }),
            slot_address: Some(self.block.execution_address()),
            security_floor: floor,
            digest: (image.digest != [0; 32]).then_some(image.digest),
            len: Some(image.len),
            decryption_key: decryption_key.as_ref(),
            ..Expectation::default()
        };
        let layout = &self.block.layout;
        let mut verification = Verification::new(layout.image_len_max(), &expect);
        loop {
            let mut source = SlotReader::new(&mut self.flash, layout, slot);
            match verification.step(&mut source, &mut self.buffer) {
                Ok(Progress::More { .. }) => {}
                Ok(Progress::Done(verified)) if revokes_signer(&verified, expect.keys) => {
                    return Err(Cause::RevokesOwnKey);
                }
                Ok(Progress::Done(verified)) => return Ok(verified),
                Err(error) => return Err(Cause::from(&error)),
            }
            self.platform.feed_watchdog();
            yield_now().await;
        }
    }

    pub(super) fn ask_install(&mut self) -> Action {
        let answer = self.app.may_install();
        let (MayInstall::NotNow(text) | MayInstall::Refuse(text)) = answer else {
            return self.step(Event::MayInstall(MayInstall::Yes));
        };
        let refused = matches!(answer, MayInstall::Refuse(_));
        let text = shortened(text);
        if refused {
            let attempt = self.session.state().attempt();
            self.platform
                .with_retained(&mut |ram| tail::set_note(ram, attempt, &text));
            self.step(Event::MayInstall(MayInstall::Refuse(&text)))
        } else {
            self.step(Event::MayInstall(MayInstall::NotNow(&text)))
        }
    }

    pub(super) fn ask_health(&mut self) -> Action {
        let text = match self.app.healthy() {
            Ok(()) => return self.step(Event::Healthy(true)),
            Err(text) => shortened(text),
        };
        let attempt = self.session.state().attempt();
        self.platform
            .with_retained(&mut |ram| tail::set_note(ram, attempt, &text));
        self.step(Event::Healthy(false))
    }
}

/// Whether the image would revoke a key that signed it or one of its parts: once confirmed it could not
/// be started. A key that stands in the table twice is revoked with either of its places.
fn revokes_signer(verified: &Verified, table: &[Key]) -> bool {
    verified.signers().any(|place| {
        let signer = table.get(place).map(|key| (key.kind, key.public));
        let mut rest = verified.info().revoke;
        table.iter().any(|key| {
            let revoked = rest & 1 != 0;
            rest = rest.rotate_right(1);
            revoked && Some((key.kind, key.public)) == signer
        })
    })
}

/// The beginning of an application's text, without line ends, so that it stays one line.
fn shortened(text: &str) -> crate::session::Text {
    let mut kept = crate::session::Text::new();
    for character in text.chars() {
        let character = if character.is_control() {
            ' '
        } else {
            character
        };
        if kept.push(character).is_err() {
            break;
        }
    }
    kept
}
