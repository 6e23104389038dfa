//! What was tried, summed.

use super::Run;
use crate::every::Tried;
use crate::output::number;
use crate::tables::Table;
use std::collections::BTreeMap;

/// What was tried, summed over everything that has the same key.
pub(super) fn table(title: &str, first: &str, run: &Run, key: impl Fn(&Tried) -> String) -> Table {
    let mut columns = vec![(first.to_owned(), false)];
    columns.extend((1..=run.depth).map(|depth| match depth {
        1 => ("states, 1 cut".to_owned(), true),
        depth => (format!("states, {depth} cuts"), true),
    }));
    for name in ["cuts tried", "boots", "broken"] {
        columns.push((name.to_owned(), true));
    }
    let mut sums: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for tried in &run.explored {
        let mut values = tried.by_depth.clone();
        values.resize(run.depth, 0);
        values.extend([tried.cuts, tried.boots, u64::from(tried.failure.is_some())]);
        let sum = sums
            .entry(key(tried))
            .or_insert_with(|| vec![0; values.len()]);
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += value;
        }
    }
    let rows = sums.into_iter().map(|(key, values)| {
        let cells = values.into_iter().enumerate().map(|(column, value)| {
            // Nothing behind the first cut means that it was not asked for.
            if value == 0 && (1..run.depth).contains(&column) {
                "\u{2013}".to_owned()
            } else {
                number(value)
            }
        });
        std::iter::once(key).chain(cells).collect()
    });
    Table {
        title: title.to_owned(),
        columns,
        rows: rows.collect(),
    }
}
