//! Deployments: one request to update devices or fleets to a version.

use super::Conn;
use sqlx::{query, query_as};

row! {
    /// A deployment with the names of what it deploys.
    DeploymentRow {
        id: String,
        firmware: String,
        firmware_name: String,
        version: String,
        target: String,
        deadline_s: i64,
        retries: i64,
        trials: Option<i64>,
        created_by: String,
        created_at: i64,
        action_count: i64,
        open_count: i64,
        succeeded_count: i64,
    }
}

macro_rules! select_deployments {
    ($rest:literal) => {
        concat!(
            "SELECT d.id, v.firmware, f.name AS firmware_name, ",
            "v.version, d.target, d.deadline_s, d.retries, d.trials, d.created_by, d.created_at, ",
            "(SELECT count(*) FROM actions x WHERE x.deployment = d.id) AS action_count, ",
            "(SELECT count(*) FROM actions x WHERE x.deployment = d.id AND x.is_open = 1) ",
            "AS open_count, (SELECT count(*) FROM actions x WHERE x.deployment = d.id ",
            "AND x.status = 'succeeded') AS succeeded_count ",
            "FROM deployments d JOIN versions v ON v.seq = d.version ",
            "JOIN firmwares f ON f.id = v.firmware ",
            $rest
        )
    };
}

/// A deployment that is about to exist.
#[derive(Debug)]
pub(crate) struct NewDeployment<'a> {
    pub(crate) id: &'a str,
    pub(crate) workspace: &'a str,
    pub(crate) version_seq: i64,
    pub(crate) target: &'a str,
    pub(crate) deadline_s: i64,
    pub(crate) retries: i64,
    pub(crate) trials: Option<u32>,
    pub(crate) created_by: &'a str,
    pub(crate) now_ms: i64,
}

pub(crate) async fn insert(conn: &mut Conn, new: &NewDeployment<'_>) -> sqlx::Result<()> {
    query(
        "INSERT INTO deployments
         (id, workspace, version, target, deadline_s, retries, trials, created_by, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id)
    .bind(new.workspace)
    .bind(new.version_seq)
    .bind(new.target)
    .bind(new.deadline_s)
    .bind(new.retries)
    .bind(new.trials)
    .bind(new.created_by)
    .bind(new.now_ms)
    .execute(conn)
    .await?;
    Ok(())
}

/// Newest first.
pub(crate) async fn list(
    conn: &mut Conn,
    workspace: &str,
    offset: i64,
    limit: i64,
) -> sqlx::Result<Vec<DeploymentRow>> {
    query_as(select_deployments!(
        "WHERE d.workspace = ? ORDER BY d.created_at DESC, d.id LIMIT ? OFFSET ?"
    ))
    .bind(workspace)
    .bind(limit)
    .bind(offset)
    .fetch_all(conn)
    .await
}

pub(crate) async fn get(
    conn: &mut Conn,
    workspace: &str,
    id: &str,
) -> sqlx::Result<Option<DeploymentRow>> {
    query_as(select_deployments!("WHERE d.workspace = ? AND d.id = ?"))
        .bind(workspace)
        .bind(id)
        .fetch_optional(conn)
        .await
}
