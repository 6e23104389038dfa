//! Checks one value against what its key holds.

use super::units;
use crate::label::{Version, VersionError};
use crate::problem::{Code, Problem, Repair};
use crate::reader::Entry;
use crate::schema::{KeyDoc, KeyKind};
use crate::targets::TARGETS;
use crate::url::{ManagerUrl, UrlError};
use toml::de::DeValue;

/// Reports what is wrong with the value of a known key.
pub(super) fn check(text: &str, key: &KeyDoc, entry: &Entry<'_>, problems: &mut Vec<Problem>) {
    // A half-typed `key =` arrives as an empty value; the parser has already reported the place.
    if entry.span.is_empty() {
        return;
    }
    match key.kind {
        KeyKind::Text | KeyKind::File | KeyKind::KeyFile | KeyKind::Device | KeyKind::Fleet => {
            problems.extend(string(text, key, entry).err().map(|problem| *problem));
        }
        KeyKind::OneOf { .. }
        | KeyKind::Board
        | KeyKind::Target
        | KeyKind::Version
        | KeyKind::PlainVersion
        | KeyKind::Url => problems.extend(match string(text, key, entry) {
            Ok(word) => special(text, key, entry, word),
            Err(problem) => Some(*problem),
        }),
        KeyKind::KeyFiles | KeyKind::Texts => list(text, key, entry, problems),
        KeyKind::Flag => problems.extend(flag(text, key, entry)),
        KeyKind::Number { .. } | KeyKind::ByteOf(_) | KeyKind::Choice(_) => {
            problems.extend(units::check_number(text, key, entry));
        }
    }
}

/// A value of the wrong type.
pub(super) fn wrong_type(entry: &Entry<'_>, key: &str, wanted: &str) -> Problem {
    let message = format!(
        "`{key}` must be {wanted}, this is {}",
        type_name(entry.value)
    );
    Problem::error(Code::Type, entry.span.clone(), message)
}

pub(super) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn written<'t>(text: &'t str, entry: &Entry<'_>) -> &'t str {
    text.get(entry.span.clone()).unwrap_or_default()
}

/// The quote that stands around a string in the text.
fn quote_of(text: &str, entry: &Entry<'_>) -> &'static str {
    if written(text, entry).starts_with('\'') {
        "'"
    } else {
        "\""
    }
}

/// A string that is not empty: no key of ours means anything empty.
fn string<'a>(text: &str, key: &KeyDoc, entry: &Entry<'a>) -> Result<&'a str, Box<Problem>> {
    match entry.value.as_str() {
        Some(word) if word.trim().is_empty() => {
            let message = format!("`{}` is empty", key.name);
            let problem = Problem::error(Code::Value, entry.span.clone(), message);
            Err(Box::new(problem))
        }
        Some(word) => Ok(word),
        None => {
            let problem = wrong_type(entry, key.name, "a string");
            let is_simple = matches!(
                entry.value,
                DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_)
            );
            let quoted = format!("\"{}\"", written(text, entry));
            let repair = is_simple.then(|| Repair::change(entry.span.clone(), &quoted));
            Err(Box::new(problem.with_repairs(repair)))
        }
    }
}

/// What is wrong with a string of a key that does not take every string.
fn special(text: &str, key: &KeyDoc, entry: &Entry<'_>, word: &str) -> Option<Problem> {
    let quote = quote_of(text, entry);
    let problem = |code, message| Problem::error(code, entry.span.clone(), message);
    if let KeyKind::OneOf { what, words } = key.kind {
        let names: Vec<&str> = words.iter().map(|word| word.name).collect();
        return (!names.contains(&word)).then(|| {
            problem(Code::Value, format!("`{word}` is not {what}"))
                .with_nearest(word, &names, quote)
        });
    }
    if key.kind == KeyKind::Board && crate::board(word).is_none() {
        let message = format!("there is no board `{word}`");
        let names = crate::board_names();
        return Some(problem(Code::BoardUnknown, message).with_nearest(word, &names, quote));
    }
    if key.kind == KeyKind::Target && TARGETS.iter().all(|target| target.name != word) {
        let message = format!("`{word}` is no compiler target that is known here");
        let problem = Problem::warning(Code::TargetUnknown, entry.span.clone(), message);
        return Some(with_near_target(problem, word, quote));
    }
    if key.kind == KeyKind::Version && word != "cargo" {
        let error = word.parse::<Version>().err()?;
        let problem = problem(Code::VersionNotSemver, error.to_string())
            .with_hint("`version = \"cargo\"` takes the version of Cargo.toml");
        return Some(problem.with_repairs(version_repairs(entry, word, error, quote)));
    }
    if key.kind == KeyKind::PlainVersion {
        let error = word.parse::<Version>().err()?;
        let problem = problem(Code::VersionNotSemver, error.to_string());
        return Some(problem.with_repairs(version_guess(entry, word, error, quote)));
    }
    if key.kind == KeyKind::Url {
        return check_url(entry, word, quote);
    }
    None
}

