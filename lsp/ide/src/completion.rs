//! What can be written at a place: tables, keys that are not there yet, and the values of keys that
//! have a closed list or of which the world knows some.

use crate::Analysis;
use crate::cursor::{Cursor, Spot};
use crate::facts::Facts;
use crate::position::{Position, Span};
use crate::source::Source;
use otaru_lsp_project::{KeyDoc, KeyKind, TARGETS, TableDoc, board, board_names};

/// What kind of thing is proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionKind {
    /// A table's name.
    Table,
    /// A key.
    Key,
    /// A value.
    Value,
    /// A path.
    File,
}

/// One proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What the list shows.
    pub label: String,
    /// What kind of thing it is.
    pub kind: CompletionKind,
    /// One line beside it.
    pub detail: String,
    /// What it means, Markdown.
    pub documentation: String,
    /// What is replaced.
    pub span: Span,
    /// What is written there.
    pub text: String,
}

pub(crate) fn completions(analysis: &Analysis, facts: &Facts, at: Position) -> Vec<Completion> {
    let source = &analysis.source;
    let cursor = Cursor::at(source, at);
    match (&cursor.spot, cursor.table) {
        (Spot::Table, _) => tables(source, &cursor),
        (Spot::Key, Some(table)) => keys(source, &cursor, table),
        (Spot::Value(key), _) => values(source, facts, &cursor, key),
        (Spot::Key, None) | (Spot::Nothing, _) => Vec::new(),
    }
}

fn tables(source: &Source, cursor: &Cursor<'_>) -> Vec<Completion> {
    let rest = cursor.rest.trim_start();
    let closed = rest.len() - rest.trim_start_matches(']').len();
    let before = source.get(&(0..cursor.range.start));
    let is_list_open = before.trim_end().ends_with("[[");
    // A table of a list has two brackets on both sides, whatever of them is typed already.
    let written = |table: &TableDoc| {
        let (open, wanted) = match (table.is_list, is_list_open) {
            (true, false) => ("[", 2_usize),
            (true, true) => ("", 2),
            (false, _) => ("", 1),
        };
        let close = "]".repeat(wanted.saturating_sub(closed));
        [open, table.name, &close].concat()
    };
    source
        .schema
        .tables
        .iter()
        .filter(|table| table.is_list || !is_list_open)
        .filter(|table| {
            table.is_list
                || cursor.section.path == table.name
                || source.outline.section(table.name).is_none()
        })
        .map(|table| Completion {
            label: table.name.to_owned(),
            kind: CompletionKind::Table,
            detail: "table".to_owned(),
            documentation: table.doc.to_owned(),
            span: source.span(cursor.range.clone()),
            text: written(table),
        })
        .collect()
}

fn keys(source: &Source, cursor: &Cursor<'_>, table: &'static TableDoc) -> Vec<Completion> {
    let assign = if cursor.rest.trim_start().starts_with('=') {
        ""
    } else {
        " = "
    };
    table
        .keys
        .iter()
        .filter(|key| !cursor.has_key(source, key.name))
        .map(|key| Completion {
            label: key.name.to_owned(),
            kind: CompletionKind::Key,
            detail: key.expectation(),
            documentation: of_key(key),
            span: source.span(cursor.range.clone()),
            text: format!("{}{assign}", key.name),
        })
        .collect()
}

/// What a key means, with an example.
pub(crate) fn of_key(key: &KeyDoc) -> String {
    format!(
        "{}\n\n```toml\n{} = {}\n```",
        key.doc, key.name, key.example
    )
}

/// A value as it is proposed: how it is written, without quotes, and what it means.
type Proposed = (String, String);

