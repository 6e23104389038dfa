//! Answers of `otaru-lsp-ide` as LSP types.

use crate::protocol::VerbParams;
use otaru_lsp_ide as ide;
use otaru_lsp_ide::position;
use std::path::Path;
use tower_lsp::ls_types::{
    CodeLens, Command, CompletionItem, CompletionItemKind, CompletionTextEdit, Diagnostic,
    DiagnosticSeverity, Documentation, Hover, HoverContents, MarkupContent, MarkupKind,
    NumberOrString, Position, Range, TextEdit,
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

pub(crate) fn diagnostic(found: &ide::Diagnostic) -> Diagnostic {
    Diagnostic {
        range: range(found.span),
        severity: Some(match found.severity {
            ide::Severity::Error => DiagnosticSeverity::ERROR,
            ide::Severity::Warning => DiagnosticSeverity::WARNING,
        }),
        code: Some(NumberOrString::String(found.code.to_owned())),
        source: Some(SOURCE.to_owned()),
        message: found.message.clone(),
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

pub(crate) fn completion(found: ide::Completion) -> CompletionItem {
    CompletionItem {
        kind: Some(match found.kind {
            ide::CompletionKind::Table => CompletionItemKind::MODULE,
            ide::CompletionKind::Key => CompletionItemKind::PROPERTY,
            ide::CompletionKind::Value => CompletionItemKind::VALUE,
        }),
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
    };
    let arguments = VerbParams {
        project: Some(folder.to_string_lossy().into_owned()),
        ..VerbParams::default()
    };
    CodeLens {
        range: range(found.span),
        command: Some(Command {
            title: found.title.to_owned(),
            command: command.to_owned(),
            arguments: serde_json::to_value(arguments)
                .ok()
                .map(|value| vec![value]),
        }),
        data: None,
    }
}
