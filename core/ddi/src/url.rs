//! Takes addresses apart: `http://host[:port]/path` and `https://…`, nothing else.
//!
//! ```
//! use otaru_ddi::{Scheme, Url};
//!
//! let manager = Url::parse("http://127.0.0.1:8080/DEFAULT/controller/v1/dev-1")?;
//! assert_eq!((manager.scheme, manager.port), (Scheme::Http, 8080));
//! assert!(manager.is_loopback());
//! let link = manager.resolve("/artifacts/1?x=y")?;
//! assert_eq!(link.to_string(), "http://127.0.0.1:8080/artifacts/1?x=y");
//! # Ok::<(), otaru_ddi::UrlError>(())
//! ```

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::scalar::{cut, cut_last};

/// Bytes the name of a host may have, as DNS has it.
const HOST_LEN_MAX: usize = 253;

/// How to speak to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The port when the URL names none.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// `http` or `https`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The host of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host<'a> {
    /// A name that must be looked up: ASCII letters, digits, `-`, `_` and `.`.
    Name(&'a str),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
}

impl fmt::Display for Host<'_> {
    /// Writes it as it stands in a URL: an IPv6 address in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// Why a text is not a URL that a device uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlError {
    /// It has a space, a control character, a backslash or a character outside of ASCII.
    Character,
    /// It begins neither with `http://` nor with `https://`.
    Scheme,
    /// It has a user name or password.
    UserInfo,
    /// Its host is missing or not valid.
    Host,
    /// Its port is not a number from 1 to 65535.
    Port,
    /// Its path does not begin with a single `/`.
    Path,
    /// It has a fragment (`#…`).
    Fragment,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Character => "URL with a character that is not allowed",
            Self::Scheme => "URL that begins neither with http:// nor with https://",
            Self::UserInfo => "URL with a user name",
            Self::Host => "URL without a valid host",
            Self::Port => "URL without a valid port",
            Self::Path => "URL whose path does not begin with one slash",
            Self::Fragment => "URL with a fragment",
        })
    }
}

impl core::error::Error for UrlError {}

/// An absolute URL, safe to be put into a request line and a `Host` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Url<'a> {
    /// How to speak to the host.
    pub scheme: Scheme,
    /// The host.
    pub host: Host<'a>,
    /// The port: the one in the URL, else the scheme's.
    pub port: u16,
    /// Path and query, beginning with `/`.
    pub path: &'a str,
}

impl<'a> Url<'a> {
    /// Takes an absolute URL apart.
    ///
    /// # Errors
    /// [`UrlError`]: the address is not one that a device may use; there is nothing to retry.
    pub fn parse(text: &'a str) -> Result<Self, UrlError> {
        check_characters(text)?;
        let (scheme, rest) = split_scheme(text)?;
        let end = rest
            .as_bytes()
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?'));
        let end = end.unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let path = if path.is_empty() { "/" } else { path };
        if !path.starts_with('/') {
            return Err(UrlError::Path);
        }
        if authority.bytes().any(|byte| byte == b'@') {
            return Err(UrlError::UserInfo);
        }
        let (host, port) = split_authority(authority)?;
        let port = port.map_or(Ok(scheme.default_port()), parse_port)?;
        Ok(Self {
            scheme,
            host,
            port,
            path,
        })
    }

    /// Takes a link apart that stood in a reply from this URL: an absolute URL, or a path that
    /// begins with `/` on the same host.
    ///
    /// # Errors
    /// As [`Url::parse`]; [`UrlError::Path`] for a link that begins with `//`, as that would
    /// silently name another host.
    pub fn resolve<'b>(&self, link: &'b str) -> Result<Url<'b>, UrlError>
    where
        'a: 'b,
    {
        if !link.starts_with('/') {
            return Url::parse(link);
        }
        check_characters(link)?;
        if link.starts_with("//") {
            return Err(UrlError::Path);
        }
        Ok(Url {
            path: link,
            ..*self
        })
    }

    /// Whether the host is this machine: 127.0.0.0/8, `::1` or `localhost`.
    pub const fn is_loopback(&self) -> bool {
        match self.host {
            Host::Name(name) => name.eq_ignore_ascii_case("localhost"),
            Host::V4(address) => address.is_loopback(),
            Host::V6(address) => address.is_loopback(),
        }
    }

    /// Whether `other` is the same scheme, host and port, so that a token for one is safe with
    /// the other.
    pub fn is_same_origin(&self, other: &Url<'_>) -> bool {
        let same_host = match (self.host, other.host) {
            (Host::Name(a), Host::Name(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => a == b,
        };
        self.scheme == other.scheme && self.port == other.port && same_host
    }

    /// The value of the `Host` header: the host, and the port unless it is the scheme's.
    pub const fn host_header(&self) -> HostHeader<'a> {
        HostHeader {
            scheme: self.scheme,
            host: self.host,
            port: self.port,
        }
    }
}

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}{}",
            self.scheme.name(),
            self.host_header(),
            self.path
        )
    }
}

/// Host and port as they stand in a URL and in a `Host` header; made by [`Url::host_header`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostHeader<'a> {
    scheme: Scheme,
    host: Host<'a>,
    port: u16,
}

impl fmt::Display for HostHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.host)?;
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), UrlError> {
    for (scheme, prefix) in [(Scheme::Http, "http://"), (Scheme::Https, "https://")] {
        if let Some((begin, rest)) = text.split_at_checked(prefix.len())
            && begin.eq_ignore_ascii_case(prefix)
        {
            return Ok((scheme, rest));
        }
    }
    Err(UrlError::Scheme)
}

fn check_characters(text: &str) -> Result<(), UrlError> {
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    {
        return Err(UrlError::Character);
    }
    if text.bytes().any(|byte| byte == b'#') {
        return Err(UrlError::Fragment);
    }
    Ok(())
}

fn split_authority(authority: &str) -> Result<(Host<'_>, Option<&str>), UrlError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, rest) = cut(rest, |byte| byte == b']').ok_or(UrlError::Host)?;
        let address = address.parse().map_err(|_not_an_address| UrlError::Host)?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(port),
            None if rest.is_empty() => None,
            None => return Err(UrlError::Host),
        };
        return Ok((Host::V6(address), port));
    }
    let (name, port) = match cut(authority, |byte| byte == b':') {
        Some((name, port)) => (name, Some(port)),
        None => (authority, None),
    };
    if let Ok(address) = name.parse() {
        return Ok((Host::V4(address), port));
    }
    if is_name(name) {
        Ok((Host::Name(name), port))
    } else {
        Err(UrlError::Host)
    }
}

fn is_name(name: &str) -> bool {
    let characters = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    let labels = name.strip_suffix('.').unwrap_or(name);
    let edges = labels.is_empty() || labels.starts_with('.') || labels.ends_with('.');
    let whole = !edges && !labels.as_bytes().windows(2).any(|pair| pair == b"..");
    // `127.1` and `0x7f.1` are addresses to some resolvers: no name ends in a number.
    let last = cut_last(labels, b'.').map_or(labels, |(_, last)| last);
    let numeric = last.starts_with(|first: char| first.is_ascii_digit())
        && last
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'x' | b'X'));
    characters && whole && !numeric && name.len() <= HOST_LEN_MAX
}

fn parse_port(text: &str) -> Result<u16, UrlError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => Err(UrlError::Port),
    }
}
