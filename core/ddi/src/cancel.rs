//! The reply that names the action to cancel.

use core::fmt;

use crate::json::{self, Container, Reader, Scalar, Visitor};
use crate::scalar::{Got, whole_number};

/// Bytes of the longest string that is looked at: the longest number has twenty digits.
const SCRATCH_LEN: usize = 32;

/// What `GET …/cancelAction/{id}` answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelAction {
    /// The number of the cancel itself, when the server sent one.
    pub id: Option<u64>,
    /// The action to stop.
    pub stop_id: u64,
}

/// Why the reply cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelError {
    /// It is not a JSON document. [`json::Fault::Incomplete`] means a lost connection: ask again.
    Json(json::Error),
    /// It does not name the action to stop.
    Malformed,
}

impl fmt::Display for CancelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "cancel: {error}"),
            Self::Malformed => f.write_str("cancel does not name the action to stop"),
        }
    }
}

impl core::error::Error for CancelError {}

impl From<json::Error> for CancelError {
    fn from(error: json::Error) -> Self {
        Self::Json(error)
    }
}

/// Reads the reply as it arrives.
pub struct CancelReader(Reader<Cancel, SCRATCH_LEN>);

impl CancelReader {
    /// A reader at the beginning of a reply.
    pub const fn new() -> Self {
        Self(Reader::new(Cancel {
            id: Got::Absent,
            stop_id: Got::Absent,
        }))
    }

    /// Takes the next bytes of the reply.
    ///
    /// # Errors
    /// [`CancelError::Json`] when they cannot be part of a JSON document.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), CancelError> {
        Ok(self.0.push(bytes)?)
    }

    /// Ends the reply.
    ///
    /// # Errors
    /// Any [`CancelError`].
    pub fn finish(self) -> Result<CancelAction, CancelError> {
        let cancel = self.0.finish()?;
        let Got::Good(stop_id) = cancel.stop_id else {
            return Err(CancelError::Malformed);
        };
        let id = match cancel.id {
            Got::Good(id) => Some(id),
            Got::Absent | Got::Malformed | Got::TooLong => None,
        };
        Ok(CancelAction { id, stop_id })
    }
}

impl Default for CancelReader {
    fn default() -> Self {
        Self::new()
    }
}

struct Cancel {
    id: Got<u64>,
    stop_id: Got<u64>,
}

#[derive(Clone, Copy)]
enum Node {
    Root,
    Id,
    CancelAction,
    StopId,
}

impl Visitor for Cancel {
    type Node = Node;

    fn root(&mut self) -> Node {
        Node::Root
    }

    fn member(&mut self, parent: Node, key: &str) -> Option<Node> {
        match (parent, key) {
            (Node::Root, "id") => {
                self.id = Got::Absent;
                Some(Node::Id)
            }
            (Node::Root, "cancelAction") => {
                self.stop_id = Got::Absent;
                Some(Node::CancelAction)
            }
            (Node::CancelAction, "stopId") => {
                self.stop_id = Got::Absent;
                Some(Node::StopId)
            }
            _ => None,
        }
    }

    fn scalar(&mut self, node: Node, value: Scalar<'_>) {
        match node {
            Node::Id => self.id = whole_number(value),
            Node::StopId => self.stop_id = whole_number(value),
            Node::Root | Node::CancelAction => {}
        }
    }

    fn begin(&mut self, node: Node, _: Container) {
        match node {
            Node::Id => self.id = Got::Malformed,
            Node::StopId => self.stop_id = Got::Malformed,
            Node::Root | Node::CancelAction => {}
        }
    }
}
