//! The reply to a poll: when to come back, and what the server wants done.
//!
//! ```
//! let mut reader = otaru_ddi::PollReader::new();
//! reader.push(br#"{"config":{"polling":{"sleep":"00:05:00"}},
//!     "_links":{"deploymentBase":{"href":"http://m/T/controller/v1/d/deploymentBase/5?c=1"}}}"#)?;
//! let reply = reader.finish()?;
//! assert_eq!(reply.sleep_s, Some(300));
//! let deployment = reply.deployment.ok_or("no update")?;
//! assert_eq!(deployment.action, 5);
//! assert_eq!(deployment.base(), "http://m/T/controller/v1/d/deploymentBase/5");
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

use core::fmt;

use heapless::String;

use crate::json::{self, Container, Reader, Scalar, Visitor};
use crate::scalar::{Got, cut, cut_last, digits, string};

/// Bytes a link of a poll reply may have.
pub const LINK_LEN_MAX: usize = 256;

/// A link to an action: its address, and the action's number taken from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionLink {
    /// The number of the action.
    pub action: u64,
    /// The address to get, as the server wrote it: a URL, or a path that begins with `/`.
    pub href: String<LINK_LEN_MAX>,
}

impl ActionLink {
    /// The address without its query. With `/feedback` behind it, feedback is posted there.
    pub fn base(&self) -> &str {
        without_query(&self.href)
    }
}

/// What a poll answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollReply {
    /// Seconds until the next poll; `None` when the server did not say so in the form `HH:MM:SS`,
    /// and the device's own interval holds.
    pub sleep_s: Option<u32>,
    /// An update waits.
    pub deployment: Option<ActionLink>,
    /// The server wants an action cancelled.
    pub cancel: Option<ActionLink>,
    /// The server wants the device's attributes, at this address.
    pub config_data: Option<String<LINK_LEN_MAX>>,
}

/// The links of a poll reply that this crate reads. Others are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollLink {
    /// `deploymentBase`.
    Deployment,
    /// `cancelAction`.
    Cancel,
    /// `configData`.
    ConfigData,
}

impl PollLink {
    /// The name of the link in the message.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deployment => "deploymentBase",
            Self::Cancel => "cancelAction",
            Self::ConfigData => "configData",
        }
    }
}

/// Why a poll reply cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollError {
    /// It is not a JSON document. [`json::Fault::Incomplete`] means a lost connection: ask again.
    Json(json::Error),
    /// It is JSON, but not an object with an object of links.
    NotAPoll,
    /// This link has no address, or one without an action's number.
    Malformed(PollLink),
    /// The address of this link has more than [`LINK_LEN_MAX`] bytes.
    TooLong(PollLink),
}

impl fmt::Display for PollError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "poll reply: {error}"),
            Self::NotAPoll => f.write_str("poll reply is not an object with links"),
            Self::Malformed(link) => {
                write!(f, "poll reply: link {} has no usable address", link.name())
            }
            Self::TooLong(link) => {
                write!(
                    f,
                    "poll reply: link {} is longer than {LINK_LEN_MAX} bytes",
                    link.name()
                )
            }
        }
    }
}

impl core::error::Error for PollError {}

impl From<json::Error> for PollError {
    fn from(error: json::Error) -> Self {
        Self::Json(error)
    }
}

/// Reads a poll reply as it arrives.
pub struct PollReader(Reader<Poll, LINK_LEN_MAX>);

impl PollReader {
    /// A reader at the beginning of a reply.
    pub const fn new() -> Self {
        Self(Reader::new(Poll::NEW))
    }

    /// Takes the next bytes of the reply.
    ///
    /// # Errors
    /// [`PollError::Json`] when they cannot be part of a JSON document.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), PollError> {
        Ok(self.0.push(bytes)?)
    }

    /// Ends the reply.
    ///
    /// # Errors
    /// Any [`PollError`]; on [`PollError::Json`] with [`json::Fault::Incomplete`] ask again,
    /// on every other the server or something between is broken: poll at the usual interval.
    pub fn finish(self) -> Result<PollReply, PollError> {
        let poll = self.0.finish()?;
        if !poll.is_object || !poll.links_usable {
            return Err(PollError::NotAPoll);
        }
        Ok(PollReply {
            sleep_s: poll.sleep_s,
            deployment: poll.deployment.action(PollLink::Deployment)?,
            cancel: poll.cancel.action(PollLink::Cancel)?,
            config_data: poll.config_data.address(PollLink::ConfigData)?,
        })
    }
}

impl Default for PollReader {
    fn default() -> Self {
        Self::new()
    }
}

struct Link {
    state: Got<()>,
    href: String<LINK_LEN_MAX>,
}

impl Link {
    const NEW: Self = Self {
        state: Got::Absent,
        href: String::new(),
    };

    fn clear(&mut self, state: Got<()>) {
        self.state = state;
        self.href.clear();
    }

    fn set(&mut self, value: Scalar<'_>) {
        self.href.clear();
        self.state = match string(value) {
            Got::Good(text) => self.href.push_str(text).map_or(Got::TooLong, Got::Good),
            Got::TooLong => Got::TooLong,
            Got::Malformed | Got::Absent => Got::Malformed,
        };
    }

