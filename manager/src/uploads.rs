//! Receives uploads: streams them to disk, checks them, turns them into versions.
//!
//! How far an upload has come is the length of its file. Nothing is believed about the content
//! until all of it is there: then its hash, and for an image its form, its own hash and its
//! signature are checked, and only then it becomes a version.

use crate::app::{App, AppState};
use crate::error::ApiError;
use crate::inspect::{self, Facts};
use crate::store::catalog::VersionRow;
use crate::store::uploads::UploadRow;
use crate::{secret, store};
use axum::body::Body;
use axum::http::StatusCode;
use futures_util::StreamExt as _;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::MutexGuard;

/// Folder of unfinished uploads in the data folder.
pub(crate) const FOLDER: &str = "uploads";
/// An upload that nobody has finished for this long is forgotten.
const FORGOTTEN_AFTER_MS: i64 = 24 * 3_600_000;
/// A request waits this long for another one on the same upload.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Keeps two requests from writing to the same upload, and content from being removed while it is
/// being taken over.
#[derive(Debug, Default)]
pub(crate) struct UploadLocks {
    busy: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
    content: tokio::sync::Mutex<()>,
}

impl UploadLocks {
    /// Whoever holds this may add or remove stored content.
    pub(crate) async fn content(&self) -> MutexGuard<'_, ()> {
        self.content.lock().await
    }

    /// The lock of one upload. Locks that nobody holds are forgotten.
    fn of(&self, id: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = busy.get(id).and_then(Weak::upgrade) {
            return lock;
        }
        busy.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        busy.insert(id.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

/// What a request added.
#[derive(Debug)]
pub(crate) enum Received {
    /// There is more to come.
    Part {
        /// Id of the upload.
        id: String,
        /// Bytes that are there.
        offset: u64,
        /// Bytes in all.
        size: u64,
    },
    /// It is complete and has become a version.
    Version {
        /// Workspace of the version.
        workspace: String,
        /// The version.
        row: Box<VersionRow>,
    },
}

/// Appends the body to an upload, and finishes it if it is complete then.
///
/// # Errors
/// See `PATCH /uploads/{id}` in docs/formats/api.md.
pub(crate) async fn receive(
    app: AppState,
    workspace: String,
    row: UploadRow,
    offset: u64,
    body: Body,
) -> Result<Received, ApiError> {
    // After a broken connection the request before this one needs a moment to notice it.
    let lock = app.uploads.of(&row.id);
    let Ok(_alone) = tokio::time::timeout(BUSY_TIMEOUT, lock.lock()).await else {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "upload-busy",
            "another request is sending this upload",
        )
        .hint("try again in a moment"));
    };
    let result = receive_alone(&app, &workspace, &row, offset, body).await;
    if result
        .as_ref()
        .is_err_and(|error| error.status == StatusCode::INSUFFICIENT_STORAGE)
    {
        forget(&app, &row.id).await;
    }
    result
}

async fn receive_alone(
    app: &App,
    workspace: &str,
    row: &UploadRow,
    offset: u64,
    body: Body,
) -> Result<Received, ApiError> {
    let size = u64::try_from(row.size).unwrap_or(0);
    let there = len_on_disk(app, &row.id).await?;
    if there != offset {
        let message = format!("{there} bytes are there, the request begins at {offset}");
        return Err(ApiError::conflict("offset-mismatch", message).with("offset", there));
    }
    let there = write(app, &row.id, (offset, size), body).await?;
    if there < size {
        return Ok(Received::Part {
            id: row.id.clone(),
            offset: there,
            size,
        });
    }
    let facts = match inspect::file(app, workspace, row, path(app, &row.id)).await {
        Ok(facts) => facts,
        Err(error) => {
            // The same bytes would be refused again, so the next try begins from nothing.
            if error.status == StatusCode::UNPROCESSABLE_ENTITY {
                forget(app, &row.id).await;
            }
            return Err(error);
        }
    };
    let version = finish(app, row, facts).await?;
    Ok(Received::Version {
        workspace: workspace.to_owned(),
        row: Box::new(version),
    })
}

/// Writes the body behind what is there; the bytes that are there then.
async fn write(
    app: &App,
    id: &str,
    (offset, size): (u64, u64),
    body: Body,
) -> Result<u64, ApiError> {
    let mut options = tokio::fs::OpenOptions::new();
    let mut file = options
        .create(true)
        .append(true)
        .open(path(app, id))
        .await?;
    let mut there = offset;
    let mut stream = body.into_data_stream();
    let mut broken = None;
    while let Some(part) = stream.next().await {
        let part = match part {
            Ok(part) => part,
            Err(error) => {
                broken = Some(error);
                break;
            }
        };
        let after = there.saturating_add(part.len() as u64);
        if after > size {
            file.flush().await?;
            file.set_len(offset).await?;
            return Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-many-bytes",
                format!("more than the announced {size} bytes were sent"),
            ));
        }
        file.write_all(&part).await?;
        there = after;
    }
    file.flush().await?;
    file.sync_data().await?;
    match broken {
        None => Ok(there),
        Some(error) => {
            tracing::debug!(upload = id, there, %error, "upload was interrupted");
            Err(ApiError::bad_request(
                "interrupted",
                "the request ended before its body did",
            ))
        }
    }
}

