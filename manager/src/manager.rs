//! A manager: opened on a folder, served on a listener, stopped.

use crate::app::{App, AppState};
use crate::auth;
use crate::blobs::Blobs;
use crate::config::Config;
use crate::error::ApiError;
use crate::events::Events;
use crate::limiter::Limiter;
use crate::lock::{FolderLock, LockError};
use crate::origin::client_address;
use crate::presence::Presence;
use crate::store::{self, Store, StoreOpenError};
use crate::tls::{self, TlsError};
use crate::uploads::{self, UploadLocks};
use crate::{api, ddi, engine, secret, server, web};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(500);
/// When devices were last heard of is written to the database this often, in ticks.
const FLUSH_TICKS: u32 = 20;
/// Abandoned uploads are looked for this often, in ticks.
const CLEAN_TICKS: u32 = 7_200;
const BLOB_FOLDER: &str = "blobs";

/// Why a manager could not be opened. The folder is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be used.
    #[error("cannot use the folder {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another manager has the folder.
    #[error("another manager works on the folder {0}; stop it, or choose another folder")]
    Locked(PathBuf),
    /// The database is damaged, or is none of ours.
    #[error(
        "the database {path} is damaged: {finding}. It was left as it is; restore it from a backup, \
         or move it away to begin anew"
    )]
    CorruptDatabase {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        finding: String,
    },
    /// The database was written by a newer manager.
    #[error("the database {0} was written by a newer manager; use that one")]
    NewerDatabase(PathBuf),
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// Beyond loopback, plain HTTP would show every token.
    #[error(
        "listening on {0} needs TLS: give a certificate and a key, or say explicitly that plain \
         HTTP is meant (--insecure)"
    )]
    Insecure(SocketAddr),
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The public URL is no URL.
    #[error("the public URL {0} does not begin with http:// or https://")]
    PublicUrl(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; another program may use this port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A manager on its folder. Nobody else can open the folder until it is dropped.
pub struct Manager {
    app: AppState,
    tls: Option<TlsAcceptor>,
    workspace: String,
    first_start: bool,
    _lock: FolderLock,
}

impl std::fmt::Debug for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manager")
            .field("folder", &self.app.config.data_dir)
            .finish_non_exhaustive()
    }
}

impl Manager {
    /// Opens the folder, and on first start makes a workspace and a fleet in it.
    ///
    /// # Errors
    /// [`OpenError`], which says what to do next; nothing is changed then.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        check_address(&config, config.listen)?;
        if let Some(url) = &config.public_url
            && !(url.starts_with("http://") || url.starts_with("https://"))
        {
            return Err(OpenError::PublicUrl(url.clone()));
        }
        let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let folder = config.data_dir.clone();
        let unusable = |source| OpenError::Folder {
            path: folder.clone(),
            source,
        };
        std::fs::create_dir_all(&folder).map_err(unusable)?;
        let lock = FolderLock::take(&folder).map_err(|error| match error {
            LockError::Taken => OpenError::Locked(folder.clone()),
            LockError::Io(source) => unusable(source),
        })?;
        let store = open_store(&folder).await?;
        for name in [BLOB_FOLDER, uploads::FOLDER] {
            std::fs::create_dir_all(folder.join(name)).map_err(unusable)?;
        }
        let blobs = Blobs::in_folder(&folder.join(BLOB_FOLDER)).map_err(unusable)?;
        let (workspace, first_start) = first_workspace(&store, config.clock.now_ms()).await?;
        let pause_ms = i64::try_from(config.poll_interval.as_millis()).unwrap_or(i64::MAX / 2);
        let app = Arc::new(App {
            presence: Arc::new(Presence::new(pause_ms)),
            events: Events::new(config.clock.now_ms()),
            limiter: Limiter::new(config.requests_per_s),
            uploads: UploadLocks::default(),
            stopping: watch::Sender::new(false),
            config,
            store,
            blobs,
        });
        Ok(Self {
            app,
            tls,
            workspace,
            first_start,
            _lock: lock,
        })
    }

    /// Binds the configured address.
    ///
    /// # Errors
    /// [`OpenError::Listen`].
    pub async fn bind(&self) -> Result<TcpListener, OpenError> {
        let address = self.app.config.listen;
        TcpListener::bind(address)
            .await
            .map_err(|source| OpenError::Listen { address, source })
    }

    /// Whether the folder was empty before.
    pub fn is_first_start(&self) -> bool {
        self.first_start
    }

    /// Id of the workspace that the first start made.
    pub fn workspace(&self) -> &str {
        &self.workspace
    }

    /// Scheme of what is served: `https` with a certificate, else `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// A new one-time admin token, good for 24 hours: for `POST /api/v1/setup`, or for a person
    /// with a browser through [`Manager::admin_link`].
    ///
    /// # Errors
    /// If the database fails.
    pub async fn new_admin_token(&self) -> Result<String, OpenError> {
        Ok(auth::new_admin_token(&self.app, &self.workspace).await?)
    }

    /// The link that a person opens with a one-time token. `address` is where the manager listens;
    /// the public URL goes before it.
    pub fn admin_link(&self, address: SocketAddr, token: &str) -> String {
        format!("{}/setup?token={token}", self.url(address))
    }

    /// Address of the manager: the public URL, else the one it listens on.
    pub fn url(&self, address: SocketAddr) -> String {
        match &self.app.config.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("{}://{address}", self.scheme()),
        }
    }

    /// A new API key for the first workspace: for whoever runs the manager in their own process.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn bootstrap_api_key(&self, name: &str) -> Result<String, OpenError> {
        let mut tx = self.app.store.begin().await?;
        let now_ms = self.app.now_ms();
        let (_, key) = auth::insert_api_key(&mut tx, &self.workspace, name, now_ms).await?;
        tx.commit().await?;
        Ok(key)
    }

    /// Serves until `shutdown` is ready; then ends held requests, lets others finish, and writes
    /// down what is still in memory.
    ///
    /// # Errors
    /// [`OpenError::Insecure`] if the listener is not where [`Config`] allows it.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), OpenError> {
        let address = listener.local_addr();
        let listen = self.app.config.listen;
        let address = address.map_err(|source| OpenError::Listen {
            address: listen,
            source,
        })?;
        check_address(&self.app.config, address)?;
        tracing::info!(url = self.url(address), folder = %self.app.config.data_dir.display(), "serving");
        let background = tokio::spawn(background(Arc::clone(&self.app)));
        let router = router(Arc::clone(&self.app));
        server::serve(&self.app, router, (listener, self.tls.clone()), shutdown).await;
        // It ends by itself, because the server has announced the stop.
        if let Err(error) = background.await {
            tracing::error!(%error, "background work ended badly");
        }
        self.app.store.close().await;
        Ok(())
    }
}

