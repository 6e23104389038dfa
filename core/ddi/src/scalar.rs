//! Judging single values: decimal numbers, short texts, and fields that may be wrong.
//!
//! Texts are cut with [`cut`] and [`cut_last`] instead of the methods of `str`: their general
//! searchers cost a device more than a kilobyte of flash and have paths that can panic.

use crate::json::{Scalar, Text};

/// A field of a message while it is read; a key that comes again starts over at `Absent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Got<T> {
    Absent,
    Good(T),
    Malformed,
    TooLong,
}

/// The text of a complete string.
pub(crate) fn string(value: Scalar<'_>) -> Got<&str> {
    match value {
        Scalar::String(Text {
            text,
            complete: true,
        }) => Got::Good(text),
        Scalar::String(Text {
            complete: false, ..
        }) => Got::TooLong,
        Scalar::Null => Got::Absent,
        Scalar::Number(_) | Scalar::Bool(_) => Got::Malformed,
    }
}

/// A number that is written with decimal digits only, as a JSON number or as a string.
pub(crate) fn whole_number(value: Scalar<'_>) -> Got<u64> {
    match value {
        Scalar::String(text) | Scalar::Number(text) => match text.whole() {
            Some(text) => digits(text),
            None => Got::TooLong,
        },
        Scalar::Null => Got::Absent,
        Scalar::Bool(_) => Got::Malformed,
    }
}

/// The number that `text` writes with decimal digits and nothing else.
pub(crate) fn digits(text: &str) -> Got<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Got::Malformed;
    }
    text.parse().map_or(Got::TooLong, Got::Good)
}

/// The bytes that 2 × `N` hexadecimal digits of either case write.
pub(crate) fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let high = char::from(*high).to_digit(16)?;
        let low = char::from(*low).to_digit(16)?;
        *byte = u8::try_from((high << 4) | low).ok()?;
    }
    Some(bytes)
}

/// The parts of `text` before and after the first byte that `is_edge` names, which must be ASCII.
pub(crate) fn cut(text: &str, is_edge: impl Fn(u8) -> bool) -> Option<(&str, &str)> {
    around(
        text,
        text.as_bytes().iter().position(|byte| is_edge(*byte))?,
    )
}

/// The parts of `text` before and after the last `edge`, which must be ASCII.
pub(crate) fn cut_last(text: &str, edge: u8) -> Option<(&str, &str)> {
    around(
        text,
        text.as_bytes().iter().rposition(|byte| *byte == edge)?,
    )
}

fn around(text: &str, index: usize) -> Option<(&str, &str)> {
    Some((text.get(..index)?, text.get(index.checked_add(1)?..)?))
}
