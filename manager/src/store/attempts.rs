//! Attempts and their history: transitions and the failing firmware's last console lines.

use super::Conn;
use crate::secret;
use otaru_ddi::Phase;
use otaru_manager_rollout::{Action, Cause, Status};
use sqlx::{query, query_as, query_scalar};

/// History entries of one attempt; further ones that do not end it are dropped.
const TRANSITIONS_MAX: i64 = 1_000;
/// Console lines kept of one attempt.
pub(crate) const CONSOLE_LINES_MAX: usize = 200;

row! {
    /// One try of a device at an action.
    AttemptRow {
        ddi_id: i64,
        number: i64,
        status: String,
        cause: Option<String>,
        started_at: i64,
        ended_at: Option<i64>,
        from_image: Option<String>,
        to_image: Option<String>,
        chunks: Option<i64>,
        cuts: Option<i64>,
        install_ms: Option<i64>,
    }
}

row! {
    /// One entry of an attempt's history.
    TransitionRow {
        attempt: i64,
        at: i64,
        status: String,
        phase: Option<String>,
        percent: Option<i64>,
        cause: Option<String>,
        text: Option<String>,
    }
}

/// Opens an attempt; its DDI id.
pub(crate) async fn start(
    conn: &mut Conn,
    action: i64,
    number: u32,
    now_ms: i64,
) -> sqlx::Result<i64> {
    query_scalar(
        "INSERT INTO attempts (action, number, status, started_at) VALUES (?, ?, 'pending', ?)
         RETURNING ddi_id",
    )
    .bind(action)
    .bind(number)
    .bind(now_ms)
    .fetch_one(conn)
    .await
}

pub(crate) async fn set_status(conn: &mut Conn, ddi_id: i64, status: Status) -> sqlx::Result<()> {
    query("UPDATE attempts SET status = ? WHERE ddi_id = ?")
        .bind(status.name())
        .bind(ddi_id)
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn end(
    conn: &mut Conn,
    ddi_id: i64,
    status: Status,
    cause: Option<Cause>,
    now_ms: i64,
) -> sqlx::Result<()> {
    query("UPDATE attempts SET status = ?, cause = ?, ended_at = ? WHERE ddi_id = ?")
        .bind(status.name())
        .bind(cause.map(Cause::name))
        .bind(now_ms)
        .bind(ddi_id)
        .execute(conn)
        .await?;
    Ok(())
}

/// What a device says about the install of an attempt; `None` leaves what it said before.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Install {
    /// Beginning of the digest of the image that ran before.
    pub(crate) from: Option<[u8; 8]>,
    /// Beginning of the digest of the image that the attempt is for.
    pub(crate) to: Option<[u8; 8]>,
    pub(crate) chunks: Option<u32>,
    pub(crate) cuts: Option<u32>,
    pub(crate) ms: Option<u32>,
}

impl Install {
    const fn is_empty(&self) -> bool {
        self.from.is_none()
            && self.to.is_none()
            && self.chunks.is_none()
            && self.cuts.is_none()
            && self.ms.is_none()
    }
}

/// Notes what the device said about the install.
pub(crate) async fn set_install(
    conn: &mut Conn,
    ddi_id: i64,
    install: &Install,
) -> sqlx::Result<()> {
    if install.is_empty() {
        return Ok(());
    }
    let hex = |image: Option<[u8; 8]>| image.map(|image| secret::hex(&image));
    query(
        "UPDATE attempts SET from_image = coalesce(?2, from_image),
         to_image = coalesce(?3, to_image), chunks = coalesce(?4, chunks),
         cuts = coalesce(?5, cuts), install_ms = coalesce(?6, install_ms) WHERE ddi_id = ?1",
    )
    .bind(ddi_id)
    .bind(hex(install.from))
    .bind(hex(install.to))
    .bind(install.chunks)
    .bind(install.cuts)
    .bind(install.ms)
    .execute(conn)
    .await?;
    Ok(())
}

/// One entry of the history that is about to exist.
#[derive(Debug)]
pub(crate) struct NewTransition<'a> {
    pub(crate) ddi_id: i64,
    pub(crate) state: &'a Action,
    pub(crate) status: Status,
    pub(crate) cause: Option<Cause>,
    pub(crate) text: Option<&'a str>,
    pub(crate) now_ms: i64,
}

