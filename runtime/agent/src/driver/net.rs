//! What the session asks of the network.

use core::fmt::Write as _;

use heapless::String;
use otaru_ddi::{
    CancelError, CancelReader, DeploymentError, DeploymentReader, LINK_LEN_MAX, PollError,
    PollReader, Scheme, Url,
    json::{Error, Fault},
};
use otaru_flash::Flash;

use super::{Driver, Manager, URL_LEN_MAX};
use crate::http::{ETAG_LEN_MAX, Http, Lost, Reply, Request};
use crate::session::{Action, Event, Report, Session};
use crate::{Application, Platform};

/// A path of the manager below the device's address.
type Address = String<{ URL_LEN_MAX + 64 }>;
/// Room for the header lines of one request.
type Headers = String<{ ETAG_LEN_MAX + 96 }>;

/// An address that may be used: on loopback, as there is no TLS.
fn admitted<'u>(manager: &'u Manager, link: &'u str) -> Result<Url<'u>, Lost> {
    let base = manager.url().ok_or(Lost)?;
    let url = base.resolve(link).map_err(|_unusable| Lost)?;
    if url.scheme == Scheme::Http && url.is_loopback() {
        Ok(url)
    } else {
        Err(Lost)
    }
}

const INCOMPLETE: Error = Error {
    fault: Fault::Incomplete,
    offset: 0,
};

/// A reader of a JSON reply.
trait Document: Sized {
    type Value;
    type Error;
    fn push(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
    fn finish(self) -> Result<Self::Value, Self::Error>;
    fn lost() -> Self::Error;
}

macro_rules! document {
    ($reader:ty, $value:ty, $error:ident) => {
        impl Document for $reader {
            type Value = $value;
            type Error = $error;
            fn push(&mut self, bytes: &[u8]) -> Result<(), $error> {
                <$reader>::push(self, bytes)
            }
            fn finish(self) -> Result<$value, $error> {
                <$reader>::finish(self)
            }
            fn lost() -> $error {
                $error::Json(INCOMPLETE)
            }
        }
    };
}

document!(PollReader, otaru_ddi::PollReply, PollError);
document!(DeploymentReader, otaru_ddi::Deployment, DeploymentError);
document!(CancelReader, otaru_ddi::CancelAction, CancelError);

/// Reads the body of a reply into `reader`, piece by piece.
async fn read_document<P: Platform, D: Document>(
    http: &mut Http<'_, P>,
    buffer: &mut [u8],
    mut reader: D,
) -> Result<D::Value, D::Error> {
    loop {
        match http.read(buffer).await {
            Ok(0) => return reader.finish(),
            Ok(len) => reader.push(buffer.get(..len).unwrap_or_default())?,
            Err(Lost) => return Err(D::lost()),
        }
    }
}

impl<P: Platform, F: Flash, A: Application> Driver<'_, P, F, A> {
    /// Gets `link`, or the base address if it is empty.
    async fn get(&mut self, link: &str, headers: &str, wait_ms: u32) -> Result<Reply, Lost> {
        let link = if link.is_empty() {
            self.manager.base.as_str()
        } else {
            link
        };
        let url = admitted(&self.manager, link)?;
        let request = Request {
            method: "GET",
            token: self.manager.token_for(&url),
            url,
            headers,
            body: None,
            wait_ms,
        };
        self.http.send(&request).await
    }

