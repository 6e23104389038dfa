//! What the manager answers, as far as we use it. Fields that we do not know are skipped.

use serde::{Deserialize, Serialize};

/// `GET /workspace`
#[derive(Debug, Clone, Deserialize)]
pub struct Workspace {
    /// `wks-…`
    pub id: String,
    /// Its name.
    pub name: String,
    /// Version of the manager.
    #[serde(default)]
    pub manager_version: String,
}

/// `POST /setup`
#[derive(Clone, Deserialize)]
pub struct Setup {
    /// The key for everything else. Never shown.
    pub api_key: String,
    /// The workspace it belongs to.
    pub workspace: SetupWorkspace,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup")
            .field("workspace", &self.workspace)
            .finish_non_exhaustive()
    }
}

/// The workspace of a new API key.
#[derive(Debug, Clone, Deserialize)]
pub struct SetupWorkspace {
    /// `wks-…`
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A fleet.
#[derive(Debug, Clone, Deserialize)]
pub struct Fleet {
    /// `flt-…`
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many devices are in it.
    #[serde(default)]
    pub device_count: u64,
}

/// A device.
#[derive(Debug, Clone, Deserialize)]
pub struct Device {
    /// `dev-…`
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its name in DDI addresses, if it is not the id.
    #[serde(default)]
    pub controller_id: Option<String>,
    /// Its fleet: id or name.
    #[serde(default)]
    pub fleet: Option<serde_json::Value>,
    /// Whether the manager holds a connection with it right now.
    #[serde(default)]
    pub online: bool,
    /// Whether it was ever heard of.
    #[serde(default)]
    pub ever_connected: bool,
    /// When it was last heard of, RFC 3339.
    #[serde(default)]
    pub last_seen: Option<String>,
    /// The version it runs, as it reported.
    #[serde(default)]
    pub version: Option<String>,
    /// The digest it runs, as it reported.
    #[serde(default)]
    pub digest: Option<String>,
    /// Its board, as it reported.
    #[serde(default)]
    pub board: Option<String>,
}

impl Device {
    /// Whether the device belongs to this fleet; the manager may name it by id or name.
    pub fn is_in_fleet(&self, fleet: &Fleet) -> bool {
        let is = |text: &str| text == fleet.id || text == fleet.name;
        match &self.fleet {
            Some(serde_json::Value::String(text)) => is(text),
            Some(serde_json::Value::Object(object)) => object
                .get("id")
                .and_then(serde_json::Value::as_str)
                .is_some_and(is),
            _ => false,
        }
    }
}

/// `POST /devices`: the token is shown this once.
#[derive(Clone, Deserialize)]
pub struct CreatedDevice {
    /// `dev-…`
    pub id: String,
    /// Its name.
    pub name: String,
    /// The secret that authenticates it. Never shown.
    pub token: String,
    /// Its DDI base address.
    pub ddi_url: String,
}

impl std::fmt::Debug for CreatedDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedDevice")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("ddi_url", &self.ddi_url)
            .finish_non_exhaustive()
    }
}

/// A public key of the workspace's ring.
#[derive(Debug, Clone, Deserialize)]
pub struct RingKey {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// 64 hex digits.
    pub public_key: String,
    /// Whether it was made for development.
    #[serde(default)]
    pub development: bool,
}

