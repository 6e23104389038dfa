//! The tab Devices: all devices, those that wait for approval, and new ones.

use super::action::ActionLine;
use super::fields::{Form, Query};
use super::page::{Frame, Visitor, WebError, html, see_other};
use super::words::{self, Moment};
use crate::api::request::Body;
use crate::api::{self, views};
use crate::app::AppState;
use crate::origin::Base;
use crate::store;
use crate::store::devices::{DeviceRow, DeviceSearch};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderName;
use axum::response::{IntoResponse as _, Response};
use std::collections::BTreeMap;

/// Devices on one page.
const PAGE_LEN: u32 = 50;
/// Waiting devices that are shown; a gateway token may bring many.
const WAITING_MAX: i64 = 50;

/// A device in a list.
#[derive(Debug)]
pub(super) struct DeviceLine {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) fleet: String,
    pub(super) fleet_name: String,
    pub(super) version: Option<String>,
    pub(super) online: bool,
    pub(super) seen: Option<Moment>,
    pub(super) action: Option<ActionLine>,
}

impl DeviceLine {
    pub(super) fn new(view: views::Device, fleets: &BTreeMap<String, String>, now_ms: i64) -> Self {
        Self {
            fleet_name: fleets.get(&view.fleet).cloned().unwrap_or_default(),
            seen: view.last_seen.map(|time| Moment::new(&time, now_ms)),
            action: view.action.map(|action| ActionLine::new(action, now_ms)),
            id: view.id,
            name: view.name,
            fleet: view.fleet,
            version: view.version,
            online: view.online,
        }
    }
}

/// Names of the fleets of a workspace.
pub(super) async fn fleet_names(
    app: &AppState,
    visitor: &Visitor,
) -> Result<BTreeMap<String, String>, WebError> {
    let mut conn = app.store.reader().await?;
    let fleets = store::fleets::list(&mut conn, &visitor.caller.workspace).await?;
    Ok(fleets
        .into_iter()
        .map(|fleet| (fleet.id, fleet.name))
        .collect())
}

/// Part of a list, and where the rest of it is.
#[derive(Debug)]
pub(super) struct Paging {
    /// From 1.
    pub(super) number: u32,
    pub(super) count: u32,
    /// Link to a page, without its number.
    pub(super) link: String,
}

impl Paging {
    pub(super) fn new(page: u32, total: i64, len: u32, link: String) -> Self {
        let pages = u32::try_from(total.max(1))
            .unwrap_or(u32::MAX)
            .div_ceil(len);
        Self {
            number: page + 1,
            count: pages,
            link,
        }
    }
}

#[derive(Template)]
#[template(path = "devices.html")]
struct DevicesPage<'a> {
    frame: Frame,
    devices: Vec<DeviceLine>,
    waiting: Vec<DeviceLine>,
    waiting_total: i64,
    fleets: Vec<views::Fleet>,
    search: &'a str,
    /// Id of the fleet that is shown alone.
    only: &'a str,
    found: i64,
    total: i64,
    has_api_keys: bool,
    paging: Paging,
}

/// Lists devices.
pub(super) async fn list(
    State(app): State<AppState>,
    visitor: Visitor,
    Query(query): Query,
) -> Result<Response, WebError> {
    let names = fleet_names(&app, &visitor).await?;
    let workspace = visitor.caller.workspace.as_str();
    let only = query
        .filled("fleet")
        .filter(|fleet| names.contains_key(*fleet));
    let search = DeviceSearch {
        text: query.text("q"),
        fleet: only,
        approved: Some(true),
    };
    let pending = DeviceSearch {
        approved: Some(false),
        ..DeviceSearch::default()
    };
    let page = query.page();
    let mut conn = app.store.reader().await?;
    let found = store::devices::count_found(&mut conn, workspace, search).await?;
    let offset = i64::from(page) * i64::from(PAGE_LEN);
    let places = (offset, i64::from(PAGE_LEN));
    let rows = store::devices::search(&mut conn, workspace, search, places).await?;
    let waiting_total = store::devices::count_found(&mut conn, workspace, pending).await?;
    let waiting = store::devices::search(&mut conn, workspace, pending, (0, WAITING_MAX)).await?;
    let total = store::devices::count(&mut conn, workspace, None).await?;
    let has_api_keys = !store::access::api_keys(&mut conn, workspace)
        .await?
        .is_empty();
    drop(conn);
    html(&DevicesPage {
        frame: Frame::new(&app, &visitor, "devices", "Devices").await?,
        devices: lines(&app, rows, &names).await?,
        waiting: lines(&app, waiting, &names).await?,
        waiting_total,
        fleets: all_fleets(&app, &visitor).await?,
        search: search.text,
        only: only.unwrap_or(""),
        found,
        total,
        has_api_keys,
        paging: Paging::new(page, found, PAGE_LEN, link_to(&visitor, search)),
    })
}

/// Link to the pages of what was looked for.
fn link_to(visitor: &Visitor, search: DeviceSearch<'_>) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("q", search.text)
        .append_pair("fleet", search.fleet.unwrap_or(""))
        .finish();
    format!("{}/devices?{query}&page=", visitor.root)
}

/// Rows as they are shown, each with its current or last action.
pub(super) async fn lines(
    app: &AppState,
    rows: Vec<DeviceRow>,
    names: &BTreeMap<String, String>,
) -> Result<Vec<DeviceLine>, WebError> {
    let mut conn = app.store.reader().await?;
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let action = store::views::of_device(&mut conn, row.seq).await?;
        let view = views::Device::new(app, row, action);
        lines.push(DeviceLine::new(view, names, app.now_ms()));
    }
    Ok(lines)
}

/// Every fleet, as the public API lists them.
pub(super) async fn all_fleets(
    app: &AppState,
    visitor: &Visitor,
) -> Result<Vec<views::Fleet>, WebError> {
    let fleets = api::fleets::list(State(app.clone()), visitor.caller.clone()).await?;
    Ok(fleets.0)
}

#[derive(Template)]
#[template(path = "provisioned.html")]
struct Provisioned {
    device: views::ProvisionedDevice,
    root: String,
}

/// Provisions a device; its token is in the answer and nowhere else.
pub(super) async fn provision(
    State(app): State<AppState>,
    visitor: Visitor,
    base: Base,
    Form(form): Form,
) -> Result<Response, WebError> {
    let new = api::devices::ToProvision {
        name: form.filled("name").map(str::to_owned),
        fleet: form.filled("fleet").map(str::to_owned),
        controller_id: None,
    };
    let made = api::devices::create(State(app), visitor.caller, base, Body(new)).await?;
    let page = html(&Provisioned {
        device: made.1.0,
        root: visitor.root,
    })?;
    // The list behind the dialog shows the new device.
    let told = (HeaderName::from_static("hx-trigger"), "otaru:status");
    Ok(([told], page).into_response())
}

/// Approves a device that a gateway token brought.
pub(super) async fn approve(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let change = api::devices::DeviceChange {
        name: None,
        fleet: None,
        approved: Some(true),
    };
    let (state, caller) = (State(app), visitor.caller);
    drop(api::devices::update(state, caller, Path(id), Body(change)).await?);
    Ok(see_other(&format!("{}/devices", visitor.root)))
}
