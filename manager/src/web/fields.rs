//! Fields of a form or of a query. A field may come several times.

use crate::error::ApiError;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use std::convert::Infallible;

use super::page::WebError;

/// Fields of the body of a form.
#[derive(Debug, Default)]
pub(super) struct Form(pub(super) Fields);

/// Fields of the address.
#[derive(Debug, Default)]
pub(super) struct Query(pub(super) Fields);

/// Names and values in the order in which they were sent.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The trimmed value of a field, empty if it is missing.
    pub(super) fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// The trimmed value of a field that was filled in.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// Every trimmed value of a field.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.trim())
    }

    /// A whole number that was filled in.
    ///
    /// # Errors
    /// If it is something else; `what` says what it should have been.
    pub(super) fn number(&self, name: &str, what: &str) -> Result<Option<u32>, ApiError> {
        self.filled(name)
            .map(|text| {
                text.parse().map_err(|_not_a_number| {
                    ApiError::bad_request("malformed-number", format!("{what} is a whole number"))
                })
            })
            .transpose()
    }

    /// The page of a long list, from 0; people count from 1.
    pub(super) fn page(&self) -> u32 {
        self.text("page")
            .parse::<u32>()
            .unwrap_or(1)
            .clamp(1, 1_000_000)
            - 1
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = WebError;

    async fn from_request(request: Request, state: &S) -> Result<Self, WebError> {
        let body = Bytes::from_request(request, state).await.map_err(|error| {
            ApiError::new(
                error.status(),
                "malformed-form",
                "the form could not be read",
            )
            .hint("it may be too long")
        })?;
        Ok(Self(Fields::parse(&body)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Fields::parse(
            parts.uri.query().unwrap_or_default().as_bytes(),
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_trimmed_and_may_come_several_times() {
        let fields = Fields::parse(b"fleet=a&fleet=%20b+c%20&empty=&page=3&n=x");
        assert_eq!(fields.all("fleet").collect::<Vec<_>>(), ["a", "b c"]);
        assert_eq!(fields.filled("empty"), None);
        assert_eq!(fields.text("missing"), "");
        assert_eq!(fields.page(), 2);
        assert!(fields.number("n", "n").is_err());
        assert!(fields.number("empty", "n").unwrap().is_none());
        for odd in ["page=0", "page=-1", "page=99999999999", "", "page=x"] {
            assert!(Fields::parse(odd.as_bytes()).page() < 1_000_000, "{odd}");
        }
    }
}