/// A firmware: a named container of versions.
#[derive(Debug, Clone, Deserialize)]
pub struct Firmware {
    /// `fmw-…`
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A version of a firmware.
#[derive(Debug, Clone, Deserialize)]
pub struct VersionInfo {
    /// `ver-…`
    pub id: String,
    /// The label.
    pub version: String,
    /// Length in bytes.
    #[serde(default)]
    pub size: u64,
    /// SHA-256 of the file, 64 hex digits.
    #[serde(default)]
    pub digest: String,
    /// The board it runs on, by name if the manager knows it.
    #[serde(default)]
    pub board: Option<String>,
    /// Public half of the key that signed it, hex digits, if the manager knows it.
    #[serde(default)]
    pub key: Option<String>,
    /// How it is encrypted, `aes-128` or `aes-256`, if it is.
    #[serde(default)]
    pub encryption: Option<String>,
    /// When it was uploaded.
    #[serde(default)]
    pub created_at: Option<String>,
}

/// `POST /deployments`
#[derive(Debug, Clone, Deserialize)]
pub struct Deployment {
    /// `dep-…`
    pub id: String,
    /// One action per device.
    #[serde(default)]
    pub actions: Vec<DeploymentAction>,
}

/// An action as a deployment lists it.
#[derive(Debug, Clone, Deserialize)]
pub struct DeploymentAction {
    /// `act-…`
    pub id: String,
    /// The device.
    #[serde(default)]
    pub device: serde_json::Value,
    /// Its status.
    pub status: ActionStatus,
}

/// Where an action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionStatus {
    /// The device was not told yet.
    Pending,
    /// The device receives the image.
    Downloading,
    /// The device checks what it stored.
    Verifying,
    /// The image waits in storage.
    Parked,
    /// The bootloader installs.
    Installing,
    /// The new firmware runs, unconfirmed.
    Trial,
    /// The new firmware has confirmed itself.
    Succeeded,
    /// The update ended without a change.
    Failed,
    /// The old firmware runs again.
    Reverted,
    /// It was cancelled.
    Canceled,
    /// A cancel waits for the device.
    Canceling,
    /// The device was not heard of in time.
    TimedOut,
    /// A word that this client does not know.
    #[serde(other)]
    Unknown,
}

impl ActionStatus {
    /// Whether nothing will happen any more.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::Reverted | Self::Canceled | Self::TimedOut
        )
    }

    /// The word, as the API has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Downloading => "downloading",
            Self::Verifying => "verifying",
            Self::Parked => "parked",
            Self::Installing => "installing",
            Self::Trial => "trial",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Reverted => "reverted",
            Self::Canceled => "canceled",
            Self::Canceling => "canceling",
            Self::TimedOut => "timed-out",
            Self::Unknown => "unknown",
        }
    }
}

/// One device's part of a deployment.
#[derive(Debug, Clone, Deserialize)]
pub struct Action {
    /// `act-…`
    pub id: String,
    /// The device: id.
    #[serde(default)]
    pub device: serde_json::Value,
    /// The device's name.
    #[serde(default)]
    pub device_name: Option<String>,
    /// The label that is installed.
    #[serde(default)]
    pub version: Option<String>,
    /// The label that ran before.
    #[serde(default)]
    pub from_version: Option<String>,
    /// Where it stands.
    pub status: ActionStatus,
    /// The device's phase.
    #[serde(default)]
    pub phase: Option<String>,
    /// How far the phase is.
    #[serde(default)]
    pub percent: Option<u8>,
    /// Why it failed, as a stable word.
    #[serde(default)]
    pub reason: Option<String>,
    /// The same for people.
    #[serde(default)]
    pub message: Option<String>,
    /// Each try; only in the complete answer.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
}

impl Action {
    /// What to call the device on screens.
    pub fn device_label(&self) -> &str {
        self.device_name
            .as_deref()
            .or(self.device.as_str())
            .unwrap_or("the device")
    }
}

/// One try of a device at an action.
#[derive(Debug, Clone, Deserialize)]
pub struct Attempt {
    /// From 1.
    #[serde(default)]
    pub number: u32,
    /// Each step with its time.
    #[serde(default)]
    pub transitions: Vec<Transition>,
    /// The failing firmware's last console lines.
    #[serde(default)]
    pub console: Vec<String>,
}

/// One step of an attempt.
#[derive(Debug, Clone, Deserialize)]
pub struct Transition {
    /// When, RFC 3339.
    #[serde(default)]
    pub at: String,
    /// The status it led to.
    #[serde(default)]
    pub status: Option<String>,
    /// The device's phase.
    #[serde(default)]
    pub phase: Option<String>,
    /// How far the phase was.
    #[serde(default)]
    pub percent: Option<u8>,
    /// Free text of the device.
    #[serde(default)]
    pub text: Option<String>,
}
