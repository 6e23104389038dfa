//! What every page has: the visitor, the frame around the content, errors, headers.

use super::assets;
use crate::app::AppState;
use crate::auth::{self, Caller, SESSION_COOKIE};
use crate::config::rfc3339;
use crate::error::ApiError;
use crate::origin::Base;
use crate::{secret, store};
use askama::Template;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

/// Header that carries the proof that a request comes from one of our own pages.
pub(super) const CSRF_HEADER: &str = "x-otaru-csrf";
/// Longest address that is gone back to after the login.
const NEXT_LEN_MAX: usize = 500;

/// Nothing from elsewhere, nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Somebody with a session.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    pub(super) caller: Caller,
    /// Where links begin: empty, or the path under which a proxy shows the manager.
    pub(super) root: String,
    csrf: String,
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Response> {
        let base = Base::from_request_parts(parts, app).await;
        let base = base.map_err(|error| WebError(error).into_response())?;
        let root = root_of(&base).to_owned();
        let token = auth::cookie(&parts.headers, SESSION_COOKIE).map(str::to_owned);
        let Some(token) = token else {
            return Err(to_login(&root, parts));
        };
        let caller = match auth::by_session(app, &token).await {
            Ok(caller) => caller,
            Err(error) if error.status == StatusCode::UNAUTHORIZED => {
                return Err(to_login(&root, parts));
            }
            Err(error) => return Err(WebError(error).into_response()),
        };
        let csrf = csrf_token(&token);
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            let foreign = auth::refuse_foreign_site(parts, app).await;
            foreign.map_err(|error| WebError(error).into_response())?;
            let given = parts.headers.get(CSRF_HEADER);
            let given = given.and_then(|value| value.to_str().ok()).unwrap_or("");
            if !secret::matches(given, &secret::hash(&csrf)) {
                return Err(WebError(csrf_missing()).into_response());
            }
        }
        Ok(Self { caller, root, csrf })
    }
}

fn csrf_missing() -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "csrf",
        "this request does not come from a page of this session",
    )
    .hint("reload the page, then try again")
}

/// Belongs to one session and cannot be made without its cookie.
fn csrf_token(session: &str) -> String {
    secret::hex(&secret::hash(&format!("otaru csrf {session}")))
}

/// The path of the manager's address, without a final slash.
pub(super) fn root_of(Base(base): &Base) -> &str {
    let host = base.find("://").map_or(0, |at| at + 3);
    let root = base[host..].find('/').map_or("", |at| &base[host + at..]);
    // Two slashes would begin the name of another host.
    if root.starts_with("//") { "" } else { root }
}

fn to_login(root: &str, parts: &Parts) -> Response {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let back = parts.method == Method::GET && is_own_path(path);
    let next = if back && path != "/" && !is_part(&parts.headers) {
        let next: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
        format!("?next={next}")
    } else {
        String::new()
    };
    let login = format!("{root}/login{next}");
    if is_part(&parts.headers) {
        let name = HeaderName::from_static("hx-redirect");
        return (StatusCode::UNAUTHORIZED, [(name, login)]).into_response();
    }
    see_other(&login)
}

/// Whether a path may be gone to: on this site and nowhere else.
pub(super) fn is_own_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= NEXT_LEN_MAX
        && path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// Whether htmx asks, which puts the answer into a page.
fn is_part(headers: &HeaderMap) -> bool {
    headers.contains_key("hx-request")
}

/// Sends the browser to another page.
pub(super) fn see_other(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path.to_owned())]).into_response()
}

/// Tells htmx to leave the page for another one.
pub(super) fn leave_for(path: &str) -> Response {
    let name = HeaderName::from_static("hx-redirect");
    (StatusCode::OK, [(name, path.to_owned())]).into_response()
}

/// The frame around the content of a page.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) title: String,
    /// Tab that is marked: `devices`, `fleets`, `firmwares`, `settings`, or none.
    pub(super) tab: &'static str,
    pub(super) root: String,
    pub(super) csrf: String,
    /// Name of the workspace; empty for a page without session.
    pub(super) workspace: String,
    /// The manager's time, so that a wrong clock of the browser does no harm.
    pub(super) now: String,
}

