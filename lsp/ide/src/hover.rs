//! What the thing under the pointer means.

use crate::Analysis;
use crate::completion::expectation;
use crate::cursor::{Cursor, Spot};
use crate::position::{Position, Span};
use otaru_lsp_project::{Board, KeyDoc, KeyKind, Mode, board, manifest_table};

/// An explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hover {
    /// What it is about.
    pub span: Span,
    /// The explanation.
    pub markdown: String,
}

pub(crate) fn hover(analysis: &Analysis, at: Position) -> Option<Hover> {
    let cursor = Cursor::at(&analysis.text, &analysis.index, at);
    let markdown = match cursor.spot {
        Spot::Table => {
            let table = manifest_table(cursor.word.trim())?;
            format!("**[{}]**\n\n{}", table.name, table.doc)
        }
        Spot::Key => {
            let keys = cursor.table?.keys;
            of_key(keys.iter().find(|key| key.name == cursor.word)?)
        }
        Spot::Value(key) => {
            let word = cursor.word.trim_matches(['"', '\'']);
            match (key.kind, board(word)) {
                (KeyKind::Board, Some(board)) => of_board(board),
                _ => of_key(key),
            }
        }
        Spot::Nothing => return None,
    };
    Some(Hover {
        span: cursor.span,
        markdown,
    })
}

fn of_key(key: &KeyDoc) -> String {
    format!("**{}**: {}\n\n{}", key.name, expectation(key), key.doc)
}

fn of_board(board: &Board) -> String {
    let modes: Vec<&str> = Mode::ALL
        .into_iter()
        .filter(|mode| board.has_mode(*mode))
        .map(Mode::as_str)
        .collect();
    let mut text = format!(
        "**{}**: {}\n\nFlash {} KiB, install {} (default {})\n\n| area | begins at | length |\n|---|---|---|\n",
        board.name,
        board.description,
        board.flash.len / 1024,
        modes.join(" or "),
        board.defaults.mode.as_str(),
    );
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
