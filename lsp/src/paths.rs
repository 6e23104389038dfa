//! File names and the addresses that editors use for them, and where the projects of a workspace
//! are.

use otaru_lsp_project::{BOARD_FILE_NAME, MANIFEST_FILE_NAME};
use std::path::{Path, PathBuf};
use tower_lsp::ls_types::Uri;

/// How deep below a workspace folder a project is looked for.
const DEPTH_MAX: usize = 4;
/// How many folders are looked into at most.
const FOLDERS_MAX: usize = 5_000;
/// How many projects one workspace can have.
const PROJECTS_MAX: usize = 64;

/// The path of a `file:` address.
pub(crate) fn path_of(uri: &Uri) -> Option<PathBuf> {
    if uri.scheme().as_str() != "file" {
        return None;
    }
    uri.to_file_path().map(std::borrow::Cow::into_owned)
}

/// The address of a path.
pub(crate) fn uri_of(path: &Path) -> Option<Uri> {
    Uri::from_file_path(path)
}

/// The project folder of a manifest's address.
pub(crate) fn project_of(uri: &Uri) -> Option<PathBuf> {
    let path = path_of(uri)?;
    if path.file_name()? != MANIFEST_FILE_NAME {
        return None;
    }
    path.parent().map(Path::to_path_buf)
}

/// The path of a board's file, if the address is of one.
pub(crate) fn board_of(uri: &Uri) -> Option<PathBuf> {
    let path = path_of(uri)?;
    (path.file_name()? == BOARD_FILE_NAME).then_some(path)
}

/// What belongs to us below the workspace folders.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Folders with a manifest.
    pub(crate) projects: Vec<PathBuf>,
    /// The files of boards.
    pub(crate) boards: Vec<PathBuf>,
}

/// Looks for projects and boards below the workspace folders. Reads directories, so it belongs on a
/// blocking thread. Hidden folders, build output and links are left out, and `board.toml` counts only
/// where boards are: others use that name, too.
pub(crate) fn find_projects(roots: &[PathBuf]) -> Found {
    let mut found = Found::default();
    let mut ahead: Vec<(PathBuf, usize)> =
        roots.iter().rev().map(|root| (root.clone(), 0)).collect();
    let mut visited = 0;
    while let Some((folder, depth)) = ahead.pop() {
        visited += 1;
        if visited > FOLDERS_MAX || found.projects.len() + found.boards.len() >= PROJECTS_MAX {
            tracing::warn!("stopped looking for projects after {visited} folders");
            break;
        }
        if folder.join(MANIFEST_FILE_NAME).is_file() {
            found.projects.push(folder.clone());
        }
        let is_board = folder
            .parent()
            .and_then(Path::file_name)
            .is_some_and(|above| above == "boards");
        let board = folder.join(BOARD_FILE_NAME);
        if is_board && board.is_file() {
            found.boards.push(board);
        }
        if depth < DEPTH_MAX {
            ahead.extend(
                folders_in(&folder)
                    .into_iter()
                    .rev()
                    .map(|below| (below, depth + 1)),
            );
        }
    }
    found.projects.dedup();
    found.boards.dedup();
    found
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            !name.starts_with('.') && name != "target" && name != "node_modules"
        })
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_are_found_outside_build_output() {
        let root = tempfile::tempdir().expect("a temporary folder");
        for folder in ["a", "b/c", "target/x", ".hidden", "node_modules/y"] {
            let folder = root.path().join(folder);
            std::fs::create_dir_all(&folder).expect("made");
            std::fs::write(folder.join(MANIFEST_FILE_NAME), "").expect("written");
        }
        for folder in ["boards/x", "a"] {
            let folder = root.path().join(folder);
            std::fs::create_dir_all(&folder).expect("made");
            std::fs::write(folder.join(BOARD_FILE_NAME), "").expect("written");
        }
        let found = find_projects(&[root.path().to_path_buf()]);
        let projects = [root.path().join("a"), root.path().join("b/c")];
        assert_eq!(found.projects, projects);
        let boards = [root.path().join("boards/x").join(BOARD_FILE_NAME)];
        assert_eq!(found.boards, boards);
    }

    #[test]
    fn addresses_with_spaces_and_other_schemes() {
        let path = Path::new("/tmp/my project/Otaru.toml");
        let uri = uri_of(path).expect("an address");
        assert_eq!(path_of(&uri).as_deref(), Some(path));
        assert_eq!(project_of(&uri).as_deref(), path.parent());
        let untitled: Uri = "untitled:/x/Otaru.toml".parse().expect("an address");
        assert_eq!(project_of(&untitled), None);
    }
}
