//! Open texts and what is shown in them.

use super::{Document, ProjectState, Workspace};
use crate::outbox::Out;
use crate::{convert, paths};
use otaru_lsp_ide::position::apply_edit;
use otaru_lsp_ide::{Analysis, Facts};
use std::path::{Path, PathBuf};
use tower_lsp::ls_types::{
    CodeActionOrCommand, CodeLens, CompletionItem, Diagnostic, DocumentLink, DocumentSymbol,
    FoldingRange, Hover, InlayHint, Position, Range, TextDocumentContentChangeEvent, Uri,
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
        } else if let Some(path) = paths::board_of(uri) {
            self.read_board(path);
        }
    }

    /// The text that the server has of an open document.
    pub(crate) fn text(&self, uri: &Uri) -> Option<String> {
        self.documents
            .get(uri)
            .map(|document| document.text.clone())
    }

    fn reanalyze(&mut self, uri: &Uri) {
        let Some(document) = self.documents.get(uri) else {
            return;
        };
        let text = document.text.clone();
        if let Some(folder) = paths::project_of(uri) {
            self.set_manifest(&folder, text);
        } else if let Some(path) = paths::board_of(uri) {
            self.set_board(&path, text);
        }
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
        let found = project.analysis.diagnostics(&project.facts());
        let mut diagnostics: Vec<Diagnostic> = found
            .iter()
            .map(|found| convert::diagnostic(found, &uri))
            .collect();
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

    /// What is known of a file, and the folder it is in.
    pub(super) fn analysis(&self, uri: &Uri) -> Option<(&Analysis, Facts, PathBuf)> {
        if let Some(folder) = paths::project_of(uri) {
            let project = self.projects.get(&folder)?;
            return Some((&project.analysis, project.facts(), folder));
        }
        let path = paths::board_of(uri)?;
        let board = self.boards.get(&path)?;
        let folder = path.parent()?.to_path_buf();
        Some((&board.analysis, board.facts.clone(), folder))
    }

    /// `textDocument/hover`
    pub(crate) fn hover(&self, uri: &Uri, at: Position) -> Option<Hover> {
        let (analysis, facts, _) = self.analysis(uri)?;
        let found = analysis.hover(&facts, convert::position_of(at));
        found.map(convert::hover)
    }

    /// `textDocument/completion`
    pub(crate) fn completions(&self, uri: &Uri, at: Position) -> Vec<CompletionItem> {
        let Some((analysis, facts, _)) = self.analysis(uri) else {
            return Vec::new();
        };
        let found = analysis.completions(&facts, convert::position_of(at));
        let numbered = found.into_iter().enumerate();
        numbered
            .map(|(number, found)| convert::completion(found, number))
            .collect()
    }

    /// `textDocument/codeLens`
    pub(crate) fn lenses(&self, uri: &Uri) -> Vec<CodeLens> {
        let Some((analysis, _, folder)) = self.analysis(uri) else {
            return Vec::new();
        };
        analysis
            .lenses()
            .into_iter()
            .map(|lens| convert::lens(lens, &folder))
            .collect()
    }

    /// `textDocument/codeAction`: repairs of the problems in a range, and rewritings.
    pub(crate) fn fixes(&self, uri: &Uri, range: Range) -> Vec<CodeActionOrCommand> {
        let Some((analysis, facts, _)) = self.analysis(uri) else {
            return Vec::new();
        };
        analysis
            .actions(&facts, convert::span_of(range))
            .iter()
            .map(|action| CodeActionOrCommand::CodeAction(convert::action(action, uri)))
            .collect()
    }

    /// `textDocument/inlayHint`
    pub(crate) fn hints(&self, uri: &Uri, range: Range) -> Vec<InlayHint> {
        let Some((analysis, facts, _)) = self.analysis(uri) else {
            return Vec::new();
        };
        let found = analysis.hints(&facts, convert::span_of(range));
        found.into_iter().map(convert::hint).collect()
    }

    /// `textDocument/documentSymbol`
    pub(crate) fn symbols(&self, uri: &Uri) -> Vec<DocumentSymbol> {
        let found = self.analysis(uri).map(|(found, _, _)| found.symbols());
        found.into_iter().flatten().map(convert::symbol).collect()
    }

    /// `textDocument/foldingRange`
    pub(crate) fn folds(&self, uri: &Uri) -> Vec<FoldingRange> {
        let found = self.analysis(uri).map(|(found, _, _)| found.folds());
        found.into_iter().flatten().map(convert::fold).collect()
    }

    /// `textDocument/documentLink`
    pub(crate) fn links(&self, uri: &Uri) -> Vec<DocumentLink> {
        let Some((analysis, _, folder)) = self.analysis(uri) else {
            return Vec::new();
        };
        let links = analysis.links();
        links
            .iter()
            .filter_map(|link| convert::link(link, &folder))
            .collect()
    }
}
