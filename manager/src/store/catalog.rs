//! Firmwares, their versions, and the artifacts of a version.

use super::Conn;
use sqlx::{query, query_as, query_scalar};

row! {
    /// A firmware: a named container of versions.
    FirmwareRow {
        id: String,
        name: String,
        description: String,
        created_at: i64,
        version_count: i64,
    }
}

row! {
    /// A version with its one artifact.
    VersionRow {
        seq: i64,
        id: String,
        firmware: String,
        firmware_name: String,
        version: String,
        is_foreign: bool,
        board: Option<String>,
        security_counter: Option<i64>,
        signing_key: Option<String>,
        parts: Option<String>,
        encryption: Option<String>,
        uploaded_by: String,
        created_at: i64,
        file_name: String,
        size: i64,
        sha256: String,
        sha1: String,
        md5: String,
        in_use: bool,
        deleted: bool,
    }
}

macro_rules! select_firmwares {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, description, created_at, (SELECT count(*) FROM versions v ",
            "WHERE v.firmware = f.id AND v.deleted_at IS NULL) AS version_count FROM firmwares f ",
            $rest
        )
    };
}

// In use: an open action wants it, or a device says that it runs it.
macro_rules! select_versions {
    ($rest:literal) => {
        concat!(
            "SELECT v.seq, v.id, v.firmware, f.name AS firmware_name, v.version, v.is_foreign, ",
            "v.board, v.security_counter, v.signing_key, v.parts, v.encryption, v.uploaded_by, ",
            "v.created_at, ",
            "a.file_name, a.size, a.sha256, a.sha1, a.md5, ",
            "(EXISTS (SELECT 1 FROM deployments d JOIN actions x ON x.deployment = d.id ",
            "WHERE d.version = v.seq AND x.is_open = 1) OR EXISTS (SELECT 1 FROM devices e ",
            "WHERE e.workspace = f.workspace AND e.digest = a.sha256)) AS in_use, ",
            "v.deleted_at IS NOT NULL AS deleted ",
            "FROM versions v JOIN firmwares f ON f.id = v.firmware ",
            "JOIN artifacts a ON a.version = v.seq ",
            $rest
        )
    };
}

pub(crate) async fn firmwares(conn: &mut Conn, workspace: &str) -> sqlx::Result<Vec<FirmwareRow>> {
    query_as(select_firmwares!(
        "WHERE workspace = ? ORDER BY created_at, id"
    ))
    .bind(workspace)
    .fetch_all(conn)
    .await
}

/// The firmware with this id or name.
pub(crate) async fn firmware(
    conn: &mut Conn,
    workspace: &str,
    id_or_name: &str,
) -> sqlx::Result<Option<FirmwareRow>> {
    query_as(select_firmwares!(
        "WHERE workspace = ?1 AND (id = ?2 OR name = ?2)"
    ))
    .bind(workspace)
    .bind(id_or_name)
    .fetch_optional(conn)
    .await
}

