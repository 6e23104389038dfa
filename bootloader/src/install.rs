//! Installing the parked image, in both modes (install protocol, sections 3 and 4).

use crate::backup::{Source, saved_at};
use crate::boot::Context;
use crate::copy::{Job, Place, copy, equal};
use crate::decrypt::cipher_for;
use crate::port::{Event, Port, Step, Work};
use crate::verify::{verify_execution, verify_held};
use otaru_flash::{Flash, Mode, Slot};
use otaru_image::PayloadCipher;
use otaru_record::{AppendError, Backup, Cause, ChunkSet, Held, Journal, State};

/// Why copying stopped.
pub(crate) enum Failure<E> {
    /// A chunk cannot be read or written.
    Copy,
    /// The record cannot be written.
    Record(AppendError<E>),
}

/// `requested`: checks everything that must hold before the first byte of the execution slot
/// changes, and finds the chunks that differ.
#[inline(never)]
pub(crate) fn prepare<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    state: &State,
) -> Result<ChunkSet, Cause> {
    let slot = state.slot().ok_or(Cause::StorageFailed)?;
    let block = ctx.block;
    let parked = verify_held(ctx, state, Held::Other, Source::Slot(slot))?;
    let in_execution = verify_execution(ctx, state, Held::Current);
    match (block.layout.mode, state.backup()) {
        (Mode::Swap, _) => in_execution.map_err(|_bad| Cause::StorageFailed)?,
        (Mode::Standby, Backup::Copy(backup))
            if backup != slot && state.backup_image() == state.current() =>
        {
            verify_held(ctx, state, Held::Current, Source::Slot(backup))
                .map_err(|_bad| Cause::BackupMissing)?;
            in_execution.map_err(|_bad| Cause::StorageFailed)?;
        }
        (Mode::Standby, _) => return Err(Cause::BackupMissing),
    }
    // What is encrypted cannot be compared with what runs.
    let compare = !(cfg!(feature = "encryption") && parked.is_encrypted());
    Ok(differing(ctx, state, slot, compare))
}

fn differing<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    state: &State,
    slot: Slot,
    compare: bool,
) -> ChunkSet {
    ctx.port.report(Event::Begin(Work::Compare));
    let layout = &ctx.block.layout;
    let old = layout.chunks_of(state.current().len);
    let new = layout.chunks_of(state.other().len);
    let shift = u32::from(layout.mode == Mode::Swap);
    let last = match layout.mode {
        Mode::Swap => old.max(new),
        Mode::Standby => new,
    };
    let mut set = ChunkSet::default();
    for chunk in 0..last {
        ctx.port.feed_watchdog();
        let here = Place {
            slot: Slot::Execution,
            chunk,
        };
        let there = Place {
            slot,
            chunk: chunk.wrapping_add(shift),
        };
        let both = compare && chunk < old && chunk < new;
        if !both || !equal(ctx.flash, layout, here, there, ctx.buf) {
            set.insert(chunk);
        }
    }
    set
}

/// `installing k`: goes on at step k. In `swap` each differing chunk has two steps, in `standby`
/// one. Returns the number of steps and of chunks copied into the execution slot.
pub(crate) fn install<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
) -> Result<(u16, u16), Failure<F::Error>> {
    let state = journal.state();
    let slot = state.slot().ok_or(Failure::Copy)?;
    let cipher = cipher_for(ctx, Source::Incoming(state)).ok_or(Failure::Copy)?;
    let plain = PayloadCipher::none();
    let layout = &ctx.block.layout;
    let swap = layout.mode == Mode::Swap;
    let old = layout.chunks_of(state.current().len);
    let new = layout.chunks_of(state.other().len);
    let shift = u32::from(swap);
    let per_chunk = shift.wrapping_add(1);
    let total = state.differing.len().wrapping_mul(per_chunk);
    let mut copied = 0_u16;
    let mut number = 0_u32;
    for chunk in 0..layout.chunk_count() {
        let state = journal.state();
        if !state.differing.contains(chunk) {
            continue;
        }
        let here = Place {
            slot: Slot::Execution,
            chunk,
        };
        if swap && chunk < old {
            let action = Action {
                step: Step::Save,
                job: Job {
                    from: here,
                    to: Place {
                        slot,
                        chunk: saved_at(state, chunk),
                    },
                    cipher: &plain,
                },
                number,
                total,
            };
            step(ctx, journal, &action)?;
        }
        if chunk < new {
            let action = Action {
                step: Step::Install,
                job: Job {
                    from: Place {
                        slot,
                        chunk: chunk.wrapping_add(shift),
                    },
                    to: here,
                    cipher: &cipher,
                },
                number: number.wrapping_add(shift),
                total,
            };
            step(ctx, journal, &action)?;
            copied = copied.wrapping_add(1);
        }
        number = number.wrapping_add(per_chunk);
    }
    Ok((u16::try_from(total).unwrap_or(u16::MAX), copied))
}

/// One copy and its mark.
#[derive(Clone, Copy)]
pub(crate) struct Action<'a> {
    pub(crate) step: Step,
    pub(crate) job: Job<'a>,
    pub(crate) number: u32,
    pub(crate) total: u32,
}

/// Does a step unless its mark already stands.
pub(crate) fn step<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
    action: &Action<'_>,
) -> Result<(), Failure<F::Error>> {
    if action.number < u32::from(journal.state().step()) {
        return Ok(());
    }
    let number = u16::try_from(action.number).map_err(|_too_many| Failure::Copy)?;
    ctx.port.feed_watchdog();
    copy(ctx.flash, &ctx.block.layout, action.job, ctx.buf).map_err(|_failed| Failure::Copy)?;
    journal.mark(ctx.flash, number).map_err(Failure::Record)?;
    ctx.port.report(Event::Copied {
        step: action.step,
        chunk: if action.step == Step::Save {
            action.job.from.chunk
        } else {
            action.job.to.chunk
        },
        done: action.number.wrapping_add(1),
        total: action.total,
    });
    Ok(())
}
