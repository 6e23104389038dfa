//! The page itself.

use super::{Run, sums, text};
use crate::every::Tried;
use crate::output::number;
use crate::tables::{self, Table};
use otaru_sim::Tear;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const STYLE: &str = include_str!("style.css");

/// The whole page.
pub(super) fn html(run: &Run) -> String {
    let mut page = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n");
    page.push_str("<meta charset=\"utf-8\">\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    page.push_str("<title>Otaru: power cuts</title>\n");
    add(
        &mut page,
        format_args!("<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"),
    );
    page.push_str("<h1>Power cuts</h1>\n");
    page.push_str(
        "<p class=\"lead\">The shipped bootloader and record, cut at every operation of every \
         scenario, torn in every way, and cut again in the life that follows.</p>\n",
    );
    summary(&mut page, run);
    fault_model(&mut page);
    list(
        &mut page,
        "h2",
        "What is checked at every boot",
        text::PROMISES,
    );
    tried(&mut page, run);
    comparison(&mut page, run);
    own_geometry(&mut page);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn add(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a string takes everything");
}

fn summary(page: &mut String, run: &Run) {
    let sum = |of: fn(&Tried) -> u64| run.explored.iter().map(of).sum::<u64>();
    let broken = sum(|tried| u64::from(tried.failure.is_some()));
    page.push_str("<dl class=\"summary\">\n");
    for (value, what) in [
        (
            sum(Tried::states),
            "distinct states of flash that were booted",
        ),
        (sum(|tried| tried.cuts), "cuts tried"),
        (
            sum(|tried| tried.boots) + run.seeds.boots,
            "boots, random cases included",
        ),
        (broken + run.seeds.failures, "broken promises"),
    ] {
        add(
            page,
            format_args!("<div><dt>{what}</dt><dd>{}</dd></div>\n", number(value)),
        );
    }
    page.push_str("</dl>\n");
    for tried in &run.explored {
        if let Some((violation, reproduction)) = &tried.failure {
            add(
                page,
                format_args!(
                    "<p class=\"broken\">{}<br><code>{}</code></p>\n",
                    escaped(violation),
                    escaped(reproduction)
                ),
            );
        }
    }
}

fn fault_model(page: &mut String) {
    page.push_str("<h2>What a cut leaves behind</h2>\n<dl class=\"words\">\n");
    for tear in Tear::ALL {
        add(
            page,
            format_args!(
                "<dt><code>{}</code></dt><dd>{}</dd>\n",
                tear.name(),
                text::tear(tear)
            ),
        );
    }
    page.push_str("</dl>\n");
}

fn list(page: &mut String, level: &str, title: &str, items: &[&str]) {
    add(page, format_args!("<{level}>{title}</{level}>\n<ul>\n"));
    for item in items {
        add(page, format_args!("<li>{}</li>\n", escaped(item)));
    }
    page.push_str("</ul>\n");
}

fn in_a_row(cuts: usize) -> String {
    if cuts == 1 {
        "one cut".to_owned()
    } else {
        format!("{cuts} cuts in a row")
    }
}

fn tried(page: &mut String, run: &Run) {
    let names = run.explored.iter().map(|tried| shape(&tried.name));
    let shapes = names.collect::<BTreeSet<_>>().len();
    add(
        page,
        format_args!(
            "<h2>What was tried</h2>\n<p>Every scenario ran on {shapes} shapes of flash: up to {} on \
             the plain one of each mode, {} on the others. States that are equal, in flash and in \
             what the manager knows, are counted once.</p>\n",
            in_a_row(run.depth),
            in_a_row(run.depth_everywhere)
        ),
    );
    table(
        page,
        &sums::table("By scenario", "scenario", run, |tried| {
            tried.scenario.clone()
        }),
    );
    table(
        page,
        &sums::table("By flash", "flash", run, |tried| shape(&tried.name)),
    );
    add(
        page,
        format_args!(
            "<p>Besides, {} random cases with up to eight cuts each: other geometries, write units from \
             1 to 512 bytes, images of random length. {} cuts came, {} boots, {} broken \
             promises.</p>\n",
            number(run.seeds.cases),
            number(run.seeds.cuts),
            number(run.seeds.boots),
            number(run.seeds.failures)
        ),
    );
}

/// The shape in the name of a case.
fn shape(name: &str) -> String {
    name.split('/').next().unwrap_or(name).to_owned()
}

fn comparison(page: &mut String, run: &Run) {
    page.push_str("<h2>Beside embassy-boot 0.7</h2>\n");
    let tables = tables::of(&run.comparison);
    list(page, "h3", "How the costs were measured", text::MEASURED);
    add(
        page,
        format_args!(
            "<p>Our budgets are asserted on every row: <code>swap</code> erases at most 2\u{b7}d\u{b7}n + 2 \
             sectors to install and d\u{b7}n to revert, <code>standby</code> d\u{b7}n and d\u{b7}n, and an \
             update that is not cut erases half a record at most once, wherever in its half it \
             begins ({} updates).</p>\n",
            run.comparison.budget_updates
        ),
    );
    for one in tables.iter().filter(|table| table.title != "Failures") {
        table(page, one);
    }
    list(page, "h3", "How failures were counted", text::FAILED);
    for one in tables.iter().filter(|table| table.title == "Failures") {
        table(page, one);
    }
    page.push_str("<details><summary>One command per failure that shows it</summary>\n<ul>\n");
    for row in &run.comparison.failures {
        for example in &row.examples {
            add(
                page,
                format_args!(
                    "<li>{}, {}, {}: <code>{}</code></li>\n",
                    row.system,
                    row.flash,
                    row.tears,
                    escaped(example)
                ),
            );
        }
    }
    page.push_str("</ul></details>\n");
}

fn own_geometry(page: &mut String) {
    page.push_str(
        "<h2>Your own geometry</h2>\n\
         <p>Every scenario on the areas, sectors and write unit of a board file:</p>\n\
         <pre><code>cargo xtask sim --board boards/NAME/board.toml --mode swap</code></pre>\n\
         <p>A broken promise ends with the line that repeats it, and so does a random seed.</p>\n",
    );
}

fn table(page: &mut String, table: &Table) {
    add(
        page,
        format_args!(
            "<h3>{}</h3>\n<div class=\"wide\"><table>\n<thead><tr>",
            table.title
        ),
    );
    for (name, right) in &table.columns {
        add(
            page,
            format_args!("<th{}>{}</th>", class(*right), escaped(name)),
        );
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    let firsts: BTreeSet<_> = table.rows.iter().map(|cells| cells.first()).collect();
    let groups = firsts.len() < table.rows.len();
    let mut former: Option<&String> = None;
    for cells in &table.rows {
        // A line where the first column changes, if it groups rows.
        let begins = groups && former.is_some_and(|former| Some(former) != cells.first());
        page.push_str(if begins {
            "<tr class=\"begins\">"
        } else {
            "<tr>"
        });
        for (cell, (_, right)) in cells.iter().zip(&table.columns) {
            add(
                page,
                format_args!("<td{}>{}</td>", class(*right), escaped(cell)),
            );
        }
        page.push_str("</tr>\n");
        former = cells.first();
    }
    page.push_str("</tbody>\n</table></div>\n");
}

const fn class(right: bool) -> &'static str {
    if right { " class=\"number\"" } else { "" }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Comparison, Failures};
    use crate::seeds::Seeds;

    fn run() -> Run {
        let tried = |scenario: &str, flash: &str, failure| Tried {
            scenario: scenario.to_owned(),
            name: format!("{flash}/{scenario}/d70/f0/s1"),
            by_depth: vec![10, 1234],
            cuts: 2000,
            boots: 3000,
            limits: 0,
            failure,
        };
        let broken = ("1 < 2".to_owned(), "cargo xtask sim".to_owned());
        Run {
            depth: 2,
            depth_everywhere: 1,
            explored: vec![
                tried("hang", "swap", None),
                tried("hang", "standby", Some(broken)),
            ],
            seeds: Seeds::default(),
            comparison: Comparison {
                costs: Vec::new(),
                budget_updates: 1,
                failures: vec![Failures {
                    system: "other".to_owned(),
                    tears: "seen".to_owned(),
                    flash: "plain".to_owned(),
                    cuts: 1,
                    states: vec![1, 2],
                    failed: vec![0, 1],
                    kinds: vec![("stuck".to_owned(), 1)],
                    examples: Vec::new(),
                }],
            },
        }
    }

    #[test]
    fn the_page_stands_alone_and_shows_every_sum() {
        let page = html(&run());
        for outside in ["<script", "http", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("<dd>2\u{202f}488</dd>"), "states are summed");
        assert!(page.contains("<td>hang</td><td class=\"number\">20</td>"));
        assert!(page.contains("stuck (1)"));
    }

    #[test]
    fn what_is_broken_is_shown_first_and_escaped() {
        let page = html(&run());
        let broken = page.find("1 &lt; 2").expect("the violation is shown");
        assert!(broken < page.find("<h2>").unwrap());
    }
}
