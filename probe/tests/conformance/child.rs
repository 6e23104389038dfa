//! The process under test. Each wait has a time-out that fails with what was seen.

use std::io::{BufRead, BufReader, Write};
use std::process::{self, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// Generous: the machine may be busy.
const TIMEOUT: Duration = Duration::from_secs(50);

/// A running `otaru-probe`.
pub(crate) struct Child {
    process: process::Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Child {
    /// Starts the process with this backend.
    pub(crate) fn start(backend: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_otaru-probe"))
            .args(["--backend", backend])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the process starts");
        let stdin = process.stdin.take();
        let stdout = BufReader::new(process.stdout.take().expect("piped"));
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines() {
                if send.send(line.expect("UTF-8")).is_err() {
                    return;
                }
            }
        });
        Self {
            process,
            stdin,
            lines,
        }
    }

    /// Sends a line as it is.
    pub(crate) fn send_bytes(&mut self, line: &[u8]) {
        let stdin = self.stdin.as_mut().expect("not finished");
        stdin.write_all(line).expect("the process reads");
        stdin.write_all(b"\n").expect("the process reads");
    }

    /// Sends bytes without a line end.
    pub(crate) fn send_torn(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("not finished");
        stdin.write_all(bytes).expect("the process reads");
    }

    /// The most memory that the process had resident so far, in KiB.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_memory_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|n| n.parse().ok())
            .expect("a number of KiB")
    }

    /// Sends a request.
    pub(crate) fn send(&mut self, request: &Value) {
        self.send_bytes(request.to_string().as_bytes());
    }

    /// The next line.
    pub(crate) fn next(&mut self) -> Value {
        let line = self.lines.recv_timeout(TIMEOUT).expect("a line in time");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// The next reply.
    pub(crate) fn skip_events(&mut self) -> Value {
        loop {
            let line = self.next();
            if line.get("event").is_none() {
                return line;
            }
        }
    }

    /// Sends a request and waits for its reply.
    pub(crate) fn ask(&mut self, request: &Value) -> Value {
        self.ask_with_events(request).1
    }

    /// Sends a request and collects what comes before its reply.
    pub(crate) fn ask_with_events(&mut self, request: &Value) -> (Vec<Value>, Value) {
        self.send(request);
        let mut events = Vec::new();
        loop {
            let line = self.next();
            assert_eq!(line["id"], request["id"], "{line}");
            if line.get("event").is_none() {
                return (events, line);
            }
            events.push(line);
        }
    }

    /// Ends the input and waits until the process has ended well; what it still said comes back.
    pub(crate) fn finish(mut self) -> Vec<Value> {
        drop(self.stdin.take());
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(TIMEOUT) {
                Ok(line) => rest.push(serde_json::from_str(&line).expect("JSON")),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("still running; it said {rest:?}"),
            }
        }
        let status = self.process.wait().expect("a status");
        assert!(status.success(), "{status}");
        rest
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // After `finish` both fail, because the process has ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Runs the process without input.
pub(crate) fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_otaru-probe"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the process starts")
}

/// A file with these bytes.
pub(crate) fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("space");
    file
}

/// Bytes as `read` answers them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}
