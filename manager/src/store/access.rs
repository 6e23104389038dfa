//! Workspaces, and who may speak for them: API keys, admin links, sessions, signing keys.

use super::Conn;
use crate::secret::SecretHash;
use sqlx::{query, query_as, query_scalar};

row! {
    /// A workspace.
    WorkspaceRow {
        id: String,
        name: String,
        gateway_token_hash: Option<Vec<u8>>,
    }
}

row! {
    /// A public key of a workspace's ring.
    SigningKeyRow {
        id: String,
        name: String,
        public_key: Vec<u8>,
        development: bool,
        created_at: i64,
    }
}

row! {
    /// An API key, without its secret.
    ApiKeyRow {
        id: String,
        name: String,
        enabled: bool,
        created_at: i64,
    }
}

pub(crate) async fn insert_workspace(
    conn: &mut Conn,
    id: &str,
    name: &str,
    now_ms: i64,
) -> sqlx::Result<()> {
    query("INSERT INTO workspaces (id, name, created_at) VALUES (?, ?, ?)")
        .bind(id)
        .bind(name)
        .bind(now_ms)
        .execute(conn)
        .await?;
    Ok(())
}

/// The workspace that the DDI tenant `DEFAULT` stands for.
pub(crate) async fn first_workspace(conn: &mut Conn) -> sqlx::Result<Option<WorkspaceRow>> {
    query_as("SELECT id, name, gateway_token_hash FROM workspaces ORDER BY seq LIMIT 1")
        .fetch_optional(conn)
        .await
}

pub(crate) async fn workspace(conn: &mut Conn, id: &str) -> sqlx::Result<Option<WorkspaceRow>> {
    query_as("SELECT id, name, gateway_token_hash FROM workspaces WHERE id = ?")
        .bind(id)
        .fetch_optional(conn)
        .await
}

