//! Verifying an image where it stands. The same verifier as the agent's.

use crate::port::{Event, Port, Work};
use otaru_flash::{DeviceBlock, Flash, KEYS_MAX, Slot};
use otaru_image::{
    BoardIds, Expectation, Key, Progress, ReadAt, Uuid, Verification, Verified, VerifyError,
};
use otaru_record::{Cause, Image, SlotReader, State};

/// How often an image is read before a verdict against it counts: a single bad reading must not
/// end in a revert.
const READINGS: u32 = 2;

/// The key table in the verifier's form, revoked keys marked.
pub(crate) fn keys(block: &DeviceBlock, revoked: u16) -> ([Key; KEYS_MAX], usize) {
    let mut table = [Key {
        public: [0; 32],
        revoked: true,
    }; KEYS_MAX];
    let mut count = 0_usize;
    for (index, (entry, key)) in table.iter_mut().zip(block.keys()).enumerate() {
        *entry = Key {
            public: key.public,
            revoked: revoked & (1 << (index % 16)) != 0,
        };
        count = count.saturating_add(1);
    }
    (table, count)
}

/// What this device accepts for its execution slot.
#[derive(Debug, Clone, Copy)]
pub struct Acceptance<'a> {
    /// The device block: keys, board, address of the execution slot.
    pub block: &'a DeviceBlock,
    /// Lowest security counter.
    pub floor: u32,
    /// Revoked keys, bit = position in the key table.
    pub revoked: u16,
    /// The image it must be, if that is known.
    pub image: Option<Image>,
}

impl<'a> Acceptance<'a> {
    /// The image `image` under the rules in force.
    pub fn of(block: &'a DeviceBlock, state: &State, image: Image) -> Self {
        Self {
            block,
            floor: state.floor,
            revoked: state.revoked,
            image: Some(image),
        }
    }

    /// Reads and verifies an image where it stands; `buf` is what is read at a time.
    ///
    /// # Errors
    /// [`VerifyError`]: the reason found by the second of two readings.
    pub fn verify<S: ReadAt, P: Port>(
        &self,
        source: &mut S,
        port: &mut P,
        buf: &mut [u8],
    ) -> Result<Verified, VerifyError<S::Error>> {
        let (table, count) = keys(self.block, self.revoked);
        let layout = &self.block.layout;
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
        };
        let mut left = READINGS;
        loop {
            left = left.saturating_sub(1);
            let mut verification =
                Verification::with_verifier(layout.image_len_max(), &expect, port.verifier());
            let verdict = loop {
                port.feed_watchdog();
                match verification.step(source, buf) {
                    Ok(Progress::More { .. }) => {}
                    Ok(Progress::Done(verified)) => break Ok(verified),
                    Err(error) => break Err(error),
                }
            };
            if verdict.is_ok() || left == 0 {
                return verdict;
            }
        }
    }

    /// Verifies the image in a slot.
    ///
    /// # Errors
    /// The verdict, as it stands in the record.
    pub fn verify_slot<F: Flash, P: Port>(
        &self,
        flash: &mut F,
        port: &mut P,
        slot: Slot,
        buf: &mut [u8],
    ) -> Result<Verified, Cause> {
        port.report(Event::Begin(Work::Verify(slot)));
        let mut source = SlotReader::new(flash, &self.block.layout, slot);
        self.verify(&mut source, port, buf)
            .map_err(|error| Cause::from(&error))
    }
}
