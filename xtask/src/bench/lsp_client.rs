//! A client of a language server that measures: requests are timed from the first byte written to the
//! answer read by a thread of its own.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value as Json, json};
use std::collections::VecDeque;
use std::io::{BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::running::Process;
use super::server::read_message;

/// How long a server may take for anything before the measurement fails.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long a server may think before it has nothing to say about a keystroke.
const NO_NEWS: Duration = Duration::from_secs(5);

/// Times of the same thing.
#[derive(Debug, Default)]
pub(super) struct Timed(Vec<Duration>);

impl Timed {
    pub(super) fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// The time that `percent` of all did not exceed; zero if there is none.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        let at = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        sorted.get(at).copied().unwrap_or_default()
    }
}

/// A running server.
pub(super) struct Client {
    child: Child,
    input: ChildStdin,
    messages: Receiver<(Instant, Json)>,
    kept: VecDeque<Json>,
    next_id: i64,
    version: i64,
    lines: u64,
    questions: u64,
}

impl Client {
    /// Starts a server, and says how long it took from there to its answer to `initialize`.
    pub(super) fn start(command: &mut Command, folder: &Path) -> Result<(Self, Duration)> {
        let begun = Instant::now();
        let mut child = command
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let input = child.stdin.take().context("its input is a pipe")?;
        let output = child.stdout.take().context("its output is a pipe")?;
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Ok(body) = read_message(&mut output) {
                let arrived = Instant::now();
                let Ok(message) = serde_json::from_slice(&body) else {
                    return;
                };
                if sender.send((arrived, message)).is_err() {
                    return;
                }
            }
        });
        let mut client = Self {
            child,
            input,
            messages,
            kept: VecDeque::new(),
            next_id: 1,
            version: 1,
            lines: 0,
            questions: 0,
        };
        let uri = format!("file://{}", folder.display());
        let params = json!({
            "processId": null, "rootUri": uri,
            "workspaceFolders": [{ "uri": uri, "name": "bench" }],
            "capabilities": {
                "textDocument": { "publishDiagnostics": {}, "hover": {}, "completion": {} },
                "window": { "workDoneProgress": true },
            },
        });
        let id = client.ask("initialize", &params)?;
        let (arrived, _) = client.answer(id)?;
        client.notify("initialized", &json!({}))?;
        Ok((client, arrived.duration_since(begun)))
    }

    fn send(&mut self, message: &Json) -> Result<()> {
        let body = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{body}", body.len())
            .and_then(|()| self.input.flush())
            .context("the server closed its input")
    }

    fn notify(&mut self, method: &str, params: &Json) -> Result<()> {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }))
    }

    /// Asks without waiting.
    pub(super) fn ask(&mut self, method: &str, params: &Json) -> Result<i64> {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        Ok(id)
    }

    fn answer(&mut self, id: i64) -> Result<(Instant, Json)> {
        self.until(PATIENCE, |message| {
            message["id"] == id && message.get("method").is_none()
        })?
        .context("the server did not answer")
    }

    /// Asks and gives the result.
    pub(super) fn request(&mut self, method: &str, params: &Json) -> Result<Json> {
        let id = self.ask(method, params)?;
        let (_, answer) = self.answer(id)?;
        if answer.get("error").is_some() {
            bail!("{method}: {}", answer["error"]);
        }
        Ok(answer["result"].clone())
    }

    /// Asks and says how long the answer took.
    pub(super) fn timed(&mut self, method: &str, params: &Json) -> Result<Duration> {
        let begun = Instant::now();
        let id = self.ask(method, params)?;
        let (arrived, answer) = self.answer(id)?;
        if answer.get("error").is_some() {
            bail!("{method}: {}", answer["error"]);
        }
        Ok(arrived.duration_since(begun))
    }

    /// Opens a file.
    pub(super) fn open(&mut self, path: &Path, language: &str, text: &str) -> Result<()> {
        let uri = format!("file://{}", path.display());
        let document = json!({ "uri": uri, "languageId": language, "version": 1, "text": text });
        self.notify("textDocument/didOpen", &json!({ "textDocument": document }))
    }

    /// Replaces a line, and says how long it took until the diagnostics agreed with it. `None` if the
    /// server has nothing to say.
    pub(super) fn keystroke(
        &mut self,
        uri: &str,
        line: usize,
        new: &str,
        is_wrong: bool,
    ) -> Result<Option<Duration>> {
        self.version += 1;
        let range = json!({
            "start": { "line": line, "character": 0 }, "end": { "line": line + 1, "character": 0 },
        });
        let params = json!({
            "textDocument": { "uri": uri, "version": self.version },
            "contentChanges": [{ "range": range, "text": format!("{new}\n") }],
        });
        self.kept.clear();
        let begun = Instant::now();
        self.notify("textDocument/didChange", &params)?;
        let version = self.version;
        let told = self.until(NO_NEWS, |message| {
            let params = &message["params"];
            let counts = |found: &Json| found["severity"].as_u64().unwrap_or(1) <= 2;
            let bad = params["diagnostics"].as_array().is_some_and(|found| {
                found
                    .iter()
                    .any(|one| counts(one) && one["range"]["start"]["line"] == line)
            });
            message["method"] == "textDocument/publishDiagnostics"
                && params["version"]
                    .as_i64()
                    .is_none_or(|told| told == version)
                && bad == is_wrong
        })?;
        Ok(told.map(|(arrived, _)| arrived.duration_since(begun)))
    }

    /// Reads what comes for a while.
    pub(super) fn listen(&mut self, pause: Duration) -> Result<()> {
        self.until(pause, |_| false).map(drop)
    }

    /// Waits for a notification of this method.
    pub(super) fn wait_for(&mut self, method: &str) -> Result<Json> {
        let found = self.until(PATIENCE, |message| message["method"] == method)?;
        Ok(found.with_context(|| format!("no {method}"))?.1)
    }

    /// Waits for a plan of a project and gives its name.
    pub(super) fn wait_for_plan(&mut self, project: &Path) -> Result<String> {
        let found = self.until(PATIENCE, |message| {
            let params = &message["params"];
            let kind = params["event"]["kind"].as_str();
            message["method"] == "otaru/jobEvent"
                && params["project"] == json!(project)
                && matches!(kind, Some("planned" | "finished"))
        })?;
        let (_, message) = found.context("no plan")?;
        let plan = message["params"]["event"]["plan"]["planId"].as_str();
        plan.map(str::to_owned)
            .with_context(|| format!("no plan: {message}"))
    }

    /// The first message that is wanted; others are kept for a while.
    fn until(
        &mut self,
        patience: Duration,
        wanted: impl Fn(&Json) -> bool,
    ) -> Result<Option<(Instant, Json)>> {
        if let Some(at) = self.kept.iter().position(&wanted) {
            return Ok(self
                .kept
                .remove(at)
                .map(|message| (Instant::now(), message)));
        }
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let (arrived, message) = match self.messages.recv_timeout(left) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => bail!("the server has ended"),
            };
            self.count(&message);
            if wanted(&message) {
                return Ok(Some((arrived, message)));
            }
            if message["method"] == "window/workDoneProgress/create" {
                let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": null });
                self.send(&answer)?;
            } else if message["method"] == "otaru/jobEvent" {
                self.kept.push_back(message);
            }
        }
    }

    fn count(&mut self, message: &Json) {
        if message["method"] == "otaru/consoleOutput" {
            let params = &message["params"];
            let lines = params["lines"].as_array().map_or(0, Vec::len);
            self.lines += u64::try_from(lines).unwrap_or(0);
            self.lines += params["dropped"].as_u64().unwrap_or(0);
        }
        if message["method"] == "window/showMessageRequest" {
            self.questions += 1;
        }
    }

    /// Console lines that the server told of, those that it left out included.
    pub(super) fn lines_seen(&self) -> u64 {
        self.lines
    }

    /// Questions to the person that came; none is answered.
    pub(super) fn questions_seen(&self) -> u64 {
        self.questions
    }

    /// Memory that it occupies now, in KiB.
    pub(super) fn memory_kib(&self) -> u64 {
        Process::of(&self.child).memory_kib()
    }

    /// Ends it.
    pub(super) fn end(mut self) {
        let _ended = self.child.kill().is_err() || self.child.wait().is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let mut times = Timed::default();
        assert_eq!(times.percentile(50), Duration::ZERO);
        for ms in [5, 1, 4, 2, 3] {
            times.add(Duration::from_millis(ms));
        }
        assert_eq!(times.percentile(50), Duration::from_millis(3));
        assert_eq!(times.percentile(99), Duration::from_millis(5));
    }
}
