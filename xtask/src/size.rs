//! `cargo xtask size`: how much flash, RAM and stack the bootloader takes, beside what
//! `docs/size.md` says and what it may take at most; and that no panic can be reached in it.
//!
//! What is measured is the program that is flashed, with drivers, vector table and start-up code.
//! Nothing is run. Every run measures the main configurations of every target; `--all` the others, too.

mod configurations;
mod elf;
mod stack;
mod table;

use anyhow::{Context, Result, bail};

use crate::firmware::Bootloader;
use crate::report::{self, Outcome};
use crate::{setup, workspace};
use configurations::Configuration;
use table::Row;

const PAGE: &str = "docs/size.md";

/// What it is meant to become; `docs/size.md` says what is missing. Then it replaces the limit above.
const FLASH_GOAL: u64 = 16 << 10;
/// Most bytes of static RAM beside the copy buffer.
const RAM_MAX: u64 = 1 << 10;
/// The copy buffer of the boards of one vendor, in bytes (`boards/nrf/src/lib.rs`). The limit on RAM is
/// for them.
const BUFFER_LEN: u64 = 512;
/// A figure may grow by this part of itself before somebody has to accept it.
const GROWTH_PERCENT: u64 = 2;

/// The command `size [--all] [--accept]`: sets up what is missing, then measures.
///
/// # Errors
/// If a bootloader does not build, has grown, is too large, or can panic.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let (mut all, mut accept) = (false, false);
    for arg in args {
        match *arg {
            "--all" => all = true,
            "--accept" => accept = true,
            _ => bail!("usage: cargo xtask size [--all] [--accept]"),
        }
    }
    setup::firmware_only()?;
    without_panic()?;
    let measured = measure(all)?;
    let rows = rows(&measured);
    report::line(&table::markdown(&rows));
    if accept {
        let page = workspace::root().join(PAGE);
        table::write(&page, &in_order(&rows, &table::read(&page)?)?)?;
        report::line(&format!("    written to {PAGE}"));
    } else {
        compare(&rows)?;
    }
    within_limits(&measured)
}

/// The check itself, with everything in place.
///
/// # Errors
/// As for [`run`].
pub(crate) fn check_installed() -> Result<Outcome> {
    without_panic()?;
    let measured = measure(false)?;
    let rows = rows(&measured);
    report::line(&table::markdown(&rows));
    compare(&rows)?;
    within_limits(&measured)?;
    let flash = rows.iter().map(|row| row.flash.to_string());
    Ok(Outcome::Done(format!(
        "{} bytes",
        flash.collect::<Vec<_>>().join(", ")
    )))
}

