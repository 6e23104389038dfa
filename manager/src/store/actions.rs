//! Actions: the durable form of the state machine of `otaru-manager-rollout`.

use super::Conn;
use otaru_ddi::Phase;
use otaru_manager_rollout::{Action, Cancel, Cause, Status};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, query, query_as, query_scalar};

/// An action with everything a step needs to know about its deployment and device.
#[derive(Debug, Clone)]
pub(crate) struct StoredAction {
    pub(crate) seq: i64,
    pub(crate) id: String,
    pub(crate) workspace: String,
    pub(crate) device_seq: i64,
    pub(crate) device_kind: String,
    /// DDI id of the newest attempt.
    pub(crate) ddi_id: i64,
    pub(crate) version_seq: i64,
    /// The version identifier.
    pub(crate) version: String,
    /// SHA-256 of the version's artifact, hex.
    pub(crate) digest: String,
    pub(crate) is_foreign: bool,
    pub(crate) deadline_s: i64,
    /// Starts of the new firmware, if the deployment says so.
    pub(crate) trials: Option<i64>,
    pub(crate) already_running: bool,
    pub(crate) message: Option<String>,
    pub(crate) state: Action,
}

impl<'r> sqlx::FromRow<'r, SqliteRow> for StoredAction {
    fn from_row(row: &'r SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            seq: row.try_get("seq")?,
            id: row.try_get("id")?,
            workspace: row.try_get("workspace")?,
            device_seq: row.try_get("device")?,
            device_kind: row.try_get("device_kind")?,
            ddi_id: row.try_get("ddi_id")?,
            version_seq: row.try_get("version_seq")?,
            version: row.try_get("version")?,
            digest: row.try_get("sha256")?,
            is_foreign: row.try_get("is_foreign")?,
            deadline_s: row.try_get("deadline_s")?,
            trials: row.try_get("trials")?,
            already_running: row.try_get("already_running")?,
            message: row.try_get("message")?,
            state: decode(row)?,
        })
    }
}

macro_rules! select_actions {
    ($rest:literal) => {
        concat!(
            "SELECT x.seq, x.id, d.workspace, x.device, e.kind AS device_kind, ",
            "t.ddi_id, d.version AS version_seq, v.version, a.sha256, v.is_foreign, d.deadline_s, d.trials, ",
            "x.already_running, x.message, x.status, x.attempt, x.retries_left, x.trial_proven, ",
            "x.cancel, x.cancel_from, x.late, x.verified, x.phase, x.percent, x.cause, x.wake_at ",
            "FROM actions x JOIN deployments d ON d.id = x.deployment ",
            "JOIN versions v ON v.seq = d.version JOIN artifacts a ON a.version = v.seq ",
            "JOIN devices e ON e.seq = x.device ",
            "JOIN attempts t ON t.action = x.seq AND t.number = x.attempt ",
            $rest
        )
    };
}

/// The oldest open action of a device: what its poll is about.
pub(crate) async fn current(conn: &mut Conn, device: i64) -> sqlx::Result<Option<StoredAction>> {
    query_as(select_actions!(
        "WHERE x.device = ? AND x.is_open = 1 ORDER BY x.seq LIMIT 1"
    ))
    .bind(device)
    .fetch_optional(conn)
    .await
}

/// All open actions of a device, oldest first.
pub(crate) async fn open_of_device(
    conn: &mut Conn,
    device: i64,
) -> sqlx::Result<Vec<StoredAction>> {
    query_as(select_actions!(
        "WHERE x.device = ? AND x.is_open = 1 ORDER BY x.seq"
    ))
    .bind(device)
    .fetch_all(conn)
    .await
}

/// All open actions of a deployment.
pub(crate) async fn open_of_deployment(
    conn: &mut Conn,
    deployment: &str,
) -> sqlx::Result<Vec<StoredAction>> {
    query_as(select_actions!(
        "WHERE x.deployment = ? AND x.is_open = 1 ORDER BY x.seq"
    ))
    .bind(deployment)
    .fetch_all(conn)
    .await
}

/// Actions whose time has come, a limited number at once.
pub(crate) async fn due(conn: &mut Conn, now_ms: i64) -> sqlx::Result<Vec<StoredAction>> {
    query_as(select_actions!(
        "WHERE x.wake_at <= ? ORDER BY x.wake_at LIMIT 200"
    ))
    .bind(now_ms)
    .fetch_all(conn)
    .await
}

