//! A manager on an ephemeral port, a client of its API, and a device that speaks DDI.

use otaru_image::{ImageBuilder, Label, SigningKey, Version};
use otaru_manager::{Clock, Config, Manager};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Generous: a test that needs it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A running manager in this process.
pub(crate) struct TestManager {
    pub(crate) url: String,
    pub(crate) api_key: String,
    pub(crate) folder: TempDir,
    pub(crate) http: reqwest::Client,
    /// Milliseconds that the manager's clock is ahead.
    ahead_ms: Arc<AtomicI64>,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl TestManager {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Self::start_in(folder, change).await
    }

    pub(crate) async fn start_in(folder: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let ahead_ms = Arc::new(AtomicI64::new(0));
        let clock_ahead = Arc::clone(&ahead_ms);
        let system = Clock::system();
        let mut config = Config::new(folder.path());
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.clock = Clock::from_fn(move || system.now_ms() + clock_ahead.load(Ordering::SeqCst));
        change(&mut config);
        let manager = Manager::open(config).await.expect("the manager opens");
        let api_key = manager
            .bootstrap_api_key("test")
            .await
            .expect("a key can be made");
        let listener = manager.bind().await.expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let url = format!("{}://{address}", manager.scheme());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let shutdown = async {
                // A sender that is gone means the same as one that has sent.
                drop(stopped.await);
            };
            manager
                .serve(listener, shutdown)
                .await
                .expect("the manager serves");
        });
        // In a build of the whole workspace reqwest has TLS without a provider.
        drop(tokio_rustls::rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .build()
            .expect("a client");
        Self {
            url,
            api_key,
            folder,
            http,
            ahead_ms,
            stop: Some(stop),
            task: Some(task),
        }
    }

    /// Stops the manager; its folder can be opened again.
    pub(crate) async fn stop(mut self) -> TempDir {
        drop(self.stop.take());
        let task = self.task.take().expect("it runs");
        tokio::time::timeout(PATIENCE, task)
            .await
            .expect("it stops in time")
            .expect("it stops well");
        std::mem::replace(
            &mut self.folder,
            tempfile::tempdir().expect("a temporary folder"),
        )
    }

    /// Lets the manager's time pass.
    pub(crate) fn pass(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).expect("a short time");
        self.ahead_ms.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}/api/v1{path}", self.url))
            .bearer_auth(&self.api_key)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self
            .request(Method::GET, path)
            .send()
            .await
            .expect("it answers");
        expect(response, StatusCode::OK).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let response = self
            .request(Method::POST, path)
            .json(&body)
            .send()
            .await
            .expect("it answers");
        let status = response.status();
        (status, response.json().await.unwrap_or_default())
    }

    /// POST that must succeed.
    pub(crate) async fn make(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.post(path, body.clone()).await;
        assert!(status.is_success(), "POST {path} {body}: {status} {answer}");
        answer
    }

    /// Code of the error that this POST must get.
    pub(crate) async fn refused(&self, path: &str, body: Value) -> (u16, String) {
        let (status, answer) = self.post(path, body).await;
        (
            status.as_u16(),
            answer["error"]["code"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    }

    /// A provisioned device that has connected and told what it is.
    pub(crate) async fn otaru_device(&self) -> TestDevice {
        let device = self.silent_device().await;
        device.poll().await;
        device.tell("1.0.0", &[1; 32]).await;
        device
    }

    /// A provisioned device that has never connected.
    pub(crate) async fn silent_device(&self) -> TestDevice {
        let made = self.make("/devices", json!({})).await;
        TestDevice {
            id: text(&made["id"]),
            url: text(&made["ddi_url"]),
            token: text(&made["token"]),
            http: self.http.clone(),
        }
    }

    /// Uploads in one request.
    pub(crate) async fn upload(
        &self,
        firmware: &str,
        version: &str,
        content: &[u8],
        foreign: bool,
    ) -> (StatusCode, Value) {
        let body = json!({
            "version": version, "size": content.len(), "sha256": digest(content),
            "file_name": "fw.img", "foreign": foreign,
        });
        let upload = self
            .make(&format!("/firmwares/{firmware}/uploads"), body)
            .await;
        self.append(&text(&upload["id"]), 0, content.to_vec()).await
    }

    pub(crate) async fn append(
        &self,
        upload: &str,
        offset: usize,
        bytes: Vec<u8>,
    ) -> (StatusCode, Value) {
        let response = self
            .request(Method::PATCH, &format!("/uploads/{upload}"))
            .header("upload-offset", offset)
            .body(bytes)
            .send()
            .await
            .expect("it answers");
        let status = response.status();
        (status, response.json().await.unwrap_or_default())
    }

    /// A firmware `counter` with a registered key and one signed version; the image.
    pub(crate) async fn firmware(&self, version: &str) -> Vec<u8> {
        self.make("/firmwares", json!({"name": "counter"})).await;
        let key = signing_key();
        let body = json!({"name": "dev", "public_key": key.public().to_hex()});
        self.make("/keys", body).await;
        self.version(version).await
    }

    /// One more signed version of `counter`; the image.
    pub(crate) async fn version(&self, version: &str) -> Vec<u8> {
        let image = image(version, &signing_key());
        let (status, answer) = self.upload("counter", version, &image, false).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        image
    }

    /// Starts a deployment of a version of `counter` to one device; the action's id.
    pub(crate) async fn deploy(&self, version: &str, device: &TestDevice) -> String {
        let started = self.make(
            "/deployments",
            json!({
                "firmware": "counter", "version": version, "target": {"devices": [device.id]},
            }),
        );
        text(&started.await["actions"][0]["id"])
    }

    /// Status of an action.
    pub(crate) async fn status(&self, action: &str) -> String {
        text(&self.get(&format!("/actions/{action}")).await["status"])
    }

    /// Waits until an action has this status.
    pub(crate) async fn wait_for(&self, action: &str, status: &str) {
        let watch = async {
            let mut events = self.events(&format!("?action={action}"), None).await;
            while self.status(action).await != status {
                events.next().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, watch).await;
        assert!(
            waited.is_ok(),
            "{action} is {} and not {status}",
            self.status(action).await
        );
    }

    pub(crate) async fn events(&self, query: &str, last_id: Option<&str>) -> EventStream {
        let mut request = self.request(Method::GET, &format!("/events{query}"));
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.expect("it answers");
        assert_eq!(response.status(), StatusCode::OK);
        EventStream {
            response,
            read: String::new(),
        }
    }
}

/// Server-sent events.
pub(crate) struct EventStream {
    response: Response,
    read: String,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

impl EventStream {
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let field = |name: &str| {
                    block
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .unwrap_or("")
                        .trim()
                };
                let event = Event {
                    kind: field("event:").to_owned(),
                    id: field("id:").to_owned(),
                    data: serde_json::from_str(field("data:")).unwrap_or_default(),
                };
                let rest = rest.to_owned();
                self.read = rest;
                if !event.kind.is_empty() {
                    return event;
                }
                continue;
            }
            let part = tokio::time::timeout(PATIENCE, self.response.chunk());
            let part = part
                .await
                .expect("an event in time")
                .expect("the stream stays open");
            let part = part.expect("the stream goes on");
            self.read
                .push_str(std::str::from_utf8(&part).expect("events are text"));
        }
    }
}

