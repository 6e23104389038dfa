//! Update states and record areas from fuzz inputs.

use otaru_flash::{Layout, Slot, crc32};
use otaru_record::{Backup, Cause, ChunkSet, Image, Outcome, Phase, State};

use crate::input::Input;

/// Bytes of a record entry in front of its bitmap; the format page has the table.
const ENTRY_FIXED_LEN: usize = 200;

/// The first bytes of an entry, those of `0x4F54_0001`.
pub const TAG: [u8; 4] = 0x4F54_0001_u32.to_le_bytes();

const PHASES: [Phase; 9] = [
    Phase::Idle,
    Phase::Receiving,
    Phase::Parked,
    Phase::Requested,
    Phase::Installing,
    Phase::Installed,
    Phase::Trial,
    Phase::Refused,
    Phase::Reverting,
];

/// One of `all`.
fn pick<T: Copy>(all: &[T], number: u8) -> T {
    all[usize::from(number) % all.len()]
}

/// Any state, over these images. Six bytes make one; further ones are in the fields that nothing
/// is decided by.
pub fn state(input: &mut Input<'_>, images: &[Image]) -> State {
    let phase = pick(&PHASES, input.u8());
    let places = input.u8();
    let slots = [None, Some(Slot::Storage0), Some(Slot::Storage1)];
    let backups = [
        Backup::None,
        Backup::Copy(Slot::Storage0),
        Backup::Copy(Slot::Storage1),
        Backup::Permuted,
    ];
    let [current, other] = [input.u8(), input.u8()];
    let mut differing = ChunkSet::default();
    let bits = input.u8();
    for chunk in (0..8).filter(|chunk| bits >> chunk & 1 != 0) {
        differing.insert(chunk);
    }
    let flags = input.u8();
    let attempts = input.u8();
    let mut state = State::default();
    state.set_phase(phase);
    state.set_step(u16::from(input.u8()));
    state.set_steps_installed(u16::from(input.u8()));
    state.set_current(&pick(images, current));
    state.set_other(&pick(images, other));
    state.set_slot(pick(&slots, places));
    state.set_backup(pick(&backups, places >> 2));
    state.set_backup_image(&pick(images, places >> 4));
    state.set_permuted_len(u32::from(input.u16()));
    state.differing = differing;
    state.set_heals(flags & 1 != 0);
    state.set_factory_made(flags & 2 != 0);
    state.set_attempt(u64::from(flags >> 2 & 3));
    state.set_trials_used(attempts & 15);
    state.set_trials_allowed(attempts >> 4);
    state.set_floor(u32::from(flags >> 4 & 3));
    state.set_revoked(u16::from(flags >> 6));
    state.set_outcome(&Outcome {
        attempt: u64::from(input.u8() & 3),
        cause: pick(Cause::ALL, input.u8()),
        phase: pick(&PHASES, input.u8()),
        reported: flags & 128 != 0,
        cuts: input.u16(),
        chunks: input.u16(),
        millis: input.u32(),
        from: pick(images, current).name(),
        to: pick(images, other).name(),
    });
    state.set_deadline_s(input.u16());
    state.set_cuts(input.u16());
    state
}

/// Length of a cell of the record, in bytes.
pub fn cell_len(layout: &Layout) -> usize {
    let unit = usize::from(layout.write_unit).max(8);
    entry_len(layout).next_multiple_of(unit)
}

fn entry_len(layout: &Layout) -> usize {
    let chunks = layout.chunk_count() as usize;
    ENTRY_FIXED_LEN + chunks.div_ceil(64) * 8
}

/// Makes every cell of a record half that begins with an entry's tag an entry whose checksum and
/// count of zero bits are right, whatever its fields say.
pub fn repair(layout: &Layout, half: &mut [u8]) {
    let invert = !layout.erased;
    let len = entry_len(layout);
    for cell in half.chunks_exact_mut(cell_len(layout)) {
        let Some(entry) = cell.get_mut(..len) else {
            return;
        };
        if !entry
            .iter()
            .zip(TAG)
            .all(|(byte, tag)| byte ^ invert == tag)
        {
            continue;
        }
        for byte in entry.iter_mut() {
            *byte ^= invert;
        }
        for (complement, tag) in entry[4..].iter_mut().zip(TAG) {
            *complement = !tag;
        }
        let crc = crc32(&entry[..len - 8]);
        entry[len - 8..len - 4].copy_from_slice(&crc.to_le_bytes());
        let zeros: u32 = entry[..len - 4].iter().map(|byte| byte.count_zeros()).sum();
        entry[len - 4..len].copy_from_slice(&(zeros << 16).to_le_bytes());
        for byte in entry.iter_mut() {
            *byte ^= invert;
        }
    }
}
