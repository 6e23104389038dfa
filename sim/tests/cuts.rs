//! Power cuts at every flash operation of an update and of its revert, in both modes, with the
//! shipped bootloader and record.
//!
//! After each: a verified image boots; old or new, never mixed; a complete copy of the confirmed
//! image exists; an unconfirmed image never becomes permanent; the floor never falls; booting
//! again changes nothing; at most one chunk is copied again per resume.
// A10 A26 A27 A28 A29 A30 A33 A49 A50

use otaru_flash::Mode;
use otaru_sim::{Cut, Device, Goal, Images, Rng, Tear, geometry};

struct Case {
    mode: Mode,
    write_unit: u16,
    erased: u8,
    old_len: u32,
    new_len: u32,
    differing: u64,
}

const CASES: &[(Mode, u16, u8, u32, u32, u64)] = &[
    (Mode::Swap, 8, 0xFF, 2600, 2700, 100),
    (Mode::Swap, 4, 0xFF, 3000, 1800, 50),
    (Mode::Swap, 16, 0x00, 1700, 3000, 30),
    (Mode::Standby, 8, 0xFF, 2600, 2700, 100),
    (Mode::Standby, 4, 0xFF, 3000, 1800, 50),
    (Mode::Standby, 16, 0x00, 1700, 3000, 30),
];

fn cases() -> impl Iterator<Item = Case> {
    CASES.iter().map(
        |&(mode, write_unit, erased, old_len, new_len, differing)| Case {
            mode,
            write_unit,
            erased,
            old_len,
            new_len,
            differing,
        },
    )
}

impl Case {
    fn images(&self) -> Images {
        let layout = geometry(self.mode, 7, self.write_unit, self.erased);
        Images::new(&layout, self.old_len, self.new_len, self.differing, 1)
    }

    fn device(&self, images: &Images, goal: Goal, seed: u64) -> Device {
        let layout = geometry(self.mode, 7, self.write_unit, self.erased);
        Device::new(layout, images, goal, seed)
    }

    fn name(&self, goal: Goal) -> String {
        format!(
            "{} {goal:?} unit {} erased {:#x} {}→{} bytes",
            self.mode.name(),
            self.write_unit,
            self.erased,
            self.old_len,
            self.new_len
        )
    }
}

/// Runs with these cuts; panics with everything that is needed to repeat it.
fn check(case: &Case, images: &Images, goal: Goal, seed: u64, cuts: &[Cut]) -> Device {
    let mut device = case.device(images, goal, seed);
    if let Err(violation) = device.run(cuts) {
        panic!(
            "{}: {}; seed {seed}, cuts {cuts:?}",
            case.name(goal),
            violation.0
        );
    }
    device
}

fn every_single_cut(goal: Goal, cases: impl Iterator<Item = Case>) {
    let mut tried = 0;
    for case in cases {
        let images = case.images();
        let clean = check(&case, &images, goal, 0, &[]);
        let revert = check(&case, &images, Goal::Hang, 0, &[]);
        let factory = case.device(&images, goal, 0).flash.operations();
        let total = clean.flash.operations() - factory;
        for after in 0..total {
            for tear in Tear::ALL {
                let seeds = if tear == Tear::Bits { 2 } else { 1 };
                for seed in 0..seeds {
                    let seed = seed + 2 * after;
                    let device = check(&case, &images, goal, seed, &[Cut { after, tear }]);
                    let most = clean.boot_erases.max(revert.boot_erases) + 1;
                    assert!(
                        device.boot_erases <= most,
                        "{}: {} erases instead of at most {most}; seed {seed} cut {after} {tear:?}",
                        case.name(goal),
                        device.boot_erases
                    );
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 300, "only {tried} cuts were tried");
}

#[test]
fn every_single_cut_of_a_confirmed_update_is_survived() {
    every_single_cut(Goal::Confirm, cases());
}

#[test]
fn every_single_cut_of_a_hanging_trial_is_survived() {
    every_single_cut(Goal::Hang, cases());
}

#[test]
fn every_single_cut_of_a_refused_trial_is_survived() {
    every_single_cut(Goal::Refuse, cases().step_by(3));
}

#[test]
fn every_single_cut_of_a_cancelled_update_is_survived() {
    every_single_cut(Goal::Cancel, cases().step_by(3));
}

#[test]
fn random_series_of_cuts_are_survived() {
    for case in cases() {
        let images = case.images();
        for goal in [Goal::Confirm, Goal::Hang] {
            let total = check(&case, &images, goal, 0, &[]).flash.operations();
            for seed in 1000..1120 {
                let mut rng = Rng::new(seed);
                let count = 2 + rng.below(6);
                let cuts: Vec<Cut> = (0..count)
                    .map(|index| {
                        let range = if index == 0 { total } else { 12 };
                        let tear = Tear::ALL[rng.index(4)];
                        Cut {
                            after: rng.below(range),
                            tear,
                        }
                    })
                    .collect();
                check(&case, &images, goal, seed, &cuts);
            }
        }
    }
}

#[test]
fn install_and_revert_cost_what_the_protocol_says() {
    // Budgets of the field: swap 2·d·n + 2 and d·n, standby d·n and d·n.
    for (mode, install, both) in [(Mode::Swap, 2, 3), (Mode::Standby, 1, 2)] {
        let case = Case {
            mode,
            write_unit: 8,
            erased: 0xFF,
            old_len: 2900,
            new_len: 2900,
            differing: 100,
        };
        let images = case.images();
        let chunks = 7;
        let confirmed = check(&case, &images, Goal::Confirm, 0, &[]);
        let reverted = check(&case, &images, Goal::Hang, 0, &[]);
        assert_eq!(
            confirmed.boot_erases,
            install * chunks,
            "{}",
            case.name(Goal::Confirm)
        );
        assert_eq!(
            reverted.boot_erases,
            both * chunks,
            "{}",
            case.name(Goal::Hang)
        );
    }
}
