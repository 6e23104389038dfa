//! C6: whatever a server sends, the reader gives what `serde_json` gives, or refuses it, with
//! bounded work and memory, and however the bytes are split.

use core::fmt::Write;

use otaru_ddi::json::{
    Container, DEPTH_MAX, DOCUMENT_LEN_MAX, Error, Fault, Reader, Scalar, Text, Visitor,
};
use proptest::prelude::*;
use serde_json::{Map, Value};

const SCRATCH: usize = 16;

/// Rebuilds the whole document, and counts what it is told.
#[derive(Default)]
struct Rebuild {
    open: Vec<(Option<String>, Value)>,
    key: Option<String>,
    root: Option<Value>,
    calls: usize,
}

impl Rebuild {
    fn attach(&mut self, key: Option<String>, value: Value) {
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some((_, Value::Object(members))) => {
                members.insert(key.expect("a member has a key"), value);
            }
            Some((_, Value::Array(elements))) => elements.push(value),
            Some((_, other)) => panic!("{other} holds nothing"),
        }
    }
}

impl Visitor for Rebuild {
    type Node = ();

    fn root(&mut self) {
        self.calls += 1;
    }

    fn member(&mut self, (): (), key: &str) -> Option<()> {
        self.calls += 1;
        self.key = Some(key.to_owned());
        Some(())
    }

    fn element(&mut self, (): ()) -> Option<()> {
        self.calls += 1;
        Some(())
    }

    fn scalar(&mut self, (): (), value: Scalar<'_>) {
        let value = match value {
            Scalar::String(text) => Value::String(text.text.to_owned()),
            Scalar::Number(Text {
                text,
                complete: true,
            }) => serde_json::from_str(text).unwrap_or_else(|_| Value::String("huge".to_owned())),
            Scalar::Number(Text {
                complete: false, ..
            }) => Value::String("long".to_owned()),
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::Null => Value::Null,
        };
        let key = self.key.take();
        self.attach(key, value);
    }

    fn begin(&mut self, (): (), container: Container) {
        let value = match container {
            Container::Object => Value::Object(Map::new()),
            Container::Array => Value::Array(Vec::new()),
        };
        self.open.push((self.key.take(), value));
    }

    fn end(&mut self, (): ()) {
        let (key, value) = self.open.pop().expect("it was begun");
        self.attach(key, value);
    }
}

fn read<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Result<Value, Error> {
    let mut reader: Reader<Rebuild, SCRATCH> = Reader::new(Rebuild::default());
    for piece in pieces {
        reader.push(piece)?;
    }
    Ok(reader.finish()?.root.expect("a document has a value"))
}

/// What the reader is to make of a document: texts cut to the buffer, members with longer keys
/// skipped.
fn bounded(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text[..text.floor_char_boundary(SCRATCH)].to_owned()),
        Value::Array(elements) => elements.into_iter().map(bounded).collect(),
        Value::Object(members) => members
            .into_iter()
            .filter(|(key, _)| key.len() <= SCRATCH)
            .map(|(key, value)| (key, bounded(value)))
            .collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

/// Replaces numbers whose spelling is longer than the buffer; those the reader only flags.
fn without_long_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) if number.to_string().len() > SCRATCH => Value::from(0),
        Value::Array(elements) => elements.into_iter().map(without_long_numbers).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| (key, without_long_numbers(value)))
            .collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(|number: f64| Value::from((number * 8.0).round() / 8.0)),
        any::<String>().prop_map(Value::from),
        "[a-zß€😀\"\\\\\n]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-eß😀\"]{0,8}", inner, 0..6)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
    .prop_map(without_long_numbers)
}

/// Spells `text` with some characters as escapes, chosen by the bits of `choice`.
fn spell(text: &str, choice: u64, out: &mut String) {
    out.push('"');
    for (index, character) in text.chars().enumerate() {
        let escape = choice.rotate_right(u32::try_from(index % 64).expect("below 64")) & 1 == 1;
        if escape || character < ' ' || matches!(character, '"' | '\\') {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("a string takes anything");
            }
        } else {
            out.push(character);
        }
    }
    out.push('"');
}

