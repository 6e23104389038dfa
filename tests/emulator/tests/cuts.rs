//! Power cuts of the bootloader of `boards/microbit` as it is flashed, instruction by instruction.
//!
//! Whatever operation of the flash controller is cut, however it is torn: what is started is the old
//! image or the new one, bit for bit, and the device comes to rest. `OTARU_EMULATOR_CUTS` is how many
//! cuts are tried per story, or `all`; `OTARU_SEED` repeats a run.
// A24–A33, A60
#![expect(clippy::print_stdout, reason = "the seed, and what was survived")]

use std::process::Command;

use otaru_lsp_project::Mode;
use otaru_tests_emulator::{Chip, Cuts, Story, seed};

/// Cuts per story, unless the variable says otherwise.
const CUTS: u64 = 12;

fn cuts() -> Cuts {
    match std::env::var("OTARU_EMULATOR_CUTS").as_deref() {
        Ok("all") => Cuts::All,
        Ok(text) => Cuts::Some(text.parse().expect("a number, or `all`")),
        Err(_) => Cuts::Some(CUTS),
    }
}

fn survives(name: &str, story: &Story) {
    let seed = seed();
    println!("{name}: repeat with OTARU_SEED={seed}");
    let report = story.run(cuts(), seed);
    println!(
        "{name}: {} operations, {} cuts, {} boots, ended with {:?}; a word was written {} times at \
         most, after a cut {}",
        report.operations,
        report.cuts,
        report.boots,
        report.ends,
        report.most_writes,
        report.most_writes_after_cut
    );
    assert_eq!(report.failures, Vec::<String>::new(), "OTARU_SEED={seed}");
    assert!(report.cuts > 0 && report.operations > 500, "{report:?}");
}

#[test]
#[ignore = "needs unicorn"]
fn install_in_standby_survives_every_cut() {
    survives(
        "install, standby",
        &Story::install(Chip::Microbit, Mode::Standby),
    );
}

#[test]
#[ignore = "needs unicorn"]
fn install_in_swap_survives_every_cut() {
    survives("install, swap", &Story::install(Chip::Microbit, Mode::Swap));
}

#[test]
#[ignore = "needs unicorn"]
fn revert_in_standby_survives_every_cut() {
    survives(
        "revert, standby",
        &Story::revert(Chip::Microbit, Mode::Standby),
    );
}

#[test]
#[ignore = "needs unicorn"]
fn revert_in_swap_survives_every_cut() {
    survives("revert, swap", &Story::revert(Chip::Microbit, Mode::Swap));
}

/// What the emulator says about a story that ends badly.
fn failure(story: &Story) -> String {
    let report = story.run(Cuts::Some(0), 0);
    report.failures.join("; ")
}

#[test]
#[ignore = "needs unicorn"]
fn emulator_sees_what_must_not_happen() {
    let flashed = || Story::flashed(Chip::Microbit, Mode::Swap);
    assert_eq!(failure(&flashed()), "");
    assert!(failure(&flashed().damaged()).contains("nothing is started any more"));
    assert!(failure(&flashed().ends_with("new")).contains("the image old runs in the end"));
    assert!(failure(&flashed().misremembered()).contains("a mixed image is started"));
}

#[test]
#[ignore = "needs unicorn"]
fn the_emulators_flash_does_what_it_says() {
    let python = std::env::var_os("OTARU_VENV_PYTHON").expect("OTARU_VENV_PYTHON is set");
    let done = Command::new(python)
        .args([
            "-m",
            "pytest",
            "--quiet",
            "-p",
            "no:cacheprovider",
            "emulator",
        ])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("pytest runs");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && said.contains("12 passed"),
        "{said}"
    );
}
