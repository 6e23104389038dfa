//! Damage outside an update: what heals, what is refused, what ends in recovery.
// A9 A22 A23 A26 A33

use otaru_bootloader::{Decision, Recovery};
use otaru_flash::{Mode, Slot};
use otaru_record::{Cause, Phase};
use otaru_sim::{Device, Goal, Images, geometry};

fn device(mode: Mode, goal: Goal) -> Device {
    let layout = geometry(mode, 7, 8, 0xFF);
    let images = Images::new(&layout, 2600, 2700, 60, 3);
    Device::new(layout, &images, goal, 3)
}

fn started(decision: Decision) -> otaru_record::State {
    match decision {
        Decision::Start(start) => *start.journal.state(),
        Decision::Recovery(reason) => panic!("recovery: {reason}"),
    }
}

#[test]
fn damaged_execution_slot_is_healed_from_its_copy_in_standby() {
    let mut device = device(Mode::Standby, Goal::Confirm);
    device.run(&[]).expect("the update succeeds");
    assert!(device.holds_new());
    for at in [0, 40, 700, 2700] {
        device.corrupt(Slot::Execution, at);
        let state = started(device.boot());
        assert_eq!(state.phase, Phase::Idle);
        assert!(device.holds_new(), "byte {at}");
    }
}

#[test]
fn damaged_execution_slot_is_healed_from_the_old_image_after_a_revert_in_swap() {
    let mut device = device(Mode::Swap, Goal::Hang);
    device.run(&[]).expect("the update reverts");
    assert!(device.holds_old());
    device.corrupt(Slot::Execution, 600);
    started(device.boot());
    assert!(device.holds_old());
}

#[test]
fn damaged_execution_slot_never_falls_below_the_floor_in_swap() {
    // The only backup is the old image, whose security counter is below the floor.
    let mut device = device(Mode::Swap, Goal::Confirm);
    device.run(&[]).expect("the update succeeds");
    device.corrupt(Slot::Execution, 600);
    let before = device.flash.operations();
    for _ in 0..3 {
        match device.boot() {
            Decision::Recovery(Recovery::NoImage(cause)) => {
                assert_eq!(cause, Cause::DigestMismatch);
            }
            Decision::Start(start) => panic!("started {:?}", start.image),
            Decision::Recovery(reason) => panic!("{reason}"),
        }
    }
    assert_eq!(
        device.flash.operations(),
        before,
        "recovery must not change the flash"
    );
}

#[test]
fn lost_record_boots_the_verified_image_and_makes_a_new_one() {
    for mode in [Mode::Swap, Mode::Standby] {
        let mut device = device(mode, Goal::Confirm);
        device.run(&[]).expect("the update succeeds");
        device.lose_record();
        let state = started(device.boot());
        assert_eq!((state.phase, state.floor), (Phase::Idle, 2));
        let before = device.flash.operations();
        assert_eq!(started(device.boot()), state);
        assert_eq!(
            device.flash.operations(),
            before,
            "the new record is complete"
        );
    }
}

#[test]
fn lost_record_and_damaged_image_end_in_recovery() {
    let mut device = device(Mode::Standby, Goal::Confirm);
    device.lose_record();
    device.corrupt(Slot::Execution, 100);
    assert!(matches!(
        device.boot(),
        Decision::Recovery(Recovery::NoImage(_))
    ));
}

#[test]
fn image_damaged_after_it_was_parked_is_not_installed() {
    for (mode, slot) in [
        (Mode::Swap, Slot::Storage0),
        (Mode::Standby, Slot::Storage1),
    ] {
        let mut device = device(mode, Goal::Confirm);
        device.run_to_request().expect("an install is requested");
        device.corrupt(slot, 900);
        let erases = device.flash.image_erases();
        let state = started(device.boot());
        assert_eq!(
            (state.phase, state.outcome.cause),
            (Phase::Idle, Cause::DigestMismatch)
        );
        assert!(device.holds_old());
        assert_eq!(device.flash.image_erases(), erases, "nothing was installed");
    }
}

#[test]
fn without_a_whole_backup_nothing_is_installed_in_standby() {
    let mut device = device(Mode::Standby, Goal::Confirm);
    device.run_to_request().expect("an install is requested");
    device.corrupt(Slot::Storage0, 900);
    let state = started(device.boot());
    assert_eq!(
        (state.phase, state.outcome.cause),
        (Phase::Idle, Cause::BackupMissing)
    );
    assert!(device.holds_old());
}