/// Writes a document with odd white space, escapes, and every member twice, first wrong.
fn spell_value(value: &Value, choice: u64, out: &mut String) {
    let space = [" ", "", "\r\n", "\t"][usize::try_from(choice % 4).expect("below 4")];
    out.push_str(space);
    match value {
        Value::String(text) => spell(text, choice, out),
        Value::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                spell_value(element, choice.rotate_left(7), out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (key, member)) in members.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                spell(key, choice, out);
                out.push_str(space);
                out.push_str(":{\"first\":[1e5,-0.5E+3,true]},");
                spell(key, !choice, out);
                out.push(':');
                spell_value(member, choice.rotate_left(11), out);
            }
            out.push('}');
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => {
            out.push_str(&other.to_string());
        }
    }
    out.push_str(space);
}

fn pieces<'a>(document: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = document;
    let mut pieces = Vec::new();
    let mut sizes = sizes.iter().cycle();
    while let (false, Some(size)) = (rest.is_empty(), sizes.next()) {
        let (piece, after) = rest.split_at((*size).clamp(1, rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

proptest! {
    #[test]
    fn any_document_in_any_pieces_reads_as_serde_reads_it(
        value in values(),
        choice: u64,
        sizes in prop::collection::vec(1_usize..9, 1..20),
    ) {
        let mut document = String::new();
        spell_value(&value, choice, &mut document);
        let expected: Value = serde_json::from_str(&document).unwrap();
        prop_assert_eq!(&expected, &value);
        let read = read(pieces(document.as_bytes(), &sizes)).unwrap();
        prop_assert_eq!(read, bounded(expected));
    }

    #[test]
    fn a_damaged_document_is_judged_as_serde_judges_it(
        value in values(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        size in 1_usize..9,
    ) {
        let mut document = value.to_string().into_bytes();
        for (index, byte) in damage {
            let index = index.index(document.len());
            document[index] = byte;
        }
        let ours = read(pieces(&document, &[size]));
        match serde_json::from_slice::<Value>(&document) {
            Ok(_) => prop_assert!(ours.is_ok(), "{:?}", ours),
            // A number beyond a double is grammatical: it is its reader's business.
            Err(error) if error.to_string().starts_with("number out of range") => {}
            Err(error) => prop_assert!(ours.is_err(), "{:?} but {}", ours, error),
        }
    }

    #[test]
    fn random_bytes_never_panic_and_cost_at_most_two_calls_each(
        bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(&b"{}[]:,\"\\ue0-1.tfnDd8\x80\xC2"[..])],
            0..300,
        ),
    ) {
        let mut reader: Reader<Rebuild, SCRATCH> = Reader::new(Rebuild::default());
        let first = reader.push(&bytes);
        prop_assert_eq!(reader.push(b""), first, "an error stays");
        match reader.finish() {
            Ok(visitor) => prop_assert!(visitor.calls <= 2 * bytes.len()),
            Err(error) => prop_assert!(error.offset as usize <= bytes.len()),
        }
    }
}

fn check_refused(document: &[u8], fault: Fault, offset: u32) {
    let shown = String::from_utf8_lossy(document);
    assert_eq!(read([document]), Err(Error { fault, offset }), "{shown}");
    assert_eq!(
        read(document.chunks(1)),
        Err(Error { fault, offset }),
        "{shown}"
    );
    assert!(
        serde_json::from_slice::<Value>(document).is_err(),
        "{shown}"
    );
}

#[test]
fn malformed_documents_are_refused_at_the_offending_byte() {
    check_refused(b"", Fault::Incomplete, 0);
    check_refused(b"<html>", Fault::Syntax, 0);
    check_refused(b"\xEF\xBB\xBF{}", Fault::Syntax, 0);
    check_refused(b"{\"a\":1,}", Fault::Syntax, 7);
    check_refused(b"[1,]", Fault::Syntax, 3);
    check_refused(b"[1}", Fault::Syntax, 2);
    check_refused(b"{\"a\" 1}", Fault::Syntax, 5);
    check_refused(b"{1:2}", Fault::Syntax, 1);
    check_refused(b"{} {}", Fault::Syntax, 3);
    check_refused(b"[01]", Fault::Syntax, 2);
    check_refused(b"[-]", Fault::Syntax, 2);
    check_refused(b"[1.]", Fault::Syntax, 3);
    check_refused(b"[+1]", Fault::Syntax, 1);
    check_refused(b"[1e]", Fault::Syntax, 3);
    check_refused(b"1.", Fault::Incomplete, 2);
    check_refused(b"tru", Fault::Incomplete, 3);
    check_refused(b"trux", Fault::Syntax, 3);
    check_refused(b"\"a\nb\"", Fault::Syntax, 2);
    check_refused(b"\"a", Fault::Incomplete, 2);
    check_refused(b"{\"a\":[", Fault::Incomplete, 6);
}

#[test]
fn broken_utf8_and_escapes_are_refused_also_behind_the_end_of_the_buffer() {
    for before in ["", "0123456789abcdef0123456789abcdef"] {
        let at = |offset: u32| offset + u32::try_from(before.len()).unwrap() + 1;
        let document = |after: &[u8]| [b"\"", before.as_bytes(), after, b"\""].concat();
        check_refused(&document(b"\xC0\x80"), Fault::Utf8, at(0));
        check_refused(&document(b"\xE0\x9F\x80"), Fault::Utf8, at(1));
        check_refused(&document(b"\xED\xA0\x80"), Fault::Utf8, at(1));
        check_refused(&document(b"\xF4\x90\x80\x80"), Fault::Utf8, at(1));
        check_refused(&document(b"\xE2\x82"), Fault::Utf8, at(2));
        check_refused(&document(b"\\x"), Fault::Escape, at(1));
        check_refused(&document(b"\\u12g4"), Fault::Escape, at(4));
        check_refused(&document(b"\\uD83D"), Fault::Escape, at(6));
        check_refused(&document(b"\\uD83D\\n"), Fault::Escape, at(7));
        check_refused(&document(b"\\uD83D\\u0041"), Fault::Escape, at(11));
        check_refused(&document(b"\\uDE00"), Fault::Escape, at(5));
    }
}

#[test]
fn a_text_longer_than_the_buffer_is_flagged_and_cut_between_characters() {
    struct Last(String, bool);
    impl Visitor for Last {
        type Node = ();
        fn root(&mut self) {}
        fn member(&mut self, (): (), _: &str) -> Option<()> {
            None
        }
        fn scalar(&mut self, (): (), value: Scalar<'_>) {
            let (Scalar::String(text) | Scalar::Number(text)) = value else {
                return;
            };
            *self = Self(text.text.to_owned(), text.complete);
        }
    }
    let check = |document: &str, text: &str, complete: bool| {
        let mut reader: Reader<Last, SCRATCH> = Reader::new(Last(String::new(), false));
        reader.push(document.as_bytes()).unwrap();
        let last = reader.finish().unwrap();
        assert_eq!((last.0.as_str(), last.1), (text, complete));
    };
    check("\"0123456789abcdef\"", "0123456789abcdef", true);
    check("\"0123456789abcdefg\"", "0123456789abcdef", false);
    check("\"0123456789abcd€x\"", "0123456789abcd", false);
    check("\"0123456789abc\\ud83d\\ude00x\"", "0123456789abc", false);
    check("12345678901234567890", "1234567890123456", false);
}

#[test]
fn ten_megabytes_of_nesting_stop_at_the_depth_limit() {
    let document = vec![b'['; 10_000_000];
    let limit = u32::try_from(DEPTH_MAX).unwrap();
    assert_eq!(
        read([&document[..]]),
        Err(Error {
            fault: Fault::Depth,
            offset: limit
        })
    );
    let fits = [vec![b'['; DEPTH_MAX], vec![b']'; DEPTH_MAX]].concat();
    assert!(read([&fits[..]]).is_ok());
    // Also inside what is skipped.
    let skipped = [
        &b"{\"a key that is longer than the buffer\":"[..],
        &document,
    ]
    .concat();
    let fault = read([&skipped[..]]).map_err(|error| error.fault);
    assert_eq!(fault, Err(Fault::Depth));
}

#[test]
fn a_document_without_end_stops_at_the_length_limit() {
    let mut reader: Reader<Rebuild, SCRATCH> = Reader::new(Rebuild::default());
    reader.push(b"\"").unwrap();
    let piece = [b'x'; 4096];
    let mut pushed = 1_u64;
    let error = loop {
        match reader.push(&piece) {
            Ok(()) => pushed += 4096,
            Err(error) => break error,
        }
    };
    assert_eq!(
        error,
        Error {
            fault: Fault::Length,
            offset: DOCUMENT_LEN_MAX
        }
    );
    assert!(pushed <= u64::from(DOCUMENT_LEN_MAX));
    let whole = [
        &b"\""[..],
        &vec![b'x'; DOCUMENT_LEN_MAX as usize - 2],
        b"\"",
    ]
    .concat();
    assert_eq!(read([&whole[..]]), Ok(Value::String("x".repeat(SCRATCH))));
}
