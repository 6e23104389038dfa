//! What goes to a device by cable: `flash` and `provision`.

use super::local::{Local, Shape};
use crate::arguments::{Flash, Provision};
use crate::commands::build::built;
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::progress::follow;
use crate::session::{Session, default_device};
use otaru_board_host::control::Client;
use otaru_flash::{IDENTITY_LEN_MAX, Identity, IdentityStore};
use otaru_image::{DecryptionKey, PublicKey};
use otaru_lsp_build::device::{self, FlashRequest, Flashed};
use otaru_lsp_build::image::BuiltImage;
use otaru_lsp_build::keys::{DeviceKey, KeyTable};
use otaru_lsp_build::manager::ManagerClient;
use otaru_lsp_build::project::OpenProject;
use otaru_lsp_build::{Job, Phase};
use serde_json::json;
use std::path::Path;

/// `otaru flash`
pub(crate) async fn flash(session: Session<'_>, arguments: &Flash) -> Result<(), Failure> {
    let project = session.project()?;
    let name = arguments
        .device
        .clone()
        .unwrap_or_else(|| default_device(&project));
    let local = Local::named(&name)?;
    if local.file()?.is_some() {
        confirm(
            session.output,
            session.arguments.yes,
            &format!(
                "Flash {name}? Its firmware and FOTA record are replaced, its identity stays."
            ),
        )?;
    }
    // A missing key must not cost a compilation.
    let key = device_key(session, &project, arguments.decryption_key.as_deref())?;
    let image = built(session, &project, arguments.label.as_deref()).await?;
    let flashed = flash_with(session, &project, &local, (&image, key)).await?;
    session.output.result(
        "flashed",
        &format!(
            "{name} runs {} (shown as Factory until its first update)",
            image.label
        ),
        json!({
            "device": name,
            "version": image.label,
            "digest": image.digest,
            "sectors_written": flashed.written,
            "sectors_skipped": flashed.skipped,
        }),
    );
    Ok(())
}

/// Writes an image to a device and switches it on; the device is made if it does not exist.
pub(crate) async fn flash_image(
    session: Session<'_>,
    project: &OpenProject,
    local: &Local,
    image: &BuiltImage,
) -> Result<Flashed, Failure> {
    let key = device_key(session, project, None)?;
    flash_with(session, project, local, (image, key)).await
}

/// What the device will decrypt encrypted images with, if the project has any.
fn device_key(
    session: Session<'_>,
    project: &OpenProject,
    given: Option<&Path>,
) -> Result<Option<DecryptionKey>, Failure> {
    let named = project.settings.encryption.as_ref();
    let path = match (given, named) {
        (Some(given), _) => session.folder().join(given),
        (None, Some(settings)) => project.root.join(&settings.key),
        (None, None) => return Ok(None),
    };
    let key = DeviceKey::load(&path)?;
    Ok(Some(key.secret()?.clone()))
}

async fn flash_with(
    session: Session<'_>,
    project: &OpenProject,
    local: &Local,
    (image, decryption_key): (&BuiltImage, Option<DecryptionKey>),
) -> Result<Flashed, Failure> {
    let shape = Shape::of_project(project);
    ready_for_cable(session, local, shape).await?;
    let bytes = std::fs::read(&image.path)
        .map_err(|error| Failure::io(format!("{} cannot be read", image.path.display()), &error))?;
    let public = PublicKey::parse(&image.key).map_err(|error| {
        Failure::new(
            crate::failure::Exit::Failed,
            "key-unusable",
            error.to_string(),
        )
    })?;
    let table = KeyTable::of(project, public, image.development_key)?;
    let (keys, revoked) = (table.keys(), table.revoke());
    let counter = image.security_counter;
    follow(session.output, async |job: Job| {
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
                write(client, &request, &job)
            })
            .await
    })
    .await
}

