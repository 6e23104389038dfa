//! The table in `docs/size.md`, between two markers.

use std::path::Path;

use anyhow::{Context, Result};

const BEGIN: &str = "<!-- cargo xtask size --accept writes from here -->";
const END: &str = "<!-- to here -->";
const HEAD: &str = "| board, target | configuration | flash | .data | .bss | stack |\n\
                    |---|---|---:|---:|---:|---:|\n";
/// Stands where a figure is not known.
const UNKNOWN: &str = "–";

/// The figures of one configuration, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// For which board and target.
    pub(super) target: String,
    /// What is measured.
    pub(super) name: String,
    /// Code, constants, vector table, initial values.
    pub(super) flash: u64,
    /// RAM with initial values.
    pub(super) data: u64,
    /// RAM that begins as zero, the copy buffer included.
    pub(super) bss: u64,
    /// Deepest the stack can become, where that can be told.
    pub(super) stack: Option<u64>,
}

impl Row {
    /// Whether both are the figures of the same program.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        self.target == other.target && self.name == other.name
    }
}

/// The table as it stands in the page.
pub(super) fn markdown(rows: &[Row]) -> String {
    let lines = rows.iter().map(|row| {
        let stack = row
            .stack
            .map_or_else(|| UNKNOWN.to_owned(), |stack| stack.to_string());
        format!(
            "| {} | {} | {} | {} | {} | {stack} |\n",
            row.target, row.name, row.flash, row.data, row.bss
        )
    });
    std::iter::once(HEAD.to_owned()).chain(lines).collect()
}

/// Reads the table out of the page.
///
/// # Errors
/// If the page or its markers are missing.
pub(super) fn read(page: &Path) -> Result<Vec<Row>> {
    let text = std::fs::read_to_string(page).with_context(|| format!("no {}", page.display()))?;
    let (_, table, _) = parts(&text).context("docs/size.md has lost its markers")?;
    Ok(table.lines().filter_map(row).collect())
}

/// Replaces the table in the page.
///
/// # Errors
/// If the page or its markers are missing, or it cannot be written.
pub(super) fn write(page: &Path, rows: &[Row]) -> Result<()> {
    let text = std::fs::read_to_string(page).with_context(|| format!("no {}", page.display()))?;
    let (before, _, after) = parts(&text).context("docs/size.md has lost its markers")?;
    let text = format!("{before}{BEGIN}\n\n{}\n{END}{after}", markdown(rows));
    std::fs::write(page, text).with_context(|| format!("cannot write {}", page.display()))
}

fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (table, after) = rest.split_once(END)?;
    Some((before, table, after))
}

fn row(line: &str) -> Option<Row> {
    let mut cells = line.trim().trim_matches('|').split('|').map(str::trim);
    let target = cells.next()?.to_owned();
    let name = cells.next()?.to_owned();
    let mut number = || cells.next()?.parse().ok();
    Some(Row {
        target,
        name,
        flash: number()?,
        data: number()?,
        bss: number()?,
        stack: number(),
    })
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, Row, read, write};

    fn rows() -> Vec<Row> {
        let row = |name: &str, stack| Row {
            target: "chip, target".to_owned(),
            name: name.to_owned(),
            flash: 16_000,
            data: 0,
            bss: 512,
            stack,
        };
        vec![row("Ed25519, small", Some(3_000)), row("console", None)]
    }

    #[test]
    fn what_is_written_is_read_and_the_rest_of_the_page_stays() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("size.md");
        std::fs::write(&page, format!("before\n{BEGIN}\nold\n{END}\nafter\n")).unwrap();
        write(&page, &rows()).unwrap();
        assert_eq!(read(&page).unwrap(), rows());
        let text = std::fs::read_to_string(&page).unwrap();
        assert!(
            text.starts_with("before\n") && text.ends_with("\nafter\n"),
            "{text}"
        );
        assert!(!text.contains("old"), "{text}");
    }

    #[test]
    fn a_page_without_markers_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("size.md");
        std::fs::write(&page, "nothing").unwrap();
        assert!(read(&page).is_err());
        assert!(write(&page, &rows()).is_err());
    }
}
