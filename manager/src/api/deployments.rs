//! Deployments: the command to update.

use super::request::{Body, Page, Params};
use super::views::Deployment;
use super::{firmwares, versions};
use crate::app::AppState;
use crate::auth::Caller;
use crate::deploy::{self, Order, Target};
use crate::engine::{self, Effects, Note};
use crate::error::ApiError;
use crate::store;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use otaru_manager_rollout::Event;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const DEADLINE_S_DEFAULT: u32 = 300;
const DEADLINE_S_MAX: u32 = 65_535;
const RETRIES_MAX: u32 = 10;
const TRIALS_MAX: u32 = 16;

/// A deployment to start.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewDeployment {
    /// Id or name of a firmware.
    pub(crate) firmware: String,
    /// Identifier or id of one of its versions.
    pub(crate) version: String,
    pub(crate) target: Target,
    /// Seconds the new firmware has to reach the manager, 1 to 65535; 300 by default.
    pub(crate) deadline_s: Option<u32>,
    /// Attempts that may follow a failed one by themselves, 0 to 10; none by default.
    pub(crate) retries: Option<u32>,
    /// How often the new firmware may be started before it has to have confirmed itself, 1 to 16; as
    /// each device's board says by default.
    pub(crate) trials: Option<u32>,
}

/// A deployment that was started.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Started {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) created_at: String,
    pub(crate) actions: Vec<StartedAction>,
    /// Devices of the fleets that cannot be updated, and why.
    pub(crate) skipped: Vec<Skipped>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StartedAction {
    pub(crate) id: String,
    pub(crate) device: String,
    pub(crate) status: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Skipped {
    pub(crate) device: String,
    pub(crate) reason: &'static str,
}

/// Commands devices, fleets or (with their number) all devices to update to a version.
#[utoipa::path(post, path = "/deployments", tag = "deployments", request_body = NewDeployment,
    responses((status = 201, body = Started),
        (status = 409, description = "`count-mismatch`, `device-never-connected`, \
            `device-not-approved`, `foreign-artifact`, `no-devices`")))]
pub(crate) async fn create(
    State(app): State<AppState>,
    caller: Caller,
    Body(new): Body<NewDeployment>,
) -> Result<(StatusCode, Json<Started>), ApiError> {
    let deadline_s = new.deadline_s.unwrap_or(DEADLINE_S_DEFAULT);
    let retries = new.retries.unwrap_or(0);
    let trials_fit = new
        .trials
        .is_none_or(|trials| (1..=TRIALS_MAX).contains(&trials));
    if !(1..=DEADLINE_S_MAX).contains(&deadline_s) || retries > RETRIES_MAX || !trials_fit {
        return Err(ApiError::bad_request(
            "out-of-range",
            format!(
                "deadline_s is 1 to {DEADLINE_S_MAX}, retries 0 to {RETRIES_MAX}, trials 1 to \
                 {TRIALS_MAX}"
            ),
        ));
    }
    let mut effects = Effects::default();
    let mut tx = app.store.begin().await?;
    let firmware = firmwares::find(&mut tx, &caller, &new.firmware).await?;
    let version = versions::find(&mut tx, &firmware.id, &new.version).await?;
    let order = Order {
        caller: &caller,
        version: &version,
        target: &new.target,
        deadline_s,
        retries,
        trials: new.trials,
    };
    let made = deploy::start(&app, &mut tx, &order, &mut effects).await?;
    tx.commit().await?;
    effects.run(&app).await;
    let started = Started {
        id: made.id,
        version: version.version,
        created_at: crate::config::rfc3339(made.created_at),
        actions: made
            .actions
            .into_iter()
            .map(|(id, device)| StartedAction {
                id,
                device,
                status: "pending",
            })
            .collect(),
        skipped: made
            .skipped
            .into_iter()
            .map(|(device, reason)| Skipped { device, reason })
            .collect(),
    };
    Ok((StatusCode::CREATED, Json(started)))
}

/// Deployments, newest first.
#[utoipa::path(get, path = "/deployments", tag = "deployments", params(Page),
    responses((status = 200, body = [Deployment])))]
pub(crate) async fn list(
    State(app): State<AppState>,
    caller: Caller,
    Params(page): Params<Page>,
) -> Result<Json<Vec<Deployment>>, ApiError> {
    let mut conn = app.store.reader().await?;
    let (offset, limit) = (page.offset(), page.limit());
    let rows = store::deployments::list(&mut conn, &caller.workspace, offset, limit).await?;
    Ok(Json(rows.into_iter().map(Deployment::from).collect()))
}

/// One deployment. Its actions: `GET /actions?deployment=…`.
#[utoipa::path(get, path = "/deployments/{id}", tag = "deployments", params(("id" = String, Path)),
    responses((status = 200, body = Deployment)))]
pub(crate) async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Deployment>, ApiError> {
    let mut conn = app.store.reader().await?;
    let row = store::deployments::get(&mut conn, &caller.workspace, &id).await?;
    Ok(Json(
        row.ok_or_else(|| ApiError::not_found("deployment"))?.into(),
    ))
}

/// Cancels every action of a deployment that has not ended.
#[utoipa::path(post, path = "/deployments/{id}/cancel", tag = "deployments",
    params(("id" = String, Path)), responses((status = 200, body = Deployment)))]
pub(crate) async fn cancel(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Deployment>, ApiError> {
    let gone = || ApiError::not_found("deployment");
    let mut effects = Effects::default();
    let mut tx = app.store.begin().await?;
    store::deployments::get(&mut tx, &caller.workspace, &id)
        .await?
        .ok_or_else(gone)?;
    for mut action in store::actions::open_of_deployment(&mut tx, &id).await? {
        let event = (Event::CancelRequested, Note::default());
        if let Err(refusal) = engine::apply(&app, &mut tx, &mut action, event, &mut effects).await?
        {
            tracing::debug!(action = action.id, ?refusal, "nothing to cancel");
        }
    }
    let row = store::deployments::get(&mut tx, &caller.workspace, &id)
        .await?
        .ok_or_else(gone)?;
    tx.commit().await?;
    effects.run(&app).await;
    Ok(Json(row.into()))
}
