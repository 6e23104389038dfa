//! Numbers and the units that people write them in: what was probably meant by `"64 KiB"`,
//! `deadline_ms = 5000`, or five minutes written as 300000.

use super::values::wrong_type;
use super::{is_in_range, number};
use crate::problem::{Code, Edit, Problem, Repair};
use crate::reader::Entry;
use crate::schema::{KeyDoc, KeyKind, TableDoc, Unit};

/// Reports a value that is no number, or none of those that the key takes.
pub(super) fn check_number(text: &str, key: &KeyDoc, entry: &Entry<'_>) -> Option<Problem> {
    let repair = |value: u32| Repair::change(entry.span.clone(), &in_notation(key.kind, value));
    let Some(value) = number(entry.value) else {
        let written = text.get(entry.span.clone()).unwrap_or_default();
        let meant = with_unit(key.kind, written.trim_matches(['"', '\'']));
        return Some(wrong_type(entry, key.name, "a whole number").with_repairs(meant.map(repair)));
    };
    if u32::try_from(value).is_ok_and(|value| is_in_range(key.kind, value)) {
        return None;
    }
    let problem = |message| Problem::error(Code::Value, entry.span.clone(), message);
    let KeyKind::Number { from, to, unit } = key.kind else {
        let wanted = key.kind.in_words().replace('`', "");
        let is_choice = matches!(key.kind, KeyKind::Choice(_));
        let verb = if is_choice { "must be" } else { "is" };
        return Some(problem(format!("`{}` {verb} {wanted}", key.name)));
    };
    let message = format!("`{}` must be from {from} to {to}", key.name);
    let problem = problem(message).with_repairs(smaller_unit(key.kind, value).map(repair));
    Some(if unit == Unit::Count {
        problem
    } else {
        problem.with_hint(format!("it is in {}", unit.as_str()))
    })
}

/// The key of the table that says the same in another unit, and the repair that converts the value.
pub(super) fn other_unit(
    table: Option<&'static TableDoc>,
    written: &str,
    entry: &Entry<'_>,
) -> Option<(&'static KeyDoc, Repair)> {
    let (stem, scale) = stem_and_scale(written);
    let key = table?.keys.iter().find(|key| {
        let has_unit = key.kind.unit().is_some_and(|unit| unit != Unit::Count);
        has_unit && (stem_and_scale(key.name).0 == stem)
    })?;
    // A word that merely begins alike (`len`) is a typing mistake, not a unit.
    let scale = scale?;
    let value = number(entry.value)?;
    let value =
        convert(value, scale, key.kind.unit()?).filter(|value| is_in_range(key.kind, *value))?;
    let value = in_notation(key.kind, value);
    Some((
        key,
        Repair {
            title: format!("Change to `{} = {value}`", key.name),
            edits: vec![
                Edit {
                    span: entry.key_span.clone(),
                    text: key.name.to_owned(),
                },
                Edit {
                    span: entry.span.clone(),
                    text: value,
                },
            ],
        },
    ))
}

/// A scale: what it measures and how much one of it is in the smallest unit of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// So many bytes.
    Bytes(i64),
    /// So many milliseconds.
    Time(i64),
}

const SUFFIXES: &[(&str, Scale)] = &[
    ("bytes", Scale::Bytes(1)),
    ("b", Scale::Bytes(1)),
    ("kib", Scale::Bytes(1 << 10)),
    ("kb", Scale::Bytes(1 << 10)),
    ("k", Scale::Bytes(1 << 10)),
    ("mib", Scale::Bytes(1 << 20)),
    ("mb", Scale::Bytes(1 << 20)),
    ("m", Scale::Bytes(1 << 20)),
    ("ms", Scale::Time(1)),
    ("s", Scale::Time(1000)),
    ("sec", Scale::Time(1000)),
    ("secs", Scale::Time(1000)),
    ("seconds", Scale::Time(1000)),
    ("min", Scale::Time(60_000)),
    ("minutes", Scale::Time(60_000)),
    ("h", Scale::Time(3_600_000)),
];

fn scale_named(suffix: &str) -> Option<Scale> {
    let suffix = suffix.to_ascii_lowercase();
    SUFFIXES
        .iter()
        .find(|(name, _)| *name == suffix)
        .map(|(_, scale)| *scale)
}

/// `deadline_ms`: `deadline` and a millisecond.
fn stem_and_scale(name: &str) -> (&str, Option<Scale>) {
    match name.rsplit_once('_') {
        Some((stem, suffix)) => match scale_named(suffix) {
            Some(scale) => (stem, Some(scale)),
            None => (name, None),
        },
        None => (name, None),
    }
}

/// So many of a scale in a unit, if it is a whole number of it.
fn convert(value: i64, scale: Scale, unit: Unit) -> Option<u32> {
    let value = match (scale, unit) {
        (Scale::Bytes(one), Unit::Bytes) | (Scale::Time(one), Unit::Milliseconds) => {
            value.checked_mul(one)?
        }
        (Scale::Time(one), Unit::Seconds) => {
            let all = value.checked_mul(one)?;
            (all % 1000 == 0).then_some(all / 1000)?
        }
        (Scale::Bytes(_) | Scale::Time(_), _) => return None,
    };
    u32::try_from(value).ok()
}

/// `64 KiB` as a number of a key's unit; also a plain number that stands in quotes.
fn with_unit(kind: KeyKind, written: &str) -> Option<u32> {
    let written = written.trim();
    let plain = written.replace('_', "");
    let value = match plain.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => plain.parse().ok(),
    };
    let value = if let Some(value) = value {
        u32::try_from(value).ok()?
    } else {
        let end = written.find(|c: char| !c.is_ascii_digit() && c != '_')?;
        let (digits, suffix) = written.split_at(end);
        let scale = scale_named(suffix.trim())?;
        convert(digits.replace('_', "").parse().ok()?, scale, kind.unit()?)?
    };
    is_in_range(kind, value).then_some(value)
}

/// A value that is right if it was written in the unit a thousand times smaller.
fn smaller_unit(kind: KeyKind, value: i64) -> Option<u32> {
    if kind.unit() != Some(Unit::Seconds) || value % 1000 != 0 {
        return None;
    }
    let value = u32::try_from(value / 1000).ok()?;
    is_in_range(kind, value).then_some(value)
}

/// The number as people write it for this key: bytes from a page on in hexadecimal.
fn in_notation(kind: KeyKind, value: u32) -> String {
    if kind.unit() == Some(Unit::Bytes) && value >= 0x400 {
        hex(value)
    } else if matches!(kind, KeyKind::ByteOf(_)) {
        format!("0x{value:02X}")
    } else {
        value.to_string()
    }
}

/// A number in hexadecimal, in groups of four digits: `0x10_0000`.
pub fn hex(value: u32) -> String {
    match (value >> 16, value & 0xFFFF) {
        (0, low) => format!("0x{low:X}"),
        (high, low) => format!("0x{high:X}_{low:04X}"),
    }
}

/// What somebody wrote instead of a number that TOML does not even read, like `64KiB`, in a key's
/// own notation.
pub fn unquoted(kind: KeyKind, written: &str) -> Option<String> {
    with_unit(kind, written).map(|value| in_notation(kind, value))
}