fn values(
    source: &Source,
    facts: &Facts,
    cursor: &Cursor<'_>,
    key: &'static KeyDoc,
) -> Vec<Completion> {
    let is_path = matches!(key.kind, KeyKind::KeyFile | KeyKind::KeyFiles);
    let kind = if is_path {
        CompletionKind::File
    } else {
        CompletionKind::Value
    };
    let quote = match quotes(key) {
        false => "",
        true if cursor.word.starts_with('\'') => "'",
        true => "\"",
    };
    // A list that is not begun yet needs its brackets.
    let needs_list = matches!(key.kind, KeyKind::KeyFiles | KeyKind::Texts) && {
        let entry = cursor
            .section
            .entries
            .iter()
            .find(|entry| entry.name == key.name);
        entry.is_some_and(|entry| !source.get(&entry.value).starts_with('['))
    };
    let (open, close) = if needs_list { ("[", "]") } else { ("", "") };
    proposed(source, facts, cursor, key)
        .into_iter()
        .map(|(word, documentation)| Completion {
            text: format!("{open}{quote}{word}{quote}{close}"),
            label: word,
            kind,
            detail: key.name.to_owned(),
            documentation,
            span: source.span(cursor.range.clone()),
        })
        .collect()
}

/// Whether values of the key are written in quotes.
fn quotes(key: &KeyDoc) -> bool {
    !matches!(
        key.kind,
        KeyKind::Flag | KeyKind::Number { .. } | KeyKind::ByteOf(_) | KeyKind::Choice(_)
    )
}

fn proposed(
    source: &Source,
    facts: &Facts,
    cursor: &Cursor<'_>,
    key: &'static KeyDoc,
) -> Vec<Proposed> {
    let with_doc = |word: &str| (word.to_owned(), key.doc.to_owned());
    match key.kind {
        KeyKind::OneOf { words, .. } => of_words(words),
        KeyKind::Target => of_words(TARGETS),
        KeyKind::Board => board_names()
            .into_iter()
            .map(|name| {
                let doc = board(name).map(|board| board.description.clone());
                (name.to_owned(), doc.unwrap_or_default())
            })
            .collect(),
        KeyKind::Version => vec![with_doc("cargo")],
        KeyKind::Flag => ["true", "false"].map(with_doc).to_vec(),
        KeyKind::ByteOf(bytes) => bytes
            .iter()
            .map(|byte| with_doc(&format!("0x{byte:02X}")))
            .collect(),
        KeyKind::Choice(numbers) => numbers
            .iter()
            .map(|number| with_doc(&number.to_string()))
            .collect(),
        KeyKind::Device => facts
            .devices
            .iter()
            .map(|device| (device.name.clone(), device.detail.clone()))
            .collect(),
        KeyKind::Fleet => facts.fleets.iter().map(|fleet| with_doc(fleet)).collect(),
        KeyKind::KeyFile => facts.key_paths.iter().map(|path| with_doc(path)).collect(),
        KeyKind::KeyFiles => key_paths(source, facts, cursor)
            .iter()
            .map(|path| with_doc(path))
            .collect(),
        KeyKind::Number { .. } if key.is_required() => vec![with_doc(key.example)],
        KeyKind::Number { .. }
        | KeyKind::PlainVersion
        | KeyKind::File
        | KeyKind::Text
        | KeyKind::Url
        | KeyKind::Texts => Vec::new(),
    }
}

fn of_words(words: &[otaru_lsp_project::Word]) -> Vec<Proposed> {
    words
        .iter()
        .map(|word| (word.name.to_owned(), word.doc.to_owned()))
        .collect()
}

/// Paths of keys that do not stand in the list yet: files, and what other keys of the file name.
fn key_paths(source: &Source, facts: &Facts, cursor: &Cursor<'_>) -> Vec<String> {
    let mut paths = facts.key_paths.clone();
    let mut taken = Vec::new();
    for entry in source.outline.entries() {
        let Some(doc) = source.doc(entry) else {
            continue;
        };
        if !matches!(doc.kind, KeyKind::KeyFile | KeyKind::KeyFiles) {
            continue;
        }
        for item in crate::outline::strings(&source.text, &entry.value) {
            let path = crate::outline::unquoted(source.get(&item)).to_owned();
            if entry.value.contains(&cursor.range.start) && item != cursor.range {
                taken.push(path);
            } else if item != cursor.range && !paths.contains(&path) && !path.is_empty() {
                paths.push(path);
            }
        }
    }
    paths.retain(|path| !taken.contains(path));
    paths
}
