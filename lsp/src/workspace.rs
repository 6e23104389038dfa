//! The state of the server and the one task that owns it. Work arrives as closures in one ordered
//! queue; none of them waits for anything, so the queue always moves. Whatever takes time runs in a
//! task of its own and puts its result back into the queue.

mod boards;
mod consoles;
mod documents;
mod histories;
mod jobs;
mod labs;
mod names;
mod plans;
mod projects;

use crate::outbox::Outbox;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use tokio::sync::{mpsc, oneshot};
use tower_lsp::Client;
use tower_lsp::jsonrpc::{Error, ErrorCode};
use tower_lsp::ls_types::Uri;

pub(crate) use jobs::Origin;
pub(crate) use projects::ProjectState;

/// How much work is done before what it changed is told to the client.
const BATCH_MAX: usize = 256;

type Work = Box<dyn FnOnce(&mut Workspace) + Send>;

/// The way into the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    work: mpsc::UnboundedSender<Work>,
}

impl Queue {
    /// Does something later, in order.
    pub(crate) fn tell(&self, work: impl FnOnce(&mut Workspace) + Send + 'static) {
        if self.work.send(Box::new(work)).is_err() {
            tracing::debug!("work after the workspace has ended");
        }
    }

    /// Asks something. The question is queued before this returns, the answer comes later.
    pub(crate) fn ask<T: Send + 'static, Q: FnOnce(&mut Workspace) -> T + Send + 'static>(
        &self,
        question: Q,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, Q> {
        let (reply, answer) = oneshot::channel();
        self.tell(move |workspace| {
            if reply.send(question(workspace)).is_err() {
                tracing::trace!("the request was canceled before its answer");
            }
        });
        async { answer.await.map_err(|_closed| Error::internal_error()) }
    }
}

/// What the client said it can do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ClientFeatures {
    /// Shows `$/progress`.
    pub(crate) progress: bool,
    /// Watches files for us.
    pub(crate) watches_files: bool,
}

/// An open text.
#[derive(Debug)]
struct Document {
    text: String,
    version: i32,
}

/// All state.
#[derive(Debug)]
pub(crate) struct Workspace {
    queue: Queue,
    outbox: Outbox,
    client: Client,
    features: ClientFeatures,
    documents: HashMap<Uri, Document>,
    projects: BTreeMap<PathBuf, ProjectState>,
    /// By the path of the file.
    boards: BTreeMap<PathBuf, boards::BoardState>,
    jobs: jobs::Jobs,
    plans: plans::Plans,
    consoles: consoles::Consoles,
    histories: histories::Histories,
    labs: labs::Labs,
    /// Projects whose diagnostics have to be told.
    stale_diagnostics: BTreeSet<PathBuf>,
    /// Boards whose diagnostics have to be told.
    stale_boards: BTreeSet<PathBuf>,
    /// Projects whose status has to be told.
    stale_status: BTreeSet<PathBuf>,
}

impl Workspace {
    /// Starts the task that owns the state. It lives as long as the process: jobs may bring news
    /// until the very end.
    pub(crate) fn start(client: Client) -> Queue {
        let (work, mut ahead) = mpsc::unbounded_channel::<Work>();
        let queue = Queue { work };
        let mut workspace = Self {
            queue: queue.clone(),
            outbox: Outbox::start(client.clone()),
            client,
            features: ClientFeatures::default(),
            documents: HashMap::new(),
            projects: BTreeMap::new(),
            boards: BTreeMap::new(),
            jobs: jobs::Jobs::default(),
            plans: plans::Plans::default(),
            consoles: consoles::Consoles::default(),
            histories: histories::Histories::default(),
            labs: labs::Labs::default(),
            stale_diagnostics: BTreeSet::new(),
            stale_boards: BTreeSet::new(),
            stale_status: BTreeSet::new(),
        };
        tokio::spawn(async move {
            while let Some(first) = ahead.recv().await {
                workspace.run(first);
                for _ in 1..BATCH_MAX {
                    let Ok(next) = ahead.try_recv() else { break };
                    workspace.run(next);
                }
                workspace.tell_changes();
            }
        });
        queue
    }

    /// Does one piece of work. A defect in it costs its answer, not the server.
    fn run(&mut self, work: Work) {
        if std::panic::catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            tracing::error!("a request failed inside the server; this is a defect");
        }
    }

    /// Takes over what the client can do.
    pub(crate) fn set_features(&mut self, features: ClientFeatures) {
        self.features = features;
    }

    /// What the client can do.
    pub(crate) fn features(&self) -> ClientFeatures {
        self.features
    }

    /// Tells the client what changed since the last batch.
    fn tell_changes(&mut self) {
        for folder in std::mem::take(&mut self.stale_diagnostics) {
            self.publish_manifest(&folder);
        }
        for path in std::mem::take(&mut self.stale_boards) {
            self.publish_board(&path);
        }
        for folder in std::mem::take(&mut self.stale_status) {
            self.publish_status(&folder);
        }
    }
}

/// An error that a person should read: what happened and what to do next.
pub(crate) fn refused(message: impl Into<String>) -> Error {
    // RequestFailed of LSP 3.17: the request was right, doing it was not possible.
    Error {
        code: ErrorCode::ServerError(-32803),
        message: message.into().into(),
        data: None,
    }
}
