//! Every power cut of every scenario, with the shipped bootloader and record.
//!
//! After each: a verified image boots; old or new, never mixed; a complete copy of the confirmed
//! image exists; an unconfirmed image never becomes permanent; the floor never falls; booting
//! again changes nothing; no step that is marked is done again.
// A10 A26 A27 A28 A29 A30 A33 A49 A50

use otaru_flash::Mode;
use otaru_sim::{
    Again, Case, Encryption, Explored, Plan, SCENARIOS, Scenario, Shape, Tear, explore,
};

const MODES: [Mode; 2] = [Mode::Swap, Mode::Standby];

/// Explores a case; panics with the line that repeats a failure.
fn survive(case: &Case, plan: &Plan) -> Explored {
    match explore(&case.device(), plan) {
        Ok(explored) => explored,
        Err((violation, cuts)) => {
            let cuts: Vec<String> = cuts.iter().map(ToString::to_string).collect();
            panic!(
                "{}\n  cargo xtask sim --case '{case}' --cuts '{}'",
                violation.0,
                cuts.join(",")
            );
        }
    }
}

fn case(shape: Shape, scenario: &'static Scenario, filled: u32) -> Case {
    Case {
        shape,
        scenario,
        differing: 70,
        filled,
        encryption: Encryption::None,
        seed: 1,
    }
}

fn scenarios(names: &[&str]) -> Vec<&'static Scenario> {
    let named = |name: &&str| Scenario::from_name(name).expect("it is in the list");
    names.iter().map(named).collect()
}

/// Every single cut of every scenario on these shapes, with the record filled so far before.
fn every_single_cut(shapes: &[Shape], filled: &[u32]) {
    let mut sum = Explored::default();
    for &shape in shapes {
        for scenario in SCENARIOS {
            for &filled in filled {
                let plan = Plan::every(&Tear::ALL, 1);
                sum.add(&survive(&case(shape, scenario, filled), &plan));
            }
        }
    }
    assert!(sum.states > 1000, "only {} states were tried", sum.states);
}

fn of_both_modes(change: impl Fn(Shape) -> Shape) -> Vec<Shape> {
    MODES.map(|mode| change(Shape::plain(mode, 3))).to_vec()
}

#[test]
fn every_single_cut_is_survived() {
    every_single_cut(&of_both_modes(|shape| shape), &[0]);
}

#[test]
fn every_single_cut_is_survived_wherever_the_record_changes_its_half() {
    // The shortest record there is: between these every append and mark meets the end of a half.
    for mode in MODES {
        let shape = Shape::plain(mode, 2);
        for scenario in scenarios(&["confirm", "hang"]) {
            for filled in 1..9 {
                survive(&case(shape, scenario, filled), &Plan::every(&Tear::ALL, 1));
            }
        }
    }
}

#[test]
fn every_single_cut_is_survived_with_ecc() {
    every_single_cut(&of_both_modes(|shape| Shape { ecc: true, ..shape }), &[3]);
}

#[test]
fn every_single_cut_is_survived_where_units_cannot_be_overwritten() {
    let once = |shape| Shape {
        again: Again::Refused,
        ..shape
    };
    every_single_cut(&of_both_modes(once), &[0]);
    let with_ecc = |shape| Shape {
        ecc: true,
        ..once(shape)
    };
    every_single_cut(&of_both_modes(with_ecc), &[2]);
}

#[test]
fn every_single_cut_is_survived_with_unequal_sectors() {
    let unequal = |shape| Shape {
        unequal: true,
        ..shape
    };
    every_single_cut(&of_both_modes(unequal), &[0]);
}

#[test]
fn every_single_cut_is_survived_with_units_of_every_size() {
    for (write_unit, erased) in [
        (1, 0),
        (2, 0xFF),
        (16, 0),
        (32, 0xFF),
        (256, 0),
        (512, 0xFF),
    ] {
        let sized = |shape| Shape {
            write_unit,
            erased,
            ..shape
        };
        for shape in of_both_modes(sized) {
            for scenario in scenarios(&["confirm", "hang", "replace", "heal"]) {
                survive(&case(shape, scenario, 0), &Plan::every(&Tear::ALL, 1));
            }
        }
    }
}

