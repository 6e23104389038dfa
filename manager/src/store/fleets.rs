//! Fleets: every device is in exactly one.

use super::Conn;
use sqlx::{query, query_as, query_scalar};

row! {
    /// A fleet and how many devices are in it.
    FleetRow {
        id: String,
        name: String,
        device_count: i64,
    }
}

pub(crate) async fn list(conn: &mut Conn, workspace: &str) -> sqlx::Result<Vec<FleetRow>> {
    query_as(
        "SELECT id, name, (SELECT count(*) FROM devices d WHERE d.fleet = fleets.id) AS device_count
         FROM fleets WHERE workspace = ? ORDER BY created_at, id",
    )
    .bind(workspace)
    .fetch_all(conn)
    .await
}

/// The fleet with this id or name.
pub(crate) async fn find(
    conn: &mut Conn,
    workspace: &str,
    id_or_name: &str,
) -> sqlx::Result<Option<FleetRow>> {
    query_as(
        "SELECT id, name, (SELECT count(*) FROM devices d WHERE d.fleet = fleets.id) AS device_count
         FROM fleets WHERE workspace = ?1 AND (id = ?2 OR name = ?2)",
    )
    .bind(workspace)
    .bind(id_or_name)
    .fetch_optional(conn)
    .await
}

/// The fleet that devices join when nobody says otherwise: the oldest.
pub(crate) async fn default(conn: &mut Conn, workspace: &str) -> sqlx::Result<Option<String>> {
    query_scalar("SELECT id FROM fleets WHERE workspace = ? ORDER BY created_at, id LIMIT 1")
        .bind(workspace)
        .fetch_optional(conn)
        .await
}

/// False if the name is taken.
pub(crate) async fn insert(
    conn: &mut Conn,
    id: &str,
    workspace: &str,
    name: &str,
    now_ms: i64,
) -> sqlx::Result<bool> {
    let done = query(
        "INSERT INTO fleets (id, workspace, name, created_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (workspace, name) DO NOTHING",
    )
    .bind(id)
    .bind(workspace)
    .bind(name)
    .bind(now_ms)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// False if the name is taken.
pub(crate) async fn rename(conn: &mut Conn, id: &str, name: &str) -> sqlx::Result<bool> {
    let done = query("UPDATE OR IGNORE fleets SET name = ? WHERE id = ?")
        .bind(name)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

pub(crate) async fn delete(conn: &mut Conn, id: &str) -> sqlx::Result<()> {
    query("DELETE FROM fleets WHERE id = ?")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}
