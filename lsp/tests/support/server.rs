//! A client of the real server: a child process at the other end of two pipes. Every byte it prints
//! must belong to a message, and every message must have been read when the test is over.

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long anything may take before the test fails and says what it saw.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A running server.
pub(crate) struct TestServer {
    child: Child,
    input: Option<ChildStdin>,
    messages: mpsc::Receiver<Result<Value, String>>,
    /// Read from the pipe, not yet by the test.
    unread: VecDeque<Value>,
    /// Methods that the test does not care about.
    ignored: Vec<&'static str>,
    next_id: i64,
    ended: bool,
}

/// What a test says about its client.
pub(crate) struct ClientProfile {
    /// Shows progress.
    pub(crate) progress: bool,
    /// Is our extension.
    pub(crate) extension: bool,
}

impl TestServer {
    /// Starts the server without a word.
    pub(crate) fn spawn() -> Self {
        Self::spawn_with(&[])
    }

    /// The same with these variables in its environment.
    pub(crate) fn spawn_with(variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_otaru-lsp"))
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let input = child.stdin.take();
        let output = child.stdout.take().expect("piped");
        let (messages, receiver) = mpsc::channel();
        std::thread::spawn(move || read_messages(output, &messages));
        Self {
            child,
            input,
            messages: receiver,
            unread: VecDeque::new(),
            ignored: Vec::new(),
            next_id: 1,
            ended: false,
        }
    }

    /// Starts the server and introduces a client whose workspace is `folder`.
    pub(crate) fn start(folder: &Path, profile: &ClientProfile) -> Self {
        let mut server = Self::spawn().ignoring(&["otaru/statusChanged"]);
        let answer = server.request("initialize", &initialize_params(folder, profile));
        assert_eq!(answer["serverInfo"]["name"], "otaru");
        server.notify("initialized", &json!({}));
        server
    }

    /// Leaves messages of these methods unread.
    pub(crate) fn ignoring(mut self, methods: &[&'static str]) -> Self {
        self.ignored.extend_from_slice(methods);
        self
    }

    /// Writes raw bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("still open");
        input
            .write_all(bytes)
            .and_then(|()| input.flush())
            .expect("the server reads");
    }

    /// Writes a message.
    pub(crate) fn send(&mut self, message: &Value) {
        let body = message.to_string();
        self.write(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    }

    /// Sends a notification.
    pub(crate) fn notify(&mut self, method: &str, params: &Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Sends a request without waiting for its answer.
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// Sends a request and waits for its whole answer.
    pub(crate) fn answer(&mut self, method: &str, params: &Value) -> Value {
        let id = self.ask(method, params);
        self.wait_for(&format!("the answer to {method}"), |message| {
            message["id"] == id && message.get("method").is_none()
        })
    }

    /// Sends a request that has to succeed; gives its result.
    pub(crate) fn request(&mut self, method: &str, params: &Value) -> Value {
        let answer = self.answer(method, params);
        assert!(
            answer.get("error").is_none(),
            "{method} failed: {}",
            answer["error"]
        );
        answer["result"].clone()
    }

    /// Sends a request that has to fail; gives its error.
    pub(crate) fn refusal(&mut self, method: &str, params: &Value) -> Value {
        let answer = self.answer(method, params);
        assert!(
            answer.get("error").is_some(),
            "{method} succeeded: {}",
            answer["result"]
        );
        answer["error"].clone()
    }

    /// Waits for a notification or request of the server and gives its parameters.
    pub(crate) fn expect(&mut self, method: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.expect_message(method, wanted)["params"].clone()
    }

    /// As [`Self::expect`], the whole message.
    pub(crate) fn expect_message(
        &mut self,
        method: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        self.wait_for(method, |message| {
            message["method"] == method && wanted(&message["params"])
        })
    }

    /// The diagnostics of a file as soon as they satisfy `wanted`; earlier ones are passed over.
    pub(crate) fn diagnostics(
        &mut self,
        uri: &str,
        wanted: impl Fn(&[Value]) -> bool,
    ) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let is_one = |params: &Value| params["uri"] == uri;
            let params = self.expect("textDocument/publishDiagnostics", is_one);
            let mut found = params["diagnostics"].as_array().expect("a list").clone();
            found.retain(|found| !is_about_manager(found));
            if wanted(&found) {
                return found;
            }
            seen.push(found);
            assert!(
                Instant::now() < deadline,
                "other diagnostics of {uri}: {seen:#?}"
            );
        }
    }

    /// Waits for an error that belongs to no request.
    pub(crate) fn expect_error(&mut self) -> Value {
        let is_it = |message: &Value| message["id"].is_null() && message.get("error").is_some();
        self.wait_for("an error without a request", is_it)["error"].clone()
    }

