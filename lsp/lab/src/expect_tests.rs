// The reset table of docs/formats/install-protocol.md, section 2, as expectations.
use super::*;
use otaru_flash::{Area, Layout, Slot};
use otaru_record::Image;

fn image(byte: u8) -> Image {
    Image {
        len: 1000,
        digest: [byte; 32],
    }
}

pub(crate) fn at(phase: Phase) -> Look {
    let area = Area::new(0, 0x1000, 0x1000);
    let layout = Layout {
        flash_len: 0x1_0000,
        write_unit: 8,
        erased: 0xFF,
        overwrite: true,
        mode: Mode::Standby,
        chunk_len: 0x1000,
        device_block: area,
        identity: area,
        record: area,
        execution: area,
        storage: [area; 2],
    };
    let mut state = State::default();
    state.set_phase(phase);
    state.set_current(&image(1));
    state.set_other(&image(2));
    state.set_slot(Some(Slot::Storage1));
    state.set_backup(Backup::Copy(Slot::Storage0));
    state.set_backup_image(&image(1));
    state.set_attempt(7);
    state.set_trials_used(1);
    state.set_trials_allowed(1);
    Look {
        layout,
        record: Ok(state),
        execution: Some(Ok("01".repeat(32))),
        version: Some("1.0.0".to_owned()),
    }
}

fn with(phase: Phase, change: impl FnOnce(&mut State)) -> Look {
    let mut look = at(phase);
    change(look.record.as_mut().expect("a record"));
    look
}

fn ending(fault: Fault, look: &Look) -> Ending {
    expect(fault, look).expect("it makes sense").ending
}

#[test]
fn a_reset_ends_as_the_phase_says() {
    for (phase, wanted) in [
        (Phase::Idle, Ending::Unchanged),
        (Phase::Receiving, Ending::Ended(&[Cause::Interrupted])),
        (Phase::Parked, Ending::Either),
        (Phase::Requested, Ending::Installed),
        (Phase::Installing, Ending::Installed),
        (Phase::Installed, Ending::Installed),
        (Phase::Trial, Ending::Ended(&[Cause::TrialReset])),
        (Phase::Refused, Ending::Ended(GIVEN_UP)),
        (Phase::Reverting, Ending::Ended(GIVEN_UP)),
    ] {
        for fault in [Fault::Reset, Fault::PowerCut] {
            assert_eq!(ending(fault, &at(phase)), wanted, "{phase:?}");
        }
    }
    let second_chance = with(Phase::Trial, |state| state.set_trials_allowed(2));
    assert_eq!(ending(Fault::Reset, &second_chance), Ending::Either);
    let healing = with(Phase::Reverting, |state| state.set_heals(true));
    assert_eq!(ending(Fault::Reset, &healing), Ending::Restored);
}

#[test]
fn damage_is_repaired_only_from_a_backup_of_the_same_image() {
    assert_eq!(
        ending(Fault::CorruptRunning, &at(Phase::Idle)),
        Ending::Restored
    );
    let none = with(Phase::Idle, |state| state.set_backup(Backup::None));
    assert_eq!(ending(Fault::CorruptRunning, &none), Ending::Recovery);
    assert!(expect(Fault::CorruptRunning, &at(Phase::Trial)).is_err());
}

#[test]
fn flash_that_holds_nothing_free_is_not_filled() {
    assert_eq!(
        ending(Fault::FillFlash, &at(Phase::Idle)),
        Ending::Unchanged
    );
    assert!(expect(Fault::FillFlash, &at(Phase::Receiving)).is_err());
    let mut swap = at(Phase::Idle);
    swap.layout.mode = Mode::Swap;
    assert!(expect(Fault::FillFlash, &swap).is_err());
}

#[test]
fn without_a_record_nothing_is_promised() {
    let mut lost = at(Phase::Idle);
    lost.record = Err("the record is lost".to_owned());
    for fault in Fault::ALL {
        assert!(expect(fault, &lost).is_err());
    }
}
