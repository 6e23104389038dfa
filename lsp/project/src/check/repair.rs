//! Edits of whole lines: a key that is missing, one that should go.

use crate::problem::Repair;
use crate::reader::{Entry, Place, Source};
use crate::schema::{KeyDoc, TableDoc};

/// Writes a missing key: below the header of its table, or with the whole table at the end of the
/// text. `None` for a table that is written on one line.
pub(super) fn add_key(source: Source<'_>, place: &Place, key: &KeyDoc) -> Option<Repair> {
    let text = source.text;
    let end = line_end(text);
    let header = place
        .is_written
        .then(|| line_of(text, place.span.start))
        .filter(|line| {
            text.get(line.clone())
                .is_some_and(|line| line.trim_start().starts_with('['))
        });
    match header {
        Some(line) => {
            let written = format!("{} = {}", key.name, key.example);
            let title = format!("Add `{written}`");
            Some(if text.get(line.end..).unwrap_or_default().is_empty() {
                Repair::new(title, line.end..line.end, format!("{end}{written}"))
            } else {
                let below = line.end + end_len(text, line.end);
                Repair::new(title, below..below, format!("{written}{end}"))
            })
        }
        None if !place.is_written => {
            let table = source.schema.table(&place.name)?;
            Some(add_table(text, table, end))
        }
        None => None,
    }
}

/// Writes a missing table with everything that it must have.
fn add_table(text: &str, table: &TableDoc, end: &str) -> Repair {
    let mut written = match text {
        "" => String::new(),
        text if text.ends_with('\n') => end.to_owned(),
        _ => end.repeat(2),
    };
    written.push_str(&[&table.header(), end].concat());
    for key in table.keys.iter().filter(|key| key.is_required()) {
        written.push_str(&[key.name, " = ", key.example, end].concat());
    }
    let title = format!("Add `{}`", table.header());
    Repair::new(title, text.len()..text.len(), written)
}

/// Removes the line of a key. `None` for one that shares its line with something else, and for
/// tables.
pub(super) fn remove(text: &str, entry: &Entry<'_>) -> Option<Repair> {
    if entry.value.is_table() {
        return None;
    }
    let first = line_of(text, entry.key_span.start);
    let last = line_of(text, entry.span.end);
    let before = text.get(first.start..entry.key_span.start)?;
    let after = text.get(entry.span.end..last.end)?.trim_start();
    let is_alone = before.trim().is_empty() && (after.is_empty() || after.starts_with('#'));
    is_alone.then(|| {
        let key = text.get(entry.key_span.clone()).unwrap_or_default();
        let end = last.end + end_len(text, last.end);
        Repair::new(format!("Remove `{key}`"), first.start..end, "")
    })
}

/// The line end that the text uses.
fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// The bytes of the line around an offset, without its line end.
fn line_of(text: &str, offset: usize) -> std::ops::Range<usize> {
    let offset = offset.min(text.len());
    let before = text.get(..offset).unwrap_or_default();
    let after = text.get(offset..).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let end = after
        .find(['\r', '\n'])
        .map_or(text.len(), |at| offset + at);
    start..end
}

/// How long the line end at an offset is.
fn end_len(text: &str, offset: usize) -> usize {
    let after = text.get(offset..).unwrap_or_default();
    if after.starts_with("\r\n") {
        2
    } else {
        usize::from(after.starts_with(['\r', '\n']))
    }
}
