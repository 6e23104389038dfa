//! Who is at the other end, and under which address it knows us.
//!
//! Links in DDI answers are absolute. They follow the configured public URL, else the request's
//! `Host`; what a proxy says in `X-Forwarded-*` is believed from loopback and configured proxies
//! only.

use crate::app::AppState;
use crate::error::ApiError;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The connection a request came in on. The server puts it into every request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) tls: bool,
}

/// The client's address, behind trusted proxies too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// Scheme, host and path prefix of this manager as the client sees it, without a final slash.
#[derive(Debug, Clone)]
pub(crate) struct Base(pub(crate) String);

impl FromRequestParts<AppState> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Infallible> {
        Ok(client_address(parts, &app.config.trusted_proxies))
    }
}

/// See [`ClientAddress`].
pub(crate) fn client_address(parts: &Parts, trusted: &[IpAddr]) -> ClientAddress {
    let peer = parts.extensions.get::<Peer>();
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.address.ip());
    let forwarded = HeaderName::from_static("x-forwarded-for");
    // The last entry is the one that our own proxy wrote; those before it anybody may invent.
    let client = is_trusted(address, trusted)
        .then(|| text(&parts.headers, &forwarded))
        .flatten()
        .and_then(|list| list.rsplit(',').next()?.trim().parse().ok());
    ClientAddress(client.unwrap_or(address))
}

impl FromRequestParts<AppState> for Base {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        if let Some(url) = &app.config.public_url {
            return Ok(Self(url.trim_end_matches('/').to_owned()));
        }
        let peer = parts.extensions.get::<Peer>();
        let trusted =
            peer.is_none_or(|peer| is_trusted(peer.address.ip(), &app.config.trusted_proxies));
        let forwarded = |name: &'static str| {
            trusted
                .then(|| text(&parts.headers, &HeaderName::from_static(name)))
                .flatten()
        };
        let scheme = match forwarded("x-forwarded-proto") {
            Some("https") => "https",
            Some("http") => "http",
            Some(_) | None if peer.is_some_and(|peer| peer.tls) => "https",
            Some(_) | None => "http",
        };
        let host = forwarded("x-forwarded-host")
            .or_else(|| text(&parts.headers, &header::HOST))
            .filter(|host| is_plain_host(host))
            .ok_or_else(|| {
                ApiError::bad_request("no-host", "the request names no usable host")
                    .hint("send a Host header, or configure the manager's public URL")
            })?;
        let prefix = forwarded("x-forwarded-prefix").unwrap_or("");
        let prefix = if is_plain_path(prefix) {
            prefix.trim_end_matches('/')
        } else {
            ""
        };
        Ok(Self(format!("{scheme}://{host}{prefix}")))
    }
}

fn is_trusted(address: IpAddr, proxies: &[IpAddr]) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || proxies.iter().any(|proxy| proxy.to_canonical() == address)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Host names, addresses and ports only: what is put into links must not be able to break them.
fn is_plain_host(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    (1..=255).contains(&host.len()) && host.bytes().all(plain)
}

fn is_plain_path(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.-_~".contains(&byte);
    path.starts_with('/') && path.len() <= 255 && path.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_could_break_a_link_are_refused() {
        for good in [
            "localhost:8480",
            "[::1]:80",
            "updates.example.org",
            "10.0.0.1",
        ] {
            assert!(is_plain_host(good), "{good}");
        }
        for bad in ["", "a/b", "a\"b", "evil.example\\@x", "a b", "a?b"] {
            assert!(!is_plain_host(bad), "{bad}");
        }
        assert!(!is_plain_path("x") && !is_plain_path("/a\"b") && is_plain_path("/otaru"));
    }
}
