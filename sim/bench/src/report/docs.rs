//! The figures of `docs/power-fail.md`: tables between marks, so that nobody copies them by hand.
//!
//! ```text
//! <!-- figures: install -->
//! …
//! <!-- figures end -->
//! ```

use super::{Run, sums, text};
use crate::compare::{Failures, THEIRS};
use crate::every::Tried;
use crate::output::number;
use crate::tables;
use anyhow::{Result, bail};

const BEGIN: &str = "<!-- figures: ";
const END: &str = "<!-- figures end -->";

/// The page with the figures of this run.
///
/// # Errors
/// If a mark names nothing, or does not end.
pub(super) fn fill(page: &str, run: &Run) -> Result<String> {
    replace(page, |name| figures(name, run))
}

fn replace(page: &str, figures: impl Fn(&str) -> Option<String>) -> Result<String> {
    let mut filled = String::new();
    let mut rest = page;
    while let Some((before, from)) = rest.split_once(BEGIN) {
        let Some((name, from)) = from.split_once(" -->") else {
            bail!("a mark of figures does not close");
        };
        let Some((_former, after)) = from.split_once(END) else {
            bail!("the figures `{name}` do not end");
        };
        let Some(text) = figures(name) else {
            bail!("there are no figures called `{name}`");
        };
        filled.push_str(before);
        for piece in [BEGIN, name, " -->\n", text.trim_end(), "\n", END] {
            filled.push_str(piece);
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn figures(name: &str, run: &Run) -> Option<String> {
    let comparison = &run.comparison;
    let table = |title: &str| {
        let all = tables::costs(&comparison.costs);
        let found = all.into_iter().find(|table| table.title == title);
        found.map(|table| table.markdown())
    };
    match name {
        "tried" => Some(tried(run)),
        "sums" => Some(in_one_line(run)),
        "seeds" => Some(format!(
            "{} random cases: {} cuts came, {} boots, {} broken promises.",
            number(run.seeds.cases),
            number(run.seeds.cuts),
            number(run.seeds.boots),
            number(run.seeds.failures)
        )),
        "install" => table("Install"),
        "revert" => table("Revert"),
        "confirm" => table("Confirm"),
        "failures" => Some(tables::failures(&shown(&comparison.failures)).markdown()),
        _ => None,
    }
}

fn tried(run: &Run) -> String {
    let mut table = sums::table("", "scenario", run, |tried| tried.scenario.clone());
    table.columns.insert(1, ("what happens".to_owned(), false));
    for cells in &mut table.rows {
        let name = cells.first().cloned().unwrap_or_default();
        cells.insert(1, text::scenario(&name).to_owned());
    }
    table.markdown()
}

fn in_one_line(run: &Run) -> String {
    let sum = |of: fn(&Tried) -> u64| number(run.explored.iter().map(of).sum());
    format!(
        "**{} distinct states, {} cuts, {} boots, {} broken promises.**",
        sum(Tried::states),
        sum(|tried| tried.cuts),
        sum(|tried| tried.boots),
        sum(|tried| u64::from(tried.failure.is_some()))
    )
}

/// The other bootloader in full; of ours the first and the last row of each flash, and every row in
/// which something went wrong.
fn shown(rows: &[Failures]) -> Vec<Failures> {
    let of_interest = |row: &&Failures| {
        row.system == THEIRS
            || matches!(row.tears.as_str(), "before" | "all")
            || row.failed.iter().any(|&count| count > 0)
    };
    rows.iter().filter(of_interest).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_marks_is_replaced() {
        let page = "a\n<!-- figures: x -->\nold\n<!-- figures end -->\nb\n";
        let filled = replace(page, |name| Some(format!("new {name}\n"))).unwrap();
        let wanted = "a\n<!-- figures: x -->\nnew x\n<!-- figures end -->\nb\n";
        assert_eq!(filled, wanted);
        // Filling again changes nothing.
        let again = replace(&filled, |name| Some(format!("new {name}\n"))).unwrap();
        assert_eq!(again, wanted);
    }

    #[test]
    fn a_mark_that_means_nothing_is_refused() {
        assert!(replace("<!-- figures: x -->\n<!-- figures end -->", |_| None).is_err());
        assert!(replace("<!-- figures: x -->\n", |_| Some(String::new())).is_err());
    }

    #[test]
    fn every_mark_of_the_page_has_figures() {
        let page = include_str!("../../../../docs/power-fail.md");
        let known = [
            "tried", "sums", "seeds", "install", "revert", "confirm", "failures",
        ];
        let filled = replace(page, |name| known.contains(&name).then(String::new)).unwrap();
        for name in known {
            assert!(filled.contains(&format!("{BEGIN}{name} -->")), "{name}");
        }
    }
}
