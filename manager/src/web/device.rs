//! The page of one device: what it runs, its update as it happens, its history.

use super::action::{ActionLine, WholeAction, whole};
use super::devices::{all_fleets, fleet_names};
use super::fields::{Form, Query};
use super::page::{Frame, Visitor, WebError, html, leave_for, see_other};
use super::words::{self, Moment};
use crate::api::actions::Filter;
use crate::api::request::{Body, Params};
use crate::api::{self, views};
use crate::app::AppState;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

/// Actions of the history on one page.
const PAGE_LEN: u32 = 10;

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage {
    frame: Frame,
    device: views::Device,
    fleet_name: String,
    fleets: Vec<views::Fleet>,
    last_seen: Option<Moment>,
    created: Moment,
    current: Option<WholeAction>,
    /// Further updates that have not ended.
    waiting: i64,
    history: Vec<ActionLine>,
    page: u32,
    has_older: bool,
}

/// Shows a device.
pub(super) async fn show(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(query): Query,
) -> Result<Response, WebError> {
    let device = get(&app, &visitor, &id).await?;
    let page = query.page();
    let filter = Filter {
        device: Some(device.id.clone()),
        deployment: None,
        active: None,
        offset: Some(page.saturating_mul(PAGE_LEN)),
        limit: Some(PAGE_LEN + 1),
    };
    let (state, caller) = (State(app.clone()), visitor.caller.clone());
    let actions = api::actions::list(state, caller, Params(filter)).await?.0;
    let has_older = actions.len() > PAGE_LEN as usize;
    let now_ms = app.now_ms();
    let history: Vec<_> = actions
        .into_iter()
        .take(PAGE_LEN as usize)
        .map(|action| ActionLine::new(action, now_ms))
        .collect();
    let current = match &device.action {
        Some(action) => Some(whole(&app, &visitor, &action.id).await?),
        None => None,
    };
    let names = fleet_names(&app, &visitor).await?;
    let open = history
        .iter()
        .filter(|action| action.status.is_open)
        .count();
    html(&DevicePage {
        frame: Frame::new(&app, &visitor, "devices", device.name.clone()).await?,
        fleet_name: names.get(&device.fleet).cloned().unwrap_or_default(),
        fleets: all_fleets(&app, &visitor).await?,
        last_seen: device
            .last_seen
            .as_deref()
            .map(|time| Moment::new(time, now_ms)),
        created: Moment::new(&device.created_at, now_ms),
        waiting: i64::try_from(open.saturating_sub(1)).unwrap_or(i64::MAX),
        current,
        history,
        page: page + 1,
        has_older,
        device,
    })
}

async fn get(app: &AppState, visitor: &Visitor, id: &str) -> Result<views::Device, WebError> {
    let (state, caller) = (State(app.clone()), visitor.caller.clone());
    Ok(api::devices::get(state, caller, Path(id.to_owned()))
        .await?
        .0)
}

#[derive(Template)]
#[template(path = "device_strip.html")]
struct Strip {
    current: Option<WholeAction>,
}

/// Only the phases of the current update: what changes with every percent.
pub(super) async fn strip(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let current = match get(&app, &visitor, &id).await?.action {
        Some(action) => Some(whole(&app, &visitor, &action.id).await?),
        None => None,
    };
    html(&Strip { current })
}

/// Renames and moves a device.
pub(super) async fn change(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Form(form): Form,
) -> Result<Response, WebError> {
    let change = api::devices::DeviceChange {
        name: Some(form.text("name").to_owned()),
        fleet: form.filled("fleet").map(str::to_owned),
        approved: None,
    };
    let (state, caller) = (State(app), visitor.caller);
    let device = api::devices::update(state, caller, Path(id), Body(change)).await?;
    Ok(see_other(&format!(
        "{}/devices/{}",
        visitor.root, device.id
    )))
}

/// Removes a device with its history.
pub(super) async fn remove(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    api::devices::delete(State(app), visitor.caller, Path(id)).await?;
    Ok(leave_for(&format!("{}/devices", visitor.root)))
}

#[derive(Template)]
#[template(path = "secret.html")]
pub(super) struct SecretPart<'a> {
    pub(super) title: &'a str,
    pub(super) secret: &'a str,
    pub(super) advice: &'a str,
}

/// Makes a new token for a device; it is in the answer and nowhere else.
pub(super) async fn new_token(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let made = api::devices::new_token(State(app), visitor.caller, Path(id)).await?;
    html(&SecretPart {
        title: "New device token",
        secret: &made.1.token,
        advice: "The old token has stopped working. Write this one into the device; it is not \
                 shown again.",
    })
}