fn check_address(config: &Config, address: SocketAddr) -> Result<(), OpenError> {
    let safe = address.ip().to_canonical().is_loopback() || config.tls.is_some();
    if safe || config.insecure {
        Ok(())
    } else {
        Err(OpenError::Insecure(address))
    }
}

async fn open_store(folder: &std::path::Path) -> Result<Store, OpenError> {
    let path = folder.join(store::FILE_NAME);
    Store::open(folder).await.map_err(|error| match error {
        StoreOpenError::Corrupt(finding) => OpenError::CorruptDatabase { path, finding },
        StoreOpenError::Newer => OpenError::NewerDatabase(path),
        StoreOpenError::Sql(error) => OpenError::Database(error),
        StoreOpenError::Io(source) => OpenError::Folder { path, source },
    })
}

async fn first_workspace(store: &Store, now_ms: i64) -> sqlx::Result<(String, bool)> {
    let mut tx = store.begin().await?;
    if let Some(workspace) = store::access::first_workspace(&mut tx).await? {
        return Ok((workspace.id, false));
    }
    let id = secret::new_id("wks");
    store::access::insert_workspace(&mut tx, &id, "Default workspace", now_ms).await?;
    let fleet = secret::new_id("flt");
    store::fleets::insert(&mut tx, &fleet, &id, "Default fleet", now_ms).await?;
    tx.commit().await?;
    Ok((id, true))
}

fn router(app: AppState) -> Router {
    Router::new()
        .merge(api::router())
        .merge(ddi::router())
        .merge(web::router(Arc::clone(&app)))
        .layer(from_fn_with_state(Arc::clone(&app), guard))
        .with_state(app)
}

/// Refuses an address that asks too often, and gives up on bodies that stand still.
async fn guard(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let client = client_address(&parts, &app.config.trusted_proxies).0;
    if !app.limiter.allows(client, app.now_ms()) {
        let error = ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-requests",
            "this address sends too many requests",
        );
        return ([("retry-after", "1")], error).into_response();
    }
    next.run(Request::from_parts(parts, server::impatient(body)))
        .await
}

/// Deadlines, and what is kept in memory first. Ends, with a last write, when the manager stops.
async fn background(app: AppState) {
    let mut stopping = app.stopping.subscribe();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count = 0_u32;
    loop {
        let stop = tokio::select! {
            _ = ticks.tick() => false,
            _ = stopping.wait_for(|stopping| *stopping) => true,
        };
        if let Err(error) = engine::tick(&app).await {
            tracing::error!(%error, "could not look at deadlines");
        }
        tell_who_has_gone(&app).await;
        if stop || count.is_multiple_of(FLUSH_TICKS) {
            flush_last_seen(&app).await;
        }
        if count.is_multiple_of(CLEAN_TICKS)
            && let Err(error) = uploads::clean_up(&app).await
        {
            tracing::warn!(message = error.message, "could not clean up old uploads");
        }
        count = count.wrapping_add(1);
        if stop {
            return;
        }
    }
}

async fn tell_who_has_gone(app: &App) {
    let mut effects = engine::Effects::default();
    for device in app.presence.take_gone(app.now_ms()) {
        effects.device_changed(device);
    }
    effects.run(app).await;
}

async fn flush_last_seen(app: &App) {
    let batch = app.presence.take_dirty();
    if batch.is_empty() {
        return;
    }
    let written = async {
        let mut tx = app.store.begin().await?;
        for seen in &batch {
            store::devices::touch(&mut tx, seen.device, seen.at_ms, &seen.address).await?;
        }
        tx.commit().await
    };
    if let Err(error) = written.await {
        tracing::error!(%error, "could not store when devices were last seen");
    }
}
