//! First contact, the workspace, API keys.

use super::request::{Body, checked_name};
use super::views::{ApiKey, Workspace};
use crate::app::AppState;
use crate::auth::{self, Caller};
use crate::error::ApiError;
use crate::{secret, store};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The one-time admin token.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Setup {
    token: String,
    /// Name of the new API key; `admin` by default.
    name: Option<String>,
}

/// A new API key, shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SetupDone {
    pub(crate) api_key: String,
    pub(crate) workspace: Workspace,
}

/// Exchanges the one-time admin token for an API key.
#[utoipa::path(post, path = "/setup", tag = "access", request_body = Setup, security(()),
    responses((status = 200, body = SetupDone), (status = 401, description = "used, expired or unknown")))]
pub(crate) async fn setup(
    State(app): State<AppState>,
    Body(setup): Body<Setup>,
) -> Result<Json<SetupDone>, ApiError> {
    let name = checked_name(setup.name.as_deref().unwrap_or("admin"))?;
    let now_ms = app.now_ms();
    let mut tx = app.store.begin().await?;
    let workspace = auth::redeem_admin_token(&mut tx, &setup.token, now_ms).await?;
    let (_, api_key) = auth::insert_api_key(&mut tx, &workspace, name, now_ms).await?;
    let workspace = view(&mut tx, &workspace).await?;
    tx.commit().await?;
    Ok(Json(SetupDone { api_key, workspace }))
}

/// The workspace of the API key.
#[utoipa::path(get, path = "/workspace", tag = "access", responses((status = 200, body = Workspace)))]
pub(crate) async fn workspace(
    State(app): State<AppState>,
    caller: Caller,
) -> Result<Json<Workspace>, ApiError> {
    let mut conn = app.store.reader().await?;
    Ok(Json(view(&mut conn, &caller.workspace).await?))
}

/// What to change about a workspace.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct WorkspaceChange {
    pub(crate) name: String,
}

/// Renames the workspace.
#[utoipa::path(patch, path = "/workspace", tag = "access", request_body = WorkspaceChange,
    responses((status = 200, body = Workspace)))]
pub(crate) async fn rename_workspace(
    State(app): State<AppState>,
    caller: Caller,
    Body(change): Body<WorkspaceChange>,
) -> Result<Json<Workspace>, ApiError> {
    let name = checked_name(&change.name)?;
    let mut tx = app.store.begin().await?;
    store::access::rename_workspace(&mut tx, &caller.workspace, name).await?;
    let workspace = view(&mut tx, &caller.workspace).await?;
    tx.commit().await?;
    Ok(Json(workspace))
}

async fn view(conn: &mut store::Conn, id: &str) -> Result<Workspace, ApiError> {
    let row = store::access::workspace(conn, id)
        .await?
        .ok_or_else(|| ApiError::not_found("workspace"))?;
    Ok(Workspace {
        id: row.id,
        name: row.name,
        manager_version: env!("CARGO_PKG_VERSION"),
        gateway: row.gateway_token_hash.is_some(),
    })
}

/// A new gateway token, shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GatewayToken {
    pub(crate) token: String,
}

/// Makes a new gateway token; the old one stops working.
#[utoipa::path(post, path = "/workspace/gateway-token", tag = "access",
    responses((status = 201, body = GatewayToken)))]
pub(crate) async fn new_gateway_token(
    State(app): State<AppState>,
    caller: Caller,
) -> Result<(StatusCode, Json<GatewayToken>), ApiError> {
    let token = secret::new_secret();
    let hash = secret::hash(&token);
    let mut tx = app.store.begin().await?;
    store::access::set_gateway_token(&mut tx, &caller.workspace, Some(&hash)).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(GatewayToken { token })))
}

/// Removes the gateway token; devices keep working with their own.
#[utoipa::path(delete, path = "/workspace/gateway-token", tag = "access",
    responses((status = 204, description = "removed")))]
pub(crate) async fn delete_gateway_token(
    State(app): State<AppState>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    let mut tx = app.store.begin().await?;
    store::access::set_gateway_token(&mut tx, &caller.workspace, None).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The API keys of the workspace, without their secrets.
#[utoipa::path(get, path = "/api-keys", tag = "access", responses((status = 200, body = [ApiKey])))]
pub(crate) async fn list_api_keys(
    State(app): State<AppState>,
    caller: Caller,
) -> Result<Json<Vec<ApiKey>>, ApiError> {
    let mut conn = app.store.reader().await?;
    let rows = store::access::api_keys(&mut conn, &caller.workspace).await?;
    Ok(Json(rows.into_iter().map(ApiKey::from).collect()))
}

/// The name of a new API key.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewApiKey {
    pub(crate) name: String,
}

/// A new API key, shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedApiKey {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) api_key: String,
}

/// Makes an API key.
#[utoipa::path(post, path = "/api-keys", tag = "access", request_body = NewApiKey,
    responses((status = 201, body = CreatedApiKey)))]
pub(crate) async fn create_api_key(
    State(app): State<AppState>,
    caller: Caller,
    Body(new): Body<NewApiKey>,
) -> Result<(StatusCode, Json<CreatedApiKey>), ApiError> {
    let name = checked_name(&new.name)?.to_owned();
    let (id, api_key) = auth::new_api_key(&app, &caller.workspace, &name).await?;
    Ok((
        StatusCode::CREATED,
        Json(CreatedApiKey { id, name, api_key }),
    ))
}

/// What to change about an API key.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ApiKeyChange {
    /// A disabled key does not work until it is enabled again.
    pub(crate) enabled: bool,
}

/// Enables or disables an API key, at once.
#[utoipa::path(patch, path = "/api-keys/{id}", tag = "access", params(("id" = String, Path)),
    request_body = ApiKeyChange, responses((status = 200, body = ApiKey)))]
pub(crate) async fn update_api_key(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Body(change): Body<ApiKeyChange>,
) -> Result<Json<ApiKey>, ApiError> {
    let unknown = || ApiError::not_found("API key");
    let mut tx = app.store.begin().await?;
    let workspace = &caller.workspace;
    if !store::access::enable_api_key(&mut tx, workspace, &id, change.enabled).await? {
        return Err(unknown());
    }
    let keys = store::access::api_keys(&mut tx, workspace).await?;
    tx.commit().await?;
    let row = keys.into_iter().find(|row| row.id == id);
    Ok(Json(row.map(ApiKey::from).ok_or_else(unknown)?))
}

/// Deletes an API key; it stops working at once.
#[utoipa::path(delete, path = "/api-keys/{id}", tag = "access", params(("id" = String, Path)),
    responses((status = 204, description = "deleted")))]
pub(crate) async fn delete_api_key(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut tx = app.store.begin().await?;
    if !store::access::delete_api_key(&mut tx, &caller.workspace, &id).await? {
        return Err(ApiError::not_found("API key"));
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
