//! What requests bring along: JSON bodies and pages, with our own errors.

use crate::error::ApiError;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::{Json, RequestExt as _};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Longest name of anything, in characters.
const NAME_LEN_MAX: usize = 100;
const PAGE_LEN_MAX: i64 = 1_000;

/// A JSON body. Unlike `axum::Json` it does not insist on a content type.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send + 'static> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(mut request: Request, _: &S) -> Result<Self, ApiError> {
        request.headers_mut().insert(
            axum::http::header::CONTENT_TYPE,
            axum::http::HeaderValue::from_static("application/json"),
        );
        match request.extract::<Json<T>, _>().await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(refused(&rejection)),
        }
    }
}

fn refused(rejection: &JsonRejection) -> ApiError {
    let code = if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
        "body-too-large"
    } else {
        "malformed-body"
    };
    ApiError::new(rejection.status(), code, rejection.body_text())
}

/// The query of a request.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(ApiError::bad_request(
                "malformed-query",
                rejection.body_text(),
            )),
        }
    }
}

/// Part of a long list.
#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// Entries to leave out at the beginning; 0 by default.
    pub(crate) offset: Option<u32>,
    /// Entries to answer with, at most 1000, which is also the default.
    pub(crate) limit: Option<u32>,
}

impl Page {
    pub(crate) fn offset(self) -> i64 {
        i64::from(self.offset.unwrap_or(0))
    }

    pub(crate) fn limit(self) -> i64 {
        self.limit.map_or(PAGE_LEN_MAX, i64::from).min(PAGE_LEN_MAX)
    }
}

/// A name for people: not empty, not long, one line.
pub(crate) fn checked_name(name: &str) -> Result<&str, ApiError> {
    let name = name.trim();
    let fits = (1..=NAME_LEN_MAX).contains(&name.chars().count());
    if fits && !name.chars().any(char::is_control) {
        return Ok(name);
    }
    Err(ApiError::bad_request(
        "malformed-name",
        format!("a name has 1 to {NAME_LEN_MAX} characters on one line"),
    ))
}
