//! The ring of public signing keys. Private keys never come here.

use super::request::{Body, checked_name};
use super::views::SigningKey;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::public_key::PublicKey;
use crate::store::access::SigningKeyRow;
use crate::{secret, store};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

/// Most keys of a workspace; each costs a little at every upload.
const KEYS_MAX: usize = 64;

/// A public key to register.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewKey {
    pub(crate) name: String,
    /// `ed25519` or `p256`; without it what the number of digits says.
    pub(crate) algorithm: Option<String>,
    /// 64 hex digits of Ed25519; 66 of P-256: 02 or 03, then the x coordinate.
    pub(crate) public_key: String,
    /// Marks a key that anybody may have, such as one of a new project.
    #[serde(default)]
    pub(crate) development: bool,
}

/// The key ring, oldest first.
#[utoipa::path(get, path = "/keys", tag = "keys", responses((status = 200, body = [SigningKey])))]
pub(crate) async fn list(
    State(app): State<AppState>,
    caller: Caller,
) -> Result<Json<Vec<SigningKey>>, ApiError> {
    let mut conn = app.store.reader().await?;
    let rows = store::access::signing_keys(&mut conn, &caller.workspace).await?;
    Ok(Json(rows.into_iter().map(SigningKey::from).collect()))
}

/// Registers a public key. Images signed by it can be uploaded from then on.
#[utoipa::path(post, path = "/keys", tag = "keys", request_body = NewKey,
    responses((status = 201, body = SigningKey), (status = 409, description = "`key-exists`"),
        (status = 422, description = "`malformed-key`, `unsupported`")))]
pub(crate) async fn create(
    State(app): State<AppState>,
    caller: Caller,
    Body(new): Body<NewKey>,
) -> Result<(StatusCode, Json<SigningKey>), ApiError> {
    let name = checked_name(&new.name)?.to_owned();
    let known = new.algorithm.as_deref();
    if known.is_some_and(|name| !matches!(name, "ed25519" | "p256")) {
        return Err(ApiError::unprocessable(
            "unsupported",
            "only ed25519 and p256 keys are supported",
        ));
    }
    let public_key = PublicKey::parse(&new.public_key)?;
    if known.is_some_and(|name| name != public_key.algorithm()) {
        return Err(ApiError::unprocessable(
            "malformed-key",
            format!("this is a key for {}", public_key.algorithm()),
        ));
    }
    let row = SigningKeyRow {
        id: secret::new_id("sgn"),
        name,
        public_key: public_key.stored(),
        development: new.development,
        created_at: app.now_ms(),
    };
    let mut tx = app.store.begin().await?;
    let ring = store::access::signing_keys(&mut tx, &caller.workspace).await?;
    if ring.len() >= KEYS_MAX {
        return Err(ApiError::conflict("too-many-keys", "the key ring is full")
            .hint("delete keys that are not in use any more"));
    }
    if !store::access::insert_signing_key(&mut tx, &caller.workspace, &row).await? {
        return Err(ApiError::conflict(
            "key-exists",
            "this key is registered already",
        ));
    }
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(row.into())))
}

/// Takes a key off the ring. Versions that it signed stay.
#[utoipa::path(delete, path = "/keys/{id}", tag = "keys", params(("id" = String, Path)),
    responses((status = 204, description = "deleted")))]
pub(crate) async fn delete(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut tx = app.store.begin().await?;
    if !store::access::delete_signing_key(&mut tx, &caller.workspace, &id).await? {
        return Err(ApiError::not_found("signing key"));
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
