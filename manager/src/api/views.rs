//! What the public API answers with.

use crate::app::App;
use crate::config::rfc3339;
use crate::public_key::PublicKey;
use crate::secret::hex;
use crate::store::access::{ApiKeyRow, SigningKeyRow};
use crate::store::attempts::{AttemptRow, TransitionRow};
use crate::store::catalog::{FirmwareRow, VersionRow};
use crate::store::deployments::DeploymentRow;
use crate::store::devices::DeviceRow;
use crate::store::fleets::FleetRow;
use crate::store::views::ActionRow;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A workspace.
#[derive(Debug, Serialize, ToSchema)]
pub struct Workspace {
    /// `wks-…`; also a DDI tenant.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Version of the manager.
    pub manager_version: &'static str,
    /// Whether a gateway token is set.
    pub gateway: bool,
}

/// A fleet: every device is in exactly one.
#[derive(Debug, Serialize, ToSchema)]
pub struct Fleet {
    /// `flt-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Devices in it.
    pub device_count: i64,
}

impl From<FleetRow> for Fleet {
    fn from(row: FleetRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            device_count: row.device_count,
        }
    }
}

/// A device.
#[derive(Debug, Serialize, ToSchema)]
pub struct Device {
    /// `dev-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its fleet.
    pub fleet: String,
    /// Its name in DDI addresses; the id unless a gateway brought it.
    pub controller_id: String,
    /// False until somebody approves a device that a gateway token brought.
    pub approved: bool,
    /// `otaru`, `foreign` for any other DDI client, `unknown` until it has told.
    pub kind: String,
    /// Whether it is connected, or was just now.
    pub online: bool,
    /// When it was last heard of.
    pub last_seen: Option<String>,
    /// Whether it was ever heard of.
    pub ever_connected: bool,
    /// What it says it runs: a label, `Factory`, or `testing-…` on trial.
    pub version: Option<String>,
    /// SHA-256 of the image it runs.
    pub digest: Option<String>,
    /// Its board.
    pub board: Option<String>,
    /// Version of its bootloader.
    pub boot_version: Option<String>,
    /// Everything it says about itself.
    pub attributes: BTreeMap<String, String>,
    /// When it was created.
    pub created_at: String,
    /// The action in progress, else the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
}

impl Device {
    pub(crate) fn new(app: &App, row: DeviceRow, action: Option<ActionRow>) -> Self {
        let (online, seen_now) = app.presence.of(row.seq, app.now_ms());
        Self {
            online,
            last_seen: seen_now.max(row.last_seen).map(rfc3339),
            ever_connected: row.first_seen.is_some(),
            attributes: serde_json::from_str(&row.attributes).unwrap_or_default(),
            id: row.id,
            name: row.name,
            fleet: row.fleet,
            controller_id: row.controller_id,
            approved: row.approved,
            kind: row.kind,
            version: row.version,
            digest: row.digest,
            board: row.board,
            boot_version: row.boot_version,
            created_at: rfc3339(row.created_at),
            action: action.map(Action::from),
        }
    }
}

/// A device with the secrets it needs, shown once.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProvisionedDevice {
    /// `dev-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its fleet.
    pub fleet: String,
    /// Its target token; only its hash is stored.
    pub token: String,
    /// Base address it polls.
    pub ddi_url: String,
}

/// A public signing key of the workspace's ring.
#[derive(Debug, Serialize, ToSchema)]
pub struct SigningKey {
    /// `sgn-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `ed25519` or `p256`.
    pub algorithm: &'static str,
    /// 64 hex digits of Ed25519; 66 of P-256.
    pub public_key: String,
    /// Whether it is marked as one for development.
    pub development: bool,
    /// When it was registered.
    pub created_at: String,
}

impl From<SigningKeyRow> for SigningKey {
    fn from(row: SigningKeyRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            algorithm: PublicKey::of_stored(&row.public_key)
                .map_or("unknown", |key| key.algorithm()),
            public_key: hex(&row.public_key),
            development: row.development,
            created_at: rfc3339(row.created_at),
        }
    }
}

/// An API key. Its secret is shown only when it is created.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKey {
    /// `key-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it works; a disabled one can be enabled again.
    pub enabled: bool,
    /// When it was created.
    pub created_at: String,
}

impl From<ApiKeyRow> for ApiKey {
    fn from(row: ApiKeyRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            enabled: row.enabled,
            created_at: rfc3339(row.created_at),
        }
    }
}