/// Takes the content over and makes the version.
async fn finish(app: &App, row: &UploadRow, facts: Facts) -> Result<VersionRow, ApiError> {
    let _content = app.uploads.content().await;
    app.blobs.adopt(&path(app, &row.id), &row.sha256).await?;
    let mut version = VersionRow {
        seq: 0,
        id: secret::new_id("ver"),
        firmware: row.firmware.clone(),
        firmware_name: String::new(),
        version: row.version.clone(),
        is_foreign: row.is_foreign,
        board: facts.board,
        security_counter: facts.security_counter,
        signing_key: facts.signing_key,
        parts: match facts.parts.as_slice() {
            [] => None,
            parts => Some(serde_json::to_string(parts).map_err(ApiError::internal)?),
        },
        encryption: facts.encryption.map(str::to_owned),
        uploaded_by: row.uploaded_by.clone(),
        created_at: app.now_ms(),
        file_name: row.file_name.clone(),
        size: row.size,
        sha256: row.sha256.clone(),
        sha1: facts.sha1,
        md5: facts.md5,
        in_use: false,
        deleted: false,
    };
    let mut tx = app.store.begin().await?;
    let taken = store::catalog::taken_by(&mut tx, &row.firmware, &row.version).await?;
    if let Some(digest) = taken {
        return Err(version_exists(&row.version, &digest));
    }
    version.seq = store::catalog::insert_version(&mut tx, &version).await?;
    store::uploads::delete(&mut tx, &row.id).await?;
    let stored = store::catalog::version_by_seq(&mut tx, version.seq).await?;
    tx.commit().await?;
    remove_file(app, &row.id).await;
    Ok(stored.unwrap_or(version))
}

/// 409: the identifier is taken, and by which content.
pub(crate) fn version_exists(version: &str, digest: &str) -> ApiError {
    ApiError::conflict(
        "version-exists",
        format!("version {version} exists already"),
    )
    .with("digest", digest)
    .hint("choose another version identifier; one is never used twice")
}

/// Bytes of an upload that are there.
pub(crate) async fn len_on_disk(app: &App, id: &str) -> io::Result<u64> {
    match tokio::fs::metadata(path(app, id)).await {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Removes files that belong to no upload, uploads that nobody finished, and images that a crash
/// left behind without a version.
pub(crate) async fn clean_up(app: &App) -> Result<(), ApiError> {
    let mut tx = app.store.begin().await?;
    let created_before = app.now_ms().saturating_sub(FORGOTTEN_AFTER_MS);
    let forgotten = store::uploads::delete_older_than(&mut tx, created_before).await?;
    let known: HashSet<_> = store::uploads::ids(&mut tx).await?.into_iter().collect();
    tx.commit().await?;
    for id in forgotten {
        remove_file(app, &id).await;
    }
    let _content = app.uploads.content().await;
    for sha256 in app.blobs.names().await? {
        let mut conn = app.store.reader().await?;
        if !store::catalog::is_content_wanted(&mut conn, &sha256).await? {
            app.blobs.remove(&sha256).await?;
        }
    }
    let mut entries = tokio::fs::read_dir(app.config.data_dir.join(FOLDER)).await?;
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".part"));
        if let Some(id) = id.filter(|id| !known.contains(*id)) {
            remove_file(app, id).await;
        }
    }
    Ok(())
}

/// Gives an upload up and frees its space.
async fn forget(app: &App, id: &str) {
    remove_file(app, id).await;
    let forgotten = async {
        let mut tx = app.store.begin().await?;
        store::uploads::delete(&mut tx, id).await?;
        tx.commit().await
    };
    if let Err(error) = forgotten.await {
        // Its file is gone, so it begins from nothing if it is continued.
        tracing::warn!(upload = id, %error, "could not forget an upload");
    }
}

async fn remove_file(app: &App, id: &str) {
    match tokio::fs::remove_file(path(app, id)).await {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(upload = id, %error, "could not remove an upload's file"),
    }
}

fn path(app: &App, id: &str) -> PathBuf {
    app.config.data_dir.join(FOLDER).join(format!("{id}.part"))
}
