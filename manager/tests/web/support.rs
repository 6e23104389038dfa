//! A manager on an ephemeral port, and a browser as far as cookies and forms go.

use otaru_manager::{Config, Manager};
use reqwest::header::{HeaderName, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect};
use std::net::SocketAddr;
use std::time::Duration;
use tempfile::TempDir;

/// Generous: a test that needs it has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running manager in this process; it ends with the test.
pub(crate) struct TestManager {
    pub(crate) url: String,
    pub(crate) api_key: String,
    pub(crate) admin_token: String,
    pub(crate) http: Client,
    _folder: TempDir,
}

impl TestManager {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut config = Config::new(folder.path());
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let manager = Manager::open(config).await.expect("the manager opens");
        let api_key = manager
            .bootstrap_api_key("test")
            .await
            .expect("a key can be made");
        let admin_token = manager
            .new_admin_token()
            .await
            .expect("a token can be made");
        let listener = manager.bind().await.expect("there is a free port");
        let url = manager.url(listener.local_addr().expect("a listener has an address"));
        tokio::spawn(async move { manager.serve(listener, std::future::pending()).await });
        // In a build of the whole workspace reqwest has TLS without a provider.
        drop(tokio_rustls::rustls::crypto::ring::default_provider().install_default());
        let http = Client::builder()
            .timeout(PATIENCE)
            .redirect(redirect::Policy::none())
            .build()
            .expect("a client");
        Self {
            url,
            api_key,
            admin_token,
            http,
            _folder: folder,
        }
    }
}

/// Somebody with or without a session.
pub(crate) struct Browser {
    url: String,
    api_key: String,
    http: Client,
    /// The session cookie, `name=value`.
    pub(crate) cookie: Option<String>,
}

impl Browser {
    pub(crate) fn new(manager: &TestManager) -> Self {
        Self {
            url: manager.url.clone(),
            api_key: manager.api_key.clone(),
            http: manager.http.clone(),
            cookie: None,
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        let request = self.request(Method::GET, path);
        request.send().await.expect("it answers")
    }

    /// A page that must be there.
    pub(crate) async fn text(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.expect("the answer arrives")
    }

    /// A form of a page without session; keeps the cookie it gets.
    pub(crate) async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        let answer = self.post(path, fields).await;
        if let Some(cookie) = answer.headers().get(SET_COOKIE) {
            let cookie = cookie.to_str().expect("a cookie is text");
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        answer
    }

    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        self.post_as("", path, fields).await
    }

    /// A request of one of our own pages, with this token.
    pub(crate) async fn post_as(
        &self,
        csrf: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Response {
        let encoded = reqwest::Url::parse_with_params("http://x/", fields).expect("an address");
        self.request(Method::POST, path)
            .header("origin", &self.url)
            .header("x-otaru-csrf", csrf)
            .body(encoded.query().unwrap_or_default().to_owned())
            .send()
            .await
            .expect("it answers")
    }

    pub(crate) async fn log_in(&mut self) {
        let key = self.api_key.clone();
        let answer = self.submit("/login", &[("api_key", &key)]).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    }

    /// The token that the session's pages hold.
    pub(crate) async fn csrf(&self) -> String {
        let page = self.text("/fleets").await;
        let (_, rest) = page
            .split_once("x-otaru-csrf")
            .expect("pages hold the token");
        let hex = |c: char| c.is_ascii_hexdigit();
        rest.split(|c: char| !hex(c))
            .find(|part| part.len() == 64)
            .expect("it is a hash in hex digits")
            .to_owned()
    }
}

/// A header of an answer, empty if it is missing.
pub(crate) fn header(answer: &Response, name: HeaderName) -> String {
    let value = answer.headers().get(name);
    value
        .map_or("", |value| value.to_str().expect("a text"))
        .to_owned()
}
