//! Requests and answers.

use crate::explain::{ErrorClass, Explain};
use otaru_lsp_project::ManagerUrl;
use reqwest::{Method, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Longest answer that is read, in bytes.
const ANSWER_LEN_MAX: usize = 8 * 1024 * 1024;
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the manager may be silent in the middle of an answer. Its event stream says something
/// more often than that.
const READ_TIMEOUT: Duration = Duration::from_secs(45);

/// A connection to one workspace of a manager.
#[derive(Debug, Clone)]
pub struct ManagerClient {
    http: reqwest::Client,
    url: ManagerUrl,
    authorization: Option<header::HeaderValue>,
}

/// Why the manager did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    /// It does not answer.
    #[error("the manager at {url} does not answer")]
    Unreachable {
        /// Its address.
        url: ManagerUrl,
        /// Why.
        source: reqwest::Error,
    },
    /// No API key is known for it.
    #[error("there is no API key for {0}")]
    NoKey(ManagerUrl),
    /// It does not accept the API key.
    #[error("the manager at {0} does not accept the API key")]
    Unauthorized(ManagerUrl),
    /// It said no.
    #[error("{message}")]
    Answer {
        /// HTTP status.
        status: u16,
        /// Stable word for it.
        code: String,
        /// For people.
        message: String,
        /// What to do next, if the manager knows.
        hint: Option<String>,
        /// The digest of what stands in the way, if it is about an image.
        digest: Option<String>,
    },
    /// The answer is none of our API.
    #[error("{url} does not answer like a manager: {detail}")]
    Malformed {
        /// Its address.
        url: ManagerUrl,
        /// What was odd.
        detail: String,
    },
    /// The API key contains characters that no key has.
    #[error("the API key contains characters that cannot be sent")]
    KeyCharacters,
    /// TLS cannot be set up.
    #[error("cannot set up connections")]
    Setup(#[source] reqwest::Error),
    /// The work was cancelled.
    #[error("stopped")]
    Cancelled,
}

impl Explain for ManagerError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "manager-unreachable",
            Self::NoKey(_) => "api-key-missing",
            Self::Unauthorized(_) => "api-key-refused",
            Self::Answer { .. } => "manager-refused",
            Self::Malformed { .. } => "manager-malformed",
            Self::KeyCharacters => "api-key-unusable",
            Self::Setup(_) => "tls-setup",
            Self::Cancelled => "cancelled",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } => Some(
                "start it with `otaru manager serve`, or correct `[manager] url` in Otaru.toml"
                    .to_owned(),
            ),
            Self::NoKey(url) | Self::Unauthorized(url) => Some(format!(
                "log in with `otaru login {url}`, or set OTARU_API_KEY"
            )),
            Self::Answer { hint, .. } => hint.clone(),
            Self::Malformed { .. } => {
                Some("check that the address is that of an Otaru manager".to_owned())
            }
            Self::KeyCharacters => Some("copy the key again, without spaces".to_owned()),
            Self::Setup(_) | Self::Cancelled => None,
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Unreachable { .. } => ErrorClass::Unreachable,
            Self::NoKey(_) | Self::Unauthorized(_) | Self::KeyCharacters => ErrorClass::Access,
            Self::Cancelled => ErrorClass::Refused,
            Self::Answer { .. } | Self::Malformed { .. } | Self::Setup(_) => ErrorClass::Failed,
        }
    }
}

impl ManagerError {
    /// Whether the manager's answer carries this code.
    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Answer { code, .. } if code == wanted)
    }

    /// Whether the manager says that it does not know the thing.
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::Answer { status: 404, .. })
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorContent,
}

#[derive(Deserialize)]
struct ErrorContent {
    code: String,
    message: String,
    #[serde(default)]
    hint: Option<String>,
    #[serde(default)]
    digest: Option<String>,
}

/// A list may come bare or wrapped.
#[derive(Deserialize)]
#[serde(untagged)]
enum List<T> {
    Bare(Vec<T>),
    Wrapped { items: Vec<T> },
}

