//! The simulator as a program, called by `cargo xtask sim`: random seeds, every cut, the geometry of
//! your own board, the comparison with `embassy-boot`, the report.
//!
//! It adds no promise and no fault of its own: what is checked and how flash tears is in `otaru-sim`
//! and `otaru-sim-flash`. It is the only crate that knows `embassy-boot`.
#![forbid(unsafe_code)]

mod args;
mod board;
mod compare;
mod costs;
mod embassy;
mod every;
mod meter;
mod output;
mod report;
mod seeds;
mod subject;
mod tables;
mod threads;

use anyhow::{Result, bail};
use args::Args;
use clap::Parser as _;
use costs::budget;
use otaru_sim::{Cut, Damage, SCENARIOS};
use output::line;
use std::path::Path;
use std::process::ExitCode;
use subject::Subject;

fn main() -> ExitCode {
    subject::print_only_other_panics();
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    if let Some(file) = &args.report {
        return report::write(args, file);
    }
    if let Some(ending) = args.embassy {
        for text in embassy::trace(args.kind(), ending, args.cuts()) {
            line(&text);
        }
        return Ok(());
    }
    if let Some(name) = &args.case {
        return repeat(&Subject::case(name)?, args.cuts());
    }
    if let Some(file) = &args.board {
        return on_board(args, file);
    }
    if let Some(name) = &args.explore {
        let subjects = if name.is_empty() {
            every::all()
        } else {
            vec![(String::new(), Subject::case(name)?)]
        };
        every::run(&subjects, args.depth(2))?;
    }
    if let Some(count) = args.seeds {
        seeds::run(args.from, count)?;
    }
    if args.compare {
        let comparison = compare::run()?;
        for table in tables::of(&comparison) {
            line(&format!("\n## {}\n\n{}", table.title, table.markdown()));
        }
        for row in &comparison.failures {
            for example in &row.examples {
                line(&format!(
                    "{}, {}, {}: {example}",
                    row.system, row.flash, row.tears
                ));
            }
        }
        if let Some(file) = &args.json {
            output::write(file, &serde_json::to_string_pretty(&comparison)?)?;
        }
        comparison.check_ours()?;
    } else if args.budgets {
        let rows = costs::table()?.len();
        let updates = budget::check_every_filling()?;
        line(&format!(
            "our budgets hold: {rows} rows, {updates} fillings of the record"
        ));
    }
    Ok(())
}

/// Repeats one run.
fn repeat(subject: &Subject, cuts: &[Cut]) -> Result<()> {
    match subject.run(cuts) {
        Ok(device) => {
            line(&format!(
                "{}: {} of {} cuts came, {} boots, every promise was kept",
                subject.name(),
                device.cuts,
                cuts.len(),
                device.boots
            ));
            Ok(())
        }
        Err(violation) => bail!("{}: {}", subject.name(), violation.0),
    }
}

/// Every cut on a board's geometry, or the given ones.
fn on_board(args: &Args, file: &Path) -> Result<()> {
    let mut subjects = Vec::new();
    for scenario in SCENARIOS {
        // A worn chunk at the end of the slot needs images as long as the slot.
        let fits = scenario.damage != Damage::WornEnd;
        if fits && args.scenario.is_none_or(|only| only == scenario) {
            let subject = Subject::board(file, args.mode, scenario, args.image_len)?;
            subjects.push((scenario.name.to_owned(), subject));
        }
    }
    if args.cuts.is_some() {
        return subjects
            .iter()
            .try_for_each(|(_, subject)| repeat(subject, args.cuts()));
    }
    every::run(&subjects, args.depth(1)).map(drop)
}
