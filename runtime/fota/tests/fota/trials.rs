//! Trials: what the agent sees of them, what a failed one leaves, and what is started when something
//! is damaged.
// B19 B21 B37 B59

use crate::world::{Behaviour, Device, Shape, Update, fill, image};
use otaru_record::Cause;
use otaru_runtime_fota::{ConfirmError, Fota, FotaError, SlotRequest, Trial, Vote};
use otaru_slots::{
    Config, FirstCode, LayoutKind, ResetCause, Run, SLOT_HANDOVER_LEN_MAX, SlotKind, SlotName,
    first_code, keep_control, take_over,
};

const HOME: Config = Config { vm: 0, bytecode: 0 };
const AWAY: Config = Config { vm: 1, bytecode: 1 };
const BOTH: SlotRequest = SlotRequest { bytecode: 1, vm: 1 };
const ATTEMPT: u64 = 4711;

/// A device with an update of VM and bytecode that waits for its restart.
fn armed(attempt: u64) -> Device {
    let mut device = Device::new(Shape::plain(LayoutKind::VmBytecode), HOME, &[]);
    device.session(|fota| {
        let (bytecode, vm) = (
            fota.find_bytecode_slot().unwrap(),
            fota.find_vm_slot().unwrap(),
        );
        fill(fota, bytecode, image(SlotKind::Bytecode, 2)).unwrap();
        fill(fota, vm, image(SlotKind::Vm, 2)).unwrap();
        fota.attempt_for(BOTH, attempt).unwrap();
    });
    device.reset(ResetCause::Plain);
    device
}

#[test]
fn the_program_votes_and_the_agent_confirms() {
    let mut device = armed(ATTEMPT);
    device.session(|fota| {
        assert_eq!(
            (fota.on_trial(), fota.vote()),
            (Some(ATTEMPT), Vote::Waiting)
        );
        assert_eq!(fota.confirm(ATTEMPT), Err(ConfirmError::NoVote));
        let operations = fota.flash().operations();
        fota.accept().unwrap();
        // A vote is no confirm: the manager has not answered yet.
        assert_eq!(fota.flash().operations(), operations);
        assert_eq!(fota.vote(), Vote::Healthy);
        assert!(!fota.get_record().unwrap().is_healthy());
        assert_eq!(fota.confirm(ATTEMPT + 1), Err(ConfirmError::NotOnTrial));
        fota.confirm(ATTEMPT).unwrap();
        assert!(fota.get_record().unwrap().is_healthy());
        assert_eq!(fota.vote(), Vote::NotAsked);
        let outcome = fota.outcome().unwrap();
        assert_eq!(
            (outcome.attempt, outcome.cause),
            (ATTEMPT, Cause::Confirmed)
        );
        assert_eq!((outcome.config, outcome.images), (AWAY, [[2; 8], [2; 8]]));
        fota.reported().unwrap();
        assert_eq!(fota.outcome(), None);
    });
    device.reset(ResetCause::Plain);
    let run = device.session(|fota| fota.run());
    assert_eq!((run.config, run.trial), (AWAY, false));
}

#[test]
fn a_vote_alone_does_not_survive_a_restart() {
    let mut device = armed(ATTEMPT);
    device.session(|fota| fota.accept().unwrap());
    device.reset(ResetCause::Plain);
    assert_eq!(device.session(|fota| fota.run().config), HOME);
}

#[test]
fn a_trial_by_hand_is_not_the_agents() {
    let mut device = armed(0);
    device.session(|fota| {
        assert_eq!((fota.on_trial(), fota.vote()), (None, Vote::NotAsked));
        assert_eq!(fota.confirm(0), Err(ConfirmError::NotOnTrial));
        fota.accept().unwrap();
        assert!(fota.get_record().unwrap().is_healthy());
        assert_eq!(fota.outcome(), None);
    });
}

#[test]
fn a_refusal_keeps_its_reason_through_the_reset() {
    let mut device = armed(ATTEMPT);
    device.session(|fota| {
        let other = fota.refuse(1, Cause::Unhealthy);
        assert_eq!(other, Err(ConfirmError::NotOnTrial));
        fota.refuse(ATTEMPT, Cause::Unhealthy).unwrap();
    });
    device.reset(ResetCause::Plain);
    device.session(|fota| {
        assert_eq!(fota.run().config, HOME);
        assert_eq!(fota.outcome().unwrap().cause, Cause::Unhealthy);
    });
}

#[test]
fn a_trial_that_ends_in_a_reset_says_in_which() {
    // B19 B59: the program of the trial does nothing at all
    for (reset, cause) in [
        (ResetCause::Plain, Cause::TrialReset),
        (ResetCause::Watchdog, Cause::TrialWatchdog),
        (ResetCause::Crash, Cause::TrialCrash),
    ] {
        let mut device = armed(ATTEMPT);
        let mut handover = [0; SLOT_HANDOVER_LEN_MAX];
        let expected = Run {
            config: AWAY,
            trial: true,
        };
        // B21: the last working VM is started; the candidate is what is to run.
        assert_eq!(device.boot(&mut handover), Some((0, expected)));
        device.reset(reset);
        device.session(|fota| {
            assert_eq!(
                fota.run(),
                Run {
                    config: HOME,
                    trial: false
                }
            );
            assert_eq!(fota.outcome().unwrap().cause, cause);
        });
    }
}

