//! The key ring: public keys are pasted as hex digits or as PEM.

use super::fields::Form;
use super::page::{Visitor, WebError, see_other};
use crate::api;
use crate::api::keys::NewKey;
use crate::api::request::Body;
use crate::app::AppState;
use crate::error::ApiError;
use crate::public_key::PublicKey;
use axum::extract::{Path, State};
use axum::response::Response;

/// Registers a public key.
pub(super) async fn create(
    State(app): State<AppState>,
    visitor: Visitor,
    Form(form): Form,
) -> Result<Response, WebError> {
    let new = NewKey {
        name: form.text("name").to_owned(),
        algorithm: None,
        public_key: public_key(form.text("public_key"))?,
        development: form.filled("development").is_some(),
    };
    drop(api::keys::create(State(app), visitor.caller, Body(new)).await?);
    Ok(see_other(&format!("{}/settings", visitor.root)))
}

/// Takes a key off the ring.
pub(super) async fn remove(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    api::keys::delete(State(app), visitor.caller, Path(id)).await?;
    Ok(see_other(&format!("{}/settings", visitor.root)))
}

/// The key in hex digits, of either form.
fn public_key(text: &str) -> Result<String, ApiError> {
    if text.contains("PRIVATE KEY") {
        return Err(ApiError::unprocessable(
            "private-key",
            "this is a private key, and was not stored",
        )
        .hint("paste the public one; `otaru keys list` shows it"));
    }
    if !text.contains("-----BEGIN") {
        return Ok(text.split_whitespace().collect());
    }
    PublicKey::of_pem(text)
        .map(PublicKey::to_hex)
        .ok_or_else(|| {
            ApiError::unprocessable(
                "malformed-key",
                "this is no Ed25519 or P-256 public key in PEM form",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_hex_and_as_pem_and_private_ones_refused() {
        // The example key of RFC 8410, section 10.1.
        let pem = "-----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
            -----END PUBLIC KEY-----\n";
        let hex = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
        assert_eq!(public_key(pem).unwrap(), hex);
        assert_eq!(
            public_key(&format!(" {}\n{} ", &hex[..32], &hex[32..])).unwrap(),
            hex
        );
        for (bad, code) in [
            ("-----BEGIN PRIVATE KEY-----", "private-key"),
            (
                "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
                "malformed-key",
            ),
            ("-----BEGIN", "malformed-key"),
        ] {
            assert_eq!(public_key(bad).unwrap_err().code, code, "{bad}");
        }
    }
}
