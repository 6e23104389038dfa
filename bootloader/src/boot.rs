//! One boot: from the record to a decision.
//!
//! Decide, append, act. The loop below looks at the state in force, does that phase's work, and
//! appends the next state before anything is done on the strength of it.

use crate::backup::backup_verifies;
#[cfg(feature = "skip-hash")]
use crate::backup::{ImageReader, Source};
use crate::install::{Failure, install, prepare};
use crate::port::{Event, Port, ResetCause};
use crate::revert::revert;
use crate::stop::{Recovery, Stopped};
use crate::verify::Acceptance;
#[cfg(feature = "skip-hash")]
use otaru_flash::Slot;
use otaru_flash::{DEVICE_BLOCK_LEN, DeviceBlock, Flash};
use otaru_image::ImageInfo;
#[cfg(feature = "skip-hash")]
use otaru_image::inspect;
use otaru_record::{AppendError, Cause, Geometry, Image, Journal, LoadError, Phase, State};

/// More phase changes than any boot can need: requested, installing, reverting, escalated, idle,
/// healing, idle and a spare one.
const PHASES_MAX: u32 = 8;

/// What is given to [`boot`] besides flash and services.
#[derive(Debug, Clone, Copy)]
pub struct Boot {
    /// Offset of the device block in the flash; fixed per board.
    pub device_block_at: u32,
    /// Why the CPU started.
    pub cause: ResetCause,
}

/// What the board does next.
#[expect(
    clippy::large_enum_variant,
    reason = "there is no heap, and it is made once per boot"
)]
#[derive(Debug)]
pub enum Decision {
    /// Hand over to the image in the execution slot.
    Start(Start),
    /// Start nothing; stay in recovery with the console saying why.
    Recovery(Recovery),
}

/// A verified image and what its firmware gets handed over.
#[derive(Debug)]
pub struct Start {
    /// The image in the execution slot, verified by this boot.
    pub image: ImageInfo,
    /// The record; hand it over with [`Journal::hand_over`].
    pub journal: Journal,
    /// What the device is.
    pub block: DeviceBlock,
}

/// Everything that one boot works with.
pub struct Context<'a, F, P> {
    pub(crate) flash: &'a mut F,
    pub(crate) port: &'a mut P,
    pub(crate) block: &'a DeviceBlock,
    pub(crate) buf: &'a mut [u8],
    /// What was verified last, if it passed.
    pub(crate) found: Option<ImageInfo>,
    /// SHA-256 of that complete image.
    pub(crate) digest: [u8; 32],
    /// Whether it was the image in the execution slot.
    pub(crate) runs: bool,
}

impl<F, P> core::fmt::Debug for Context<'_, F, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl<'a, F, P> Context<'a, F, P> {
    /// Flash, services, what the device is, and a buffer of at least
    /// [`BUFFER_LEN_MIN`](crate::BUFFER_LEN_MIN) bytes.
    pub fn new(
        flash: &'a mut F,
        port: &'a mut P,
        block: &'a DeviceBlock,
        buf: &'a mut [u8],
    ) -> Self {
        Self {
            flash,
            port,
            block,
            buf,
            found: None,
            digest: [0; 32],
            runs: false,
        }
    }

    /// What was verified last, if it passed, and SHA-256 of that complete image.
    pub fn found(&self) -> Option<(&ImageInfo, [u8; 32])> {
        Some((self.found.as_ref()?, self.digest))
    }
}

/// What [`start`] leads to.
#[expect(
    clippy::large_enum_variant,
    reason = "there is no heap, and it is made once per boot"
)]
#[derive(Debug)]
pub enum Started {
    /// Hand over to the image in the execution slot.
    Image(Start),
    /// Start nothing; a board with a console goes on with recovery.
    Stopped(Stopped),
}

