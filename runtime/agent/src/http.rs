//! A small HTTP/1.1 client: one connection, bounded buffers, every reply treated as hostile.
//!
//! A request that is dropped half-way (time-out, confirm deadline) leaves the connection unusable;
//! the next request notices and opens a new one. A request on a kept connection that the server
//! has closed meanwhile is sent once more on a new one: everything the agent sends may arrive
//! twice. Why this is not edge-http is told in `docs/decisions`.

mod head;

use core::fmt::{self, Write as _};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use edge_nal::{Close, TcpConnect, TcpShutdown};
use embassy_futures::select::{Either, select};
use embedded_io_async::{Read, Write};
use heapless::String;
use otaru_ddi::{Host, Url};

use crate::Platform;
pub(crate) use head::{ETAG_LEN_MAX, Reply};
use head::{Framing, parse};

/// Bytes of a request's or a reply's head.
const HEAD_LEN_MAX: usize = 2048;
/// Time to connect, in milliseconds.
const CONNECT_MS: u32 = 10_000;
/// Time without a byte after which a connection counts as lost, in milliseconds.
const IDLE_MS: u32 = 30_000;
/// Time for an orderly end, in milliseconds.
const CLOSE_MS: u32 = 500;
/// Bytes of an unwanted body that are read to keep the connection.
const DRAIN_LEN_MAX: usize = 8192;
/// Bytes of a line in a chunked body.
const CHUNK_LINE_MAX: usize = 256;
/// Trailer lines of a chunked body.
const TRAILERS_MAX: usize = 32;

/// No complete, well-formed reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

type Result<T> = core::result::Result<T, Lost>;

/// What to send.
pub(crate) struct Request<'r> {
    pub(crate) method: &'static str,
    pub(crate) url: Url<'r>,
    /// Value of `Authorization`, scheme and token; only for the manager itself.
    pub(crate) token: Option<(&'static str, &'r str)>,
    /// Further header lines, each ended by CR LF.
    pub(crate) headers: &'r str,
    pub(crate) body: Option<&'r [u8]>,
    /// Milliseconds the server may take longer than usual.
    pub(crate) wait_ms: u32,
}

/// How the rest of the body comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// The connection cannot be used: there is none, or a request was given up on it.
    Unusable,
    /// Everything was read; the next request may follow.
    Done,
    Length(u64),
    /// Bytes left of the chunk; `None` before a chunk's line.
    Chunked(Option<u64>),
    UntilClose,
}

pub(crate) struct Http<'n, P: Platform> {
    platform: &'n P,
    socket: Option<<P::Net as TcpConnect>::Socket<'n>>,
    peer: Option<SocketAddr>,
    body: Body,
    close: bool,
    /// Whether only the end of the connection ends the body.
    open_ended: bool,
    buffer: [u8; HEAD_LEN_MAX],
    /// Bytes `used..filled` of the buffer were received and not yet consumed.
    used: usize,
    filled: usize,
}

/// The address of a host that needs no look-up.
fn address(url: &Url<'_>) -> Option<SocketAddr> {
    let ip: IpAddr = match url.host {
        Host::V4(address) => address.into(),
        Host::V6(address) => address.into(),
        Host::Name(_) if url.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        Host::Name(_) => return None,
    };
    Some(SocketAddr::new(ip, url.port))
}

async fn within<P: Platform, T>(platform: &P, ms: u32, work: impl Future<Output = T>) -> Result<T> {
    match select(work, platform.sleep_ms(ms)).await {
        Either::First(done) => Ok(done),
        Either::Second(()) => Err(Lost),
    }
}

impl<'n, P: Platform> Http<'n, P> {
    pub(crate) const fn new(platform: &'n P) -> Self {
        Self {
            platform,
            socket: None,
            peer: None,
            body: Body::Unusable,
            close: false,
            open_ended: false,
            buffer: [0; HEAD_LEN_MAX],
            used: 0,
            filled: 0,
        }
    }

    /// Sends a request and receives the head of its reply. Its body is read with
    /// [`Http::read`], to its end or not at all.
    pub(crate) async fn send(&mut self, request: &Request<'_>) -> Result<Reply> {
        let peer = address(&request.url).ok_or(Lost)?;
        self.drain().await;
        let kept = self.socket.is_some() && self.peer == Some(peer);
        if kept {
            match self.exchange(request).await {
                Ok(reply) => return Ok(reply),
                Err(Lost) if self.filled > 0 => return Err(Lost),
                Err(Lost) => {}
            }
        }
        self.disconnect().await;
        let net = self.platform.net();
        let socket = within(self.platform, CONNECT_MS, net.connect(peer)).await?;
        self.socket = Some(socket.map_err(|_refused| Lost)?);
        self.peer = Some(peer);
        let reply = self.exchange(request).await;
        if reply.is_err() {
            self.socket = None;
        }
        reply
    }

