//! Devices.

use super::Conn;
use crate::secret::SecretHash;
use sqlx::{query, query_as, query_scalar};

/// What kind of client speaks for a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It has not told us yet.
    Unknown,
    /// It reports `otaru.*` configuration data.
    Otaru,
    /// Any other DDI client.
    Foreign,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Otaru => "otaru",
            Self::Foreign => "foreign",
        }
    }

    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "otaru" => Self::Otaru,
            "foreign" => Self::Foreign,
            _ => Self::Unknown,
        }
    }
}

row! {
    /// A device.
    DeviceRow {
        seq: i64,
        id: String,
        workspace: String,
        fleet: String,
        controller_id: String,
        name: String,
        token_hash: Option<Vec<u8>>,
        approved: bool,
        kind: String,
        wants_config: bool,
        version: Option<String>,
        digest: Option<String>,
        board: Option<String>,
        boot_version: Option<String>,
        attributes: String,
        installed: Option<i64>,
        created_at: i64,
        first_seen: Option<i64>,
        last_seen: Option<i64>,
    }
}

impl DeviceRow {
    pub(crate) fn kind(&self) -> Kind {
        Kind::from_name(&self.kind)
    }

    /// The digest it runs, if it runs it confirmed.
    pub(crate) fn confirmed_digest(&self) -> Option<&str> {
        let on_trial = self
            .version
            .as_deref()
            .is_some_and(|label| label.starts_with("testing-"));
        self.digest.as_deref().filter(|_| !on_trial)
    }
}

macro_rules! select_devices {
    ($rest:literal) => {
        concat!(
            "SELECT seq, id, workspace, fleet, controller_id, name, token_hash, approved, kind, ",
            "wants_config, version, digest, board, boot_version, attributes, installed, created_at, ",
            "first_seen, last_seen FROM devices ",
            $rest
        )
    };
}

/// The device of this tenant: a workspace, or the first one if there is no name.
pub(crate) async fn of_tenant(
    conn: &mut Conn,
    workspace: Option<&str>,
    controller_id: &str,
) -> sqlx::Result<Option<DeviceRow>> {
    query_as(select_devices!(
        "WHERE workspace = coalesce(?1, (SELECT id FROM workspaces ORDER BY seq LIMIT 1))
         AND controller_id = ?2"
    ))
    .bind(workspace)
    .bind(controller_id)
    .fetch_optional(conn)
    .await
}

pub(crate) async fn by_controller(
    conn: &mut Conn,
    workspace: &str,
    controller_id: &str,
) -> sqlx::Result<Option<DeviceRow>> {
    query_as(select_devices!("WHERE workspace = ? AND controller_id = ?"))
        .bind(workspace)
        .bind(controller_id)
        .fetch_optional(conn)
        .await
}

/// The device with this id, or the only one with this name.
pub(crate) async fn find(
    conn: &mut Conn,
    workspace: &str,
    id_or_name: &str,
) -> sqlx::Result<Option<DeviceRow>> {
    let found: Vec<DeviceRow> = query_as(select_devices!(
        "WHERE workspace = ?1 AND (id = ?2 OR name = ?2) ORDER BY id = ?2 DESC LIMIT 2"
    ))
    .bind(workspace)
    .bind(id_or_name)
    .fetch_all(conn)
    .await?;
    let ambiguous = found.len() > 1 && found.iter().all(|device| device.id != id_or_name);
    Ok(found.into_iter().next().filter(|_| !ambiguous))
}

pub(crate) async fn by_seq(conn: &mut Conn, seq: i64) -> sqlx::Result<Option<DeviceRow>> {
    query_as(select_devices!("WHERE seq = ?"))
        .bind(seq)
        .fetch_optional(conn)
        .await
}

/// Devices in the order in which they were created, of one fleet or of all.
pub(crate) async fn list(
    conn: &mut Conn,
    workspace: &str,
    fleet: Option<&str>,
    offset: i64,
    limit: i64,
) -> sqlx::Result<Vec<DeviceRow>> {
    query_as(select_devices!(
        "WHERE workspace = ?1 AND (?2 IS NULL OR fleet = ?2) ORDER BY seq LIMIT ?4 OFFSET ?3"
    ))
    .bind(workspace)
    .bind(fleet)
    .bind(offset)
    .bind(limit)
    .fetch_all(conn)
    .await
}

pub(crate) async fn count(
    conn: &mut Conn,
    workspace: &str,
    fleet: Option<&str>,
) -> sqlx::Result<i64> {
    query_scalar("SELECT count(*) FROM devices WHERE workspace = ?1 AND (?2 IS NULL OR fleet = ?2)")
        .bind(workspace)
        .bind(fleet)
        .fetch_one(conn)
        .await
}

/// Which devices to look for.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct DeviceSearch<'a> {
    /// Part of a name (of either case), of an id or of a running version; empty for any.
    pub(crate) text: &'a str,
    /// Only members of this fleet.
    pub(crate) fleet: Option<&'a str>,
    /// Only those that are approved, or only those that are not.
    pub(crate) approved: Option<bool>,
}

