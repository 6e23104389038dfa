//! Bytes from outside never cause a panic or unbounded work: every committed input, and every seed,
//! runs through its target without a finding.

use std::path::{Path, PathBuf};

use otaru_fuzz::{TARGETS, boot, seeds};
use otaru_record::Phase;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target)
}

#[test]
fn first_inputs_hold() {
    for target in TARGETS {
        for (name, bytes) in (target.seeds)() {
            println!("{}: {name}", target.name);
            (target.run)(&bytes);
        }
    }
}

#[test]
fn committed_seeds_are_the_generated_ones() {
    for target in TARGETS {
        for (name, bytes) in (target.seeds)() {
            let file = corpus(target.name).join(format!("seed-{name}"));
            let stored = std::fs::read(&file).unwrap_or_default();
            assert!(
                stored == bytes,
                "{} differs; docs/fuzzing.md",
                file.display()
            );
        }
    }
}

#[test]
fn committed_inputs_hold() {
    for target in TARGETS {
        let folder = corpus(target.name);
        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().flatten().collect();
        assert!(!files.is_empty(), "{} is empty", folder.display());
        for file in files {
            println!("{}", file.path().display());
            (target.run)(&std::fs::read(file.path()).unwrap());
        }
    }
}

#[test]
fn seeds_of_boot_reach_every_phase_that_the_bootloader_acts_on() {
    let seeds = seeds::boot();
    let reached: Vec<Phase> = seeds.iter().flat_map(|(_, b)| boot::phases(b)).collect();
    for phase in [
        Phase::Idle,
        Phase::Requested,
        Phase::Installing,
        Phase::Trial,
        Phase::Refused,
        Phase::Reverting,
    ] {
        assert!(reached.contains(&phase), "{phase:?} of {reached:?}");
    }
}
