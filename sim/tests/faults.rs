//! Damage outside an update: what heals, what is refused, what keeps booting, what ends in recovery
//! and stays there.
// A9 A22 A23 A26 A33

use otaru_bootloader::{Decision, Recovery, Start};
use otaru_flash::{Mode, Slot};
use otaru_record::{Cause, HANDOVER_LEN_MAX, Phase, State};
use otaru_sim::{Device, Images, Scenario, Shape};

const MODES: [Mode; 2] = [Mode::Swap, Mode::Standby];

fn device(mode: Mode, scenario: &str) -> Device {
    let shape = Shape::plain(mode, 7);
    let images = Images::new(&shape.layout(), &[2600, 2700, 2500], 60, 3);
    let scenario = Scenario::from_name(scenario).expect("it is in the list");
    Device::new(&shape, &images, scenario, 3)
}

/// A device that has confirmed an update.
fn updated(mode: Mode) -> Device {
    let mut device = device(mode, "confirm");
    device.run(&[]).expect("the update succeeds");
    assert!(device.holds(1));
    device
}

fn start(decision: Decision) -> Start {
    match decision {
        Decision::Start(start) => start,
        Decision::Recovery(reason) => panic!("recovery: {reason}"),
    }
}

fn started(decision: Decision) -> State {
    *start(decision).journal.state()
}

fn recovery(decision: Decision) -> Recovery {
    match decision {
        Decision::Start(start) => panic!("started {:?}", start.image),
        Decision::Recovery(reason) => reason,
    }
}

#[test]
fn damaged_execution_slot_is_healed_from_its_copy_in_standby() {
    let mut device = updated(Mode::Standby);
    for at in [0, 40, 700, 2700] {
        device.corrupt(Slot::Execution, at);
        let state = started(device.boot());
        assert_eq!(state.phase(), Phase::Idle);
        assert!(device.holds(1), "byte {at}");
    }
}

#[test]
fn damaged_execution_slot_is_healed_from_the_old_image_after_a_revert_in_swap() {
    let mut device = device(Mode::Swap, "hang");
    device.run(&[]).expect("the update reverts");
    assert!(device.holds(0));
    device.corrupt(Slot::Execution, 600);
    started(device.boot());
    assert!(device.holds(0));
}

#[test]
fn damaged_execution_slot_never_falls_below_the_floor_in_swap() {
    // The only backup is the old image, whose security counter is below the floor.
    let mut device = updated(Mode::Swap);
    device.corrupt(Slot::Execution, 600);
    let before = device.flash.operations();
    for _ in 0..3 {
        let reason = recovery(device.boot());
        assert_eq!(reason, Recovery::NoImage(Cause::DigestMismatch));
    }
    let after = device.flash.operations();
    assert_eq!(after, before, "recovery must not change the flash");
}

#[test]
fn lost_record_boots_the_verified_image_and_makes_a_new_one() {
    for mode in MODES {
        let mut device = updated(mode);
        device.lose_record();
        let state = started(device.boot());
        assert_eq!((state.phase(), state.floor()), (Phase::Idle, 2));
        let before = device.flash.operations();
        assert_eq!(started(device.boot()), state);
        let after = device.flash.operations();
        assert_eq!(after, before, "the new record is complete");
    }
}

#[test]
fn lost_record_and_damaged_image_end_in_recovery() {
    let mut device = device(Mode::Standby, "confirm");
    device.lose_record();
    device.corrupt(Slot::Execution, 100);
    assert!(matches!(recovery(device.boot()), Recovery::NoImage(_)));
}

#[test]
fn image_damaged_after_it_was_parked_is_not_installed() {
    for (mode, slot) in [
        (Mode::Swap, Slot::Storage0),
        (Mode::Standby, Slot::Storage1),
    ] {
        let mut device = device(mode, "confirm");
        device.run_to_request().expect("an install is requested");
        device.corrupt(slot, 900);
        let execution = device.layout().execution;
        let wear = device.flash.wear_max(execution.offset, execution.len);
        let state = started(device.boot());
        let ended = (state.phase(), state.outcome().cause);
        assert_eq!(ended, (Phase::Idle, Cause::DigestMismatch));
        assert!(device.holds(0));
        let after = device.flash.wear_max(execution.offset, execution.len);
        assert_eq!(after, wear, "nothing was installed");
    }
}

#[test]
fn parked_image_that_cannot_be_read_is_not_installed() {
    for (mode, slot) in [
        (Mode::Swap, Slot::Storage0),
        (Mode::Standby, Slot::Storage1),
    ] {
        let mut device = device(mode, "confirm");
        device.run_to_request().expect("an install is requested");
        device.make_unreadable(slot, 900, 8);
        let state = started(device.boot());
        let ended = (state.phase(), state.outcome().cause);
        assert_eq!(ended, (Phase::Idle, Cause::StorageFailed));
        assert!(device.holds(0));
    }
}