/// Devices that match, by name.
pub(crate) async fn search(
    conn: &mut Conn,
    workspace: &str,
    search: DeviceSearch<'_>,
    (offset, limit): (i64, i64),
) -> sqlx::Result<Vec<DeviceRow>> {
    query_as(select_devices!(
        "WHERE workspace = ?1 AND (?2 IS NULL OR fleet = ?2) AND (?3 IS NULL OR approved = ?3)
         AND (?4 = '' OR instr(lower(name), lower(?4)) OR instr(id, ?4)
              OR instr(coalesce(version, ''), ?4))
         ORDER BY name COLLATE NOCASE, seq LIMIT ?6 OFFSET ?5"
    ))
    .bind(workspace)
    .bind(search.fleet)
    .bind(search.approved)
    .bind(search.text)
    .bind(offset)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// How many devices match.
pub(crate) async fn count_found(
    conn: &mut Conn,
    workspace: &str,
    search: DeviceSearch<'_>,
) -> sqlx::Result<i64> {
    query_scalar(
        "SELECT count(*) FROM devices
         WHERE workspace = ?1 AND (?2 IS NULL OR fleet = ?2) AND (?3 IS NULL OR approved = ?3)
         AND (?4 = '' OR instr(lower(name), lower(?4)) OR instr(id, ?4)
              OR instr(coalesce(version, ''), ?4))",
    )
    .bind(workspace)
    .bind(search.fleet)
    .bind(search.approved)
    .bind(search.text)
    .fetch_one(conn)
    .await
}

/// A device that is about to exist.
#[derive(Debug)]
pub(crate) struct NewDevice<'a> {
    pub(crate) id: &'a str,
    pub(crate) workspace: &'a str,
    pub(crate) fleet: &'a str,
    pub(crate) controller_id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) token_hash: Option<SecretHash>,
    pub(crate) approved: bool,
    pub(crate) now_ms: i64,
}

/// False if the workspace already has a device of this controller id.
pub(crate) async fn insert(conn: &mut Conn, device: &NewDevice<'_>) -> sqlx::Result<bool> {
    let done = query(
        "INSERT INTO devices
         (id, workspace, fleet, controller_id, name, token_hash, approved, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (workspace, controller_id) DO NOTHING",
    )
    .bind(device.id)
    .bind(device.workspace)
    .bind(device.fleet)
    .bind(device.controller_id)
    .bind(device.name)
    .bind(device.token_hash.as_ref().map(<[u8; 32]>::as_slice))
    .bind(device.approved)
    .bind(device.now_ms)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

pub(crate) async fn update_place(conn: &mut Conn, device: &DeviceRow) -> sqlx::Result<()> {
    query("UPDATE devices SET name = ?, fleet = ?, approved = ? WHERE seq = ?")
        .bind(&device.name)
        .bind(&device.fleet)
        .bind(device.approved)
        .bind(device.seq)
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn set_token(
    conn: &mut Conn,
    seq: i64,
    token_hash: &SecretHash,
) -> sqlx::Result<()> {
    query("UPDATE devices SET token_hash = ? WHERE seq = ?")
        .bind(token_hash.as_slice())
        .bind(seq)
        .execute(conn)
        .await?;
    Ok(())
}

/// Stores what the device says about itself.
pub(crate) async fn update_facts(conn: &mut Conn, device: &DeviceRow) -> sqlx::Result<()> {
    query(
        "UPDATE devices SET kind = ?, wants_config = ?, version = ?, digest = ?, board = ?,
         boot_version = ?, attributes = ? WHERE seq = ?",
    )
    .bind(&device.kind)
    .bind(device.wants_config)
    .bind(&device.version)
    .bind(&device.digest)
    .bind(&device.board)
    .bind(&device.boot_version)
    .bind(&device.attributes)
    .bind(device.seq)
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores what a device has proved to run, until it tells more about it.
pub(crate) async fn set_running(
    conn: &mut Conn,
    seq: i64,
    version: &str,
    digest: &str,
) -> sqlx::Result<()> {
    query("UPDATE devices SET version = ?, digest = ? WHERE seq = ?")
        .bind(version)
        .bind(digest)
        .bind(seq)
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes which attempt has succeeded; the device should then tell what it is.
pub(crate) async fn set_installed(conn: &mut Conn, seq: i64, ddi_id: i64) -> sqlx::Result<()> {
    query("UPDATE devices SET wants_config = 1, installed = ? WHERE seq = ?")
        .bind(ddi_id)
        .bind(seq)
        .execute(conn)
        .await?;
    Ok(())
}

/// Stores when a device was last heard of; also its first time, if this is it.
pub(crate) async fn touch(
    conn: &mut Conn,
    seq: i64,
    seen_ms: i64,
    address: &str,
) -> sqlx::Result<()> {
    query(
        "UPDATE devices SET last_seen = ?2, first_seen = coalesce(first_seen, ?2), address = ?3
         WHERE seq = ?1",
    )
    .bind(seq)
    .bind(seen_ms)
    .bind(address)
    .execute(conn)
    .await?;
    Ok(())
}

pub(crate) async fn delete(conn: &mut Conn, seq: i64) -> sqlx::Result<()> {
    query("DELETE FROM devices WHERE seq = ?")
        .bind(seq)
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn count_unapproved(conn: &mut Conn, workspace: &str) -> sqlx::Result<i64> {
    query_scalar("SELECT count(*) FROM devices WHERE workspace = ? AND approved = 0")
        .bind(workspace)
        .fetch_one(conn)
        .await
}
