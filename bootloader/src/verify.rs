//! Verifying an image where it stands. The same verifier as the agent's.

use crate::backup::{ImageReader, Source};
use crate::boot::Context;
use crate::port::{Event, Port, Work};
use otaru_flash::{DeviceBlock, Flash, KEYS_MAX, Slot};
use otaru_image::{BoardIds, Expectation, Key, Progress, Uuid, Verification};
use otaru_record::{Cause, Image, State};

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
    let mut rest = revoked;
    for (entry, key) in table.iter_mut().zip(block.keys()) {
        *entry = Key {
            public: key.public,
            revoked: rest & 1 != 0,
        };
        rest = rest.rotate_right(1);
        count = count.saturating_add(1);
    }
    (table, count)
}

/// What this device accepts for its execution slot: this image under the rules of this state, or,
/// where the record is lost, any image that the key table vouches for.
#[derive(Clone, Copy)]
pub(crate) struct Acceptance<'a>(Option<(&'a State, &'a Image)>);

impl<'a> Acceptance<'a> {
    /// Any image that the key table vouches for.
    pub(crate) const ANY: Self = Self(None);

    /// The image `image` under the rules in force.
    pub(crate) const fn of(state: &'a State, image: &'a Image) -> Self {
        Self(Some((state, image)))
    }

    /// Reads and verifies an image. One that passes stands in [`Context::found`] afterwards.
    #[inline(never)]
    pub(crate) fn verify<F: Flash, P: Port>(
        self,
        ctx: &mut Context<'_, F, P>,
        source: Source<'_>,
    ) -> Result<(), Cause> {
        if let Source::Slot(slot) = source {
            ctx.port.report(Event::Begin(Work::Verify(slot)));
        }
        let image = self.0.map(|(_, image)| image);
        let (floor, revoked) = self
            .0
            .map_or((0, 0), |(state, _)| (state.floor, state.revoked));
        let (table, count) = keys(ctx.block, revoked);
        let layout = &ctx.block.layout;
        let expect = Expectation {
            keys: table.get(..count).unwrap_or_default(),
            board: Some(BoardIds {
                vid: Uuid(ctx.block.vendor_id),
                cid: Uuid(ctx.block.class_id),
            }),
            slot_address: Some(ctx.block.execution_address()),
            security_floor: floor,
            digest: image.map(|image| image.digest),
            len: image.map(|image| image.len),
        };
        let mut reader = ImageReader {
            flash: ctx.flash,
            layout,
            source,
        };
        let mut left = READINGS;
        loop {
            left = left.saturating_sub(1);
            let mut verification =
                Verification::with_verifier(layout.image_len_max(), &expect, ctx.port.verifier());
            let refused = loop {
                ctx.port.feed_watchdog();
                match verification.step(&mut reader, ctx.buf) {
                    Ok(Progress::More { .. }) => {}
                    Ok(Progress::Done(verified)) => {
                        ctx.found = Some(*verified.info());
                        ctx.digest = verified.digest();
                        return Ok(());
                    }
                    Err(error) => break error,
                }
            };
            if left == 0 {
                return Err(Cause::from(&refused));
            }
        }
    }

    /// Verifies the image in the execution slot.
    pub(crate) fn verify_execution<F: Flash, P: Port>(
        self,
        ctx: &mut Context<'_, F, P>,
    ) -> Result<(), Cause> {
        self.verify(ctx, Source::Slot(Slot::Execution))
    }
}
