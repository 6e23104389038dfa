//! `demo`: a whole update and a failing one, on this machine, with nothing made up.
//!
//! A manager in this process, a device made of its two processes, the example `counter` built by
//! cargo. Everything lies in a temporary folder, except for what cargo compiled.

mod edit;
mod stage;
mod summary;

use crate::arguments::Demo;
use crate::commands::build::{built_in, uploaded};
use crate::commands::device::{flash_image, provision_device};
use crate::failure::{Exit, Failure};
use crate::output::Tone;
use crate::progress::describe;
use crate::session::Session;
use otaru_lsp_build::cargo::shared_target_dir;
use otaru_lsp_build::image::{BuildOptions, BuiltImage};
use otaru_lsp_build::manager::{
    self, Action, ActionStatus, NewVersion, Plan, StoredVersion, Target, UpdateRequest,
};
use otaru_lsp_build::project::OpenProject;
use otaru_lsp_build::template::checkout;
use otaru_lsp_build::{Job, JobEvent};
use serde_json::json;
use stage::Stage;
use std::time::{Duration, Instant};
use summary::{FlashWork, Measured};

/// Seconds a new firmware gets to reach the manager.
const DEADLINE_S: u32 = 5;
/// How long the device may take to come online, and an update to end.
const PATIENCE: Duration = Duration::from_mins(2);

/// `otaru demo`
pub(crate) async fn run(session: Session<'_>, arguments: &Demo) -> Result<(), Failure> {
    let begun = Instant::now();
    let stage = Stage::set(session).await?;
    let result = play(session, &stage, begun).await;
    if let (Ok(()), true) = (&result, arguments.keep) {
        let link = stage.admin_link().await?;
        session.output.result(
            "web",
            &format!(
                "web app   {link}\nfolder    {}\nControl-C ends it",
                stage.folder().display()
            ),
            json!({ "url": stage.url(), "admin_link": link, "folder": stage.folder() }),
        );
        super::manager::stop_signal().await;
    }
    stage.strike(arguments.keep).await?;
    result
}

async fn play(session: Session<'_>, stage: &Stage, begun: Instant) -> Result<(), Failure> {
    let output = session.output;
    step(
        session,
        "1",
        "build version 1.0.0 and give it to a device by cable",
    );
    let project = stage.project(session)?;
    let first = built(session, &project).await?;
    flash_image(session, &project, &stage.device, &first).await?;
    provision_device(session, &project, &stage.device, &stage.client, None).await?;
    let console = stage.show_console(session)?;
    stage.online(PATIENCE).await?;

    step(
        session,
        "2",
        "change a line, and update the device over the air",
    );
    stage.edit(edit::IMPROVE)?;
    let good = update(session, stage).await?;
    expect(&good, ActionStatus::Succeeded)?;

    step(
        session,
        "3",
        "update to a version that never reaches the manager",
    );
    stage.edit(edit::DAMAGE)?;
    let bad = update(session, stage).await?;
    expect(&bad, ActionStatus::Reverted)?;
    stage.online(PATIENCE).await?;
    // The console is shown until here, so that nothing comes between the lines of the summary.
    console.abort();

    step(session, "4", "what happened");
    summary::show(output, &[&good, &bad]);
    for measured in [&good, &bad] {
        let tone = if measured.action.status == ActionStatus::Succeeded {
            Tone::Good
        } else {
            Tone::Odd
        };
        output.text(&output.paint(tone, &verdict(&measured.action)));
    }
    output.object("demo", json!({ "seconds": begun.elapsed().as_secs_f64() }));
    output.text(&output.paint(
        Tone::Quiet,
        &format!(
            "the demo took {:.1} s, compiling included",
            begun.elapsed().as_secs_f64()
        ),
    ));
    Ok(())
}

/// The last word about an update.
fn verdict(action: &Action) -> String {
    let mark = if action.status == ActionStatus::Succeeded {
        "✓"
    } else {
        "↺"
    };
    format!("{mark} {}", describe(action))
}