/// A firmware: a named container of versions.
#[derive(Debug, Serialize, ToSchema)]
pub struct Firmware {
    /// `fmw-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// When it was created.
    pub created_at: String,
    /// Versions that are not deleted.
    pub version_count: i64,
}

impl From<FirmwareRow> for Firmware {
    fn from(row: FirmwareRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            description: row.description,
            created_at: rfc3339(row.created_at),
            version_count: row.version_count,
        }
    }
}

/// A further image in the file of a version: for a radio, or resources.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Part {
    /// Which image of the device it is, 1 to 3.
    pub index: i64,
    /// Its version numbers.
    pub version: String,
    /// Its version as people read it, if it has a label.
    pub label: Option<String>,
    /// Bytes.
    pub size: i64,
    /// SHA-256 of the part.
    pub digest: String,
    /// Its security counter.
    pub security_counter: i64,
    /// Public key that signed it.
    pub key: Option<String>,
}

/// A version of a firmware.
#[derive(Debug, Serialize, ToSchema)]
pub struct Version {
    /// `ver-…`.
    pub id: String,
    /// Its firmware.
    pub firmware: String,
    /// Its identifier, such as `1.1.0+7`; never used twice in a firmware.
    pub version: String,
    /// Bytes.
    pub size: i64,
    /// SHA-256 of the file.
    pub digest: String,
    /// Name of the file, as devices see it.
    pub file_name: String,
    /// Class UUID of the board it is made for, if the image says so.
    pub board: Option<String>,
    /// Security counter of the image.
    pub security_counter: Option<i64>,
    /// Public key that signed it.
    pub key: Option<String>,
    /// Further images in the file, installed with it, all or none.
    pub parts: Vec<Part>,
    /// `aes-128` or `aes-256` if the payload is encrypted. Then form and signature were checked, but
    /// not the payload: only the devices have the key.
    pub encryption: Option<String>,
    /// When it was uploaded.
    pub created_at: String,
    /// Name of the API key that uploaded it.
    pub uploaded_by: String,
    /// Any file, for clients other than Otaru's.
    pub foreign: bool,
    /// An action in progress wants it, or a device runs it; it cannot be deleted then.
    pub in_use: bool,
}

impl From<VersionRow> for Version {
    fn from(row: VersionRow) -> Self {
        Self {
            id: row.id,
            firmware: row.firmware,
            version: row.version,
            size: row.size,
            digest: row.sha256,
            file_name: row.file_name,
            board: row.board,
            security_counter: row.security_counter,
            key: row.signing_key,
            parts: row
                .parts
                .and_then(|parts| serde_json::from_str(&parts).ok())
                .unwrap_or_default(),
            encryption: row.encryption,
            created_at: rfc3339(row.created_at),
            uploaded_by: row.uploaded_by,
            foreign: row.is_foreign,
            in_use: row.in_use,
        }
    }
}

/// An unfinished upload.
#[derive(Debug, Serialize, ToSchema)]
pub struct Upload {
    /// `upl-…`.
    pub id: String,
    /// Bytes that are there.
    pub offset: u64,
    /// Bytes in all.
    pub size: u64,
}

/// A deployment.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deployment {
    /// `dep-…`.
    pub id: String,
    /// Its firmware.
    pub firmware: String,
    /// Name of the firmware.
    pub firmware_name: String,
    /// The version identifier.
    pub version: String,
    /// What it was aimed at.
    pub target: serde_json::Value,
    /// Seconds the new firmware has to reach the manager.
    pub deadline_s: i64,
    /// Attempts that may follow a failed one by themselves.
    pub retries: i64,
    /// How often the new firmware may be started before it has to have confirmed itself; missing:
    /// as each device's board says.
    pub trials: Option<i64>,
    /// Who started it.
    pub created_by: String,
    /// When.
    pub created_at: String,
    /// Devices it is about.
    pub action_count: i64,
    /// Of these, not yet ended.
    pub open_count: i64,
    /// Of these, succeeded.
    pub succeeded_count: i64,
}

impl From<DeploymentRow> for Deployment {
    fn from(row: DeploymentRow) -> Self {
        Self {
            id: row.id,
            firmware: row.firmware,
            firmware_name: row.firmware_name,
            version: row.version,
            target: serde_json::from_str(&row.target).unwrap_or_default(),
            deadline_s: row.deadline_s,
            retries: row.retries,
            trials: row.trials,
            created_by: row.created_by,
            created_at: rfc3339(row.created_at),
            action_count: row.action_count,
            open_count: row.open_count,
            succeeded_count: row.succeeded_count,
        }
    }
}