pub(crate) async fn by_id(
    conn: &mut Conn,
    workspace: &str,
    id: &str,
) -> sqlx::Result<Option<StoredAction>> {
    query_as(select_actions!("WHERE d.workspace = ? AND x.id = ?"))
        .bind(workspace)
        .bind(id)
        .fetch_optional(conn)
        .await
}

/// The action of a device that this DDI id belongs to, whatever attempt it is.
pub(crate) async fn by_ddi_id(
    conn: &mut Conn,
    device: i64,
    ddi_id: i64,
) -> sqlx::Result<Option<StoredAction>> {
    query_as(select_actions!(
        "WHERE x.device = ?1 AND x.seq = (SELECT action FROM attempts WHERE ddi_id = ?2)"
    ))
    .bind(device)
    .bind(ddi_id)
    .fetch_optional(conn)
    .await
}

/// An action that is about to exist.
#[derive(Debug)]
pub(crate) struct NewAction<'a> {
    pub(crate) id: &'a str,
    pub(crate) deployment: &'a str,
    pub(crate) device: i64,
    pub(crate) from_version: Option<&'a str>,
    pub(crate) already_running: bool,
    pub(crate) state: &'a Action,
    pub(crate) now_ms: i64,
}

/// Stores a new action; its number.
pub(crate) async fn insert(conn: &mut Conn, new: &NewAction<'_>) -> sqlx::Result<i64> {
    query_scalar(
        "INSERT INTO actions (id, deployment, device, from_version, already_running, status,
         attempt, retries_left, trial_proven, cancel, late, verified, is_open, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 'no', 0, 0, 1, ?, ?) RETURNING seq",
    )
    .bind(new.id)
    .bind(new.deployment)
    .bind(new.device)
    .bind(new.from_version)
    .bind(new.already_running)
    .bind(new.state.status.name())
    .bind(new.state.attempt)
    .bind(new.state.retries_left)
    .bind(new.now_ms)
    .bind(new.now_ms)
    .fetch_one(conn)
    .await
}

/// Stores the state of an action.
pub(crate) async fn save(conn: &mut Conn, action: &StoredAction, now_ms: i64) -> sqlx::Result<()> {
    let state = &action.state;
    let (cancel, cancel_from) = match state.cancel {
        Cancel::No => ("no", None),
        Cancel::Offered { from } => ("offered", Some(from.name())),
        Cancel::Withheld { from } => ("withheld", Some(from.name())),
    };
    query(
        "UPDATE actions SET status = ?, attempt = ?, retries_left = ?, trial_proven = ?,
         cancel = ?, cancel_from = ?, late = ?, verified = ?, phase = ?, percent = ?, cause = ?,
         message = ?, wake_at = ?, is_open = ?, already_running = ?, updated_at = ? WHERE seq = ?",
    )
    .bind(state.status.name())
    .bind(state.attempt)
    .bind(state.retries_left)
    .bind(state.trial_proven)
    .bind(cancel)
    .bind(cancel_from)
    .bind(state.late)
    .bind(state.verified)
    .bind(state.phase.map(Phase::name))
    .bind(state.percent)
    .bind(state.cause.map(Cause::name))
    .bind(&action.message)
    .bind(state.wake_at_ms)
    .bind(!state.status.is_terminal())
    .bind(action.already_running)
    .bind(now_ms)
    .bind(action.seq)
    .execute(conn)
    .await?;
    Ok(())
}

fn decode(row: &SqliteRow) -> sqlx::Result<Action> {
    let status = status_of(row.try_get("status")?)?;
    let from: Option<&str> = row.try_get("cancel_from")?;
    let cancel = match (
        row.try_get::<&str, _>("cancel")?,
        from.map(status_of).transpose()?,
    ) {
        ("offered", Some(from)) => Cancel::Offered { from },
        ("withheld", Some(from)) => Cancel::Withheld { from },
        _ => Cancel::No,
    };
    let phase: Option<&str> = row.try_get("phase")?;
    let cause: Option<&str> = row.try_get("cause")?;
    Ok(Action {
        status,
        attempt: row.try_get("attempt")?,
        retries_left: row.try_get("retries_left")?,
        trial_proven: row.try_get("trial_proven")?,
        cancel,
        late: row.try_get("late")?,
        verified: row.try_get("verified")?,
        phase: phase.and_then(|name| Phase::from_name(name).ok()),
        percent: row.try_get("percent")?,
        cause: cause.and_then(Cause::from_name),
        wake_at_ms: row.try_get("wake_at")?,
    })
}

fn status_of(name: &str) -> sqlx::Result<Status> {
    Status::from_name(name).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
