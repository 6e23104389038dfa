//! Unfinished uploads. How far one has come is the length of its file, not a column.

use super::Conn;
use sqlx::{query, query_as, query_scalar};

row! {
    /// An unfinished upload.
    UploadRow {
        id: String,
        firmware: String,
        version: String,
        size: i64,
        sha256: String,
        file_name: String,
        is_foreign: bool,
        uploaded_by: String,
        created_at: i64,
    }
}

macro_rules! select_uploads {
    ($rest:literal) => {
        concat!(
            "SELECT id, firmware, version, size, sha256, file_name, is_foreign, uploaded_by, ",
            "created_at FROM uploads ",
            $rest
        )
    };
}

pub(crate) async fn insert(
    conn: &mut Conn,
    workspace: &str,
    upload: &UploadRow,
) -> sqlx::Result<()> {
    query(
        "INSERT INTO uploads (id, workspace, firmware, version, size, sha256, file_name, is_foreign,
         uploaded_by, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&upload.id)
    .bind(workspace)
    .bind(&upload.firmware)
    .bind(&upload.version)
    .bind(upload.size)
    .bind(&upload.sha256)
    .bind(&upload.file_name)
    .bind(upload.is_foreign)
    .bind(&upload.uploaded_by)
    .bind(upload.created_at)
    .execute(conn)
    .await?;
    Ok(())
}

pub(crate) async fn get(
    conn: &mut Conn,
    workspace: &str,
    id: &str,
) -> sqlx::Result<Option<UploadRow>> {
    query_as(select_uploads!("WHERE workspace = ? AND id = ?"))
        .bind(workspace)
        .bind(id)
        .fetch_optional(conn)
        .await
}

/// The unfinished upload of the same content for the same version.
pub(crate) async fn same(
    conn: &mut Conn,
    firmware: &str,
    version: &str,
    sha256: &str,
) -> sqlx::Result<Option<UploadRow>> {
    query_as(select_uploads!(
        "WHERE firmware = ? AND version = ? AND sha256 = ?"
    ))
    .bind(firmware)
    .bind(version)
    .bind(sha256)
    .fetch_optional(conn)
    .await
}

pub(crate) async fn count(conn: &mut Conn, workspace: &str) -> sqlx::Result<i64> {
    query_scalar("SELECT count(*) FROM uploads WHERE workspace = ?")
        .bind(workspace)
        .fetch_one(conn)
        .await
}

pub(crate) async fn delete(conn: &mut Conn, id: &str) -> sqlx::Result<()> {
    query("DELETE FROM uploads WHERE id = ?")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets uploads that nobody has finished since then, and names them.
pub(crate) async fn delete_older_than(
    conn: &mut Conn,
    created_before: i64,
) -> sqlx::Result<Vec<String>> {
    query_scalar("DELETE FROM uploads WHERE created_at < ? RETURNING id")
        .bind(created_before)
        .fetch_all(conn)
        .await
}

pub(crate) async fn ids(conn: &mut Conn) -> sqlx::Result<Vec<String>> {
    query_scalar("SELECT id FROM uploads").fetch_all(conn).await
}
