//! Byte offsets ↔ positions as editors count them: zero-based lines, and within a line UTF-16 code
//! units. It owns the rule for what a line end is (`\n`, `\r\n`, a lone `\r`) and never fails: a
//! position outside the text is moved to the nearest place inside.

use std::ops::Range;

/// A place in a text as the editor counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Zero-based line.
    pub line: u32,
    /// UTF-16 code units from the start of the line.
    pub character: u32,
}

/// A half-open stretch of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// First position.
    pub start: Position,
    /// Position behind the last one.
    pub end: Position,
}

/// Where the lines of one text begin and end.
#[derive(Debug, Clone)]
pub struct LineIndex {
    /// Byte range of each line without its line end. Never empty.
    lines: Vec<Range<usize>>,
}

impl LineIndex {
    /// Reads the text once.
    pub fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut lines = Vec::new();
        let mut start = 0;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let end_len = match byte {
                b'\r' if bytes.get(at + 1) == Some(&b'\n') => 2,
                b'\n' | b'\r' => 1,
                _ => 0,
            };
            if end_len > 0 {
                lines.push(start..at);
                start = at + end_len;
            }
            at += end_len.max(1);
        }
        lines.push(start..bytes.len());
        Self { lines }
    }

    /// Number of lines; a text that ends with a line end has an empty last line.
    pub fn line_count(&self) -> u32 {
        u32::try_from(self.lines.len()).unwrap_or(u32::MAX)
    }

    /// The position of a byte offset. An offset inside a character counts as that character's
    /// start, one inside a line end as the end of the line.
    pub fn position(&self, text: &str, offset: usize) -> Position {
        let offset = floor_char_boundary(text, offset);
        let line = self
            .lines
            .partition_point(|line| line.start <= offset)
            .saturating_sub(1);
        let range = self.lines.get(line).cloned().unwrap_or_default();
        let before = text
            .get(range.start..offset.min(range.end))
            .unwrap_or_default();
        Position {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            character: utf16_len(before),
        }
    }

    /// The byte offset of a position. A position behind the end of its line is the end of that
    /// line, one inside a surrogate pair the start of that character.
    pub fn offset(&self, text: &str, position: Position) -> usize {
        let Some(range) = self.lines.get(position.line as usize) else {
            return text.len();
        };
        let line = text.get(range.clone()).unwrap_or_default();
        let mut units = 0;
        for (at, character) in line.char_indices() {
            units += utf16_len(character.encode_utf8(&mut [0; 4]));
            if units > position.character {
                return range.start + at;
            }
        }
        range.end
    }

    /// The positions of a byte range.
    pub fn span(&self, text: &str, range: Range<usize>) -> Span {
        Span {
            start: self.position(text, range.start),
            end: self.position(text, range.end),
        }
    }
}

/// Replaces `range` of `text`, or the whole text if there is no range, as an editor asks for it.
/// A range that ends before it begins is taken as an insertion at its start.
pub fn apply_edit(text: &mut String, range: Option<Span>, replacement: &str) {
    let Some(range) = range else {
        replacement.clone_into(text);
        return;
    };
    let index = LineIndex::new(text);
    let start = index.offset(text, range.start);
    let end = index.offset(text, range.end).max(start);
    text.replace_range(start..end, replacement);
}

fn utf16_len(text: &str) -> u32 {
    let units = text.chars().map(char::len_utf16).sum::<usize>();
    u32::try_from(units).unwrap_or(u32::MAX)
}

fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
