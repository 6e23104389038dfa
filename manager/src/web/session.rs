//! Coming in and leaving: the one-time admin link, the login with an API key, the logout.

use super::fields::{Form, Query};
use super::page::{Frame, Visitor, WebError, html, is_own_path, leave_for, root_of, see_other};
use crate::api::session::set_cookie;
use crate::app::AppState;
use crate::auth::{self, SESSION_COOKIE, SESSION_S};
use crate::origin::Base;
use askama::Template;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::{RequestExt as _, http::StatusCode};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    frame: Frame,
    next: &'a str,
    /// What was wrong with the last try.
    wrong: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage<'a> {
    frame: Frame,
    token: &'a str,
}

/// The first tab.
pub(super) async fn home(visitor: Visitor) -> Response {
    see_other(&format!("{}/devices", visitor.root))
}

/// Asks for an API key.
pub(super) async fn login_page(base: Base, Query(query): Query) -> Result<Response, WebError> {
    html(&LoginPage {
        frame: Frame::bare(root_of(&base), "Log in"),
        next: query.text("next"),
        wrong: None,
    })
}

/// Opens a session for whoever has an API key.
pub(super) async fn login(
    State(app): State<AppState>,
    request: Request,
) -> Result<Response, WebError> {
    let (base, Form(form)) = own_form(&app, request).await?;
    let root = root_of(&base);
    let caller = match auth::by_api_key(&app, form.text("api_key")).await {
        Ok(caller) => caller,
        Err(error) if error.status == StatusCode::UNAUTHORIZED => {
            let mut page = html(&LoginPage {
                frame: Frame::bare(root, "Log in"),
                next: form.text("next"),
                wrong: Some("This is no API key of this manager. It may have been deleted."),
            })?;
            *page.status_mut() = StatusCode::UNAUTHORIZED;
            return Ok(page);
        }
        Err(error) => return Err(error.into()),
    };
    let next = Some(form.text("next")).filter(|next| is_own_path(next));
    let token = auth::open_session(&app, &caller.workspace, caller.api_key.as_deref()).await?;
    let go = see_other(&format!("{root}{}", next.unwrap_or("/devices")));
    Ok(([set_cookie(&base, &token, SESSION_S)], go).into_response())
}

/// Shows what the admin link is for. Looking at it does not use it up: chat programs and virus
/// scanners look at links, too.
pub(super) async fn setup_page(base: Base, Query(query): Query) -> Result<Response, WebError> {
    html(&SetupPage {
        frame: Frame::bare(root_of(&base), "Welcome"),
        token: query.text("token"),
    })
}

/// Uses up the admin link and opens a session.
pub(super) async fn setup(
    State(app): State<AppState>,
    request: Request,
) -> Result<Response, WebError> {
    let (base, Form(form)) = own_form(&app, request).await?;
    let mut tx = app.store.begin().await?;
    let workspace = auth::redeem_admin_token(&mut tx, form.text("token"), app.now_ms()).await?;
    tx.commit().await?;
    let token = auth::open_session(&app, &workspace, None).await?;
    let go = see_other(&format!("{}/devices", root_of(&base)));
    Ok(([set_cookie(&base, &token, SESSION_S)], go).into_response())
}

/// Ends the session.
pub(super) async fn logout(
    State(app): State<AppState>,
    base: Base,
    _visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    if let Some(token) = auth::cookie(&headers, SESSION_COOKIE) {
        auth::close_session(&app, token).await?;
    }
    let go = leave_for(&format!("{}/login", root_of(&base)));
    Ok(([set_cookie(&base, "", 0)], go).into_response())
}

/// A form of one of our own pages: other sites must not log anybody in.
async fn own_form(app: &AppState, request: Request) -> Result<(Base, Form), WebError> {
    let (mut parts, body) = request.into_parts();
    auth::refuse_foreign_site(&mut parts, app).await?;
    let base = Base::from_request_parts(&mut parts, app).await?;
    let form = Request::from_parts(parts, body)
        .extract::<Form, _>()
        .await?;
    Ok((base, form))
}
