//! One boot: from the record to a decision.
//!
//! Decide, append, act. The loop below looks at the state in force, does that phase's work, and
//! appends the next state before anything is done on the strength of it.

use crate::backup::Source;
use crate::install::{Failure, install, prepare};
use crate::port::{Event, Port, ResetCause};
use crate::revert::revert;
use crate::verify::Acceptance;
use core::fmt;
use otaru_flash::{DEVICE_BLOCK_LEN, DeviceBlock, DeviceBlockError, Flash};
use otaru_image::{ImageInfo, Verified};
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

/// Why nothing can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// The device block cannot be used: flash the board by cable.
    DeviceBlock(DeviceBlockError),
    /// The flash does not hold the device block, or cannot be read there.
    FlashRead,
    /// The record area does not fit the layout.
    Record(LoadError),
    /// The record cannot be written.
    RecordWrite,
    /// No image that verifies, and no backup that may run.
    NoImage(Cause),
    /// The copy buffer is too small or no multiple of two write units.
    Buffer,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeviceBlock(cause) => write!(f, "{cause}"),
            Self::FlashRead => f.write_str("the device block cannot be read"),
            Self::Record(cause) => write!(f, "{cause}"),
            Self::RecordWrite => f.write_str("the record cannot be written"),
            Self::NoImage(cause) => {
                write!(
                    f,
                    "no image that may run (code {}): flash the board by cable",
                    cause.code()
                )
            }
            Self::Buffer => f.write_str("the copy buffer does not fit the write unit"),
        }
    }
}

/// Everything that one boot works with.
pub(crate) struct Context<'a, F, P> {
    pub(crate) flash: &'a mut F,
    pub(crate) port: &'a mut P,
    pub(crate) block: &'a DeviceBlock,
    pub(crate) buf: &'a mut [u8],
    /// What was verified last, if that was the image in the execution slot.
    pub(crate) found: Option<Verified>,
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
    match try_boot(flash, port, boot, buf) {
        Ok(start) => Decision::Start(start),
        Err(recovery) => {
            port.report(Event::Stopped(&recovery));
            Decision::Recovery(recovery)
        }
    }
}

fn try_boot<F: Flash, P: Port>(
    flash: &mut F,
    port: &mut P,
    boot: Boot,
    buf: &mut [u8],
) -> Result<Start, Recovery> {
    let mut raw = [0; DEVICE_BLOCK_LEN];
    flash
        .read(boot.device_block_at, &mut raw)
        .map_err(|_failed| Recovery::FlashRead)?;
    let block = DeviceBlock::decode(&raw).map_err(Recovery::DeviceBlock)?;
    let two_units = usize::from(block.layout.write_unit).saturating_mul(2);
    if buf.len() < crate::BUFFER_LEN_MIN || buf.len().checked_rem(two_units) != Some(0) {
        return Err(Recovery::Buffer);
    }
    port.report(Event::Board(&block));
    let mut ctx = Context {
        flash,
        port,
        block: &block,
        buf,
        found: None,
    };
    let mut journal = match Journal::load(ctx.flash, &block.layout) {
        Ok(journal) => journal,
        Err(LoadError::Lost) => rebuild(&mut ctx)?,
        Err(error @ LoadError::Layout(_)) => return Err(Recovery::Record(error)),
    };
    if P::SHOWS_ENTRIES {
        journal.for_each_entry(ctx.flash, |sequence, state| {
            ctx.port.report(Event::Entry(sequence, state));
        });
    }
    match run(&mut ctx, &mut journal, boot.cause) {
        Err(Recovery::RecordWrite) => without_record(&mut ctx, &mut journal)?,
        decided => decided?,
    }
    let found = ctx.found.ok_or(Recovery::NoImage(Cause::StorageFailed))?;
    let start = Start {
        image: *found.info(),
        journal,
        block: block.clone(),
    };
    let state = start.journal.state();
    let (trial, of) = if state.on_trial() && !start.journal.is_frozen() {
        (state.trials_used, state.trials_allowed)
    } else {
        (0, 0)
    };
    port.report(Event::Starting { trial, of });
    if block.watchdog_ms > 0 {
        port.arm_watchdog(block.watchdog_ms);
    }
    Ok(start)
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
        len: found.info().len,
        digest: found.digest(),
    };
    let state = State {
        factory: false,
        revoked: found.info().revoke,
        ..State::factory(current, found.info().security_counter)
    };
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
            Phase::Idle | Phase::Receiving | Phase::Parked => confirmed(ctx, journal)?,
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

/// The confirmed image runs if it verifies; else it is healed from its backup.
fn confirmed<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
) -> Result<bool, Recovery> {
    let state = journal.state();
    let Err(cause) = Acceptance::of(state, &state.current).verify_execution(ctx) else {
        journal.settle(ctx.flash).map_err(record_failed)?;
        return Ok(true);
    };
    let next = state.healing();
    // Never below the floor: the backup of mode `swap` is an older image.
    let backup = Acceptance::of(state, &state.backup_image);
    if next.is_err() || backup.verify(ctx, Source::Backup(state)).is_err() {
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
