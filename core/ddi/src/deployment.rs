//! The deployment: what to install, and where the image is.
//!
//! Of the first chunk, the first artifact whose file name ends in `.img` is taken, or the only
//! artifact there is. docs/formats/ddi.md says how each field is understood.

mod fields;
mod places;

use core::fmt;

use heapless::String;

use crate::codes::Reason;
use crate::json::{self, Reader};
use fields::Draft;
use places::Source;

/// Bytes the address of an artifact may have.
pub const HREF_LEN_MAX: usize = 512;
/// Bytes of a chunk's name that are kept; a longer name is shortened, it is only shown.
pub const NAME_LEN_MAX: usize = 128;
/// Bytes a chunk's version may have; a longer one is refused, as versions are compared.
pub const VERSION_LEN_MAX: usize = 64;
/// Seconds a new firmware has to reach the manager, unless the deployment says otherwise.
pub const DEADLINE_S_DEFAULT: u16 = 300;
/// Most boot attempts a deployment may ask for.
pub const TRIALS_MAX: u8 = 16;

/// How urgently a step is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// Not now: ask again at the next poll.
    Skip,
    /// When the application agrees. Also what holds when the server does not say.
    Attempt,
    /// Now. The application is asked all the same: only it knows whether a reset is safe.
    Forced,
}

/// The state of a maintenance window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaintenanceWindow {
    /// It is open: install now.
    Available,
    /// It is closed: `update` is [`Handling::Skip`] until it opens.
    Unavailable,
}

/// What a deployment asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The number of the action.
    pub id: u64,
    /// Whether to receive the image.
    pub download: Handling,
    /// Whether to install it.
    pub update: Handling,
    /// The maintenance window, if there is one.
    pub maintenance_window: Option<MaintenanceWindow>,
    /// The name of the first chunk, shortened if need be; empty when the server sent none.
    pub name: String<NAME_LEN_MAX>,
    /// The version of the first chunk; empty when the server sent none.
    pub version: String<VERSION_LEN_MAX>,
    /// Length of the image file in bytes, at least 1.
    pub size: u32,
    /// SHA-256 of the image file; `None` when the server announced only other hashes. What the
    /// image is signed for decides in any case.
    pub sha256: Option<[u8; 32]>,
    /// The address of the image file, as the server wrote it: a URL, or a path that begins with
    /// `/`.
    pub href: String<HREF_LEN_MAX>,
    /// Seconds the new firmware has to reach the manager, 1 to 65535.
    pub deadline_s: u16,
    /// Boot attempts of the new firmware, 1 to [`TRIALS_MAX`]; `None`: what the device block says.
    pub trials: Option<u8>,
}

/// The fields of a deployment, for error messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `id`.
    Id,
    /// `deployment.download`.
    Download,
    /// `deployment.update`.
    Update,
    /// `deployment.maintenanceWindow`.
    MaintenanceWindow,
    /// `deployment.chunks`.
    Chunks,
    /// `version` of the first chunk.
    Version,
    /// `encrypted` of the first chunk.
    Encrypted,
    /// `artifacts` of the first chunk.
    Artifacts,
    /// `size` of the artifact.
    Size,
    /// `hashes.sha256` of the artifact.
    Sha256,
    /// `_links.download.href` of the artifact.
    Href,
    /// The metadata `otaru.deadline_s`.
    DeadlineS,
    /// The metadata `otaru.trials`.
    Trials,
}

impl Field {
    /// The name of the field as it stands in the message.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Download => "download",
            Self::Update => "update",
            Self::MaintenanceWindow => "maintenanceWindow",
            Self::Chunks => "chunks",
            Self::Version => "version",
            Self::Encrypted => "encrypted",
            Self::Artifacts => "artifacts",
            Self::Size => "size",
            Self::Sha256 => "sha256",
            Self::Href => "href",
            Self::DeadlineS => "otaru.deadline_s",
            Self::Trials => "otaru.trials",
        }
    }
}

/// Why a deployment cannot be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeploymentError {
    /// It is not a JSON document. [`json::Fault::Incomplete`] means a lost connection: ask again.
    Json(json::Error),
    /// This field is missing, has the wrong type or a value outside its range.
    Malformed(Field),
    /// No artifact is for this device: none at all, or several of which none is an `.img`.
    NoArtifact,
    /// This field is longer, or this number larger, than the device can hold.
    TooLong(Field),
    /// This field asks for something that the device cannot do.
    Unsupported(Field),
}

impl DeploymentError {
    /// The reason to report when the attempt ends for this error.
    pub const fn reason(self) -> Reason {
        match self {
            Self::TooLong(Field::Size) => Reason::SizeMismatch,
            Self::Json(_) | Self::Malformed(_) | Self::TooLong(_) => Reason::MalformedDeployment,
            Self::NoArtifact => Reason::NoArtifact,
            Self::Unsupported(_) => Reason::Unsupported,
        }
    }
}

impl fmt::Display for DeploymentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "deployment: {error}"),
            Self::Malformed(field) => {
                write!(f, "deployment: {} is missing or not valid", field.name())
            }
            Self::NoArtifact => f.write_str("deployment: no artifact ends in .img"),
            Self::TooLong(field) => write!(f, "deployment: {} is too long", field.name()),
            Self::Unsupported(Field::Encrypted) => {
                f.write_str("deployment: encrypted artifacts are not supported")
            }
            Self::Unsupported(field) => {
                write!(f, "deployment: this {} is not supported", field.name())
            }
        }
    }
}

impl core::error::Error for DeploymentError {}

impl From<json::Error> for DeploymentError {
    fn from(error: json::Error) -> Self {
        Self::Json(error)
    }
}

/// Reads the reply of `GET …/deploymentBase/{id}` as it arrives.
pub struct DeploymentReader(Reader<Draft, HREF_LEN_MAX>);

impl DeploymentReader {
    /// A reader at the beginning of a reply. It takes an artifact's link `download`, and
    /// `download-http` only if there is no `download`.
    pub const fn new() -> Self {
        Self(Reader::new(Draft::new(Source::Download)))
    }

    /// Like [`DeploymentReader::new`], for a device without TLS: it takes `download-http`, and
    /// `download` only if there is no `download-http`.
    pub const fn preferring_http() -> Self {
        Self(Reader::new(Draft::new(Source::DownloadHttp)))
    }

    /// Takes the next bytes of the reply.
    ///
    /// # Errors
    /// [`DeploymentError::Json`] when they cannot be part of a JSON document.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), DeploymentError> {
        Ok(self.0.push(bytes)?)
    }

    /// Ends the reply.
    ///
    /// # Errors
    /// Any [`DeploymentError`]. On [`DeploymentError::Json`] with [`json::Fault::Incomplete`] ask
    /// again; every other one ends the attempt with [`DeploymentError::reason`].
    pub fn finish(self) -> Result<Deployment, DeploymentError> {
        self.0.finish()?.finish()
    }
}

impl Default for DeploymentReader {
    fn default() -> Self {
        Self::new()
    }
}
