//! Versions of a firmware.

use super::firmwares;
use super::request::{Page, Params};
use super::views::Version;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::store;
use crate::store::catalog::VersionRow;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

/// Versions of a firmware, newest first.
#[utoipa::path(get, path = "/firmwares/{id}/versions", tag = "versions",
    params(("id" = String, Path), Page), responses((status = 200, body = [Version])))]
pub(crate) async fn list(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Params(page): Params<Page>,
) -> Result<Json<Vec<Version>>, ApiError> {
    let mut conn = app.store.reader().await?;
    let firmware = firmwares::find(&mut conn, &caller, &id).await?;
    let (offset, limit) = (page.offset(), page.limit());
    let rows = store::catalog::versions(&mut conn, &firmware.id, offset, limit).await?;
    Ok(Json(rows.into_iter().map(Version::from).collect()))
}

/// One version, by its identifier or id.
#[utoipa::path(get, path = "/firmwares/{id}/versions/{version}", tag = "versions",
    params(("id" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = Version)))]
pub(crate) async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path((id, version)): Path<(String, String)>,
) -> Result<Json<Version>, ApiError> {
    let mut conn = app.store.reader().await?;
    let firmware = firmwares::find(&mut conn, &caller, &id).await?;
    Ok(Json(find(&mut conn, &firmware.id, &version).await?.into()))
}

/// Deletes a version that nothing uses. Its identifier is not free again.
#[utoipa::path(delete, path = "/firmwares/{id}/versions/{version}", tag = "versions",
    params(("id" = String, Path), ("version" = String, Path)),
    responses((status = 204, description = "deleted"), (status = 409, description = "`version-in-use`")))]
pub(crate) async fn delete(
    State(app): State<AppState>,
    caller: Caller,
    Path((id, version)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    // Nobody may take over the same content while it is being removed.
    let _content = app.uploads.content().await;
    let mut tx = app.store.begin().await?;
    let firmware = firmwares::find(&mut tx, &caller, &id).await?;
    let version = find(&mut tx, &firmware.id, &version).await?;
    if version.in_use {
        return Err(ApiError::conflict(
            "version-in-use",
            "an update in progress wants this version, or a device runs it",
        ));
    }
    store::catalog::delete_version(&mut tx, version.seq, app.now_ms()).await?;
    let wanted = store::catalog::is_content_wanted(&mut tx, &version.sha256).await?;
    tx.commit().await?;
    if !wanted {
        app.blobs.remove(&version.sha256).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn find(
    conn: &mut store::Conn,
    firmware: &str,
    version: &str,
) -> Result<VersionRow, ApiError> {
    store::catalog::version(conn, firmware, version)
        .await?
        .ok_or_else(|| ApiError::not_found("version").with("version", version))
}
