//! The record over a flash that fails: what could not be written is not believed.
// C25, install protocol J2, J4, J7

use otaru_flash::{Area, Flash, Layout, Mode, Slot};
use otaru_record::{Cause, Geometry, HANDOVER_LEN_MAX, Image, Journal, LoadError, State};

/// A flash in memory whose programs fail in one range.
struct Ram {
    bytes: Vec<u8>,
    failing: core::ops::Range<u32>,
}

impl Flash for Ram {
    type Error = &'static str;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Self::Error> {
        let start = offset as usize;
        buf.copy_from_slice(&self.bytes[start..start + buf.len()]);
        Ok(())
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), Self::Error> {
        if self.failing.contains(&offset) {
            return Err("worn out");
        }
        for (at, byte) in (offset as usize..).zip(data) {
            self.bytes[at] &= byte;
        }
        Ok(())
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), Self::Error> {
        self.bytes[offset as usize..(offset + len) as usize].fill(0xFF);
        Ok(())
    }
}

fn layout() -> Layout {
    Layout {
        flash_len: 0x40000,
        write_unit: 8,
        erased: 0xFF,
        overwrite: true,
        mode: Mode::Standby,
        chunk_len: 4096,
        device_block: Area::new(0, 4096, 4096),
        identity: Area::new(0x1000, 8192, 4096),
        record: Area::new(0x3000, 16384, 4096),
        execution: Area::new(0x8000, 0x10000, 4096),
        storage: [
            Area::new(0x18000, 0x10000, 4096),
            Area::new(0x28000, 0x10000, 4096),
        ],
    }
}

fn state(number: u16) -> State {
    let current = Image {
        len: 1000,
        digest: [7; 32],
    };
    let mut state = State::factory(current, 1);
    state.set_step(number);
    state
}

fn created() -> (Ram, Journal) {
    let mut flash = Ram {
        bytes: vec![0xFF; 0x40000],
        failing: 0..0,
    };
    let geometry = Geometry::new(&layout()).expect("fits");
    let journal = Journal::create(&mut flash, geometry, &state(0)).expect("created");
    (flash, journal)
}

fn reloaded(flash: &mut Ram) -> Journal {
    Journal::load(flash, &layout()).expect("there is a record")
}

/// Appends until just before the half changes.
fn filled() -> (Ram, Journal, u16) {
    let (mut flash, mut journal) = created();
    let other = layout().record.halves()[1];
    for number in 1.. {
        let (mut trial_flash, mut trial) = (
            Ram {
                bytes: flash.bytes.clone(),
                failing: 0..0,
            },
            journal,
        );
        trial
            .append(&mut trial_flash, &state(number))
            .expect("appended");
        let start = other.offset as usize;
        if trial_flash.bytes[start..start + 8] != flash.bytes[start..start + 8] {
            return (flash, journal, number);
        }
        (flash, journal) = (trial_flash, trial);
    }
    unreachable!("a half has an end")
}

#[test]
fn half_that_takes_no_entry_is_not_begun() {
    let (mut flash, mut journal, next) = filled();
    let other = layout().record.halves()[1];
    flash.failing = other.offset..other.offset + other.len;
    journal
        .append(&mut flash, &state(next))
        .expect_err("the other half takes nothing");
    assert_eq!(journal.state(), &state(next - 1));
    flash.failing = 0..0;
    journal
        .append(&mut flash, &state(next + 1))
        .expect("it takes something now");
    assert_eq!(journal.state(), &state(next + 1));
    assert_eq!(reloaded(&mut flash).state(), &state(next + 1));
}

#[test]
fn cells_that_take_nothing_are_passed_over() {
    let (mut flash, mut journal) = created();
    let first = layout().record.halves()[0];
    flash.failing = first.offset + 700..first.offset + 2000;
    for number in 1..20 {
        journal
            .append(&mut flash, &state(number))
            .expect("there are other cells");
        assert_eq!(reloaded(&mut flash).state(), &state(number));
    }
}

