//! Problems of the manifest with the places and repairs that an editor shows.

use crate::position::Span;
use crate::{Analysis, Facts, KeyFile};
use otaru_lsp_project::{Problem, Spanned};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing can be built.
    Error,
    /// It can, but hardly as intended.
    Warning,
}

/// One problem in the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where.
    pub span: Span,
    /// How bad.
    pub severity: Severity,
    /// Its kind; stable.
    pub code: &'static str,
    /// What is wrong and what to do about it, for people.
    pub message: String,
    /// The one edit that would repair it, if there is one.
    pub fix: Option<Fix>,
}

/// An edit that repairs a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, for a menu.
    pub title: String,
    /// The text to replace.
    pub span: Span,
    /// What to write there.
    pub text: String,
}

pub(crate) fn diagnostics(analysis: &Analysis, facts: Facts) -> Vec<Diagnostic> {
    let mut all: Vec<Diagnostic> = analysis
        .parsed
        .problems
        .iter()
        .map(|problem| of_problem(analysis, problem))
        .collect();
    let manifest = analysis.manifest();
    let keys = [
        (&manifest.signing.key, facts.key_file, "otaru keys new"),
        (
            &manifest.encryption.key,
            facts.encryption_key,
            "otaru keys new --encryption",
        ),
    ];
    for (key, file, repair) in keys {
        let key = key.as_ref();
        all.extend(key.and_then(|key| of_key_file(analysis, key, (file, repair))));
    }
    all.sort_by_key(|diagnostic| diagnostic.span.start);
    all
}

fn of_problem(analysis: &Analysis, problem: &Problem) -> Diagnostic {
    let span = analysis.index.span(&analysis.text, problem.span.clone());
    let message = match &problem.hint {
        Some(hint) => format!("{}; {hint}", problem.message),
        None => problem.message.clone(),
    };
    let fix = problem.replacement.as_ref().map(|replacement| {
        let written = analysis.text.get(problem.span.clone()).unwrap_or_default();
        // The span of a string covers its quotes, the replacement is the bare word.
        let quote = written
            .chars()
            .next()
            .filter(|first| matches!(first, '"' | '\''));
        let text = match quote {
            Some(quote) => format!("{quote}{replacement}{quote}"),
            None => replacement.clone(),
        };
        Fix {
            title: format!("Change to `{replacement}`"),
            span,
            text,
        }
    });
    let severity = match problem.severity {
        otaru_lsp_project::Severity::Error => Severity::Error,
        otaru_lsp_project::Severity::Warning => Severity::Warning,
    };
    Diagnostic {
        span,
        severity,
        code: problem.code.as_str(),
        message,
        fix,
    }
}

fn of_key_file(
    analysis: &Analysis,
    key: &Spanned<String>,
    (key_file, repair): (KeyFile, &str),
) -> Option<Diagnostic> {
    let (severity, code, message) = match key_file {
        KeyFile::Unknown | KeyFile::Present => return None,
        KeyFile::WorldReadable => (
            Severity::Warning,
            "key-world-readable",
            format!(
                "everybody on this machine can read `{}`; `chmod 600` it",
                key.value
            ),
        ),
        KeyFile::Missing => (
            Severity::Error,
            "key-missing",
            format!("there is no key file `{}`; `{repair}` makes one", key.value),
        ),
    };
    let span = analysis.index.span(&analysis.text, key.span.clone());
    Some(Diagnostic {
        span,
        severity,
        code,
        message,
        fix: None,
    })
}
