//! What is wrong in a file, with the places and repairs that an editor shows: the problems of the
//! text, and what the facts about the world add to them.

use crate::facts::{Facts, KeyFile};
use crate::outline::Entry;
use crate::position::Span;
use crate::sizes;
use crate::source::Source;
use crate::{Analysis, versions};
use otaru_lsp_project::{Code, KeyKind, Problem, Spanned, Version, VersionSource};

/// From how much of its slot on an image is called large, in percent.
const NEARLY_FULL_PERCENT: u64 = 90;

/// Most problems that are shown of one file; nobody reads more, and every edit sends all of them.
const PROBLEMS_MAX: usize = 200;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing can be built.
    Error,
    /// It can, but hardly as intended.
    Warning,
    /// Worth knowing; nothing is wrong with the file.
    Information,
}

/// One problem in a file.
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
    /// What would repair it, the best first.
    pub fixes: Vec<Fix>,
    /// Another place of the same file that has to do with it, and what is there.
    pub related: Option<(Span, String)>,
}

/// Edits that together repair a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, for a menu.
    pub title: String,
    /// What is replaced by what. No two of them overlap.
    pub edits: Vec<TextEdit>,
}

/// A replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextEdit {
    /// The text to replace; empty for an insertion.
    pub span: Span,
    /// What to write there.
    pub text: String,
}

pub(crate) fn diagnostics(analysis: &Analysis, facts: &Facts) -> Vec<Diagnostic> {
    let source = &analysis.source;
    let is_broken = analysis
        .problems
        .iter()
        .any(|problem| problem.code == Code::Syntax);
    let mut all: Vec<Diagnostic> = analysis
        .problems
        .iter()
        .filter(|problem| !(is_broken && is_there_after_all(source, problem)))
        .map(|problem| of_problem(source, problem))
        .collect();
    if analysis.manifest.is_some() {
        all.extend(of_key_file(source, "signing", facts.key_file));
        all.extend(of_key_file(source, "encryption", facts.encryption_key));
        all.extend(of_development_keys(analysis, facts));
        all.extend(of_image(analysis, facts));
        all.extend(of_version(analysis, facts));
        all.extend(of_manager(source, facts));
    }
    all.sort_by_key(|diagnostic| diagnostic.span.start);
    all.truncate(PROBLEMS_MAX);
    all
}

/// A parser that met something half-typed may lose the lines behind it. What stands there is not
/// missing.
fn is_there_after_all(source: &Source, problem: &Problem) -> bool {
    if problem.code != Code::MissingRequired {
        return false;
    }
    let names: Vec<&str> = problem.message.split('`').collect();
    let (Some(key), Some(table)) = (names.get(1), names.get(3)) else {
        return false;
    };
    let table = table.trim_matches(['[', ']']);
    if source.schema.table(table).is_some_and(|doc| doc.is_list) {
        // Another table of the list has keys of its own.
        let section = source.outline.section_at(problem.span.start);
        return section.entries.iter().any(|entry| entry.name == *key);
    }
    source.outline.entry(table, key).is_some()
}

fn of_problem(source: &Source, problem: &Problem) -> Diagnostic {
    let message = match &problem.hint {
        Some(hint) => format!("{}; {hint}", problem.message),
        None => problem.message.clone(),
    };
    let fixes = problem.repairs.iter().map(|repair| Fix {
        title: repair.title.clone(),
        edits: repair
            .edits
            .iter()
            .map(|edit| TextEdit {
                span: source.span(edit.span.clone()),
                text: edit.text.clone(),
            })
            .collect(),
    });
    let mut fixes: Vec<Fix> = fixes.collect();
    if problem.code == Code::Syntax {
        fixes.extend(syntax_fix(source, problem.span.start));
    }
    Diagnostic {
        span: source.span(problem.span.clone()),
        severity: match problem.severity {
            otaru_lsp_project::Severity::Error => Severity::Error,
            otaru_lsp_project::Severity::Warning => Severity::Warning,
        },
        code: problem.code.as_str(),
        message,
        fixes,
        related: problem
            .related
            .as_ref()
            .map(|(span, what)| (source.span(span.clone()), what.clone())),
    }
}

/// The repair of a value that TOML does not read: `64KiB`, or a text without quotes.
fn syntax_fix(source: &Source, at: usize) -> Option<Fix> {
    let entry = source.outline.entries().find(|entry| {
        !entry.value.is_empty() && (entry.value.start..=entry.value.end).contains(&at)
    })?;
    let doc = source.doc(entry)?;
    let written = source.get(&entry.value);
    let is_bare = |c: char| c.is_alphanumeric() || " ._-/:+".contains(c);
    let text = match doc.kind {
        KeyKind::Number { .. } | KeyKind::ByteOf(_) | KeyKind::Choice(_) => {
            otaru_lsp_project::unquoted(doc.kind, written)?
        }
        KeyKind::Flag | KeyKind::Texts | KeyKind::KeyFiles => return None,
        KeyKind::Text
        | KeyKind::OneOf { .. }
        | KeyKind::Board
        | KeyKind::Target
        | KeyKind::Version
        | KeyKind::PlainVersion
        | KeyKind::File
        | KeyKind::KeyFile
        | KeyKind::Url
        | KeyKind::Device
        | KeyKind::Fleet => {
            let inside = written.trim_matches(['"', '\'']);
            if inside.is_empty() || !inside.chars().all(is_bare) {
                return None;
            }
            format!("\"{inside}\"")
        }
    };
    Some(replace(source, entry, &text))
}

