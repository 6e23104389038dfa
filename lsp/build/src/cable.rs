//! What goes to a device by cable: flash, erase, provision and its undoing. The command line and the
//! language server go this way together; who asks the person before is their business.

use crate::device::{self, DeviceError, FlashRequest, Flashed};
use crate::event::{Job, Phase};
use crate::explain::{ErrorClass, Explain};
use crate::image::BuiltImage;
use crate::keys::{DeviceKey, KeyError, KeyTable, KeyTableError};
use crate::local::{Local, LocalError, Shape};
use crate::manager::{ManagerClient, ManagerError};
use crate::project::OpenProject;
use otaru_board_host::control::{Client, ControlError};
use otaru_flash::Identity;
use otaru_image::{DecryptionKey, PublicKey};
use otaru_lsp_project::Board;
use std::path::{Path, PathBuf};

/// Why a device was not written.
#[derive(Debug, thiserror::Error)]
pub enum CableError {
    /// The device cannot be used.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// Its flash was not written.
    #[error(transparent)]
    Device(#[from] DeviceError<ControlError>),
    /// The manager says no, or nothing.
    #[error(transparent)]
    Manager(#[from] ManagerError),
    /// The key of encrypted images cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no key table for it.
    #[error(transparent)]
    KeyTable(#[from] KeyTableError),
    /// The image's key is none.
    #[error("the image names an unusable key: {0}")]
    ImageKey(String),
    /// The image cannot be read.
    #[error("{} cannot be read", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The device has no identity that could be taken away.
    #[error("{0} has no identity")]
    NotProvisioned(String),
}

impl Explain for CableError {
    fn code(&self) -> &'static str {
        match self {
            Self::Local(error) => error.code(),
            Self::Device(error) => error.code(),
            Self::Manager(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::KeyTable(error) => error.code(),
            Self::ImageKey(_) => "key-unusable",
            Self::Image { .. } => "io",
            Self::NotProvisioned(_) => "not-provisioned",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Local(error) => error.hint(),
            Self::Device(error) => error.hint(),
            Self::Manager(error) => error.hint(),
            Self::Key(error) => error.hint(),
            Self::KeyTable(error) => error.hint(),
            Self::Image { .. } => Some("build the project again".to_owned()),
            Self::ImageKey(_) => None,
            Self::NotProvisioned(_) => Some("`otaru provision` gives it one".to_owned()),
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Local(error) => error.class(),
            Self::Device(DeviceError::Cancelled) => ErrorClass::Refused,
            Self::Device(error) => error.class(),
            Self::Manager(error) => error.class(),
            Self::Key(error) => error.class(),
            Self::KeyTable(error) => error.class(),
            Self::ImageKey(_) | Self::Image { .. } | Self::NotProvisioned(_) => ErrorClass::Failed,
        }
    }
}

impl From<ControlError> for CableError {
    fn from(error: ControlError) -> Self {
        Self::Local(LocalError::Control(error))
    }
}

/// What a device is before something is done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Whether there is such a device; `flash` makes one.
    pub exists: bool,
    /// Whether it was flashed before.
    pub flashed: bool,
    /// Its id in the manager, if it was provisioned.
    pub identity: Option<String>,
}

/// Looks at a device without changing it. A device that is switched off stays so.
///
/// # Errors
/// [`CableError::Local`]
pub async fn look(local: &Local) -> Result<Found, CableError> {
    let Some(shape) = local.stored_shape()? else {
        return Ok(Found {
            exists: false,
            flashed: false,
            identity: None,
        });
    };
    if !local.is_running() {
        local.start(&shape, false).await?;
    }
    local
        .with_client(move |client| {
            Ok(match device::read_block(client, shape.board) {
                Ok(block) => Found {
                    exists: true,
                    flashed: true,
                    identity: device::identity_of(client, &block.layout),
                },
                Err(DeviceError::Block(_)) => Found {
                    exists: true,
                    flashed: false,
                    identity: None,
                },
                Err(error) => return Err(error.into()),
            })
        })
        .await
}

/// What the device will decrypt encrypted images with, if the project has any: the key of `given`,
/// else that of the manifest.
///
/// # Errors
/// [`CableError::Key`]
pub fn decryption_key(
    project: &OpenProject,
    given: Option<&Path>,
) -> Result<Option<DecryptionKey>, CableError> {
    let named = project.settings.encryption.as_ref();
    let path = match (given, named) {
        (Some(given), _) => given.to_owned(),
        (None, Some(settings)) => project.root.join(&settings.key),
        (None, None) => return Ok(None),
    };
    let key = DeviceKey::load(&path)?;
    Ok(Some(key.secret()?.clone()))
}

/// Writes an image to a device and switches it on; the device is made if it does not exist.
///
/// # Errors
/// [`CableError`]; the device does not start after one of the flash.
pub async fn flash(
    project: &OpenProject,
    local: &Local,
    (image, decryption_key): (&BuiltImage, Option<DecryptionKey>),
    job: Job,
) -> Result<Flashed, CableError> {
    let shape = Shape::of_project(project);
    let bytes = std::fs::read(&image.path).map_err(|source| CableError::Image {
        path: image.path.clone(),
        source,
    })?;
    let public =
        PublicKey::parse(&image.key).map_err(|error| CableError::ImageKey(error.to_string()))?;
    let table = KeyTable::of(project, public, image.development_key)?;
    let (keys, revoked) = (table.keys(), table.revoke());
    let counter = image.security_counter;
    ready(local, shape).await?;
    local
        .with_client(move |client: &mut Client| {
            let request = FlashRequest {
                board: shape.board,
                mode: shape.mode,
                keys,
                image: &bytes,
                security_counter: counter,
                revoked,
                decryption_key: decryption_key.as_ref(),
            };
            let mut probe = client.hold()?;
            let flashed = device::flash(&mut probe, &request, &job)?;
            probe.release()?;
            client.power_on()?;
            Ok(flashed)
        })
        .await
}

/// Starts the device's chip, with a flash of the right shape, and without power if it was off.
async fn ready(local: &Local, shape: Shape) -> Result<(), LocalError> {
    let fits = match local.file()? {
        Some(file) => file.geometry == shape.geometry()?,
        None => false,
    };
    if local.is_running() {
        if fits {
            return Ok(());
        }
        // Another install mode has other areas, which the chip learns when it starts.
        local.ask(Client::shutdown).await?;
        local.stopped().await?;
    }
    local.start(&shape, false).await
}

/// Erases a device: firmware, FOTA record, identity. It does not start until it is flashed.
///
/// # Errors
/// [`CableError`]
pub async fn erase(local: &Local, job: Job) -> Result<(), CableError> {
    let Some(shape) = local.stored_shape()? else {
        return Err(LocalError::Unknown(local.name.clone()).into());
    };
    if !local.is_running() {
        local.start(&shape, false).await?;
    }
    local
        .with_client(move |client: &mut Client| {
            let layout = device::layout_of::<ControlError>(shape.board, shape.mode)?;
            let mut probe = client.hold()?;
            device::erase(&mut probe, &layout, &job)?;
            probe.release()?;
            Ok(())
        })
        .await
}

/// Makes the device known to the manager, or renews its token there, and stores its identity. Gives
/// its id. A device that was never flashed has nowhere to keep an identity: it is refused before the
/// manager hears of it.
///
/// # Errors
/// [`CableError`]
pub async fn provision(
    local: &Local,
    board: &'static Board,
    (client, fleet): (&ManagerClient, Option<&str>),
    job: Job,
) -> Result<String, CableError> {
    identity(local, board).await?;
    let known = client
        .devices()
        .await?
        .into_iter()
        .find(|device| device.name == local.name);
    let (id, token, ddi_url) = if let Some(device) = known {
        let token = client.new_device_token(&device.id).await?;
        let url = client.ddi_url(&device).await?;
        (device.id, token, url)
    } else {
        let made = client.create_device(&local.name, fleet).await?;
        (made.id, made.token, made.ddi_url)
    };
    job.begin(Phase::Provision);
    let stored_id = id.clone();
    local
        .with_client(move |client: &mut Client| {
            let mut probe = client.hold()?;
            let identity = Identity {
                device_id: &stored_id,
                token: &token,
                ddi_url: ddi_url.trim_end_matches('/'),
                ..Identity::default()
            };
            device::provision(&mut probe, board, &identity)?;
            probe.release()?;
            Ok::<_, CableError>(())
        })
        .await?;
    job.finish(Phase::Provision, format!("{} has its identity", local.name));
    Ok(id)
}

/// The id that a device has now; the device must run and have been flashed.
///
/// # Errors
/// [`CableError`]
pub async fn identity(local: &Local, board: &'static Board) -> Result<Option<String>, CableError> {
    local
        .with_client(move |client: &mut Client| {
            let block = device::read_block(client, board)?;
            Ok(device::identity_of(client, &block.layout))
        })
        .await
}

/// Takes a device's identity away, first in the manager, which then no longer lets it in, and then on
/// the device. Without a manager only on the device. Gives the id that it had.
///
/// # Errors
/// [`CableError`]; if the manager does not agree, the device keeps its identity.
pub async fn undo_provision(
    local: &Local,
    client: Option<&ManagerClient>,
    job: Job,
) -> Result<String, CableError> {
    let shape = local.stored_shape()?;
    let id = look(local).await?.identity;
    let (Some(shape), Some(id)) = (shape, id) else {
        return Err(CableError::NotProvisioned(local.name.clone()));
    };
    job.begin(Phase::Provision);
    if let Some(client) = client {
        client.delete_device(&id).await?;
    }
    local
        .with_client(move |client: &mut Client| {
            let mut probe = client.hold()?;
            let block = device::read_block(&mut probe, shape.board)?;
            device::forget_identity(&mut probe, &block.layout)?;
            probe.release()?;
            Ok::<_, CableError>(())
        })
        .await?;
    job.finish(Phase::Provision, format!("{} has no identity", local.name));
    Ok(id)
}
