//! The manager's public API, spoken as any client would.

use crate::PATIENCE;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The API of one manager with one key.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    url: String,
    key: String,
}

/// A request that the manager refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiFailure {
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: String,
}

impl Api {
    /// Exchanges the one-time token for a key.
    ///
    /// # Panics
    /// If the manager refuses.
    pub async fn set_up(url: &str, token: &str) -> Self {
        // Another crate of the workspace asks for the client's TLS, so it needs a provider.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::new();
        let api = Self {
            client,
            url: url.to_owned(),
            key: String::new(),
        };
        let answer = api
            .call(Method::POST, "/setup", Some(json!({ "token": token })))
            .await;
        let key = answer.expect("the admin token is good")["api_key"]
            .as_str()
            .map(str::to_owned);
        Self {
            key: key.expect("an API key"),
            ..api
        }
    }

    /// The API key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// One request.
    ///
    /// # Errors
    /// What the manager answered when it refused.
    ///
    /// # Panics
    /// If the manager does not answer.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, ApiFailure> {
        let url = format!("{}/api/v1{path}", self.url);
        let mut request = self.client.request(method, &url).timeout(PATIENCE);
        if !self.key.is_empty() {
            request = request.bearer_auth(&self.key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request
            .send()
            .await
            .unwrap_or_else(|error| panic!("{url}: {error}"));
        Self::answer(response).await
    }

    async fn answer(response: reqwest::Response) -> Result<Value, ApiFailure> {
        let status = response.status();
        let text = response.text().await.expect("the answer arrives");
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(value);
        }
        let code = value["error"]["code"].as_str().unwrap_or(&text).to_owned();
        Err(ApiFailure {
            status: status.as_u16(),
            code,
        })
    }

    /// GET.
    ///
    /// # Errors
    /// What the manager answered when it refused.
    pub async fn get(&self, path: &str) -> Result<Value, ApiFailure> {
        self.call(Method::GET, path, None).await
    }

    /// POST.
    ///
    /// # Errors
    /// What the manager answered when it refused.
    pub async fn post(&self, path: &str, body: Value) -> Result<Value, ApiFailure> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Uploads bytes as a version.
    ///
    /// # Errors
    /// What the manager answered when it refused.
    ///
    /// # Panics
    /// If the manager does not answer.
    pub async fn upload(
        &self,
        firmware: &str,
        version: &str,
        bytes: &[u8],
    ) -> Result<Value, ApiFailure> {
        let digest = sha256_hex(bytes);
        let request = json!({
            "version": version, "size": bytes.len(), "sha256": digest,
            "file_name": format!("{firmware}-{version}.img"),
        });
        let upload = self
            .post(&format!("/firmwares/{firmware}/uploads"), request)
            .await?;
        let id = upload["id"].as_str().expect("an upload id");
        let response = self
            .client
            .patch(format!("{}/api/v1/uploads/{id}", self.url))
            .timeout(PATIENCE)
            .bearer_auth(&self.key)
            .header("Upload-Offset", "0")
            .body(bytes.to_vec())
            .send()
            .await
            .expect("the manager answers");
        Self::answer(response).await
    }

    /// Waits until an action is as `wanted` says, following the manager's events.
    ///
    /// # Panics
    /// If that does not happen in time; says what was seen.
    pub async fn action_until(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Value::Null;
        let wait = async {
            loop {
                let events = self
                    .client
                    .get(format!("{}/api/v1/events?action={id}", self.url))
                    .bearer_auth(&self.key)
                    .send()
                    .await;
                let Ok(mut events) = events else { continue };
                loop {
                    seen = self
                        .get(&format!("/actions/{id}"))
                        .await
                        .expect("the action exists");
                    if wanted(&seen) {
                        return;
                    }
                    if !matches!(events.chunk().await, Ok(Some(_))) {
                        break;
                    }
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, wait).await;
        assert!(
            in_time.is_ok(),
            "the action did not get there; last seen: {seen:#}"
        );
        seen
    }

    /// Waits until an action has ended.
    ///
    /// # Panics
    /// If it does not end in time.
    pub async fn action_end(&self, id: &str) -> Value {
        const FINAL: [&str; 5] = ["succeeded", "failed", "reverted", "canceled", "timed-out"];
        let ended = |action: &Value| {
            action["status"]
                .as_str()
                .is_some_and(|word| FINAL.contains(&word))
        };
        self.action_until(id, ended).await
    }
}

/// The SHA-256 of a file, as it stands on the wire.
///
/// # Panics
/// Never: a string takes everything.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").expect("a string takes everything");
    }
    text
}
