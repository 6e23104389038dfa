//! Open texts and what is shown in them.

use super::{Document, ProjectState, Workspace};
use crate::outbox::Out;
use crate::{convert, paths};
use otaru_lsp_ide::Analysis;
use otaru_lsp_ide::position::apply_edit;
use std::path::{Path, PathBuf};
use tower_lsp::ls_types::{
    CodeAction, CodeActionKind, CodeActionOrCommand, CodeLens, CompletionItem, Diagnostic, Hover,
    Position, Range, TextDocumentContentChangeEvent, TextEdit, Uri, WorkspaceEdit,
};

impl Workspace {
    /// A text was opened.
    pub(crate) fn open(&mut self, uri: &Uri, version: i32, text: String) {
        self.documents
            .insert(uri.clone(), Document { text, version });
        self.reanalyze(uri);
    }

    /// A text was edited.
    pub(crate) fn change(
        &mut self,
        uri: &Uri,
        version: i32,
        changes: Vec<TextDocumentContentChangeEvent>,
    ) {
        let Some(document) = self.documents.get_mut(uri) else {
            return tracing::warn!("an edit of a text that is not open: {}", uri.as_str());
        };
        for change in changes {
            apply_edit(
                &mut document.text,
                change.range.map(convert::span_of),
                &change.text,
            );
        }
        document.version = version;
        self.reanalyze(uri);
    }

    /// A text was closed: what counts again is the file.
    pub(crate) fn close(&mut self, uri: &Uri) {
        self.documents.remove(uri);
        if let Some(folder) = paths::project_of(uri) {
            self.read_manifest(folder);
        }
    }

    /// The text that the server has of an open document.
    pub(crate) fn text(&self, uri: &Uri) -> Option<String> {
        self.documents
            .get(uri)
            .map(|document| document.text.clone())
    }

    fn reanalyze(&mut self, uri: &Uri) {
        let Some(folder) = paths::project_of(uri) else {
            return;
        };
        let Some(document) = self.documents.get(uri) else {
            return;
        };
        let analysis = Analysis::new(document.text.clone());
        self.set_analysis(&folder, analysis);
    }

    /// Whether the manifest of a project is open in the editor.
    pub(super) fn open_manifest(&self, folder: &Path) -> Option<(Uri, i32)> {
        let uri = paths::uri_of(&ProjectState::manifest_path(folder))?;
        let document = self.documents.get(&uri)?;
        Some((uri, document.version))
    }

    /// Tells the client all problems of a manifest.
    pub(super) fn publish_manifest(&mut self, folder: &Path) {
        let open = self.open_manifest(folder);
        let Some(project) = self.projects.get_mut(folder) else {
            return;
        };
        let (uri, version) = match open {
            Some((uri, version)) => (uri, Some(version)),
            None => match paths::uri_of(&ProjectState::manifest_path(folder)) {
                Some(uri) => (uri, None),
                None => return,
            },
        };
        let found = project.analysis.diagnostics(project.facts);
        let mut diagnostics: Vec<Diagnostic> = found.iter().map(convert::diagnostic).collect();
        diagnostics.extend(project.findings_in(&ProjectState::manifest_path(folder)));
        let told = Some((version, diagnostics.clone()));
        if project.told_diagnostics == told {
            return;
        }
        project.told_diagnostics = told;
        self.outbox.push(Out::Diagnostics {
            uri,
            diagnostics,
            version,
        });
    }

    fn analysis(&self, uri: &Uri) -> Option<(&Analysis, PathBuf)> {
        let folder = paths::project_of(uri)?;
        Some((&self.projects.get(&folder)?.analysis, folder))
    }

    /// `textDocument/hover`
    pub(crate) fn hover(&self, uri: &Uri, at: Position) -> Option<Hover> {
        let (analysis, _) = self.analysis(uri)?;
        analysis.hover(convert::position_of(at)).map(convert::hover)
    }

    /// `textDocument/completion`
    pub(crate) fn completions(&self, uri: &Uri, at: Position) -> Vec<CompletionItem> {
        let Some((analysis, _)) = self.analysis(uri) else {
            return Vec::new();
        };
        let found = analysis.completions(convert::position_of(at));
        found.into_iter().map(convert::completion).collect()
    }

    /// `textDocument/codeLens`
    pub(crate) fn lenses(&self, uri: &Uri) -> Vec<CodeLens> {
        let Some((analysis, folder)) = self.analysis(uri) else {
            return Vec::new();
        };
        analysis
            .lenses()
            .into_iter()
            .map(|lens| convert::lens(lens, &folder))
            .collect()
    }

    /// `textDocument/codeAction`: the repairs of the problems in a range.
    pub(crate) fn fixes(&self, uri: &Uri, range: Range) -> Vec<CodeActionOrCommand> {
        let Some((analysis, folder)) = self.analysis(uri) else {
            return Vec::new();
        };
        let Some(project) = self.projects.get(&folder) else {
            return Vec::new();
        };
        let wanted = |found: &Range| found.start <= range.end && range.start <= found.end;
        analysis
            .diagnostics(project.facts)
            .iter()
            .filter(|found| wanted(&convert::range(found.span)))
            .filter_map(|found| {
                let fix = found.fix.as_ref()?;
                let edit = TextEdit {
                    range: convert::range(fix.span),
                    new_text: fix.text.clone(),
                };
                Some(CodeActionOrCommand::CodeAction(CodeAction {
                    title: fix.title.clone(),
                    kind: Some(CodeActionKind::QUICKFIX),
                    diagnostics: Some(vec![convert::diagnostic(found)]),
                    edit: Some(WorkspaceEdit {
                        changes: Some([(uri.clone(), vec![edit])].into()),
                        ..WorkspaceEdit::default()
                    }),
                    is_preferred: Some(true),
                    ..CodeAction::default()
                }))
            })
            .collect()
    }
}
