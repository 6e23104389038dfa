//! One connection to the control socket: requests in, responses and events out.

use crate::control::{Event, EventKind, FRAME_LEN_MAX, Refusal, RefusalCode, Request, Response};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

/// Longest request line in bytes.
const LINE_LEN_MAX: usize = 4096;
/// Events that wait for a slow listener, in bytes.
const EVENTS_LEN_MAX: usize = 0x4_0000;

/// One client.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) stream: UnixStream,
    received: Vec<u8>,
    /// Bytes at the start of `received` in which no line end was found.
    searched: usize,
    unsent: Vec<u8>,
    events: bool,
    missed: u64,
    /// Close once everything is sent.
    closing: bool,
    over: bool,
}

/// A request that is complete.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A request with its raw bytes.
    Request(Request, Vec<u8>),
    /// Something else; the answer is ready.
    Malformed(Refusal),
}

impl Connection {
    pub(super) fn new(id: u64, stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            id,
            stream,
            received: Vec::new(),
            searched: 0,
            unsent: Vec::new(),
            events: false,
            missed: 0,
            closing: false,
            over: false,
        })
    }

    /// Whether the connection wants to write.
    pub(super) fn wants_write(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Whether the connection takes requests now: a client that does not read its responses gets
    /// no new ones.
    pub(super) fn wants_read(&self) -> bool {
        !self.closing && self.unsent.len() <= FRAME_LEN_MAX as usize
    }

    /// Reads what has arrived; `false` when the client has gone.
    pub(super) fn receive(&mut self) -> bool {
        let mut block = [0; 0x4000];
        loop {
            match self.stream.read(&mut block) {
                Ok(0) => return false,
                Ok(count) => {
                    self.received
                        .extend_from_slice(block.get(..count).unwrap_or_default());
                    if self.received.len() > FRAME_LEN_MAX as usize + LINE_LEN_MAX {
                        return true;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_gone) => return false,
            }
        }
    }

    /// Takes the next complete request out of what has arrived.
    pub(super) fn next_request(&mut self) -> Option<Incoming> {
        if !self.wants_read() {
            return None;
        }
        let unsearched = self.received.get(self.searched..).unwrap_or_default();
        let Some(end) = unsearched.iter().position(|&byte| byte == b'\n') else {
            self.searched = self.received.len();
            if self.searched > LINE_LEN_MAX {
                return Some(self.give_up("the request line is too long"));
            }
            return None;
        };
        let line_len = self.searched + end + 1;
        let line = self.received.get(..line_len).unwrap_or_default();
        let request = match serde_json::from_slice::<Request>(line) {
            Ok(request) => request,
            Err(error) => {
                let message = format!("not a request: {error}");
                self.consume(line_len);
                return Some(Incoming::Malformed(Refusal {
                    code: RefusalCode::BadRequest,
                    message,
                }));
            }
        };
        if request.frame_len() > FRAME_LEN_MAX {
            return Some(self.give_up("more than 1 MiB in one request"));
        }
        let total = line_len + request.frame_len() as usize;
        let frame = self.received.get(line_len..total)?.to_vec();
        self.consume(total);
        Some(Incoming::Request(request, frame))
    }

    fn consume(&mut self, count: usize) {
        self.received.drain(..count);
        self.searched = 0;
    }

    /// What follows cannot be told apart from requests any more: answer and close.
    fn give_up(&mut self, message: &str) -> Incoming {
        self.received.clear();
        self.searched = 0;
        self.closing = true;
        Incoming::Malformed(Refusal {
            code: RefusalCode::BadRequest,
            message: message.to_owned(),
        })
    }

    /// Queues a response and the raw bytes behind it.
    pub(super) fn respond(&mut self, response: &Response, frame: &[u8]) {
        // Responses are plain data: they always serialise.
        if let Ok(line) = serde_json::to_vec(response) {
            self.unsent.extend_from_slice(&line);
            self.unsent.push(b'\n');
            self.unsent.extend_from_slice(frame);
        }
    }

    /// From now on this connection carries events.
    pub(super) fn subscribe(&mut self) {
        self.events = true;
    }

    /// Queues an event, if the client asked for them.
    pub(super) fn notify(&mut self, event: &Event) {
        if !self.events {
            return;
        }
        if self.unsent.len() > EVENTS_LEN_MAX {
            self.missed += 1;
            return;
        }
        if self.missed > 0 {
            let kind = EventKind::Dropped { count: self.missed };
            self.missed = 0;
            self.push_event(&Event { ms: event.ms, kind });
        }
        self.push_event(event);
    }

    fn push_event(&mut self, event: &Event) {
        if let Ok(line) = serde_json::to_vec(event) {
            self.unsent.extend_from_slice(&line);
            self.unsent.push(b'\n');
        }
    }

    /// The client sends no more: what is queued is still sent, then the connection is over.
    pub(super) fn hang_up(&mut self) {
        self.closing = true;
    }

    /// Whether the connection can be dropped.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Sends what fits.
    pub(super) fn flush(&mut self) {
        while !self.unsent.is_empty() && !self.over {
            match self.stream.write(&self.unsent) {
                Ok(0) => self.over = true,
                Ok(count) => {
                    self.unsent.drain(..count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_gone) => self.over = true,
            }
        }
        self.over |= self.closing;
    }
}
