//! The tab Settings: workspace, API keys, key ring, gateway token, about.

use super::device::SecretPart;
use super::fields::Form;
use super::page::{Frame, Visitor, WebError, html, leave_for, see_other};
use super::words::{self, Moment};
use crate::api::access::{ApiKeyChange, NewApiKey, WorkspaceChange};
use crate::api::request::Body;
use crate::api::{self, views};
use crate::app::AppState;
use crate::origin::Base;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderName;
use axum::response::{IntoResponse as _, Response};

#[derive(Debug)]
struct ApiKeyLine {
    view: views::ApiKey,
    created: Moment,
}

#[derive(Debug)]
struct SigningKeyLine {
    view: views::SigningKey,
    created: Moment,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    frame: Frame,
    workspace: views::Workspace,
    api_keys: Vec<ApiKeyLine>,
    keys: Vec<SigningKeyLine>,
    url: String,
}

/// Shows the settings.
pub(super) async fn show(
    State(app): State<AppState>,
    visitor: Visitor,
    Base(url): Base,
) -> Result<Response, WebError> {
    let caller = &visitor.caller;
    let state = || State(app.clone());
    let workspace = api::access::workspace(state(), caller.clone()).await?.0;
    let api_keys = api::access::list_api_keys(state(), caller.clone()).await?.0;
    let keys = api::keys::list(state(), caller.clone()).await?.0;
    let now_ms = app.now_ms();
    let api_keys = api_keys.into_iter().map(|view| ApiKeyLine {
        created: Moment::new(&view.created_at, now_ms),
        view,
    });
    let keys = keys.into_iter().map(|view| SigningKeyLine {
        created: Moment::new(&view.created_at, now_ms),
        view,
    });
    html(&SettingsPage {
        frame: Frame::new(&app, &visitor, "settings", "Settings").await?,
        workspace,
        api_keys: api_keys.collect(),
        keys: keys.collect(),
        url,
    })
}

/// Makes an API key; it is in the answer and nowhere else.
pub(super) async fn create_api_key(
    State(app): State<AppState>,
    visitor: Visitor,
    Form(form): Form,
) -> Result<Response, WebError> {
    let new = NewApiKey {
        name: form.text("name").to_owned(),
    };
    let made = api::access::create_api_key(State(app), visitor.caller, Body(new)).await?;
    let page = html(&SecretPart {
        title: "New API key",
        secret: &made.1.api_key,
        advice: "Copy it now; it is not shown again. It logs in here; for the command line, \
                 “otaru login” stores it.",
    })?;
    Ok((refresh(), page).into_response())
}

/// Renames the workspace.
pub(super) async fn rename_workspace(
    State(app): State<AppState>,
    visitor: Visitor,
    Form(form): Form,
) -> Result<Response, WebError> {
    let change = WorkspaceChange {
        name: form.text("name").to_owned(),
    };
    drop(api::access::rename_workspace(State(app), visitor.caller, Body(change)).await?);
    // The name stands in the frame of the page, too.
    Ok(leave_for(&format!("{}/settings", visitor.root)))
}

/// Enables or disables an API key.
pub(super) async fn enable_api_key(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Form(form): Form,
) -> Result<Response, WebError> {
    let change = ApiKeyChange {
        enabled: form.text("enabled") == "yes",
    };
    let (state, caller) = (State(app), visitor.caller);
    drop(api::access::update_api_key(state, caller, Path(id), Body(change)).await?);
    Ok(see_other(&format!("{}/settings", visitor.root)))
}

/// Deletes an API key.
pub(super) async fn remove_api_key(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    api::access::delete_api_key(State(app), visitor.caller, Path(id)).await?;
    Ok(see_other(&format!("{}/settings", visitor.root)))
}

/// Makes a new gateway token; it is in the answer and nowhere else.
pub(super) async fn new_gateway_token(
    State(app): State<AppState>,
    visitor: Visitor,
) -> Result<Response, WebError> {
    let made = api::access::new_gateway_token(State(app), visitor.caller).await?;
    let page = html(&SecretPart {
        title: "New gateway token",
        secret: &made.1.token,
        advice: "Copy it now; it is not shown again. Devices that come with it wait for approval \
                 under Devices.",
    })?;
    Ok((refresh(), page).into_response())
}

/// Removes the gateway token.
pub(super) async fn remove_gateway_token(
    State(app): State<AppState>,
    visitor: Visitor,
) -> Result<Response, WebError> {
    api::access::delete_gateway_token(State(app), visitor.caller).await?;
    Ok(see_other(&format!("{}/settings", visitor.root)))
}

/// The page behind the dialog reads its lists again.
fn refresh() -> [(HeaderName, &'static str); 1] {
    [(HeaderName::from_static("hx-trigger"), "otaru:status")]
}