    pub(super) async fn poll(&mut self, wait_s: u16, if_changed: bool) -> Action {
        let mut headers = Headers::new();
        let mut written = Ok(());
        if wait_s > 0 {
            written = write!(headers, "Prefer: wait={wait_s}\r\n");
        }
        if if_changed && !self.poll_etag.is_empty() {
            written = written.and_then(|()| {
                let etag = self.poll_etag.as_str();
                write!(headers, "If-None-Match: {etag}\r\n")
            });
        }
        if written.is_err() {
            // Cannot happen, as the room is for the longest tag; without the headers the poll is
            // answered at once.
            headers.clear();
        }
        let wait_ms = u32::from(wait_s).saturating_mul(1000);
        let reply = match self.get("", &headers, wait_ms).await {
            Ok(reply) => reply,
            Err(Lost) => return self.step(Event::NetFailed),
        };
        match reply.status {
            200 => {}
            304 => return self.step(Event::NotModified),
            status => return self.step(Event::Replied(status)),
        }
        let read = read_document(&mut self.http, &mut self.buffer, PollReader::new()).await;
        self.poll_etag.clear();
        match read {
            Ok(poll) => {
                let etag = !reply.etag.is_empty();
                self.poll_etag = reply.etag;
                self.step(Event::Polled { reply: &poll, etag })
            }
            Err(PollError::Json(error)) if error.fault == Fault::Incomplete => {
                self.step(Event::NetFailed)
            }
            Err(_) => self.step(Event::BadReply),
        }
    }

    pub(super) async fn fetch_deployment(&mut self) -> Action {
        let href = self.link(Session::deployment_href);
        match self.get(&href, "", 0).await {
            Ok(reply) if reply.status == 200 => {}
            Ok(reply) => return self.step(Event::Replied(reply.status)),
            Err(Lost) => return self.step(Event::NetFailed),
        }
        // Without TLS the plain link is the one that works.
        let reader = DeploymentReader::preferring_http();
        let read = read_document(&mut self.http, &mut self.buffer, reader).await;
        let event = match &read {
            Ok(deployment) => Ok(deployment),
            Err(error) => Err(*error),
        };
        self.step(Event::Deployment(event))
    }

    pub(super) async fn fetch_cancel(&mut self) -> Action {
        let href = self.link(Session::cancel_href);
        match self.get(&href, "", 0).await {
            Ok(reply) if reply.status == 200 => {}
            Ok(reply) => return self.step(Event::Replied(reply.status)),
            Err(Lost) => return self.step(Event::NetFailed),
        }
        let read = read_document(&mut self.http, &mut self.buffer, CancelReader::new()).await;
        match read {
            Ok(cancel) => self.step(Event::Cancel(cancel)),
            Err(CancelError::Json(error)) if error.fault == Fault::Incomplete => {
                self.step(Event::NetFailed)
            }
            Err(_) => self.step(Event::BadReply),
        }
    }

    fn link(&self, of: fn(&Session) -> &str) -> String<LINK_LEN_MAX> {
        String::try_from(of(&self.session)).unwrap_or_default()
    }

    /// Sends the first `len` bytes of the buffer.
    async fn submit(&mut self, method: &'static str, link: &str, len: Option<usize>) -> Action {
        let sent = self.try_submit(method, link, len).await;
        self.step(match sent {
            Ok(status) => Event::Replied(status),
            Err(Lost) => Event::NetFailed,
        })
    }

    async fn try_submit(
        &mut self,
        method: &'static str,
        link: &str,
        len: Option<usize>,
    ) -> Result<u16, Lost> {
        let url = admitted(&self.manager, link)?;
        let request = Request {
            method,
            token: self.manager.token_for(&url),
            url,
            headers: "",
            body: Some(self.buffer.get(..len.ok_or(Lost)?).ok_or(Lost)?),
            wait_ms: 0,
        };
        Ok(self.http.send(&request).await?.status)
    }

    pub(super) async fn send_config(&mut self) -> Action {
        let mut address = Address::new();
        let asked = self.session.config_href();
        let written = if asked.is_empty() {
            write!(address, "{}/configData", self.manager.base)
        } else {
            write!(address, "{asked}")
        };
        let len = written.ok().and_then(|()| self.write_config());
        self.submit("PUT", &address, len).await
    }

