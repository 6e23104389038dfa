//! What stands at a place of a file, told from its outline, so that it works in a file that is being
//! typed: the table that the place belongs to, and whether a key, a value or a table's name is
//! written there.

use crate::outline::{Section, strings};
use crate::position::Position;
use crate::source::Source;
use otaru_lsp_project::{KeyDoc, TableDoc};
use std::ops::Range;

/// What is written at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spot {
    /// The name of a table, between its brackets.
    Table,
    /// A key, or the beginning of one.
    Key,
    /// The value of this key; of a list, the item.
    Value(&'static KeyDoc),
    /// A comment, or the value of a key that does not exist.
    Nothing,
}

/// A place of a file.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'s> {
    /// The section whose lines these are.
    pub(crate) section: &'s Section,
    /// What the schema says about it, if it is one of ours.
    pub(crate) table: Option<&'static TableDoc>,
    /// What is written here.
    pub(crate) spot: Spot,
    /// The bytes of the word or value here: what a completion replaces.
    pub(crate) range: Range<usize>,
    /// The text of them.
    pub(crate) word: &'s str,
    /// What stands behind them on the line.
    pub(crate) rest: &'s str,
}

impl<'s> Cursor<'s> {
    /// Looks at a place.
    pub(crate) fn at(source: &'s Source, at: Position) -> Self {
        let offset = source.offset(at);
        let line = source.line(at.line);
        let section = source.outline.section_at(line.end);
        let table = source.schema.table(&section.path);
        let (spot, range) = spot(source, section, table, offset, &line);
        Self {
            section,
            table,
            spot,
            word: source.get(&range),
            rest: source.get(&(range.end..line.end.max(range.end))),
            range,
        }
    }

    /// Whether the table already has this key somewhere else.
    pub(crate) fn has_key(&self, source: &Source, name: &str) -> bool {
        // Another table of the same list has keys of its own.
        if self.table.is_some_and(|table| table.is_list) {
            let mut entries = self.section.entries.iter();
            return entries.any(|entry| entry.name == name && entry.key != self.range);
        }
        source.outline.entries().any(|entry| {
            entry.table == self.section.path && entry.name == name && entry.key != self.range
        })
    }
}

/// What stands at an offset of a line, and the bytes of it.
fn spot(
    source: &Source,
    section: &Section,
    table: Option<&'static TableDoc>,
    offset: usize,
    line: &Range<usize>,
) -> (Spot, Range<usize>) {
    let text = source.text.as_str();
    if is_comment(source.get(&(line.start..offset.max(line.start)))) {
        return (Spot::Nothing, offset..offset);
    }
    if section.range.start == section_start(source, line) && section.name.start > 0 {
        let name = section.name.clone();
        return (Spot::Table, name.start.min(offset)..name.end);
    }
    let entry = section.entries.iter().find(|entry| {
        let end = source.index.position(text, entry.value.end).line;
        let end = source.line(end).end;
        (entry.key.start..=end).contains(&offset)
    });
    if let Some(entry) = entry
        && offset > entry.key.end
    {
        let Some(key) = source.doc(entry) else {
            return (Spot::Nothing, offset..offset);
        };
        let range = if entry.value.contains(&offset) || offset == entry.value.end {
            item_at(text, &entry.value, offset)
        } else {
            offset..offset
        };
        return (Spot::Value(key), range);
    }
    // A key may be written here: the word around the place.
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let before = source.get(&(line.start..offset.max(line.start)));
    let after = source.get(&(offset..line.end.max(offset)));
    let start = before.rfind(|c| !is_word(c)).map_or(0, |at| {
        at + before[at..].chars().next().map_or(1, char::len_utf8)
    });
    let end = after.find(|c| !is_word(c)).unwrap_or(after.len());
    // Without a table, and behind something that is no word, nothing of ours can be written.
    let range = line.start + start..offset + end;
    if table.is_none() || !before[..start].trim().is_empty() {
        return (Spot::Nothing, range);
    }
    (Spot::Key, range)
}

/// Where a header that stands on this line begins.
fn section_start(source: &Source, line: &Range<usize>) -> usize {
    let content = source.get(line);
    line.start + (content.len() - content.trim_start().len())
}

/// Whether a comment has begun before the end of this piece of a line.
fn is_comment(before: &str) -> bool {
    let mut quote = None;
    for character in before.chars() {
        match quote {
            None if character == '#' => return true,
            None if matches!(character, '"' | '\'') => quote = Some(character),
            Some(open) if open == character => quote = None,
            None | Some(_) => {}
        }
    }
    false
}

/// The item of a list around an offset; the whole value if it is no list.
fn item_at(text: &str, value: &Range<usize>, offset: usize) -> Range<usize> {
    let is_list = text
        .get(value.clone())
        .is_some_and(|value| value.starts_with('['));
    if !is_list {
        return value.clone();
    }
    let item = strings(text, value)
        .into_iter()
        .find(|item| item.start <= offset && offset <= item.end);
    item.unwrap_or(offset..offset)
}
