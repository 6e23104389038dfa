//! The stack that the bootloaders really use, beside the bound in `docs/size.md`.
#![expect(clippy::print_stdout, reason = "the figures")]

use std::path::Path;

use otaru_lsp_project::Mode;
use otaru_tests_emulator::{Chip, Cuts, Story};

/// The bound of the bootloader that is flashed, as the page has it.
fn bound(chip: Chip) -> u64 {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/size.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let begin = format!("| {}, {} | Ed25519, small |", chip.name(), chip.target());
    let row = page.lines().find(|line| line.starts_with(&begin));
    let cells = row.expect("a row").trim_end_matches(['|', ' ']);
    let stack = cells.rsplit('|').next().expect("a cell").trim();
    stack.parse().expect("a number")
}

fn stays_below_the_bound(chip: Chip) {
    let bound = bound(chip);
    for mode in [Mode::Standby, Mode::Swap] {
        for (name, story) in [
            ("first start", Story::first_start(chip, mode)),
            ("steady start", Story::flashed(chip, mode)),
            ("install", Story::install(chip, mode)),
            ("revert", Story::revert(chip, mode)),
        ] {
            let report = story.run(Cuts::Some(0), 0);
            assert_eq!(report.failures, Vec::<String>::new(), "{name}, {mode:?}");
            let used = report.stack;
            println!("{}, {mode:?}, {name}: {used} of {bound} bytes", chip.name());
            // It was measured at all: every boot verifies at least one signature.
            assert!(used > bound / 4, "{used} of {bound} bytes");
            assert!(
                used <= bound,
                "{name}: {used} bytes of stack, and docs/size.md says {bound}"
            );
        }
    }
}

#[test]
#[ignore = "needs unicorn"]
fn stack_of_the_nrf52840_stays_below_its_bound() {
    stays_below_the_bound(Chip::Nrf52840);
}

#[test]
#[ignore = "needs unicorn"]
fn stack_of_the_microbit_stays_below_its_bound() {
    stays_below_the_bound(Chip::Microbit);
}