/// One device's part of a deployment.
#[derive(Debug, Serialize, ToSchema)]
pub struct Action {
    /// `act-…`.
    pub id: String,
    /// Its deployment.
    pub deployment: String,
    /// Its device.
    pub device: String,
    /// Name of the device.
    pub device_name: String,
    /// The firmware.
    pub firmware: String,
    /// Name of the firmware.
    pub firmware_name: String,
    /// Version to install.
    pub version: String,
    /// SHA-256 of that version's file.
    pub digest: String,
    /// What the device ran before.
    pub from_version: Option<String>,
    /// `pending`, `downloading`, `verifying`, `parked`, `installing`, `trial`, `canceling`,
    /// `succeeded`, `failed`, `reverted`, `canceled` or `timed-out`.
    pub status: String,
    /// Phase the device reported last.
    pub phase: Option<String>,
    /// Percent of that phase.
    pub percent: Option<i64>,
    /// Why it ended, or is being canceled.
    pub reason: Option<String>,
    /// The device's last text.
    pub message: Option<String>,
    /// Number of the newest attempt.
    pub attempt: i64,
    /// Succeeded after it had timed out.
    pub late: bool,
    /// Succeeded with proof; false for clients whose word has to do.
    pub verified: bool,
    /// Who started it.
    pub created_by: String,
    /// When it was started.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
    /// Its attempts, oldest first; only in the answer about one action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Vec<Attempt>>,
}

impl From<ActionRow> for Action {
    fn from(row: ActionRow) -> Self {
        Self {
            id: row.id,
            deployment: row.deployment,
            device: row.device,
            device_name: row.device_name,
            firmware: row.firmware,
            firmware_name: row.firmware_name,
            version: row.version,
            digest: row.digest,
            from_version: row.from_version,
            status: row.status,
            phase: row.phase,
            percent: row.percent,
            reason: row.cause,
            message: row.message,
            attempt: row.attempt,
            late: row.late,
            verified: row.verified,
            created_by: row.created_by,
            created_at: rfc3339(row.created_at),
            updated_at: rfc3339(row.updated_at),
            attempts: None,
        }
    }
}

/// One try of a device at an action.
#[derive(Debug, Serialize, ToSchema)]
pub struct Attempt {
    /// From 1.
    pub number: i64,
    /// DDI action id.
    pub ddi_id: i64,
    /// As for actions.
    pub status: String,
    /// Why it ended.
    pub reason: Option<String>,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub ended_at: Option<String>,
    /// What the device said about the install.
    pub install: Install,
    /// Its history, oldest first.
    pub transitions: Vec<Transition>,
    /// Last console lines of a firmware that failed, oldest first.
    pub console: Vec<String>,
}

impl Attempt {
    pub(crate) fn new(row: AttemptRow, transitions: Vec<Transition>, console: Vec<String>) -> Self {
        Self {
            number: row.number,
            ddi_id: row.ddi_id,
            status: row.status,
            reason: row.cause,
            started_at: rfc3339(row.started_at),
            ended_at: row.ended_at.map(rfc3339),
            install: Install {
                from: row.from_image,
                to: row.to_image,
                chunks: row.chunks,
                cuts: row.cuts,
                ms: row.install_ms,
            },
            transitions,
            console,
        }
    }
}

/// What a device said about the install of an attempt. Only Otaru devices say it, and not before the
/// install.
#[derive(Debug, Serialize, ToSchema)]
pub struct Install {
    /// The image that ran before: the first 16 hex digits of its SHA-256.
    pub from: Option<String>,
    /// The image that the attempt is for, likewise.
    pub to: Option<String>,
    /// Chunks in which the two differ: how many were copied.
    pub chunks: Option<i64>,
    /// Resets that the install and the revert survived.
    pub cuts: Option<i64>,
    /// Milliseconds of the install.
    pub ms: Option<i64>,
}

/// One entry of an attempt's history.
#[derive(Debug, Serialize, ToSchema)]
pub struct Transition {
    /// When.
    pub at: String,
    /// Status from then on.
    pub status: String,
    /// Phase the device reported.
    pub phase: Option<String>,
    /// Percent of that phase.
    pub percent: Option<i64>,
    /// Why, if it ended.
    pub reason: Option<String>,
    /// The device's own words.
    pub text: Option<String>,
}

impl From<TransitionRow> for Transition {
    fn from(row: TransitionRow) -> Self {
        Self {
            at: rfc3339(row.at),
            status: row.status,
            phase: row.phase,
            percent: row.percent,
            reason: row.cause,
            text: row.text,
        }
    }
}
