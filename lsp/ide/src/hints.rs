//! What an editor shows behind values: sizes, ends, free space, the next version.

use crate::Analysis;
use crate::facts::Facts;
use crate::outline::{Entry, number};
use crate::position::{Position, Span};
use crate::sizes;
use otaru_lsp_project::{KeyKind, Unit};

/// A remark behind a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Behind what it stands.
    pub at: Position,
    /// What it says.
    pub text: String,
}

/// The hints within a range.
pub(crate) fn hints(analysis: &Analysis, facts: &Facts, within: Span) -> Vec<Hint> {
    let source = &analysis.source;
    source
        .outline
        .entries()
        .filter_map(|entry| {
            let at = source.span(entry.value.clone()).end;
            if at < within.start || within.end < at {
                return None;
            }
            let text = of_entry(analysis, facts, entry)?;
            Some(Hint { at, text })
        })
        .collect()
}

fn of_entry(analysis: &Analysis, facts: &Facts, entry: &Entry) -> Option<String> {
    let source = &analysis.source;
    let kind = source.doc(entry)?.kind;
    if kind == KeyKind::Board {
        return of_board(analysis, facts);
    }
    if kind == KeyKind::Version {
        let built = facts.built.as_ref()?;
        return Some(format!("last build {}", built.label));
    }
    let written = source.get(&entry.value);
    let value = number(written)?;
    match kind.unit()? {
        Unit::Seconds if value >= 60 => Some(sizes::time(u64::from(value) * 1000)),
        Unit::Milliseconds if value >= 1000 => Some(sizes::time(value.into())),
        Unit::Count | Unit::Seconds | Unit::Milliseconds => None,
        Unit::Bytes => of_bytes(analysis, entry, value),
    }
}

fn of_bytes(analysis: &Analysis, entry: &Entry, value: u32) -> Option<String> {
    let source = &analysis.source;
    let size = sizes::bytes(value.into());
    if entry.table == "flash" && entry.name == "len" {
        let free = sizes::free(source)?;
        return Some(format!("{size} · {} free", sizes::bytes(free)));
    }
    match (entry.name.as_str(), sizes::area(source, &entry.table)) {
        ("offset", Some(area)) => Some(format!("ends at {}", sizes::end(area.end()))),
        ("offset", None) => None,
        ("len", Some(area)) => Some(match area.sectors() {
            Some(1) => format!("{size} · 1 sector"),
            Some(count) => format!("{size} · {count} sectors"),
            None => size,
        }),
        (_, _) if value >= 1024 => Some(size),
        (_, _) => None,
    }
}

/// How much of a slot the image takes, or how much it may.
fn of_board(analysis: &Analysis, facts: &Facts) -> Option<String> {
    let (board, mode) = analysis.board()?;
    let room = board.image_len_max(mode);
    let room_text = sizes::bytes(room.into());
    Some(match &facts.built {
        Some(built) => {
            let percent = u64::from(built.len) * 100 / u64::from(room.max(1));
            format!("{percent} % of {room_text} used")
        }
        None => format!("{room_text} for an image"),
    })
}
