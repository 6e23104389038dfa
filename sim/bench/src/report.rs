//! The report: one page without scripts, made from a run.

mod docs;
mod page;
mod sums;
mod text;

use crate::args::Args;
use crate::compare::{self, Comparison};
use crate::every::{self, Tried};
use crate::output::{self, line};
use crate::seeds::{self, Seeds};
use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use std::path::Path;

/// Random cases if `--seeds` does not say how many.
const SEEDS: u64 = 10_000;

/// Everything that the page shows.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    /// Cuts in a row on the plain shape of each mode.
    pub(crate) depth: usize,
    /// Cuts in a row on every other shape.
    pub(crate) depth_everywhere: usize,
    pub(crate) explored: Vec<Tried>,
    pub(crate) seeds: Seeds,
    pub(crate) comparison: Comparison,
}

/// Runs everything and writes the page.
///
/// # Errors
/// If a promise or a budget was broken (the page is written all the same in the first case), or the
/// page cannot be written.
pub(crate) fn write(args: &Args, file: &Path) -> Result<()> {
    let depth = args.depth(2);
    // Pairs of cuts on every shape take hours: without --depth they are tried on the plain one.
    let everywhere = args.depth(1);
    let (plain, others): (Vec<_>, Vec<_>) = every::all()
        .into_iter()
        .partition(|(_, subject)| subject.is_plain());
    let mut explored = every::try_all(&plain, depth);
    explored.extend(every::try_all(&others, everywhere));
    let run = Run {
        depth,
        depth_everywhere: everywhere,
        explored,
        seeds: seeds::run(args.from, args.seeds.unwrap_or(SEEDS))?,
        comparison: compare::run()?,
    };
    output::write(file, &page::html(&run))?;
    line(&format!("written: {}", file.display()));
    if let Some(file) = &args.json {
        output::write(file, &serde_json::to_string_pretty(&run)?)?;
        line(&format!("written: {}", file.display()));
    }
    if let Some(file) = &args.docs {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        output::write(file, &docs::fill(&text, &run)?)?;
        line(&format!("written: {}", file.display()));
    }
    run.comparison.check_ours()?;
    let broken = run.explored.iter().filter(|tried| tried.failure.is_some());
    match broken.count() {
        0 => Ok(()),
        count => bail!("{count} scenarios broke a promise"),
    }
}
