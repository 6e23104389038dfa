//! Target `record`: arbitrary bytes as record area, then what agent and bootloader do with it.
//!
//! Bytes: options, the planned fault, the two halves, then commands until the end.
//!
//! What has to hold: an append or a mark that succeeded is what a reload sees, with every field;
//! the first entry of a boot is written twice; the handover says the same as the record; an area that is not the record's is never written, no
//! unit is programmed twice, and each command costs a limited number of flash operations.

use otaru_flash::{Area, Layout, Slot};
use otaru_record::{Backup, Geometry, HANDOVER_LEN_MAX, Image, Journal, LoadError, Phase};

use crate::input::Input;
use crate::layouts;
use crate::ram::{Fault, RamFlash};
use crate::states;

/// Commands of one run.
const COMMANDS_MAX: u32 = 48;

/// Runs the target.
///
/// # Panics
/// If something does not hold: that is a finding.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let options = input.u8();
    let layout = layouts::choose(options & 3);
    let fault = Fault {
        after: u32::from(input.u8()),
        count: u32::from(options >> 2 & 7),
        half: options & 32 != 0,
    };
    let mut flash = RamFlash::new(&layout);
    flash.allow(&[layout.record]);
    for half in layout.record.halves() {
        fill(&mut flash, &layout, &half, &mut input);
    }
    flash.plan(fault);
    let Some((journal, settled)) = begin(&mut flash, &layout, &mut input) else {
        return;
    };
    let mut life = Life {
        flash,
        layout,
        journal,
        settled,
        known: true,
    };
    for _ in 0..COMMANDS_MAX {
        if input.is_empty() {
            break;
        }
        life.command(&mut input);
    }
}

/// Fills cells with what the input says: nothing, marks, entries that are right, or anything.
fn fill(flash: &mut RamFlash, layout: &Layout, half: &Area, input: &mut Input<'_>) {
    let cell_len = states::cell_len(layout);
    let count = usize::from(input.u8() % 32);
    let invert = !layout.erased;
    flash.change(half, |bytes| {
        for cell in bytes.chunks_exact_mut(cell_len).take(count) {
            let kind = input.u8();
            let given = input.bytes(usize::from(kind >> 2));
            match kind & 3 {
                0 => {}
                1 => {
                    for (unit, step) in cell
                        .chunks_mut(usize::from(layout.write_unit).max(8))
                        .zip(given)
                    {
                        let word = 0xA500_0000 | u64::from(*step);
                        let mark = (word | (!word << 32)).to_le_bytes();
                        unit.fill(0xFF);
                        unit[..8].copy_from_slice(&mark);
                        for byte in unit.iter_mut() {
                            *byte ^= invert;
                        }
                    }
                }
                2 => {
                    // A few fields of an entry that is otherwise `idle`; the rest is repaired.
                    cell[..cell_len].fill(invert);
                    for (byte, tag) in cell.iter_mut().zip(states::TAG) {
                        *byte = tag ^ invert;
                    }
                    for (at, byte) in [(16, 1), (17, 0xFF), (18, 0xFF), (166, 1)] {
                        cell[at] = byte ^ invert;
                    }
                    for (at, byte) in given.chunks_exact(2).map(|edit| (edit[0], edit[1])) {
                        cell[usize::from(at) % cell_len.min(208)] = byte ^ invert;
                    }
                }
                _ => cell[..given.len()].copy_from_slice(given),
            }
        }
        states::repair(layout, bytes);
    });
}

/// Loads the record, or makes one where none is left; whether it did.
fn begin(flash: &mut RamFlash, layout: &Layout, input: &mut Input<'_>) -> Option<(Journal, bool)> {
    flash.limit(limit(layout));
    match Journal::load(flash, layout) {
        Ok(journal) => Some((journal, false)),
        Err(LoadError::Lost) => {
            let geometry = Geometry::new(layout).expect("every layout holds a record");
            let state = states::state(input, &images());
            flash.limit(limit(layout));
            let journal = Journal::create(flash, geometry, &state).ok()?;
            Some((journal, true))
        }
        Err(LoadError::Layout(error)) => panic!("every layout holds a record: {error}"),
    }
}

fn images() -> [Image; 4] {
    [0, 1, 2, 3].map(|number: u8| Image {
        len: u32::from(number) * 1000,
        digest: [number; 32],
    })
}

