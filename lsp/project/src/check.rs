//! Checks a table against the schema: names, types, ranges, and what is missing. What several keys
//! say together is checked by the models.

mod repair;
mod units;
mod values;

use crate::problem::{Code, Problem};
use crate::reader::{Entry, Place, Source};
use crate::schema::{KeyDoc, KeyKind, TableDoc, Unit};
use toml::de::{DeTable, DeValue};

pub use units::{hex, unquoted};

/// Reports everything that is wrong with one table alone.
pub(crate) fn table(
    source: Source<'_>,
    place: &Place,
    table: &DeTable<'_>,
    problems: &mut Vec<Problem>,
) {
    let doc = source.schema.table(&place.name);
    let below = source.schema.below(&place.name);
    for (name, value) in table {
        let entry = Entry {
            key_span: name.span(),
            span: value.span(),
            value: value.get_ref(),
        };
        let key = name.get_ref().as_ref();
        if below.contains(&key) {
            problems.extend(not_a_table(source, place, key, &entry));
        } else if let Some(doc) = doc.and_then(|doc| doc.key(key)) {
            values::check(source.text, doc, &entry, problems);
        } else {
            problems.push(unknown(source, (place, doc), key, &entry));
        }
    }
    let missing = doc.into_iter().flat_map(|doc| doc.keys).filter(|key| {
        let is_there = table.iter().any(|(name, _)| name.get_ref() == key.name);
        key.is_required() && !is_there
    });
    for key in missing {
        problems.push(missing_key(source, place, key));
    }
}

/// Reports an item of a list of tables that is none.
pub(crate) fn no_table_in_list(key: &str, entry: &Entry<'_>) -> Problem {
    let type_name = values::type_name(entry.value);
    let message = format!("`{key}` holds tables, this is {type_name}");
    Problem::error(Code::Type, entry.span.clone(), message)
}

/// A whole number, whatever its notation; too large or negative ones saturate.
pub(crate) fn number(value: &DeValue<'_>) -> Option<i64> {
    let DeValue::Integer(digits) = value else {
        return None;
    };
    let plain = digits.as_str().replace('_', "");
    let number = i64::from_str_radix(&plain, digits.radix());
    Some(number.unwrap_or(if plain.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    }))
}

/// Whether a key of this kind may hold the number.
pub(crate) fn is_in_range(kind: KeyKind, value: u32) -> bool {
    if let KeyKind::ByteOf(bytes) = kind {
        return bytes.iter().any(|byte| u32::from(*byte) == value);
    }
    if let KeyKind::Choice(numbers) = kind {
        return numbers.contains(&value);
    }
    matches!(kind, KeyKind::Number { from, to, .. } if (from..=to).contains(&value))
}

fn not_a_table(source: Source<'_>, place: &Place, key: &str, entry: &Entry<'_>) -> Option<Problem> {
    if entry.value.is_table() || entry.span.is_empty() {
        return None;
    }
    let name = match place.name.as_str() {
        "" => key.to_owned(),
        parent => format!("{parent}.{key}"),
    };
    // What stands in a list of tables is checked one by one when it is read.
    let may_be_list = source.schema.table(&name).is_some_and(|doc| doc.is_list);
    if may_be_list && entry.value.is_array() {
        return None;
    }
    Some(values::wrong_type(entry, &name, "a table"))
}

fn missing_key(source: Source<'_>, place: &Place, key: &KeyDoc) -> Problem {
    let mut hint = format!("add `{} = {}`", key.name, key.example);
    if key.kind == KeyKind::KeyFile {
        hint.push_str(match place.name.as_str() {
            "encryption" => "; `otaru keys new --encryption` makes one",
            _signing => "; `otaru keys new` makes one",
        });
    }
    let message = format!("`{}` is missing in `[{}]`", key.name, place.name);
    Problem::error(Code::MissingRequired, place.span.clone(), message)
        .with_hint(hint)
        .with_repairs(repair::add_key(source, place, key))
}

fn unknown(
    source: Source<'_>,
    (place, doc): (&Place, Option<&'static TableDoc>),
    key: &str,
    entry: &Entry<'_>,
) -> Problem {
    let remove = repair::remove(source.text, entry);
    if is_secret_name(key) && entry.value.is_str() {
        let message =
            format!("`{key}` looks like a secret, and this file goes into version control");
        return Problem::error(Code::SecretInline, entry.span.clone(), message)
            .with_hint("remove it, and store it with `otaru login` or in OTARU_API_KEY")
            .with_repairs(remove);
    }
    let what = if entry.value.is_table() {
        "table"
    } else {
        "key"
    };
    let message = match place.name.as_str() {
        "" => format!("unknown {what} `{key}`"),
        table => format!("unknown {what} `{key}` in `[{table}]`"),
    };
    let problem = Problem::error(Code::UnknownKey, entry.key_span.clone(), message);
    if let Some((doc, repair)) = units::other_unit(doc, key, entry) {
        let unit = doc.kind.unit().map_or("", Unit::as_str);
        return problem
            .with_hint(format!("`{}` is in {unit}", doc.name))
            .with_repair(repair)
            .with_repairs(remove);
    }
    let mut names: Vec<&str> = doc
        .into_iter()
        .flat_map(|doc| doc.keys)
        .map(|key| key.name)
        .collect();
    names.extend(source.schema.below(&place.name));
    problem.with_nearest(key, &names, "").with_repairs(remove)
}

/// Whether a key's name says that its value must stay secret.
fn is_secret_name(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    [
        "token",
        "password",
        "secret",
        "api_key",
        "apikey",
        "private_key",
    ]
    .iter()
    .any(|word| key.contains(word))
}
