//! Multi-image: images with parts are installed all or none, whatever is cut.
//!
//! The promises are those of every other power cut (`cuts.rs`): old or new, never mixed, which with
//! parts means that firmware, radio and resources are of one set.
// A10 A26 A27 A30, with parts

use otaru_bootloader::{Decision, Start};
use otaru_flash::{Mode, Slot};
use otaru_image::inspect;
use otaru_record::{Backup, Cause, Phase};
use otaru_sim::{
    Again, Change, Damage, Device, End, Explored, Images, PARTS_CHUNKS, Plan, Scenario, Shape,
    Tear, Update, explore,
};

const MODES: [Mode; 2] = [Mode::Swap, Mode::Standby];

/// The update that a bootloader refuses.
const IMPOSSIBLE: &Scenario = &Scenario {
    name: "bad-part",
    before: &[],
    damage: Damage::None,
    updates: &[Update {
        image: 1,
        trials: 1,
        end: End::Impossible,
    }],
};

fn scenario(name: &str) -> &'static Scenario {
    Scenario::from_name(name).expect("it is in the list")
}

fn device_of(shape: &Shape, change: Change, scenario: &Scenario) -> Device {
    let images = Images::with_parts(&shape.layout(), change, 5);
    Device::new(shape, &images, scenario, 5)
}

fn device(mode: Mode, change: Change, scenario: &Scenario) -> Device {
    device_of(&Shape::plain(mode, PARTS_CHUNKS), change, scenario)
}

fn start(decision: Decision) -> Start {
    match decision {
        Decision::Start(start) => start,
        Decision::Recovery(reason) => panic!("recovery: {reason}"),
    }
}

/// Every single cut of the scenario.
fn survive(shape: &Shape, change: Change, scenario: &Scenario) -> Explored {
    let device = device_of(shape, change, scenario);
    match explore(&device, &Plan::every(&Tear::ALL, 1)) {
        Ok(explored) => explored,
        Err((violation, cuts)) => {
            let cuts: Vec<String> = cuts.iter().map(ToString::to_string).collect();
            let (shape, name) = (shape.name(), scenario.name);
            panic!(
                "{}\n  {shape} {name} {change:?}, cuts {cuts:?}",
                violation.0
            );
        }
    }
}

#[test]
fn every_cut_of_an_update_with_parts_leaves_one_set() {
    let mut sum = Explored::default();
    for mode in MODES {
        let shape = Shape::plain(mode, PARTS_CHUNKS);
        for change in [Change::Resources, Change::All, Change::Removed] {
            for name in ["confirm", "hang", "refuse", "second", "after-revert"] {
                sum.add(&survive(&shape, change, scenario(name)));
            }
        }
    }
    assert!(sum.states > 1000, "only {} states were tried", sum.states);
}

#[test]
fn every_cut_on_other_flash_leaves_one_set() {
    for mode in MODES {
        let plain = Shape::plain(mode, PARTS_CHUNKS);
        let erased = Shape {
            erased: 0,
            write_unit: 1,
            ..plain
        };
        let once = Shape {
            again: Again::Refused,
            ecc: true,
            ..plain
        };
        let large = Shape {
            chunk_len: 1024,
            unequal: true,
            ..plain
        };
        for shape in [erased, once, large] {
            for name in ["confirm", "hang"] {
                survive(&shape, Change::All, scenario(name));
            }
        }
    }
}

#[test]
fn every_cut_of_an_update_with_a_bad_part_leaves_the_old_set() {
    for mode in MODES {
        let shape = Shape::plain(mode, PARTS_CHUNKS);
        survive(&shape, Change::BadPart, IMPOSSIBLE);
        let mut device = device_of(&shape, Change::BadPart, IMPOSSIBLE);
        device.run_to_request().expect("the agent does not look");
        let state = *start(device.boot()).journal.state();
        let ended = (state.phase(), state.outcome().cause);
        assert_eq!(ended, (Phase::Idle, Cause::KeyUnknown));
        assert!(device.holds(0));
    }
}

#[test]
fn update_of_the_resources_alone_copies_only_their_chunks_and_the_one_that_names_them() {
    for mode in MODES {
        let mut device = device(mode, Change::Resources, scenario("confirm"));
        device.run(&[]).expect("the update succeeds");
        let layout = *device.layout();
        let file = device.images().sent(1).to_vec();
        let info = inspect(&mut file.as_slice(), layout.image_len_max()).expect("our own image");
        let resources = *info.parts.get(2).expect("there are resources");
        let names = info.hashed_len / layout.chunk_len;
        let first = resources.offset / layout.chunk_len;
        assert!(names < first && resources.offset.is_multiple_of(layout.chunk_len));
        let expected: Vec<u32> = std::iter::once(names)
            .chain(first..layout.chunks_of(info.len))
            .collect();
        let differing = start(device.boot()).journal.state().differing;
        assert_eq!(differing.iter().collect::<Vec<_>>(), expected, "{mode:?}");
    }
}

#[test]
fn damaged_part_in_the_execution_slot_is_healed() {
    let mut standby = device(Mode::Standby, Change::All, scenario("confirm"));
    standby.run(&[]).expect("the update succeeds");
    let len = standby.images().image(1).len;
    standby.corrupt(Slot::Execution, len - 1000);
    start(standby.boot());
    assert!(standby.holds(1));
    let mut swap = device(Mode::Swap, Change::All, scenario("hang"));
    swap.run(&[]).expect("the update reverts");
    swap.corrupt(Slot::Execution, len - 1000);
    start(swap.boot());
    assert!(swap.holds(0));
}

#[test]
fn part_that_was_damaged_while_parked_is_not_installed() {
    for (mode, slot) in [
        (Mode::Swap, Slot::Storage0),
        (Mode::Standby, Slot::Storage1),
    ] {
        let mut device = device(mode, Change::All, scenario("confirm"));
        device.run_to_request().expect("an install is requested");
        let len = device.images().image(1).len;
        device.corrupt(slot, len - 1000);
        let state = *start(device.boot()).journal.state();
        let ended = (state.phase(), state.outcome().cause);
        assert_eq!(ended, (Phase::Idle, Cause::DigestMismatch));
        assert!(device.holds(0));
    }
}

/// The bootloader then knows the length from the image alone.
#[test]
fn lost_record_is_rebuilt_with_the_parts() {
    for mode in MODES {
        let mut device = device(mode, Change::All, scenario("confirm"));
        device.run(&[]).expect("the update succeeds");
        device.lose_record();
        let state = *start(device.boot()).journal.state();
        assert_eq!(state.current(), device.images().image(1));
        // A part that is damaged is found then, too.
        device.lose_record();
        let len = device.images().image(1).len;
        device.corrupt(Slot::Execution, len - 1000);
        assert!(matches!(device.boot(), Decision::Recovery(_)));
    }
}

#[test]
fn backup_of_standby_has_the_parts() {
    let mut device = device(Mode::Standby, Change::All, scenario("second"));
    device.run(&[]).expect("the update succeeds");
    let Backup::Copy(slot) = start(device.boot()).journal.state().backup() else {
        panic!("there is a backup");
    };
    let at = device.layout().slot(slot).offset;
    assert!(device.flash.holds(at, device.images().sent(2)));
}
