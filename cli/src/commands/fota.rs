//! `fota`: build, plan, ask, upload, update, watch.

use crate::arguments::{Fota, FotaVerb, Running};
use crate::commands::build::{image_for, known_key, uploaded};
use crate::confirm::confirm;
use crate::failure::{Exit, Failure};
use crate::output::Tone;
use crate::progress::{bytes, describe, follow};
use crate::session::{Session, default_device};
use otaru_lsp_build::keys::{DEV_KEY_IN_RELEASE, RELEASE_HINT};
use otaru_lsp_build::manager::{
    self, Action, ActionStatus, ManagerClient, NewVersion, Plan, StoredVersion, Target,
    UpdateRequest,
};
use otaru_lsp_build::project::OpenProject;
use otaru_lsp_build::target::default_target;
use otaru_lsp_project::UpdateTarget;
use serde_json::json;

/// `otaru fota`
pub(crate) async fn run(session: Session<'_>, arguments: &Fota) -> Result<(), Failure> {
    match &arguments.verb {
        Some(FotaVerb::Watch(running)) => watch_running(session, running).await,
        Some(FotaVerb::Cancel(running)) => cancel(session, running).await,
        None => update(session, arguments).await,
    }
}

async fn update(session: Session<'_>, arguments: &Fota) -> Result<(), Failure> {
    let project = session.project_for(arguments.release)?;
    let client = session.client(Some(&project))?;
    let image = match &arguments.existing {
        Some(_) => None,
        None => Some(image_for(session, &client, &project, arguments.label.as_deref()).await?),
    };
    let version = match (&image, &arguments.existing) {
        (Some(image), _) => StoredVersion::New(NewVersion::from(image)),
        (None, existing) => StoredVersion::Known(existing.clone().unwrap_or_default()),
    };
    let request = UpdateRequest {
        firmware: project.settings.firmware.clone(),
        version,
        target: target(&project, arguments),
        deadline_s: arguments.deadline,
        trials: arguments.trials,
    };
    let plan = Plan::make(&client, request).await?;
    // What is built here was refused before it was compiled.
    if project.settings.release && plan.development_key {
        let message = format!(
            "{} is signed with a development key, and this is for devices in the field",
            plan.version
        );
        let failure = Failure::new(Exit::Project, DEV_KEY_IN_RELEASE, message);
        return Err(failure.hint(RELEASE_HINT));
    }
    show_plan(session, &plan);
    confirm(session.output, session.arguments.yes, "Start this update?")?;
    if let Some(image) = &image {
        known_key(session, &client, &project, image).await?;
        uploaded(session, &client, &project, image).await?;
    }
    let deployment = plan.run(&client).await?;
    let ids: Vec<String> = deployment
        .actions
        .iter()
        .map(|action| action.id.clone())
        .collect();
    session
        .output
        .object("deployment", json!({ "id": deployment.id, "actions": ids }));
    if arguments.no_watch {
        session.output.text(&format!(
            "started {}; follow it with `otaru fota watch`",
            ids.join(" ")
        ));
        return Ok(());
    }
    watch(session, &client, &ids).await
}

/// Whom the update addresses: the command line, else the manifest, else the project's own device.
fn target(project: &OpenProject, arguments: &Fota) -> Target {
    if !arguments.fleet.is_empty() {
        return Target::Fleets(arguments.fleet.clone());
    }
    if !arguments.device.is_empty() {
        return Target::Devices(arguments.device.clone());
    }
    default_target(&project.settings)
}

fn show_plan(session: Session<'_>, plan: &Plan) {
    let output = session.output;
    let devices: Vec<_> = plan
        .devices
        .iter()
        .map(|device| {
            json!({ "id": device.id, "name": device.name, "from": device.from, "online": device.online })
        })
        .collect();
    output.object(
        "plan",
        json!({
            "id": plan.id,
            "firmware": plan.request.firmware,
            "version": plan.version,
            "digest": plan.digest,
            "size": plan.size,
            "encryption": plan.encryption,
            "trials": plan.request.trials,
            "devices": devices,
            "warnings": plan.warnings,
        }),
    );
    output.text(&output.paint(Tone::Strong, &format!("Update to {}", plan.version)));
    for device in &plan.devices {
        output.text(&format!(
            "  device   {}: {} → {}",
            device.name, device.from, plan.version
        ));
    }
    output.text(&format!("  digest   {}", plan.digest));
    output.text(&format!("  size     {}", bytes(plan.size)));
    if let Some(algorithm) = &plan.encryption {
        output.text(&format!(
            "  encrypted {algorithm}; devices need the key for it"
        ));
    }
    if let Some(trials) = plan.request.trials {
        output.text(&format!(
            "  trials   {trials} {} to confirm itself before it is undone",
            if trials == 1 { "start" } else { "starts" }
        ));
    }
    for warning in &plan.warnings {
        output.text(&format!(
            "  {} {warning}",
            output.paint(Tone::Odd, "note    ")
        ));
    }
    output.text("The firmware that runs now is replaced; it comes back if the new one fails.");
}