    async fn exchange(&mut self, request: &Request<'_>) -> Result<Reply> {
        // Until the head of the reply is there, giving up makes the connection unusable.
        self.body = Body::Unusable;
        self.used = 0;
        self.filled = 0;
        let mut len = self.write_head(request)?;
        let mut body = request.body.unwrap_or_default();
        // One packet where possible: two small writes wait for an acknowledgement in between.
        if let Some(room) = self.buffer.get_mut(len..len.saturating_add(body.len())) {
            room.copy_from_slice(body);
            len = len.saturating_add(body.len());
            body = &[];
        }
        let socket = self.socket.as_mut().ok_or(Lost)?;
        let head = self.buffer.get(..len).ok_or(Lost)?;
        let sending = async {
            socket.write_all(head).await.ok()?;
            socket.write_all(body).await.ok()?;
            socket.flush().await.ok()
        };
        within(self.platform, IDLE_MS, sending).await?.ok_or(Lost)?;
        self.receive_head(IDLE_MS.saturating_add(request.wait_ms))
            .await
    }

    fn write_head(&mut self, request: &Request<'_>) -> Result<usize> {
        let mut out = Cursor {
            buffer: &mut self.buffer,
            len: 0,
        };
        let length = request.body.map_or(0, <[u8]>::len);
        let json = if request.body.is_some() {
            "Content-Type: application/json\r\n"
        } else {
            ""
        };
        write!(
            out,
            "{} {} HTTP/1.1\r\nHost: {}\r\nAccept: application/json, */*;q=0.5\r\n",
            request.method,
            request.url.path,
            request.url.host_header(),
        )
        .and_then(|()| match request.token {
            Some((scheme, token)) => write!(out, "Authorization: {scheme} {token}\r\n"),
            None => Ok(()),
        })
        .and_then(|()| {
            write!(
                out,
                "{json}Content-Length: {length}\r\n{}\r\n",
                request.headers
            )
        })
        .map_err(|_too_long| Lost)?;
        Ok(out.len)
    }

    async fn receive_head(&mut self, first_ms: u32) -> Result<Reply> {
        let mut patience_ms = first_ms;
        loop {
            let received = self.buffer.get(..self.filled).ok_or(Lost)?;
            if let Some(head) = parse(received)? {
                if head.reply.status >= 200 {
                    self.used = head.len;
                    self.close = head.close;
                    self.open_ended = head.framing == Framing::UntilClose;
                    self.body = match head.framing {
                        Framing::Empty => Body::Length(0),
                        Framing::Length(len) => Body::Length(len),
                        Framing::Chunked => Body::Chunked(None),
                        Framing::UntilClose => Body::UntilClose,
                    };
                    return Ok(head.reply);
                }
                // An interim reply, such as 100: the real one follows.
                self.buffer.copy_within(head.len..self.filled, 0);
                self.filled = self.filled.saturating_sub(head.len);
                continue;
            }
            let room = self.buffer.get_mut(self.filled..).ok_or(Lost)?;
            if room.is_empty() {
                return Err(Lost);
            }
            let socket = self.socket.as_mut().ok_or(Lost)?;
            let read = within(self.platform, patience_ms, socket.read(room)).await?;
            match read {
                Ok(len) if len > 0 => self.filled = self.filled.saturating_add(len),
                _ => return Err(Lost),
            }
            patience_ms = IDLE_MS;
        }
    }

    /// Whether the end of the body may as well be a lost connection.
    pub(crate) const fn is_open_ended(&self) -> bool {
        self.open_ended
    }

