//! The database: SQLite in WAL mode, one connection that writes and a few that read.
//!
//! Every SQL statement of the manager is in this module and below it; nobody else sees a table. The
//! functions take a connection, so that a caller composes several of them into one transaction.
//! Writes are durable when a commit returns (`synchronous = FULL`).

/// A struct whose fields are columns of the same names.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name { $($(#[$fdoc])* pub(crate) $field: $ty,)* }

        impl<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> for $name {
            fn from_row(row: &'r sqlx::sqlite::SqliteRow) -> sqlx::Result<Self> {
                use sqlx::Row as _;
                Ok(Self { $($field: row.try_get(stringify!($field))?,)* })
            }
        }
    };
}

pub(crate) mod access;
pub(crate) mod actions;
pub(crate) mod attempts;
pub(crate) mod catalog;
pub(crate) mod deployments;
pub(crate) mod devices;
pub(crate) mod fleets;
pub(crate) mod uploads;
pub(crate) mod views;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{SqlSafeStr as _, Sqlite, SqliteConnection, Transaction};
use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

/// Name of the database file in the data folder.
pub(crate) const FILE_NAME: &str = "manager.sqlite";
const READERS: u32 = 4;
const HEADER: &[u8] = b"SQLite format 3\0";
const MIGRATIONS: [(i64, &str, &str); 4] = [
    (1, "initial", include_str!("../migrations/0001_initial.sql")),
    (2, "outcome", include_str!("../migrations/0002_outcome.sql")),
    (
        3,
        "encryption",
        include_str!("../migrations/0003_encryption.sql"),
    ),
    (4, "parts", include_str!("../migrations/0004_parts.sql")),
];

/// A connection of either kind.
pub(crate) type Conn = SqliteConnection;

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreOpenError {
    /// The file is not one of ours, or is damaged.
    #[error("{0}")]
    Corrupt(String),
    /// It was written by a newer manager.
    #[error("it was written by a newer version of the manager")]
    Newer,
    /// SQLite could not work with it.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// The file could not be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// The open database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Store {
    /// Opens or creates the database. A damaged file is refused and left as it is.
    pub(crate) async fn open(folder: &Path) -> Result<Self, StoreOpenError> {
        let path = folder.join(FILE_NAME);
        refuse_foreign_file(&path)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let existed = path.exists();
        if existed {
            check_integrity(&options).await?;
        }
        let writer = pool(1)
            .connect_with(options.clone())
            .await
            .map_err(corrupt_or_sql)?;
        migrate(&writer).await?;
        let readers =
            pool(READERS).connect_lazy_with(options.read_only(true).create_if_missing(false));
        Ok(Self { writer, readers })
    }

    /// A connection that reads.
    pub(crate) async fn reader(&self) -> sqlx::Result<PoolConnection<Sqlite>> {
        self.readers.acquire().await
    }

    /// A transaction that writes. Dropped without a commit, it changes nothing.
    pub(crate) async fn begin(&self) -> sqlx::Result<Transaction<'static, Sqlite>> {
        self.writer.begin().await
    }

    /// Closes every connection; what was committed is in the file.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Connections to a local file do not go stale, so they are neither tested nor replaced.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// SQLite would take an empty file for a new database and report anything else only on first use.
fn refuse_foreign_file(path: &Path) -> Result<(), StoreOpenError> {
    use std::io::Read as _;
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut header = Vec::new();
    file.by_ref()
        .take(HEADER.len() as u64)
        .read_to_end(&mut header)?;
    if header.is_empty() || header == HEADER {
        return Ok(());
    }
    Err(StoreOpenError::Corrupt(
        "it does not begin like an SQLite database".to_owned(),
    ))
}

/// Looks for damage without writing: the check's own connection opens the file for reading only.
async fn check_integrity(options: &SqliteConnectOptions) -> Result<(), StoreOpenError> {
    use sqlx::ConnectOptions as _;
    use sqlx::Connection as _;
    // In WAL mode even a reader makes the -shm file; it never touches the database file itself.
    let read_only = SqliteConnectOptions::new()
        .filename(options.get_filename())
        .read_only(true)
        .busy_timeout(Duration::from_secs(10));
    let mut conn = read_only.connect().await.map_err(corrupt_or_sql)?;
    let findings: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(3)")
        .fetch_all(&mut conn)
        .await
        .map_err(corrupt_or_sql)?;
    conn.close().await.map_err(corrupt_or_sql)?;
    if findings.iter().any(|finding| finding != "ok") {
        return Err(StoreOpenError::Corrupt(findings.join("; ")));
    }
    Ok(())
}

fn corrupt_or_sql(error: sqlx::Error) -> StoreOpenError {
    const SQLITE_CORRUPT: &str = "11";
    const SQLITE_NOTADB: &str = "26";
    let code = error
        .as_database_error()
        .and_then(|database| database.code().map(Cow::into_owned));
    match code.as_deref() {
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => StoreOpenError::Corrupt(error.to_string()),
        Some(_) | None => StoreOpenError::Sql(error),
    }
}

async fn migrate(writer: &SqlitePool) -> Result<(), StoreOpenError> {
    let migrations = MIGRATIONS
        .into_iter()
        .map(|(number, name, sql)| {
            let kind = MigrationType::Simple;
            Migration::new(number, Cow::Borrowed(name), kind, sql.into_sql_str(), false)
        })
        .collect();
    match Migrator::with_migrations(migrations).run(writer).await {
        Ok(()) => Ok(()),
        Err(sqlx::migrate::MigrateError::VersionMissing(_)) => Err(StoreOpenError::Newer),
        Err(sqlx::migrate::MigrateError::Execute(error)) => Err(corrupt_or_sql(error)),
        Err(error) => Err(StoreOpenError::Sql(sqlx::Error::Migrate(Box::new(error)))),
    }
}
