//! One boot: from the record to a decision.
//!
//! Decide, append, act. The loop below looks at the state in force, does that phase's work, and
//! appends the next state before anything is done on the strength of it.

#[cfg(feature = "skip-hash")]
use crate::backup::ImageReader;
use crate::backup::{Source, backup_verifies};
use crate::install::{Failure, install, prepare};
use crate::port::{Event, Port, ResetCause};
use crate::revert::revert;
use crate::stop::{Recovery, Stopped};
use crate::verify::{Acceptance, verify_execution};
use otaru_flash::{DEVICE_BLOCK_LEN, DeviceBlock, DeviceBlockError, Flash, Slot};
use otaru_image::ImageInfo;
#[cfg(feature = "skip-hash")]
use otaru_image::inspect;
use otaru_record::{AppendError, Cause, Change, Held, Image, Journal, LoadError, Phase, State};

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

/// What a boot finds out. The board provides the place, and everything stays there and is borrowed:
/// values of this size that are returned cost more code than what is done with them.
#[derive(Debug)]
pub struct Findings {
    block: DeviceBlock,
    block_found: bool,
    journal: Journal,
    journal_found: bool,
    image: Option<ImageInfo>,
}

impl Default for Findings {
    fn default() -> Self {
        Self {
            block: DeviceBlock::blank(),
            block_found: false,
            journal: Journal::blank(),
            journal_found: false,
            image: None,
        }
    }
}

impl Findings {
    /// What the device is, if its block can be used.
    pub fn block(&self) -> Option<&DeviceBlock> {
        self.block_found.then_some(&self.block)
    }

    /// The record, if there is one; hand it over with [`Journal::hand_over`].
    pub fn journal(&self) -> Option<&Journal> {
        self.journal_found.then_some(&self.journal)
    }

    /// The image in the execution slot, if this boot has verified it and it is to be started.
    pub fn image(&self) -> Option<&ImageInfo> {
        self.image.as_ref()
    }
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
    match start(flash, port, boot, buf) {
        Started::Image(start) => Decision::Start(start),
        Started::Stopped(stopped) => Decision::Recovery(stopped.reason),
    }
}

/// The same for a board that offers recovery over its console: says what is needed for it when
/// nothing is started.
pub fn start<F: Flash, P: Port>(
    flash: &mut F,
    port: &mut P,
    boot: Boot,
    buf: &mut [u8],
) -> Started {
    let mut findings = Findings::default();
    let decided = decide(flash, port, boot, buf, &mut findings);
    let Findings { block, journal, .. } = findings;
    match (decided, findings.image) {
        (Ok(()), Some(image)) => Started::Image(Start {
            image,
            journal,
            block,
        }),
        (decided, _) => Started::Stopped(Stopped {
            reason: decided.err().unwrap_or(Recovery::RecordWrite),
            block: findings.block_found.then_some(block),
            journal: findings.journal_found.then_some(journal),
        }),
    }
}

/// The same for a board on which every byte counts: what was decided stands in `findings`, with an
/// image that is to be started if it returns without an error.
///
/// # Errors
/// [`Recovery`]: nothing can be started.
pub fn decide<F: Flash, P: Port>(
    flash: &mut F,
    port: &mut P,
    boot: Boot,
    buf: &mut [u8],
    findings: &mut Findings,
) -> Result<(), Recovery> {
    let decided = try_boot(flash, &mut *port, boot, buf, findings);
    if let Err(reason) = &decided {
        port.report(Event::Stopped(reason));
    }
    decided
}

fn read_block<F: Flash>(flash: &mut F, at: u32, block: &mut DeviceBlock) -> Result<(), Recovery> {
    let mut raw = [0; DEVICE_BLOCK_LEN];
    flash
        .read(at, &mut raw)
        .map_err(|_failed| Recovery::FlashRead)?;
    block.fill(&raw).map_err(Recovery::DeviceBlock)
}

fn try_boot<F: Flash, P: Port>(
    flash: &mut F,
    port: &mut P,
    boot: Boot,
    buf: &mut [u8],
    findings: &mut Findings,
) -> Result<(), Recovery> {
    read_block(flash, boot.device_block_at, &mut findings.block)?;
    if !P::DEVELOPMENT_KEYS && findings.block.trusts_development_key() {
        // As if there were no block: recovery must not trust it either.
        return Err(Recovery::DeviceBlock(DeviceBlockError::DevelopmentKey));
    }
    findings.block_found = true;
    let block = &findings.block;
    let ctx = &mut Context::new(flash, port, block, buf);
    let two_units = usize::from(block.layout.write_unit).saturating_mul(2);
    let buf_len = ctx.buf.len();
    if buf_len < crate::BUFFER_LEN_MIN || buf_len.checked_rem(two_units) != Some(0) {
        return Err(Recovery::Buffer);
    }
    ctx.port.report(Event::Board(block));
    let journal = &mut findings.journal;
    match journal.read(ctx.flash, &block.layout) {
        Ok(()) => {}
        Err(LoadError::Lost) => rebuild(ctx, journal)?,
        Err(error @ LoadError::Layout(_)) => return Err(Recovery::Record(error)),
    }
    findings.journal_found = true;
    if P::SHOWS_ENTRIES {
        journal.for_each_entry(ctx.flash, |sequence, state| {
            ctx.port.report(Event::Entry(sequence, state));
        });
    }
    find(ctx, journal, boot.cause)?;
    if !ctx.runs {
        return Err(Recovery::NoImage(Cause::StorageFailed));
    }
    findings.image = ctx.found;
    let state = journal.state();
    let (trial, of) = if state.on_trial() && !journal.is_frozen() {
        (state.trials_used(), state.trials_allowed())
    } else {
        (0, 0)
    };
    ctx.port.report(Event::Starting { trial, of });
    if block.watchdog_ms > 0 {
        ctx.port.arm_watchdog(block.watchdog_ms);
    }
    Ok(())
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
        let change = Change::Reverting(Cause::TrialReset, state.steps_installed());
        append(ctx, journal, &change)?;
        run(ctx, journal, cause)?;
    }
    Err(Recovery::Requested)
}