/// False if the name is taken.
pub(crate) async fn insert_firmware(
    conn: &mut Conn,
    workspace: &str,
    firmware: &FirmwareRow,
) -> sqlx::Result<bool> {
    let done = query(
        "INSERT INTO firmwares (id, workspace, name, description, created_at)
         VALUES (?, ?, ?, ?, ?) ON CONFLICT (workspace, name) DO NOTHING",
    )
    .bind(&firmware.id)
    .bind(workspace)
    .bind(&firmware.name)
    .bind(&firmware.description)
    .bind(firmware.created_at)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Newest first.
pub(crate) async fn versions(
    conn: &mut Conn,
    firmware: &str,
    offset: i64,
    limit: i64,
) -> sqlx::Result<Vec<VersionRow>> {
    query_as(select_versions!(
        "WHERE v.firmware = ? AND v.deleted_at IS NULL ORDER BY v.seq DESC LIMIT ? OFFSET ?"
    ))
    .bind(firmware)
    .bind(limit)
    .bind(offset)
    .fetch_all(conn)
    .await
}

/// The version with this identifier or id.
pub(crate) async fn version(
    conn: &mut Conn,
    firmware: &str,
    version: &str,
) -> sqlx::Result<Option<VersionRow>> {
    query_as(select_versions!(
        "WHERE v.firmware = ?1 AND (v.version = ?2 OR v.id = ?2) AND v.deleted_at IS NULL"
    ))
    .bind(firmware)
    .bind(version)
    .fetch_optional(conn)
    .await
}

pub(crate) async fn version_by_seq(conn: &mut Conn, seq: i64) -> sqlx::Result<Option<VersionRow>> {
    query_as(select_versions!("WHERE v.seq = ?"))
        .bind(seq)
        .fetch_optional(conn)
        .await
}

/// Digest of whatever has, or once had, this version identifier.
pub(crate) async fn taken_by(
    conn: &mut Conn,
    firmware: &str,
    version: &str,
) -> sqlx::Result<Option<String>> {
    query_scalar(
        "SELECT a.sha256 FROM versions v JOIN artifacts a ON a.version = v.seq
         WHERE v.firmware = ? AND v.version = ?",
    )
    .bind(firmware)
    .bind(version)
    .fetch_optional(conn)
    .await
}

/// Stores a version with its artifact; its `seq` is the number the database gives.
pub(crate) async fn insert_version(conn: &mut Conn, version: &VersionRow) -> sqlx::Result<i64> {
    let seq: i64 = query_scalar(
        "INSERT INTO versions (id, firmware, version, is_foreign, board, security_counter,
         signing_key, parts, encryption, uploaded_by, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq",
    )
    .bind(&version.id)
    .bind(&version.firmware)
    .bind(&version.version)
    .bind(version.is_foreign)
    .bind(&version.board)
    .bind(version.security_counter)
    .bind(&version.signing_key)
    .bind(&version.parts)
    .bind(&version.encryption)
    .bind(&version.uploaded_by)
    .bind(version.created_at)
    .fetch_one(&mut *conn)
    .await?;
    query(
        "INSERT INTO artifacts (version, component, slot, file_name, size, sha256, sha1, md5)
         VALUES (?, 'image', 'any', ?, ?, ?, ?, ?)",
    )
    .bind(seq)
    .bind(&version.file_name)
    .bind(version.size)
    .bind(&version.sha256)
    .bind(&version.sha1)
    .bind(&version.md5)
    .execute(conn)
    .await?;
    Ok(seq)
}

/// Hides a version for ever; its identifier stays taken and the history keeps its name.
pub(crate) async fn delete_version(conn: &mut Conn, seq: i64, now_ms: i64) -> sqlx::Result<()> {
    query("UPDATE versions SET deleted_at = ? WHERE seq = ?")
        .bind(now_ms)
        .bind(seq)
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether any version that is not deleted has this content.
pub(crate) async fn is_content_wanted(conn: &mut Conn, sha256: &str) -> sqlx::Result<bool> {
    query_scalar(
        "SELECT EXISTS (SELECT 1 FROM artifacts a JOIN versions v ON v.seq = a.version
         WHERE a.sha256 = ? AND v.deleted_at IS NULL)",
    )
    .bind(sha256)
    .fetch_one(conn)
    .await
}

/// Whether the device may fetch this version: it is offered to it, or was installed on it.
pub(crate) async fn may_fetch(conn: &mut Conn, device: i64, version: i64) -> sqlx::Result<bool> {
    query_scalar(
        "SELECT EXISTS (SELECT 1 FROM actions x JOIN deployments d ON d.id = x.deployment
         WHERE x.device = ? AND d.version = ? AND (x.is_open = 1 OR x.status = 'succeeded'))",
    )
    .bind(device)
    .bind(version)
    .fetch_one(conn)
    .await
}
