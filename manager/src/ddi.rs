//! hawkBit DDI v1: what devices speak. See docs/formats/ddi.md.
//!
//! Answers are exactly 200 with JSON or an empty body of known length: some clients take anything
//! else, even 204, for an error.

mod cancel;
mod config_data;
mod deployment;
mod device;
mod download;
mod feedback;
mod poll;
mod range;

use crate::app::AppState;
use crate::error::ApiError;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde_json::{Value, json};

/// Largest message of a device, in bytes. Some clients send their whole log as details.
const BODY_LEN_MAX: usize = 256 << 10;

/// The routes of DDI v1.
pub(crate) fn router() -> Router<AppState> {
    let routes = Router::new()
        .route("/", get(poll::poll))
        .route("/configData", put(config_data::put))
        .route("/deploymentBase/{action}", get(deployment::deployment_base))
        .route(
            "/deploymentBase/{action}/feedback",
            post(feedback::deployment),
        )
        .route("/cancelAction/{action}", get(cancel::cancel_action))
        .route("/cancelAction/{action}/feedback", post(feedback::cancel))
        .route("/installedBase/{action}", get(deployment::installed_base))
        .route("/softwaremodules/{module}/artifacts", get(download::list))
        .route(
            "/softwaremodules/{module}/artifacts/{file}",
            get(download::file),
        )
        .layer(DefaultBodyLimit::max(BODY_LEN_MAX));
    Router::new()
        .nest("/{tenant}/controller/v1/{device}", routes.clone())
        // The same with a final slash, which nesting alone leaves out.
        .route("/{tenant}/controller/v1/{device}/", get(poll::poll))
}

/// The same errors as the public API, in the form that DDI clients know.
#[derive(Debug)]
pub(crate) struct DdiError(ApiError);

impl<E: Into<ApiError>> From<E> for DdiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl DdiError {
    fn not_found(what: &str) -> Self {
        Self(ApiError::not_found(what))
    }

    fn new(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self(ApiError::new(status, code, message))
    }
}

impl IntoResponse for DdiError {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let body = json!({
            "exceptionClass": error.code,
            "errorCode": error.code,
            "message": error.message,
        });
        (error.status, axum::Json(body)).into_response()
    }
}

/// A JSON answer with an `ETag`, or 304 if the client has it already.
fn tagged(body: &Value, request: &HeaderMap) -> Response {
    let text = body.to_string();
    let tag = entity_tag(&text);
    if none_match(request, &tag) {
        not_modified(&tag)
    } else {
        json_answer(text, &tag)
    }
}

fn json_answer(text: String, tag: &str) -> Response {
    let json = HeaderValue::from_static("application/json");
    let mut response = ([(header::CONTENT_TYPE, json)], text).into_response();
    set_tag(&mut response, tag);
    response
}

fn not_modified(tag: &str) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    set_tag(&mut response, tag);
    response
}

fn set_tag(response: &mut Response, tag: &str) {
    if let Ok(value) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(header::ETAG, value);
    }
}

fn entity_tag(text: &str) -> String {
    let hash = crate::secret::hash(text);
    format!("\"{}\"", crate::secret::hex(&hash[..16]))
}

/// Whether `If-None-Match` names this tag.
fn none_match(request: &HeaderMap, tag: &str) -> bool {
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == tag)
}

/// 200 with an empty body, which hyper sends with `Content-Length: 0`.
fn done() -> Response {
    StatusCode::OK.into_response()
}