/// The fix that writes another value.
pub(crate) fn replace(source: &Source, entry: &Entry, text: &str) -> Fix {
    Fix {
        title: format!("Change to `{text}`"),
        edits: vec![TextEdit {
            span: source.span(entry.value.clone()),
            text: text.to_owned(),
        }],
    }
}

fn of_fact(
    source: &Source,
    entry: &Entry,
    (severity, code): (Severity, &'static str),
    message: String,
) -> Diagnostic {
    Diagnostic {
        span: source.span(entry.value.clone()),
        severity,
        code,
        message,
        fixes: Vec::new(),
        related: None,
    }
}

fn of_key_file(source: &Source, table: &str, key_file: KeyFile) -> Option<Diagnostic> {
    let entry = source.outline.entry(table, "key")?;
    let path = source.word(entry);
    if path.is_empty() {
        return None;
    }
    let (can, command) = match table {
        "encryption" => ("decrypt", "otaru keys new --encryption"),
        _signing => ("sign", "otaru keys new"),
    };
    let (what, message) = match key_file {
        KeyFile::Unknown | KeyFile::Present => return None,
        KeyFile::WorldReadable => (
            (Severity::Warning, "key-world-readable"),
            format!("everybody on this machine can read `{path}`; `chmod 600` it"),
        ),
        KeyFile::Tracked => (
            (Severity::Warning, "key-inside-git"),
            format!(
                "`{path}` is under version control, so everybody who has the repository can {can}; \
                 make another key and keep it outside"
            ),
        ),
        KeyFile::Missing => (
            (Severity::Error, "key-missing"),
            format!("there is no key file `{path}`; `{command}` makes one"),
        ),
    };
    Some(of_fact(source, entry, what, message))
}

/// Keys for development in a project for devices in the field, which nothing is built with.
fn of_development_keys(analysis: &Analysis, facts: &Facts) -> Vec<Diagnostic> {
    let source = &analysis.source;
    let Some(manifest) = &analysis.manifest else {
        return Vec::new();
    };
    let release = manifest.signing.release.as_ref();
    let (Some(release), Some(entry)) = (
        release.filter(|release| release.value),
        source.outline.entry("signing", "release"),
    ) else {
        return Vec::new();
    };
    let for_development = manifest
        .key_files()
        .filter(|key| facts.development_keys.contains(&key.value));
    let command = |key: &Spanned<String>| {
        let encrypts = manifest.encryption.key.as_ref() == Some(key);
        if encrypts {
            "otaru keys new --encryption --release"
        } else {
            "otaru keys new --release"
        }
    };
    for_development
        .map(|key| Diagnostic {
            span: source.span(key.span.clone()),
            severity: Severity::Error,
            code: "dev-key-in-release",
            message: format!(
                "`{}` is a development key, and this project is for devices in the field; `{}` makes \
                 another one",
                key.value,
                command(key)
            ),
            fixes: vec![replace(source, entry, "false")],
            related: Some((
                source.span(release.span.clone()),
                "for devices in the field".to_owned(),
            )),
        })
        .collect()
}

/// Whether the image that was built last fits, and how well.
fn of_image(analysis: &Analysis, facts: &Facts) -> Option<Diagnostic> {
    let built = facts.built.as_ref()?;
    let (board, mode) = analysis.board()?;
    let source = &analysis.source;
    let entry = source.outline.entry("project", "board")?;
    let room = u64::from(board.image_len_max(mode));
    let len = u64::from(built.len);
    let (len_text, room_text) = (sizes::bytes(len), sizes::bytes(room));
    if len > room {
        let message = format!(
            "the last build, {}, is {len_text} long; the slots of `{}` hold {room_text}",
            built.label, board.name
        );
        return Some(of_fact(
            source,
            entry,
            (Severity::Error, "image-too-large"),
            message,
        ));
    }
    if len * 100 < room * NEARLY_FULL_PERCENT {
        return None;
    }
    let message = format!(
        "the last build, {}, takes {} % of its slot: {len_text} of {room_text}",
        built.label,
        len * 100 / room.max(1)
    );
    let what = (Severity::Warning, "image-nearly-full");
    Some(of_fact(source, entry, what, message))
}

/// Whether the version that is written here is older than what the device runs.
fn of_version(analysis: &Analysis, facts: &Facts) -> Option<Diagnostic> {
    let runs = facts.device_runs.as_ref()?;
    let running: Version = runs.split('+').next()?.parse().ok()?;
    let source = &analysis.source;
    let entry = source.outline.entry("project", "version")?;
    let written = analysis.manifest.as_ref()?.project.version.as_ref()?;
    let VersionSource::Given(given) = &written.value else {
        return None;
    };
    let numbers = |version: &Version| (version.major, version.minor, version.patch);
    if numbers(given) >= numbers(&running) || source.word(entry) != given.to_string() {
        return None;
    }
    let message = format!("the device runs {runs}, which is newer than {given}");
    let what = (Severity::Warning, "version-downgrade");
    let mut found = of_fact(source, entry, what, message);
    found.fixes = versions::raised(&running)
        .into_iter()
        .map(|(_, version)| replace(source, entry, &format!("\"{version}\"")))
        .collect();
    Some(found)
}

fn of_manager(source: &Source, facts: &Facts) -> Option<Diagnostic> {
    let problem = facts.manager_problem.as_ref()?;
    let entry = source.outline.entry("manager", "url")?;
    let message = format!("the manager did not answer when it was last asked: {problem}");
    let what = (Severity::Information, "manager-unreachable");
    Some(of_fact(source, entry, what, message))
}
