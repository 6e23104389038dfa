//! Collects the fields of a deployment while it is read, and judges them at its end.
//!
//! Only one artifact is held at a time. That is enough: the first one with the right name stays,
//! and one with another name only counts if it is the only one.

use heapless::String;

use super::places::{Node, Source, below};
use super::{
    DEADLINE_S_DEFAULT, Deployment, DeploymentError, Field, HREF_LEN_MAX, Handling,
    MaintenanceWindow, NAME_LEN_MAX, TRIALS_MAX, VERSION_LEN_MAX,
};
use crate::json::{Container, Scalar, Visitor};
use crate::scalar::{Got, hex, string, whole_number};

/// The file name of an image ends so.
const IMAGE_SUFFIX: &str = ".img";

/// The metadata that mean something to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setting {
    DeadlineS,
    Trials,
}

/// Which artifact is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Selection {
    /// There was none yet.
    None,
    /// The first one, which counts if no other comes.
    Only,
    /// A later one; none was an image so far.
    Several,
    /// One that is an image: later ones are skipped.
    Chosen,
}

struct Artifact {
    is_image: bool,
    size: Got<u64>,
    sha256: Got<[u8; 32]>,
    /// The link from which `href` was taken, and whether it could be.
    source: Option<Source>,
    href_state: Got<()>,
    href: String<HREF_LEN_MAX>,
}

impl Artifact {
    const NEW: Self = Self {
        is_image: false,
        size: Got::Absent,
        sha256: Got::Absent,
        source: None,
        href_state: Got::Absent,
        href: String::new(),
    };

    fn clear(&mut self) {
        self.is_image = false;
        self.size = Got::Absent;
        self.sha256 = Got::Absent;
        self.clear_href();
    }

    fn clear_href(&mut self) {
        self.source = None;
        self.href_state = Got::Absent;
        self.href.clear();
    }
}

/// Everything read so far.
pub(super) struct Draft {
    preferred: Source,
    id: Got<u64>,
    download: Got<Handling>,
    update: Got<Handling>,
    window: Got<MaintenanceWindow>,
    chunks: Got<()>,
    chunk_seen: bool,
    name: String<NAME_LEN_MAX>,
    version_state: Got<()>,
    version: String<VERSION_LEN_MAX>,
    encrypted: bool,
    artifacts: Got<()>,
    selection: Selection,
    artifact: Artifact,
    deadline_s: Got<u16>,
    trials: Got<u8>,
    entry_key: Option<Setting>,
    entry_value: Got<u64>,
}

impl Draft {
    pub(super) const fn new(preferred: Source) -> Self {
        Self {
            preferred,
            id: Got::Absent,
            download: Got::Absent,
            update: Got::Absent,
            window: Got::Absent,
            chunks: Got::Absent,
            chunk_seen: false,
            name: String::new(),
            version_state: Got::Absent,
            version: String::new(),
            encrypted: false,
            artifacts: Got::Absent,
            selection: Selection::None,
            artifact: Artifact::NEW,
            deadline_s: Got::Absent,
            trials: Got::Absent,
            entry_key: None,
            entry_value: Got::Absent,
        }
    }

    pub(super) fn finish(self) -> Result<Deployment, DeploymentError> {
        let id = required(self.id, Field::Id)?;
        required(self.chunks, Field::Chunks)?;
        if self.encrypted {
            return Err(DeploymentError::Unsupported(Field::Encrypted));
        }
        optional(self.version_state, Field::Version)?;
        optional(self.artifacts, Field::Artifacts)?;
        if matches!(self.selection, Selection::None | Selection::Several) {
            return Err(DeploymentError::NoArtifact);
        }
        required(self.artifact.href_state, Field::Href)?;
        let size = required(self.artifact.size, Field::Size)?;
        let Ok(size) = u32::try_from(size) else {
            return Err(DeploymentError::TooLong(Field::Size));
        };
        if size == 0 {
            return Err(DeploymentError::Malformed(Field::Size));
        }
        Ok(Deployment {
            id,
            download: optional(self.download, Field::Download)?.unwrap_or(Handling::Attempt),
            update: optional(self.update, Field::Update)?.unwrap_or(Handling::Attempt),
            maintenance_window: optional(self.window, Field::MaintenanceWindow)?,
            name: self.name,
            version: self.version,
            size,
            sha256: optional(self.artifact.sha256, Field::Sha256)?,
            href: self.artifact.href,
            deadline_s: optional(self.deadline_s, Field::DeadlineS)?.unwrap_or(DEADLINE_S_DEFAULT),
            trials: optional(self.trials, Field::Trials)?,
        })
    }

    fn clear_deployment(&mut self) {
        self.download = Got::Absent;
        self.update = Got::Absent;
        self.window = Got::Absent;
        self.clear_chunks();
    }

