//! The consoles that clients watch: one task for each device, lines batched so that at most 20
//! messages a second and 64 KiB each go out. When a device prints more than that, the oldest lines
//! are left out and counted.

use super::projects::{NO_DEVICE, local_name};
use super::{Workspace, refused};
use crate::outbox::{Out, Outbox};
use crate::protocol::{ConsoleLine, ConsoleOutput, ConsoleParams, ConsoleState};
use crate::verbs;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tower_lsp::jsonrpc::Error;

/// Shortest time between two messages of one console.
const PAUSE: Duration = Duration::from_millis(50);
/// Most text in one message, in bytes.
const BYTES_MAX: usize = 64 * 1024;
/// Longest line that is shown, in bytes.
const LINE_MAX: usize = 4 * 1024;
/// Lines between the device and the batcher; a reader that is ahead waits.
const LINES_AHEAD: usize = 1024;

/// The consoles that are on.
#[derive(Debug, Default)]
pub(crate) struct Consoles {
    on: BTreeMap<(PathBuf, String), AbortHandle>,
}

impl Consoles {
    /// Turns all off.
    pub(super) fn close_all(&mut self) {
        for task in std::mem::take(&mut self.on).into_values() {
            task.abort();
        }
    }
}

impl Workspace {
    /// `otaru/console`
    pub(crate) fn console(&mut self, params: &ConsoleParams) -> Result<ConsoleState, Error> {
        let project = self.project(params.project.as_deref())?;
        let folder = project.folder.clone();
        let device = params
            .device
            .clone()
            .or_else(|| project.device_name())
            .ok_or_else(|| refused(NO_DEVICE))?;
        let device = local_name(project, device);
        let key = (folder.clone(), device.clone());
        if let Some(task) = self.consoles.on.remove(&key) {
            task.abort();
        }
        if params.on {
            let (lines, ahead) = mpsc::channel(LINES_AHEAD);
            let outbox = self.outbox.clone();
            let output = ConsoleOutput {
                project: folder.to_string_lossy().into_owned(),
                device: device.clone(),
                lines: Vec::new(),
                dropped: 0,
            };
            let watched = verbs::LocalDevice {
                name: device.clone(),
            };
            let task = tokio::spawn(async move {
                let read = verbs::console(&watched, lines);
                tokio::join!(read, send_batches(ahead, output, outbox));
            });
            self.consoles.on.insert(key, task.abort_handle());
        }
        Ok(ConsoleState { device })
    }
}

/// Collects lines and sends them in batches until the reader has gone.
async fn send_batches(
    mut lines: mpsc::Receiver<ConsoleLine>,
    frame: ConsoleOutput,
    outbox: Outbox,
) {
    let mut batch = Batch::default();
    while let Some(line) = lines.recv().await {
        batch.push(line);
        let pause = tokio::time::sleep(PAUSE);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                line = lines.recv() => match line {
                    Some(line) => batch.push(line),
                    None => break,
                },
            }
        }
        let (lines, dropped) = batch.take();
        outbox.push(Out::Console(ConsoleOutput {
            lines,
            dropped,
            ..frame.clone()
        }));
    }
}

/// Lines of bounded length in total; the oldest make room.
#[derive(Debug, Default)]
struct Batch {
    lines: VecDeque<ConsoleLine>,
    bytes: usize,
    dropped: u32,
}

impl Batch {
    fn push(&mut self, mut line: ConsoleLine) {
        if line.text.len() > LINE_MAX {
            let mut end = LINE_MAX;
            while !line.text.is_char_boundary(end) {
                end -= 1;
            }
            line.text.truncate(end);
            line.text.push('…');
        }
        self.bytes += cost(&line);
        self.lines.push_back(line);
        while self.bytes > BYTES_MAX {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.bytes -= cost(&oldest);
            self.dropped += 1;
        }
    }

    fn take(&mut self) -> (Vec<ConsoleLine>, u32) {
        self.bytes = 0;
        (
            std::mem::take(&mut self.lines).into(),
            std::mem::take(&mut self.dropped),
        )
    }
}

/// Bytes that a line takes in a message, escaped as badly as JSON can.
fn cost(line: &ConsoleLine) -> usize {
    let escaped = line
        .text
        .bytes()
        .map(|byte| if byte < b' ' { 6 } else { 2 })
        .sum::<usize>();
    escaped + 48
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ConsoleSource;

    fn note(text: impl Into<String>) -> ConsoleLine {
        ConsoleLine {
            source: ConsoleSource::Application,
            text: text.into(),
        }
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let mut batch = Batch::default();
        for number in 0..10_000 {
            batch.push(note(format!("line {number}")));
        }
        let (lines, dropped) = batch.take();
        assert_eq!(lines.len() + dropped as usize, 10_000);
        assert!(dropped > 0);
        assert_eq!(lines.last().expect("some").text, "line 9999");
        let json = serde_json::to_string(&lines).expect("JSON");
        assert!(json.len() <= BYTES_MAX, "{}", json.len());
        assert_eq!(batch.take(), (Vec::new(), 0));
    }

    #[test]
    fn an_endless_line_is_shortened_at_a_character() {
        let mut batch = Batch::default();
        batch.push(note("é".repeat(LINE_MAX)));
        let (lines, _) = batch.take();
        assert!(lines[0].text.len() <= LINE_MAX + '…'.len_utf8());
        assert!(lines[0].text.ends_with("é…"));
    }
}
