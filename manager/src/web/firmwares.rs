//! The tab Firmwares: each expands to its versions, newest first.

use super::devices::Paging;
use super::fields::{Form, Query};
use super::page::{Frame, Visitor, WebError, html, see_other};
use super::words::{self, Moment};
use crate::api::request::{Body, Page, Params};
use crate::api::{self, views};
use crate::app::AppState;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

/// Firmwares on one page.
const PAGE_LEN: u32 = 20;
/// Versions on one page.
const VERSIONS_LEN: u32 = 10;

#[derive(Debug)]
struct FirmwareLine {
    view: views::Firmware,
    created: Moment,
    /// Its first versions, if it is expanded from the start.
    open: Option<VersionsPart>,
}

#[derive(Template)]
#[template(path = "firmwares.html")]
struct FirmwaresPage {
    frame: Frame,
    firmwares: Vec<FirmwareLine>,
    paging: Paging,
}

/// Lists firmwares; `open` names one that is expanded. The only one always is.
pub(super) async fn list(
    State(app): State<AppState>,
    visitor: Visitor,
    Query(query): Query,
) -> Result<Response, WebError> {
    let (state, caller) = (State(app.clone()), visitor.caller.clone());
    let all = api::firmwares::list(state, caller).await?.0;
    let total = all.len();
    let open = query.text("open");
    let place = all.iter().position(|firmware| firmware.id == open);
    let page = match (query.filled("page"), place) {
        // A link to one firmware leads to the page that it is on.
        (None, Some(place)) => u32::try_from(place).unwrap_or(0) / PAGE_LEN,
        _ => query.page(),
    };
    let skip = page.saturating_mul(PAGE_LEN) as usize;
    let mut firmwares = Vec::new();
    for view in all.into_iter().skip(skip).take(PAGE_LEN as usize) {
        let open = if view.id == open || total == 1 {
            Some(part(&app, &visitor, &view.id, 0).await?)
        } else {
            None
        };
        firmwares.push(FirmwareLine {
            created: Moment::new(&view.created_at, app.now_ms()),
            view,
            open,
        });
    }
    let total = i64::try_from(total).unwrap_or(i64::MAX);
    let link = format!("{}/firmwares?page=", visitor.root);
    html(&FirmwaresPage {
        frame: Frame::new(&app, &visitor, "firmwares", "Firmwares").await?,
        firmwares,
        paging: Paging::new(page, total, PAGE_LEN, link),
    })
}

/// Makes a firmware.
pub(super) async fn create(
    State(app): State<AppState>,
    visitor: Visitor,
    Form(form): Form,
) -> Result<Response, WebError> {
    let new = api::firmwares::NewFirmware {
        name: form.text("name").to_owned(),
        description: form.text("description").to_owned(),
    };
    let made = api::firmwares::create(State(app), visitor.caller, Body(new)).await?;
    Ok(see_other(&format!(
        "{}/firmwares?open={}",
        visitor.root, made.1.id
    )))
}

#[derive(Debug)]
struct VersionLine {
    view: views::Version,
    created: Moment,
}

/// Versions of a firmware.
#[derive(Debug, Template)]
#[template(path = "versions.html")]
struct VersionsPart {
    root: String,
    firmware: String,
    versions: Vec<VersionLine>,
    /// From 1.
    page: u32,
    has_older: bool,
}

async fn part(
    app: &AppState,
    visitor: &Visitor,
    firmware: &str,
    page: u32,
) -> Result<VersionsPart, WebError> {
    let wanted = Page {
        offset: Some(page.saturating_mul(VERSIONS_LEN)),
        limit: Some(VERSIONS_LEN + 1),
    };
    let (state, caller) = (State(app.clone()), visitor.caller.clone());
    let id = Path(firmware.to_owned());
    let versions = api::versions::list(state, caller, id, Params(wanted))
        .await?
        .0;
    let has_older = versions.len() > VERSIONS_LEN as usize;
    let lines = versions
        .into_iter()
        .take(VERSIONS_LEN as usize)
        .map(|view| VersionLine {
            created: Moment::new(&view.created_at, app.now_ms()),
            view,
        });
    Ok(VersionsPart {
        root: visitor.root.clone(),
        firmware: firmware.to_owned(),
        versions: lines.collect(),
        page: page + 1,
        has_older,
    })
}

/// Versions of a firmware, for its place in the list.
pub(super) async fn versions(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(query): Query,
) -> Result<Response, WebError> {
    html(&part(&app, &visitor, &id, query.page()).await?)
}

/// Deletes a version that nothing uses. Version identifiers are free text, so it stands in the
/// form and not in the address.
pub(super) async fn remove_version(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Form(form): Form,
) -> Result<Response, WebError> {
    let path = Path((id.clone(), form.text("version").to_owned()));
    api::versions::delete(State(app.clone()), visitor.caller.clone(), path).await?;
    html(&part(&app, &visitor, &id, 0).await?)
}