    fn clear_chunks(&mut self) {
        self.chunks = Got::Absent;
        self.chunk_seen = false;
        self.name.clear();
        self.version_state = Got::Absent;
        self.version.clear();
        self.encrypted = false;
        self.clear_artifacts();
        self.clear_metadata();
    }

    fn clear_artifacts(&mut self) {
        self.artifacts = Got::Absent;
        self.selection = Selection::None;
        self.artifact.clear();
    }

    fn clear_metadata(&mut self) {
        self.deadline_s = Got::Absent;
        self.trials = Got::Absent;
    }

    fn set_version(&mut self, value: Scalar<'_>) {
        self.version.clear();
        self.version_state = match string(value) {
            Got::Good(text) => self.version.push_str(text).map_or(Got::TooLong, Got::Good),
            Got::Absent => Got::Absent,
            Got::Malformed => Got::Malformed,
            Got::TooLong => Got::TooLong,
        };
    }

    fn set_name(&mut self, value: Scalar<'_>) {
        self.name.clear();
        if let Scalar::String(text) = value {
            for character in text.text.chars() {
                if self.name.push(character).is_err() {
                    break;
                }
            }
        }
    }

    fn set_href(&mut self, source: Source, value: Scalar<'_>) {
        // The preferred link displaces the other one, never the other way round.
        if self
            .artifact
            .source
            .is_some_and(|had| had != source && had == self.preferred)
        {
            return;
        }
        let state = match string(value) {
            Got::Good(text) => {
                self.artifact.href.clear();
                self.artifact
                    .href
                    .push_str(text)
                    .map_or(Got::TooLong, Got::Good)
            }
            Got::TooLong => Got::TooLong,
            Got::Absent | Got::Malformed => Got::Malformed,
        };
        self.artifact.source = Some(source);
        self.artifact.href_state = state;
    }

    fn apply_entry(&mut self) {
        let value = self.entry_value;
        match self.entry_key {
            Some(Setting::DeadlineS) => self.deadline_s = within(value, 1, u16::MAX),
            Some(Setting::Trials) => self.trials = within(value, 1, TRIALS_MAX),
            None => {}
        }
    }

    /// The value at `node` is an object, an array or a scalar where it should not be.
    fn wrong_type(&mut self, node: Node) {
        match node {
            Node::Id => self.id = Got::Malformed,
            Node::Download => self.download = Got::Malformed,
            Node::Update => self.update = Got::Malformed,
            Node::Window => self.window = Got::Malformed,
            Node::Chunks | Node::Chunk => self.chunks = Got::Malformed,
            Node::Version => self.version_state = Got::Malformed,
            Node::Encrypted => self.encrypted = true,
            Node::Artifacts => self.artifacts = Got::Malformed,
            Node::Size => self.artifact.size = Got::Malformed,
            Node::Hashes | Node::Sha256 => self.artifact.sha256 = Got::Malformed,
            Node::Href(source) => self.set_href(source, Scalar::Bool(false)),
            Node::EntryValue => self.entry_value = Got::Malformed,
            // What is missing because of these is noticed where it is missing.
            Node::Root
            | Node::Deployment
            | Node::Name
            | Node::Artifact
            | Node::FileName
            | Node::Links
            | Node::Link(_)
            | Node::Metadata
            | Node::Entry
            | Node::EntryKey => {}
        }
    }

    /// Forgets what stood at a place whose key comes (again).
    fn forget(&mut self, node: Node) {
        match node {
            Node::Id => self.id = Got::Absent,
            Node::Deployment => self.clear_deployment(),
            Node::Download => self.download = Got::Absent,
            Node::Update => self.update = Got::Absent,
            Node::Window => self.window = Got::Absent,
            Node::Chunks => self.clear_chunks(),
            Node::Name => self.name.clear(),
            Node::Version => self.version_state = Got::Absent,
            Node::Encrypted => self.encrypted = false,
            Node::Artifacts => self.clear_artifacts(),
            Node::FileName => self.artifact.is_image = false,
            Node::Size => self.artifact.size = Got::Absent,
            Node::Hashes | Node::Sha256 => self.artifact.sha256 = Got::Absent,
            Node::Links => self.artifact.clear_href(),
            Node::Link(source) | Node::Href(source) => {
                if self.artifact.source == Some(source) {
                    self.artifact.clear_href();
                }
            }
            Node::Metadata => self.clear_metadata(),
            Node::EntryKey => self.entry_key = None,
            Node::EntryValue => self.entry_value = Got::Absent,
            Node::Root | Node::Chunk | Node::Artifact | Node::Entry => {}
        }
    }
}

impl Visitor for Draft {
    type Node = Node;

    fn root(&mut self) -> Node {
        Node::Root
    }

    fn member(&mut self, parent: Node, key: &str) -> Option<Node> {
        let node = below(parent, key)?;
        self.forget(node);
        Some(node)
    }

