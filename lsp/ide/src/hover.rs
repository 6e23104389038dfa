//! What the thing under the pointer means.

use crate::Analysis;
use crate::completion::of_key;
use crate::cursor::{Cursor, Spot};
use crate::facts::Facts;
use crate::outline::{number, unquoted};
use crate::position::{Position, Span};
use crate::sizes;
use otaru_lsp_project::{Board, KeyDoc, KeyKind, Mode, TARGETS, Unit, Word, board};

/// An explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hover {
    /// What it is about.
    pub span: Span,
    /// The explanation.
    pub markdown: String,
}

pub(crate) fn hover(analysis: &Analysis, facts: &Facts, at: Position) -> Option<Hover> {
    let source = &analysis.source;
    let cursor = Cursor::at(source, at);
    let markdown = match &cursor.spot {
        Spot::Table => {
            let table = source.schema.table(&cursor.section.path)?;
            let mut text = format!("**[{}]**\n\n{}", table.name, table.doc);
            if let Some(area) = sizes::area(source, table.name) {
                text.push_str("\n\n");
                text.push_str(&area.in_words());
            }
            text
        }
        Spot::Key => explain(cursor.table?.key(cursor.word)?),
        Spot::Value(key) => of_value(facts, key, cursor.word),
        Spot::Nothing => return None,
    };
    Some(Hover {
        span: source.span(cursor.range.clone()),
        markdown,
    })
}

fn explain(key: &KeyDoc) -> String {
    format!("**{}**: {}\n\n{}", key.name, key.expectation(), of_key(key))
}

fn of_value(facts: &Facts, key: &'static KeyDoc, written: &str) -> String {
    let word = unquoted(written);
    let own = match key.kind {
        KeyKind::Board => board(word).map(|board| of_board(board, facts)),
        KeyKind::OneOf { words, .. } => of_word(words, word),
        KeyKind::Target => of_word(TARGETS, word),
        KeyKind::Device => facts
            .devices
            .iter()
            .find(|device| device.name == word)
            .map(|device| format!("**{}**: {}", device.name, device.detail)),
        KeyKind::Number { unit, .. } => number(written).and_then(|value| of_number(unit, value)),
        KeyKind::Text
        | KeyKind::Version
        | KeyKind::PlainVersion
        | KeyKind::File
        | KeyKind::KeyFile
        | KeyKind::KeyFiles
        | KeyKind::Url
        | KeyKind::Fleet
        | KeyKind::Texts
        | KeyKind::Flag
        | KeyKind::ByteOf(_)
        | KeyKind::Choice(_) => None,
    };
    match (own, key.kind) {
        (Some(own), KeyKind::Board) => own,
        (Some(own), _) => format!("{own}\n\n{}", explain(key)),
        (None, _) => explain(key),
    }
}

fn of_word(words: &[Word], written: &str) -> Option<String> {
    let word = words.iter().find(|word| word.name == written)?;
    Some(format!("**{}**: {}", word.name, word.doc))
}

fn of_number(unit: Unit, value: u32) -> Option<String> {
    match unit {
        Unit::Count => None,
        Unit::Bytes => Some(format!(
            "{} = {value} bytes = {}",
            otaru_lsp_project::hex(value),
            sizes::bytes(value.into())
        )),
        Unit::Seconds => Some(sizes::time(u64::from(value) * 1000)),
        Unit::Milliseconds => Some(sizes::time(value.into())),
    }
}

fn of_board(board: &Board, facts: &Facts) -> String {
    let modes: Vec<&str> = Mode::ALL
        .into_iter()
        .filter(|mode| board.has_mode(*mode))
        .map(Mode::as_str)
        .collect();
    let mut text = format!(
        "**{}**: {}\n\nFlash {} KiB, install {} (default {})\n\n",
        board.name,
        board.description,
        board.flash.len / 1024,
        modes.join(" or "),
        board.defaults.mode.as_str(),
    );
    if let Some(built) = &facts.built {
        let slot = board.image_len_max(board.defaults.mode);
        let line = format!(
            "The last build, {}, takes {} of {}.\n\n",
            built.label,
            sizes::bytes(built.len.into()),
            sizes::bytes(slot.into())
        );
        text.push_str(&line);
    }
    text.push_str("| area | begins at | length |\n|---|---|---|\n");
    for area in &board.areas {
        let name = area.name.replace('_', " ");
        let row = format!(
            "| {name} | {:#010x} | {} KiB |\n",
            area.offset,
            area.len / 1024
        );
        text.push_str(&row);
    }
    text
}