/// A device, as the manager sees it.
#[derive(Clone)]
pub(crate) struct TestDevice {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) http: reqwest::Client,
}

impl TestDevice {
    pub(crate) fn request(&self, method: Method, url: &str) -> RequestBuilder {
        let url = if url.starts_with("http") {
            url.to_owned()
        } else {
            format!("{}{url}", self.url)
        };
        let token = format!("TargetToken {}", self.token);
        self.http
            .request(method, url)
            .header("authorization", token)
    }

    pub(crate) async fn send(&self, method: Method, url: &str, body: &Value) -> StatusCode {
        self.request(method, url)
            .json(body)
            .send()
            .await
            .expect("it answers")
            .status()
    }

    pub(crate) async fn poll(&self) -> Value {
        let response = self
            .request(Method::GET, "")
            .send()
            .await
            .expect("it answers");
        expect(response, StatusCode::OK).await
    }

    /// What is offered: the name of the link and the DDI id in it.
    pub(crate) async fn offered(&self) -> Option<(&'static str, i64)> {
        let links = &self.poll().await["_links"];
        ["deploymentBase", "cancelAction"]
            .into_iter()
            .find_map(|name| {
                let href = links[name]["href"].as_str()?;
                let last = href.rsplit('/').next()?;
                Some((name, last.split('?').next()?.parse().ok()?))
            })
    }

