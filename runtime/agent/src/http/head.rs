//! The head of a reply: status, the headers that matter, and how the body is framed.

use heapless::String;

use super::{Lost, Result};

/// Bytes of an entity tag that is kept; a longer one counts as none.
pub(crate) const ETAG_LEN_MAX: usize = 96;
/// Headers of a reply.
const HEADERS_MAX: usize = 40;

/// What the head of a reply says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// `Content-Length`.
    pub(crate) length: Option<u64>,
    /// First byte and whole length of `Content-Range`.
    pub(crate) range: Option<(u64, Option<u64>)>,
    /// `ETag` as it stands there; empty if there is none.
    pub(crate) etag: String<ETAG_LEN_MAX>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Empty,
    Length(u64),
    Chunked,
    UntilClose,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) reply: Reply,
    pub(super) framing: Framing,
    /// Whether the connection ends with the body.
    pub(super) close: bool,
    /// Bytes of the head.
    pub(super) len: usize,
}

/// Parses a head; `None` if it is not complete yet.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(len) = response.parse(bytes).map_err(|_malformed| Lost)? else {
        return Ok(None);
    };
    let status = response.code.ok_or(Lost)?;
    let mut reply = Reply {
        status,
        length: None,
        range: None,
        etag: String::new(),
    };
    let mut close = response.version == Some(0);
    let mut coded = false;
    for header in response.headers.iter() {
        let value = core::str::from_utf8(header.value)
            .unwrap_or_default()
            .trim();
        let named = |name: &str| header.name.eq_ignore_ascii_case(name);
        if named("content-length") {
            let length = number(value).ok_or(Lost)?;
            if reply.length.is_some_and(|former| former != length) {
                return Err(Lost);
            }
            reply.length = Some(length);
        } else if named("transfer-encoding") {
            // Any other coding would have to be undone.
            if coded || !value.eq_ignore_ascii_case("chunked") {
                return Err(Lost);
            }
            coded = true;
        } else if named("content-encoding") {
            if !value.eq_ignore_ascii_case("identity") {
                return Err(Lost);
            }
        } else if named("connection") {
            close |= value
                .split(',')
                .any(|token| token.trim().eq_ignore_ascii_case("close"));
        } else if named("content-range") {
            reply.range = content_range(value);
        } else if named("etag") && is_tag(value) {
            reply.etag = String::try_from(value).unwrap_or_default();
        }
    }
    let framing = match (status, coded, reply.length) {
        (100..=199 | 204 | 304, _, _) => Framing::Empty,
        (_, true, length) => {
            // Both at once is how requests are smuggled; the body is read, the connection not kept.
            close |= length.is_some();
            reply.length = None;
            Framing::Chunked
        }
        (_, false, Some(length)) => Framing::Length(length),
        (_, false, None) => Framing::UntilClose,
    };
    Ok(Some(Head {
        reply,
        framing,
        close: close || framing == Framing::UntilClose,
        len,
    }))
}

/// Whether the value can be sent back in a header as it is.
fn is_tag(value: &str) -> bool {
    let opaque = value.strip_prefix("W/").unwrap_or(value);
    opaque.len() >= 2
        && opaque.starts_with('"')
        && opaque.ends_with('"')
        && value.bytes().all(|byte| byte.is_ascii_graphic())
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// `bytes 4096-8191/100000`, or with `*` for an unknown length.
fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let total = if total == "*" {
        None
    } else {
        Some(number(total)?)
    };
    (first <= last && total.is_none_or(|total| last < total)).then_some((first, total))
}

#[cfg(test)]
mod tests {
    // A11: a malformed reply is an error, never a panic; each framing is understood.
    use super::*;

    fn check(head: &str, expect: Result<Option<(u16, Framing, bool)>>) {
        let found = parse(head.as_bytes());
        let seen = found.map(|head| head.map(|head| (head.reply.status, head.framing, head.close)));
        assert_eq!(seen, expect, "{head:?}");
    }

    #[test]
    fn framing_of_replies() {
        let ok = "HTTP/1.1 200 OK\r\n";
        let with = |rest: &str| std::format!("{ok}{rest}\r\n");
        check(ok, Ok(None));
        check(&with(""), Ok(Some((200, Framing::UntilClose, true))));
        check(
            &with("Content-Length: 12\r\n"),
            Ok(Some((200, Framing::Length(12), false))),
        );
        check(
            &with("content-length: 12\r\nConnection: Keep-Alive, Close\r\n"),
            Ok(Some((200, Framing::Length(12), true))),
        );
        check(
            &with("Transfer-Encoding: Chunked\r\n"),
            Ok(Some((200, Framing::Chunked, false))),
        );
        check(
            &with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"),
            Ok(Some((200, Framing::Chunked, true))),
        );
        check(
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
            Ok(Some((304, Framing::Empty, false))),
        );
        check(
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n",
            Ok(Some((200, Framing::Length(1), true))),
        );
    }

    #[test]
    fn hostile_heads_are_refused() {
        for rest in [
            "Content-Length: -1",
            "Content-Length: 1 2",
            "Content-Length: 18446744073709551616",
            "Content-Length: 1\r\nContent-Length: 2",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Content-Encoding: gzip",
            "no colon here",
        ] {
            check(
                &std::format!("HTTP/1.1 200 OK\r\n{rest}\r\n\r\n"),
                Err(Lost),
            );
        }
        check("SSH-2.0-OpenSSH\r\n\r\n", Err(Lost));
        let many = "a: b\r\n".repeat(HEADERS_MAX + 1);
        check(&std::format!("HTTP/1.1 200 OK\r\n{many}\r\n"), Err(Lost));
    }

    #[test]
    fn ranges_and_tags() {
        let head = parse(
            b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-9/10\r\nETag: \"a\"\r\n\r\n",
        );
        let reply = head.unwrap().unwrap().reply;
        assert_eq!(reply.range, Some((5, Some(10))));
        assert_eq!(reply.etag, "\"a\"");
        for bad in [
            "bytes 9-5/10",
            "bytes 5-10/10",
            "5-9/10",
            "bytes */10",
            "bytes 5-9",
        ] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
        assert_eq!(content_range("bytes 0-0/*"), Some((0, None)));
        for bad in ["a", "\"", "W/", "\"a b\"", "\"a\r\n\""] {
            assert!(!is_tag(bad), "{bad:?}");
        }
    }
}
