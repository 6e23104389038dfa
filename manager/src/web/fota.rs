//! The FOTA dialog: a version, the devices or fleets it goes to, the answer.

use super::devices::all_fleets;
use super::fields::{Form, Query};
use super::page::{Visitor, WebError, html};
use super::words;
use crate::api::deployments::NewDeployment;
use crate::api::request::Body;
use crate::api::{self, views};
use crate::app::AppState;
use crate::deploy::Target;
use crate::error::ApiError;
use crate::store;
use crate::store::devices::DeviceSearch;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

/// Devices offered at once; typing finds the others.
const CHOICES_MAX: i64 = 20;
/// Devices that the answer names; the page of the deployment has all.
const NAMED_MAX: usize = 50;

/// A device that may be chosen.
#[derive(Debug)]
struct Choice {
    id: String,
    name: String,
    from: String,
    online: bool,
    /// Why it cannot be chosen.
    refusal: Option<&'static str>,
    is_chosen: bool,
}

#[derive(Debug)]
struct Choices {
    devices: Vec<Choice>,
    /// Devices that match but are not shown.
    more: i64,
    to: String,
}

#[derive(Template)]
#[template(path = "fota.html")]
struct Dialog {
    root: String,
    firmware: views::Firmware,
    version: views::Version,
    choices: Choices,
    fleets: Vec<views::Fleet>,
}

/// Shows the dialog for a version.
pub(super) async fn dialog(
    State(app): State<AppState>,
    visitor: Visitor,
    Query(query): Query,
) -> Result<Response, WebError> {
    let caller = visitor.caller.clone();
    let id = query.text("firmware").to_owned();
    let firmware = api::firmwares::get(State(app.clone()), caller.clone(), Path(id))
        .await?
        .0;
    let path = Path((firmware.id.clone(), query.text("version").to_owned()));
    let version = api::versions::get(State(app.clone()), caller, path)
        .await?
        .0;
    html(&Dialog {
        choices: choices(&app, &visitor, "", &version.version).await?,
        fleets: all_fleets(&app, &visitor).await?,
        root: visitor.root,
        firmware,
        version,
    })
}

#[derive(Template)]
#[template(path = "fota_devices.html")]
struct Found {
    choices: Choices,
}

/// Devices that match what was typed.
pub(super) async fn devices(
    State(app): State<AppState>,
    visitor: Visitor,
    Query(query): Query,
) -> Result<Response, WebError> {
    html(&Found {
        choices: choices(&app, &visitor, query.text("q"), query.text("version")).await?,
    })
}

async fn choices(
    app: &AppState,
    visitor: &Visitor,
    text: &str,
    to: &str,
) -> Result<Choices, WebError> {
    let search = DeviceSearch {
        text,
        ..DeviceSearch::default()
    };
    let workspace = visitor.caller.workspace.as_str();
    let mut conn = app.store.reader().await?;
    let total = store::devices::count_found(&mut conn, workspace, search).await?;
    let rows = store::devices::search(&mut conn, workspace, search, (0, CHOICES_MAX)).await?;
    let is_only = rows.len() == 1;
    let devices: Vec<_> = rows
        .into_iter()
        .map(|row| {
            let refusal = match (row.approved, row.first_seen) {
                (false, _) => Some("waits for approval"),
                (true, None) => Some("has never connected"),
                (true, Some(_)) => None,
            };
            Choice {
                online: app.presence.of(row.seq, app.now_ms()).0,
                from: row.version.unwrap_or_else(|| "unknown version".to_owned()),
                is_chosen: is_only && refusal.is_none(),
                refusal,
                id: row.id,
                name: row.name,
            }
        })
        .collect();
    let shown = i64::try_from(devices.len()).unwrap_or(i64::MAX);
    Ok(Choices {
        more: total.saturating_sub(shown),
        devices,
        to: to.to_owned(),
    })
}

#[derive(Debug)]
struct Named {
    id: String,
    name: String,
    /// Why it was left out.
    why: Option<String>,
}

#[derive(Template)]
#[template(path = "fota_started.html")]
struct StartedPart {
    root: String,
    deployment: String,
    version: String,
    count: i64,
    addressed: Vec<Named>,
    skipped: Vec<Named>,
    /// Devices that are not named here.
    unnamed: usize,
}

/// Starts the deployment; the answer lists the devices.
pub(super) async fn start(
    State(app): State<AppState>,
    visitor: Visitor,
    Form(form): Form,
) -> Result<Response, WebError> {
    let list = |name: &'static str| form.all(name).map(str::to_owned).collect::<Vec<_>>();
    let target = if form.text("target") == "fleets" {
        Target::of_fleets(list("fleet"))
    } else {
        Target::of_devices(list("device"))
    };
    let target = target.ok_or_else(|| {
        ApiError::bad_request("nothing-chosen", "no device and no fleet is chosen")
            .hint("choose where this version should go")
    })?;
    let new = NewDeployment {
        firmware: form.text("firmware").to_owned(),
        version: form.text("version").to_owned(),
        target,
        deadline_s: form.number("deadline_s", "the confirm deadline in seconds")?,
        retries: form.number("retries", "the number of retries")?,
        trials: form.number("trials", "the number of trials")?,
    };
    let state = State(app.clone());
    let started = api::deployments::create(state, visitor.caller.clone(), Body(new))
        .await?
        .1
        .0;
    let count = i64::try_from(started.actions.len()).unwrap_or(i64::MAX);
    let total = started.actions.len() + started.skipped.len();
    let devices = started
        .actions
        .into_iter()
        .map(|action| (action.device, None));
    let skipped = started
        .skipped
        .into_iter()
        .map(|left| (left.device, Some(left.reason)));
    let wanted: Vec<_> = devices
        .take(NAMED_MAX)
        .chain(skipped.take(NAMED_MAX))
        .collect();
    let unnamed = total.saturating_sub(wanted.len());
    let (skipped, addressed) = named(&app, &visitor, wanted).await?;
    html(&StartedPart {
        root: visitor.root,
        deployment: started.id,
        version: started.version,
        count,
        addressed,
        skipped,
        unnamed,
    })
}

/// Devices with their names: those left out, and the others.
async fn named(
    app: &AppState,
    visitor: &Visitor,
    wanted: Vec<(String, Option<&'static str>)>,
) -> Result<(Vec<Named>, Vec<Named>), WebError> {
    let mut conn = app.store.reader().await?;
    let mut all = Vec::with_capacity(wanted.len());
    for (id, why) in wanted {
        let row = store::devices::find(&mut conn, &visitor.caller.workspace, &id).await?;
        let name = row.map_or_else(|| id.clone(), |row| row.name);
        let why = why.map(|code| words::skipped(code).to_owned());
        all.push(Named { id, name, why });
    }
    Ok(all.into_iter().partition(|device| device.why.is_some()))
}
