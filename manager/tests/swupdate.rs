//! SWUpdate, a third-party client of the protocol, takes whole updates from the real manager
//! process: an artifact that is no Otaru image, to a device that is none of ours.
//!
//! Ignored by default, because it needs SWUpdate and Python; `cargo xtask test` installs and names
//! both.

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const PATIENCE: Duration = Duration::from_mins(2);

/// A child process that is read line by line, and killed when the test ends.
struct Process {
    child: Child,
    lines: UnboundedReceiver<String>,
    seen: Vec<String>,
}

impl Process {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let output = child.stdout.take().expect("its output is a pipe");
        let (sender, lines) = unbounded_channel();
        std::thread::spawn(move || {
            BufReader::new(output)
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        let seen = Vec::new();
        Self { child, lines, seen }
    }

    /// The first line from here on for which `find` returns something.
    async fn wait<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        loop {
            let line = tokio::time::timeout(PATIENCE, self.lines.recv()).await;
            let Ok(Some(line)) = line else {
                panic!("no {what}; seen so far:\n{}", self.seen.join("\n"));
            };
            let found = find(&line);
            self.seen.push(line);
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// The next event of the fixture, which must be this one.
    async fn event(&mut self, event: &str) -> Value {
        let line: Value = self
            .wait(event, |line| serde_json::from_str(line).ok())
            .await;
        assert_eq!(line["event"], event, "{line}");
        line
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either may say that it has ended already, which is what we want.
        let _already_ended = self.child.kill().is_err();
        let _no_status = self.child.wait().is_err();
    }
}

/// A manager process with an API key to it.
struct Manager {
    process: Process,
    url: String,
    api_key: String,
    http: Client,
}

impl Manager {
    async fn start(folder: &Path) -> Self {
        let mut process = Process::start(
            Command::new(env!("CARGO_BIN_EXE_otaru-manager"))
                .args(["--listen", "127.0.0.1:0", "--poll-interval", "1", "--data"])
                .arg(folder),
        );
        let after = |mark: &'static str| {
            move |line: &str| {
                line.split_once(mark)
                    .map(|(_, rest)| rest.trim().to_owned())
            }
        };
        let url = process.wait("address", after("manager: ")).await;
        let token = process.wait("admin link", after("token=")).await;
        // In a build of the whole workspace reqwest has TLS without a provider.
        drop(tokio_rustls::rustls::crypto::ring::default_provider().install_default());
        let mut manager = Self {
            process,
            url,
            api_key: String::new(),
            http: Client::new(),
        };
        let setup = manager.post("/setup", json!({ "token": token })).await;
        manager.api_key = text(&setup["api_key"]);
        manager
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.request(Method::POST, path).json(&body);
        answer(request).await
    }

    async fn get(&self, path: &str) -> Value {
        answer(self.request(Method::GET, path)).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/api/v1{path}", self.url);
        self.http.request(method, url).bearer_auth(&self.api_key)
    }

    /// Uploads a file that is no Otaru image.
    async fn upload(&self, made: &Value, version: &str) {
        let path = text(&made["swu"]);
        self.post("/firmwares", json!({ "name": "linux" })).await;
        let upload = json!({"version": version, "size": made["size"], "sha256": made["sha256"],
            "file_name": "update.swu", "foreign": true});
        let upload = self.post("/firmwares/linux/uploads", upload).await;
        let reply = self
            .request(Method::PATCH, &format!("/uploads/{}", text(&upload["id"])))
            .header("Upload-Offset", "0")
            .body(std::fs::read(path).expect("the update was made"))
            .send()
            .await
            .expect("the manager answers");
        assert_eq!(reply.status(), StatusCode::CREATED);
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Value {
    let reply = request.send().await.expect("the manager answers");
    let status = reply.status();
    let body: Value = reply.json().await.expect("the answer is JSON");
    assert!(status.is_success(), "{status}: {body}");
    body
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// One whole update of a device with SWUpdate; returns how the manager saw it, and the client.
async fn update(make: &[&str], run: &[&str]) -> (Value, Process, TempDir) {
    let folder = TempDir::new().expect("a temporary folder");
    let own = folder.path().join("swupdate");
    let made = fixture("make", &own)
        .args(["--version", "2.0.0"])
        .args(make)
        .output()
        .expect("the fixture starts");
    let made: Value = serde_json::from_slice(&made.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&made.stderr)));

    let manager = Manager::start(&folder.path().join("manager")).await;
    manager.upload(&made, "2.0.0").await;
    let device = manager.post("/devices", json!({ "name": "gateway" })).await;
    let mut client = Process::start(
        fixture("run", &own)
            .args(["--url", &manager.url])
            .args(["--device", &text(&device["id"])])
            .args(["--token", &text(&device["token"])])
            .args(run),
    );
    client.event("online").await;
    let target = json!({ "devices": [device["id"]] });
    let deployment = json!({ "firmware": "linux", "version": "2.0.0", "target": target });
    let deployment = manager.post("/deployments", deployment).await;
    let action = text(&deployment["actions"][0]["id"]);
    // The fixture ends when SWUpdate has closed the action, one way or the other.
    client
        .wait("end", |line| {
            ["reported", "refused", "gave-up"]
                .iter()
                .any(|end| line.contains(end))
                .then_some(())
        })
        .await;
    let action = manager.get(&format!("/actions/{action}")).await;
    drop(manager.process);
    (action, client, folder)
}

fn fixture(command: &str, folder: &Path) -> Command {
    let python = std::env::var_os("OTARU_VENV_PYTHON").expect("run this with `cargo xtask test`");
    let script =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/interop/swupdate_fixture.py");
    let mut fixture = Command::new(python);
    fixture.arg(script).arg(command).arg("--folder").arg(folder);
    fixture
}

#[tokio::test]
#[ignore = "needs SWUpdate; cargo xtask test runs it"]
async fn swupdate_completes_an_update_from_our_manager() {
    let (action, client, folder) = update(&[], &[]).await;
    let installed = r#"{"event": "installed", "identical": true}"#;
    assert!(
        client.seen.iter().any(|line| line == installed),
        "{:?}",
        client.seen
    );
    assert_eq!(action["status"], "succeeded", "{action:#}");
    // Nobody but the device itself says so, and our page says that.
    assert_eq!(action["verified"], false, "{action:#}");
    assert_eq!(
        action["attempts"].as_array().map(Vec::len),
        Some(1),
        "{action:#}"
    );
    assert!(folder.path().join("swupdate/installed.bin").exists());
}

#[tokio::test]
#[ignore = "needs SWUpdate; cargo xtask test runs it"]
async fn damaged_update_is_refused_by_swupdate_and_failed_here() {
    let (action, client, folder) = update(&["--damaged"], &[]).await;
    assert!(
        client
            .seen
            .iter()
            .any(|line| line.contains("HASH mismatch")),
        "{:?}",
        client.seen
    );
    assert_eq!(action["status"], "failed", "{action:#}");
    assert!(!folder.path().join("swupdate/installed.bin").exists());
}

#[tokio::test]
#[ignore = "needs SWUpdate; cargo xtask test runs it"]
async fn software_that_fails_its_own_test_is_failed_here() {
    let (action, _, _) = update(&[], &["--result", "failure"]).await;
    assert_eq!(action["status"], "failed", "{action:#}");
}