/// The record is lost: what stands in the execution slot is all there is. It must verify.
fn rebuild<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
) -> Result<(), Recovery> {
    ctx.port.report(Event::RecordLost);
    Acceptance::ANY
        .verify(ctx, Source::Slot(Slot::Execution))
        .map_err(Recovery::NoImage)?;
    let found = ctx
        .found
        .as_ref()
        .ok_or(Recovery::NoImage(Cause::StorageFailed))?;
    let mut state = State::default();
    state.set_current(&Image {
        len: found.len,
        digest: ctx.digest,
    });
    state.set_floor(found.security_counter);
    state.set_revoked(found.revoke);
    if journal.renew(ctx.flash, &state).is_err() {
        journal.freeze();
    }
    Ok(())
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
    verify_execution(ctx, state, Held::Current).map_err(|_other| Recovery::RecordWrite)?;
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
        let start = match state.phase() {
            Phase::Idle | Phase::Receiving | Phase::Parked => {
                confirmed(ctx, journal, fresh.then_some(cause))?
            }
            Phase::Requested => requested(ctx, journal)?,
            Phase::Installing => installing(ctx, journal, fresh)?,
            Phase::Installed | Phase::Trial => trial(ctx, journal, cause, fresh)?,
            Phase::Refused => {
                // The firmware has recorded why.
                let change = Change::Reverting(Cause::None, state.steps_installed());
                append(ctx, journal, &change)?;
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
    if !ctx.block.skip_hash || state.factory_made() || !calm {
        return false;
    }
    let mut reader = ImageReader {
        flash: ctx.flash,
        layout: &ctx.block.layout,
        source: Source::Slot(Slot::Execution),
    };
    let len = state.current().len;
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
        verify_execution(ctx, state, Held::Current)
    };
    let Err(cause) = verdict else {
        journal.settle(ctx.flash).map_err(record_failed)?;
        return Ok(true);
    };
    if !backup_verifies(ctx, state) {
        return Err(Recovery::NoImage(cause));
    }
    ctx.port.report(Event::Healing);
    append(ctx, journal, &Change::Healing)?;
    Ok(false)
}

fn requested<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
) -> Result<bool, Recovery> {
    let state = journal.state();
    let prepared = prepare(ctx, state);
    let change = match &prepared {
        Ok(differing) => Change::Installing(ctx.block.layout.mode, differing),
        Err(cause) => {
            ctx.port.report(Event::Ended(*cause));
            Change::Rejected(*cause)
        }
    };
    append(ctx, journal, &change)?;
    Ok(false)
}

fn installing<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
    fresh: bool,
) -> Result<bool, Recovery> {
    if fresh {
        append(ctx, journal, &Change::Resumed)?;
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
            if verify_execution(ctx, state, Held::Other).is_ok() {
                let installed = Change::Installed {
                    steps,
                    chunks,
                    millis,
                };
                append(ctx, journal, &installed)?;
                append(ctx, journal, &Change::Trial)?;
                return Ok(true);
            }
            steps
        }
        None => state.step(),
    };
    ctx.port.report(Event::Ended(Cause::InstallFailed));
    append(
        ctx,
        journal,
        &Change::Reverting(Cause::InstallFailed, steps),
    )?;
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
    if fresh && state.allows(&Change::Trial) {
        if verify_execution(ctx, state, Held::Other).is_ok() {
            append(ctx, journal, &Change::Trial)?;
            return Ok(true);
        }
        ended = Cause::InstallFailed;
    }
    ctx.port.report(Event::Ended(ended));
    let change = Change::Reverting(ended, state.steps_installed());
    append(ctx, journal, &change)?;
    Ok(false)
}

fn reverting<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
    fresh: bool,
) -> Result<bool, Recovery> {
    if fresh {
        append(ctx, journal, &Change::Resumed)?;
    }
    // A chunk that cannot be copied is judged below, by what then stands in the execution slot.
    if let Err(Failure::Record(error)) = revert(ctx, journal) {
        return Err(record_failed(error));
    }
    let state = journal.state();
    let target = if state.heals() {
        Held::Backup
    } else {
        Held::Current
    };
    let change = match verify_execution(ctx, state, target) {
        Ok(()) => Change::Reverted,
        Err(_bad) if state.allows(&Change::Escalated) => Change::Escalated,
        Err(cause) => return Err(Recovery::NoImage(cause)),
    };
    append(ctx, journal, &change)?;
    Ok(false)
}

#[inline(never)]
fn append<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
    change: &Change<'_>,
) -> Result<(), Recovery> {
    let mut next = *journal.state();
    next.apply(change).map_err(|_wrong| Recovery::RecordWrite)?;
    journal.append(ctx.flash, &next).map_err(record_failed)
}

fn record_failed<E>(_error: AppendError<E>) -> Recovery {
    Recovery::RecordWrite
}
