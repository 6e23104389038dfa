//! The boards of the workspace: their files and what is wrong with them.

use super::Workspace;
use crate::outbox::Out;
use crate::{convert, paths};
use otaru_lsp_ide::{Analysis, Facts, FileKind};
use std::path::{Path, PathBuf};
use tower_lsp::ls_types::Diagnostic;

/// One board.
#[derive(Debug)]
pub(crate) struct BoardState {
    /// Of the open text, or else of the file.
    pub(super) analysis: Analysis,
    /// Nothing is known of a board beside its file.
    pub(super) facts: Facts,
    /// What the client knows of its problems, and for which version of the text.
    told: Option<(Option<i32>, Vec<Diagnostic>)>,
}

impl Workspace {
    /// Reads the file of a board that is not open, in the background. One that is gone is forgotten.
    pub(super) fn read_board(&self, path: PathBuf) {
        let queue = self.queue.clone();
        tokio::task::spawn_blocking(move || {
            let read = std::fs::read(&path);
            queue.tell(move |workspace| {
                let uri = paths::uri_of(&path);
                if uri.is_some_and(|uri| workspace.documents.contains_key(&uri)) {
                    return;
                }
                match read {
                    Ok(bytes) => {
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        workspace.set_board(&path, text);
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        workspace.forget_board(&path);
                    }
                    Err(error) => tracing::warn!("cannot read {}: {error}", path.display()),
                }
            });
        });
    }

    fn forget_board(&mut self, path: &Path) {
        let uri = paths::uri_of(path);
        if self.boards.remove(path).is_some()
            && let Some(uri) = uri
        {
            self.outbox.push(Out::Diagnostics {
                uri,
                diagnostics: Vec::new(),
                version: None,
            });
        }
    }

    /// Takes over a new state of a board's file.
    pub(super) fn set_board(&mut self, path: &Path, text: String) {
        let analysis = match self.boards.get(path) {
            Some(board) => board.analysis.next(text),
            None => Analysis::new(FileKind::Board, text),
        };
        let told = self.boards.remove(path).and_then(|board| board.told);
        let board = BoardState {
            analysis,
            facts: Facts::default(),
            told,
        };
        self.boards.insert(path.to_path_buf(), board);
        self.stale_boards.insert(path.to_path_buf());
    }

    /// Tells the client all problems of a board's file.
    pub(super) fn publish_board(&mut self, path: &Path) {
        let Some(uri) = paths::uri_of(path) else {
            return;
        };
        let version = self.documents.get(&uri).map(|document| document.version);
        let Some(board) = self.boards.get_mut(path) else {
            return;
        };
        let found = board.analysis.diagnostics(&board.facts);
        let diagnostics: Vec<Diagnostic> = found
            .iter()
            .map(|found| convert::diagnostic(found, &uri))
            .collect();
        let told = Some((version, diagnostics.clone()));
        if board.told == told {
            return;
        }
        board.told = told;
        self.outbox.push(Out::Diagnostics {
            uri,
            diagnostics,
            version,
        });
    }
}
