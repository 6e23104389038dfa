//! The tab Fleets.

use super::devices::{DeviceLine, Paging, all_fleets, fleet_names, lines};
use super::fields::{Form, Query};
use super::page::{Frame, Visitor, WebError, html, leave_for, see_other};
use super::words;
use crate::api::fleets::FleetName;
use crate::api::request::Body;
use crate::api::{self, views};
use crate::app::AppState;
use crate::store;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

/// Members on one page.
const PAGE_LEN: u32 = 50;

#[derive(Template)]
#[template(path = "fleets.html")]
struct FleetsPage {
    frame: Frame,
    fleets: Vec<views::Fleet>,
}

/// Lists fleets.
pub(super) async fn list(
    State(app): State<AppState>,
    visitor: Visitor,
) -> Result<Response, WebError> {
    html(&FleetsPage {
        frame: Frame::new(&app, &visitor, "fleets", "Fleets").await?,
        fleets: all_fleets(&app, &visitor).await?,
    })
}

/// Makes a fleet.
pub(super) async fn create(
    State(app): State<AppState>,
    visitor: Visitor,
    Form(form): Form,
) -> Result<Response, WebError> {
    let name = FleetName {
        name: form.text("name").to_owned(),
    };
    drop(api::fleets::create(State(app), visitor.caller, Body(name)).await?);
    Ok(see_other(&format!("{}/fleets", visitor.root)))
}

#[derive(Template)]
#[template(path = "fleet.html")]
struct FleetPage {
    frame: Frame,
    fleet: views::Fleet,
    devices: Vec<DeviceLine>,
    paging: Paging,
}

/// Shows the members of a fleet.
pub(super) async fn show(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(query): Query,
) -> Result<Response, WebError> {
    let (state, caller) = (State(app.clone()), visitor.caller.clone());
    let fleet = api::fleets::get(state, caller, Path(id)).await?.0;
    let page = query.page();
    let offset = i64::from(page) * i64::from(PAGE_LEN);
    let mut conn = app.store.reader().await?;
    let workspace = &visitor.caller.workspace;
    let limit = i64::from(PAGE_LEN);
    let rows = store::devices::list(&mut conn, workspace, Some(&fleet.id), offset, limit).await?;
    drop(conn);
    let names = fleet_names(&app, &visitor).await?;
    let link = format!("{}/fleets/{}?page=", visitor.root, fleet.id);
    html(&FleetPage {
        frame: Frame::new(&app, &visitor, "fleets", fleet.name.clone()).await?,
        devices: lines(&app, rows, &names).await?,
        paging: Paging::new(page, fleet.device_count, PAGE_LEN, link),
        fleet,
    })
}

/// Renames a fleet.
pub(super) async fn rename(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Form(form): Form,
) -> Result<Response, WebError> {
    let name = FleetName {
        name: form.text("name").to_owned(),
    };
    let (state, caller) = (State(app), visitor.caller);
    let fleet = api::fleets::update(state, caller, Path(id), Body(name)).await?;
    Ok(see_other(&format!("{}/fleets/{}", visitor.root, fleet.id)))
}

/// Removes an empty fleet.
pub(super) async fn remove(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    api::fleets::delete(State(app), visitor.caller, Path(id)).await?;
    Ok(leave_for(&format!("{}/fleets", visitor.root)))
}
