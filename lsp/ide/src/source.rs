//! One text with everything that is known of its places.

use crate::outline::{Entry, Outline};
use crate::position::{LineIndex, Position, Span};
use otaru_lsp_project::{FILE_LEN_MAX, KeyDoc, Schema};
use std::ops::Range;

/// A text, its lines, its outline, and what may stand in it.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) text: String,
    pub(crate) index: LineIndex,
    pub(crate) outline: Outline,
    pub(crate) schema: &'static Schema,
}

impl Source {
    /// Reads the text once.
    pub(crate) fn new(schema: &'static Schema, text: String) -> Self {
        Self {
            index: LineIndex::new(&text),
            // What is too long to be read has no places either.
            outline: Outline::new(if text.len() > FILE_LEN_MAX { "" } else { &text }),
            schema,
            text,
        }
    }

    /// The positions of a byte range.
    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        self.index.span(&self.text, range)
    }

    /// The byte offset of a position.
    pub(crate) fn offset(&self, at: Position) -> usize {
        self.index.offset(&self.text, at)
    }

    /// The text of a byte range.
    pub(crate) fn get(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// The value of an entry without quotes.
    pub(crate) fn word(&self, entry: &Entry) -> &str {
        crate::outline::unquoted(self.get(&entry.value))
    }

    /// The number of a key, if it is there and one.
    pub(crate) fn number(&self, table: &str, key: &str) -> Option<u32> {
        let entry = self.outline.entry(table, key)?;
        crate::outline::number(self.get(&entry.value))
    }

    /// What the schema says about an entry.
    pub(crate) fn doc(&self, entry: &Entry) -> Option<&'static KeyDoc> {
        self.schema.table(&entry.table)?.key(&entry.name)
    }

    /// The positions of a whole line, without its end.
    pub(crate) fn line(&self, line: u32) -> Range<usize> {
        let at = |character| self.offset(Position { line, character });
        at(0)..at(u32::MAX)
    }
}