    fn element(&mut self, parent: Node) -> Option<Node> {
        if matches!(parent, Node::Chunks) && !self.chunk_seen {
            self.chunk_seen = true;
            return Some(Node::Chunk);
        }
        if matches!(parent, Node::Artifacts) && self.selection != Selection::Chosen {
            self.selection = match self.selection {
                Selection::None => Selection::Only,
                Selection::Only | Selection::Several | Selection::Chosen => Selection::Several,
            };
            self.artifact.clear();
            return Some(Node::Artifact);
        }
        if matches!(parent, Node::Metadata) {
            self.entry_key = None;
            self.entry_value = Got::Absent;
            return Some(Node::Entry);
        }
        None
    }

    fn scalar(&mut self, node: Node, value: Scalar<'_>) {
        match node {
            Node::Id => self.id = whole_number(value),
            Node::Download => self.download = word(value, handling),
            Node::Update => self.update = word(value, handling),
            Node::Window => self.window = word(value, window),
            Node::Name => self.set_name(value),
            Node::Version => self.set_version(value),
            Node::Encrypted => {
                self.encrypted = !matches!(value, Scalar::Bool(false) | Scalar::Null);
            }
            Node::FileName => {
                self.artifact.is_image =
                    matches!(string(value), Got::Good(name) if name.ends_with(IMAGE_SUFFIX));
            }
            // A string here is not the number that the protocol demands.
            Node::Size if matches!(value, Scalar::String(_)) => self.wrong_type(node),
            Node::Size => self.artifact.size = whole_number(value),
            Node::Sha256 => self.artifact.sha256 = word(value, hex),
            Node::Href(source) => self.set_href(source, value),
            Node::EntryKey => {
                self.entry_key = match string(value) {
                    Got::Good("otaru.deadline_s") => Some(Setting::DeadlineS),
                    Got::Good("otaru.trials") => Some(Setting::Trials),
                    Got::Good(_) | Got::Absent | Got::Malformed | Got::TooLong => None,
                };
            }
            Node::EntryValue => self.entry_value = whole_number(value),
            Node::Root
            | Node::Deployment
            | Node::Chunks
            | Node::Chunk
            | Node::Artifacts
            | Node::Artifact
            | Node::Hashes
            | Node::Links
            | Node::Link(_)
            | Node::Metadata
            | Node::Entry => {
                // Null is as good as absent.
                if value != Scalar::Null {
                    self.wrong_type(node);
                }
            }
        }
    }

    fn begin(&mut self, node: Node, container: Container) {
        match (node, container) {
            (Node::Chunks, Container::Array) => self.chunks = Got::Good(()),
            (Node::Artifacts, Container::Array) => self.artifacts = Got::Good(()),
            (Node::Metadata, Container::Array)
            | (
                Node::Root
                | Node::Deployment
                | Node::Chunk
                | Node::Artifact
                | Node::Hashes
                | Node::Links
                | Node::Link(_)
                | Node::Entry,
                Container::Object,
            ) => {}
            _ => self.wrong_type(node),
        }
    }

    fn end(&mut self, node: Node) {
        if matches!(node, Node::Artifact) && self.artifact.is_image {
            self.selection = Selection::Chosen;
        }
        if matches!(node, Node::Entry) {
            self.apply_entry();
        }
    }
}

fn required<T>(got: Got<T>, field: Field) -> Result<T, DeploymentError> {
    optional(got, field)?.ok_or(DeploymentError::Malformed(field))
}

fn optional<T>(got: Got<T>, field: Field) -> Result<Option<T>, DeploymentError> {
    match got {
        Got::Good(value) => Ok(Some(value)),
        Got::Absent => Ok(None),
        Got::Malformed => Err(DeploymentError::Malformed(field)),
        Got::TooLong => Err(DeploymentError::TooLong(field)),
    }
}

/// A string that `parse` understands.
fn word<T>(value: Scalar<'_>, parse: impl FnOnce(&str) -> Option<T>) -> Got<T> {
    match string(value) {
        Got::Good(text) => parse(text).map_or(Got::Malformed, Got::Good),
        Got::Absent => Got::Absent,
        Got::Malformed | Got::TooLong => Got::Malformed,
    }
}

fn within<T: TryFrom<u64> + PartialOrd>(value: Got<u64>, min: T, max: T) -> Got<T> {
    match value {
        Got::Good(value) => match T::try_from(value) {
            Ok(value) if (min..=max).contains(&value) => Got::Good(value),
            _ => Got::Malformed,
        },
        Got::Absent | Got::Malformed | Got::TooLong => Got::Malformed,
    }
}

fn handling(text: &str) -> Option<Handling> {
    match text {
        "skip" => Some(Handling::Skip),
        "attempt" => Some(Handling::Attempt),
        "forced" => Some(Handling::Forced),
        _ => None,
    }
}

fn window(text: &str) -> Option<MaintenanceWindow> {
    match text {
        "available" => Some(MaintenanceWindow::Available),
        "unavailable" => Some(MaintenanceWindow::Unavailable),
        _ => None,
    }
}