    /// Reads bytes of the body into `out`; 0 at its end.
    pub(crate) async fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let body = self.body;
        match body {
            Body::Unusable => Err(Lost),
            Body::Done => Ok(0),
            Body::Length(0) => {
                self.finish();
                Ok(0)
            }
            Body::Length(left) => {
                let len = self.read_some(out, left).await?;
                if len == 0 {
                    return Err(Lost);
                }
                self.body = Body::Length(left.saturating_sub(len as u64));
                Ok(len)
            }
            Body::UntilClose => {
                let len = self.read_some(out, u64::MAX).await?;
                if len == 0 {
                    self.close = true;
                    self.finish();
                } else {
                    self.body = body;
                }
                Ok(len)
            }
            Body::Chunked(left) => self.read_chunked(out, left).await,
        }
    }

    async fn read_chunked(&mut self, out: &mut [u8], left: Option<u64>) -> Result<usize> {
        let left = match left {
            Some(left) => left,
            None => self.chunk_len().await?,
        };
        if left == 0 {
            for _ in 0..TRAILERS_MAX {
                if self.line().await?.is_empty() {
                    self.finish();
                    return Ok(0);
                }
            }
            return Err(Lost);
        }
        let len = self.read_some(out, left).await?;
        if len == 0 {
            return Err(Lost);
        }
        let left = left.saturating_sub(len as u64);
        self.body = if left > 0 {
            Body::Chunked(Some(left))
        } else {
            if !self.line().await?.is_empty() {
                return Err(Lost);
            }
            Body::Chunked(None)
        };
        Ok(len)
    }

    async fn chunk_len(&mut self) -> Result<u64> {
        let line = self.line().await?;
        let digits = line.split([';', ' ', '\t']).next().unwrap_or_default();
        let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u64::from_str_radix(digits, 16) {
            Ok(len) if hex => Ok(len),
            _ => Err(Lost),
        }
    }

    /// A line of a chunked body, without its end.
    async fn line(&mut self) -> Result<String<CHUNK_LINE_MAX>> {
        let mut line = String::new();
        loop {
            let mut byte = [0];
            if self.read_some(&mut byte, 1).await? == 0 {
                return Err(Lost);
            }
            match byte {
                [b'\n'] => {
                    if line.ends_with('\r') {
                        line.pop();
                    }
                    return Ok(line);
                }
                [byte] => line.push(char::from(byte)).map_err(|_too_long| Lost)?,
            }
        }
    }

    /// Reads at most `max` bytes, first what came with the head. Marks the connection unusable
    /// until the caller says where the body stands now.
    async fn read_some(&mut self, out: &mut [u8], max: u64) -> Result<usize> {
        self.body = Body::Unusable;
        let max = usize::try_from(max).unwrap_or(usize::MAX).min(out.len());
        let out = out.get_mut(..max).unwrap_or_default();
        if self.used >= self.filled {
            if max >= HEAD_LEN_MAX {
                let socket = self.socket.as_mut().ok_or(Lost)?;
                let read = within(self.platform, IDLE_MS, socket.read(out)).await?;
                return read.map_err(|_lost| Lost);
            }
            let socket = self.socket.as_mut().ok_or(Lost)?;
            let read = within(self.platform, IDLE_MS, socket.read(&mut self.buffer)).await?;
            self.used = 0;
            self.filled = read.map_err(|_lost| Lost)?;
        }
        let received = self.buffer.get(self.used..self.filled).ok_or(Lost)?;
        let len = received.len().min(out.len());
        for (to, from) in out.iter_mut().zip(received) {
            *to = *from;
        }
        self.used = self.used.saturating_add(len);
        Ok(len)
    }

    /// The body is at its end.
    fn finish(&mut self) {
        if self.close {
            self.socket = None;
            self.body = Body::Unusable;
        } else {
            self.body = Body::Done;
        }
    }

    /// Makes the connection ready for another request, or drops it.
    async fn drain(&mut self) {
        let mut scrap = [0; 64];
        let mut read = 0_usize;
        while self.socket.is_some() && self.body != Body::Done {
            match self.read(&mut scrap).await {
                Ok(len) if read < DRAIN_LEN_MAX => read = read.saturating_add(len),
                _ => self.socket = None,
            }
        }
        // Bytes behind the reply belong to nothing that was asked for.
        if self.used < self.filled {
            self.socket = None;
        }
    }

    /// Ends the connection in an orderly way, as far as the peer plays along.
    pub(crate) async fn disconnect(&mut self) {
        self.body = Body::Unusable;
        if let Some(mut socket) = self.socket.take() {
            let closing = socket.close(Close::Write);
            // A peer that does not take the end of the connection is cut off by dropping it.
            let _closed = within(self.platform, CLOSE_MS, closing).await;
        }
    }
}

/// Formats into a byte buffer.
pub(crate) struct Cursor<'c> {
    pub(crate) buffer: &'c mut [u8],
    pub(crate) len: usize,
}

impl fmt::Write for Cursor<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len.saturating_add(text.len());
        let room = self.buffer.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
