//! The verbs that stand above the project.

use crate::Analysis;
use crate::position::{Position, Span};

/// A verb behind a lens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LensVerb {
    /// Compile, pack, sign.
    Build,
    /// And hand over to the manager.
    Upload,
    /// And update the device.
    Fota,
}

/// A verb above a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lens {
    /// The line it stands above.
    pub span: Span,
    /// What it says.
    pub title: &'static str,
    /// What it does.
    pub verb: LensVerb,
}

pub(crate) fn lenses(analysis: &Analysis) -> Vec<Lens> {
    let line = analysis
        .index
        .position(&analysis.text, analysis.manifest().project.span.start)
        .line;
    let start = Position { line, character: 0 };
    let end = Position { line, character: 0 };
    let span = Span { start, end };
    [
        ("Build", LensVerb::Build),
        ("Upload", LensVerb::Upload),
        ("FOTA", LensVerb::Fota),
    ]
    .map(|(title, verb)| Lens { span, title, verb })
    .to_vec()
}
