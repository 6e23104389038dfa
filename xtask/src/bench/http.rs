//! Just enough of an HTTP client to ask a server on this machine many times, cheaply: one
//! connection that stays open, replies with a `Content-Length`.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context, Result, bail};
use serde_json::Value as Json;

const BODY_MAX_BYTES: usize = 1 << 24;

/// An open connection.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
}

/// What came back.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) etag: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Connection {
    /// Connects to `http://host:port`.
    pub(super) fn open(url: &str) -> Result<Self> {
        let host = url
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        let stream = TcpStream::connect(&host).with_context(|| format!("cannot reach {host}"))?;
        stream.set_nodelay(true).context("cannot set TCP_NODELAY")?;
        Ok(Self {
            stream: BufReader::new(stream),
            host,
        })
    }

    /// Sends a request; `headers` are lines without their ends.
    pub(super) fn send(&mut self, line: &str, headers: &[&str], body: &str) -> Result<()> {
        let mut text = format!("{line} HTTP/1.1\r\nHost: {}\r\n", self.host);
        for header in headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        if !body.is_empty() {
            text.push_str("Content-Type: application/json\r\n");
        }
        write!(text, "Content-Length: {}\r\n\r\n{body}", body.len())?;
        self.stream
            .get_mut()
            .write_all(text.as_bytes())
            .context("cannot send")
    }

    /// Waits for the reply.
    pub(super) fn receive(&mut self) -> Result<Reply> {
        let mut line = String::new();
        self.stream.read_line(&mut line).context("no reply")?;
        let status = line.split(' ').nth(1).context("no HTTP reply")?.parse()?;
        let (mut length, mut etag) = (0_usize, None);
        loop {
            line.clear();
            self.stream
                .read_line(&mut line)
                .context("the reply ends early")?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse()?,
                "etag" => etag = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        if length > BODY_MAX_BYTES {
            bail!("the reply is too long");
        }
        let mut body = vec![0; length];
        self.stream
            .read_exact(&mut body)
            .context("the reply ends early")?;
        Ok(Reply { status, etag, body })
    }

    /// A request of the API and its JSON answer.
    pub(super) fn json(&mut self, line: &str, headers: &[&str], body: &str) -> Result<Json> {
        self.send(line, headers, body)?;
        let reply = self.receive()?;
        if !(200..300).contains(&reply.status) {
            bail!(
                "{line}: {} {}",
                reply.status,
                String::from_utf8_lossy(&reply.body)
            );
        }
        serde_json::from_slice(&reply.body).with_context(|| format!("{line}: no JSON"))
    }
}
