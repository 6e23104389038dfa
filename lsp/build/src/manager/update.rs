//! Updates over the air in two steps: what will happen, and do it.

use super::http::{ManagerClient, ManagerError};
use super::types::{Deployment, Device, Fleet};
use crate::explain::{ErrorClass, Explain};
use crate::image::{BuiltImage, Encrypted, hex};
use otaru_image::board_uuids;
use otaru_lsp_project::{board, board_names};
use sha2::{Digest as _, Sha256};

/// Devices of one plan that are looked up, at most.
const PLANS_MAX: usize = 32;

/// Whom an update addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Devices, by id (in a request also by name).
    Devices(Vec<String>),
    /// Fleets, by id (in a request also by name).
    Fleets(Vec<String>),
}

/// An image that was built here and may still have to be uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// Its label.
    pub label: String,
    /// SHA-256 of the file, 64 hex digits.
    pub digest: String,
    /// Length in bytes.
    pub size: u64,
    /// Name of its board.
    pub board: String,
    /// Whether it is signed with a development key.
    pub development_key: bool,
    /// How it is encrypted, `aes-128` or `aes-256`, if it is.
    pub encryption: Option<String>,
}

impl From<&BuiltImage> for NewVersion {
    fn from(image: &BuiltImage) -> Self {
        Self {
            label: image.label.clone(),
            digest: image.digest.clone(),
            size: image.size,
            board: image.board.clone(),
            development_key: image.development_key,
            encryption: image.encryption.as_ref().map(Encrypted::algorithm),
        }
    }
}

/// What is to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredVersion {
    /// An image of this project, uploaded before the update starts.
    New(NewVersion),
    /// A version that the manager has, by label.
    Known(String),
}

/// What the user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateRequest {
    /// Name of the firmware in the manager.
    pub firmware: String,
    /// What is to be installed.
    pub version: StoredVersion,
    /// Whom it addresses.
    pub target: Target,
    /// Seconds the new firmware has to reach the manager; `None` for the manager's default.
    pub deadline_s: Option<u32>,
    /// Starts of the new firmware before it has to have confirmed itself, 1 to 16; `None` for what
    /// the device was flashed with.
    pub trials: Option<u32>,
}

/// One device of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedDevice {
    /// `dev-…`
    pub id: String,
    /// Its name.
    pub name: String,
    /// The version it runs.
    pub from: String,
    /// Whether it is connected.
    pub online: bool,
}

/// What will happen. Made by [`Plan::make`], carried out by [`Plan::run`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Names this plan; the same facts give the same id.
    pub id: String,
    /// What the user wants.
    pub request: UpdateRequest,
    /// The devices addressed, by name.
    pub devices: Vec<PlannedDevice>,
    /// The label that will run.
    pub version: String,
    /// SHA-256 of the image, 64 hex digits.
    pub digest: String,
    /// Length of the image in bytes.
    pub size: u64,
    /// How the image is encrypted, `aes-128` or `aes-256`, if it is.
    pub encryption: Option<String>,
    /// Whether it is signed with a development key.
    pub development_key: bool,
    /// What the user should know first.
    pub warnings: Vec<String>,
    /// The target with ids.
    target: Target,
}

/// Why nothing is updated.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The manager says no, or nothing.
    #[error(transparent)]
    Manager(#[from] ManagerError),
    /// No such device.
    #[error("there is no device `{0}`")]
    DeviceUnknown(String),
    /// No such fleet.
    #[error("there is no fleet `{0}`")]
    FleetUnknown(String),
    /// Several devices have the name.
    #[error("several devices are called `{0}`")]
    DeviceAmbiguous(String),
    /// The fleet has no devices.
    #[error("there is no device to update")]
    NoDevices,
    /// No such version.
    #[error("firmware `{firmware}` has no version `{version}`")]
    VersionUnknown {
        /// The firmware.
        firmware: String,
        /// The label.
        version: String,
    },
    /// The device was never heard of.
    #[error("the device `{0}` has never connected")]
    NeverConnected(String),
    /// The device is another board.
    #[error("the device `{device}` is a `{has}`, this image is for `{wants}`")]
    WrongBoard {
        /// The device.
        device: String,
        /// Its board.
        has: String,
        /// The image's board.
        wants: String,
    },
    /// What the plan was made from has changed.
    #[error("the plan is out of date: {0}")]
    Stale(&'static str),
}

impl Explain for PlanError {
    fn code(&self) -> &'static str {
        match self {
            Self::Manager(error) => error.code(),
            Self::DeviceUnknown(_) => "device-unknown",
            Self::FleetUnknown(_) => "fleet-unknown",
            Self::DeviceAmbiguous(_) => "device-ambiguous",
            Self::NoDevices => "no-devices",
            Self::VersionUnknown { .. } => "version-unknown",
            Self::NeverConnected(_) => "never-connected",
            Self::WrongBoard { .. } => "wrong-board",
            Self::Stale(_) => "plan-stale",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Manager(error) => error.hint(),
            Self::DeviceUnknown(_) | Self::FleetUnknown(_) => {
                Some("`otaru device list` shows what there is".to_owned())
            }
            Self::DeviceAmbiguous(_) => Some("name it by its id, `dev-…`".to_owned()),
            Self::NoDevices => Some("move a device into the fleet first".to_owned()),
            Self::VersionUnknown { .. } => Some("upload it: `otaru upload`".to_owned()),
            Self::NeverConnected(_) => Some(
                "flash and provision it, and start it: `otaru flash`, `otaru provision`, \
                 `otaru device run`"
                    .to_owned(),
            ),
            Self::WrongBoard { .. } => {
                Some("the device would refuse it; choose another device or image".to_owned())
            }
            Self::Stale(_) => Some("look at the new plan and confirm it".to_owned()),
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Manager(error) => error.class(),
            Self::DeviceUnknown(_)
            | Self::FleetUnknown(_)
            | Self::DeviceAmbiguous(_)
            | Self::NoDevices
            | Self::VersionUnknown { .. }
            | Self::NeverConnected(_)
            | Self::WrongBoard { .. }
            | Self::Stale(_) => ErrorClass::Failed,
        }
    }
}