#[test]
fn without_a_whole_backup_nothing_is_installed_in_standby() {
    let mut device = device(Mode::Standby, "confirm");
    device.run_to_request().expect("an install is requested");
    device.corrupt(Slot::Storage0, 900);
    let state = started(device.boot());
    let ended = (state.phase(), state.outcome().cause);
    assert_eq!(ended, (Phase::Idle, Cause::BackupMissing));
    assert!(device.holds(0));
}

#[test]
fn storage_that_cannot_be_read_does_not_keep_the_confirmed_image_from_running() {
    for mode in MODES {
        let mut device = updated(mode);
        let layout = *device.layout();
        for slot in [Slot::Storage0, Slot::Storage1] {
            let area = layout.slot(slot);
            device.flash.make_unreadable(area.offset, area.len);
        }
        for _ in 0..3 {
            assert_eq!(started(device.boot()).phase(), Phase::Idle);
        }
        assert!(device.holds(1));
    }
}

#[test]
fn either_half_of_the_record_may_be_unreadable() {
    for mode in MODES {
        for half in 0..2 {
            let mut device = updated(mode);
            let area = device.layout().record.halves()[half];
            device.flash.make_unreadable(area.offset, area.len);
            let start = start(device.boot());
            let state = start.journal.state();
            // The image on which the device stood keeps running, whichever half is left.
            assert!(device.holds(1));
            assert!(!state.on_trial(), "half {half}: {state:?}");
        }
    }
}

#[test]
fn record_that_cannot_be_read_or_written_still_boots_the_image_without_updates() {
    for mode in MODES {
        let mut device = updated(mode);
        let area = device.layout().record;
        device.flash.make_unreadable(area.offset, area.len);
        device.flash.wear_out(area.offset, area.len);
        for _ in 0..3 {
            let start = start(device.boot());
            assert!(device.holds(1));
            let told = start.journal.hand_over(&mut [0; HANDOVER_LEN_MAX]);
            assert_eq!(told, None, "the firmware must not use this record");
        }
    }
}

#[test]
fn worn_out_record_keeps_the_confirmed_image_running_when_an_install_is_requested() {
    for mode in MODES {
        let mut device = device(mode, "confirm");
        device.run_to_request().expect("an install is requested");
        let area = device.layout().record;
        device.flash.wear_out(area.offset, area.len);
        for _ in 0..3 {
            let start = start(device.boot());
            assert!(device.holds(0));
            assert_eq!(start.journal.hand_over(&mut [0; HANDOVER_LEN_MAX]), None);
        }
    }
}

#[test]
fn worn_out_record_does_not_let_an_unconfirmed_image_run_on() {
    for mode in MODES {
        let mut device = device(mode, "hang");
        device.run_to_request().expect("an install is requested");
        let state = started(device.boot());
        assert_eq!(state.phase(), Phase::Trial);
        let area = device.layout().record;
        device.flash.wear_out(area.offset, area.len);
        device.flash.reset();
        for _ in 0..3 {
            assert_eq!(recovery(device.boot()), Recovery::RecordWrite);
        }
    }
}

#[test]
fn execution_slot_that_takes_no_program_ends_in_recovery_and_not_in_a_boot_loop() {
    let mut device = updated(Mode::Standby);
    device.corrupt(Slot::Execution, 40);
    let area = device.layout().execution;
    device.flash.wear_out(area.offset, area.len);
    for _ in 0..3 {
        assert!(matches!(recovery(device.boot()), Recovery::NoImage(_)));
    }
}

#[test]
fn chunk_that_takes_no_program_during_the_install_ends_in_the_old_image() {
    // The last chunk of the execution slot is worn out: nothing of the old image stands there, and
    // the new one is longer.
    for mode in MODES {
        let shape = Shape::plain(mode, 7);
        let images = Images::new(&shape.layout(), &[1300, 2700], 100, 3);
        let scenario = Scenario::from_name("confirm").expect("it is in the list");
        let mut device = Device::new(&shape, &images, scenario, 3);
        device.run_to_request().expect("an install is requested");
        let area = device.layout().execution;
        device.flash.wear_out(area.offset + 5 * 512, 512);
        let state = started(device.boot());
        let ended = (state.phase(), state.outcome().cause);
        assert_eq!(ended, (Phase::Idle, Cause::InstallFailed), "{mode:?}");
        assert!(device.holds(0));
    }
}

#[test]
fn unreadable_device_block_ends_in_recovery_without_touching_the_flash() {
    let mut device = updated(Mode::Standby);
    device.flash.make_unreadable(0, 512);
    let before = device.flash.operations();
    assert_eq!(recovery(device.boot()), Recovery::FlashRead);
    assert_eq!(device.flash.operations(), before);
}
