//! What stands at a place of the manifest, told from the lines alone, so that it works in a file
//! that is being typed: the table that the place belongs to, and whether a key, a value or a
//! table's name is written there.

use crate::position::{LineIndex, Position, Span};
use otaru_lsp_project::{KeyDoc, TableDoc, manifest_table};

/// What is written at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spot {
    /// The name of a table, between its brackets.
    Table,
    /// A key, or the beginning of one.
    Key,
    /// The value of this key.
    Value(&'static KeyDoc),
    /// A comment, or the value of a key that does not exist.
    Nothing,
}

/// A place of the manifest.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'t> {
    /// The table whose lines these are, if it is one of ours.
    pub(crate) table: Option<&'static TableDoc>,
    /// What is written here.
    pub(crate) spot: Spot,
    /// The word or value here: what a completion replaces.
    pub(crate) span: Span,
    /// The text of that span.
    pub(crate) word: &'t str,
    /// All lines of the text, for what else stands in the table.
    lines: Vec<&'t str>,
    line: usize,
}

impl<'t> Cursor<'t> {
    /// Looks at a place.
    pub(crate) fn at(text: &'t str, index: &LineIndex, at: Position) -> Self {
        let lines = lines(text, index);
        let line = (at.line as usize).min(lines.len().saturating_sub(1));
        let here = lines.get(line).copied().unwrap_or_default();
        let line_start = index.offset(
            text,
            Position {
                line: at.line,
                character: 0,
            },
        );
        let column = index
            .offset(text, at)
            .saturating_sub(line_start)
            .min(here.len());
        let table = lines
            .iter()
            .take(line + 1)
            .rev()
            .find_map(|line| table_name(line));
        let table = table.and_then(manifest_table);
        let (spot, range) = spot(here, column, table);
        Self {
            table,
            spot,
            span: index.span(text, line_start + range.start..line_start + range.end),
            word: here.get(range).unwrap_or_default(),
            lines,
            line,
        }
    }

    /// Whether the table already has this key on another line.
    pub(crate) fn has_key(&self, name: &str) -> bool {
        let is_header = |line: &&str| table_name(line).is_some();
        let before = self
            .lines
            .iter()
            .take(self.line)
            .rev()
            .take_while(|line| !is_header(line));
        let after = self
            .lines
            .iter()
            .skip(self.line + 1)
            .take_while(|line| !is_header(line));
        before.chain(after).any(|line| key_of(line) == Some(name))
    }

    /// Whether the file already has this table on another line.
    pub(crate) fn has_table(&self, name: &str) -> bool {
        self.lines
            .iter()
            .enumerate()
            .any(|(number, line)| number != self.line && table_name(line) == Some(name))
    }
}

fn lines<'t>(text: &'t str, index: &LineIndex) -> Vec<&'t str> {
    (0..index.line_count())
        .map(|line| {
            let start = index.offset(text, Position { line, character: 0 });
            let end = index.offset(
                text,
                Position {
                    line,
                    character: u32::MAX,
                },
            );
            text.get(start..end).unwrap_or_default()
        })
        .collect()
}

fn table_name(line: &str) -> Option<&str> {
    let inside = line.trim_start().strip_prefix('[')?;
    // `[[part]]` is a list of tables.
    let inside = inside.strip_prefix('[').unwrap_or(inside);
    Some(inside.split([']', '#']).next().unwrap_or_default().trim())
}

fn key_of(line: &str) -> Option<&str> {
    line.split_once('=')
        .map(|(key, _)| key.trim().trim_matches('"'))
}

/// What stands at a column of a line, and the bytes of it.
fn spot(
    line: &str,
    column: usize,
    table: Option<&'static TableDoc>,
) -> (Spot, std::ops::Range<usize>) {
    let (before, after) = line.split_at(floor(line, column));
    if outside_strings(before).contains('#') {
        return (Spot::Nothing, column..column);
    }
    if line.trim_start().starts_with('[') {
        let start = before.rfind('[').map_or(before.len(), |at| at + 1);
        let end = before.len() + after.find([']', '#']).unwrap_or(after.len());
        return (Spot::Table, start..end.max(start));
    }
    let Some((key, rest)) = line
        .split_once('=')
        .filter(|(key, _)| key.len() < before.len())
    else {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let start = before.rfind(|c| !word(c)).map_or(0, |at| at + 1);
        let end = before.len() + after.find(|c| !word(c)).unwrap_or(after.len());
        return (Spot::Key, start..end);
    };
    let known = table.and_then(|table| table.keys.iter().find(|doc| doc.name == key.trim()));
    let start = line.len() - rest.trim_start().len();
    let value = line.get(start..).unwrap_or_default();
    let end = start + outside_comment(value).trim_end().len();
    (
        known.map_or(Spot::Nothing, Spot::Value),
        start.min(line.len())..end.max(start),
    )
}

/// The text with the content of its strings left out.
fn outside_strings(text: &str) -> String {
    let mut inside = None;
    let mut rest = String::new();
    for character in text.chars() {
        match inside {
            None if matches!(character, '"' | '\'') => inside = Some(character),
            None => rest.push(character),
            Some(quote) if quote == character => inside = None,
            Some(_) => {}
        }
    }
    rest
}

/// The value in front of a comment.
fn outside_comment(value: &str) -> &str {
    let mut inside = None;
    for (at, character) in value.char_indices() {
        match inside {
            None if character == '#' => return value.get(..at).unwrap_or_default(),
            None if matches!(character, '"' | '\'') => inside = Some(character),
            Some(quote) if quote == character => inside = None,
            None | Some(_) => {}
        }
    }
    value
}

fn floor(text: &str, column: usize) -> usize {
    let mut at = column.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
