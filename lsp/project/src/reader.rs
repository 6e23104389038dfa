//! Reads TOML tables into models, collecting problems instead of stopping at the first.

use crate::problem::{Code, Problem};
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Bytes of a text, from and to.
pub type Span = Range<usize>;

/// Longest file that is read, in bytes. A manifest of a person has a hundred lines.
pub const FILE_LEN_MAX: usize = 256 * 1024;

/// Most syntax problems that are reported of one file.
const SYNTAX_PROBLEMS_MAX: usize = 50;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// The bytes of the value (of a string: with its quotes).
    pub span: Span,
    /// The bytes of its key.
    pub key_span: Span,
}

impl<T> Spanned<T> {
    /// The same place with another value.
    pub(crate) fn with<U>(&self, value: U) -> Spanned<U> {
        Spanned {
            value,
            span: self.span.clone(),
            key_span: self.key_span.clone(),
        }
    }
}

/// What could be read of a text, and what is wrong with it.
#[derive(Debug, Clone)]
pub struct Parsed<M> {
    /// The model; parts that could not be read are missing in it.
    pub model: M,
    /// Problems in the order of the text.
    pub problems: Vec<Problem>,
}

impl<M> Parsed<M> {
    /// Whether nothing stands in the way of a build.
    pub fn is_usable(&self) -> bool {
        self.problems
            .iter()
            .all(|problem| problem.severity != crate::Severity::Error)
    }
}

/// Parses a text and hands its root to `read`; the problems come back in the order of the text.
pub(crate) fn read_document<M>(text: &str, read: impl FnOnce(&mut Reader<'_>) -> M) -> Parsed<M> {
    let mut problems = Vec::new();
    let text = if text.len() > FILE_LEN_MAX {
        problems.push(Problem::error(
            Code::Syntax,
            0..0,
            format!(
                "the file has {} bytes, at most {FILE_LEN_MAX} are read",
                text.len()
            ),
        ));
        ""
    } else {
        text
    };
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors.iter().take(SYNTAX_PROBLEMS_MAX) {
        let span = error.span().unwrap_or(0..0);
        problems.push(Problem::error(Code::Syntax, span, error.message()));
    }
    let model = {
        let mut reader = Reader::new(
            Place {
                name: String::new(),
                span: 0..0,
            },
            root.get_ref(),
            &mut problems,
        );
        let model = read(&mut reader);
        reader.finish();
        model
    };
    problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
    Parsed { model, problems }
}

/// A table's name and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Dotted path, empty for the root.
    pub(crate) name: String,
    /// The bytes of its name.
    pub(crate) span: Span,
}

/// Takes the keys of one table, one after the other; what nobody took is unknown.
pub(crate) struct Reader<'a> {
    place: Place,
    table: &'a DeTable<'a>,
    problems: &'a mut Vec<Problem>,
    known: Vec<&'static str>,
}

/// One key of a table with its value.
struct Entry<'a> {
    key_span: Span,
    span: Span,
    value: &'a DeValue<'a>,
}

impl<'a> Reader<'a> {
    fn new(place: Place, table: &'a DeTable<'a>, problems: &'a mut Vec<Problem>) -> Self {
        Self {
            place,
            table,
            problems,
            known: Vec::new(),
        }
    }

