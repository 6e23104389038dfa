//! `keys new`, `keys list`, `keys register`.

use crate::arguments::Keys;
use crate::failure::{Exit, Failure};
use crate::session::Session;
use otaru_lsp_build::keys::{self, ProjectKey};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Runs one of them.
pub(crate) async fn run(session: Session<'_>, verb: &Keys) -> Result<(), Failure> {
    match verb {
        Keys::New { path, release } => new(session, path.as_deref(), *release),
        Keys::List => list(session),
        Keys::Register { name } => register(session, name.as_deref()).await,
    }
}

fn new(session: Session<'_>, path: Option<&Path>, release: bool) -> Result<(), Failure> {
    let path = match path {
        Some(path) => session.folder().join(path),
        None => session.project()?.key_path(),
    };
    let key = ProjectKey::create(&path, !release)?;
    let kind = if release { "key" } else { "development key" };
    session.output.result(
        "key",
        &format!("made the {kind} {} in {}", key.short(), path.display()),
        json!({
            "path": path,
            "public_key": key.signing.public().to_hex(),
            "development": key.development,
        }),
    );
    session
        .output
        .text("keep the file to yourself, and a copy of it in a safe place");
    Ok(())
}

fn list(session: Session<'_>) -> Result<(), Failure> {
    let project = session.project()?;
    let used = project.key_path();
    let folder = used
        .parent()
        .map_or_else(|| project.root.clone(), Path::to_owned);
    let mut rows = Vec::new();
    for key in keys::list(&folder)? {
        let mut remarks = Vec::new();
        if key.path == used {
            remarks.push("signs this project");
        }
        if key.development {
            remarks.push("development");
        }
        if key.world_readable {
            remarks.push("readable by others: chmod 600");
        }
        if key.public.is_none() {
            remarks.push("not a usable key");
        }
        let public = key
            .public
            .as_ref()
            .map_or_else(|| "–".to_owned(), |key| key.to_hex());
        rows.push(vec![
            shown(&project.root, &key.path),
            public,
            remarks.join(", "),
        ]);
    }
    if rows.is_empty() {
        return Err(Failure::new(
            Exit::Project,
            "key-missing",
            format!("there is no key in {}", folder.display()),
        )
        .hint("make one: `otaru keys new`"));
    }
    session
        .output
        .table("key", &["file", "public key", "remarks"], &rows);
    Ok(())
}

async fn register(session: Session<'_>, name: Option<&str>) -> Result<(), Failure> {
    let project = session.project()?;
    let key = ProjectKey::load(&project.key_path())?;
    let client = session.client(Some(&project))?;
    let public = key.signing.public().to_hex();
    let known = client
        .keys()
        .await?
        .into_iter()
        .any(|ring| ring.public_key == public);
    if !known {
        let name = name.unwrap_or(&project.settings.name);
        client.add_key(name, &public, key.development).await?;
    }
    let what = if known {
        "is known there already"
    } else {
        "is registered"
    };
    session.output.result(
        "key",
        &format!("key {} {what}", key.short()),
        json!({ "public_key": public, "already_there": known }),
    );
    Ok(())
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .map_or_else(|_| PathBuf::from(path), PathBuf::from)
        .display()
        .to_string()
}