impl Plan {
    /// Finds out what will happen. Changes nothing.
    ///
    /// # Errors
    /// [`PlanError`] for everything that would fail for certain.
    pub async fn make(client: &ManagerClient, request: UpdateRequest) -> Result<Self, PlanError> {
        let devices = client.devices().await?;
        let (target, chosen) = match &request.target {
            Target::Devices(names) => {
                let mut chosen: Vec<&Device> = Vec::new();
                for name in names {
                    chosen.push(find_device(&devices, name)?);
                }
                (
                    Target::Devices(chosen.iter().map(|device| device.id.clone()).collect()),
                    chosen,
                )
            }
            Target::Fleets(names) => {
                let fleets = client.fleets().await?;
                let mut found: Vec<&Fleet> = Vec::new();
                for name in names {
                    let fleet = fleets
                        .iter()
                        .find(|fleet| fleet.id == *name || fleet.name == *name);
                    found.push(fleet.ok_or_else(|| PlanError::FleetUnknown(name.clone()))?);
                }
                let in_one = |device: &&Device| found.iter().any(|fleet| device.is_in_fleet(fleet));
                let chosen = devices.iter().filter(in_one).collect();
                (
                    Target::Fleets(found.iter().map(|fleet| fleet.id.clone()).collect()),
                    chosen,
                )
            }
        };
        let image = describe(client, &request).await?;
        Self::assemble(request, target, chosen, image)
    }

    fn assemble(
        request: UpdateRequest,
        target: Target,
        mut chosen: Vec<&Device>,
        image: Described,
    ) -> Result<Self, PlanError> {
        chosen.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        chosen.dedup_by(|a, b| a.id == b.id);
        if chosen.is_empty() {
            return Err(PlanError::NoDevices);
        }
        let alone = matches!(request.target, Target::Devices(_));
        for device in &chosen {
            if alone && !device.ever_connected {
                return Err(PlanError::NeverConnected(device.name.clone()));
            }
            if let (Some(has), Some(wants)) = (&device.board, &image.board)
                && has != wants
            {
                return Err(PlanError::WrongBoard {
                    device: device.name.clone(),
                    has: has.clone(),
                    wants: wants.clone(),
                });
            }
        }
        let warnings = warnings(&chosen, &image);
        let devices: Vec<PlannedDevice> = chosen
            .into_iter()
            .map(|device| PlannedDevice {
                id: device.id.clone(),
                name: device.name.clone(),
                from: device
                    .version
                    .clone()
                    .unwrap_or_else(|| "unknown".to_owned()),
                online: device.online,
            })
            .collect();
        let mut plan = Self {
            id: String::new(),
            request,
            devices,
            version: image.label,
            digest: image.digest,
            size: image.size,
            encryption: image.encryption,
            development_key: image.development_key,
            warnings,
            target,
        };
        plan.id = plan.fingerprint();
        Ok(plan)
    }

