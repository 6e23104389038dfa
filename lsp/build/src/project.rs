//! Finds and reads a project on disk.

use crate::explain::{ErrorClass, Explain};
use otaru_lsp_project::{FILE_LEN_MAX, MANIFEST_FILE_NAME, Manifest, Problem, Settings};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A project with a complete manifest.
#[derive(Debug, Clone)]
pub struct OpenProject {
    /// The folder of the manifest.
    pub root: PathBuf,
    /// What the manifest says.
    pub settings: Settings,
    /// Warnings about the manifest.
    pub warnings: Vec<Problem>,
    /// The manifest's text, to point into.
    pub text: String,
}

/// Why there is no project to work with.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// Neither this folder nor one above it has a manifest.
    #[error("there is no {MANIFEST_FILE_NAME} in {} or above it", .0.display())]
    NotFound(PathBuf),
    /// The manifest cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The manifest has errors.
    #[error("{} has errors", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Its text, to point into.
        text: String,
        /// What is wrong.
        problems: Vec<Problem>,
    },
}

impl Explain for ProjectError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "no-project",
            Self::Read { .. } => "manifest-unreadable",
            Self::Invalid { .. } => "manifest-invalid",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound(_) => Some(
                "go to the project's folder, or make a project with `otaru new my-product`"
                    .to_owned(),
            ),
            Self::Read { .. } => None,
            Self::Invalid { .. } => {
                Some("what each key means stands in docs/manifest.md".to_owned())
            }
        }
    }

    fn class(&self) -> ErrorClass {
        ErrorClass::Project
    }
}

impl OpenProject {
    /// Opens the project that `start` lies in.
    ///
    /// # Errors
    /// [`ProjectError`]: no manifest, an unreadable one, or one with errors.
    pub fn open(start: &Path) -> Result<Self, ProjectError> {
        let start = std::path::absolute(start).map_err(|source| ProjectError::Read {
            path: start.to_owned(),
            source,
        })?;
        let path = start
            .ancestors()
            .map(|folder| folder.join(MANIFEST_FILE_NAME))
            .find(|path| path.is_file())
            .ok_or_else(|| ProjectError::NotFound(start.clone()))?;
        let text = read_text(&path).map_err(|source| ProjectError::Read {
            path: path.clone(),
            source,
        })?;
        let read = Manifest::parse(&text);
        let usable = read.is_usable();
        match read.model.settings() {
            Some(settings) if usable => Ok(Self {
                root: path.parent().unwrap_or(&start).to_owned(),
                settings,
                warnings: read.problems,
                text,
            }),
            _ => Err(ProjectError::Invalid {
                path,
                text,
                problems: read.problems,
            }),
        }
    }

    /// The manifest's path.
    pub fn manifest_path(&self) -> PathBuf {
        self.root.join(MANIFEST_FILE_NAME)
    }

    /// Where the private key is expected.
    pub fn key_path(&self) -> PathBuf {
        self.root.join(&self.settings.key)
    }

    /// Where what the backend remembers about this project stands: build numbers, local devices.
    pub fn state_dir(&self) -> PathBuf {
        self.root.join(".otaru")
    }
}

/// Reads a text file of bounded length; one byte more than allowed is read, so that the parser
/// can say that it is too long.
fn read_text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let limit = u64::try_from(FILE_LEN_MAX)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    std::fs::File::open(path)?
        .take(limit)
        .read_to_string(&mut text)?;
    Ok(text)
}