impl Frame {
    /// The frame of a page for somebody with a session.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn new(
        app: &AppState,
        visitor: &Visitor,
        tab: &'static str,
        title: impl Into<String>,
    ) -> Result<Self, WebError> {
        let mut conn = app.store.reader().await?;
        let workspace = store::access::workspace(&mut conn, &visitor.caller.workspace).await?;
        Ok(Self {
            title: title.into(),
            tab,
            root: visitor.root.clone(),
            csrf: visitor.csrf.clone(),
            workspace: workspace.map(|row| row.name).unwrap_or_default(),
            now: rfc3339(app.now_ms()),
        })
    }

    /// The frame of a page that needs no session.
    pub(super) fn bare(root: &str, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            tab: "",
            root: root.to_owned(),
            csrf: String::new(),
            workspace: String::new(),
            now: String::new(),
        }
    }

    /// Address of an asset.
    pub(super) fn asset(&self, name: &str) -> String {
        format!("{}{}", self.root, assets::path(name))
    }

    /// What htmx sends along with every request, as JSON.
    pub(super) fn headers(&self) -> String {
        format!("{{\"{CSRF_HEADER}\":\"{}\"}}", self.csrf)
    }
}

/// Writes a page or a part of one.
///
/// # Errors
/// If the template fails, which is a defect of ours.
pub(super) fn html(template: &impl Template) -> Result<Response, WebError> {
    let text = template.render().map_err(ApiError::internal)?;
    Ok(Html(text).into_response())
}

/// An error for people.
#[derive(Debug)]
pub(super) struct WebError(pub(super) ApiError);

impl<E: Into<ApiError>> From<E> for WebError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// The text of an error, for [`finish`] to put a page around it.
#[derive(Debug, Clone)]
struct Told {
    message: String,
    hint: Option<String>,
}

#[derive(Template)]
#[template(path = "error_part.html")]
struct ErrorPart<'a> {
    told: &'a Told,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    told: &'a Told,
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let told = Told {
            message: sentence(&error.message),
            hint: error.hint.as_deref().map(sentence),
        };
        let text = ErrorPart { told: &told }.render();
        let text = text.unwrap_or_else(|_| "the page could not be written".to_owned());
        let mut response = (error.status, Html(text)).into_response();
        response.extensions_mut().insert(told);
        response
    }
}

/// Messages are written for the middle of a line; on a page they stand alone.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    let end = if text.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{first}{}{end}", letters.as_str())
}

/// Any other address.
pub(super) async fn not_found() -> WebError {
    WebError(ApiError::not_found("page"))
}

/// Puts a page around errors that were not asked for by htmx, and the headers on every answer.
pub(super) async fn finish(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let part = is_part(&parts.headers);
    let base = Base::from_request_parts(&mut parts, &app).await;
    let root = base.as_ref().map_or("", root_of).to_owned();
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if let Some(told) = response
        .extensions()
        .get::<Told>()
        .filter(|_| !part)
        .cloned()
    {
        let page = ErrorPage {
            frame: Frame::bare(&root, "That did not work"),
            told: &told,
        };
        if let Ok(text) = page.render() {
            response = (response.status(), Html(text)).into_response();
        }
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_begin_with_the_path_of_the_address_and_stay_on_this_host() {
        for (base, root) in [
            ("http://127.0.0.1:8480", ""),
            ("https://updates.example.org/otaru", "/otaru"),
            ("https://updates.example.org//evil.example", ""),
        ] {
            assert_eq!(root_of(&Base(base.to_owned())), root, "{base}");
        }
        for path in ["/devices", "/firmwares?open=fmw-1", "/"] {
            assert!(is_own_path(path), "{path}");
        }
        for path in [
            "",
            "devices",
            "//evil.example",
            "/\\evil.example",
            "/a b",
            "http://x",
        ] {
            assert!(!is_own_path(path), "{path}");
        }
    }

    #[test]
    fn messages_become_sentences() {
        assert_eq!(
            sentence("there is no such fleet"),
            "There is no such fleet."
        );
        assert_eq!(sentence("What now?"), "What now?");
        assert_eq!(sentence(""), ".");
    }
}