    pub(crate) async fn tell(&self, version: &str, digest: &[u8; 32]) {
        let data = json!({"otaru.version": version, "otaru.digest": hex(digest),
            "otaru.board": "host", "otaru.boot": "0.1.0"});
        let body = json!({"mode": "merge", "data": data});
        assert_eq!(
            self.send(Method::PUT, "/configData", &body).await,
            StatusCode::OK
        );
    }

    /// Fetches the deployment; its DDI id and the body.
    pub(crate) async fn fetch(&self) -> (i64, Value) {
        let offered = self.offered().await;
        let Some(("deploymentBase", id)) = offered else {
            panic!("offered was {offered:?}")
        };
        let response = self
            .request(Method::GET, &format!("/deploymentBase/{id}"))
            .send()
            .await;
        (
            id,
            expect(response.expect("it answers"), StatusCode::OK).await,
        )
    }

    pub(crate) async fn report(&self, id: i64, line: &str) -> StatusCode {
        let body = json!({"id": id.to_string(), "status": {"execution": "proceeding",
            "result": {"finished": "none"}, "details": [line]}});
        self.feedback(id, &body).await
    }

    pub(crate) async fn close(&self, id: i64, finished: &str, details: &[&str]) -> StatusCode {
        let body = json!({"id": id.to_string(), "status": {"execution": "closed",
            "result": {"finished": finished}, "details": details}});
        self.feedback(id, &body).await
    }

    pub(crate) async fn feedback(&self, id: i64, body: &Value) -> StatusCode {
        self.send(
            Method::POST,
            &format!("/deploymentBase/{id}/feedback"),
            body,
        )
        .await
    }

    /// Goes through an update up to this phase.
    pub(crate) async fn go_to(&self, id: i64, phase: &str, digest: &str) {
        for step in ["downloading", "verifying", "parked", "installing", "trial"] {
            self.step(id, step, digest).await;
            if step == phase {
                return;
            }
        }
    }

    /// Reports one phase.
    pub(crate) async fn step(&self, id: i64, phase: &str, digest: &str) {
        let mut line = format!("otaru phase={phase}");
        if phase == "trial" {
            line = format!("{line} digest={digest}");
        }
        assert_eq!(self.report(id, &line).await, StatusCode::OK, "{phase}");
    }
}

/// The JSON of an answer that must have this status.
pub(crate) async fn expect(response: Response, status: StatusCode) -> Value {
    let (actual, url) = (response.status(), response.url().clone());
    let body = response.text().await.expect("the answer arrives");
    assert_eq!(actual, status, "{url}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{url}: {error}: {body}"))
}

pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is not a text"))
        .to_owned()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

pub(crate) fn digest(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_seed([42; 32])
}

/// A signed image whose payload depends on the version.
pub(crate) fn image(version: &str, key: &SigningKey) -> Vec<u8> {
    builder(version).sign(key).expect("the image can be signed")
}

/// The same before it is signed.
pub(crate) fn builder(version: &str) -> ImageBuilder {
    let payload: Vec<u8> = version.bytes().cycle().take(70_000).collect();
    let number = Version {
        major: 1,
        minor: 0,
        revision: 0,
        build: 0,
    };
    let label = Label::new(version).expect("a label");
    ImageBuilder::new(payload, number).label(label)
}

pub(crate) fn folder_size(folder: &Path) -> u64 {
    std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").metadata().expect("its size").len())
        .sum()
}
