//! What stands above lines: the verbs above the project, sizes above the areas of a board.

use crate::Analysis;
use crate::position::{Position, Span};
use crate::sizes;

/// A verb behind a lens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LensVerb {
    /// Compile, pack, sign.
    Build,
    /// And hand over to the manager.
    Upload,
    /// And update the device.
    Fota,
    /// Nothing: it only says something.
    None,
}

/// A verb or a remark above a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lens {
    /// The line it stands above.
    pub span: Span,
    /// What it says.
    pub title: String,
    /// What it does.
    pub verb: LensVerb,
}

pub(crate) fn lenses(analysis: &Analysis) -> Vec<Lens> {
    if analysis.manifest.is_some() {
        return of_manifest(analysis);
    }
    let source = &analysis.source;
    source
        .outline
        .sections
        .iter()
        .filter(|section| section.path != "flash")
        .filter_map(|section| {
            let area = sizes::area(source, &section.path)?;
            Some(Lens {
                span: above(analysis, section.range.start),
                title: area.in_words(),
                verb: LensVerb::None,
            })
        })
        .collect()
}

fn of_manifest(analysis: &Analysis) -> Vec<Lens> {
    let start = analysis
        .source
        .outline
        .section("project")
        .map_or(0, |section| section.range.start);
    [
        ("Build", LensVerb::Build),
        ("Upload", LensVerb::Upload),
        ("FOTA", LensVerb::Fota),
    ]
    .map(|(title, verb)| Lens {
        span: above(analysis, start),
        title: title.to_owned(),
        verb,
    })
    .to_vec()
}

/// The beginning of the line of an offset.
fn above(analysis: &Analysis, offset: usize) -> Span {
    let source = &analysis.source;
    let line = source.index.position(&source.text, offset).line;
    let start = Position { line, character: 0 };
    Span { start, end: start }
}
