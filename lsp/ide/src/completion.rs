//! What can be written at a place: tables, keys that are not there yet, and the values of keys that
//! have a closed list.

use crate::Analysis;
use crate::cursor::{Cursor, Spot};
use crate::position::{Position, Span};
use otaru_lsp_project::{KeyDoc, KeyKind, MANIFEST_KEYS, TableDoc, board, board_names};

/// What kind of thing is proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionKind {
    /// A table's name.
    Table,
    /// A key.
    Key,
    /// A value.
    Value,
}

/// One proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What the list shows.
    pub label: String,
    /// Table, key or value.
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

pub(crate) fn completions(analysis: &Analysis, at: Position) -> Vec<Completion> {
    let cursor = Cursor::at(&analysis.text, &analysis.index, at);
    match (&cursor.spot, cursor.table) {
        (Spot::Table, _) => tables(&cursor),
        (Spot::Key, Some(table)) => keys(&cursor, table),
        (Spot::Value(key), _) => values(&cursor, key),
        (Spot::Key, None) | (Spot::Nothing, _) => Vec::new(),
    }
}

fn tables(cursor: &Cursor<'_>) -> Vec<Completion> {
    MANIFEST_KEYS
        .iter()
        .filter(|table| !cursor.has_table(table.name))
        .map(|table| Completion {
            label: table.name.to_owned(),
            kind: CompletionKind::Table,
            detail: "table".to_owned(),
            documentation: table.doc.to_owned(),
            span: cursor.span,
            text: table.name.to_owned(),
        })
        .collect()
}

fn keys(cursor: &Cursor<'_>, table: &'static TableDoc) -> Vec<Completion> {
    table
        .keys
        .iter()
        .filter(|key| !cursor.has_key(key.name))
        .map(|key| Completion {
            label: key.name.to_owned(),
            kind: CompletionKind::Key,
            detail: expectation(key),
            documentation: key.doc.to_owned(),
            span: cursor.span,
            text: key.name.to_owned(),
        })
        .collect()
}

fn values(cursor: &Cursor<'_>, key: &'static KeyDoc) -> Vec<Completion> {
    let words: Vec<(&str, String)> = match key.kind {
        KeyKind::OneOf(words) => words
            .iter()
            .map(|word| (*word, key.doc.to_owned()))
            .collect(),
        KeyKind::Board => board_names()
            .into_iter()
            .map(|name| (name, board(name).map(|board| board.description.clone())))
            .map(|(name, doc)| (name, doc.unwrap_or_default()))
            .collect(),
        KeyKind::Text if key.name == "version" => vec![("cargo", key.doc.to_owned())],
        KeyKind::Choice(numbers) => return choices(cursor, key, numbers),
        KeyKind::Text | KeyKind::Path | KeyKind::Url | KeyKind::Number(..) | KeyKind::List => {
            Vec::new()
        }
    };
    let quote = if cursor.word.starts_with('\'') {
        '\''
    } else {
        '"'
    };
    words
        .into_iter()
        .map(|(word, documentation)| Completion {
            label: word.to_owned(),
            kind: CompletionKind::Value,
            detail: key.name.to_owned(),
            documentation,
            span: cursor.span,
            text: format!("{quote}{word}{quote}"),
        })
        .collect()
}

/// Numbers, which stand without quotes.
fn choices(cursor: &Cursor<'_>, key: &'static KeyDoc, numbers: &[u32]) -> Vec<Completion> {
    numbers
        .iter()
        .map(|number| Completion {
            label: number.to_string(),
            kind: CompletionKind::Value,
            detail: key.name.to_owned(),
            documentation: key.doc.to_owned(),
            span: cursor.span,
            text: number.to_string(),
        })
        .collect()
}

/// What a key expects, in a few words.
pub(crate) fn expectation(key: &KeyDoc) -> String {
    let kind = match key.kind {
        KeyKind::Text => "text".to_owned(),
        KeyKind::OneOf(words) => words.join(" or "),
        KeyKind::Board => "name of a board".to_owned(),
        KeyKind::Path => "path, relative to this file".to_owned(),
        KeyKind::Url => "address".to_owned(),
        KeyKind::Number(0, u32::MAX) => "whole number".to_owned(),
        KeyKind::Number(from, to) => format!("whole number from {from} to {to}"),
        KeyKind::Choice(numbers) => {
            let numbers: Vec<_> = numbers.iter().map(u32::to_string).collect();
            numbers.join(" or ")
        }
        KeyKind::List => "list of texts".to_owned(),
    };
    match (key.required, key.default) {
        (true, _) => format!("{kind}, required"),
        (false, Some(default)) => format!("{kind}; without it: {default}"),
        (false, None) => kind,
    }
}
