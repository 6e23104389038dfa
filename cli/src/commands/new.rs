//! `new`: a project that builds, signs and updates as it stands.

mod template;

pub(crate) use template::files;

use crate::arguments::New;
use crate::failure::{Exit, Failure};
use crate::session::Session;
use otaru_lsp_build::keys::{Algorithm, ProjectKey};
use otaru_lsp_build::target::plain_name;
use otaru_lsp_project::{Kind, Mode, board, board_names, nearest};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Where the development key goes.
const KEY: &str = "keys/dev.pem";
const GITIGNORE: &str =
    "/target\n/.otaru\n# Whoever has a private key can sign firmware.\n/keys/*.pem\n";

/// `otaru new`
pub(crate) fn run(session: Session<'_>, arguments: &New) -> Result<(), Failure> {
    let package = package_name(&arguments.name)?;
    let mode = check_board(arguments)?;
    let kind = kind(&arguments.kind)?;
    let folder = match &arguments.path {
        Some(path) => path.clone(),
        None if session.arguments.project.is_none() => PathBuf::from(&arguments.name),
        None => session.folder().join(&arguments.name),
    };
    if folder.exists() && !is_empty(&folder)? {
        let message = format!("{} exists and is not empty", folder.display());
        return Err(Failure::new(Exit::Failed, "folder-exists", message)
            .hint("choose another name, or `--path`"));
    }
    make(&folder, arguments, &package, (mode, kind))?;
    let key = ProjectKey::create(&folder.join(KEY), Algorithm::Ed25519, true)?;
    session.output.result(
        "project",
        &format!(
            "made {} for the board {}",
            folder.display(),
            arguments.board
        ),
        json!({
            "folder": folder,
            "name": arguments.name,
            "board": arguments.board,
            "key": key.signing.public().to_hex(),
        }),
    );
    let next = match kind {
        Kind::Firmware => NEXT,
        Kind::Bytecode => NEXT_BYTECODE,
    };
    for line in [
        format!("  signed with the development key {} in {KEY}", key.short()),
        String::new(),
        "next:".to_owned(),
        format!("  cd {}", folder.display()),
    ] {
        session.output.text(&line);
    }
    for line in next {
        session.output.text(line);
    }
    Ok(())
}

const NEXT: &[&str] = &[
    "  otaru manager serve       # in a second terminal",
    "  otaru flash               # a device on this machine",
    "  otaru provision",
    "  otaru fota                # after a change: build, upload, update",
];

const NEXT_BYTECODE: &[&str] = &[
    "  rustup target add wasm32-unknown-unknown",
    "  otaru build               # for any slot",
    "  otaru link --bc 1         # for the second bytecode slot",
];

fn kind(word: &str) -> Result<Kind, Failure> {
    Kind::named(word).ok_or_else(|| {
        let message = format!("`{word}` is no kind of project");
        Failure::new(Exit::Usage, "kind-unknown", message).hint("kinds: firmware, bytecode")
    })
}

/// A name that cargo and the manager accept.
fn package_name(name: &str) -> Result<String, Failure> {
    let plain = plain_name(name).to_ascii_lowercase();
    let starts = plain.starts_with(|c: char| c.is_ascii_alphabetic());
    if starts && plain == name {
        return Ok(plain);
    }
    let failure = Failure::new(
        Exit::Usage,
        "project-name",
        format!("`{name}` cannot be a project's name"),
    );
    let advice = "use small letters, digits, `-` and `_`, beginning with a letter";
    Err(if starts {
        failure.hint(format!("{advice}: `{plain}`"))
    } else {
        failure.hint(advice)
    })
}

/// The board must exist, and have the mode that is asked for.
fn check_board(arguments: &New) -> Result<Mode, Failure> {
    let name = arguments.board.as_str();
    let names = board_names();
    let Some(board) = board(name) else {
        let failure = Failure::new(
            Exit::Usage,
            "board-unknown",
            format!("there is no board `{name}`"),
        );
        return Err(match nearest(name, &names) {
            Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
            None => failure.hint(format!("boards: {}", names.join(", "))),
        });
    };
    let Some(word) = &arguments.mode else {
        return Ok(board.defaults.mode);
    };
    match Mode::named(word) {
        Some(mode) if board.has_mode(mode) => Ok(mode),
        Some(_) => Err(Failure::new(
            Exit::Usage,
            "mode-unsupported",
            format!("the board `{name}` cannot install in mode `{word}`"),
        )),
        None => Err(Failure::new(
            Exit::Usage,
            "mode-unknown",
            format!("`{word}` is not an install mode"),
        )
        .hint("modes: standby, swap")),
    }
}

fn is_empty(folder: &Path) -> Result<bool, Failure> {
    std::fs::read_dir(folder)
        .map(|mut entries| entries.next().is_none())
        .map_err(|error| Failure::io(format!("{} cannot be read", folder.display()), &error))
}

fn make(
    folder: &Path,
    arguments: &New,
    package: &str,
    (mode, kind): (Mode, Kind),
) -> Result<(), Failure> {
    let manifest = format!(
        "# What each key means: docs/manifest.md of Otaru.\n\n\
         [project]\nname = \"{}\"\nboard = \"{}\"\nmode = \"{}\"\n{}\n\
         [signing]\nkey = \"{KEY}\"   # for development; not in version control\n\n\
         [manager]\nurl = \"http://127.0.0.1:8480\"\n",
        arguments.name,
        arguments.board,
        mode.as_str(),
        match kind {
            Kind::Firmware => "",
            Kind::Bytecode => "kind = \"bytecode\"\n",
        }
    );
    let mut files = files(&arguments.board, kind, package);
    files.push(("Otaru.toml", manifest));
    files.push((".gitignore", GITIGNORE.to_owned()));
    for (name, text) in files {
        let path = folder.join(name);
        let write = || {
            std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
            std::fs::write(&path, text)
        };
        write().map_err(|error| {
            Failure::io(format!("{} cannot be written", path.display()), &error)
        })?;
    }
    Ok(())
}

/// The checkout of Otaru that this program was built in, if it is still there.
pub(crate) fn checkout() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let is_there = ["runtime/Cargo.toml", "boards/host/Cargo.toml"]
        .iter()
        .all(|file| root.join(file).is_file());
    is_there.then(|| root.to_owned())
}
