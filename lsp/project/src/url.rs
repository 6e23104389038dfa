//! The address of a manager.

use std::fmt;

/// A manager's address: scheme, host, port, and an optional path below which the manager lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagerUrl {
    text: String,
    secure: bool,
    host: String,
    port: u16,
}

/// Why a text is not a manager's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlError {
    /// It does not begin with `http://` or `https://`.
    Scheme,
    /// It carries a user name or password.
    Credentials,
    /// It has no host, or one with impossible characters.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// It has a query or a fragment.
    Tail,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "an address begins with `http://` or `https://`",
            Self::Credentials => "an address must not carry a user name or password",
            Self::Host => "the address has no usable host name",
            Self::Port => "the port must be a number from 1 to 65535",
            Self::Tail => "an address ends before `?` and `#`",
        })
    }
}

impl std::error::Error for UrlError {}

impl ManagerUrl {
    /// Takes an address apart.
    ///
    /// # Errors
    /// [`UrlError`] says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(UrlError::Scheme),
        };
        if rest.contains(['?', '#']) {
            return Err(UrlError::Tail);
        }
        let authority = rest.split('/').next().unwrap_or("");
        if authority.contains('@') {
            return Err(UrlError::Credentials);
        }
        let (host, port) = split_port(authority)?;
        let bracketed = host
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'));
        let valid = match bracketed {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty()
                    && host
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
            }
        };
        if !valid || rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(UrlError::Host);
        }
        Ok(Self {
            text: text.trim_end_matches('/').to_owned(),
            secure,
            host: bracketed.unwrap_or(host).to_owned(),
            port: port.unwrap_or(if secure { 443 } else { 80 }),
        })
    }

    /// The address without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the connection is encrypted.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether the manager runs on this machine, so that plain text stays inside it.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self
                .host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// Host name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, given or implied.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for ManagerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Splits `host:port`; an IPv6 address keeps its brackets.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    let colon = match authority.rfind(']') {
        Some(end) => authority[end..].find(':').map(|at| end + at),
        // An address with an opening bracket only has no end at which to look for a port.
        None if authority.starts_with('[') => return Err(UrlError::Host),
        None => authority.find(':'),
    };
    let Some(colon) = colon else {
        return Ok((authority, None));
    };
    let port = &authority[colon + 1..];
    match port.parse::<u16>() {
        Ok(number) if number > 0 && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok((&authority[..colon], Some(number)))
        }
        Ok(_) | Err(_) => Err(UrlError::Port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (text, host, port, loopback) in [
            ("http://127.0.0.1:7070", "127.0.0.1", 7070, true),
            ("http://localhost", "localhost", 80, true),
            ("https://fota.example/otaru/", "fota.example", 443, false),
            ("http://[::1]:8080", "::1", 8080, true),
            ("https://10.0.0.7:1", "10.0.0.7", 1, false),
        ] {
            let url = ManagerUrl::parse(text).unwrap();
            assert_eq!(
                (url.host(), url.port(), url.is_loopback()),
                (host, port, loopback)
            );
            assert!(!url.as_str().ends_with('/'));
        }
    }

    #[test]
    fn unusable_addresses_are_refused() {
        for (text, error) in [
            ("127.0.0.1:7070", UrlError::Scheme),
            ("ftp://x", UrlError::Scheme),
            ("http://", UrlError::Host),
            ("http://a b", UrlError::Host),
            ("http://[::1", UrlError::Host),
            ("http://x:0", UrlError::Port),
            ("http://x:99999", UrlError::Port),
            ("http://x:+80", UrlError::Port),
            ("http://x:", UrlError::Port),
            ("http://me:secret@x", UrlError::Credentials),
            ("http://x/?token=1", UrlError::Tail),
        ] {
            assert_eq!(ManagerUrl::parse(text), Err(error), "{text}");
        }
    }
}