/// Boots: finishes what is unfinished and decides what runs.
///
/// `buf` is the copy buffer: at least [`BUFFER_LEN_MIN`](crate::BUFFER_LEN_MIN) bytes and a
/// multiple of two write units; half of it holds data, half what was read back.
pub fn boot<F: Flash, P: Port>(
    flash: &mut F,
    port: &mut P,
    boot: Boot,
    buf: &mut [u8],
) -> Decision {
    // Large values stay where they were made and are borrowed; only what is returned is copied. Calling
    // `start` instead costs a bootloader without recovery 226 bytes of flash and 368 of stack.
    let decoded = read_block(flash, boot.device_block_at);
    let reason = match &decoded {
        Ok(block) => {
            let mut ctx = Context::new(flash, &mut *port, block, buf);
            let mut journal = None;
            match (try_boot(&mut ctx, boot.cause, &mut journal), &journal) {
                (Ok(image), Some(journal)) => {
                    return Decision::Start(Start {
                        image,
                        journal: *journal,
                        block: block.clone(),
                    });
                }
                (Ok(_), None) => Recovery::RecordWrite,
                (Err(reason), _) => reason,
            }
        }
        Err(reason) => *reason,
    };
    port.report(Event::Stopped(&reason));
    Decision::Recovery(reason)
}

/// The same for a board that offers recovery over its console: says what is needed for it when
/// nothing is started.
pub fn start<F: Flash, P: Port>(
    flash: &mut F,
    port: &mut P,
    boot: Boot,
    buf: &mut [u8],
) -> Started {
    let mut journal = None;
    let (reason, block) = match read_block(flash, boot.device_block_at) {
        Ok(block) => {
            let mut ctx = Context::new(flash, &mut *port, &block, buf);
            let decided = try_boot(&mut ctx, boot.cause, &mut journal);
            match (decided, journal) {
                (Ok(image), Some(journal)) => {
                    return Started::Image(Start {
                        image,
                        journal,
                        block,
                    });
                }
                (Ok(_), None) => (Recovery::RecordWrite, Some(block)),
                (Err(reason), _) => (reason, Some(block)),
            }
        }
        Err(reason) => (reason, None),
    };
    port.report(Event::Stopped(&reason));
    Started::Stopped(Stopped {
        reason,
        block,
        journal,
    })
}

fn read_block<F: Flash>(flash: &mut F, at: u32) -> Result<DeviceBlock, Recovery> {
    let mut raw = [0; DEVICE_BLOCK_LEN];
    flash
        .read(at, &mut raw)
        .map_err(|_failed| Recovery::FlashRead)?;
    DeviceBlock::decode(&raw).map_err(Recovery::DeviceBlock)
}

/// Decides; the record stands in `place` afterwards, if there is one.
fn try_boot<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    cause: ResetCause,
    place: &mut Option<Journal>,
) -> Result<ImageInfo, Recovery> {
    let block = ctx.block;
    let two_units = usize::from(block.layout.write_unit).saturating_mul(2);
    let buf_len = ctx.buf.len();
    if buf_len < crate::BUFFER_LEN_MIN || buf_len.checked_rem(two_units) != Some(0) {
        return Err(Recovery::Buffer);
    }
    ctx.port.report(Event::Board(block));
    let journal = place.insert(match Journal::load(ctx.flash, &block.layout) {
        Ok(journal) => journal,
        Err(LoadError::Lost) => rebuild(ctx)?,
        Err(error @ LoadError::Layout(_)) => return Err(Recovery::Record(error)),
    });
    if P::SHOWS_ENTRIES {
        journal.for_each_entry(ctx.flash, |sequence, state| {
            ctx.port.report(Event::Entry(sequence, state));
        });
    }
    find(ctx, journal, cause)?;
    let found = ctx.found.filter(|_image| ctx.runs);
    let found = found.ok_or(Recovery::NoImage(Cause::StorageFailed))?;
    let state = journal.state();
    let (trial, of) = if state.on_trial() && !journal.is_frozen() {
        (state.trials_used, state.trials_allowed)
    } else {
        (0, 0)
    };
    ctx.port.report(Event::Starting { trial, of });
    if block.watchdog_ms > 0 {
        ctx.port.arm_watchdog(block.watchdog_ms);
    }
    Ok(found)
}

