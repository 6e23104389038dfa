//! Verifying an image where it stands. The same verifier as the agent's.

use crate::backup::{ImageReader, Source, Unreadable};
use crate::boot::Context;
use crate::decrypt::{decryption_key, form_of};
use crate::port::{Event, Port, Work};
use core::convert::Infallible;
use otaru_flash::{Flash, Slot};
use otaru_image::{
    BoardIds, Expectation, ImageFlags, Reason, Stopped, Uuid, Verification, VerifyError,
};
use otaru_record::{Cause, Held, Image, State, key_table};

/// How often an image is read before a verdict against it counts: a single bad reading must not
/// end in a revert.
const READINGS: u32 = 2;

/// What this device accepts for its execution slot.
#[derive(Debug, Clone, Copy)]
pub struct Acceptance<'a> {
    /// Lowest security counter.
    pub floor: u32,
    /// Revoked keys, bit = position in the key table.
    pub revoked: u16,
    /// The image it must be, if that is known.
    pub image: Option<&'a Image>,
}

impl<'a> Acceptance<'a> {
    /// Any image that the key table vouches for: only where the record is lost.
    pub const ANY: Self = Self {
        floor: 0,
        revoked: 0,
        image: None,
    };

    /// The image `image` under the rules in force.
    pub fn of(state: &State, image: &'a Image) -> Self {
        Self {
            floor: state.floor(),
            revoked: state.revoked(),
            image: Some(image),
        }
    }

    /// Reads and verifies an image. One that passes stands in [`Context::found`] afterwards.
    /// Returns its flags.
    ///
    /// # Errors
    /// [`VerifyError`]: the reason found by the second of two readings. Nothing is found then.
    pub fn judge<F: Flash, P: Port>(
        self,
        ctx: &mut Context<'_, F, P>,
        source: Source<'_>,
    ) -> Result<ImageFlags, VerifyError<Unreadable>> {
        self.read::<F, P, VerifyError<Infallible>>(ctx, source)
            .map_err(VerifyError::from)
    }

    /// The same, with the verdict as it stands in the record.
    #[inline(never)]
    pub(crate) fn verify<F: Flash, P: Port>(
        self,
        ctx: &mut Context<'_, F, P>,
        source: Source<'_>,
    ) -> Result<ImageFlags, Cause> {
        let verdict = self.read::<F, P, Reason>(ctx, source);
        verdict.map_err(|stopped| match stopped {
            Stopped::Refused(reason) => reason.into(),
            Stopped::Read(Unreadable) => Reason::Read.into(),
        })
    }

    /// Both, with refusals told as `R`.
    fn read<F: Flash, P: Port, R: From<VerifyError<Infallible>> + Copy>(
        self,
        ctx: &mut Context<'_, F, P>,
        source: Source<'_>,
    ) -> Result<ImageFlags, Stopped<R, Unreadable>> {
        (ctx.found, ctx.runs) = (None, false);
        if let Source::Slot(slot) = source {
            ctx.port.report(Event::Begin(Work::Verify(slot)));
        }
        let (table, count) = key_table(ctx.block, self.revoked);
        let layout = &ctx.block.layout;
        let decryption_key = decryption_key(ctx.block, ctx.flash);
        let expect = Expectation {
            keys: table.get(..count).unwrap_or_default(),
            board: Some(BoardIds {
                vid: Uuid(ctx.block.vendor_id),
                cid: Uuid(ctx.block.class_id),
            }),
            slot_address: Some(ctx.block.execution_address()),
            security_floor: self.floor,
            digest: self.image.map(|image| image.digest),
            len: self.image.map(|image| image.len),
            form: form_of(source),
            decryption_key: decryption_key.as_ref(),
            ..Expectation::default()
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
                Verification::begin(layout.image_len_max(), &expect, ctx.port.verifier());
            let refused = loop {
                ctx.port.feed_watchdog();
                match verification.advance(&mut reader, ctx.buf) {
                    Ok(None) => {}
                    Ok(Some(accepted)) => {
                        let info = accepted.info();
                        // Confirmed, it could not be started again. The agent refuses it before it
                        // is parked; by cable and in recovery it comes here first.
                        if accepted.signed_by(info.revoke) {
                            break Stopped::Refused(VerifyError::KeyRevoked.into());
                        }
                        ctx.found = Some(*info);
                        ctx.digest = *accepted.digest();
                        ctx.runs = matches!(source, Source::Slot(Slot::Execution));
                        return Ok(info.header.flags);
                    }
                    Err(error) => break error,
                }
            };
            if left == 0 {
                return Err(refused);
            }
        }
    }
}

/// Whether one of the images that the record knows stands there, and may run under the rules in force.
#[inline(never)]
pub(crate) fn verify_held<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    state: &State,
    image: Held,
    source: Source<'_>,
) -> Result<ImageFlags, Cause> {
    let image = state.image(image);
    Acceptance::of(state, &image).verify(ctx, source)
}

/// The same in the execution slot.
pub(crate) fn verify_execution<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    state: &State,
    image: Held,
) -> Result<(), Cause> {
    verify_held(ctx, state, image, Source::Slot(Slot::Execution)).map(|_flags| ())
}