fn expect(measured: &Measured, wanted: ActionStatus) -> Result<(), Failure> {
    if measured.action.status == wanted {
        return Ok(());
    }
    let message = format!("unexpected end: {}", describe(&measured.action));
    Err(Failure::new(Exit::Failed, "demo-failed", message)
        .hint("run it again with `--keep`, and look at the device in the web app"))
}

fn step(session: Session<'_>, number: &str, title: &str) {
    let output = session.output;
    output.object("step", json!({ "number": number, "title": title }));
    output.text("");
    output.text(&output.paint(Tone::Strong, &format!("{number}  {title}")));
}

/// What one click does: build, upload, update, watch; with its measurements.
async fn update(session: Session<'_>, stage: &Stage) -> Result<Measured, Failure> {
    let project = stage.project(session)?;
    let image = built(session, &project).await?;
    let before = stage.flash_work().await?;
    let clicked = Instant::now();
    let plan = Plan::make(
        &stage.client,
        UpdateRequest {
            firmware: project.settings.firmware.clone(),
            version: StoredVersion::New(NewVersion::from(&image)),
            target: Target::Devices(vec![stage.device.name.clone()]),
            deadline_s: Some(DEADLINE_S),
            trials: None,
        },
    )
    .await?;
    uploaded(session, &stage.client, &project, &image).await?;
    let deployment = plan.run(&stage.client).await?;
    let asked = Instant::now();
    let ids: Vec<String> = deployment
        .actions
        .into_iter()
        .map(|action| action.id)
        .collect();
    let (job, mut events) = Job::new();
    let mut steps: Vec<(ActionStatus, Instant)> = Vec::new();
    let watching = manager::watch(&stage.client, &ids, &job);
    tokio::pin!(watching);
    let patience = tokio::time::sleep(PATIENCE);
    tokio::pin!(patience);
    let mut ended = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => note(session, event, &mut steps),
            ended = &mut watching => break ended?,
            () = &mut patience => {
                return Err(Failure::new(Exit::Failed, "demo-failed", "the update does not end"));
            }
        }
    };
    while let Ok(event) = events.try_recv() {
        note(session, event, &mut steps);
    }
    let action = ended.pop().ok_or_else(|| {
        Failure::new(Exit::Failed, "demo-failed", "the manager started no update")
    })?;
    Ok(Measured {
        image,
        action,
        clicked,
        asked,
        steps,
        work: stage.flash_work().await?.since(&before),
    })
}

/// Builds in a target directory that all demos share, so that only the first one compiles
/// everything.
async fn built(session: Session<'_>, project: &OpenProject) -> Result<BuiltImage, Failure> {
    let shared = || Some(checkout()?.join("target").join("otaru-demo"));
    let target_dir = shared_target_dir().or_else(shared);
    built_in(
        session,
        project,
        BuildOptions {
            target_dir,
            ..BuildOptions::default()
        },
    )
    .await
}

/// Takes down when a status was reached, and shows it.
fn note(session: Session<'_>, event: JobEvent, steps: &mut Vec<(ActionStatus, Instant)>) {
    let JobEvent::Action(action) = event else {
        return;
    };
    if steps
        .last()
        .is_some_and(|(status, _)| *status == action.status)
    {
        return;
    }
    steps.push((action.status, Instant::now()));
    let output = session.output;
    output.object(
        "action",
        json!({ "status": action.status.as_str(), "version": action.version, "reason": action.reason }),
    );
    output.text(&output.paint(Tone::Quiet, &format!("· {}", describe(&action))));
}

impl FlashWork {
    /// What was done after `before`.
    fn since(self, before: &Self) -> Self {
        Self {
            erases: self.erases.saturating_sub(before.erases),
            bytes: self.bytes.saturating_sub(before.bytes),
        }
    }
}