    /// The facts that a person agrees to: devices, what they run, and the image. Whether a device
    /// is connected at the moment is none of them.
    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(text.as_bytes());
        };
        for text in [&self.request.firmware, &self.version, &self.digest] {
            add(text);
        }
        for device in &self.devices {
            add(&device.id);
            add(&device.from);
        }
        format!("plan-{:.12}", hex(&hash.finalize()))
    }

    /// Carries the plan out. The image must be in the manager by now.
    ///
    /// # Errors
    /// [`PlanError::Stale`] if devices, what they run, or the image have changed since the plan
    /// was made; nothing is started then.
    pub async fn run(self, client: &ManagerClient) -> Result<Deployment, PlanError> {
        let now = Self::make(client, self.request.clone()).await?;
        if now.digest != self.digest || now.version != self.version {
            return Err(PlanError::Stale("the image has changed"));
        }
        if now.id != self.id {
            return Err(PlanError::Stale(
                "the devices or what they run have changed",
            ));
        }
        let deployed = client.deploy(&self.request, &self.version, &self.target);
        Ok(deployed.await?)
    }
}

/// The image of a plan.
struct Described {
    label: String,
    digest: String,
    size: u64,
    board: Option<String>,
    development_key: bool,
    encryption: Option<String>,
}

async fn describe(client: &ManagerClient, request: &UpdateRequest) -> Result<Described, PlanError> {
    match &request.version {
        StoredVersion::New(image) => Ok(Described {
            label: image.label.clone(),
            digest: image.digest.clone(),
            size: image.size,
            board: Some(image.board.clone()),
            development_key: image.development_key,
            encryption: image.encryption.clone(),
        }),
        StoredVersion::Known(label) => {
            let versions = client.versions(&request.firmware).await?;
            let found = versions
                .into_iter()
                .find(|version| version.version == *label);
            let found = found.ok_or_else(|| PlanError::VersionUnknown {
                firmware: request.firmware.clone(),
                version: label.clone(),
            })?;
            Ok(Described {
                label: found.version,
                digest: found.digest,
                size: found.size,
                board: found.board.and_then(|class| board_of_class(&class)),
                development_key: is_development_key(client, found.key.as_deref()).await?,
                encryption: found.encryption,
            })
        }
    }
}

/// Whether the workspace's ring calls this key one for development.
async fn is_development_key(
    client: &ManagerClient,
    key: Option<&str>,
) -> Result<bool, ManagerError> {
    let Some(key) = key else {
        return Ok(false);
    };
    let ring = client.keys().await?;
    Ok(ring
        .iter()
        .any(|known| known.development && known.public_key.eq_ignore_ascii_case(key)))
}

/// The name of the board with this class UUID, if it is one of ours.
fn board_of_class(class: &str) -> Option<String> {
    board_names()
        .into_iter()
        .filter_map(board)
        .find(|board| {
            let ids = board_uuids(&board.vid, &board.cid);
            ids.cid.to_string().eq_ignore_ascii_case(class)
        })
        .map(|board| board.name.clone())
}

fn find_device<'d>(devices: &'d [Device], name: &str) -> Result<&'d Device, PlanError> {
    if let Some(device) = devices.iter().find(|device| device.id == name) {
        return Ok(device);
    }
    let mut called = devices.iter().filter(|device| device.name == name);
    match (called.next(), called.next()) {
        (Some(device), None) => Ok(device),
        (Some(_), Some(_)) => Err(PlanError::DeviceAmbiguous(name.to_owned())),
        (None, _) => Err(PlanError::DeviceUnknown(name.to_owned())),
    }
}

fn warnings(devices: &[&Device], image: &Described) -> Vec<String> {
    let mut warnings = Vec::new();
    for device in devices {
        if !device.ever_connected {
            warnings.push(format!(
                "{} has never connected; its update waits for it",
                device.name
            ));
        } else if !device.online {
            warnings.push(format!(
                "{} is offline; its update waits for it",
                device.name
            ));
        }
        if device.digest.as_deref() == Some(image.digest.as_str()) {
            warnings.push(format!("{} runs this image already", device.name));
        }
    }
    if image.development_key {
        warnings.push("signed with a development key".to_owned());
    }
    warnings
}

/// Plans that wait for the user's answer. Each can be taken once.
#[derive(Debug, Default)]
pub struct PlanBook {
    plans: Vec<Plan>,
}

impl PlanBook {
    /// Keeps a plan and gives its id. The oldest are forgotten.
    pub fn keep(&mut self, plan: Plan) -> String {
        let id = plan.id.clone();
        self.plans.retain(|kept| kept.id != id);
        if self.plans.len() >= PLANS_MAX {
            self.plans.remove(0);
        }
        self.plans.push(plan);
        id
    }

    /// Takes a plan out.
    ///
    /// # Errors
    /// [`PlanError::Stale`] if it is not there (any more).
    pub fn take(&mut self, id: &str) -> Result<Plan, PlanError> {
        let at = self.plans.iter().position(|plan| plan.id == id);
        let at = at.ok_or(PlanError::Stale("it was carried out or forgotten"))?;
        Ok(self.plans.remove(at))
    }
}

#[cfg(test)]
#[path = "update_tests.rs"]
mod tests;
