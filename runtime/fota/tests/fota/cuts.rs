//! Every power cut of whole updates, and every pair of them, over both kinds of layout and record.
//!
//! After each: whole images that belong together run, VM and bytecode both new or both old (B20); the
//! new ones at most once before they were accepted, whatever they do (B19, B59); never the old ones
//! again after that (B58); the record is the former or the new one, never a mix (B42); a new VM that
//! hangs costs one watchdog reset (B21); booting again changes nothing.
// B8 B19 B20 B21 B42 B58 B59 B62

use crate::world::{Behaviour, Device, Ended, Shape, Update, explore};
use otaru_sim_flash::{Again, Tear};
use otaru_slots::{Config, LayoutKind};

const fn update(vm: bool, behaviour: Behaviour) -> Update {
    Update { vm, behaviour }
}

/// Both slots in turn, and after a failure the same ones again.
const BYTECODE: &[Update] = &[
    update(false, Behaviour::Good),
    update(false, Behaviour::Silent),
    update(false, Behaviour::Good),
];
/// VM 1, then VM 0 with one that hangs, then VM 0 again, then bytecode alone.
const VM_BYTECODE: &[Update] = &[
    update(true, Behaviour::Good),
    update(true, Behaviour::Hangs),
    update(true, Behaviour::Good),
    update(false, Behaviour::Silent),
];
const ONE_GOOD: &[Update] = &[update(true, Behaviour::Good)];
const ONE_BAD: &[Update] = &[update(true, Behaviour::Hangs)];

const HOME: Config = Config { vm: 0, bytecode: 0 };
const AWAY: Config = Config { vm: 1, bytecode: 1 };

fn updates_of(kind: LayoutKind) -> &'static [Update] {
    match kind {
        LayoutKind::Bytecode => BYTECODE,
        LayoutKind::VmBytecode => VM_BYTECODE,
    }
}

const KINDS: [LayoutKind; 2] = [LayoutKind::Bytecode, LayoutKind::VmBytecode];

/// The ways to tear that made holes visible while the journal was worked out.
const HARD: &[Tear] = &[
    Tear::Touched,
    Tear::Bits,
    Tear::Seen,
    Tear::Unseen,
    Tear::SeenLong,
];

#[test]
fn updates_without_a_cut_end_as_the_programs_decide() {
    for kind in KINDS {
        for shape in [Shape::plain(kind), Shape::volatile(kind)] {
            let mut device = Device::new(shape, HOME, updates_of(kind));
            assert_eq!(device.live(), Ok(Ended::Settled));
            device.check_end().unwrap();
            let vm = if kind == LayoutKind::Bytecode { 1 } else { 3 };
            assert_eq!(
                (device.ledger.accepted, device.ledger.confirmed),
                (2, (vm, 3))
            );
        }
    }
}

fn shapes(kind: LayoutKind) -> [Shape; 6] {
    let plain = Shape::plain(kind);
    [
        plain,
        Shape {
            again: Again::Refused,
            ..plain
        },
        Shape { ecc: true, ..plain },
        Shape {
            write_unit: 1,
            erased: 0,
            ..plain
        },
        Shape {
            write_unit: 64,
            ..plain
        },
        Shape {
            write_unit: 4,
            again: Again::Refused,
            ecc: true,
            ..plain
        },
    ]
}

#[test]
fn every_single_cut_of_several_updates_is_survived() {
    for kind in KINDS {
        for shape in shapes(kind) {
            let device = Device::new(shape, HOME, updates_of(kind));
            let explored = explore(&device, &[&Tear::ALL], false);
            println!("{kind:?} {shape:?}: {explored:?}");
            assert!(explored.states[0] > 350, "{explored:?}");
        }
    }
}

/// Every pair of cuts of these updates, of a device that begins in these slots.
fn survive_pairs(kind: LayoutKind, home: Config, updates: &'static [Update]) {
    survive_pairs_torn(kind, home, updates, [&Tear::ALL, HARD]);
}

#[expect(clippy::print_stdout, reason = "how many states were tried")]
fn survive_pairs_torn(
    kind: LayoutKind,
    home: Config,
    updates: &'static [Update],
    tears: [&[Tear]; 2],
) {
    let device = Device::new(Shape::plain(kind), home, updates);
    let explored = explore(&device, &tears, false);
    println!("{kind:?} from {home:?}: {updates:?}: {explored:?}");
    assert!(explored.states[1] > 5_000, "{explored:?}");
}

#[test]
fn every_pair_of_cuts_of_bytecode_updates_is_survived() {
    survive_pairs(LayoutKind::Bytecode, HOME, BYTECODE);
}

#[test]
fn every_pair_of_cuts_of_an_update_of_vm_1_is_survived() {
    survive_pairs(LayoutKind::VmBytecode, HOME, ONE_GOOD);
    survive_pairs(LayoutKind::VmBytecode, HOME, ONE_BAD);
}

#[test]
fn every_pair_of_cuts_of_an_update_of_vm_0_is_survived() {
    survive_pairs(LayoutKind::VmBytecode, AWAY, ONE_GOOD);
    survive_pairs(LayoutKind::VmBytecode, AWAY, ONE_BAD);
}

#[test]
fn every_pair_of_cuts_of_updates_of_both_vms_in_turn_is_survived() {
    let hardest: &[Tear] = &[Tear::Touched, Tear::Unseen];
    let kind = LayoutKind::VmBytecode;
    survive_pairs_torn(kind, HOME, VM_BYTECODE, [HARD, hardest]);
}

#[test]
fn every_pair_of_resets_is_survived_with_a_record_in_memory() {
    for kind in KINDS {
        let device = Device::new(Shape::volatile(kind), HOME, updates_of(kind));
        let explored = explore(&device, &[HARD, HARD], false);
        println!("{kind:?}: {explored:?}");
        assert!(explored.states[1] > 1_000, "{explored:?}");
    }
}

#[test]
fn every_power_loss_that_erases_the_record_starts_something_whole() {
    for kind in KINDS {
        let device = Device::new(Shape::volatile(kind), HOME, updates_of(kind));
        let explored = explore(&device, &[HARD, HARD], true);
        println!("{kind:?}: {explored:?}");
        assert!(explored.states[1] > 500, "{explored:?}");
    }
}