/// The image to start, unless recovery is asked for. An unfinished install is finished before
/// recovery begins and a trial is ended, so that recovery meets the record in few phases only.
fn find<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
    cause: ResetCause,
) -> Result<(), Recovery> {
    match run(ctx, journal, cause) {
        Err(Recovery::RecordWrite) => without_record(ctx, journal)?,
        decided => decided?,
    }
    if !ctx.port.recovery_requested() {
        return Ok(());
    }
    let state = journal.state();
    if state.on_trial() {
        ctx.port.report(Event::Ended(Cause::TrialReset));
        let next = state.reverting(Cause::TrialReset, state.installed);
        append(ctx, journal, &next)?;
        run(ctx, journal, cause)?;
    }
    Err(Recovery::Requested)
}

/// The record is lost: what stands in the execution slot is all there is. It must verify.
fn rebuild<F: Flash, P: Port>(ctx: &mut Context<'_, F, P>) -> Result<Journal, Recovery> {
    ctx.port.report(Event::RecordLost);
    Acceptance::ANY
        .verify_execution(ctx)
        .map_err(Recovery::NoImage)?;
    let found = ctx
        .found
        .as_ref()
        .ok_or(Recovery::NoImage(Cause::StorageFailed))?;
    let current = Image {
        len: found.len,
        digest: ctx.digest,
    };
    let mut state = State::factory(current, found.security_counter);
    state.factory = false;
    state.revoked = found.revoke;
    let geometry = Geometry::new(&ctx.block.layout)
        .map_err(|error| Recovery::Record(LoadError::Layout(error)))?;
    Ok(Journal::create(ctx.flash, geometry, &state)
        .unwrap_or_else(|_unwritable| Journal::unwritable(geometry, &state)))
}

/// The record cannot be written. The confirmed image may run all the same, if it stands whole in the
/// execution slot: nothing is acted on, and the firmware gets no record. Anything else would need an
/// entry first.
fn without_record<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
) -> Result<(), Recovery> {
    journal.freeze();
    let state = journal.state();
    Acceptance::of(state, &state.current)
        .verify_execution(ctx)
        .map_err(|_other| Recovery::RecordWrite)?;
    ctx.port.report(Event::RecordUnwritable);
    Ok(())
}

/// Goes through phases until one says that what was verified last is to be started.
fn run<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
    cause: ResetCause,
) -> Result<(), Recovery> {
    for round in 0..PHASES_MAX {
        let fresh = round == 0;
        let state = journal.state();
        ctx.port.report(Event::Phase(state));
        let start = match state.phase {
            Phase::Idle | Phase::Receiving | Phase::Parked => {
                confirmed(ctx, journal, fresh.then_some(cause))?
            }
            Phase::Requested => requested(ctx, journal)?,
            Phase::Installing => installing(ctx, journal, fresh)?,
            Phase::Installed | Phase::Trial => trial(ctx, journal, cause, fresh)?,
            Phase::Refused => {
                let next = state.reverting(state.outcome.cause, state.installed);
                append(ctx, journal, &next)?;
                false
            }
            Phase::Reverting => reverting(ctx, journal, fresh)?,
        };
        if start {
            return Ok(());
        }
    }
    Err(Recovery::NoImage(Cause::StorageFailed))
}

/// Whether the confirmed image may start without being hashed (`docs/size.md`): the device block asks
/// for it, the bootloader itself has verified this image after it last wrote the execution slot, and
/// the last start did not end in a crash. `cause` is missing in a later round of the same boot.
#[cfg(feature = "skip-hash")]
fn trusted<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    state: &State,
    cause: Option<ResetCause>,
) -> bool {
    let calm = matches!(
        cause,
        Some(ResetCause::PowerOn | ResetCause::Button | ResetCause::Software)
    );
    if !ctx.block.skip_hash || state.factory || !calm {
        return false;
    }
    let mut reader = ImageReader {
        flash: ctx.flash,
        layout: &ctx.block.layout,
        source: Source::Slot(Slot::Execution),
    };
    let len = state.current.len;
    ctx.found = inspect(&mut reader, len)
        .ok()
        .filter(|info| info.len == len);
    ctx.runs = ctx.found.is_some();
    ctx.runs
}

#[cfg(not(feature = "skip-hash"))]
const fn trusted<F, P>(_: &Context<'_, F, P>, _: &State, _: Option<ResetCause>) -> bool {
    false
}

