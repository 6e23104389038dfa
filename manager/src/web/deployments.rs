//! The page of one deployment: every device it addresses, and how far each is.

use super::action::ActionLine;
use super::devices::Paging;
use super::fields::Query;
use super::page::{Frame, Visitor, WebError, html, see_other};
use super::words::{self, Moment};
use crate::api::actions::Filter;
use crate::api::request::Params;
use crate::api::{self, views};
use crate::app::AppState;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

/// Actions on one page.
const PAGE_LEN: u32 = 100;

#[derive(Template)]
#[template(path = "deployment.html")]
struct DeploymentPage {
    frame: Frame,
    deployment: views::Deployment,
    created: Moment,
    actions: Vec<ActionLine>,
    paging: Paging,
}

/// Shows a deployment.
pub(super) async fn show(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(query): Query,
) -> Result<Response, WebError> {
    let (state, caller) = (State(app.clone()), visitor.caller.clone());
    let deployment = api::deployments::get(state, caller, Path(id)).await?.0;
    let page = query.page();
    let filter = Filter {
        device: None,
        deployment: Some(deployment.id.clone()),
        active: None,
        offset: Some(page.saturating_mul(PAGE_LEN)),
        limit: Some(PAGE_LEN),
    };
    let (state, caller) = (State(app.clone()), visitor.caller.clone());
    let actions = api::actions::list(state, caller, Params(filter)).await?.0;
    let now_ms = app.now_ms();
    let link = format!("{}/deployments/{}?page=", visitor.root, deployment.id);
    let title = format!("{} {}", deployment.firmware_name, deployment.version);
    html(&DeploymentPage {
        frame: Frame::new(&app, &visitor, "firmwares", title).await?,
        created: Moment::new(&deployment.created_at, now_ms),
        actions: actions
            .into_iter()
            .map(|action| ActionLine::new(action, now_ms))
            .collect(),
        paging: Paging::new(page, deployment.action_count, PAGE_LEN, link),
        deployment,
    })
}

/// Cancels what has not ended of a deployment.
pub(super) async fn cancel(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let done = api::deployments::cancel(State(app), visitor.caller, Path(id)).await?;
    Ok(see_other(&format!(
        "{}/deployments/{}",
        visitor.root, done.id
    )))
}