    fn address(self, link: PollLink) -> Result<Option<String<LINK_LEN_MAX>>, PollError> {
        match self.state {
            Got::Absent => Ok(None),
            Got::Good(()) => Ok(Some(self.href)),
            Got::Malformed => Err(PollError::Malformed(link)),
            Got::TooLong => Err(PollError::TooLong(link)),
        }
    }

    fn action(self, link: PollLink) -> Result<Option<ActionLink>, PollError> {
        let Some(href) = self.address(link)? else {
            return Ok(None);
        };
        match action_in(&href, link.name()) {
            Some(action) => Ok(Some(ActionLink { action, href })),
            None => Err(PollError::Malformed(link)),
        }
    }
}

struct Poll {
    is_object: bool,
    links_usable: bool,
    sleep_s: Option<u32>,
    deployment: Link,
    cancel: Link,
    config_data: Link,
}

#[derive(Clone, Copy)]
enum Node {
    Root,
    Config,
    Polling,
    Sleep,
    Links,
    Link(PollLink),
    Href(PollLink),
}

impl Poll {
    const NEW: Self = Self {
        is_object: false,
        links_usable: true,
        sleep_s: None,
        deployment: Link::NEW,
        cancel: Link::NEW,
        config_data: Link::NEW,
    };

    fn link(&mut self, link: PollLink) -> &mut Link {
        match link {
            PollLink::Deployment => &mut self.deployment,
            PollLink::Cancel => &mut self.cancel,
            PollLink::ConfigData => &mut self.config_data,
        }
    }
}

impl Visitor for Poll {
    type Node = Node;

    fn root(&mut self) -> Node {
        Node::Root
    }

    fn member(&mut self, parent: Node, key: &str) -> Option<Node> {
        match (parent, key) {
            (Node::Root, "config") => {
                self.sleep_s = None;
                Some(Node::Config)
            }
            (Node::Config, "polling") => {
                self.sleep_s = None;
                Some(Node::Polling)
            }
            (Node::Polling, "sleep") => {
                self.sleep_s = None;
                Some(Node::Sleep)
            }
            (Node::Root, "_links") => {
                self.links_usable = true;
                for link in [PollLink::Deployment, PollLink::Cancel, PollLink::ConfigData] {
                    self.link(link).clear(Got::Absent);
                }
                Some(Node::Links)
            }
            (Node::Links, "deploymentBase") => Some(Node::Link(PollLink::Deployment)),
            (Node::Links, "cancelAction") => Some(Node::Link(PollLink::Cancel)),
            (Node::Links, "configData") => Some(Node::Link(PollLink::ConfigData)),
            (Node::Link(link), "href") => {
                self.link(link).clear(Got::Malformed);
                Some(Node::Href(link))
            }
            _ => None,
        }
    }

    fn scalar(&mut self, node: Node, value: Scalar<'_>) {
        match node {
            Node::Links => self.links_usable = value == Scalar::Null,
            Node::Sleep => {
                if let Got::Good(text) = string(value) {
                    self.sleep_s = seconds(text);
                }
            }
            // A link that is null is one that is not there.
            Node::Link(link) if value == Scalar::Null => self.link(link).clear(Got::Absent),
            Node::Link(link) => self.link(link).clear(Got::Malformed),
            Node::Href(link) => self.link(link).set(value),
            Node::Root | Node::Config | Node::Polling => {}
        }
    }

    fn begin(&mut self, node: Node, container: Container) {
        match node {
            Node::Root => self.is_object = container == Container::Object,
            Node::Links => self.links_usable = container == Container::Object,
            // Its address is still missing.
            Node::Link(link) => self.link(link).clear(Got::Malformed),
            Node::Config | Node::Polling | Node::Sleep | Node::Href(_) => {}
        }
    }
}

/// The seconds in `HH:MM:SS`, 00:00:00 to 99:59:59.
fn seconds(text: &str) -> Option<u32> {
    let &[h1, h0, b':', m1, m0, b':', s1, s0] = text.as_bytes() else {
        return None;
    };
    let pair = |tens: u8, ones: u8| {
        let tens = char::from(tens).to_digit(10)?;
        tens.checked_mul(10)?
            .checked_add(char::from(ones).to_digit(10)?)
    };
    let minutes = pair(m1, m0).filter(|minutes| *minutes < 60)?;
    let seconds = pair(s1, s0).filter(|seconds| *seconds < 60)?;
    pair(h1, h0)?
        .checked_mul(60)?
        .checked_add(minutes)?
        .checked_mul(60)?
        .checked_add(seconds)
}

fn without_query(href: &str) -> &str {
    cut(href, |byte| matches!(byte, b'?' | b'#')).map_or(href, |(path, _)| path)
}

/// The number behind `…/<name>/` at the end of an address's path.
fn action_in(href: &str, name: &str) -> Option<u64> {
    let (before, number) = cut_last(without_query(href), b'/')?;
    let (_, last) = cut_last(before, b'/')?;
    match digits(number) {
        Got::Good(action) if last == name => Some(action),
        Got::Good(_) | Got::Absent | Got::Malformed | Got::TooLong => None,
    }
}