/// Flash operations that one command, or one look at the record, may cost: three readings of
/// every unit, the change of half, and three tries of each of three entries.
fn limit(layout: &Layout) -> u64 {
    let unit = u64::from(layout.write_unit.max(8));
    u64::from(layout.record.len) / unit * 3 + 100
}

/// A device between two resets, seen from outside.
struct Life {
    flash: RamFlash,
    layout: Layout,
    journal: Journal,
    /// Whether the last write succeeded, so that the record must say what the journal says.
    known: bool,
    /// Whether this boot has appended.
    settled: bool,
}

impl Life {
    fn command(&mut self, input: &mut Input<'_>) {
        self.flash.limit(limit(&self.layout));
        let kind = input.u8();
        let before = *self.journal.state();
        let sequence = self.journal.sequence();
        let (written, expected) = match kind % 8 {
            0 | 1 => {
                let next = states::state(input, &images());
                let written = if kind & 8 == 0 {
                    self.journal.append(&mut self.flash, &next)
                } else {
                    self.journal.append_twice(&mut self.flash, &next)
                };
                (written, next)
            }
            2 | 3 => {
                let step = u16::from(input.u8());
                let mut next = before;
                next.set_step(step + 1);
                (self.journal.mark(&mut self.flash, step), next)
            }
            4 => (self.journal.settle(&mut self.flash), before),
            5 => return self.hand_over(input),
            6 => return self.permit(),
            _ => return self.reset(),
        };
        self.known = written.is_ok();
        if self.known {
            assert_eq!(*self.journal.state(), expected);
            // Decide, append, act: the first entry of a boot is written twice.
            let entries = self.journal.sequence().wrapping_sub(sequence);
            assert!(self.settled || entries != 1, "one entry decides");
            self.settled |= entries > 0;
            self.check();
        } else {
            // It still says what it said before, and the next append decides anew.
            assert_eq!(*self.journal.state(), before);
            self.settled = false;
        }
    }

    /// A look from outside finds what the journal says.
    fn check(&mut self) {
        let seen = self.load().expect("there is a record");
        assert_eq!(seen.state(), self.journal.state());
        assert_eq!(seen.sequence(), self.journal.sequence());
    }

    fn load(&mut self) -> Result<Journal, LoadError> {
        self.flash.limit(limit(&self.layout));
        let journal = Journal::load(&mut self.flash, &self.layout)?;
        self.flash.limit(limit(&self.layout));
        let mut newest = None;
        journal.for_each_entry(&mut self.flash, |sequence, _| newest = Some(sequence));
        assert_eq!(newest, Some(journal.sequence()));
        Ok(journal)
    }

    fn reset(&mut self) {
        let before = *self.journal.state();
        if let Ok(journal) = self.load() {
            self.journal = journal;
            self.settled = false;
            assert!(!self.known || before == *journal.state());
            self.known = true;
        } else {
            // The record can only be lost by a write that failed.
            assert!(!self.known, "the record is lost");
        }
    }

    /// The firmware takes the record over, from the block as it was made or with edits.
    fn hand_over(&mut self, input: &mut Input<'_>) {
        let mut block = [0; HANDOVER_LEN_MAX];
        let len = self.journal.hand_over(&mut block);
        let len = len.expect("the buffer is long enough");
        let mut edited = block;
        input.edit(&mut edited[..len]);
        let taken = Journal::take_over(&self.layout, &edited);
        if edited == block {
            let taken = taken.expect("it was just written");
            assert_eq!(taken.state(), self.journal.state());
            assert_eq!(taken.sequence(), self.journal.sequence());
            self.journal = taken;
        } else {
            assert!(taken.is_err(), "a changed handover was taken");
        }
    }

    fn permit(&self) {
        let state = self.journal.state();
        assert!(self.journal.permit(Slot::Execution).is_none());
        for slot in [Slot::Storage0, Slot::Storage1] {
            if let Some(permit) = self.journal.permit(slot) {
                assert_eq!(permit.slot(), slot);
                assert_ne!(
                    state.backup(),
                    Backup::Copy(slot),
                    "the backup may be written"
                );
                assert!(matches!(state.phase(), Phase::Idle | Phase::Receiving));
            }
        }
    }
}
