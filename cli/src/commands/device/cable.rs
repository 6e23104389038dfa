//! What goes to a device by cable: `flash`, `erase`, `provision` and its undoing. The question before
//! is asked here; the work is the build backend's.

use super::named;
use crate::arguments::{Erase, Flash, Provision, UndoProvision};
use crate::commands::build::built;
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::progress::follow;
use crate::session::{Session, default_device};
use otaru_lsp_build::cable::{self, CableError};
use otaru_lsp_build::device::Flashed;
use otaru_lsp_build::image::BuiltImage;
use otaru_lsp_build::local::{Local, LocalError, Shape};
use otaru_lsp_build::manager::ManagerClient;
use otaru_lsp_build::project::OpenProject;
use serde_json::json;

/// `otaru flash`
pub(crate) async fn flash(session: Session<'_>, arguments: &Flash) -> Result<(), Failure> {
    let project = session.project()?;
    let name = arguments
        .device
        .clone()
        .unwrap_or_else(|| default_device(&project));
    let local = named(&name)?;
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
    let given = arguments.decryption_key.as_ref();
    let given = given.map(|path| session.folder().join(path));
    let key = cable::decryption_key(&project, given.as_deref())?;
    let image = built(session, &project, arguments.label.as_deref()).await?;
    let work = async |job| cable::flash(&project, &local, (&image, key), job).await;
    let flashed = follow(session.output, work).await?;
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
    let key = cable::decryption_key(project, None)?;
    let work = async |job| cable::flash(project, local, (image, key), job).await;
    Ok(follow(session.output, work).await?)
}

/// `otaru erase`
pub(crate) async fn erase(session: Session<'_>, arguments: &Erase) -> Result<(), Failure> {
    let name = session.device_name(arguments.device.as_deref())?;
    let local = named(&name)?;
    if local.file()?.is_none() {
        return Err(LocalError::Unknown(name).into());
    }
    confirm(
        session.output,
        session.arguments.yes,
        &format!(
            "Erase {name}? Firmware, FOTA record and identity are gone; it does not start until it \
             is flashed."
        ),
    )?;
    follow(session.output, async |job| cable::erase(&local, job).await).await?;
    session.output.result(
        "erased",
        &format!("{name} is erased; `otaru flash` brings it back"),
        json!({ "device": name }),
    );
    Ok(())
}

/// `otaru provision`
pub(crate) async fn provision(session: Session<'_>, arguments: &Provision) -> Result<(), Failure> {
    let project = session.project()?;
    let name = arguments
        .device
        .clone()
        .unwrap_or_else(|| default_device(&project));
    let local = named(&name)?;
    let client = session.client(Some(&project))?;
    let workspace = client.workspace().await?;
    if !local.is_running() {
        let shape = local
            .stored_shape()?
            .unwrap_or_else(|| Shape::of_project(&project));
        local.start(&shape, true).await?;
    }
    if let Some(former) = cable::identity(&local, project.settings.board).await? {
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
    let board = project.settings.board;
    let work = async |job| cable::provision(local, board, (client, fleet), job).await;
    Ok(follow(session.output, work).await?)
}

/// `otaru undo-provision`
pub(crate) async fn undo_provision(
    session: Session<'_>,
    arguments: &UndoProvision,
) -> Result<(), Failure> {
    let name = session.device_name(arguments.device.as_deref())?;
    let local = named(&name)?;
    let found = cable::look(&local).await?;
    let id = found
        .identity
        .ok_or_else(|| CableError::NotProvisioned(name.clone()))?;
    let client = if arguments.device_only {
        None
    } else {
        Some(session.client(session.project().ok().as_ref())?)
    };
    let there = match &client {
        Some(client) => format!(" It is deleted in {}, with its history.", client.url()),
        None => " The manager is not told.".to_owned(),
    };
    confirm(
        session.output,
        session.arguments.yes,
        &format!("Take the identity {id} away from {name}?{there}"),
    )?;
    let work = async |job| cable::undo_provision(&local, client.as_ref(), job).await;
    let id = follow(session.output, work).await?;
    session.output.result(
        "unprovisioned",
        &format!("{name} is not {id} any more; `otaru provision` gives it a new identity"),
        json!({ "device": name, "id": id }),
    );
    Ok(())
}
