//! Answers of `otaru-lsp-ide` as LSP types.

use crate::paths;
use crate::protocol::VerbParams;
use otaru_lsp_ide as ide;
use otaru_lsp_ide::position;
use std::path::Path;
use tower_lsp::ls_types::{
    CodeAction, CodeActionKind, CodeLens, Command, CompletionItem, CompletionItemKind,
    CompletionTextEdit, Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, DocumentLink,
    DocumentSymbol, Documentation, FoldingRange, FoldingRangeKind, Hover, HoverContents, InlayHint,
    InlayHintLabel, Location, MarkupContent, MarkupKind, NumberOrString, Position, Range,
    SymbolKind, TextEdit, Uri, WorkspaceEdit,
};

/// What stands as `source` at every diagnostic of this server.
pub(crate) const SOURCE: &str = "otaru";

pub(crate) fn position_of(at: Position) -> position::Position {
    position::Position {
        line: at.line,
        character: at.character,
    }
}

pub(crate) fn span_of(range: Range) -> position::Span {
    position::Span {
        start: position_of(range.start),
        end: position_of(range.end),
    }
}

pub(crate) fn range(span: position::Span) -> Range {
    let at = |at: position::Position| Position {
        line: at.line,
        character: at.character,
    };
    Range {
        start: at(span.start),
        end: at(span.end),
    }
}

/// A problem; `uri` is the file that it is in.
pub(crate) fn diagnostic(found: &ide::Diagnostic, uri: &Uri) -> Diagnostic {
    Diagnostic {
        range: range(found.span),
        severity: Some(match found.severity {
            ide::Severity::Error => DiagnosticSeverity::ERROR,
            ide::Severity::Warning => DiagnosticSeverity::WARNING,
            ide::Severity::Information => DiagnosticSeverity::INFORMATION,
        }),
        code: Some(NumberOrString::String(found.code.to_owned())),
        source: Some(SOURCE.to_owned()),
        message: found.message.clone(),
        related_information: found.related.as_ref().map(|(span, what)| {
            vec![DiagnosticRelatedInformation {
                location: Location {
                    uri: uri.clone(),
                    range: range(*span),
                },
                message: what.clone(),
            }]
        }),
        ..Diagnostic::default()
    }
}

pub(crate) fn hover(found: ide::Hover) -> Hover {
    Hover {
        contents: HoverContents::Markup(markdown(found.markdown)),
        range: Some(range(found.span)),
    }
}

fn markdown(value: String) -> MarkupContent {
    MarkupContent {
        kind: MarkupKind::Markdown,
        value,
    }
}

/// A proposal; `number` is its place in the list, which editors would sort otherwise.
pub(crate) fn completion(found: ide::Completion, number: usize) -> CompletionItem {
    CompletionItem {
        kind: Some(match found.kind {
            ide::CompletionKind::Table => CompletionItemKind::MODULE,
            ide::CompletionKind::Key => CompletionItemKind::PROPERTY,
            ide::CompletionKind::Value => CompletionItemKind::VALUE,
            ide::CompletionKind::File => CompletionItemKind::FILE,
        }),
        sort_text: Some(format!("{number:03}")),
        detail: Some(found.detail),
        documentation: Some(Documentation::MarkupContent(markdown(found.documentation))),
        // Editors filter by what stands in the replaced range; for a value that includes quotes.
        filter_text: Some(found.text.clone()),
        text_edit: Some(CompletionTextEdit::Edit(TextEdit {
            range: range(found.span),
            new_text: found.text,
        })),
        label: found.label,
        ..CompletionItem::default()
    }
}

pub(crate) fn lens(found: ide::Lens, folder: &Path) -> CodeLens {
    let command = match found.verb {
        ide::LensVerb::Build => "otaru.build",
        ide::LensVerb::Upload => "otaru.upload",
        ide::LensVerb::Fota => "otaru.fota",
        // An empty command is LSP's way to say something that cannot be pressed.
        ide::LensVerb::None => "",
    };
    let arguments = VerbParams {
        project: Some(folder.to_string_lossy().into_owned()),
        ..VerbParams::default()
    };
    CodeLens {
        range: range(found.span),
        command: Some(Command {
            title: found.title,
            command: command.to_owned(),
            arguments: serde_json::to_value(arguments)
                .ok()
                .filter(|_| !command.is_empty())
                .map(|value| vec![value]),
        }),
        data: None,
    }
}

pub(crate) fn edit(edit: &ide::TextEdit) -> TextEdit {
    TextEdit {
        range: range(edit.span),
        new_text: edit.text.clone(),
    }
}

pub(crate) fn action(action: &ide::Action, uri: &Uri) -> CodeAction {
    let repaired = action.repairs.as_ref();
    let edits = action.fix.edits.iter().map(edit).collect();
    CodeAction {
        title: action.fix.title.clone(),
        kind: Some(if repaired.is_some() {
            CodeActionKind::QUICKFIX
        } else {
            CodeActionKind::REFACTOR_REWRITE
        }),
        diagnostics: repaired.map(|found| vec![diagnostic(found, uri)]),
        edit: Some(WorkspaceEdit {
            changes: Some([(uri.clone(), edits)].into()),
            ..WorkspaceEdit::default()
        }),
        is_preferred: Some(action.is_preferred),
        ..CodeAction::default()
    }
}

pub(crate) fn hint(found: ide::Hint) -> InlayHint {
    InlayHint {
        position: range(position::Span {
            start: found.at,
            end: found.at,
        })
        .start,
        label: InlayHintLabel::String(found.text),
        kind: None,
        text_edits: None,
        tooltip: None,
        padding_left: Some(true),
        padding_right: None,
        data: None,
    }
}

#[expect(
    deprecated,
    reason = "the type has no other way to leave the field out"
)]
pub(crate) fn symbol(found: ide::Symbol) -> DocumentSymbol {
    let children: Vec<DocumentSymbol> = found.children.into_iter().map(symbol).collect();
    DocumentSymbol {
        name: found.name,
        kind: if found.detail.is_empty() {
            SymbolKind::MODULE
        } else {
            SymbolKind::PROPERTY
        },
        detail: Some(found.detail).filter(|detail| !detail.is_empty()),
        tags: None,
        deprecated: None,
        range: range(found.span),
        selection_range: range(found.selection),
        children: Some(children),
    }
}

pub(crate) fn fold(found: ide::Fold) -> FoldingRange {
    FoldingRange {
        start_line: found.first_line,
        end_line: found.last_line,
        kind: found.is_comment.then_some(FoldingRangeKind::Comment),
        ..FoldingRange::default()
    }
}

/// A link; `folder` is that of the file it stands in.
pub(crate) fn link(found: &ide::Link, folder: &Path) -> Option<DocumentLink> {
    let target = match &found.target {
        ide::LinkTarget::Path(path) => paths::uri_of(&folder.join(path)),
        ide::LinkTarget::Url(address) => address.parse().ok(),
    };
    Some(DocumentLink {
        range: range(found.span),
        target: Some(target?),
        tooltip: None,
        data: None,
    })
}