fn write(client: &mut Client, request: &FlashRequest<'_>, job: &Job) -> Result<Flashed, Failure> {
    let talk = |error| super::control_failure(&error);
    let mut probe = client.hold().map_err(talk)?;
    let flashed = device::flash(&mut probe, request, job)?;
    probe.release().map_err(talk)?;
    client.power_on().map_err(talk)?;
    Ok(flashed)
}

/// Starts the device's chip, with a flash of the right shape, and without power if it was off.
async fn ready_for_cable(session: Session<'_>, local: &Local, shape: Shape) -> Result<(), Failure> {
    let fits = match local.file()? {
        Some(file) => file.geometry == shape.geometry()?,
        None => false,
    };
    if local.is_running() {
        if fits {
            return Ok(());
        }
        // Another install mode has other areas, which the chip learns when it starts.
        local.with_client(Client::shutdown).await?;
        local.stopped().await?;
    }
    local.start(session.output, &shape, false).await
}

/// `otaru provision`
pub(crate) async fn provision(session: Session<'_>, arguments: &Provision) -> Result<(), Failure> {
    let project = session.project()?;
    let name = arguments
        .device
        .clone()
        .unwrap_or_else(|| default_device(&project));
    let local = Local::named(&name)?;
    let client = session.client(Some(&project))?;
    let workspace = client.workspace().await?;
    if !local.is_running() {
        let shape = local
            .stored_shape()?
            .unwrap_or_else(|| Shape::of_project(&project));
        local.start(session.output, &shape, true).await?;
    }
    if let Some(former) = former_identity(&local, &project).await? {
        confirm(
            session.output,
            session.arguments.yes,
            &format!("{name} is {former} already. Give it a new identity?"),
        )?;
    }
    let id = provision_device(
        session,
        &project,
        &local,
        &client,
        arguments.fleet.as_deref(),
    )
    .await?;
    session.output.result(
        "provisioned",
        &format!(
            "{name} is {id} in the workspace {} of {}",
            workspace.name,
            client.url()
        ),
        json!({ "device": name, "id": id, "manager": client.url().as_str() }),
    );
    Ok(())
}

/// Makes the device known to the manager, or renews its token there, and stores its identity.
pub(crate) async fn provision_device(
    session: Session<'_>,
    project: &OpenProject,
    local: &Local,
    client: &ManagerClient,
    fleet: Option<&str>,
) -> Result<String, Failure> {
    // A device that was never flashed has nowhere to keep an identity: say so before the manager
    // knows of it.
    former_identity(local, project).await?;
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
    let board = project.settings.board;
    let stored_id = id.clone();
    follow(session.output, async |job: Job| {
        job.begin(Phase::Provision);
        let stored = local
            .with_client(move |client: &mut Client| {
                let talk = |error| super::control_failure(&error);
                let mut probe = client.hold().map_err(talk)?;
                let identity = Identity {
                    device_id: &stored_id,
                    token: &token,
                    ddi_url: ddi_url.trim_end_matches('/'),
                    ..Identity::default()
                };
                device::provision(&mut probe, board, &identity)?;
                probe.release().map_err(talk)
            })
            .await;
        if stored.is_ok() {
            job.finish(Phase::Provision, format!("{} has its identity", local.name));
        }
        stored
    })
    .await?;
    Ok(id)
}

/// The id that the device has now.
async fn former_identity(local: &Local, project: &OpenProject) -> Result<Option<String>, Failure> {
    let board = project.settings.board;
    local
        .with_client(move |client: &mut Client| {
            let talk = |error| super::control_failure(&error);
            let mut probe = client.hold().map_err(talk)?;
            let block = device::read_block(&mut probe, board)?;
            let mut scratch = vec![0; IDENTITY_LEN_MAX];
            let identity = IdentityStore::new(&block.layout).load(&mut probe, &mut scratch);
            let id = identity.map(|identity| identity.device_id.to_owned());
            probe.release().map_err(talk)?;
            Ok::<_, Failure>(id)
        })
        .await
}