/// Follows updates to their end and says how they ended.
pub(crate) async fn watch(
    session: Session<'_>,
    client: &ManagerClient,
    ids: &[String],
) -> Result<(), Failure> {
    let work = async |job| manager::watch(client, ids, &job).await;
    let actions = follow(session.output, work).await?;
    verdict(session, &actions)
}

fn verdict(session: Session<'_>, actions: &[Action]) -> Result<(), Failure> {
    let mut unsuccessful = Vec::new();
    for action in actions {
        let success = action.status == ActionStatus::Succeeded;
        let console: Vec<&String> = action
            .attempts
            .iter()
            .flat_map(|attempt| &attempt.console)
            .collect();
        session.output.object(
            "result",
            json!({
                "action": action.id,
                "device": action.device_label(),
                "status": action.status.as_str(),
                "from_version": action.from_version,
                "version": action.version,
                "reason": action.reason,
                "message": action.message,
                "console": console,
            }),
        );
        if !success {
            unsuccessful.push(describe(action));
            if !console.is_empty() {
                session.output.text("  its last words:");
                for line in console {
                    session.output.text(&format!("  | {line}"));
                }
            }
        }
    }
    if unsuccessful.is_empty() {
        return Ok(());
    }
    let failure = Failure::new(Exit::NotUpdated, "not-updated", unsuccessful.join("; "));
    let lacks_key = |action: &Action| {
        let reason = action.reason.as_deref();
        matches!(reason, Some("not-decryptable" | "unsupported"))
    };
    Err(failure.hint(if actions.iter().any(lacks_key) {
        "an encrypted image needs a device that was flashed with its key: `otaru flash`; devices \
         keep what ran before"
    } else {
        "repair it and run `otaru fota` again; devices keep what ran before"
    }))
}

async fn watch_running(session: Session<'_>, running: &Running) -> Result<(), Failure> {
    let (client, ids) = find_running(session, running).await?;
    watch(session, &client, &ids).await
}

async fn cancel(session: Session<'_>, running: &Running) -> Result<(), Failure> {
    let (client, ids) = find_running(session, running).await?;
    let question = format!("Cancel {}?", ids.join(" "));
    confirm(session.output, session.arguments.yes, &question)?;
    for id in &ids {
        client.cancel_action(id).await?;
    }
    session.output.result(
        "cancel",
        &format!(
            "asked to cancel {}; `otaru fota watch` shows the end",
            ids.join(" ")
        ),
        json!({ "actions": ids }),
    );
    Ok(())
}

/// The actions that are meant: those named, else those under way of the device that is meant.
async fn find_running(
    session: Session<'_>,
    running: &Running,
) -> Result<(ManagerClient, Vec<String>), Failure> {
    let project = session.project().ok();
    let client = session.client(project.as_ref())?;
    if !running.action.is_empty() {
        return Ok((client, running.action.clone()));
    }
    let name = match (&running.device, &project) {
        (Some(name), _) => name.clone(),
        (None, Some(project)) => match &project.settings.target {
            Some(UpdateTarget::Device(device)) => device.clone(),
            _ => default_device(project),
        },
        (None, None) => {
            return Err(
                Failure::new(Exit::Usage, "device-missing", "no device is named")
                    .hint("give an action (`act-…`), or `--device`"),
            );
        }
    };
    let devices = client.devices().await?;
    let device = devices
        .iter()
        .find(|device| device.id == name || device.name == name);
    let device = device.ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            "device-unknown",
            format!("there is no device `{name}`"),
        )
        .hint("`otaru device list` shows what there is")
    })?;
    let ids: Vec<String> = client
        .active_actions(&device.id)
        .await?
        .into_iter()
        .map(|action| action.id)
        .collect();
    if ids.is_empty() {
        return Err(Failure::new(
            Exit::Failed,
            "no-update",
            format!("no update of {} is under way", device.name),
        )
        .hint("start one: `otaru fota`"));
    }
    Ok((client, ids))
}
