//! The debug consoles: for each device one history, fed by all its sources from the first time that
//! somebody asks on, kept while nobody looks. A source hands over its lines and waits until they are
//! taken, so a flood stays where it comes from and is counted there.

use super::projects::{NO_DEVICE, local_name};
use super::{Queue, Workspace, refused};
use crate::console::remote::{self, RemoteNews};
use crate::console::{History, serial};
use crate::outbox::Out;
use crate::protocol::{
    ConsoleChanged, ConsoleChannel, ConsoleChannelState, ConsoleLine, ConsolePage,
    ConsoleReadParams, ConsoleSerialParams, ConsoleSource,
};
use crate::verbs::{self, LocalDevice};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tower_lsp::jsonrpc::Error;

/// Lines between a source and the history.
const LINES_AHEAD: usize = 1024;
/// How often a port that is not there is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Speed of a port when nobody says.
const BAUD: u32 = 115_200;

/// By project and device.
type Key = (PathBuf, String);

/// The consoles that anybody has asked for.
#[derive(Debug, Default)]
pub(crate) struct Histories(BTreeMap<Key, DebugConsole>);

#[derive(Debug)]
struct DebugConsole {
    history: History,
    channels: BTreeMap<ConsoleChannel, ConsoleChannelState>,
    tasks: BTreeMap<ConsoleChannel, AbortHandle>,
    /// The client knows that there is something to fetch.
    told: bool,
}

impl DebugConsole {
    fn new(device: &str) -> Self {
        let channel = |channel, name: String, reason: &str| {
            let state = ConsoleChannelState {
                channel,
                name,
                connected: false,
                reason: Some(reason.to_owned()),
            };
            (channel, state)
        };
        let no_port = if serial::ports().is_empty() {
            "no serial port was found: plug the device in"
        } else {
            "no port is chosen"
        };
        Self {
            history: History::default(),
            channels: BTreeMap::from([
                channel(ConsoleChannel::Board, device.to_owned(), "connecting"),
                channel(ConsoleChannel::Manager, "manager".to_owned(), "connecting"),
                channel(ConsoleChannel::Serial, "serial port".to_owned(), no_port),
                channel(
                    ConsoleChannel::Rtt,
                    "RTT".to_owned(),
                    "not available: the debug probe's process does not read a running device's \
                     memory; use its serial port",
                ),
            ]),
            tasks: BTreeMap::new(),
            told: false,
        }
    }

    /// Takes over what a source is doing; whether that is new.
    fn set_state(&mut self, channel: ConsoleChannel, reason: Option<String>) -> bool {
        let Some(state) = self.channels.get_mut(&channel) else {
            return false;
        };
        let changed = state.reason != reason;
        state.connected = reason.is_none();
        state.reason = reason;
        changed
    }

    fn was_connected(&self, channel: ConsoleChannel) -> bool {
        self.channels
            .get(&channel)
            .is_some_and(|state| state.connected)
    }
}

/// Something that a source has to say.
#[derive(Debug)]
enum News {
    Line(ConsoleLine),
    State(Option<String>),
}

impl Histories {
    /// Stops reading.
    pub(super) fn close_all(&mut self) {
        for console in std::mem::take(&mut self.0).into_values() {
            for task in console.tasks.into_values() {
                task.abort();
            }
        }
    }
}

impl Workspace {
    /// `otaru/consoleRead`
    pub(crate) fn read_console(
        &mut self,
        params: &ConsoleReadParams,
    ) -> Result<ConsolePage, Error> {
        let key = self.console_key(params.project.as_deref(), params.device.clone())?;
        self.open_history(&key);
        let console = self.histories.0.get_mut(&key);
        let console = console.ok_or_else(Error::internal_error)?;
        console.told = false;
        let page = console.history.read(params.after);
        Ok(ConsolePage {
            project: key.0.to_string_lossy().into_owned(),
            device: key.1,
            missed: page.missed,
            lines: page.lines,
            more: page.more,
            channels: console.channels.values().cloned().collect(),
        })
    }

    /// `otaru/consoleSerial`
    pub(crate) fn choose_serial(&mut self, params: &ConsoleSerialParams) -> Result<(), Error> {
        let key = self.console_key(params.project.as_deref(), params.device.clone())?;
        self.open_history(&key);
        let queue = self.queue.clone();
        let console = self.histories.0.get_mut(&key);
        let console = console.ok_or_else(Error::internal_error)?;
        if let Some(task) = console.tasks.remove(&ConsoleChannel::Serial) {
            task.abort();
        }
        match &params.port {
            None => {
                console.set_state(ConsoleChannel::Serial, Some("no port is chosen".to_owned()));
            }
            Some(port) => {
                let baud = if params.baud == 0 { BAUD } else { params.baud };
                let task = tokio::spawn(read_serial(queue, key.clone(), port.into(), baud));
                console
                    .tasks
                    .insert(ConsoleChannel::Serial, task.abort_handle());
                if let Some(state) = console.channels.get_mut(&ConsoleChannel::Serial) {
                    state.name = format!("{port}, {baud} bit/s");
                }
            }
        }
        self.tell_console(&key);
        Ok(())
    }

    fn console_key(&self, project: Option<&str>, device: Option<String>) -> Result<Key, Error> {
        let project = self.project(project)?;
        let device = device
            .or_else(|| project.device_name())
            .ok_or_else(|| refused(NO_DEVICE))?;
        Ok((project.folder.clone(), local_name(project, device)))
    }

