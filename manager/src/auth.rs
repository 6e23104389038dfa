//! Who may use the public API: API keys, sessions of the web app, the one-time admin link.

use crate::app::{App, AppState};
use crate::error::ApiError;
use crate::origin::Base;
use crate::{secret, store};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};

/// Cookie of a web app session.
pub(crate) const SESSION_COOKIE: &str = "otaru_session";
/// Seconds that a session lasts.
pub(crate) const SESSION_S: i64 = 30 * 24 * 3_600;
const ADMIN_LINK_MS: i64 = 24 * 3_600_000;
const API_KEY_PREFIX: &str = "otk_";

/// Somebody who has proved to belong to a workspace.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The workspace.
    pub(crate) workspace: String,
    /// Name of the API key, or `web` for a session.
    pub(crate) name: String,
    /// The API key, also of a session that one has opened; `None`: the admin link.
    pub(crate) api_key: Option<String>,
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        if let Some(key) = bearer(&parts.headers) {
            return by_api_key(app, key).await;
        }
        let Some(token) = cookie(&parts.headers, SESSION_COOKIE).map(str::to_owned) else {
            return Err(ApiError::unauthorized("this needs an API key").hint(
                "send `Authorization: Bearer <API key>`; `otaru login` stores one for the CLI",
            ));
        };
        let caller = by_session(app, &token).await?;
        refuse_foreign_site(parts, app).await?;
        Ok(caller)
    }
}

/// The caller behind an API key.
///
/// # Errors
/// 401 if it is not known.
pub(crate) async fn by_api_key(app: &App, key: &str) -> Result<Caller, ApiError> {
    let wrong = || {
        ApiError::unauthorized("this API key is not known").hint("it may be deleted or disabled")
    };
    let (id, secret) = key
        .strip_prefix(API_KEY_PREFIX)
        .and_then(|rest| rest.split_once('_'))
        .ok_or_else(wrong)?;
    let mut conn = app.store.reader().await?;
    let (workspace, name, hash) = store::access::api_key(&mut conn, id)
        .await?
        .ok_or_else(wrong)?;
    if secret::matches(secret, &hash) {
        Ok(Caller {
            workspace,
            name,
            api_key: Some(id.to_owned()),
        })
    } else {
        Err(wrong())
    }
}

/// The caller behind a session token, as in the cookie [`SESSION_COOKIE`].
///
/// # Errors
/// 401 if there is no such session or it is over.
pub(crate) async fn by_session(app: &App, token: &str) -> Result<Caller, ApiError> {
    let mut conn = app.store.reader().await?;
    let now_ms = app.config.clock.now_ms();
    match store::access::session(&mut conn, &secret::hash(token), now_ms).await? {
        Some((workspace, api_key)) => Ok(Caller {
            workspace,
            name: "web".to_owned(),
            api_key,
        }),
        None => Err(ApiError::unauthorized("this session is over").hint("log in again")),
    }
}

/// Opens a web app session, which ends with the API key that opened it; its token, for the cookie
/// [`SESSION_COOKIE`].
///
/// # Errors
/// If the database fails.
pub(crate) async fn open_session(
    app: &App,
    workspace: &str,
    api_key: Option<&str>,
) -> Result<String, ApiError> {
    let token = secret::new_secret();
    let now_ms = app.config.clock.now_ms();
    let mut tx = app.store.begin().await?;
    let hash = secret::hash(&token);
    let session = store::access::SessionRow {
        workspace,
        api_key,
        created_at: now_ms,
        expires_at: now_ms.saturating_add(SESSION_S * 1_000),
    };
    store::access::insert_session(&mut tx, &hash, &session).await?;
    tx.commit().await?;
    Ok(token)
}

/// Ends a web app session.
///
/// # Errors
/// If the database fails.
pub(crate) async fn close_session(app: &App, token: &str) -> Result<(), ApiError> {
    let mut tx = app.store.begin().await?;
    store::access::delete_session(&mut tx, &secret::hash(token)).await?;
    tx.commit().await?;
    Ok(())
}

/// A new API key of a workspace; only its hash is stored.
pub(crate) async fn new_api_key(
    app: &App,
    workspace: &str,
    name: &str,
) -> Result<(String, String), ApiError> {
    let mut tx = app.store.begin().await?;
    let made = insert_api_key(&mut tx, workspace, name, app.config.clock.now_ms()).await?;
    tx.commit().await?;
    Ok(made)
}

/// Id and text of a new API key, as part of a transaction.
pub(crate) async fn insert_api_key(
    conn: &mut store::Conn,
    workspace: &str,
    name: &str,
    now_ms: i64,
) -> sqlx::Result<(String, String)> {
    let row = store::access::ApiKeyRow {
        id: secret::new_id("key"),
        name: name.to_owned(),
        enabled: true,
        created_at: now_ms,
    };
    let text = secret::new_secret();
    store::access::insert_api_key(conn, workspace, &row, &secret::hash(&text)).await?;
    let key = format!("{API_KEY_PREFIX}{}_{text}", row.id);
    Ok((row.id, key))
}

/// A one-time token that opens a workspace for whoever holds it first.
pub(crate) async fn new_admin_token(app: &App, workspace: &str) -> Result<String, sqlx::Error> {
    let token = secret::new_secret();
    let expires_at = app.config.clock.now_ms().saturating_add(ADMIN_LINK_MS);
    let mut tx = app.store.begin().await?;
    store::access::insert_admin_link(&mut tx, &secret::hash(&token), workspace, expires_at).await?;
    tx.commit().await?;
    Ok(token)
}

/// Uses up a one-time admin token; the workspace it opens.
///
/// # Errors
/// 401 if it is unknown, used or over.
pub(crate) async fn redeem_admin_token(
    conn: &mut store::Conn,
    token: &str,
    now_ms: i64,
) -> Result<String, ApiError> {
    store::access::use_admin_link(conn, &secret::hash(token), now_ms)
        .await?
        .ok_or_else(|| {
            ApiError::new(
                StatusCode::UNAUTHORIZED,
                "admin-link-invalid",
                "this admin link is unknown, was used, or has expired",
            )
            .hint("`otaru-manager --new-admin-link` makes a new one")
        })
}

/// A browser sends its cookie along with requests that other sites make; those must not count.
pub(crate) async fn refuse_foreign_site(parts: &mut Parts, app: &AppState) -> Result<(), ApiError> {
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if header("sec-fetch-site") == Some("same-origin") {
        return Ok(());
    }
    let origin = header(header::ORIGIN.as_str()).map(str::to_owned);
    let Base(base) = Base::from_request_parts(parts, app).await?;
    let same = origin.is_some_and(|origin| {
        base.strip_prefix(&origin)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if same {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "foreign-site",
        "this request comes from another site",
    ))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}
