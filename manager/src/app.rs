//! What every handler shares.

use crate::blobs::Blobs;
use crate::config::Config;
use crate::events::Events;
use crate::limiter::Limiter;
use crate::presence::Presence;
use crate::store::Store;
use crate::uploads::UploadLocks;
use std::sync::Arc;
use tokio::sync::watch;

/// State of one manager; nothing is global, so several can run in one process.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) presence: Arc<Presence>,
    pub(crate) events: Events,
    pub(crate) limiter: Limiter,
    pub(crate) uploads: UploadLocks,
    /// True once the manager is about to stop: whatever is held must end.
    pub(crate) stopping: watch::Sender<bool>,
}

/// State of one manager, as handlers get it.
pub(crate) type AppState = Arc<App>;

impl App {
    /// Now, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        self.config.clock.now_ms()
    }

    /// Whether the manager is about to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}
