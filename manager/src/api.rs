//! The public API, version 1: what the web app, the CLI and the editor use. See
//! docs/formats/api.md; the complete reference is generated from the handlers.

pub(crate) mod access;
pub(crate) mod actions;
pub(crate) mod deployments;
pub(crate) mod devices;
mod events;
pub(crate) mod firmwares;
pub(crate) mod fleets;
pub(crate) mod keys;
pub(crate) mod publish;
pub(crate) mod request;
pub(crate) mod session;
mod uploads;
pub(crate) mod versions;
pub mod views;

use crate::app::AppState;
use crate::error::ApiError;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Json, Router};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Base path of the public API.
pub(crate) const BASE: &str = "/api/v1";
/// Largest JSON body, in bytes.
const BODY_LEN_MAX: usize = 1 << 20;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Otaru device manager",
        description = "Firmware, devices, fleets and updates. Errors are \
            `{\"error\":{\"code\",\"message\",\"hint\"}}` with stable codes."
    ),
    modifiers(&Security),
    security(("api_key" = []))
)]
struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("api_key", scheme);
    }
}

/// The routes, and the document that describes them.
fn routes() -> (Router<AppState>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Document::openapi())
        .nest(
            BASE,
            OpenApiRouter::new()
                .routes(routes!(access::setup))
                .routes(routes!(session::log_in, session::log_out))
                .routes(routes!(access::workspace, access::rename_workspace))
                .routes(routes!(
                    access::new_gateway_token,
                    access::delete_gateway_token
                ))
                .routes(routes!(access::list_api_keys, access::create_api_key))
                .routes(routes!(access::update_api_key, access::delete_api_key))
                .routes(routes!(fleets::list, fleets::create))
                .routes(routes!(fleets::get, fleets::update, fleets::delete))
                .routes(routes!(devices::list, devices::create))
                .routes(routes!(devices::get, devices::update, devices::delete))
                .routes(routes!(devices::new_token))
                .routes(routes!(keys::list, keys::create))
                .routes(routes!(keys::delete))
                .routes(routes!(firmwares::list, firmwares::create))
                .routes(routes!(firmwares::get))
                .routes(routes!(versions::list))
                .routes(routes!(versions::get, versions::delete))
                .routes(routes!(uploads::create))
                .routes(routes!(uploads::get, uploads::append))
                .routes(routes!(deployments::list, deployments::create))
                .routes(routes!(deployments::get))
                .routes(routes!(deployments::cancel))
                .routes(routes!(actions::list))
                .routes(routes!(actions::get))
                .routes(routes!(actions::cancel))
                .routes(routes!(actions::retry))
                .routes(routes!(events::events)),
        )
        .split_for_parts()
}

/// The OpenAPI document of the public API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().1
}

/// The routes of the public API under [`BASE`].
pub(crate) fn router() -> Router<AppState> {
    let (router, document) = routes();
    let document = std::sync::Arc::new(document);
    let serve = move || {
        let document = std::sync::Arc::clone(&document);
        async move { Json(document.as_ref().clone()) }
    };
    router
        .route(&format!("{BASE}/openapi.json"), get(serve))
        .route(&format!("{BASE}/{{*rest}}"), axum::routing::any(unknown))
        .layer(DefaultBodyLimit::max(BODY_LEN_MAX))
}

async fn unknown() -> ApiError {
    ApiError::not_found("address").hint(format!("{BASE}/openapi.json lists all of them"))
}
