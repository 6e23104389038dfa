//! `cargo xtask size`: how much flash, RAM and stack the bootloader takes, beside what
//! `docs/size.md` says and what it may take at most; and that no panic can be reached in it.
//!
//! What is measured is the program that is flashed: the nRF52840's, with drivers, vector table and
//! start-up code. Nothing is run.

mod elf;
mod stack;
mod table;

use anyhow::{Context, Result, bail};

use crate::firmware::Bootloader;
use crate::report::{self, Outcome};
use crate::{setup, workspace};
use table::Row;

const BOARD: &str = "nrf52840";
const PAGE: &str = "docs/size.md";

/// `(name, features, most bytes of flash)` of each configuration.
const CONFIGURATIONS: &[(&str, &str, Option<u64>)] = &[
    ("no signature", "", None),
    ("Ed25519, small", "small", Some(FLASH_MAX)),
    ("Ed25519, dalek", "dalek", None),
];

/// Most bytes of flash with the verifier that belongs on a device.
const FLASH_MAX: u64 = 19_000;
/// What it is meant to become; `docs/size.md` says what is missing. Then it replaces the limit above.
const FLASH_GOAL: u64 = 16 << 10;
/// Most bytes of static RAM beside the copy buffer.
const RAM_MAX: u64 = 1 << 10;
/// The board's copy buffer in bytes (`boards/nrf52840/src/main.rs`).
const BUFFER_LEN: u64 = 512;
/// A figure may grow by this part of itself before somebody has to accept it.
const GROWTH_PERCENT: u64 = 2;

/// Configurations in which no panic may be reachable.
const WITHOUT_PANIC: &[(&str, &str)] = &[
    ("no signature", "no-panic"),
    ("Ed25519, small", "small,no-panic"),
];

/// The command `size [--accept]`: sets up what is missing, then measures.
///
/// # Errors
/// If a bootloader does not build, has grown, is too large, or can panic.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let accept = match args {
        [] => false,
        ["--accept"] => true,
        _ => bail!("usage: cargo xtask size [--accept]"),
    };
    setup::firmware_only()?;
    without_panic()?;
    let rows = measure()?;
    report::line(&table::markdown(&rows));
    if accept {
        table::write(&workspace::root().join(PAGE), &rows)?;
        report::line(&format!("    written to {PAGE}"));
    } else {
        compare(&rows)?;
    }
    within_limits(&rows)
}

/// The check itself, with everything in place.
///
/// # Errors
/// As for [`run`].
pub(crate) fn check_installed() -> Result<Outcome> {
    without_panic()?;
    let rows = measure()?;
    report::line(&table::markdown(&rows));
    compare(&rows)?;
    within_limits(&rows)?;
    let flash = rows.iter().map(|row| row.flash.to_string());
    Ok(Outcome::Done(format!(
        "{} bytes",
        flash.collect::<Vec<_>>().join(", ")
    )))
}

fn measure() -> Result<Vec<Row>> {
    CONFIGURATIONS
        .iter()
        .map(|(name, features, _)| measure_one(name, features))
        .collect()
}

fn measure_one(name: &str, features: &str) -> Result<Row> {
    let program = Bootloader::of(BOARD)?.features(features).build()?;
    let bytes = std::fs::read(&program).context("the bootloader cannot be read")?;
    let sizes = elf::sizes(&bytes)?;
    let program = Bootloader::of(BOARD)?
        .features(features)
        .with_stack_sizes()
        .build()?;
    let bytes = std::fs::read(&program).context("the bootloader cannot be read")?;
    let stack = stack::deepest(&bytes).with_context(|| format!("stack of `{name}`"))?;
    Ok(Row {
        name: name.to_owned(),
        flash: sizes.flash,
        data: sizes.data,
        bss: sizes.bss,
        stack,
    })
}

/// Links with a panic handler that calls a function that does not exist.
fn without_panic() -> Result<()> {
    for (name, features) in WITHOUT_PANIC {
        Bootloader::of(BOARD)?
            .features(features)
            .build()
            .with_context(|| {
                format!(
                    "`{name}` does not link without a panic: find who calls `core::panicking` in \
                     the bootloader of boards/{BOARD} and return an error there"
                )
            })?;
        report::line(&format!("    {name}: no panic can be reached"));
    }
    Ok(())
}

fn compare(rows: &[Row]) -> Result<()> {
    let known = table::read(&workspace::root().join(PAGE))?;
    let mut grown = Vec::new();
    for row in rows {
        let Some(before) = known.iter().find(|before| before.name == row.name) else {
            bail!(
                "{PAGE} has no figures for `{}`: cargo xtask size --accept",
                row.name
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
        ("stack", before.stack, now.stack),
    ];
    figures
        .into_iter()
        .filter(|(_, before, now)| now * 100 > before * (100 + GROWTH_PERCENT))
        .map(|(what, before, after)| format!("{what} of `{}` from {before} to {after}", now.name))
        .collect()
}

fn within_limits(rows: &[Row]) -> Result<()> {
    let mut beyond = Vec::new();
    for (row, (_, _, flash_max)) in rows.iter().zip(CONFIGURATIONS) {
        if let Some(most) = flash_max.filter(|most| row.flash > *most) {
            beyond.push(format!(
                "`{}` takes {} of {most} bytes of flash",
                row.name, row.flash
            ));
        }
        if flash_max.is_some() && row.flash > FLASH_GOAL {
            report::line(&format!(
                "    `{}` is {} bytes above the goal of {FLASH_GOAL}",
                row.name,
                row.flash - FLASH_GOAL
            ));
        }
        let ram = (row.data + row.bss).saturating_sub(BUFFER_LEN);
        if ram > RAM_MAX {
            beyond.push(format!(
                "`{}` takes {ram} of {RAM_MAX} bytes of RAM",
                row.name
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
            name: "a".to_owned(),
            flash,
            data: 0,
            bss: 512,
            stack,
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
                "flash of `a` from 1000 to 1021",
                "stack of `a` from 100 to 103"
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
