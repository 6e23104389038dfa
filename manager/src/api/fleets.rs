//! Fleets.

use super::request::{Body, checked_name};
use super::views::Fleet;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::store::fleets::FleetRow;
use crate::{secret, store};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

/// The name of a fleet.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct FleetName {
    pub(crate) name: String,
}

/// All fleets, oldest first; new devices join the first.
#[utoipa::path(get, path = "/fleets", tag = "fleets", responses((status = 200, body = [Fleet])))]
pub(crate) async fn list(
    State(app): State<AppState>,
    caller: Caller,
) -> Result<Json<Vec<Fleet>>, ApiError> {
    let mut conn = app.store.reader().await?;
    let rows = store::fleets::list(&mut conn, &caller.workspace).await?;
    Ok(Json(rows.into_iter().map(Fleet::from).collect()))
}

/// Makes a fleet.
#[utoipa::path(post, path = "/fleets", tag = "fleets", request_body = FleetName,
    responses((status = 201, body = Fleet), (status = 409, description = "`name-taken`")))]
pub(crate) async fn create(
    State(app): State<AppState>,
    caller: Caller,
    Body(new): Body<FleetName>,
) -> Result<(StatusCode, Json<Fleet>), ApiError> {
    let name = checked_name(&new.name)?.to_owned();
    let id = secret::new_id("flt");
    let mut tx = app.store.begin().await?;
    if !store::fleets::insert(&mut tx, &id, &caller.workspace, &name, app.now_ms()).await? {
        return Err(name_taken(&name));
    }
    tx.commit().await?;
    Ok((
        StatusCode::CREATED,
        Json(Fleet {
            id,
            name,
            device_count: 0,
        }),
    ))
}

/// One fleet, by id or name.
#[utoipa::path(get, path = "/fleets/{id}", tag = "fleets", params(("id" = String, Path)),
    responses((status = 200, body = Fleet)))]
pub(crate) async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Fleet>, ApiError> {
    let mut conn = app.store.reader().await?;
    Ok(Json(find(&mut conn, &caller, &id).await?.into()))
}

/// Renames a fleet.
#[utoipa::path(patch, path = "/fleets/{id}", tag = "fleets", params(("id" = String, Path)),
    request_body = FleetName, responses((status = 200, body = Fleet)))]
pub(crate) async fn update(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Body(change): Body<FleetName>,
) -> Result<Json<Fleet>, ApiError> {
    let name = checked_name(&change.name)?;
    let mut tx = app.store.begin().await?;
    let fleet = find(&mut tx, &caller, &id).await?;
    if !store::fleets::rename(&mut tx, &fleet.id, name).await? {
        return Err(name_taken(name));
    }
    let fleet = find(&mut tx, &caller, &fleet.id).await?;
    tx.commit().await?;
    Ok(Json(fleet.into()))
}

/// Deletes an empty fleet.
#[utoipa::path(delete, path = "/fleets/{id}", tag = "fleets", params(("id" = String, Path)),
    responses((status = 204, description = "deleted"), (status = 409, description = "`fleet-in-use`")))]
pub(crate) async fn delete(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut tx = app.store.begin().await?;
    let fleet = find(&mut tx, &caller, &id).await?;
    if fleet.device_count > 0 {
        return Err(
            ApiError::conflict("fleet-in-use", "there are devices in this fleet")
                .hint("move them to another fleet first"),
        );
    }
    if store::fleets::default(&mut tx, &caller.workspace)
        .await?
        .as_deref()
        == Some(&fleet.id)
    {
        return Err(
            ApiError::conflict("fleet-in-use", "new devices join this fleet")
                .hint("the first fleet of a workspace stays; rename it instead"),
        );
    }
    store::fleets::delete(&mut tx, &fleet.id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn find(
    conn: &mut store::Conn,
    caller: &Caller,
    id: &str,
) -> Result<FleetRow, ApiError> {
    store::fleets::find(conn, &caller.workspace, id)
        .await?
        .ok_or_else(|| ApiError::not_found("fleet").with("fleet", id))
}

fn name_taken(name: &str) -> ApiError {
    ApiError::conflict(
        "name-taken",
        format!("there is a fleet named {name} already"),
    )
}
