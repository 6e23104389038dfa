//! Devices.

use super::fleets;
use super::request::{Body, Page, Params, checked_name};
use super::views::{Device, ProvisionedDevice};
use crate::app::AppState;
use crate::auth::Caller;
use crate::engine::Effects;
use crate::error::ApiError;
use crate::origin::Base;
use crate::store::devices::{DeviceRow, NewDevice};
use crate::{secret, store};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A device to provision.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct ToProvision {
    /// Its id by default.
    pub(crate) name: Option<String>,
    /// Id or name of its fleet; the first one by default.
    pub(crate) fleet: Option<String>,
    /// Its name in DDI addresses, for clients that choose their own; its id by default.
    pub(crate) controller_id: Option<String>,
}

/// What to change about a device.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct DeviceChange {
    pub(crate) name: Option<String>,
    /// Id or name of another fleet.
    pub(crate) fleet: Option<String>,
    /// Approves a device that a gateway token brought, or takes that back.
    pub(crate) approved: Option<bool>,
}

/// A new token, shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewToken {
    pub(crate) token: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeviceFilter {
    /// Id or name of a fleet.
    fleet: Option<String>,
    /// Entries to leave out at the beginning.
    offset: Option<u32>,
    /// Entries to answer with, at most 1000.
    limit: Option<u32>,
}

/// Devices, oldest first, each with its current or last action. The header `x-total-count` has
/// their number without paging.
#[utoipa::path(get, path = "/devices", tag = "devices", params(DeviceFilter),
    responses((status = 200, body = [Device])))]
pub(crate) async fn list(
    State(app): State<AppState>,
    caller: Caller,
    Params(filter): Params<DeviceFilter>,
) -> Result<([(HeaderName, String); 1], Json<Vec<Device>>), ApiError> {
    let page = Page {
        offset: filter.offset,
        limit: filter.limit,
    };
    let mut conn = app.store.reader().await?;
    let fleet = match &filter.fleet {
        Some(fleet) => Some(fleets::find(&mut conn, &caller, fleet).await?.id),
        None => None,
    };
    let (workspace, fleet) = (caller.workspace.as_str(), fleet.as_deref());
    let total = store::devices::count(&mut conn, workspace, fleet).await?;
    let (offset, limit) = (page.offset(), page.limit());
    let rows = store::devices::list(&mut conn, workspace, fleet, offset, limit).await?;
    let mut devices = Vec::with_capacity(rows.len());
    for row in rows {
        let action = store::views::of_device(&mut conn, row.seq).await?;
        devices.push(Device::new(&app, row, action));
    }
    let total = (HeaderName::from_static("x-total-count"), total.to_string());
    Ok(([total], Json(devices)))
}

/// Provisions a device: makes its identity and its token.
#[utoipa::path(post, path = "/devices", tag = "devices", request_body = ToProvision,
    responses((status = 201, body = ProvisionedDevice), (status = 409, description = "`device-exists`")))]
