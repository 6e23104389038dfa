//! `keys new`, `keys list`, `keys register`.

use crate::arguments::Keys;
use crate::failure::{Exit, Failure};
use crate::session::Session;
use otaru_lsp_build::keys::{self, Algorithm, DeviceKey, ListedKey, ProjectKey};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Runs one of them.
pub(crate) async fn run(session: Session<'_>, verb: &Keys) -> Result<(), Failure> {
    match verb {
        Keys::New {
            path,
            encryption: true,
            release,
            ..
        } => new_device_key(session, path.as_deref(), *release),
        Keys::New {
            path,
            algorithm,
            release,
            ..
        } => {
            let algorithm = match algorithm.as_str() {
                "p256" => Algorithm::P256,
                _ => Algorithm::Ed25519,
            };
            new(session, path.as_deref(), (algorithm, *release))
        }
        Keys::List => list(session),
        Keys::Register { name } => register(session, name.as_deref()).await,
    }
}

fn new(
    session: Session<'_>,
    path: Option<&Path>,
    (algorithm, release): (Algorithm, bool),
) -> Result<(), Failure> {
    let path = match path {
        Some(path) => session.folder().join(path),
        None => session.project()?.key_path(),
    };
    let key = ProjectKey::create(&path, algorithm, !release)?;
    let kind = if release { "key" } else { "development key" };
    session.output.result(
        "key",
        &format!("made the {kind} {} in {}", key.short(), path.display()),
        json!({
            "path": path,
            "public_key": key.signing.public().to_hex(),
            "algorithm": algorithm.as_str(),
            "development": key.development,
        }),
    );
    session
        .output
        .text("keep the file to yourself, and a copy of it in a safe place");
    Ok(())
}

/// Where a key for encryption goes in a project that names none yet.
const DEVICE_KEY: &str = "keys/device.pem";

fn new_device_key(session: Session<'_>, path: Option<&Path>, release: bool) -> Result<(), Failure> {
    let (path, is_named) = if let Some(path) = path {
        (session.folder().join(path), true)
    } else {
        let project = session.project()?;
        let named = project.settings.encryption.as_ref();
        let name = named.map_or(DEVICE_KEY, |settings| settings.key.as_str());
        (project.root.join(name), named.is_some())
    };
    let key = DeviceKey::create(&path, !release)?;
    let kind = if release { "key" } else { "development key" };
    session.output.result(
        "key",
        &format!(
            "made the {kind} {} for encryption in {}",
            key.short(),
            path.display()
        ),
        json!({
            "path": path,
            "public_key": key.public.to_hex(),
            "algorithm": "x25519",
            "development": key.development,
        }),
    );
    let output = session.output;
    if !is_named {
        output.text(&format!(
            "to use it, add to Otaru.toml:\n\n[encryption]\nkey = \"{DEVICE_KEY}\"\n"
        ));
    }
    output.text("devices get it by cable: flash them again before the first encrypted update");
    output.text("keep the file to yourself: whoever has it can read the firmware");
    Ok(())
}

fn list(session: Session<'_>) -> Result<(), Failure> {
    let project = session.project()?;
    let used = project.key_path();
    let folder = used
        .parent()
        .map_or_else(|| project.root.clone(), Path::to_owned);
    let encryption = project.settings.encryption.as_ref();
    let encrypts = encryption.map(|settings| project.root.join(&settings.key));
    let mut rows = Vec::new();
    for key in keys::list(&folder)? {
        let mut remarks = Vec::new();
        if key.path == used {
            remarks.push("signs this project");
        }
        if encrypts.as_ref() == Some(&key.path) {
            remarks.push("decrypts on its devices");
        }
        if key.development {
            remarks.push("development");
        }
        if key.world_readable {
            remarks.push("readable by others: chmod 600");
        }
        let (algorithm, public) = public_half(&key);
        if algorithm.is_none() {
            remarks.push("not a usable key");
        }
        rows.push(vec![
            shown(&project.root, &key.path),
            algorithm.unwrap_or("–").to_owned(),
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
    session.output.table(
        "key",
        &["file", "algorithm", "public key", "remarks"],
        &rows,
    );
    Ok(())
}

/// What a key is for, if it is one, and its public half.
fn public_half(key: &ListedKey) -> (Option<&'static str>, String) {
    match (&key.public, &key.encrypts) {
        (Some(key), _) => (Some(Algorithm::of(key).as_str()), key.to_hex()),
        (None, Some(key)) => (Some("x25519"), key.to_hex()),
        (None, None) => (None, "–".to_owned()),
    }
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
