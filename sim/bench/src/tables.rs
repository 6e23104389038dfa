//! The comparison as tables: the same cells for Markdown and for the report.

use crate::compare::{Comparison, Failures};
use crate::costs::{Figures, OnPart, Row};
use crate::output::{kib, number, seconds};

/// A table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) title: String,
    /// Headings; a column of numbers is aligned to the right.
    pub(crate) columns: Vec<(String, bool)>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    fn new(title: &str, columns: &[(&str, bool)]) -> Self {
        let columns = columns
            .iter()
            .map(|&(name, right)| (name.to_owned(), right));
        Self {
            title: title.to_owned(),
            columns: columns.collect(),
            rows: Vec::new(),
        }
    }

    /// As Markdown.
    pub(crate) fn markdown(&self) -> String {
        let row = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
        let mut text = row(self.columns.iter().map(|(name, _)| name.as_str()).collect());
        let rule = self
            .columns
            .iter()
            .map(|(_, right)| if *right { "--:" } else { "---" });
        text.push_str(&row(rule.collect()));
        for cells in &self.rows {
            text.push_str(&row(cells.iter().map(String::as_str).collect()));
        }
        text
    }
}

/// Columns behind those that name the row: counts are those on the part with 4-byte units.
const COSTS: [(&str, bool); 8] = [
    ("erases", true),
    ("programs", true),
    ("KiB programmed", true),
    ("KiB read", true),
    ("worst sector", true),
    ("nRF52840, s", true),
    ("STM32L4, s", true),
    ("SPI NOR, s", true),
];

fn phase_table(title: &str, rows: &[Row], of: fn(&OnPart) -> &Figures) -> Table {
    let mut columns = vec![
        ("image", true),
        ("d", true),
        ("d·n of n", true),
        ("bootloader", false),
    ];
    columns.extend(COSTS);
    let mut table = Table::new(title, &columns);
    for row in rows {
        let mut cells = vec![
            format!("{} KiB", row.image_kib),
            row.percent.map_or("any".to_owned(), |d| format!("{d} %")),
            row.percent.map_or(format!("n = {}", row.chunks), |_| {
                format!("{} of {}", row.differing, row.chunks)
            }),
            row.system.clone(),
        ];
        let Some(first) = row.parts.first() else {
            continue;
        };
        let figures = of(first);
        let erases = if figures.state_erases > 0 {
            format!(
                "{} + {}",
                number(figures.erases - figures.state_erases),
                figures.state_erases
            )
        } else {
            number(figures.erases)
        };
        cells.extend([
            erases,
            number(figures.programs),
            kib(figures.bytes),
            kib(figures.read_bytes),
            figures.worst_sector.to_string(),
        ]);
        cells.extend(row.parts.iter().map(|part| seconds(of(part).millis)));
        table.rows.push(cells);
    }
    table
}

fn confirm_table(rows: &[Row]) -> Table {
    let mut table = Table::new(
        "Confirm",
        &[
            ("bootloader", false),
            ("erases", true),
            ("programs", true),
            ("bytes", true),
            ("nRF52840, ms", true),
        ],
    );
    for row in rows {
        let typical = row.image_kib == 256 && row.percent.is_none_or(|percent| percent == 100);
        if let (true, Some(part)) = (typical, row.parts.first()) {
            table.rows.push(vec![
                row.system.clone(),
                number(part.confirm.erases),
                number(part.confirm.programs),
                number(part.confirm.bytes),
                number(part.confirm.millis),
            ]);
        }
    }
    table
}

/// The table of failures.
pub(crate) fn failures(rows: &[Failures]) -> Table {
    let mut table = Table::new(
        "Failures",
        &[
            ("bootloader", false),
            ("flash", false),
            ("tear", false),
            ("cuts tried", true),
            ("states, 1 cut", true),
            ("states, 2 cuts", true),
            ("failed, 1 cut", true),
            ("failed, 2 cuts", true),
            ("what went wrong", false),
        ],
    );
    for row in rows {
        let at = |list: &[u64], index: usize| number(list.get(index).copied().unwrap_or(0));
        let kinds = row.kinds.iter();
        let kinds: Vec<String> = kinds
            .map(|(kind, count)| format!("{kind} ({})", number(*count)))
            .collect();
        table.rows.push(vec![
            row.system.clone(),
            row.flash.clone(),
            row.tears.clone(),
            number(row.cuts),
            at(&row.states, 0),
            at(&row.states, 1),
            at(&row.failed, 0),
            at(&row.failed, 1),
            kinds.join(", "),
        ]);
    }
    table
}

/// The tables of costs.
pub(crate) fn costs(rows: &[Row]) -> Vec<Table> {
    vec![
        phase_table("Install", rows, |part| &part.install),
        phase_table("Revert", rows, |part| &part.revert),
        confirm_table(rows),
    ]
}

/// Every table of the comparison.
pub(crate) fn of(comparison: &Comparison) -> Vec<Table> {
    let mut tables = costs(&comparison.costs);
    tables.push(failures(&comparison.failures));
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_in_markdown_has_as_many_cells_in_every_row() {
        let figures = Figures {
            erases: 12,
            state_erases: 2,
            programs: 30,
            bytes: 2048,
            read_bytes: 4096,
            worst_sector: 1,
            millis: 1234,
        };
        let part = OnPart {
            part: "nRF52840".to_owned(),
            write_unit: 4,
            install: figures.clone(),
            revert: figures.clone(),
            confirm: figures,
        };
        let row = Row {
            system: "otaru swap".to_owned(),
            image_kib: 256,
            percent: Some(100),
            chunks: 64,
            differing: 64,
            parts: vec![part.clone(), part.clone(), part],
        };
        for table in costs(&[row]) {
            let text = table.markdown();
            let bars: Vec<usize> = text.lines().map(|l| l.matches('|').count()).collect();
            assert_eq!(bars.len(), 3, "{text}");
            assert!(bars.iter().all(|count| *count == bars[0]), "{text}");
        }
    }
}