/// The confirmed image runs if it verifies; else it is healed from its backup.
fn confirmed<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
    reset: Option<ResetCause>,
) -> Result<bool, Recovery> {
    let state = journal.state();
    let verdict = if trusted(ctx, state, reset) {
        Ok(())
    } else {
        Acceptance::of(state, &state.current).verify_execution(ctx)
    };
    let Err(cause) = verdict else {
        journal.settle(ctx.flash).map_err(record_failed)?;
        return Ok(true);
    };
    let next = state.healing();
    if next.is_err() || !backup_verifies(ctx, state) {
        return Err(Recovery::NoImage(cause));
    }
    ctx.port.report(Event::Healing);
    append(ctx, journal, &next)?;
    Ok(false)
}

fn requested<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
) -> Result<bool, Recovery> {
    let state = journal.state();
    let next = match prepare(ctx, state) {
        Ok(differing) => state.installing(ctx.block.layout.mode, differing),
        Err(cause) => {
            ctx.port.report(Event::Ended(cause));
            state.ended(cause)
        }
    };
    append(ctx, journal, &next)?;
    Ok(false)
}

fn installing<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
    fresh: bool,
) -> Result<bool, Recovery> {
    if fresh {
        let next = journal.state().resumed();
        append(ctx, journal, &next)?;
    }
    let started = ctx.port.now_ms();
    let done = match install(ctx, journal) {
        Ok(done) => Some(done),
        Err(Failure::Record(error)) => return Err(record_failed(error)),
        Err(Failure::Copy) => None,
    };
    let millis = ctx.port.now_ms().wrapping_sub(started);
    let state = journal.state();
    let steps = match done {
        Some((steps, chunks)) => {
            let accept = Acceptance::of(state, &state.other);
            if accept.verify_execution(ctx).is_ok() {
                let next = state.installed(steps, chunks, millis);
                append(ctx, journal, &next)?;
                let next = journal.state().trial();
                append(ctx, journal, &next)?;
                return Ok(true);
            }
            steps
        }
        None => state.step,
    };
    ctx.port.report(Event::Ended(Cause::InstallFailed));
    let next = state.reverting(Cause::InstallFailed, steps);
    append(ctx, journal, &next)?;
    Ok(false)
}

/// A boot that finds a trial: another attempt if one is left, else back.
fn trial<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
    cause: ResetCause,
    fresh: bool,
) -> Result<bool, Recovery> {
    let state = journal.state();
    let mut ended = match cause {
        ResetCause::Watchdog => Cause::TrialWatchdog,
        ResetCause::Crash => Cause::TrialCrash,
        ResetCause::PowerOn | ResetCause::Button | ResetCause::Software => Cause::TrialReset,
    };
    if fresh {
        let next = state.trial();
        if next.is_ok() {
            let accept = Acceptance::of(state, &state.other);
            if accept.verify_execution(ctx).is_ok() {
                append(ctx, journal, &next)?;
                return Ok(true);
            }
            ended = Cause::InstallFailed;
        }
    }
    ctx.port.report(Event::Ended(ended));
    let next = state.reverting(ended, state.installed);
    append(ctx, journal, &next)?;
    Ok(false)
}

fn reverting<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
    fresh: bool,
) -> Result<bool, Recovery> {
    if fresh {
        let next = journal.state().resumed();
        append(ctx, journal, &next)?;
    }
    // A chunk that cannot be copied is judged below, by what then stands in the execution slot.
    if let Err(Failure::Record(error)) = revert(ctx, journal) {
        return Err(record_failed(error));
    }
    let state = journal.state();
    let target = if state.heal {
        &state.backup_image
    } else {
        &state.current
    };
    let next = match Acceptance::of(state, target).verify_execution(ctx) {
        Ok(()) => state.reverted(),
        Err(cause) => {
            let next = state.escalated();
            if next.is_err() {
                return Err(Recovery::NoImage(cause));
            }
            next
        }
    };
    append(ctx, journal, &next)?;
    Ok(false)
}

fn append<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
    next: &Result<State, otaru_record::WrongPhase>,
) -> Result<(), Recovery> {
    let next = next.as_ref().map_err(|_wrong| Recovery::RecordWrite)?;
    journal.append(ctx.flash, next).map_err(record_failed)
}

fn record_failed<E>(_error: AppendError<E>) -> Recovery {
    Recovery::RecordWrite
}
