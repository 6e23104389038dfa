//! Everything the server says on its own, in one order, sent by one task. The actor only puts
//! messages in: a client that reads slowly, or never answers, cannot stop it.

use crate::protocol::{ConsoleChanged, ConsoleOutput, JobEvent, LabState, Status};
use tokio::sync::mpsc;
use tower_lsp::Client;
use tower_lsp::ls_types::notification::Notification;
use tower_lsp::ls_types::{Diagnostic, MessageType, Uri};

/// `otaru/statusChanged`.
#[derive(Debug)]
pub(crate) enum StatusChanged {}
impl Notification for StatusChanged {
    type Params = Status;
    const METHOD: &'static str = "otaru/statusChanged";
}

/// `otaru/jobEvent`.
#[derive(Debug)]
pub(crate) enum JobEventNote {}
impl Notification for JobEventNote {
    type Params = JobEvent;
    const METHOD: &'static str = "otaru/jobEvent";
}

/// `otaru/consoleOutput`.
#[derive(Debug)]
pub(crate) enum ConsoleNote {}
impl Notification for ConsoleNote {
    type Params = ConsoleOutput;
    const METHOD: &'static str = "otaru/consoleOutput";
}

/// `otaru/consoleChanged`.
#[derive(Debug)]
pub(crate) enum ConsoleChangedNote {}
impl Notification for ConsoleChangedNote {
    type Params = ConsoleChanged;
    const METHOD: &'static str = "otaru/consoleChanged";
}

/// `otaru/labChanged`.
#[derive(Debug)]
pub(crate) enum LabChanged {}
impl Notification for LabChanged {
    type Params = LabState;
    const METHOD: &'static str = "otaru/labChanged";
}

/// One thing to say.
#[derive(Debug)]
pub(crate) enum Out {
    /// All diagnostics of a file.
    Diagnostics {
        uri: Uri,
        diagnostics: Vec<Diagnostic>,
        version: Option<i32>,
    },
    /// A project has changed.
    Status(Box<Status>),
    /// Something happened to a job.
    Job(Box<JobEvent>),
    /// A device printed something.
    Console(ConsoleOutput),
    /// There are lines to fetch.
    ConsoleChanged(ConsoleChanged),
    /// A fault began, went on or ended.
    Lab(Box<LabState>),
    /// A line for the client's log.
    Log(MessageType, String),
    /// A line for the person in front of the editor.
    Show(MessageType, String),
}

/// Where the actor puts what it has to say.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    queue: mpsc::UnboundedSender<Out>,
}

impl Outbox {
    /// Starts the task that sends. It ends when the last outbox is dropped.
    pub(crate) fn start(client: Client) -> Self {
        let (queue, mut messages) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                send(&client, message).await;
            }
        });
        Self { queue }
    }

    /// Queues a message. After the client has gone there is nobody to tell, which is no error.
    pub(crate) fn push(&self, message: Out) {
        if self.queue.send(message).is_err() {
            tracing::debug!("message after the connection has ended");
        }
    }
}

async fn send(client: &Client, message: Out) {
    match message {
        Out::Diagnostics {
            uri,
            diagnostics,
            version,
        } => {
            client.publish_diagnostics(uri, diagnostics, version).await;
        }
        Out::Status(status) => client.send_notification::<StatusChanged>(*status).await,
        Out::Job(event) => client.send_notification::<JobEventNote>(*event).await,
        Out::Console(output) => client.send_notification::<ConsoleNote>(output).await,
        Out::ConsoleChanged(what) => client.send_notification::<ConsoleChangedNote>(what).await,
        Out::Lab(state) => client.send_notification::<LabChanged>(*state).await,
        Out::Log(level, line) => client.log_message(level, line).await,
        Out::Show(level, line) => client.show_message(level, line).await,
    }
}