pub(crate) async fn record(conn: &mut Conn, new: &NewTransition<'_>) -> sqlx::Result<()> {
    query(
        "INSERT INTO transitions (attempt, at, status, phase, percent, cause, text)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
         WHERE ?8 OR (SELECT count(*) FROM transitions WHERE attempt = ?1) < ?9",
    )
    .bind(new.ddi_id)
    .bind(new.now_ms)
    .bind(new.status.name())
    .bind(new.state.phase.map(Phase::name))
    .bind(new.state.percent)
    .bind(new.cause.map(Cause::name))
    .bind(new.text)
    .bind(new.status.is_terminal())
    .bind(TRANSITIONS_MAX)
    .execute(conn)
    .await?;
    Ok(())
}

/// Moves phase and percentage of the newest entry, and its text if there is a new one.
pub(crate) async fn progress(
    conn: &mut Conn,
    ddi_id: i64,
    state: &Action,
    text: Option<&str>,
) -> sqlx::Result<()> {
    query(
        "UPDATE transitions SET phase = ?2, percent = ?3, text = coalesce(?4, text)
         WHERE seq = (SELECT max(seq) FROM transitions WHERE attempt = ?1)",
    )
    .bind(ddi_id)
    .bind(state.phase.map(Phase::name))
    .bind(state.percent)
    .bind(text)
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds console lines behind those already there, up to the limit.
pub(crate) async fn append_console(
    conn: &mut Conn,
    ddi_id: i64,
    lines: &[&str],
) -> sqlx::Result<()> {
    let first: i64 =
        query_scalar("SELECT coalesce(max(line) + 1, 0) FROM console_lines WHERE attempt = ?")
            .bind(ddi_id)
            .fetch_one(&mut *conn)
            .await?;
    let room = CONSOLE_LINES_MAX.saturating_sub(usize::try_from(first).unwrap_or(usize::MAX));
    for (line, text) in (first..).zip(lines.iter().take(room)) {
        query("INSERT INTO console_lines (attempt, line, text) VALUES (?, ?, ?)")
            .bind(ddi_id)
            .bind(line)
            .bind(text)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

pub(crate) async fn of_action(conn: &mut Conn, action: &str) -> sqlx::Result<Vec<AttemptRow>> {
    query_as(
        "SELECT t.ddi_id, t.number, t.status, t.cause, t.started_at, t.ended_at, t.from_image,
         t.to_image, t.chunks, t.cuts, t.install_ms FROM attempts t JOIN actions x ON x.seq = t.action WHERE x.id = ? ORDER BY t.number",
    )
    .bind(action)
    .fetch_all(conn)
    .await
}

pub(crate) async fn transitions(conn: &mut Conn, action: &str) -> sqlx::Result<Vec<TransitionRow>> {
    query_as(
        "SELECT r.attempt, r.at, r.status, r.phase, r.percent, r.cause, r.text
         FROM transitions r JOIN attempts t ON t.ddi_id = r.attempt
         JOIN actions x ON x.seq = t.action WHERE x.id = ? ORDER BY r.seq",
    )
    .bind(action)
    .fetch_all(conn)
    .await
}

/// DDI id and text of every console line of an action's attempts, in order.
pub(crate) async fn console(conn: &mut Conn, action: &str) -> sqlx::Result<Vec<(i64, String)>> {
    query_as(
        "SELECT c.attempt, c.text FROM console_lines c JOIN attempts t ON t.ddi_id = c.attempt
         JOIN actions x ON x.seq = t.action WHERE x.id = ? ORDER BY c.attempt, c.line",
    )
    .bind(action)
    .fetch_all(conn)
    .await
}

pub(crate) async fn status(conn: &mut Conn, ddi_id: i64) -> sqlx::Result<Option<Status>> {
    let name: Option<String> = query_scalar("SELECT status FROM attempts WHERE ddi_id = ?")
        .bind(ddi_id)
        .fetch_optional(conn)
        .await?;
    Ok(name.and_then(|name| Status::from_name(&name).ok()))
}
