//! Actions as people and programs see them, joined with the names around them.

use super::Conn;
use sqlx::query_as;

row! {
    /// An action without its attempts.
    ActionRow {
        id: String,
        deployment: String,
        device: String,
        device_name: String,
        firmware: String,
        firmware_name: String,
        version: String,
        digest: String,
        from_version: Option<String>,
        status: String,
        phase: Option<String>,
        percent: Option<i64>,
        cause: Option<String>,
        message: Option<String>,
        attempt: i64,
        late: bool,
        verified: bool,
        created_by: String,
        created_at: i64,
        updated_at: i64,
    }
}

macro_rules! select_views {
    ($rest:literal) => {
        concat!(
            "SELECT x.id, x.deployment, e.id AS device, e.name AS device_name, v.firmware, ",
            "f.name AS firmware_name, v.version, a.sha256 AS digest, x.from_version, x.status, ",
            "x.phase, x.percent, x.cause, x.message, x.attempt, x.late, x.verified, d.created_by, ",
            "x.created_at, x.updated_at FROM actions x ",
            "JOIN deployments d ON d.id = x.deployment JOIN versions v ON v.seq = d.version ",
            "JOIN artifacts a ON a.version = v.seq JOIN firmwares f ON f.id = v.firmware ",
            "JOIN devices e ON e.seq = x.device ",
            $rest
        )
    };
}

/// Which actions to list.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct ActionFilter<'a> {
    pub(crate) device: Option<i64>,
    pub(crate) deployment: Option<&'a str>,
    pub(crate) open: Option<bool>,
    pub(crate) offset: i64,
    pub(crate) limit: i64,
}

pub(crate) async fn action(
    conn: &mut Conn,
    workspace: &str,
    id: &str,
) -> sqlx::Result<Option<ActionRow>> {
    query_as(select_views!("WHERE d.workspace = ? AND x.id = ?"))
        .bind(workspace)
        .bind(id)
        .fetch_optional(conn)
        .await
}

/// The action a device page shows first: the oldest open one, else the newest.
pub(crate) async fn of_device(conn: &mut Conn, device: i64) -> sqlx::Result<Option<ActionRow>> {
    query_as(select_views!(
        "WHERE x.device = ? ORDER BY x.is_open DESC, CASE x.is_open WHEN 1 THEN x.seq ELSE -x.seq END
         LIMIT 1"
    ))
    .bind(device)
    .fetch_optional(conn)
    .await
}

/// Newest first.
pub(crate) async fn actions(
    conn: &mut Conn,
    workspace: &str,
    filter: ActionFilter<'_>,
) -> sqlx::Result<Vec<ActionRow>> {
    let query = match (filter.device, filter.deployment) {
        (Some(_), _) => query_as(select_views!(
            "WHERE d.workspace = ?1 AND x.device = ?2 AND (?3 IS NULL OR x.deployment = ?3)
             AND (?4 IS NULL OR x.is_open = ?4) ORDER BY x.seq DESC LIMIT ?6 OFFSET ?5"
        )),
        (None, Some(_)) => query_as(select_views!(
            "WHERE d.workspace = ?1 AND ?2 IS NULL AND x.deployment = ?3
             AND (?4 IS NULL OR x.is_open = ?4) ORDER BY x.seq DESC LIMIT ?6 OFFSET ?5"
        )),
        (None, None) => query_as(select_views!(
            "WHERE d.workspace = ?1 AND ?2 IS NULL AND ?3 IS NULL
             AND (?4 IS NULL OR x.is_open = ?4) ORDER BY x.seq DESC LIMIT ?6 OFFSET ?5"
        )),
    };
    query
        .bind(workspace)
        .bind(filter.device)
        .bind(filter.deployment)
        .bind(filter.open)
        .bind(filter.offset)
        .bind(filter.limit)
        .fetch_all(conn)
        .await
}
