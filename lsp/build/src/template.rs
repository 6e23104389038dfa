//! New projects, made from the examples: each builds, signs and updates as it stands.

use crate::explain::Explain;
use crate::keys::{Algorithm, KeyError, ProjectKey};
use crate::target::plain_name;
use otaru_lsp_project::{Kind, Mode, board, board_names, nearest};
use std::path::{Path, PathBuf};

/// The example is the template, so that it is always one that is built and tested.
const MAIN_RS: &str = include_str!("../../../examples/counter/src/main.rs");
/// The same for bytecode.
const BYTECODE_RS: &str = include_str!("../../../examples/bytecode-counter/src/main.rs");
/// Where the development key goes.
pub const KEY: &str = "keys/dev.pem";
const GITIGNORE: &str =
    "/target\n/.otaru\n# Whoever has a private key can sign firmware.\n/keys/*.pem\n";

/// What a new project is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProject {
    /// Name of the product and of the cargo package.
    pub name: String,
    /// The kind of device.
    pub board: String,
    /// The install mode; without it the board's own.
    pub mode: Option<String>,
    /// What it builds: `firmware` or `bytecode`.
    pub kind: String,
}

/// Why there is no new project.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// No cargo package can be called so.
    #[error("`{name}` cannot be a project's name")]
    Name {
        /// The name.
        name: String,
        /// One like it that can, if there is one.
        like: Option<String>,
    },
    /// There is no such board.
    #[error("there is no board `{0}`")]
    Board(String),
    /// There is no such install mode.
    #[error("`{0}` is not an install mode")]
    Mode(String),
    /// The board does not have the mode.
    #[error("the board `{board}` cannot install in mode `{mode}`")]
    ModeUnsupported {
        /// The board.
        board: String,
        /// The mode.
        mode: String,
    },
    /// There is no such kind of project.
    #[error("`{0}` is no kind of project")]
    Kind(String),
    /// Something is there already.
    #[error("{} exists and is not empty", .0.display())]
    FolderExists(PathBuf),
    /// A file cannot be read or written.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No key could be made.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl TemplateError {
    /// Whether the wish itself was wrong, before anything was tried.
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Name { .. }
            | Self::Board(_)
            | Self::Mode(_)
            | Self::ModeUnsupported { .. }
            | Self::Kind(_) => true,
            Self::FolderExists(_) | Self::Write { .. } | Self::Key(_) => false,
        }
    }
}

impl Explain for TemplateError {
    fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => "project-name",
            Self::Board(_) => "board-unknown",
            Self::Mode(_) => "mode-unknown",
            Self::ModeUnsupported { .. } => "mode-unsupported",
            Self::Kind(_) => "kind-unknown",
            Self::FolderExists(_) => "folder-exists",
            Self::Write { .. } => "io",
            Self::Key(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Name { like, .. } => {
                let advice = "use small letters, digits, `-` and `_`, beginning with a letter";
                Some(match like {
                    Some(like) => format!("{advice}: `{like}`"),
                    None => advice.to_owned(),
                })
            }
            Self::Board(name) => {
                let names = board_names();
                Some(match nearest(name, &names) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("boards: {}", names.join(", ")),
                })
            }
            Self::Mode(_) => Some("modes: standby, swap".to_owned()),
            Self::Kind(_) => Some("kinds: firmware, bytecode".to_owned()),
            Self::FolderExists(_) => Some("choose another name, or `--path`".to_owned()),
            Self::ModeUnsupported { .. } | Self::Write { .. } => None,
            Self::Key(error) => error.hint(),
        }
    }
}

/// A project that was made.
#[derive(Debug)]
pub struct Made {
    /// What it builds.
    pub kind: Kind,
    /// Its development key.
    pub key: ProjectKey,
}

/// Makes a project in `folder`, which must be empty or not there.
///
/// # Errors
/// [`TemplateError`]; with a wrong wish nothing was written.
pub fn make(folder: &Path, wish: &NewProject) -> Result<Made, TemplateError> {
    let package = package_name(&wish.name)?;
    let mode = mode(wish)?;
    let kind = Kind::named(&wish.kind).ok_or_else(|| TemplateError::Kind(wish.kind.clone()))?;
    if folder.exists() && !is_empty(folder)? {
        return Err(TemplateError::FolderExists(folder.to_owned()));
    }
    write(folder, wish, &package, (mode, kind))?;
    let key = ProjectKey::create(&folder.join(KEY), Algorithm::Ed25519, true)?;
    Ok(Made { kind, key })
}

/// A name that cargo and the manager accept.
fn package_name(name: &str) -> Result<String, TemplateError> {
    let plain = plain_name(name).to_ascii_lowercase();
    let starts = plain.starts_with(|c: char| c.is_ascii_alphabetic());
    if starts && plain == name {
        return Ok(plain);
    }
    Err(TemplateError::Name {
        name: name.to_owned(),
        like: starts.then_some(plain),
    })
}

/// The board must exist, and have the mode that is asked for.
fn mode(wish: &NewProject) -> Result<Mode, TemplateError> {
    let board = board(&wish.board).ok_or_else(|| TemplateError::Board(wish.board.clone()))?;
    let Some(word) = &wish.mode else {
        return Ok(board.defaults.mode);
    };
    match Mode::named(word) {
        Some(mode) if board.has_mode(mode) => Ok(mode),
        Some(_) => Err(TemplateError::ModeUnsupported {
            board: wish.board.clone(),
            mode: word.clone(),
        }),
        None => Err(TemplateError::Mode(word.clone())),
    }
}

