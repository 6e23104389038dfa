//! Firmwares.

use super::request::{Body, checked_name};
use super::views::Firmware;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::store::catalog::FirmwareRow;
use crate::{secret, store};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

const DESCRIPTION_LEN_MAX: usize = 2_000;

/// A firmware to make.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewFirmware {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: String,
}

/// All firmwares, oldest first.
#[utoipa::path(get, path = "/firmwares", tag = "firmwares", responses((status = 200, body = [Firmware])))]
pub(crate) async fn list(
    State(app): State<AppState>,
    caller: Caller,
) -> Result<Json<Vec<Firmware>>, ApiError> {
    let mut conn = app.store.reader().await?;
    let rows = store::catalog::firmwares(&mut conn, &caller.workspace).await?;
    Ok(Json(rows.into_iter().map(Firmware::from).collect()))
}

/// Makes a firmware.
#[utoipa::path(post, path = "/firmwares", tag = "firmwares", request_body = NewFirmware,
    responses((status = 201, body = Firmware), (status = 409, description = "`name-taken`")))]
pub(crate) async fn create(
    State(app): State<AppState>,
    caller: Caller,
    Body(new): Body<NewFirmware>,
) -> Result<(StatusCode, Json<Firmware>), ApiError> {
    let name = checked_name(&new.name)?.to_owned();
    if new.description.chars().count() > DESCRIPTION_LEN_MAX {
        return Err(ApiError::bad_request(
            "malformed-description",
            "the description is too long",
        ));
    }
    let row = FirmwareRow {
        id: secret::new_id("fmw"),
        name,
        description: new.description,
        created_at: app.now_ms(),
        version_count: 0,
    };
    let mut tx = app.store.begin().await?;
    if !store::catalog::insert_firmware(&mut tx, &caller.workspace, &row).await? {
        let message = format!("there is a firmware named {} already", row.name);
        return Err(ApiError::conflict("name-taken", message));
    }
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(row.into())))
}

/// One firmware, by id or name.
#[utoipa::path(get, path = "/firmwares/{id}", tag = "firmwares", params(("id" = String, Path)),
    responses((status = 200, body = Firmware)))]
pub(crate) async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Firmware>, ApiError> {
    let mut conn = app.store.reader().await?;
    Ok(Json(find(&mut conn, &caller, &id).await?.into()))
}

pub(crate) async fn find(
    conn: &mut store::Conn,
    caller: &Caller,
    id: &str,
) -> Result<FirmwareRow, ApiError> {
    store::catalog::firmware(conn, &caller.workspace, id)
        .await?
        .ok_or_else(|| ApiError::not_found("firmware").with("firmware", id))
}