    pub(super) async fn report(&mut self, report: &Report) -> Action {
        let mut address = Address::new();
        let (base, attempt) = (&self.manager.base, report.attempt);
        let written = write!(address, "{base}/deploymentBase/{attempt}/feedback");
        let len = written.ok().and_then(|()| self.write_report(report));
        self.submit("POST", &address, len).await
    }

    pub(super) async fn answer_cancel(&mut self, cancel: u64, accepted: bool) -> Action {
        let mut address = Address::new();
        let base = &self.manager.base;
        let written = write!(address, "{base}/cancelAction/{cancel}/feedback");
        let len = written
            .ok()
            .and_then(|()| self.write_cancel(cancel, accepted));
        self.submit("POST", &address, len).await
    }

    pub(super) async fn open(&mut self, from: u32, to: u32) -> Action {
        let attempt = self.session.state().attempt();
        if self.artifact_attempt != attempt {
            self.artifact_attempt = attempt;
            self.artifact_etag.clear();
        }
        let opened = self.try_open(from, to).await;
        match opened {
            Ok(reply) => self.opened(from, reply),
            Err(Lost) => self.step(Event::NetFailed),
        }
    }

    async fn try_open(&mut self, from: u32, to: u32) -> Result<Reply, Lost> {
        let mut headers = Headers::new();
        write!(headers, "Range: bytes={from}-{}\r\n", to.saturating_sub(1))
            .map_err(|_too_long| Lost)?;
        // Only a strong tag may be compared here.
        if from > 0 && self.artifact_etag.starts_with('"') {
            write!(headers, "If-Range: {}\r\n", self.artifact_etag).map_err(|_too_long| Lost)?;
        }
        let url = admitted(&self.manager, self.session.artifact_href())?;
        let request = Request {
            method: "GET",
            token: self.manager.token_for(&url),
            url,
            headers: &headers,
            body: None,
            wait_ms: 0,
        };
        self.http.send(&request).await
    }

    fn opened(&mut self, asked: u32, reply: Reply) -> Action {
        let (from, total, partial) = match (reply.status, reply.range) {
            (200, _) => (0, reply.length, false),
            (206, Some((from, total))) => (from, total, true),
            // A part, but nobody knows which.
            (206, None) => return self.step(Event::NetFailed),
            (status, _) => return self.step(Event::Replied(status)),
        };
        let Ok(from) = u32::try_from(from) else {
            return self.step(Event::NetFailed);
        };
        let changed = asked > 0
            && !self.artifact_etag.is_empty()
            && !reply.etag.is_empty()
            && self.artifact_etag != reply.etag;
        self.artifact_etag = reply.etag;
        self.step(Event::Opened {
            from,
            partial,
            total: total.map(|total| u32::try_from(total).unwrap_or(u32::MAX)),
            changed,
        })
    }

    fn body_ended(&mut self) -> Action {
        self.step(if self.http.is_open_ended() {
            Event::NetFailed
        } else {
            Event::BodyEnded
        })
    }

    pub(super) async fn skip(&mut self, len: u32) -> Action {
        let mut left = len;
        while left > 0 {
            let max = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(self.buffer.len());
            let room = self.buffer.get_mut(..max).unwrap_or_default();
            match self.http.read(room).await {
                Ok(0) => return self.body_ended(),
                Ok(read) => left = left.saturating_sub(u32::try_from(read).unwrap_or(left)),
                Err(Lost) => return self.step(Event::NetFailed),
            }
        }
        self.step(Event::Done)
    }

    pub(super) async fn receive(&mut self, len: u32) -> Action {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let mut filled = 0_usize;
        while filled < len {
            let Some(room) = self.buffer.get_mut(filled..len) else {
                return self.step(Event::NetFailed);
            };
            match self.http.read(room).await {
                Ok(0) => return self.body_ended(),
                Ok(read) => filled = filled.saturating_add(read),
                Err(Lost) => return self.step(Event::NetFailed),
            }
        }
        self.step(Event::Received)
    }
}
