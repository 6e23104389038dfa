//! What an editor offers to do at a place: the repairs of problems, and rewritings of what is right.

use crate::diagnostics::{Diagnostic, Fix, replace};
use crate::facts::Facts;
use crate::outline::{Entry, number};
use crate::position::Span;
use crate::{Analysis, versions};
use otaru_lsp_project::{KeyKind, Unit, Version, hex};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// What it does and how.
    pub fix: Fix,
    /// The problem that it repairs; none for a rewriting.
    pub repairs: Option<Diagnostic>,
    /// Whether it is the one to take if nobody chooses.
    pub is_preferred: bool,
}

pub(crate) fn actions(analysis: &Analysis, facts: &Facts, at: Span) -> Vec<Action> {
    let touches = |span: Span| span.start <= at.end && at.start <= span.end;
    let mut all = Vec::new();
    for found in analysis.diagnostics(facts) {
        if !touches(found.span) {
            continue;
        }
        for (index, fix) in found.fixes.iter().enumerate() {
            all.push(Action {
                fix: fix.clone(),
                repairs: Some(found.clone()),
                is_preferred: index == 0,
            });
        }
    }
    let source = &analysis.source;
    let entries = source
        .outline
        .entries()
        .filter(|entry| touches(source.span(entry.key.start..entry.value.end)));
    all.extend(
        entries
            .flat_map(|entry| rewritings(analysis, entry))
            .map(|fix| Action {
                fix,
                repairs: None,
                is_preferred: false,
            }),
    );
    all
}

fn rewritings(analysis: &Analysis, entry: &Entry) -> Vec<Fix> {
    let source = &analysis.source;
    let Some(doc) = source.doc(entry) else {
        return Vec::new();
    };
    let written = source.get(&entry.value);
    if matches!(doc.kind, KeyKind::Version | KeyKind::PlainVersion) {
        let version = source.word(entry).parse::<Version>();
        let raised = version.map(|version| versions::raised(&version));
        return raised
            .unwrap_or_default()
            .into_iter()
            .map(|(part, version)| Fix {
                title: format!("Raise the {part} version to {version}"),
                ..replace(source, entry, &format!("\"{version}\""))
            })
            .collect();
    }
    let value = number(written).filter(|_| doc.kind.unit() == Some(Unit::Bytes));
    let Some(value) = value else {
        return Vec::new();
    };
    if written.starts_with("0x") {
        vec![replace(source, entry, &value.to_string())]
    } else {
        vec![replace(source, entry, &hex(value))]
    }
}