impl ManagerClient {
    /// A client for the manager at `url`. Without a key only `POST /setup` works.
    ///
    /// # Errors
    /// [`ManagerError::KeyCharacters`] or [`ManagerError::Setup`].
    pub fn new(url: ManagerUrl, api_key: Option<&str>) -> Result<Self, ManagerError> {
        let authorization = match api_key {
            None => None,
            Some(key) => {
                let mut value = header::HeaderValue::try_from(format!("Bearer {key}"))
                    .map_err(|_not_ascii| ManagerError::KeyCharacters)?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        // The first provider that is installed in a process stays; ours or an equal one.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .tcp_nodelay(true)
            // A redirect could carry the API key to another machine.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("otaru/", env!("CARGO_PKG_VERSION")));
        if url.is_loopback() {
            builder = builder.no_proxy();
        }
        Ok(Self {
            http: builder.build().map_err(ManagerError::Setup)?,
            url,
            authorization,
        })
    }

    /// The manager's address.
    pub const fn url(&self) -> &ManagerUrl {
        &self.url
    }

    /// A request below `/api/v1`.
    pub(super) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}/api/v1{path}", self.url));
        match &self.authorization {
            Some(value) => request.header(header::AUTHORIZATION, value.clone()),
            None => request,
        }
    }

    /// Sends a request; an answer that is no success becomes an error.
    pub(super) async fn send(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, ManagerError> {
        let response = request
            .send()
            .await
            .map_err(|source| ManagerError::Unreachable {
                url: self.url.clone(),
                source,
            })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.body(response).await?;
        let parsed: Option<ErrorBody> = serde_json::from_slice(&body).ok();
        match (status, parsed) {
            (StatusCode::UNAUTHORIZED, _) if self.authorization.is_none() => {
                Err(ManagerError::NoKey(self.url.clone()))
            }
            (StatusCode::UNAUTHORIZED, _) => Err(ManagerError::Unauthorized(self.url.clone())),
            (_, Some(ErrorBody { error })) => Err(ManagerError::Answer {
                status: status.as_u16(),
                code: error.code,
                message: error.message,
                hint: error.hint,
                digest: error.digest,
            }),
            (_, None) => Err(self.malformed(format!("status {status} without a reason"))),
        }
    }

    /// Reads an answer of bounded length.
    async fn body(&self, mut response: reqwest::Response) -> Result<Vec<u8>, ManagerError> {
        let mut body = Vec::new();
        loop {
            let chunk = response
                .chunk()
                .await
                .map_err(|source| ManagerError::Unreachable {
                    url: self.url.clone(),
                    source,
                })?;
            let Some(chunk) = chunk else { return Ok(body) };
            if body.len() + chunk.len() > ANSWER_LEN_MAX {
                return Err(self.malformed(format!("more than {ANSWER_LEN_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
    }

    pub(super) fn malformed(&self, detail: String) -> ManagerError {
        ManagerError::Malformed {
            url: self.url.clone(),
            detail,
        }
    }

    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        response: reqwest::Response,
    ) -> Result<T, ManagerError> {
        let body = self.body(response).await?;
        serde_json::from_slice(&body).map_err(|error| self.malformed(error.to_string()))
    }

    /// `GET` of one thing.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ManagerError> {
        let response = self.send(self.request(Method::GET, path)).await?;
        self.json(response).await
    }

    /// `GET` of a list.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Vec<T>, ManagerError> {
        match self.get(path).await? {
            List::Bare(items) | List::Wrapped { items } => Ok(items),
        }
    }

    /// `POST` with a JSON body.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<T, ManagerError> {
        let response = self
            .send(self.request(Method::POST, path).json(body))
            .await?;
        self.json(response).await
    }
}

/// Escapes one segment of a path.
pub(super) fn segment(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            path.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            write!(path, "%{byte:02X}").unwrap_or_default();
        }
        path
    })
}