#[test]
fn mark_that_could_not_be_made_is_not_believed() {
    let (mut flash, mut journal) = created();
    let next = state(0)
        .receiving(
            Mode::Standby,
            &otaru_record::Download {
                attempt: 1,
                image: Image {
                    len: 2000,
                    digest: [8; 32],
                },
                deadline_s: 1,
                trials: 1,
            },
        )
        .expect("idle");
    journal.append(&mut flash, &next).expect("appended");
    journal.mark(&mut flash, 0).expect("marked");
    let record = layout().record;
    flash.failing = record.offset..record.offset + record.len;
    journal.mark(&mut flash, 1).expect_err("nothing is taken");
    assert_eq!(journal.state().step(), 1);
    flash.failing = 0..0;
    assert_eq!(reloaded(&mut flash).state().step(), 1);
    journal.mark(&mut flash, 1).expect("marked now");
    assert_eq!(reloaded(&mut flash).state().step(), 2);
}

#[test]
fn storage_is_not_written_before_this_boot_has_appended() {
    let (mut flash, _) = created();
    let mut journal = reloaded(&mut flash);
    assert!(journal.permit(Slot::Storage0).is_none());
    journal.claim(&mut flash).expect("appended");
    assert!(journal.permit(Slot::Storage0).is_some());
    let sequence = journal.sequence();
    journal.claim(&mut flash).expect("nothing to do");
    assert_eq!(journal.sequence(), sequence);
}

#[test]
fn two_entries_that_two_boots_wrote_are_not_two_copies() {
    // Each boot is cut after its first copy; both saw the same state.
    let (mut flash, mut journal) = created();
    let mut confirmed = state(9);
    confirmed.set_outcome(&otaru_record::Outcome {
        attempt: 5,
        cause: Cause::Confirmed,
        ..otaru_record::Outcome::default()
    });
    journal.append(&mut flash, &confirmed).expect("appended");
    let record = layout().record;
    let cells = |flash: &Ram| {
        let bytes = &flash.bytes[record.offset as usize..][..record.len as usize / 2];
        let used = bytes
            .chunks(208)
            .rposition(|cell| cell.iter().any(|&b| b != 0xFF));
        used.map_or(0, |last| u32::try_from(last + 1).expect("few cells"))
    };
    let mut second = reloaded(&mut flash);
    let before = cells(&flash);
    second.settle(&mut flash).expect("settled");
    assert_eq!(cells(&flash), before + 4, "a gap of two and two copies");
    // The second copy is taken away, as a cut would leave it.
    let last = record.offset + (cells(&flash) - 1) * 208;
    flash.bytes[last as usize..][..208].fill(0xFF);
    let mut third = reloaded(&mut flash);
    let before = cells(&flash);
    third.settle(&mut flash).expect("settled");
    assert!(cells(&flash) > before, "the third boot has to decide anew");
}

#[test]
fn frozen_record_takes_nothing_and_is_not_handed_over() {
    let (mut flash, mut journal) = created();
    journal.freeze();
    let before = flash.bytes.clone();
    journal.append(&mut flash, &state(3)).expect_err("frozen");
    assert_eq!(flash.bytes, before);
    assert_eq!(journal.hand_over(&mut [0; 1024]), None);
}

#[test]
fn record_renewed_in_place_is_the_one_that_is_created() {
    let (created_flash, created) = created();
    let (mut flash, mut journal, _) = filled();
    flash.bytes.fill(0xFF);
    assert_eq!(journal.read(&mut flash, &layout()), Err(LoadError::Lost));
    journal.renew(&mut flash, &state(0)).expect("renewed");
    assert_eq!(journal, created);
    assert!(flash.bytes == created_flash.bytes);
}

#[test]
fn record_that_cannot_be_renewed_stands_nowhere() {
    let record = layout().record;
    let mut flash = Ram {
        bytes: vec![0xFF; 0x40000],
        failing: record.offset..record.offset + record.len,
    };
    let mut journal = Journal::blank();
    assert!(journal.is_frozen());
    assert_eq!(journal.read(&mut flash, &layout()), Err(LoadError::Lost));
    assert!(journal.renew(&mut flash, &state(5)).is_err());
    assert!(journal.is_frozen());
    assert_eq!(journal.state(), &state(5));
    assert_eq!(journal.hand_over(&mut [0; HANDOVER_LEN_MAX]), None);
    flash.failing = 0..0;
    assert!(journal.append(&mut flash, &state(6)).is_err());
    assert_eq!(
        Journal::load(&mut flash, &layout()),
        Err(LoadError::Lost),
        "nothing stands there"
    );
}
