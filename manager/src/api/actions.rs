//! Actions: one device's part of a deployment, with its history.

use super::devices;
use super::request::{Page, Params};
use super::views::{Action, Attempt, Transition};
use crate::app::AppState;
use crate::auth::Caller;
use crate::engine::{self, Effects, Note};
use crate::error::ApiError;
use crate::store;
use crate::store::views::ActionFilter;
use axum::Json;
use axum::extract::{Path, State};
use otaru_manager_rollout::{Event, Refusal};
use serde::Deserialize;
use std::collections::BTreeMap;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Id or name of a device.
    pub(crate) device: Option<String>,
    /// Id of a deployment.
    pub(crate) deployment: Option<String>,
    /// True for those in progress, false for those that have ended.
    pub(crate) active: Option<bool>,
    /// Entries to leave out at the beginning.
    pub(crate) offset: Option<u32>,
    /// Entries to answer with, at most 1000.
    pub(crate) limit: Option<u32>,
}

/// Actions, newest first, without their attempts.
#[utoipa::path(get, path = "/actions", tag = "actions", params(Filter),
    responses((status = 200, body = [Action])))]
pub(crate) async fn list(
    State(app): State<AppState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Result<Json<Vec<Action>>, ApiError> {
    let page = Page {
        offset: filter.offset,
        limit: filter.limit,
    };
    let mut conn = app.store.reader().await?;
    let device = match &filter.device {
        Some(device) => Some(devices::find(&mut conn, &caller, device).await?.seq),
        None => None,
    };
    let filter = ActionFilter {
        device,
        deployment: filter.deployment.as_deref(),
        open: filter.active,
        offset: page.offset(),
        limit: page.limit(),
    };
    let rows = store::views::actions(&mut conn, &caller.workspace, filter).await?;
    Ok(Json(rows.into_iter().map(Action::from).collect()))
}

/// One action with every attempt and transition.
#[utoipa::path(get, path = "/actions/{id}", tag = "actions", params(("id" = String, Path)),
    responses((status = 200, body = Action)))]
pub(crate) async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Action>, ApiError> {
    let mut conn = app.store.reader().await?;
    Ok(Json(whole(&mut conn, &caller.workspace, &id).await?))
}

/// Cancels an action. Before the device has fetched it, at once; else when the device has stopped.
#[utoipa::path(post, path = "/actions/{id}/cancel", tag = "actions", params(("id" = String, Path)),
    responses((status = 200, body = Action), (status = 409, description = "`action-ended`, `already-canceling`")))]
pub(crate) async fn cancel(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Action>, ApiError> {
    command(&app, &caller, &id, Event::CancelRequested).await
}

/// Starts another attempt of an action that ended without success.
#[utoipa::path(post, path = "/actions/{id}/retry", tag = "actions", params(("id" = String, Path)),
    responses((status = 200, body = Action), (status = 409, description = "`nothing-to-retry`")))]
pub(crate) async fn retry(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Action>, ApiError> {
    command(&app, &caller, &id, Event::RetryRequested).await
}

async fn command(
    app: &AppState,
    caller: &Caller,
    id: &str,
    event: Event,
) -> Result<Json<Action>, ApiError> {
    let mut effects = Effects::default();
    let mut tx = app.store.begin().await?;
    let mut action = store::actions::by_id(&mut tx, &caller.workspace, id)
        .await?
        .ok_or_else(|| ApiError::not_found("action"))?;
    if event == Event::RetryRequested {
        let version = store::catalog::version_by_seq(&mut tx, action.version_seq).await?;
        if version.is_none_or(|version| version.deleted) {
            return Err(ApiError::conflict(
                "version-deleted",
                "its version was deleted",
            ));
        }
        let open = store::actions::current(&mut tx, action.device_seq).await?;
        if open.is_some_and(|open| open.id != action.id) {
            return Err(
                ApiError::conflict("device-busy", "the device has another update to do")
                    .hint("cancel that one first, or wait until it has ended"),
            );
        }
    }
    let event = (event, Note::default());
    let applied = engine::apply(app, &mut tx, &mut action, event, &mut effects).await?;
    applied.map_err(refused)?;
    let view = whole(&mut tx, &caller.workspace, id).await?;
    tx.commit().await?;
    effects.run(app).await;
    Ok(Json(view))
}

fn refused(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Ended => ApiError::conflict("action-ended", "this action has ended already"),
        Refusal::AlreadyCanceling => {
            ApiError::conflict("already-canceling", "this action is being canceled already")
                .hint("it ends when the device has answered")
        }
        Refusal::StillActive | Refusal::NotOffered | Refusal::NotCanceling => ApiError::conflict(
            "nothing-to-retry",
            "this action is in progress, or has succeeded",
        ),
    }
}

async fn whole(conn: &mut store::Conn, workspace: &str, id: &str) -> Result<Action, ApiError> {
    let row = store::views::action(conn, workspace, id)
        .await?
        .ok_or_else(|| ApiError::not_found("action"))?;
    let mut action = Action::from(row);
    let mut transitions: BTreeMap<i64, Vec<Transition>> = BTreeMap::new();
    for entry in store::attempts::transitions(conn, id).await? {
        transitions
            .entry(entry.attempt)
            .or_default()
            .push(entry.into());
    }
    let mut console: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for (attempt, line) in store::attempts::console(conn, id).await? {
        console.entry(attempt).or_default().push(line);
    }
    let attempts = store::attempts::of_action(conn, id)
        .await?
        .into_iter()
        .map(|attempt| {
            let transitions = transitions.remove(&attempt.ddi_id).unwrap_or_default();
            let console = console.remove(&attempt.ddi_id).unwrap_or_default();
            Attempt::new(attempt, transitions, console)
        });
    action.attempts = Some(attempts.collect());
    Ok(action)
}