    fn open_history(&mut self, key: &Key) {
        if self.histories.0.contains_key(key) {
            return;
        }
        let mut console = DebugConsole::new(&key.1);
        let board = tokio::spawn(read_board(self.queue.clone(), key.clone()));
        let manager = tokio::spawn(read_manager(self.queue.clone(), key.clone()));
        console
            .tasks
            .insert(ConsoleChannel::Board, board.abort_handle());
        console
            .tasks
            .insert(ConsoleChannel::Manager, manager.abort_handle());
        self.histories.0.insert(key.clone(), console);
    }

    /// Takes over what a source has to say.
    fn console_news(&mut self, key: &Key, channel: ConsoleChannel, news: Vec<News>) {
        let Some(console) = self.histories.0.get_mut(key) else {
            return;
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let at_ms = now.map_or(0.0, |now| now.as_secs_f64() * 1000.0);
        let mut changed = false;
        for news in news {
            match news {
                News::Line(line) => {
                    console.history.push(channel, line, at_ms);
                    changed = true;
                }
                News::State(reason) => {
                    // A connection that was lost is worth a line; one that never was is not.
                    if let Some(text) = reason.clone().filter(|_| console.was_connected(channel)) {
                        let source = ConsoleSource::Server;
                        let line = ConsoleLine { source, text };
                        console.history.push(channel, line, at_ms);
                    }
                    changed |= console.set_state(channel, reason);
                }
            }
        }
        if changed {
            self.tell_console(key);
        }
    }

    fn tell_console(&mut self, key: &Key) {
        let Some(console) = self.histories.0.get_mut(key) else {
            return;
        };
        if !std::mem::replace(&mut console.told, true) {
            self.outbox.push(Out::ConsoleChanged(ConsoleChanged {
                project: key.0.to_string_lossy().into_owned(),
                device: key.1.clone(),
            }));
        }
    }
}

/// Hands everything over that has come together, and waits until it is taken.
async fn hand_over(
    queue: &Queue,
    key: &Key,
    channel: ConsoleChannel,
    mut news: mpsc::Receiver<News>,
) {
    let mut batch = Vec::new();
    while news.recv_many(&mut batch, LINES_AHEAD).await > 0 {
        let (key, batch) = (key.clone(), std::mem::take(&mut batch));
        let taken = queue.ask(move |workspace| workspace.console_news(&key, channel, batch));
        if taken.await.is_err() {
            return;
        }
    }
}

async fn read_board(queue: Queue, key: Key) {
    let device = LocalDevice {
        name: key.1.clone(),
    };
    let (lines, mut ahead) = mpsc::channel::<ConsoleLine>(LINES_AHEAD);
    let (news, taken) = mpsc::channel(LINES_AHEAD);
    let sort = async move {
        let mut connected = false;
        while let Some(line) = ahead.recv().await {
            let is_line = line.source != ConsoleSource::Server;
            if is_line && !std::mem::replace(&mut connected, true) {
                send(&news, News::State(None)).await;
            }
            connected = is_line;
            let one = if is_line {
                News::Line(line)
            } else {
                News::State(Some(line.text))
            };
            send(&news, one).await;
        }
    };
    tokio::join!(
        verbs::console(&device, lines),
        sort,
        hand_over(&queue, &key, ConsoleChannel::Board, taken)
    );
}

async fn read_manager(queue: Queue, key: Key) {
    let (news, mut ahead) = mpsc::channel(LINES_AHEAD);
    let (sorted, taken) = mpsc::channel(LINES_AHEAD);
    let sort = async move {
        while let Some(news) = ahead.recv().await {
            let news = match news {
                RemoteNews::Line(line) => News::Line(line),
                RemoteNews::State(state) => News::State(state),
            };
            send(&sorted, news).await;
        }
    };
    let project: &Path = &key.0;
    tokio::join!(
        remote::follow(project, &key.1, news),
        sort,
        hand_over(&queue, &key, ConsoleChannel::Manager, taken)
    );
}

async fn read_serial(queue: Queue, key: Key, port: PathBuf, baud: u32) {
    let (lines, mut ahead) = mpsc::channel::<String>(LINES_AHEAD);
    let (news, taken) = mpsc::channel(LINES_AHEAD);
    let states = news.clone();
    let sort = async move {
        while let Some(text) = ahead.recv().await {
            let source = ConsoleSource::of(&text);
            send(&news, News::Line(ConsoleLine { source, text })).await;
        }
    };
    let follow = async move {
        while !lines.is_closed() {
            let (port, lines, opened) = (port.clone(), lines.clone(), states.clone());
            let read = tokio::task::spawn_blocking(move || {
                serial::follow(&port, baud, &lines, || {
                    // A history that is closed needs no states.
                    drop(opened.blocking_send(News::State(None)));
                })
            });
            let why = read.await.unwrap_or_else(|error| error.to_string());
            send(&states, News::State(Some(why))).await;
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::join!(
        follow,
        sort,
        hand_over(&queue, &key, ConsoleChannel::Serial, taken)
    );
}

async fn send(to: &mpsc::Sender<News>, news: News) {
    if to.send(news).await.is_err() {
        tracing::debug!("nobody keeps this console any more");
    }
}
