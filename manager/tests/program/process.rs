//! The program as a child process, and a client of its API.

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_otaru-manager");
/// Generous: a test that needs it has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running manager. Dropped, it is killed.
pub(crate) struct Program {
    child: Child,
    pub(crate) url: String,
    admin_token: Option<String>,
}

impl Program {
    /// Starts it and waits until it says where it listens.
    pub(crate) fn start(folder: &Path, port: u16) -> Self {
        let mut command = Command::new(PROGRAM);
        command
            .arg("--data")
            .arg(folder)
            .arg("--listen")
            .arg(format!("127.0.0.1:{port}"));
        Self::spawn(&mut command)
    }

    /// The same, where no file may be larger than this.
    #[cfg(unix)]
    pub(crate) fn start_with_file_limit(folder: &Path, bytes: u64) -> Self {
        let mut command = Command::new("sh");
        // A shell counts in blocks of 512 bytes. The signal is ignored, so that the write fails.
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", bytes / 512);
        command
            .args([
                "-c",
                &script,
                "sh",
                PROGRAM,
                "--listen",
                "127.0.0.1:0",
                "--data",
            ])
            .arg(folder);
        Self::spawn(&mut command)
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let out = child.stdout.take().expect("its output is ours");
        let mut lines = BufReader::new(out).lines().map_while(Result::ok);
        let first = lines.next().unwrap_or_default();
        let url = first
            .strip_prefix("manager: ")
            .expect("it says where it listens")
            .to_owned();
        // The link is printed on the very first start only; without one the pipe stays silent.
        let admin_token = (!command_is_restart(command)).then(|| {
            let line = lines.next().expect("the first start prints an admin link");
            line.split_once("token=").expect("a token").1.to_owned()
        });
        Self {
            child,
            url,
            admin_token,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.url
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok())
            .expect("a port")
    }

    /// Ends it at once, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it is gone");
    }

    /// A client with an API key from the one-time link.
    pub(crate) async fn api(&self) -> Api {
        // No connection outlives its manager.
        // In a build of the whole workspace reqwest has TLS without a provider.
        drop(tokio_rustls::rustls::crypto::ring::default_provider().install_default());
        let http = Client::builder()
            .timeout(PATIENCE)
            .pool_max_idle_per_host(0);
        let http = http.build().expect("a client");
        let token = self.admin_token.as_ref().expect("a first start");
        let setup = http
            .post(format!("{}/api/v1/setup", self.url))
            .json(&json!({"token": token}));
        let answer: Value = setup
            .send()
            .await
            .expect("it answers")
            .json()
            .await
            .expect("JSON");
        let key = answer["api_key"].as_str().expect("a key").to_owned();
        Api {
            url: self.url.clone(),
            key,
            http,
        }
    }
}

/// A port that is given means that the folder has been used before.
fn command_is_restart(command: &Command) -> bool {
    command.get_args().all(|argument| argument != "127.0.0.1:0")
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may be gone already, which is fine.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A client of the public API.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) url: String,
    key: String,
    pub(crate) http: Client,
}

impl Api {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}/api/v1{path}", self.url))
            .bearer_auth(&self.key)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self
            .request(Method::GET, path)
            .send()
            .await
            .expect("it answers");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.expect("JSON")
    }

    pub(crate) async fn make(&self, path: &str, body: Value) -> Value {
        let response = self
            .request(Method::POST, path)
            .json(&body)
            .send()
            .await
            .expect("it answers");
        assert!(
            response.status().is_success(),
            "{path}: {}",
            response.status()
        );
        response.json().await.expect("JSON")
    }
}
