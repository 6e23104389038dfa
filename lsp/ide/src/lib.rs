//! Everything that an editor asks about `Otaru.toml` and `board.toml`, over in-memory inputs. No IO,
//! no editor protocol: the language server turns these answers into LSP messages.
//!
//! What may stand in the files comes from the schema of `otaru-lsp-project`, where things stand from
//! an outline of the lines, so that a file that is being typed is answered like a finished one.
//!
//! ```
//! use otaru_lsp_ide::{Analysis, Facts, FileKind};
//! let text = "[project]\nname = \"lamp\"\nbord = \"host\"\n[signing]\nkey = \"dev.pem\"\n";
//! let analysis = Analysis::new(FileKind::Manifest, text.to_owned());
//! let first = &analysis.diagnostics(&Facts::default())[0];
//! assert_eq!(first.code, "missing-required");
//! ```

mod cursor;
mod facts;
mod outline;
pub mod position;
mod sizes;
mod source;
mod versions;

mod actions;
mod completion;
mod diagnostics;
mod hints;
mod hover;
mod lenses;
mod names;
mod structure;

pub use actions::Action;
pub use completion::{Completion, CompletionKind};
pub use diagnostics::{Diagnostic, Fix, Severity, TextEdit};
pub use facts::{BuiltImage, Facts, KeyFile, Known};
pub use hints::Hint;
pub use hover::Hover;
pub use lenses::{Lens, LensVerb};
pub use names::{Name, NameKind};
pub use structure::{Fold, Link, LinkTarget, Symbol};

use otaru_lsp_project::{
    BOARD_FILE_NAME, BOARD_SCHEMA, Board, Code, MANIFEST_FILE_NAME, MANIFEST_SCHEMA, Manifest,
    Mode, Problem, Severity as ProblemSeverity, board,
};
use position::{Position, Span};
use source::Source;

/// Which of the two files it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// `Otaru.toml`
    Manifest,
    /// `board.toml`
    Board,
}

impl FileKind {
    /// The kind of a file with this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            MANIFEST_FILE_NAME => Some(Self::Manifest),
            BOARD_FILE_NAME => Some(Self::Board),
            _ => None,
        }
    }
}

/// One state of a file, read once and asked often.
#[derive(Debug, Clone)]
pub struct Analysis {
    kind: FileKind,
    source: Source,
    problems: Vec<Problem>,
    /// What a manifest says; while it is being typed and cannot be read, what it said before.
    manifest: Option<Manifest>,
    is_stale: bool,
}

impl Analysis {
    /// Reads the text.
    pub fn new(kind: FileKind, text: String) -> Self {
        let (schema, manifest, problems) = match kind {
            FileKind::Manifest => {
                let read = Manifest::parse(&text);
                (&MANIFEST_SCHEMA, Some(read.model), read.problems)
            }
            FileKind::Board => (&BOARD_SCHEMA, None, Board::parse(&text).problems),
        };
        Self {
            kind,
            source: Source::new(schema, text),
            problems,
            manifest,
            is_stale: false,
        }
    }

    /// Reads the next state of the same file. If it is no TOML at the moment, what the last good
    /// state said stays valid.
    #[must_use]
    pub fn next(&self, text: String) -> Self {
        let mut next = Self::new(self.kind, text);
        let is_broken = next
            .problems
            .iter()
            .any(|problem| problem.code == Code::Syntax);
        // A file without a single table has been emptied, not half-typed.
        if is_broken && next.source.outline.sections.len() > 1 {
            next.manifest.clone_from(&self.manifest);
            next.is_stale = true;
        }
        next
    }

    /// The text that was read.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// What could be read of a manifest. `None` for a board.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// Whether [`Analysis::manifest`] is of an earlier state, because this one cannot be read.
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Whether nothing in the file itself stands in the way of a build.
    pub fn is_usable(&self) -> bool {
        self.problems
            .iter()
            .all(|problem| problem.severity != ProblemSeverity::Error)
    }

    /// The board that a manifest chooses, and the mode in which it installs there.
    pub(crate) fn board(&self) -> Option<(&'static Board, Mode)> {
        let project = &self.manifest.as_ref()?.project;
        let board = board(&project.board.as_ref()?.value)?;
        let mode = project.mode.as_ref().map(|mode| mode.value);
        Some((board, mode.unwrap_or(board.defaults.mode)))
    }

    /// What is wrong, in the order of the text.
    pub fn diagnostics(&self, facts: &Facts) -> Vec<Diagnostic> {
        diagnostics::diagnostics(self, facts)
    }

    /// What can be done at a range: repairs of problems, and rewritings.
    pub fn actions(&self, facts: &Facts, at: Span) -> Vec<Action> {
        actions::actions(self, facts, at)
    }

    /// What the thing at a place means.
    pub fn hover(&self, facts: &Facts, at: Position) -> Option<Hover> {
        hover::hover(self, facts, at)
    }

    /// What can be written at a place.
    pub fn completions(&self, facts: &Facts, at: Position) -> Vec<Completion> {
        completion::completions(self, facts, at)
    }

    /// What stands above lines.
    pub fn lenses(&self) -> Vec<Lens> {
        lenses::lenses(self)
    }

    /// What stands behind values.
    pub fn hints(&self, facts: &Facts, within: Span) -> Vec<Hint> {
        hints::hints(self, facts, within)
    }

    /// The tables with their keys.
    pub fn symbols(&self) -> Vec<Symbol> {
        structure::symbols(&self.source)
    }

    /// Lines that can be folded.
    pub fn folds(&self) -> Vec<Fold> {
        structure::folds(&self.source)
    }

    /// What leads to another file or page.
    pub fn links(&self) -> Vec<Link> {
        structure::links(&self.source)
    }

    /// The name at a place that may stand elsewhere, too.
    pub fn name_at(&self, at: Position) -> Option<Name> {
        names::name_at(&self.source, at)
    }

    /// Every place of this file where a name stands.
    pub fn places(&self, name: &Name) -> Vec<Span> {
        names::places(&self.source, name.kind, &name.text)
    }

    /// The edits that change a name everywhere in this file.
    ///
    /// # Errors
    /// Why this name cannot be changed, or not to this text.
    pub fn rename(&self, name: &Name, new: &str) -> Result<Vec<TextEdit>, &'static str> {
        match name.obstacle().or_else(|| names::unfit(name.kind, new)) {
            Some(obstacle) => Err(obstacle),
            None => Ok(names::renamed(&self.source, name.kind, &name.text, new)),
        }
    }

    /// The name that a board's file gives it, and where.
    pub fn board_name(&self) -> Option<(String, Span)> {
        names::board_definition(&self.source)
    }
}
