//! Reads TOML tables into models, collecting problems instead of stopping at the first.

use crate::check;
use crate::problem::{Code, Problem};
use crate::schema::{KeyDoc, KeyKind, Schema, TableDoc};
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

/// Parses a text, checks it against the schema and hands its root to `read`; the problems come
/// back in the order of the text.
pub(crate) fn read_document<M>(
    schema: &'static Schema,
    text: &str,
    read: impl FnOnce(&mut Reader<'_>) -> M,
) -> Parsed<M> {
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
    let place = Place {
        name: String::new(),
        span: 0..0,
        is_written: true,
    };
    let source = Source { schema, text };
    let model = read(&mut Reader::new(
        source,
        place,
        root.get_ref(),
        &mut problems,
    ));
    problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
    Parsed { model, problems }
}

/// The text that is read, and what may stand in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) schema: &'static Schema,
    pub(crate) text: &'a str,
}

/// A table's name and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Dotted path, empty for the root.
    pub(crate) name: String,
    /// The bytes of its name; of the nearest table around it if it is missing.
    pub(crate) span: Span,
    /// Whether the table is there.
    pub(crate) is_written: bool,
}

/// Takes the values of one table. What is wrong with each alone has been reported by then from the
/// schema; a value that is not usable is just not there.
pub(crate) struct Reader<'a> {
    source: Source<'a>,
    place: Place,
    doc: Option<&'static TableDoc>,
    table: &'a DeTable<'a>,
    problems: &'a mut Vec<Problem>,
}

/// One key of a table with its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry<'a> {
    pub(crate) key_span: Span,
    pub(crate) span: Span,
    pub(crate) value: &'a DeValue<'a>,
}

impl<'a> Reader<'a> {
    fn new(
        source: Source<'a>,
        place: Place,
        table: &'a DeTable<'a>,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        check::table(source, &place, table, problems);
        Self {
            source,
            doc: source.schema.table(&place.name),
            place,
            table,
            problems,
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

    fn entry(&self, key: &str) -> Option<Entry<'a>> {
        self.table
            .iter()
            .find(|(name, _)| name.get_ref() == key)
            .map(|(name, value)| Entry {
                key_span: name.span(),
                span: value.span(),
                value: value.get_ref(),
            })
    }

    /// A key of the schema that is there, with its entry.
    fn known(&self, key: &str) -> Option<(&'static KeyDoc, Entry<'a>)> {
        let doc = self.doc.and_then(|doc| doc.key(key));
        debug_assert!(doc.is_some(), "`{key}` has no entry in the schema");
        doc.zip(self.entry(key))
    }

    /// Reads a table below this one. A missing table is read as an empty one.
    pub(crate) fn table<M>(&mut self, key: &str, read: impl FnOnce(&mut Reader<'_>) -> M) -> M {
        let name = match self.place.name.as_str() {
            "" => key.to_owned(),
            parent => format!("{parent}.{key}"),
        };
        let empty = DeTable::new();
        let entry = self.entry(key);
        let (span, is_written, table) = match &entry {
            Some(Entry {
                value: DeValue::Table(table),
                key_span,
                ..
            }) => (key_span.clone(), true, table),
            Some(other) => (other.key_span.clone(), true, &empty),
            None => (self.place.span.clone(), false, &empty),
        };
        let place = Place {
            name,
            span,
            is_written,
        };
        read(&mut Reader::new(self.source, place, table, self.problems))
    }

    /// Reads a list of tables below this one, `[[key]]`. A single table `[key]` is a list of one.
    pub(crate) fn tables<M>(&mut self, key: &str, read: impl Fn(&mut Reader<'_>) -> M) -> Vec<M> {
        let Some(list) = self.entry(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = list.value else {
            // What is no table either has been reported with the table around it.
            let is_one = list.value.is_table();
            return is_one.then(|| self.table(key, read)).into_iter().collect();
        };
        let mut models = Vec::new();
        for item in items {
            let entry = Entry {
                key_span: item.span(),
                span: item.span(),
                value: item.get_ref(),
            };
            let DeValue::Table(table) = entry.value else {
                self.report(check::no_table_in_list(key, &entry));
                continue;
            };
            let place = Place {
                name: key.to_owned(),
                span: entry.span,
                is_written: true,
            };
            models.push(read(&mut Reader::new(
                self.source,
                place,
                table,
                self.problems,
            )));
        }
        models
    }

    /// Whether the table has this key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.iter().any(|(name, _)| name.get_ref() == key)
    }

    /// A string that is not empty; of a key with a list of words, one of them.
    pub(crate) fn string(&self, key: &str) -> Option<Spanned<String>> {
        let (doc, entry) = self.known(key)?;
        let text = entry.value.as_str()?;
        let is_usable = if let KeyKind::OneOf { words, .. } = doc.kind {
            words.iter().any(|word| word.name == text)
        } else {
            !text.trim().is_empty()
        };
        is_usable.then(|| Spanned {
            value: text.to_owned(),
            span: entry.span,
            key_span: entry.key_span,
        })
    }

    /// A whole number within the range that the schema gives.
    pub(crate) fn number(&self, key: &str) -> Option<Spanned<u32>> {
        let (doc, entry) = self.known(key)?;
        let value = check::number(entry.value)?;
        let value = u32::try_from(value).ok()?;
        check::is_in_range(doc.kind, value).then_some(Spanned {
            value,
            span: entry.span,
            key_span: entry.key_span,
        })
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, key: &str) -> Option<Spanned<bool>> {
        let (_, entry) = self.known(key)?;
        let DeValue::Boolean(value) = entry.value else {
            return None;
        };
        Some(Spanned {
            value: *value,
            span: entry.span,
            key_span: entry.key_span,
        })
    }

    /// A list of strings.
    pub(crate) fn strings(&self, key: &str) -> Vec<Spanned<String>> {
        let Some((_, entry)) = self.known(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = entry.value else {
            return Vec::new();
        };
        let strings = items.iter().filter_map(|item| {
            Some(Spanned {
                value: item.get_ref().as_str()?.to_owned(),
                span: item.span(),
                key_span: entry.key_span.clone(),
            })
        });
        strings.collect()
    }
}
