//! `new`: a project that builds, signs and updates as it stands.

use crate::arguments::New;
use crate::failure::{Exit, Failure};
use crate::session::Session;
use otaru_lsp_build::template::{self, KEY, NewProject};
use otaru_lsp_project::Kind;
use serde_json::json;
use std::path::PathBuf;

/// `otaru new`
pub(crate) fn run(session: Session<'_>, arguments: &New) -> Result<(), Failure> {
    let folder = match &arguments.path {
        Some(path) => path.clone(),
        None if session.arguments.project.is_none() => PathBuf::from(&arguments.name),
        None => session.folder().join(&arguments.name),
    };
    let wish = NewProject {
        name: arguments.name.clone(),
        board: arguments.board.clone(),
        mode: arguments.mode.clone(),
        kind: arguments.kind.clone(),
    };
    let made = template::make(&folder, &wish).map_err(|error| {
        let failure = Failure::of(&error);
        let exit = if error.is_usage() {
            Exit::Usage
        } else {
            failure.exit
        };
        Failure { exit, ..failure }
    })?;
    let key = made.key;
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
    let next = match made.kind {
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
