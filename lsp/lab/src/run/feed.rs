//! Console and events of a device as one stream.

use otaru_board_host::control::{Client, ControlError, EventKind, EventStream};
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// How often a reader looks whether anybody still listens.
const LOOK: Duration = Duration::from_millis(200);
/// No line for this long: the history is over.
const QUIET: Duration = Duration::from_millis(80);
/// Longest time that is spent on the history.
const HISTORY_MAX: Duration = Duration::from_secs(2);
/// Longest line that is taken as one, in bytes.
const LINE_LEN_MAX: usize = 16 * 1024;
/// What may wait; a reader that is ahead waits too.
const AHEAD_MAX: usize = 4096;

/// Something that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// A line of the console, without its end.
    Line(String),
    /// An event of the chip.
    Event(EventKind),
}

/// What a device prints and does, from the opening on.
#[derive(Debug)]
pub(super) struct Feed {
    seen: Receiver<Seen>,
    over: Arc<AtomicBool>,
}

impl Feed {
    pub(super) fn open(dir: &Path) -> Result<Self, ControlError> {
        let io = |cause| ControlError::Io {
            dir: dir.to_owned(),
            cause,
        };
        let (_, events) = Client::connect(dir)?.events()?;
        let console = Client::console(dir)?;
        console.set_read_timeout(Some(LOOK)).map_err(io)?;
        let (to, seen) = sync_channel(AHEAD_MAX);
        let over = Arc::new(AtomicBool::new(false));
        let (for_events, for_console) = (Arc::clone(&over), Arc::clone(&over));
        let sender = to.clone();
        std::thread::spawn(move || read_events(events, &sender, &for_events));
        std::thread::spawn(move || read_console(console, &to, &for_console));
        Ok(Self { seen, over })
    }

    /// The next thing that is seen within this time.
    pub(super) fn next(&self, limit: Duration) -> Option<Seen> {
        self.seen.recv_timeout(limit).ok()
    }

    /// The lines that were printed before now. Where they end nothing says; they come at once, so
    /// the first pause is taken for it.
    pub(super) fn history(&self) -> Vec<String> {
        let begun = Instant::now();
        let mut lines = Vec::new();
        while begun.elapsed() < HISTORY_MAX {
            match self.next(QUIET) {
                Some(Seen::Line(line)) => lines.push(line),
                Some(Seen::Event(_)) => {}
                None => break,
            }
        }
        lines
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn read_events(mut events: EventStream, to: &SyncSender<Seen>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        match events.next(LOOK) {
            Ok(Some(event)) => {
                if to.send(Seen::Event(event.kind)).is_err() {
                    return;
                }
            }
            Ok(None) => {}
            // The chip has ended; whoever waits for more finds out by asking it.
            Err(_gone) => return,
        }
    }
}

fn read_console(mut console: UnixStream, to: &SyncSender<Seen>, over: &AtomicBool) {
    let mut kept: Vec<u8> = Vec::new();
    let mut piece = [0; 8 * 1024];
    while !over.load(Ordering::Relaxed) {
        let count = match console.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_gone) => return,
        };
        kept.extend(piece.iter().take(count));
        while let Some(line) = cut_line(&mut kept) {
            if to.send(Seen::Line(line)).is_err() {
                return;
            }
        }
    }
}

fn cut_line(kept: &mut Vec<u8>) -> Option<String> {
    let taken = match kept.iter().position(|byte| *byte == b'\n') {
        Some(end) => end + 1,
        None if kept.len() > LINE_LEN_MAX => LINE_LEN_MAX,
        None => return None,
    };
    let line: Vec<u8> = kept.drain(..taken).collect();
    Some(String::from_utf8_lossy(&line).trim_end().to_owned())
}