fn is_empty(folder: &Path) -> Result<bool, TemplateError> {
    std::fs::read_dir(folder)
        .map(|mut entries| entries.next().is_none())
        .map_err(|source| TemplateError::Write {
            path: folder.to_owned(),
            source,
        })
}

fn write(
    folder: &Path,
    wish: &NewProject,
    package: &str,
    (mode, kind): (Mode, Kind),
) -> Result<(), TemplateError> {
    let manifest = format!(
        "# What each key means: docs/manifest.md of Otaru.\n\n\
         [project]\nname = \"{}\"\nboard = \"{}\"\nmode = \"{}\"\n{}\n\
         [signing]\nkey = \"{KEY}\"   # for development; not in version control\n\n\
         [manager]\nurl = \"http://127.0.0.1:8480\"\n",
        wish.name,
        wish.board,
        mode.as_str(),
        match kind {
            Kind::Firmware => "",
            Kind::Bytecode => "kind = \"bytecode\"\n",
        }
    );
    let (cargo, main) = match kind {
        Kind::Firmware => (cargo_toml(package), MAIN_RS),
        Kind::Bytecode => (bytecode_toml(package), BYTECODE_RS),
    };
    for (name, text) in [
        ("Cargo.toml", cargo),
        ("Otaru.toml", manifest),
        ("src/main.rs", main.to_owned()),
        (".gitignore", GITIGNORE.to_owned()),
    ] {
        let path = folder.join(name);
        let write = || {
            std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
            std::fs::write(&path, text)
        };
        write().map_err(|source| TemplateError::Write {
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}

/// The manifest of a firmware package that stands alone.
pub fn cargo_toml(package: &str) -> String {
    format!(
        "[package]\nname = \"{package}\"\nversion = \"1.0.0\"\nedition = \"2024\"\npublish = false\n\n\
         [dependencies]\n\
         # What a firmware links: the update agent and its application interface.\n\
         otaru-runtime = {{ {} }}\n\
         # The board: flash, console, network, watchdog.\n\
         otaru-board-host = {{ {}, default-features = false, features = [\"firmware\"] }}\n\n\
         # A project of its own, also inside the folder of another one.\n[workspace]\n",
        source("runtime"),
        source("boards/host"),
    )
}

/// The manifest of a package of bytecode that stands alone.
fn bytecode_toml(package: &str) -> String {
    format!(
        "[package]\nname = \"{package}\"\nversion = \"1.0.0\"\nedition = \"2024\"\npublish = false\n\n\
         [dependencies]\n\
         # What bytecode links: the VM's functions.\n\
         otaru-guest = {{ {} }}\n\n\
         # Small: it is sent over the air, and stands in flash.\n\
         [profile.release]\nopt-level = \"z\"\nlto = true\ncodegen-units = 1\npanic = \"abort\"\n\n\
         # A project of its own, also inside the folder of another one.\n[workspace]\n",
        source("guest"),
    )
}

/// Where a crate of Otaru comes from: this checkout, else a registry.
fn source(path: &str) -> String {
    match checkout() {
        Some(root) => format!("path = {:?}", root.join(path).display().to_string()),
        None => format!("version = {:?}", env!("CARGO_PKG_VERSION")),
    }
}

/// The checkout of Otaru that this program was built in, if it is still there.
pub fn checkout() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.parent()?;
    let is_there = ["runtime/Cargo.toml", "boards/host/Cargo.toml"]
        .iter()
        .all(|file| root.join(file).is_file());
    is_there.then(|| root.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lamp() -> NewProject {
        NewProject {
            name: "lamp".to_owned(),
            board: "host".to_owned(),
            mode: None,
            kind: "firmware".to_owned(),
        }
    }

    #[test]
    fn a_project_is_whole_and_never_written_over_another() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("lamp");
        make(&folder, &lamp()).unwrap();
        let project = crate::project::OpenProject::open(&folder).unwrap();
        assert_eq!(project.settings.name, "lamp");
        assert!(project.key_path().is_file());
        let again = make(&folder, &lamp()).unwrap_err();
        assert_eq!(again.code(), "folder-exists");
    }

    #[test]
    fn a_wrong_wish_writes_nothing_and_says_what_is_possible() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("lamp");
        let wishes = [
            (
                NewProject {
                    name: "My Lamp".to_owned(),
                    ..lamp()
                },
                "`my-lamp`",
            ),
            (
                NewProject {
                    board: "hots".to_owned(),
                    ..lamp()
                },
                "`host`",
            ),
            (
                NewProject {
                    mode: Some("both".to_owned()),
                    ..lamp()
                },
                "standby, swap",
            ),
            (
                NewProject {
                    kind: "plc".to_owned(),
                    ..lamp()
                },
                "firmware, bytecode",
            ),
        ];
        for (wish, advice) in wishes {
            let error = make(&folder, &wish).unwrap_err();
            assert!(error.is_usage(), "{error}");
            let hint = error.hint().unwrap();
            assert!(hint.contains(advice), "{hint}");
            assert!(!folder.exists());
        }
    }
}
