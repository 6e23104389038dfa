//! The server of the tests on a real TCP socket, over a link that can fail.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crate::cloud::{Cloud, Reply, Request};

/// How replies travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Link {
    /// Bytes that still get through to the device before its connection is cut, once.
    pub(crate) cut_after: Option<u64>,
    /// Bytes sent to the device so far.
    pub(crate) sent: u64,
    /// Cuts so far.
    pub(crate) cuts: u32,
    /// Bodies go in small chunks.
    pub(crate) chunked: bool,
    /// Every byte goes alone.
    pub(crate) slow: bool,
    /// Each connection ends after one reply, and only its end ends the body.
    pub(crate) old_fashioned: bool,
    /// Polls are held until [`Server::change`].
    pub(crate) hold: bool,
    /// Polls that are being held now.
    pub(crate) held: u32,
}

#[derive(Default)]
struct Shared {
    cloud: Option<Cloud>,
    link: Link,
}

/// A running server; ends with the test process.
#[derive(Clone)]
pub(crate) struct Server {
    shared: Arc<(Mutex<Shared>, Condvar)>,
    pub(crate) base: String,
}

/// Far longer than anything in a test may take.
const PATIENCE: Duration = Duration::from_mins(2);

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let base = format!("http://127.0.0.1:{port}/T/controller/v1/d1");
        let mut cloud = Cloud::new(&base);
        cloud.sleep = "00:00:13".into();
        let shared = Shared {
            cloud: Some(cloud),
            link: Link::default(),
        };
        let server = Self {
            shared: Arc::new((Mutex::new(shared), Condvar::new())),
            base,
        };
        let listening = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = listening.clone();
                std::thread::spawn(move || server.connection(&stream));
            }
        });
        server
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.0.lock().unwrap()
    }

    pub(crate) fn cloud<T>(&self, look: impl FnOnce(&mut Cloud) -> T) -> T {
        let mut shared = self.lock();
        let seen = look(shared.cloud.as_mut().unwrap());
        self.shared.1.notify_all();
        seen
    }

    pub(crate) fn link<T>(&self, look: impl FnOnce(&mut Link) -> T) -> T {
        let mut shared = self.lock();
        let seen = look(&mut shared.link);
        self.shared.1.notify_all();
        seen
    }

    /// Waits until a poll is being held.
    pub(crate) fn wait_for_held_poll(&self) {
        let shared = self.lock();
        let (_shared, timeout) = self
            .shared
            .1
            .wait_timeout_while(shared, PATIENCE, |shared| shared.link.held == 0)
            .unwrap();
        assert!(!timeout.timed_out(), "no poll is held");
    }

    fn connection(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        stream.set_nodelay(true).unwrap();
        while let Some(request) = read_request(&mut reader) {
            let reply = self.answer(&request);
            let link = self.link(|link| *link);
            let bytes = encode(&reply, &link);
            if !self.send(stream, &bytes, link.slow) || link.old_fashioned {
                // The device may be gone already.
                let _ended = stream.shutdown(Shutdown::Both);
                return;
            }
        }
    }

    fn answer(&self, request: &Request) -> Reply {
        let reply = self.cloud(|cloud| cloud.serve(request));
        let holds = self.link(|link| link.hold) && request.header("Prefer").is_some();
        if reply.status != 304 || !holds {
            return reply;
        }
        self.link(|link| link.held += 1);
        let shared = self.lock();
        let same = |shared: &mut Shared| {
            let cloud = shared.cloud.as_mut().unwrap();
            cloud.serve(request).status == 304
        };
        let (shared, _) = self
            .shared
            .1
            .wait_timeout_while(shared, PATIENCE, same)
            .unwrap();
        drop(shared);
        self.link(|link| link.held -= 1);
        self.cloud(|cloud| cloud.serve(request))
    }

    /// Sends what the link lets through; whether that was everything.
    fn send(&self, mut stream: &TcpStream, bytes: &[u8], slow: bool) -> bool {
        let len = self.link(|link| {
            let whole = bytes.len() as u64;
            let len = link.cut_after.map_or(whole, |left| left.min(whole));
            link.cut_after = link.cut_after.map(|left| left - len);
            link.sent += len;
            if len < whole {
                link.cut_after = None;
                link.cuts += 1;
            }
            usize::try_from(len).unwrap()
        });
        let step = if slow { 1 } else { len.max(1) };
        let all = bytes[..len]
            .chunks(step)
            .all(|piece| stream.write_all(piece).is_ok());
        all && len == bytes.len()
    }
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&len| len > 0)?;
    let mut words = line.split_whitespace();
    let mut request = Request::new(words.next()?, words.next()?);
    assert_eq!(words.next(), Some("HTTP/1.1"), "{line}");
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|&len| len > 0)?;
        if line == "\r\n" {
            break;
        }
        let (name, value) = line.trim_end().split_once(": ").expect("a header line");
        request.headers.push((name.into(), value.into()));
    }
    assert_eq!(
        request.header("Authorization"),
        Some("TargetToken secret-token")
    );
    let len: usize = request.header("Content-Length")?.parse().unwrap();
    request.body = vec![0; len];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

fn encode(reply: &Reply, link: &Link) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {} Reason\r\nServer: test\r\n", reply.status).into_bytes();
    for (name, value) in &reply.headers {
        bytes.extend(format!("{name}: {value}\r\n").bytes());
    }
    let empty = reply.status == 304;
    if link.old_fashioned {
        bytes.extend(b"Connection: close\r\n\r\n");
        bytes.extend(&reply.body);
    } else if link.chunked && !empty {
        bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
        for piece in reply.body.chunks(700) {
            bytes.extend(format!("{:X};ext=1\r\n", piece.len()).bytes());
            bytes.extend(piece);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\nTrailer: x\r\n\r\n");
    } else {
        bytes.extend(format!("Content-Length: {}\r\n\r\n", reply.body.len()).bytes());
        bytes.extend(&reply.body);
    }
    bytes
}