#[test]
fn every_single_cut_is_survived_with_encrypted_images() {
    let mut sum = Explored::default();
    for mode in MODES {
        for scenario in SCENARIOS {
            for encryption in [Encryption::All, Encryption::Odd] {
                let case = Case {
                    encryption,
                    ..case(Shape::plain(mode, 4), scenario, 0)
                };
                sum.add(&survive(&case, &Plan::every(&Tear::ALL, 1)));
            }
        }
    }
    assert!(sum.states > 1000, "only {} states were tried", sum.states);
}

/// The ways to tear that made holes visible while the protocol was worked out.
const HARD: [Tear; 5] = [
    Tear::Touched,
    Tear::Bits,
    Tear::Seen,
    Tear::Unseen,
    Tear::SeenLong,
];

fn every_pair_of_cuts(mode: Mode, names: &[&str]) {
    let mut sum = Explored::default();
    for scenario in scenarios(names) {
        let plan = Plan::every(&HARD, 2);
        sum.add(&survive(&case(Shape::plain(mode, 2), scenario, 0), &plan));
    }
    assert!(
        sum.by_depth[1] > 10_000,
        "only {} states after two cuts were tried",
        sum.by_depth[1]
    );
}

#[test]
fn every_pair_of_cuts_is_survived_by_a_swap() {
    every_pair_of_cuts(Mode::Swap, &["confirm", "refuse", "heal"]);
}

#[test]
fn every_pair_of_cuts_is_survived_by_a_swap_that_hangs() {
    every_pair_of_cuts(Mode::Swap, &["hang"]);
}

#[test]
fn every_pair_of_cuts_is_survived_in_standby() {
    every_pair_of_cuts(Mode::Standby, &["confirm", "heal"]);
}

#[test]
fn every_pair_of_cuts_is_survived_by_a_standby_that_hangs() {
    every_pair_of_cuts(Mode::Standby, &["hang"]);
}

/// Where a unit that was touched before neither may be overwritten nor is refused, two boots that see
/// nothing of each other may write to the same cell, and what they wrote may be lost later. The
/// protocol does not promise to survive that; it takes more than two cuts to do harm.
#[test]
fn every_pair_of_cuts_is_survived_even_by_parts_beyond_the_stated_limit() {
    let mut sum = Explored::default();
    for mode in MODES {
        let garbles = |shape| Shape {
            again: Again::Garbled,
            ..shape
        };
        for scenario in scenarios(&["confirm", "hang"]) {
            let case = case(garbles(Shape::plain(mode, 2)), scenario, 0);
            let tears = [Tear::Touched, Tear::Seen, Tear::Unseen];
            sum.add(&survive(&case, &Plan::every(&tears, 2)));
        }
    }
    assert_eq!(sum.limits, 0);
}

#[test]
fn sampled_triples_of_cuts_are_survived() {
    for mode in MODES {
        for scenario in scenarios(&["confirm", "hang"]) {
            let plan = Plan {
                tears: vec![
                    vec![Tear::Unseen],
                    vec![Tear::Seen, Tear::Touched],
                    Tear::ALL.to_vec(),
                ],
                sample: 400,
                seed: 5,
            };
            let explored = survive(&case(Shape::plain(mode, 2), scenario, 4), &plan);
            assert!(explored.by_depth[2] > 200, "{explored:?}");
        }
    }
}

#[test]
fn random_devices_survive_random_series_of_cuts() {
    for seed in 0..2000 {
        let (case, cuts) = Case::random(seed);
        if let Err(violation) = case.device().run(&cuts) {
            let cuts: Vec<String> = cuts.iter().map(ToString::to_string).collect();
            panic!(
                "seed {seed}: {}\n  cargo xtask sim --case '{case}' --cuts '{}'",
                violation.0,
                cuts.join(",")
            );
        }
    }
}