    /// Adds a problem that the caller found.
    pub(crate) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// The table's own name and place.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    fn entry(&mut self, key: &'static str) -> Option<Entry<'a>> {
        self.known.push(key);
        self.table
            .iter()
            .find(|(name, _)| name.get_ref() == key)
            .map(|(name, value)| Entry {
                key_span: name.span(),
                span: value.span(),
                value: value.get_ref(),
            })
    }

    /// Reads a table below this one. A missing table is read as an empty one.
    pub(crate) fn table<M>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Reader<'_>) -> M,
    ) -> M {
        let name = match self.place.name.as_str() {
            "" => key.to_owned(),
            parent => format!("{parent}.{key}"),
        };
        let empty = DeTable::new();
        let entry = self.entry(key);
        let (span, table) = match &entry {
            Some(Entry {
                value: DeValue::Table(table),
                key_span,
                ..
            }) => (key_span.clone(), table),
            Some(other) => {
                self.problems.push(wrong_type(other, &name, "a table"));
                (other.key_span.clone(), &empty)
            }
            None => (self.place.span.clone(), &empty),
        };
        let mut reader = Reader::new(Place { name, span }, table, self.problems);
        let model = read(&mut reader);
        reader.finish();
        model
    }

    /// Reads a list of tables below this one, `[[key]]`. A single table `[key]` is a list of one.
    pub(crate) fn tables<M>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Reader<'_>) -> M,
    ) -> Vec<M> {
        let Some(entry) = self.entry(key) else {
            return Vec::new();
        };
        let mut models = Vec::new();
        let mut one = |value: &DeValue<'_>, span: Span, problems: &mut Vec<Problem>| {
            let place = Place {
                name: key.to_owned(),
                span,
            };
            if let DeValue::Table(table) = value {
                let mut reader = Reader::new(place, table, problems);
                models.push(read(&mut reader));
                reader.finish();
            } else {
                let type_name = type_name(value);
                let message = format!("`{key}` holds tables, this is {type_name}");
                problems.push(Problem::error(Code::Type, place.span, message));
            }
        };
        if let DeValue::Array(items) = entry.value {
            for item in items {
                one(item.get_ref(), item.span(), self.problems);
            }
        } else {
            one(entry.value, entry.key_span, self.problems);
        }
        models
    }

    /// Whether the table has this key, without taking it.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.iter().any(|(name, _)| name.get_ref() == key)
    }

    /// Makes names known that were not taken.
    pub(crate) fn know(&mut self, names: &[&'static str]) {
        self.known.extend(names);
    }

    /// Takes a string. An empty one is reported and dropped: no key of ours means anything empty.
    pub(crate) fn string(&mut self, key: &'static str) -> Option<Spanned<String>> {
        let entry = self.entry(key)?;
        match entry.value {
            DeValue::String(text) if text.trim().is_empty() => {
                // A half-typed `key =` also arrives as an empty string; then the parser has
                // already reported the place.
                if !entry.span.is_empty() {
                    let message = format!("`{key}` is empty");
                    self.problems
                        .push(Problem::error(Code::Value, entry.span, message));
                }
                None
            }
            DeValue::String(text) => Some(Spanned {
                value: text.to_string(),
                span: entry.span,
                key_span: entry.key_span,
            }),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => {
                self.problems.push(wrong_type(&entry, key, "a string"));
                None
            }
        }
    }

    /// Takes a whole number within a range.
    pub(crate) fn number(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Option<Spanned<u32>> {
        let entry = self.entry(key)?;
        let DeValue::Integer(digits) = entry.value else {
            if !entry.span.is_empty() {
                self.problems
                    .push(wrong_type(&entry, key, "a whole number"));
            }
            return None;
        };
        let plain = digits.as_str().replace('_', "");
        match u32::from_str_radix(&plain, digits.radix()) {
            Ok(value) if range.contains(&value) => Some(Spanned {
                value,
                span: entry.span,
                key_span: entry.key_span,
            }),
            Ok(_) | Err(_) => {
                let message = format!("`{key}` must be from {} to {}", range.start(), range.end());
                self.problems
                    .push(Problem::error(Code::Value, entry.span, message));
                None
            }
        }
    }

    /// Takes `true` or `false`.
    pub(crate) fn flag(&mut self, key: &'static str) -> Option<Spanned<bool>> {
        let entry = self.entry(key)?;
        if let DeValue::Boolean(value) = entry.value {
            return Some(Spanned {
                value: *value,
                span: entry.span,
                key_span: entry.key_span,
            });
        }
        if !entry.span.is_empty() {
            self.problems.push(wrong_type(&entry, key, "true or false"));
        }
        None
    }

    /// Takes a list of strings.
    pub(crate) fn strings(&mut self, key: &'static str) -> Vec<Spanned<String>> {
        let Some(entry) = self.entry(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = entry.value else {
            self.problems
                .push(wrong_type(&entry, key, "a list of strings"));
            return Vec::new();
        };
        let mut strings = Vec::new();
        for item in items {
            let Some(text) = item.get_ref().as_str() else {
                let type_name = type_name(item.get_ref());
                let message = format!("`{key}` holds strings, this is {type_name}");
                self.problems
                    .push(Problem::error(Code::Type, item.span(), message));
                continue;
            };
            strings.push(Spanned {
                value: text.to_owned(),
                span: item.span(),
                key_span: entry.key_span.clone(),
            });
        }
        strings
    }

    /// Reports a required key that is not there.
    pub(crate) fn require<T>(&mut self, key: &'static str, value: Option<&Spanned<T>>, why: &str) {
        // A key that is there but unusable has its own problem already.
        if value.is_none() && !self.has(key) {
            let place = match self.place.name.as_str() {
                "" => format!("`{key}` is missing"),
                table => format!("`{key}` is missing in `[{table}]`"),
            };
            self.problems.push(
                Problem::error(Code::MissingRequired, self.place.span.clone(), place)
                    .with_hint(why),
            );
        }
    }

    /// Reports what nobody took.
    fn finish(self) {
        for (name, value) in self.table {
            let key = name.get_ref().as_ref();
            if self.known.contains(&key) {
                continue;
            }
            let problem = if is_secret_name(key) && value.get_ref().is_str() {
                Problem::error(
                    Code::SecretInline,
                    value.span(),
                    format!("`{key}` looks like a secret, and this file goes into version control"),
                )
                .with_hint("remove it, and store it with `otaru login` or in OTARU_API_KEY")
            } else {
                let what = if value.get_ref().is_table() {
                    "table"
                } else {
                    "key"
                };
                let message = match self.place.name.as_str() {
                    "" => format!("unknown {what} `{key}`"),
                    table => format!("unknown {what} `{key}` in `[{table}]`"),
                };
                Problem::error(Code::UnknownKey, name.span(), message)
                    .with_nearest(key, &self.known)
            };
            self.problems.push(problem);
        }
    }
}

fn wrong_type(entry: &Entry<'_>, key: &str, wanted: &str) -> Problem {
    Problem::error(
        Code::Type,
        entry.span.clone(),
        format!(
            "`{key}` must be {wanted}, this is {}",
            type_name(entry.value)
        ),
    )
}

fn type_name(value: &DeValue<'_>) -> &'static str {
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