    fn wait_for(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.unread.iter().position(&wanted) {
            return self.unread.remove(at).expect("just found");
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(Ok(message)) if wanted(&message) => return message,
                Ok(Ok(message)) => self.unread.push_back(message),
                Ok(Err(defect)) => panic!("waiting for {what}: {defect}"),
                Err(error) => panic!("waiting for {what}: {error}; unread: {:#?}", self.unread),
            }
        }
    }

    /// Says good-bye in order and waits for the end of the process.
    pub(crate) fn shut_down(mut self) -> ExitStatus {
        assert_eq!(self.request("shutdown", &Value::Null), Value::Null);
        self.notify("exit", &Value::Null);
        self.wait_for_end()
    }

    /// The test does not care what else was said.
    pub(crate) fn forget_unread(&mut self) {
        self.unread.clear();
    }

    /// Closes the server's input.
    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    /// Waits for the end of the process, which the end of its output announces.
    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(Ok(message)) => self.unread.push_back(message),
                Ok(Err(defect)) => panic!("at the end: {defect}"),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("the server does not end"),
            }
        }
        self.ended = true;
        self.child.wait().expect("it has ended")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if !self.ended {
            self.input = None;
            if std::thread::panicking() {
                self.child.kill().expect("ours to end");
            }
            self.child.wait().expect("it ends with its input");
        }
        while let Ok(message) = self.messages.recv_timeout(PATIENCE) {
            self.unread
                .push_back(message.unwrap_or_else(|defect| json!({ "defect": defect })));
        }
        if std::thread::panicking() {
            return;
        }
        let ignored = &self.ignored;
        self.unread
            .retain(|message| !ignored.iter().any(|method| message["method"] == *method));
        self.unread.retain(|message| {
            let found = message["params"]["diagnostics"].as_array();
            !found.is_some_and(|found| !found.is_empty() && found.iter().all(is_about_manager))
        });
        assert!(
            self.unread.is_empty(),
            "messages that nobody read: {:#?}",
            self.unread
        );
    }
}

/// Nobody listens at the address in our manifests, and when the server notices is chance.
fn is_about_manager(diagnostic: &Value) -> bool {
    diagnostic["code"] == "manager-unreachable"
}

/// Reads messages until the pipe ends. A byte that belongs to none is an error.
fn read_messages(output: ChildStdout, messages: &mpsc::Sender<Result<Value, String>>) {
    let mut output = BufReader::new(output);
    loop {
        let message = read_message(&mut output).transpose();
        let Some(message) = message else { return };
        let is_end = message.is_err();
        if messages.send(message).is_err() || is_end {
            return;
        }
    }
}

fn read_message(output: &mut BufReader<ChildStdout>) -> Result<Option<Value>, String> {
    let mut length = None;
    loop {
        let mut line = String::new();
        match output.read_line(&mut line) {
            Ok(0) if length.is_none() && line.is_empty() => return Ok(None),
            Ok(0) => return Err("the output ends inside a message".to_owned()),
            Ok(_) if line == "\r\n" => break,
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
        let value = line.strip_prefix("Content-Length: ").map(str::trim_end);
        match value.map(str::parse::<usize>) {
            Some(Ok(value)) => length = Some(value),
            Some(Err(_)) | None => return Err(format!("stray output: {line:?}")),
        }
    }
    let length = length.ok_or("a message without length")?;
    let mut body = vec![0; length];
    output
        .read_exact(&mut body)
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(&body)
        .map(Some)
        .map_err(|error| error.to_string())
}

/// What a client says first.
pub(crate) fn initialize_params(folder: &Path, profile: &ClientProfile) -> Value {
    json!({
        "processId": null,
        "workspaceFolders": [{ "uri": uri(folder), "name": "test" }],
        "initializationOptions": { "commands": profile.extension },
        "capabilities": { "window": { "workDoneProgress": profile.progress } },
    })
}

/// The address of a path that needs no escaping.
pub(crate) fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// A folder with a manifest, and its manifest's address.
pub(crate) struct TestProject {
    /// Gone when this is dropped.
    pub(crate) folder: tempfile::TempDir,
}

/// A manifest without problems, apart from its key file.
pub(crate) const MANIFEST: &str = "[project]\nname = \"lamp\"\nboard = \"host\"\n\n[signing]\nkey = \"dev.pem\"\n\n[manager]\nurl = \"http://127.0.0.1:9\"\ndevice = \"lamp-1\"\n";

impl TestProject {
    /// With this manifest and a key file that nobody else can read.
    pub(crate) fn new(manifest: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let project = Self { folder };
        project.write("Otaru.toml", manifest);
        project.write("dev.pem", "not really a key");
        make_private(&project.path().join("dev.pem"));
        project
    }

    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of it.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("inside")).expect("made");
        std::fs::write(&path, text).expect("written");
        path
    }

    /// The manifest's address.
    pub(crate) fn manifest_uri(&self) -> String {
        uri(&self.path().join("Otaru.toml"))
    }

    /// Opens the manifest in the editor.
    pub(crate) fn open(&self, server: &mut TestServer, text: &str) {
        let document = json!({
            "uri": self.manifest_uri(), "languageId": "toml", "version": 1, "text": text,
        });
        server.notify("textDocument/didOpen", &json!({ "textDocument": document }));
    }
}

#[cfg(unix)]
fn make_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("set");
}

#[cfg(not(unix))]
fn make_private(_path: &Path) {}
