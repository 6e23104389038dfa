//! C52: positions agree with the editor's, whatever the line ends and characters are.

use otaru_lsp_ide::position::{LineIndex, Position, Span, apply_edit};
use proptest::prelude::*;

/// Texts made of what goes wrong: every kind of line end, two-, three- and four-byte characters.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n"),
        Just("\r\n"),
        Just("\r"),
        Just("😀"),
        Just("é"),
        Just("€"),
        Just("board = \"host\""),
        Just("# "),
        Just(" "),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// The editor's own way of counting, written the slow way: UTF-16 units, line by line.
fn oracle_offset(text: &str, position: Position) -> usize {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut line = 0;
    let mut at = 0;
    while line < position.line && at < units.len() {
        let is_crlf = units[at] == 0x0D && units.get(at + 1) == Some(&0x0A);
        let ends = units[at] == 0x0A || units[at] == 0x0D;
        at += if is_crlf { 2 } else { 1 };
        line += u32::from(ends);
    }
    if line < position.line {
        return text.len();
    }
    let mut left = position.character;
    while left > 0 && at < units.len() && units[at] != 0x0A && units[at] != 0x0D {
        at += 1;
        left -= 1;
    }
    if units
        .get(at)
        .is_some_and(|unit| (0xDC00..0xE000).contains(unit))
    {
        at -= 1;
    }
    String::from_utf16(&units[..at])
        .expect("cut at a character")
        .len()
}

proptest! {
    #[test]
    fn offsets_round_trip(text in text()) {
        let index = LineIndex::new(&text);
        for (offset, _) in text.char_indices().chain([(text.len(), ' ')]) {
            let inside_crlf = text[..offset].ends_with('\r') && text[offset..].starts_with('\n');
            let position = index.position(&text, offset);
            let expected = if inside_crlf { offset - 1 } else { offset };
            prop_assert_eq!(index.offset(&text, position), expected);
        }
    }

    #[test]
    fn any_position_lands_where_the_editor_means(text in text(), line in 0u32..45, character in 0u32..40) {
        let position = Position { line, character };
        let offset = LineIndex::new(&text).offset(&text, position);
        prop_assert_eq!(offset, oracle_offset(&text, position));
    }

    #[test]
    fn edits_agree_with_the_full_text(
        start_text in text(),
        edits in prop::collection::vec(((0u32..12, 0u32..20), (0u32..12, 0u32..20), text()), 1..8),
    ) {
        let mut ours = start_text.clone();
        let mut full = start_text;
        for ((line, character), (end_line, end_character), replacement) in edits {
            let start = Position { line, character };
            let end = Position { line: end_line, character: end_character }.max(start);
            let from = oracle_offset(&full, start);
            let to = oracle_offset(&full, end).max(from);
            full = format!("{}{replacement}{}", &full[..from], &full[to..]);
            apply_edit(&mut ours, Some(Span { start, end }), &replacement);
            prop_assert_eq!(&ours, &full);
        }
    }
}

#[test]
fn a_surrogate_pair_is_never_split() {
    let text = "a😀b";
    let index = LineIndex::new(text);
    assert_eq!(
        index.offset(
            text,
            Position {
                line: 0,
                character: 2
            }
        ),
        1
    );
    assert_eq!(
        index.offset(
            text,
            Position {
                line: 0,
                character: 3
            }
        ),
        5
    );
}