type Measured = (&'static Configuration, Row);

fn rows(measured: &[Measured]) -> Vec<Row> {
    measured.iter().map(|(_, row)| row.clone()).collect()
}

fn measure(all: bool) -> Result<Vec<Measured>> {
    configurations::ALL
        .iter()
        .filter(|configuration| all || configuration.always)
        .map(|configuration| Ok((configuration, measure_one(configuration)?)))
        .collect()
}

/// The rows of the page: those that were measured now, and those of before that were not.
fn in_order(measured: &[Row], before: &[Row]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for configuration in configurations::ALL {
        let wanted = unmeasured(configuration)?;
        let find = |rows: &[Row]| rows.iter().find(|row| row.is_of(&wanted)).cloned();
        rows.extend(find(measured).or_else(|| find(before)));
    }
    Ok(rows)
}

fn unmeasured(configuration: &Configuration) -> Result<Row> {
    let target = Bootloader::of(configuration.board)?.target();
    Ok(Row {
        target: format!("{}, {target}", configuration.board),
        name: configuration.name.to_owned(),
        flash: 0,
        data: 0,
        bss: 0,
        stack: None,
    })
}

fn measure_one(configuration: &Configuration) -> Result<Row> {
    let bootloader = || {
        Ok::<_, anyhow::Error>(
            Bootloader::of(configuration.board)?.features(configuration.features),
        )
    };
    let bytes = std::fs::read(bootloader()?.build()?).context("the bootloader cannot be read")?;
    let sizes = elf::sizes(&bytes)?;
    let mut row = unmeasured(configuration)?;
    (row.flash, row.data, row.bss) = (sizes.flash, sizes.data, sizes.bss);
    if configuration.stack {
        let program = bootloader()?.with_stack_sizes().build()?;
        let bytes = std::fs::read(program).context("the bootloader cannot be read")?;
        let deepest = stack::deepest(&bytes)
            .with_context(|| format!("stack of `{}` of {}", row.name, row.target))?;
        row.stack = Some(deepest);
    }
    Ok(row)
}

/// Links with a panic handler that calls a function that does not exist.
fn without_panic() -> Result<()> {
    for (board, name, features) in configurations::WITHOUT_PANIC {
        Bootloader::of(board)?
            .features(features)
            .build()
            .with_context(|| {
                format!(
                    "`{name}` does not link without a panic: find who calls `core::panicking` in \
                     the bootloader of boards/{board} and return an error there"
                )
            })?;
        report::line(&format!("    {board}, {name}: no panic can be reached"));
    }
    Ok(())
}

fn compare(rows: &[Row]) -> Result<()> {
    let known = table::read(&workspace::root().join(PAGE))?;
    let mut grown = Vec::new();
    for row in rows {
        let Some(before) = known.iter().find(|before| before.is_of(row)) else {
            bail!(
                "{PAGE} has no figures for `{}` of {}: cargo xtask size --accept",
                row.name,
                row.target
            );
        };
        grown.extend(growth(before, row));
    }
    if !grown.is_empty() {
        bail!(
            "grown by more than {GROWTH_PERCENT} %: {}; say why in the commit that runs `cargo \
             xtask size --accept`",
            grown.join(", ")
        );
    }
    Ok(())
}

/// What of a row has grown by more than it may.
fn growth(before: &Row, now: &Row) -> Vec<String> {
    let figures = [
        ("flash", before.flash, now.flash),
        ("static RAM", before.data + before.bss, now.data + now.bss),
        ("stack", before.stack.unwrap_or(0), now.stack.unwrap_or(0)),
    ];
    figures
        .into_iter()
        .filter(|(_, before, now)| now * 100 > before * (100 + GROWTH_PERCENT))
        .map(|(what, before, after)| {
            format!(
                "{what} of `{}` of {} from {before} to {after}",
                now.name, now.target
            )
        })
        .collect()
}

fn within_limits(measured: &[Measured]) -> Result<()> {
    let mut beyond = Vec::new();
    for (configuration, row) in measured {
        if let Some(most) = configuration.flash_max {
            if row.flash > most {
                beyond.push(format!(
                    "`{}` of {} takes {} of {most} bytes of flash",
                    row.name, row.target, row.flash
                ));
            }
            if row.flash > FLASH_GOAL {
                report::line(&format!(
                    "    `{}` of {} is {} bytes above the goal of {FLASH_GOAL}",
                    row.name,
                    row.target,
                    row.flash - FLASH_GOAL
                ));
            }
        }
        let ram = (row.data + row.bss).saturating_sub(BUFFER_LEN);
        if configuration.stack && ram > RAM_MAX {
            beyond.push(format!(
                "`{}` of {} takes {ram} of {RAM_MAX} bytes of RAM",
                row.name, row.target
            ));
        }
    }
    if beyond.is_empty() {
        Ok(())
    } else {
        bail!("over budget: {}", beyond.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(flash: u64, stack: u64) -> Row {
        Row {
            target: "c".to_owned(),
            name: "a".to_owned(),
            flash,
            data: 0,
            bss: 512,
            stack: Some(stack),
        }
    }

    #[test]
    fn growth_above_two_percent_is_told() {
        assert_eq!(
            growth(&row(1000, 100), &row(1020, 102)),
            Vec::<String>::new()
        );
        assert_eq!(growth(&row(1000, 100), &row(500, 50)), Vec::<String>::new());
        assert_eq!(
            growth(&row(1000, 100), &row(1021, 103)),
            [
                "flash of `a` of c from 1000 to 1021",
                "stack of `a` of c from 100 to 103"
            ]
        );
        // Nothing before: any growth counts.
        assert_eq!(growth(&row(1000, 0), &row(1000, 1)).len(), 1);
    }

    #[test]
    fn unknown_arguments_are_refused() {
        assert!(run(&["--acept"]).is_err());
    }
}
