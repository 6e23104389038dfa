//! Names that stand in several places: where else they are, and how they are changed everywhere.

use crate::cursor::{Cursor, Spot};
use crate::diagnostics::TextEdit;
use crate::outline::{strings, unquoted};
use crate::position::{Position, Span};
use crate::source::Source;
use otaru_lsp_project::{BOARD_SCHEMA, KeyKind};
use std::ops::Range;

/// What a name names. Names of different kinds have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A board: its own file and every manifest that chooses it.
    Board,
    /// A key file of one manifest.
    KeyFile,
    /// An install mode of a board.
    Mode,
    /// A device that an update addresses.
    Device,
    /// A fleet that an update addresses.
    Fleet,
    /// An area of flash.
    Area,
}

/// A name at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// What it names.
    pub kind: NameKind,
    /// The name.
    pub text: String,
    /// Where it stands, without quotes.
    pub span: Span,
}

impl Name {
    /// Whether the name means the same in every file of the workspace.
    pub const fn is_shared(&self) -> bool {
        match self.kind {
            NameKind::Board | NameKind::Device | NameKind::Fleet => true,
            NameKind::KeyFile | NameKind::Mode | NameKind::Area => false,
        }
    }

    /// Why it cannot be changed, if it cannot.
    pub const fn obstacle(&self) -> Option<&'static str> {
        match self.kind {
            NameKind::Mode => {
                Some("install modes are `standby` and `swap`; they have no other names")
            }
            NameKind::Area => {
                Some("the areas of a board have fixed names; move or resize them instead")
            }
            NameKind::Board | NameKind::KeyFile | NameKind::Device | NameKind::Fleet => None,
        }
    }
}

/// Why something cannot be a name.
pub(crate) fn unfit(kind: NameKind, name: &str) -> Option<&'static str> {
    if name.trim().is_empty() {
        return Some("a name cannot be empty");
    }
    if name.contains(['"', '\'', '\\']) || name.chars().any(char::is_control) {
        return Some("quotes, backslashes and line ends cannot stand in a name");
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if kind == NameKind::Board && !name.chars().all(is_plain) {
        return Some("a board is named like its directory: letters, digits, `-` and `_`");
    }
    None
}

/// The name at a place.
pub(crate) fn name_at(source: &Source, at: Position) -> Option<Name> {
    let offset = source.offset(at);
    let cursor = Cursor::at(source, at);
    if cursor.spot == Spot::Nothing {
        return None;
    }
    all(source)
        .into_iter()
        .find(|(_, _, range)| range.start <= offset && offset <= range.end)
        .map(|(kind, text, range)| Name {
            kind,
            text,
            span: source.span(range),
        })
}

/// Every place of this file where the name stands.
pub(crate) fn places(source: &Source, kind: NameKind, name: &str) -> Vec<Span> {
    all(source)
        .into_iter()
        .filter(|(found, text, _)| *found == kind && text == name)
        .map(|(_, _, range)| source.span(range))
        .collect()
}

/// The edits that give a name everywhere in this file another text.
pub(crate) fn renamed(source: &Source, kind: NameKind, name: &str, new: &str) -> Vec<TextEdit> {
    places(source, kind, name)
        .into_iter()
        .map(|span| TextEdit {
            span,
            text: new.to_owned(),
        })
        .collect()
}

/// Where a board says its own name, if this is its file.
pub(crate) fn board_definition(source: &Source) -> Option<(String, Span)> {
    if source.schema.file != BOARD_SCHEMA.file {
        return None;
    }
    let entry = source.outline.entry("board", "name")?;
    let name = source.word(entry).to_owned();
    Some((name, source.span(inside(source, &entry.value))))
}

/// The bytes between the quotes of a string.
fn inside(source: &Source, item: &Range<usize>) -> Range<usize> {
    let word = unquoted(source.get(item));
    let is_quoted = source.get(item).starts_with(['"', '\'']);
    let start = item.start + usize::from(is_quoted);
    start..(start + word.len()).min(item.end)
}

/// All names of a file.
fn all(source: &Source) -> Vec<(NameKind, String, Range<usize>)> {
    let mut found = Vec::new();
    for section in source.outline.sections.iter().skip(1) {
        found.extend(header_names(source, &section.path, &section.name));
        for entry in &section.entries {
            let Some(doc) = source.doc(entry) else {
                continue;
            };
            let is_board_name = source.schema.file == BOARD_SCHEMA.file
                && entry.table == "board"
                && entry.name == "name";
            let kind = match doc.kind {
                KeyKind::Board => NameKind::Board,
                KeyKind::Text if is_board_name => NameKind::Board,
                KeyKind::KeyFile | KeyKind::KeyFiles => NameKind::KeyFile,
                KeyKind::Device => NameKind::Device,
                KeyKind::Fleet => NameKind::Fleet,
                KeyKind::OneOf { .. } if entry.name == "mode" => NameKind::Mode,
                KeyKind::Text
                | KeyKind::OneOf { .. }
                | KeyKind::Target
                | KeyKind::Version
                | KeyKind::PlainVersion
                | KeyKind::File
                | KeyKind::Url
                | KeyKind::Texts
                | KeyKind::Flag
                | KeyKind::Number { .. }
                | KeyKind::ByteOf(_)
                | KeyKind::Choice(_) => continue,
            };
            for item in strings(&source.text, &entry.value) {
                let word = unquoted(source.get(&item)).to_owned();
                found.push((kind, word, inside(source, &item)));
            }
        }
    }
    found
}

/// The mode and the area that a header of a board names.
fn header_names(
    source: &Source,
    path: &str,
    name: &Range<usize>,
) -> Vec<(NameKind, String, Range<usize>)> {
    let mut found = Vec::new();
    let mut at = name.start;
    for (index, word) in source.get(name).split('.').enumerate() {
        let start = at + (word.len() - word.trim_start().len());
        let range = start..start + word.trim().len();
        let kind = match (path.split('.').next(), index) {
            (Some("modes"), 1) => Some(NameKind::Mode),
            (Some("modes"), 2) | (Some("areas"), 1) => Some(NameKind::Area),
            (Some(_) | None, _) => None,
        };
        found.extend(kind.map(|kind| (kind, word.trim().to_owned(), range)));
        at += word.len() + 1;
    }
    found
}