pub(crate) async fn create(
    State(app): State<AppState>,
    caller: Caller,
    Base(base): Base,
    Body(new): Body<ToProvision>,
) -> Result<(StatusCode, Json<ProvisionedDevice>), ApiError> {
    let id = secret::new_id("dev");
    let name = new.name.as_deref().map_or(Ok(id.as_str()), checked_name)?;
    let controller_id = new.controller_id.as_deref().unwrap_or(&id);
    let plain = |c: char| c.is_ascii_graphic() && !"/?#%\\\"".contains(c);
    if !(1..=128).contains(&controller_id.len()) || !controller_id.chars().all(plain) {
        return Err(ApiError::bad_request(
            "malformed-id",
            "a controller id has 1 to 128 visible ASCII characters other than / ? # % \\ \"",
        ));
    }
    let token = secret::new_secret();
    let mut tx = app.store.begin().await?;
    let fleet = match &new.fleet {
        Some(fleet) => fleets::find(&mut tx, &caller, fleet).await?.id,
        None => store::fleets::default(&mut tx, &caller.workspace)
            .await?
            .ok_or_else(|| ApiError::internal("a workspace without a fleet"))?,
    };
    let device = NewDevice {
        id: &id,
        workspace: &caller.workspace,
        fleet: &fleet,
        controller_id,
        name,
        token_hash: Some(secret::hash(&token)),
        approved: true,
        now_ms: app.now_ms(),
    };
    if !store::devices::insert(&mut tx, &device).await? {
        return Err(ApiError::conflict(
            "device-exists",
            "there is such a device already",
        ));
    }
    let default = store::access::first_workspace(&mut tx).await?;
    tx.commit().await?;
    // The first workspace goes by the name that DDI clients expect.
    let first = default.is_some_and(|default| default.id == caller.workspace);
    let tenant = if first { "DEFAULT" } else { &caller.workspace };
    let ddi_url = format!("{base}/{tenant}/controller/v1/{controller_id}");
    let name = name.to_owned();
    Ok((
        StatusCode::CREATED,
        Json(ProvisionedDevice {
            id,
            name,
            fleet,
            token,
            ddi_url,
        }),
    ))
}

/// One device, by id, or by name if no other has it.
#[utoipa::path(get, path = "/devices/{id}", tag = "devices", params(("id" = String, Path)),
    responses((status = 200, body = Device)))]
pub(crate) async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Device>, ApiError> {
    let mut conn = app.store.reader().await?;
    let row = find(&mut conn, &caller, &id).await?;
    let action = store::views::of_device(&mut conn, row.seq).await?;
    Ok(Json(Device::new(&app, row, action)))
}

/// Renames, moves or approves a device.
#[utoipa::path(patch, path = "/devices/{id}", tag = "devices", params(("id" = String, Path)),
    request_body = DeviceChange, responses((status = 200, body = Device)))]
pub(crate) async fn update(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Body(change): Body<DeviceChange>,
) -> Result<Json<Device>, ApiError> {
    let mut tx = app.store.begin().await?;
    let mut row = find(&mut tx, &caller, &id).await?;
    if let Some(name) = &change.name {
        checked_name(name)?.clone_into(&mut row.name);
    }
    if let Some(fleet) = &change.fleet {
        row.fleet = fleets::find(&mut tx, &caller, fleet).await?.id;
    }
    row.approved = change.approved.unwrap_or(row.approved);
    store::devices::update_place(&mut tx, &row).await?;
    let action = store::views::of_device(&mut tx, row.seq).await?;
    tx.commit().await?;
    let mut effects = Effects::default();
    effects.wake(row.seq);
    effects.device_changed(row.seq);
    effects.run(&app).await;
    Ok(Json(Device::new(&app, row, action)))
}

/// Deletes a device with its history. Its token stops working.
#[utoipa::path(delete, path = "/devices/{id}", tag = "devices", params(("id" = String, Path)),
    responses((status = 204, description = "deleted")))]
pub(crate) async fn delete(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut tx = app.store.begin().await?;
    let row = find(&mut tx, &caller, &id).await?;
    store::devices::delete(&mut tx, row.seq).await?;
    tx.commit().await?;
    app.presence.forget(row.seq);
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a new token for a device; the old one stops working.
#[utoipa::path(post, path = "/devices/{id}/token", tag = "devices", params(("id" = String, Path)),
    responses((status = 201, body = NewToken)))]
pub(crate) async fn new_token(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<NewToken>), ApiError> {
    let token = secret::new_secret();
    let mut tx = app.store.begin().await?;
    let row = find(&mut tx, &caller, &id).await?;
    store::devices::set_token(&mut tx, row.seq, &secret::hash(&token)).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(NewToken { token })))
}

pub(crate) async fn find(
    conn: &mut store::Conn,
    caller: &Caller,
    id: &str,
) -> Result<DeviceRow, ApiError> {
    store::devices::find(conn, &caller.workspace, id)
        .await?
        .ok_or_else(|| ApiError::not_found("device").with("device", id))
}
