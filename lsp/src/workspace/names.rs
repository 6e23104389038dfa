//! Names across the files of the workspace: where they are said, where they are used, how they are
//! changed everywhere.

use super::{ProjectState, Workspace, refused};
use crate::{convert, paths};
use otaru_lsp_ide::{Analysis, LinkTarget, Name, NameKind};
use std::collections::HashMap;
use tower_lsp::jsonrpc::Error;
use tower_lsp::ls_types::{
    Location, Position, PrepareRenameResponse, TextEdit, Uri, WorkspaceEdit,
};

impl Workspace {
    fn name_at(&self, uri: &Uri, at: Position) -> Option<(&Analysis, Name)> {
        let (analysis, _, _) = self.analysis(uri)?;
        let name = analysis.name_at(convert::position_of(at))?;
        Some((analysis, name))
    }

    /// Every file that may hold a name: its own, or all of the workspace.
    fn files_with(&self, uri: &Uri, name: &Name) -> Vec<(Uri, &Analysis)> {
        if !name.is_shared() {
            let own = self.analysis(uri).map(|(analysis, _, _)| analysis);
            return own
                .map(|analysis| (uri.clone(), analysis))
                .into_iter()
                .collect();
        }
        let manifests = self.projects.iter().map(|(folder, project)| {
            let path = ProjectState::manifest_path(folder);
            (paths::uri_of(&path), &project.analysis)
        });
        let boards = self
            .boards
            .iter()
            .map(|(path, board)| (paths::uri_of(path), &board.analysis));
        manifests
            .chain(boards)
            .filter_map(|(uri, analysis)| Some((uri?, analysis)))
            .collect()
    }

    /// `textDocument/references`
    pub(crate) fn references(&self, uri: &Uri, at: Position) -> Vec<Location> {
        let Some((_, name)) = self.name_at(uri, at) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (file, analysis) in self.files_with(uri, &name) {
            found.extend(analysis.places(&name).into_iter().map(|span| Location {
                uri: file.clone(),
                range: convert::range(span),
            }));
        }
        found
    }

    /// `textDocument/definition`: the file that describes a board, or the file of a key.
    pub(crate) fn definition(&self, uri: &Uri, at: Position) -> Vec<Location> {
        let Some((analysis, name)) = self.name_at(uri, at) else {
            return Vec::new();
        };
        if name.kind == NameKind::Board {
            let boards = self.boards.iter().filter_map(|(path, board)| {
                let (found, span) = board.analysis.board_name()?;
                let range = convert::range(span);
                let uri = paths::uri_of(path)?;
                (found == name.text).then_some(Location { uri, range })
            });
            return boards.collect();
        }
        let links = analysis.links();
        let link = links.iter().find(|link| link.span == name.span);
        let path = match link.map(|link| &link.target) {
            Some(LinkTarget::Path(path)) => path,
            Some(LinkTarget::Url(_)) | None => return Vec::new(),
        };
        let target = paths::path_of(uri).and_then(|file| paths::uri_of(&file.parent()?.join(path)));
        let location = target.map(|uri| Location {
            uri,
            range: tower_lsp::ls_types::Range::default(),
        });
        location.into_iter().collect()
    }

    /// `textDocument/prepareRename`
    pub(crate) fn prepare_rename(
        &self,
        uri: &Uri,
        at: Position,
    ) -> Result<Option<PrepareRenameResponse>, Error> {
        let Some((_, name)) = self.name_at(uri, at) else {
            return Ok(None);
        };
        match name.obstacle() {
            Some(obstacle) => Err(refused(obstacle)),
            None => Ok(Some(PrepareRenameResponse::RangeWithPlaceholder {
                range: convert::range(name.span),
                placeholder: name.text,
            })),
        }
    }

    /// `textDocument/rename`
    pub(crate) fn rename(
        &self,
        uri: &Uri,
        at: Position,
        new: &str,
    ) -> Result<Option<WorkspaceEdit>, Error> {
        let Some((_, name)) = self.name_at(uri, at) else {
            return Ok(None);
        };
        let mut changes: HashMap<Uri, Vec<TextEdit>> = HashMap::new();
        for (file, analysis) in self.files_with(uri, &name) {
            let edits = analysis.rename(&name, new).map_err(refused)?;
            if !edits.is_empty() {
                changes.insert(file, edits.iter().map(convert::edit).collect());
            }
        }
        Ok(Some(WorkspaceEdit {
            changes: Some(changes),
            ..WorkspaceEdit::default()
        }))
    }
}