#[test]
fn a_new_vm_that_hangs_costs_one_watchdog_reset() {
    // B21
    const UPDATES: &[Update] = &[Update {
        vm: true,
        behaviour: Behaviour::Hangs,
    }];
    for home in [HOME, AWAY] {
        let mut device = Device::new(Shape::plain(LayoutKind::VmBytecode), home, UPDATES);
        device.live().unwrap();
        // The boot that updates, the one that hangs, the one that is back.
        assert_eq!(device.boots(), 3);
        assert_eq!(device.ledger.confirmed, (1, 1));
    }
}

#[test]
fn a_vm_that_cannot_pass_control_on_keeps_it() {
    // B21
    let mut device = armed(ATTEMPT);
    let mut handover = [0; SLOT_HANDOVER_LEN_MAX];
    let (vm, _) = device.boot(&mut handover).unwrap();
    let taken = take_over(&device.layout, &mut device.memory, &handover).unwrap();
    let FirstCode::PassOn(1, taken) = first_code(vm, taken) else {
        panic!("VM 0 does not pass control on");
    };
    let taken = keep_control(&mut device.flash, taken, Cause::InstallFailed);
    assert_eq!(
        taken.run,
        Run {
            config: HOME,
            trial: false
        }
    );
    let outcome = taken.record.unwrap().state().unwrap().outcome;
    assert_eq!(
        (outcome.attempt, outcome.cause),
        (ATTEMPT, Cause::InstallFailed)
    );
}

#[test]
fn an_armed_image_that_is_damaged_is_not_tried() {
    // B20: the VM is whole, the bytecode is not: neither changes
    let mut device = armed(ATTEMPT);
    device
        .flash
        .corrupt(device.layout.bytecode[1].offset + 20, 1);
    device.session(|fota| {
        assert_eq!(
            fota.run(),
            Run {
                config: HOME,
                trial: false
            }
        );
        assert_eq!(fota.outcome().unwrap().cause, Cause::DigestMismatch);
    });
}

#[test]
fn a_damaged_working_slot_gives_way_to_the_one_that_worked_before() {
    let mut device = armed(0);
    device.session(|fota| fota.accept().unwrap());
    device.reset(ResetCause::Plain);
    device.flash.corrupt(device.layout.vm[1].offset + 20, 1);
    let run = device.session(|fota| fota.run());
    // The first in the order whose images were accepted and are whole.
    assert_eq!((run.config, run.trial), (HOME, false));
}

#[test]
fn a_slot_that_was_never_accepted_is_no_way_out() {
    let mut device = armed(ATTEMPT);
    device.session(|_| ());
    device.reset(ResetCause::Watchdog);
    device.session(|_| ());
    for slot in HOME.slots() {
        let offset = device.layout.slot(slot).unwrap().offset;
        device.flash.corrupt(offset + 20, 1);
    }
    device.reset(ResetCause::Plain);
    assert_eq!(device.boot(&mut [0; SLOT_HANDOVER_LEN_MAX]), None);
}

#[test]
fn what_was_only_assumed_gives_way_when_it_crashes() {
    // B8
    let mut device = Device::new(Shape::volatile(LayoutKind::VmBytecode), HOME, &[]);
    for slot in AWAY.slots() {
        let area = *device.layout.slot(slot).unwrap();
        area.program(&mut device.flash, 0, image(slot.kind, 2))
            .unwrap();
    }
    device.power_on(true);
    let run = |device: &mut Device| device.session(|fota| fota.run().config);
    assert_eq!(run(&mut device), HOME);
    device.reset(ResetCause::Plain);
    assert_eq!(run(&mut device), HOME);
    device.reset(ResetCause::Crash);
    device.session(|fota| {
        assert_eq!(fota.run().config, AWAY);
        fota.accept().unwrap();
    });
    device.reset(ResetCause::Crash);
    assert_eq!(run(&mut device), AWAY);
}

#[test]
fn an_accept_raises_the_floors() {
    let mut device = Device::new(Shape::plain(LayoutKind::Bytecode), HOME, &[]);
    device.session(|fota| {
        let address = fota.find_bytecode_slot().unwrap();
        fill(fota, address, image(SlotKind::Bytecode, 3)).unwrap();
        let wanted = SlotRequest { bytecode: 1, vm: 0 };
        fota.attempt(wanted).unwrap();
    });
    device.reset(ResetCause::Plain);
    device.session(|fota| {
        assert_eq!(fota.state().unwrap().floors, [0, 0]);
        fota.accept().unwrap();
        assert_eq!(fota.state().unwrap().floors, [0, 1]);
        let address = fota.find_bytecode_slot().unwrap();
        let refused = fill(fota, address, image(SlotKind::Bytecode, 2));
        assert_eq!(refused, Err(FotaError::BadImage));
    });
}

#[test]
fn a_vm_that_was_not_started_by_the_first_stage_gets_no_record() {
    let mut device = armed(0);
    let mut handover = [0; SLOT_HANDOVER_LEN_MAX];
    device.boot(&mut handover).unwrap();
    for at in 0..12 {
        let mut damaged = handover;
        damaged[at] ^= 1;
        let taken = take_over(&device.layout, &mut device.memory, &damaged);
        assert!(taken.is_err(), "byte {at}");
    }
    let mut damaged = handover;
    damaged[40] ^= 1;
    let taken = take_over(&device.layout, &mut device.memory, &damaged).unwrap();
    assert!(taken.record.is_none());
    assert!(
        device
            .layout
            .slot(SlotName::vm(taken.run.config.vm))
            .is_some()
    );
}
