//! Bringing the backup back into the execution slot: revert and heal (sections 3, 4 and 6).
//! Both only read the backup and only write the execution slot, so they can be repeated.

use crate::backup::{Source, chunk_of_backup};
use crate::boot::Context;
use crate::copy::{Job, Place};
use crate::decrypt::cipher_for;
use crate::install::{Action, Failure, step};
use crate::port::{Port, Step};
use otaru_flash::{Flash, Mode, Slot};
use otaru_record::{Journal, State};

/// `reverting k`: goes on at step k.
pub(crate) fn revert<F: Flash, P: Port>(
    ctx: &mut Context<'_, F, P>,
    journal: &mut Journal,
) -> Result<(), Failure<F::Error>> {
    let state = journal.state();
    let cipher = cipher_for(ctx, Source::Backup(state)).ok_or(Failure::Copy)?;
    let layout = &ctx.block.layout;
    let old = layout.chunks_of(state.backup_image().len);
    let new = layout.chunks_of(state.other().len);
    let total = if state.heals() {
        old
    } else {
        state.differing.len()
    };
    let mut next = 0_u32;
    for chunk in 0..layout.chunk_count() {
        let state = journal.state();
        if !state.heals() && !state.differing.contains(chunk) {
            continue;
        }
        let number = next;
        next = next.wrapping_add(1);
        let in_both = chunk < old && chunk < new;
        if chunk >= old || !(state.heals() || touched(state, layout.mode, number, in_both)) {
            continue;
        }
        let (slot, stored) = chunk_of_backup(state, chunk).ok_or(Failure::Copy)?;
        let from = Place {
            slot,
            chunk: stored,
        };
        let to = Place {
            slot: Slot::Execution,
            chunk,
        };
        let action = Action {
            step: Step::Restore,
            job: Job {
                from,
                to,
                cipher: &cipher,
            },
            number,
            total,
        };
        step(ctx, journal, &action)?;
    }
    Ok(())
}

/// Whether the install may have changed this differing chunk of the execution slot. In `swap` it
/// did only if its step a is marked; in `standby` the first chunk without a mark may be torn.
fn touched(state: &State, mode: Mode, index: u32, in_both: bool) -> bool {
    let installed = u32::from(state.steps_installed());
    match mode {
        Mode::Swap => in_both && index.wrapping_mul(2) < installed,
        Mode::Standby => in_both && index <= installed,
    }
}
