//! Verifying an image where it stands. The same verifier as the agent's.

use crate::backup::{ImageReader, Source};
use crate::decrypt::{decryption_key, form_of};
use crate::port::{Event, Port, Work};
use otaru_flash::{DeviceBlock, Flash, Slot};
use otaru_image::{BoardIds, Expectation, Progress, Uuid, Verification, Verified};
use otaru_record::{Cause, Image, State, key_table};

/// How often an image is read before a verdict against it counts: a single bad reading must not
/// end in a revert.
const READINGS: u32 = 2;

/// What this device accepts for its execution slot.
pub(crate) struct Acceptance<'a> {
    /// The device block.
    pub(crate) block: &'a DeviceBlock,
    /// Lowest security counter.
    pub(crate) floor: u32,
    /// Revoked keys.
    pub(crate) revoked: u16,
    /// The image it must be, if that is known.
    pub(crate) image: Option<Image>,
}

impl<'a> Acceptance<'a> {
    /// The image `image` under the rules in force.
    pub(crate) fn of(block: &'a DeviceBlock, state: &State, image: Image) -> Self {
        Self {
            block,
            floor: state.floor,
            revoked: state.revoked,
            image: Some(image),
        }
    }

    /// Reads and verifies an image.
    pub(crate) fn verify<F: Flash, P: Port>(
        &self,
        flash: &mut F,
        port: &mut P,
        source: Source<'_>,
        buf: &mut [u8],
    ) -> Result<Verified, Cause> {
        let (table, count) = key_table(self.block, self.revoked);
        let layout = &self.block.layout;
        let decryption_key = decryption_key(self.block, flash);
        let expect = Expectation {
            keys: table.get(..count).unwrap_or_default(),
            board: Some(BoardIds {
                vid: Uuid(self.block.vendor_id),
                cid: Uuid(self.block.class_id),
            }),
            slot_address: Some(self.block.execution_address()),
            security_floor: self.floor,
            digest: self.image.map(|image| image.digest),
            len: self.image.map(|image| image.len),
            form: form_of(source),
            decryption_key: decryption_key.as_ref(),
            ..Expectation::default()
        };
        let mut reader = ImageReader {
            flash,
            layout,
            source,
        };
        let mut left = READINGS;
        loop {
            left = left.saturating_sub(1);
            let mut verification =
                Verification::with_verifier(layout.image_len_max(), &expect, port.verifier());
            let verdict = loop {
                port.feed_watchdog();
                match verification.step(&mut reader, buf) {
                    Ok(Progress::More { .. }) => {}
                    Ok(Progress::Done(verified)) => break Ok(verified),
                    Err(error) => break Err(error),
                }
            };
            if verdict.is_ok() || left == 0 {
                return verdict.map_err(|error| Cause::from(&error));
            }
        }
    }

    /// Verifies the image in a slot.
    pub(crate) fn verify_slot<F: Flash, P: Port>(
        &self,
        flash: &mut F,
        port: &mut P,
        slot: Slot,
        buf: &mut [u8],
    ) -> Result<Verified, Cause> {
        port.report(Event::Begin(Work::Verify(slot)));
        self.verify(flash, port, Source::Slot(slot), buf)
    }
}
