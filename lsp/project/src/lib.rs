//! The model of a project: the manifest (`Otaru.toml`) and the boards (`board.toml`).
//!
//! Text goes in, a model and a list of problems come out, both with byte spans; a half-typed file
//! keeps everything that could be read. This crate opens no file, knows no network and no editor
//! protocol: the command line and the language server show the same problems from here.
//!
//! ```
//! let read = otaru_lsp_project::Manifest::parse("[project]\nname = \"lamp\"\nbaord = \"host\"\n");
//! assert_eq!(read.model.project.name.map(|name| name.value).as_deref(), Some("lamp"));
//! let hints: Vec<&str> = read.problems.iter().filter_map(|p| p.hint.as_deref()).collect();
//! assert!(hints.contains(&"did you mean `board`?"));
//! ```

mod board;
mod boards;
mod check;
mod kind;
mod label;
mod manifest;
mod parts;
mod position;
mod problem;
mod reader;
mod schema;
mod spelling;
mod targets;
mod url;

pub use board::{Area, Board, BoardDefaults, BoardFlash, BoardTarget, ImageKind, Mode};
pub use boards::{board, board_names};
pub use check::{hex, unquoted};
pub use kind::Kind;
pub use label::{LABEL_LEN_MAX, Label, LabelError, Version, VersionError};
pub use manifest::{
    Encryption, EncryptionSettings, ImageLayout, MANIFEST_FILE_NAME, Manager, Manifest, Project,
    Settings, Signing, UpdateTarget, VersionSource,
};
pub use parts::{FIRMWARE_NAME, Need, PARTS_MAX, Part, PartSettings};
pub use position::{LineIndex, Position};
pub use problem::{Code, Edit, Problem, Repair, Severity};
pub use reader::{FILE_LEN_MAX, Parsed, Span, Spanned};
pub use schema::{
    BOARD_FILE_NAME, BOARD_SCHEMA, KeyDoc, KeyKind, MANIFEST_SCHEMA, Presence, Schema, TableDoc,
    Unit, Word, reference,
};
pub use spelling::nearest;
pub use targets::TARGETS;
pub use url::{ManagerUrl, UrlError};