pub(crate) async fn rename_workspace(conn: &mut Conn, id: &str, name: &str) -> sqlx::Result<()> {
    query("UPDATE workspaces SET name = ? WHERE id = ?")
        .bind(name)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn set_gateway_token(
    conn: &mut Conn,
    workspace: &str,
    hash: Option<&SecretHash>,
) -> sqlx::Result<()> {
    query("UPDATE workspaces SET gateway_token_hash = ? WHERE id = ?")
        .bind(hash.map(<[u8; 32]>::as_slice))
        .bind(workspace)
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn insert_api_key(
    conn: &mut Conn,
    workspace: &str,
    key: &ApiKeyRow,
    hash: &SecretHash,
) -> sqlx::Result<()> {
    query(
        "INSERT INTO api_keys (id, workspace, name, secret_hash, enabled, created_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(&key.id)
    .bind(workspace)
    .bind(&key.name)
    .bind(hash.as_slice())
    .bind(key.enabled)
    .bind(key.created_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Workspace, name and secret hash of an API key that is enabled.
pub(crate) async fn api_key(
    conn: &mut Conn,
    id: &str,
) -> sqlx::Result<Option<(String, String, Vec<u8>)>> {
    query_as("SELECT workspace, name, secret_hash FROM api_keys WHERE id = ? AND enabled")
        .bind(id)
        .fetch_optional(conn)
        .await
}

pub(crate) async fn api_keys(conn: &mut Conn, workspace: &str) -> sqlx::Result<Vec<ApiKeyRow>> {
    query_as(
        "SELECT id, name, enabled, created_at FROM api_keys WHERE workspace = ?
         ORDER BY created_at, id",
    )
    .bind(workspace)
    .fetch_all(conn)
    .await
}

/// False if the workspace has no such key.
pub(crate) async fn enable_api_key(
    conn: &mut Conn,
    workspace: &str,
    id: &str,
    enabled: bool,
) -> sqlx::Result<bool> {
    let done = query("UPDATE api_keys SET enabled = ? WHERE workspace = ? AND id = ?")
        .bind(enabled)
        .bind(workspace)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

pub(crate) async fn delete_api_key(
    conn: &mut Conn,
    workspace: &str,
    id: &str,
) -> sqlx::Result<bool> {
    let done = query("DELETE FROM api_keys WHERE workspace = ? AND id = ?")
        .bind(workspace)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

pub(crate) async fn insert_admin_link(
    conn: &mut Conn,
    hash: &SecretHash,
    workspace: &str,
    expires_at: i64,
) -> sqlx::Result<()> {
    query("INSERT INTO admin_links (token_hash, workspace, expires_at) VALUES (?, ?, ?)")
        .bind(hash.as_slice())
        .bind(workspace)
        .bind(expires_at)
        .execute(conn)
        .await?;
    Ok(())
}

/// Uses up the one-time token; the workspace it opens, if it was still good.
pub(crate) async fn use_admin_link(
    conn: &mut Conn,
    hash: &SecretHash,
    now_ms: i64,
) -> sqlx::Result<Option<String>> {
    query_scalar(
        "UPDATE admin_links SET used_at = ?2
         WHERE token_hash = ?1 AND used_at IS NULL AND expires_at > ?2 RETURNING workspace",
    )
    .bind(hash.as_slice())
    .bind(now_ms)
    .fetch_optional(conn)
    .await
}

/// A session of the web app, without its token.
pub(crate) struct SessionRow<'a> {
    pub(crate) workspace: &'a str,
    /// The key that opened it; the session ends with it.
    pub(crate) api_key: Option<&'a str>,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
}

pub(crate) async fn insert_session(
    conn: &mut Conn,
    hash: &SecretHash,
    session: &SessionRow<'_>,
) -> sqlx::Result<()> {
    query("DELETE FROM sessions WHERE expires_at <= ?")
        .bind(session.created_at)
        .execute(&mut *conn)
        .await?;
    query(
        "INSERT INTO sessions (token_hash, workspace, api_key, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?)",
    )
    .bind(hash.as_slice())
    .bind(session.workspace)
    .bind(session.api_key)
    .bind(session.created_at)
    .bind(session.expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Workspace and API key of a session that is not over, and whose key is still good.
pub(crate) async fn session(
    conn: &mut Conn,
    hash: &SecretHash,
    now_ms: i64,
) -> sqlx::Result<Option<(String, Option<String>)>> {
    query_as(
        "SELECT sessions.workspace, sessions.api_key
         FROM sessions LEFT JOIN api_keys ON api_keys.id = sessions.api_key
         WHERE token_hash = ? AND expires_at > ?
           AND (sessions.api_key IS NULL OR api_keys.enabled <> 0)",
    )
    .bind(hash.as_slice())
    .bind(now_ms)
    .fetch_optional(conn)
    .await
}

pub(crate) async fn delete_session(conn: &mut Conn, hash: &SecretHash) -> sqlx::Result<()> {
    query("DELETE FROM sessions WHERE token_hash = ?")
        .bind(hash.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn signing_keys(
    conn: &mut Conn,
    workspace: &str,
) -> sqlx::Result<Vec<SigningKeyRow>> {
    query_as(
        "SELECT id, name, public_key, development, created_at FROM signing_keys
         WHERE workspace = ? ORDER BY created_at, id",
    )
    .bind(workspace)
    .fetch_all(conn)
    .await
}

pub(crate) async fn insert_signing_key(
    conn: &mut Conn,
    workspace: &str,
    key: &SigningKeyRow,
) -> sqlx::Result<bool> {
    let done = query(
        "INSERT INTO signing_keys (id, workspace, name, public_key, development, created_at)
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (workspace, public_key) DO NOTHING",
    )
    .bind(&key.id)
    .bind(workspace)
    .bind(&key.name)
    .bind(&key.public_key)
    .bind(key.development)
    .bind(key.created_at)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

pub(crate) async fn delete_signing_key(
    conn: &mut Conn,
    workspace: &str,
    id: &str,
) -> sqlx::Result<bool> {
    let done = query("DELETE FROM signing_keys WHERE workspace = ? AND id = ?")
        .bind(workspace)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}
