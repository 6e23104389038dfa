//! Sessions of the web app: an API key is exchanged for a cookie.

use super::request::Body;
use crate::app::AppState;
use crate::auth::{self, Caller, SESSION_COOKIE, SESSION_S};
use crate::error::ApiError;
use crate::origin::Base;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use serde::Deserialize;
use utoipa::ToSchema;

/// Whom the session is for.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct LogIn {
    api_key: String,
}

/// Opens a session; the answer sets its cookie.
#[utoipa::path(post, path = "/session", tag = "access", request_body = LogIn, security(()),
    responses((status = 204, description = "the cookie is set"), (status = 401, description = "no such key")))]
pub(super) async fn log_in(
    State(app): State<AppState>,
    base: Base,
    Body(log_in): Body<LogIn>,
) -> Result<(StatusCode, [(HeaderName, String); 1]), ApiError> {
    let caller = auth::by_api_key(&app, &log_in.api_key).await?;
    let token = auth::open_session(&app, &caller.workspace, caller.api_key.as_deref()).await?;
    Ok((
        StatusCode::NO_CONTENT,
        [set_cookie(&base, &token, SESSION_S)],
    ))
}

/// Ends the session and removes its cookie.
#[utoipa::path(delete, path = "/session", tag = "access", responses((status = 204, description = "ended")))]
pub(super) async fn log_out(
    State(app): State<AppState>,
    base: Base,
    _caller: Caller,
    headers: HeaderMap,
) -> Result<(StatusCode, [(HeaderName, String); 1]), ApiError> {
    if let Some(token) = auth::cookie(&headers, SESSION_COOKIE) {
        auth::close_session(&app, token).await?;
    }
    Ok((StatusCode::NO_CONTENT, [set_cookie(&base, "", 0)]))
}

/// The `Set-Cookie` header of a session; with 0 seconds it removes the cookie.
pub(crate) fn set_cookie(Base(base): &Base, token: &str, max_age_s: i64) -> (HeaderName, String) {
    let secure = if base.starts_with("https://") {
        "; Secure"
    } else {
        ""
    };
    let cookie = format!(
        "{SESSION_COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_s}{secure}"
    );
    (header::SET_COOKIE, cookie)
}
