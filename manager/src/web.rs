//! The web app: server-rendered pages for people.
//!
//! Pages are askama templates; htmx swaps parts of them in place, and server-sent events say when.
//! Handlers here read forms and write HTML; whatever they find out or change goes through the
//! handlers of the public API, so a page cannot do anything that an API client could not. There is
//! no inline script or style: the policy that every answer carries forbids them.

mod action;
mod assets;
mod deployments;
mod device;
mod devices;
mod fields;
mod firmwares;
mod fleets;
mod fota;
mod keys;
mod page;
mod session;
mod settings;
mod words;

use crate::app::AppState;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

/// Largest form, in bytes.
const FORM_LEN_MAX: usize = 64 << 10;

/// The routes of the web app.
pub(crate) fn router(app: AppState) -> Router<AppState> {
    Router::new()
        .route("/", get(session::home))
        .route("/setup", get(session::setup_page).post(session::setup))
        .route("/login", get(session::login_page).post(session::login))
        .route("/logout", post(session::logout))
        .route("/devices", get(devices::list).post(devices::provision))
        .route("/devices/{id}", get(device::show).post(device::change))
        .route("/devices/{id}/strip", get(device::strip))
        .route("/devices/{id}/approve", post(devices::approve))
        .route("/devices/{id}/remove", post(device::remove))
        .route("/devices/{id}/token", post(device::new_token))
        .route("/actions/{id}", get(action::details))
        .route("/actions/{id}/cancel", post(action::cancel))
        .route("/actions/{id}/retry", post(action::retry))
        .route("/deployments/{id}", get(deployments::show))
        .route("/deployments/{id}/cancel", post(deployments::cancel))
        .route("/fleets", get(fleets::list).post(fleets::create))
        .route("/fleets/{id}", get(fleets::show).post(fleets::rename))
        .route("/fleets/{id}/remove", post(fleets::remove))
        .route("/firmwares", get(firmwares::list).post(firmwares::create))
        .route("/firmwares/{id}/versions", get(firmwares::versions))
        .route(
            "/firmwares/{id}/remove-version",
            post(firmwares::remove_version),
        )
        .route("/fota", get(fota::dialog).post(fota::start))
        .route("/fota/devices", get(fota::devices))
        .route("/settings", get(settings::show))
        .route("/settings/workspace", post(settings::rename_workspace))
        .route("/settings/api-keys/{id}", post(settings::enable_api_key))
        .route("/settings/api-keys", post(settings::create_api_key))
        .route(
            "/settings/api-keys/{id}/remove",
            post(settings::remove_api_key),
        )
        .route("/settings/keys", post(keys::create))
        .route("/settings/keys/{id}/remove", post(keys::remove))
        .route("/settings/gateway-token", post(settings::new_gateway_token))
        .route(
            "/settings/gateway-token/remove",
            post(settings::remove_gateway_token),
        )
        .fallback(page::not_found)
        .layer(DefaultBodyLimit::max(FORM_LEN_MAX))
        .layer(from_fn_with_state(app, page::finish))
        .route("/assets/{file}", get(assets::serve))
}
