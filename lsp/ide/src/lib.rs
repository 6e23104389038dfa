//! Diagnostics, completion, hover and code lenses over in-memory inputs. No IO, no editor protocol:
//! the language server turns these answers into LSP messages.
//!
//! ```
//! use otaru_lsp_ide::{Analysis, Facts};
//! let text = "[project]\nname = \"lamp\"\nbord = \"host\"\n[signing]\nkey = \"dev.pem\"\n";
//! let analysis = Analysis::new(text.to_owned());
//! let first = &analysis.diagnostics(Facts::default())[0];
//! assert_eq!(first.code, "missing-required");
//! ```

mod cursor;
mod facts;
pub mod position;

mod completion;
mod diagnostics;
mod hover;
mod lenses;

pub use completion::{Completion, CompletionKind};
pub use diagnostics::{Diagnostic, Fix, Severity};
pub use facts::{Facts, KeyFile};
pub use hover::Hover;
pub use lenses::{Lens, LensVerb};

use otaru_lsp_project::{Manifest, Parsed};
use position::LineIndex;

/// One state of an `Otaru.toml`, read once and asked often.
#[derive(Debug, Clone)]
pub struct Analysis {
    text: String,
    index: LineIndex,
    parsed: Parsed<Manifest>,
}

impl Analysis {
    /// Reads the text.
    pub fn new(text: String) -> Self {
        let index = LineIndex::new(&text);
        let parsed = Manifest::parse(&text);
        Self {
            text,
            index,
            parsed,
        }
    }

    /// The text that was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What could be read of it.
    pub fn manifest(&self) -> &Manifest {
        &self.parsed.model
    }

    /// Whether nothing in the file itself stands in the way of a build.
    pub fn is_usable(&self) -> bool {
        self.parsed.is_usable()
    }

    /// What is wrong, in the order of the text.
    pub fn diagnostics(&self, facts: Facts) -> Vec<Diagnostic> {
        diagnostics::diagnostics(self, facts)
    }

    /// What the thing at a place means.
    pub fn hover(&self, at: position::Position) -> Option<Hover> {
        hover::hover(self, at)
    }

    /// What can be written at a place.
    pub fn completions(&self, at: position::Position) -> Vec<Completion> {
        completion::completions(self, at)
    }

    /// The verbs that are offered above the project.
    pub fn lenses(&self) -> Vec<Lens> {
        lenses::lenses(self)
    }
}