fn check_url(entry: &Entry<'_>, word: &str, quote: &str) -> Option<Problem> {
    let span = entry.span.clone();
    match ManagerUrl::parse(word) {
        Ok(url) if url.is_secure() || url.is_loopback() => None,
        Ok(_) => {
            let secure = word.replacen("http://", "https://", 1);
            let message = "commands and tokens would cross the network unencrypted";
            Some(
                Problem::warning(Code::ManagerUrlPlaintext, span.clone(), message)
                    .with_hint("use an `https://` address for a manager on another machine")
                    .with_repair(Repair::change(span, &format!("{quote}{secure}{quote}"))),
            )
        }
        Err(error) => {
            let problem = Problem::error(Code::ManagerUrl, span, error.to_string());
            Some(problem.with_repairs(url_repair(entry, word, error, quote)))
        }
    }
}

/// There are too many targets for a list: only one that is near is named.
fn with_near_target(problem: Problem, word: &str, quote: &str) -> Problem {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    if crate::spelling::nearest(word, &names).is_some() {
        problem.with_nearest(word, &names, quote)
    } else {
        problem.with_hint("`rustc --print target-list` has all of them")
    }
}

/// A version that was probably meant.
fn version_guess(
    entry: &Entry<'_>,
    word: &str,
    error: VersionError,
    quote: &str,
) -> Option<Repair> {
    let plain = word.trim().trim_start_matches(['v', 'V', '=', '^', '~']);
    let plain = plain.split('+').next().unwrap_or_default();
    let guess = match (error, plain.matches('.').count()) {
        (VersionError::Shape, 0) => format!("{plain}.0.0"),
        (VersionError::Shape, 1) => format!("{plain}.0"),
        (VersionError::Shape | VersionError::Build | VersionError::Range, _) => plain.to_owned(),
    };
    guess.parse::<Version>().ok()?;
    let text = format!("{quote}{guess}{quote}");
    Some(Repair::change(entry.span.clone(), &text))
}

/// A version that was probably meant, and the way out that always works.
fn version_repairs(entry: &Entry<'_>, word: &str, error: VersionError, quote: &str) -> Vec<Repair> {
    let mut repairs: Vec<Repair> = version_guess(entry, word, error, quote)
        .into_iter()
        .collect();
    repairs.push(Repair::new(
        "Take the version of Cargo.toml",
        entry.span.clone(),
        format!("{quote}cargo{quote}"),
    ));
    repairs
}

/// The address with a scheme, if only that is missing.
fn url_repair(entry: &Entry<'_>, word: &str, error: UrlError, quote: &str) -> Option<Repair> {
    if error != UrlError::Scheme || word.contains("://") {
        return None;
    }
    let plain = ManagerUrl::parse(&format!("http://{word}")).ok()?;
    let scheme = if plain.is_loopback() { "http" } else { "https" };
    let text = format!("{quote}{scheme}://{word}{quote}");
    Some(Repair::change(entry.span.clone(), &text))
}

fn list(text: &str, key: &KeyDoc, entry: &Entry<'_>, problems: &mut Vec<Problem>) {
    let DeValue::Array(items) = entry.value else {
        let problem = wrong_type(entry, key.name, "a list of strings");
        problems.push(if entry.value.is_str() {
            let listed = format!("[{}]", written(text, entry));
            problem.with_repair(Repair::change(entry.span.clone(), &listed))
        } else {
            problem
        });
        return;
    };
    for item in items {
        if item.get_ref().is_str() {
            continue;
        }
        let message = format!(
            "`{}` holds strings, this is {}",
            key.name,
            type_name(item.get_ref())
        );
        problems.push(Problem::error(Code::Type, item.span(), message));
    }
}

fn flag(text: &str, key: &KeyDoc, entry: &Entry<'_>) -> Option<Problem> {
    if matches!(entry.value, DeValue::Boolean(_)) {
        return None;
    }
    let meant = match written(text, entry).trim_matches(['"', '\'']) {
        "true" | "yes" | "on" | "1" => Some("true"),
        "false" | "no" | "off" | "0" => Some("false"),
        _other => None,
    };
    let repair = meant.map(|meant| Repair::change(entry.span.clone(), meant));
    Some(wrong_type(entry, key.name, "true or false").with_repairs(repair))
}
