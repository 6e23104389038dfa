//! The shape of a file: what its outline lists, what can be folded, what leads somewhere else.

use crate::outline::{Section, strings, unquoted};
use crate::position::Span;
use crate::source::Source;
use otaru_lsp_project::{KeyKind, ManagerUrl};

/// A table or key of the outline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Its name; of a table its path.
    pub name: String,
    /// The value of a key.
    pub detail: String,
    /// Everything that belongs to it.
    pub span: Span,
    /// Its name alone.
    pub selection: Span,
    /// The keys of a table.
    pub children: Vec<Symbol>,
}

/// Lines that can be folded into the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fold {
    /// The line that stays.
    pub first_line: u32,
    /// The last one that disappears.
    pub last_line: u32,
    /// Whether it is a comment.
    pub is_comment: bool,
}

/// What leads somewhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The text to press.
    pub span: Span,
    /// Where it leads.
    pub target: LinkTarget,
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkTarget {
    /// A path relative to the file.
    Path(String),
    /// An address.
    Url(String),
}

pub(crate) fn symbols(source: &Source) -> Vec<Symbol> {
    let of_section = |section: &Section| -> Vec<Symbol> {
        let entries = section.entries.iter().map(|entry| {
            let end = entry.value.end.max(entry.key.end);
            let detail = source.get(&entry.value).lines().next().unwrap_or_default();
            Symbol {
                name: entry.name.clone(),
                detail: detail.to_owned(),
                span: source.span(entry.key.start..end),
                selection: source.span(entry.key.clone()),
                children: Vec::new(),
            }
        });
        entries.filter(|symbol| !symbol.name.is_empty()).collect()
    };
    let mut all = Vec::new();
    for section in &source.outline.sections {
        let children = of_section(section);
        if section.path.is_empty() {
            all.extend(children);
        } else {
            all.push(Symbol {
                name: section.path.clone(),
                detail: String::new(),
                span: source.span(section.range.clone()),
                selection: source.span(section.name.clone()),
                children,
            });
        }
    }
    all
}

pub(crate) fn folds(source: &Source) -> Vec<Fold> {
    let line_of = |offset| source.index.position(&source.text, offset).line;
    let ranges = source
        .outline
        .sections
        .iter()
        .filter(|section| !section.path.is_empty())
        .map(|section| section.range.clone());
    let values = source.outline.entries().map(|entry| entry.value.clone());
    let mut folds: Vec<Fold> = ranges
        .chain(values)
        .map(|range| Fold {
            first_line: line_of(range.start),
            last_line: line_of(range.end),
            is_comment: false,
        })
        .collect();
    folds.extend(comments(source));
    folds.retain(|fold| fold.last_line > fold.first_line);
    folds.sort_by_key(|fold| (fold.first_line, fold.last_line));
    folds
}

/// Comments that stand on lines of their own, one below the other.
fn comments(source: &Source) -> Vec<Fold> {
    let mut found: Vec<Fold> = Vec::new();
    for line in 0..source.index.line_count() {
        if !source.get(&source.line(line)).trim_start().starts_with('#') {
            continue;
        }
        match found.last_mut() {
            Some(last) if last.last_line + 1 == line => last.last_line = line,
            Some(_) | None => found.push(Fold {
                first_line: line,
                last_line: line,
                is_comment: true,
            }),
        }
    }
    found
}

pub(crate) fn links(source: &Source) -> Vec<Link> {
    let mut links = Vec::new();
    for entry in source.outline.entries() {
        let Some(doc) = source.doc(entry) else {
            continue;
        };
        for item in strings(&source.text, &entry.value) {
            let word = unquoted(source.get(&item));
            let target = match doc.kind {
                KeyKind::File | KeyKind::KeyFile | KeyKind::KeyFiles if !word.is_empty() => {
                    LinkTarget::Path(word.to_owned())
                }
                KeyKind::Url if ManagerUrl::parse(word).is_ok() => LinkTarget::Url(word.to_owned()),
                KeyKind::File
                | KeyKind::KeyFile
                | KeyKind::KeyFiles
                | KeyKind::Url
                | KeyKind::Text
                | KeyKind::OneOf { .. }
                | KeyKind::Board
                | KeyKind::Target
                | KeyKind::Version
                | KeyKind::PlainVersion
                | KeyKind::Device
                | KeyKind::Fleet
                | KeyKind::Texts
                | KeyKind::Flag
                | KeyKind::Number { .. }
                | KeyKind::ByteOf(_)
                | KeyKind::Choice(_) => continue,
            };
            let inside = item.start + 1..(item.start + 1 + word.len()).min(item.end);
            links.push(Link {
                span: source.span(inside),
                target,
            });
        }
    }
    links
}
