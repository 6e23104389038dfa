//! Resumable uploads.

use super::firmwares;
use super::request::Body;
use super::views::{Upload, Version};
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::uploads::{self, Received};
use crate::{api, secret, store};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use store::uploads::UploadRow;
use utoipa::ToSchema;

/// Uploads of a workspace that may be unfinished at once.
const UNFINISHED_MAX: i64 = 64;
/// Longest version identifier, in bytes; a label in an image has at most 32.
const VERSION_LEN_MAX: usize = 64;
const FILE_NAME_LEN_MAX: usize = 100;

/// An upload to begin.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct NewUpload {
    /// Identifier of the new version.
    version: String,
    /// Bytes of the file.
    size: u64,
    /// SHA-256 of the file, 64 hex digits.
    sha256: String,
    /// Name of the file, as devices will see it.
    file_name: String,
    /// Any file, for clients other than Otaru's.
    #[serde(default)]
    foreign: bool,
}

/// Begins an upload, or finds the unfinished one of the same content.
#[utoipa::path(post, path = "/firmwares/{id}/uploads", tag = "uploads", request_body = NewUpload,
    params(("id" = String, Path)),
    responses((status = 201, body = Upload), (status = 200, body = Upload, description = "to be continued"),
        (status = 409, description = "`version-exists`, with its `digest`")))]
pub(super) async fn create(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Body(new): Body<NewUpload>,
) -> Result<(StatusCode, Json<Upload>), ApiError> {
    let row = checked(&app, &caller, &new)?;
    let mut tx = app.store.begin().await?;
    let firmware = firmwares::find(&mut tx, &caller, &id).await?;
    if let Some(digest) = store::catalog::taken_by(&mut tx, &firmware.id, &row.version).await? {
        return Err(uploads::version_exists(&row.version, &digest));
    }
    let same = store::uploads::same(&mut tx, &firmware.id, &row.version, &row.sha256).await?;
    if let Some(same) = same.filter(|same| same.size == row.size) {
        drop(tx);
        return Ok((StatusCode::OK, Json(view(&app, &same).await?)));
    }
    if store::uploads::count(&mut tx, &caller.workspace).await? >= UNFINISHED_MAX {
        return Err(ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-uploads",
            "too many uploads of this workspace are unfinished",
        )
        .hint("finish them; those that nobody continues are forgotten after a day"));
    }
    let row = UploadRow {
        firmware: firmware.id,
        ..row
    };
    store::uploads::insert(&mut tx, &caller.workspace, &row).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(view(&app, &row).await?)))
}

/// How far an upload has come.
#[utoipa::path(get, path = "/uploads/{id}", tag = "uploads", params(("id" = String, Path)),
    responses((status = 200, body = Upload)))]
pub(super) async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Upload>, ApiError> {
    let row = find(&app, &caller, &id).await?;
    Ok(Json(view(&app, &row).await?))
}

/// The version that an upload became.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Finished {
    version: Version,
}

/// Appends bytes. With the last one, hash, image and signature are checked and the version exists.
#[utoipa::path(patch, path = "/uploads/{id}", tag = "uploads",
    params(("id" = String, Path), ("upload-offset" = u64, Header, description = "bytes that are there")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Upload, description = "more to come"),
        (status = 201, body = Finished),
        (status = 409, description = "`offset-mismatch` with `offset`, `upload-busy`, `version-exists`"),
        (status = 422, description = "`signature-invalid`, `key-unknown`, `malformed-image`, \
            `digest-mismatch`, `size-mismatch`, `unsupported`, `version-mismatch`"),
        (status = 507, description = "`storage-full`")))]
pub(super) async fn append(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: axum::extract::Request,
) -> Result<Response, ApiError> {
    let offset = headers
        .get("upload-offset")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .ok_or_else(|| {
            ApiError::bad_request(
                "no-offset",
                "the header Upload-Offset is missing or no number",
            )
        })?;
    let row = find(&app, &caller, &id).await?;
    let body = request.into_body();
    // On its own task: what has arrived is written completely even if the client goes away, and
    // the place in the file is never shared with the next request.
    let receiving = tokio::spawn(uploads::receive(
        app.clone(),
        caller.workspace,
        row,
        offset,
        body,
    ));
    match receiving.await.map_err(ApiError::internal)?? {
        Received::Part { id, offset, size } => {
            Ok(Json(Upload { id, offset, size }).into_response())
        }
        Received::Version { workspace, row } => {
            let version = Version::from(*row);
            api::publish::version(&app, &workspace, &version)?;
            Ok((StatusCode::CREATED, Json(Finished { version })).into_response())
        }
    }
}

async fn find(app: &AppState, caller: &Caller, id: &str) -> Result<UploadRow, ApiError> {
    let mut conn = app.store.reader().await?;
    store::uploads::get(&mut conn, &caller.workspace, id)
        .await?
        .ok_or_else(|| {
            ApiError::not_found("upload").hint("it may be complete; look for the version")
        })
}

async fn view(app: &AppState, row: &UploadRow) -> Result<Upload, ApiError> {
    let offset = uploads::len_on_disk(app, &row.id).await?;
    Ok(Upload {
        id: row.id.clone(),
        offset,
        size: u64::try_from(row.size).unwrap_or(0),
    })
}

fn checked(app: &AppState, caller: &Caller, new: &NewUpload) -> Result<UploadRow, ApiError> {
    let version = new.version.trim().to_owned();
    let plain = |c: char| !c.is_control() && c != '/';
    if !(1..=VERSION_LEN_MAX).contains(&version.len()) || !version.chars().all(plain) {
        return Err(ApiError::bad_request(
            "malformed-version",
            format!("a version identifier has 1 to {VERSION_LEN_MAX} bytes and no slash"),
        ));
    }
    if new.size == 0 || new.size > app.config.artifact_size_max {
        let max = app.config.artifact_size_max;
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "size-refused",
            format!("a file has 1 to {max} bytes, this one has {}", new.size),
        ));
    }
    let sha256 = secret::parse_hex32(&new.sha256)
        .ok_or_else(|| ApiError::bad_request("malformed-digest", "sha256 has 64 hex digits"))?;
    Ok(UploadRow {
        id: secret::new_id("upl"),
        firmware: String::new(),
        version,
        size: i64::try_from(new.size).unwrap_or(i64::MAX),
        sha256: secret::hex(&sha256),
        file_name: plain_file_name(&new.file_name, new.foreign),
        is_foreign: new.foreign,
        uploaded_by: caller.name.clone(),
        created_at: app.now_ms(),
    })
}

/// A name that is safe in a URL, a header and a file system; images end in `.img`, which is what
/// devices look for.
fn plain_file_name(name: &str, foreign: bool) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "._-+".contains(c) {
            c
        } else {
            '_'
        }
    };
    let mut name: String = last.chars().map(plain).take(FILE_NAME_LEN_MAX).collect();
    if name.chars().all(|c| c == '.') {
        "image".clone_into(&mut name);
    }
    if !foreign && !name.as_bytes().ends_with(b".img") {
        name.push_str(".img");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::plain_file_name;

    #[test]
    fn file_names_are_made_harmless() {
        assert_eq!(plain_file_name("counter.img", false), "counter.img");
        assert_eq!(plain_file_name("../../etc/pass wd", false), "pass_wd.img");
        assert_eq!(plain_file_name("fw.swu", true), "fw.swu");
        assert_eq!(plain_file_name("..", true), "image");
        assert_eq!(plain_file_name("a\"b\r\n", true), "a_b__");
        assert!(plain_file_name(&"x".repeat(500), false).len() <= 104);
    }
}
