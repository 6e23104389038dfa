//! The one place where the server gives orders to the build backend. The command line gives the
//! same orders to the same functions.

#[cfg_attr(not(unix), path = "verbs/no_cable.rs")]
mod cable;
mod devices;
mod local;
mod project;
pub(crate) mod table;
mod teller;

pub(crate) use devices::{DevicesFound, devices};
#[cfg(unix)]
pub(crate) use local::cut_line;
pub(crate) use local::{LocalDevice, console, map, press, slot};
pub(crate) use project::new_project;

use crate::protocol::{Built, Outcome, Plan, PlanVerb, ReportEntry, VerbParams};
use crate::update::ActionNews;
use cable::CablePlan;
use otaru_lsp_build::cargo::shared_target_dir;
use otaru_lsp_build::credentials;
use otaru_lsp_build::handover::{HandoverError, free_image, key_in_words, knows_key, register_key};
use otaru_lsp_build::image::{BuildOptions, BuiltImage, build};
use otaru_lsp_build::manager::{
    self, Action, ActionStatus, ManagerClient, StoredVersion, Target, UpdateRequest, upload, watch,
};
use otaru_lsp_build::project::OpenProject;
use otaru_lsp_build::target::default_target;
use otaru_lsp_build::{ErrorClass, Explain, Job, JobEvent};
use otaru_lsp_project::Label;
use std::path::{Path, PathBuf};
use teller::Teller;
use tokio::sync::mpsc;
use tower_lsp::ls_types::Diagnostic;

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Order {
    /// Compile, pack, sign.
    Build { version: Option<String> },
    /// And hand over to the manager.
    Upload {
        version: Option<String>,
        register_key: bool,
    },
    /// Find out what a destructive verb would do.
    Plan(Box<VerbParams>),
    /// Do what was planned.
    Run(Box<Prepared>),
    /// Delete what builds left behind.
    Clean,
    /// Build bytecode for a place.
    Link(Box<VerbParams>),
    /// Build and measure.
    Size,
    /// Look for what is missing.
    Doctor,
}

/// A plan that can be carried out.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// Over the air.
    Fota(FotaPlan),
    /// By cable.
    Cable(CablePlan),
}

impl Prepared {
    /// The version that a person agrees to; empty if it is no question of firmware.
    pub(crate) fn version(&self) -> String {
        match self {
            Self::Fota(plan) => plan.version(),
            Self::Cable(plan) => plan.version(),
        }
    }

    /// What it does.
    pub(crate) fn verb(&self) -> PlanVerb {
        match self {
            Self::Fota(_) => PlanVerb::Fota,
            Self::Cable(plan) => plan.verb(),
        }
    }

    /// As clients see it, without a name yet.
    pub(crate) fn to_protocol(&self) -> Plan {
        match self {
            Self::Fota(plan) => plan.to_protocol(),
            Self::Cable(plan) => plan.to_protocol(),
        }
    }
}

/// What an order tells while it is carried out.
#[derive(Debug)]
pub(crate) enum News {
    /// A step begins.
    Step(String),
    /// How far the step is.
    Progress { step: String, percent: u8 },
    /// A line for people.
    Output(String),
    /// The compiler found an error.
    Finding {
        file: PathBuf,
        diagnostic: Box<Diagnostic>,
    },
    /// Something does not fit into its place; with a code and in words.
    TooLarge { code: &'static str, message: String },
    /// The image is made.
    Built(Built),
    /// How much of the image the manager has.
    Uploading(u8),
    /// The manager told about the action.
    Action(ActionNews),
    /// What a destructive verb would do.
    Planned(Box<Prepared>),
    /// What was found out.
    Report(Vec<ReportEntry>),
}

/// A plan as the backend needs it again.
#[derive(Debug)]
pub(crate) struct FotaPlan {
    plan: manager::Plan,
    image: BuiltImage,
    client: ManagerClient,
    /// Name of the project, for its key.
    owner: String,
    /// Whether the manager knows the key that signed.
    key_known: bool,
}

impl FotaPlan {
    pub(crate) fn device(&self) -> String {
        target_name(&self.plan)
    }

    /// What runs there now, if all devices run the same.
    pub(crate) fn replaces(&self) -> Option<String> {
        let (first, others) = self.plan.devices.split_first()?;
        others
            .iter()
            .all(|other| other.from == first.from)
            .then(|| first.from.clone())
    }

    pub(crate) fn version(&self) -> String {
        self.plan.version.clone()
    }

    fn warnings(&self) -> Vec<String> {
        let key = (!self.key_known).then(|| {
            format!(
                "the manager does not know the {}; it will be registered",
                key_in_words(&self.image)
            )
        });
        self.plan.warnings.iter().cloned().chain(key).collect()
    }

    fn to_protocol(&self) -> Plan {
        Plan {
            plan_id: String::new(),
            verb: PlanVerb::Fota,
            device: self.device(),
            from_version: self.replaces(),
            to_version: self.version(),
            digest: self.plan.digest.clone(),
            size: u32::try_from(self.plan.size).unwrap_or(u32::MAX),
            warnings: self.warnings(),
            question: self.question(),
            agree: table::agree(PlanVerb::Fota).to_owned(),
        }
    }

    fn question(&self) -> String {
        let from = self.replaces();
        let from = from.as_deref().unwrap_or("an unknown version");
        let digest: String = self.plan.digest.chars().take(12).collect();
        format!(
            "Update {} over the air from {from} to {} (digest {digest}, {} KiB)? The firmware that \
             runs there now is replaced, and comes back if the new one does not confirm itself.",
            self.device(),
            self.version(),
            self.plan.size.div_ceil(1024),
        )
    }
}

/// The text of the question before a plan is carried out, for editors without a dialog of their own.
pub(crate) fn question(plan: &Plan) -> String {
    let mut text = plan.question.clone();
    for warning in &plan.warnings {
        text.push_str(" Note: ");
        text.push_str(warning);
        text.push('.');
    }
    text
}

/// What an outcome that is no success means for the update on the screen.
pub(crate) fn as_news(outcome: &Outcome) -> Option<ActionNews> {
    let (status, reason, message) = match outcome {
        Outcome::Done { .. } => return None,
        Outcome::Failed { code, message, .. } => ("failed", Some(code.clone()), message.clone()),
        Outcome::Canceled { message } => ("canceled", None, message.clone()),
    };
    Some(ActionNews {
        status: status.to_owned(),
        reason,
        message: Some(message),
        ..ActionNews::default()
    })
}

/// Carries out an order. What happens on the way goes to `tell`, in order.
pub(crate) async fn carry_out(
    folder: &Path,
    order: Order,
    job: Job,
    mut events: mpsc::UnboundedReceiver<JobEvent>,
    tell: &(dyn Fn(News) + Send + Sync),
) -> Outcome {
    let teller = Teller::new(tell);
    let work = perform(folder, order, &job, &teller);
    tokio::pin!(work);
    let ended = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => teller.event(event),
            ended = &mut work => break ended,
        }
    };
    while let Ok(event) = events.try_recv() {
        teller.event(event);
    }
    ended.unwrap_or_else(Failure::outcome)
}

async fn perform(
    folder: &Path,
    order: Order,
    job: &Job,
    teller: &Teller<'_>,
) -> Result<Outcome, Failure> {
    match order {
        Order::Build { version } => {
            let project = OpenProject::open(folder)?;
            let image = build(&project, &options(version)?, job).await?;
            Ok(Outcome::Done {
                message: format!("built {}", image.label),
            })
        }
        Order::Upload {
            version,
            register_key,
        } => {
            let project = OpenProject::open(folder)?;
            let client = client(&project)?;
            let image = image_for(&project, &client, version, job).await?;
            if register_key {
                register(&client, &project.settings.name, &image).await?;
            }
            let uploaded = upload(&client, &project.settings.firmware, &image, job).await?;
            let message = if uploaded.already_there {
                format!("{} was uploaded before", image.label)
            } else {
                format!("uploaded {}", image.label)
            };
            Ok(Outcome::Done { message })
        }
        Order::Plan(params) => match params.verb.unwrap_or_default() {
            PlanVerb::Fota => plan(folder, *params, job, teller).await,
            PlanVerb::Flash | PlanVerb::Erase | PlanVerb::Provision | PlanVerb::UndoProvision => {
                cable::plan(folder, *params, job, teller).await
            }
        },
        Order::Run(prepared) => match *prepared {
            Prepared::Fota(plan) => run(plan, job, teller).await,
            Prepared::Cable(plan) => cable::run(plan, job).await,
        },
        Order::Clean => project::clean(folder).await,
        Order::Link(params) => project::link(folder, *params, job).await,
        Order::Size => project::size(folder, job, teller).await,
        Order::Doctor => Ok(project::doctor(folder, teller).await),
    }
}

/// What the editor wishes of a build.
fn options(version: Option<String>) -> Result<BuildOptions, Failure> {
    let label = version
        .map(|text| Label::new(&text))
        .transpose()
        .map_err(|error| {
            Failure::new(
                "label-unusable",
                &error,
                Some("choose another version".to_owned()),
            )
        })?;
    Ok(BuildOptions {
        label,
        target_dir: shared_target_dir(),
        ..BuildOptions::default()
    })
}

/// Builds an image whose label is free in the manager.
async fn image_for(
    project: &OpenProject,
    client: &ManagerClient,
    version: Option<String>,
    job: &Job,
) -> Result<BuiltImage, Failure> {
    free_image(project, client, &options(version)?, job)
        .await
        .map_err(|error| match error {
            // Who works in an editor chooses versions, not options of the command line.
            HandoverError::LabelTaken { label } => Failure {
                code: "version-exists".to_owned(),
                message: format!("version {label} exists already and is another image"),
                hint: Some("choose another version: none is ever replaced".to_owned()),
                is_stop: false,
            },
            error @ HandoverError::NoFreeNumber => Failure {
                hint: Some("choose a version of your own".to_owned()),
                ..Failure::from(error)
            },
            error @ (HandoverError::Manager(_)
            | HandoverError::Build(_)
            | HandoverError::Number(_)) => error.into(),
        })
}

/// Registers the key that signed, if the manager does not know it. The user has agreed before.
async fn register(client: &ManagerClient, name: &str, image: &BuiltImage) -> Result<(), Failure> {
    register_key(client, name, image, || Ok::<(), Failure>(()))
        .await
        .map(drop)
}

async fn plan(
    folder: &Path,
    params: VerbParams,
    job: &Job,
    teller: &Teller<'_>,
) -> Result<Outcome, Failure> {
    let project = OpenProject::open(folder)?;
    let client = client(&project)?;
    let image = image_for(&project, &client, params.version, job).await?;
    let key_known = knows_key(&client, &image).await?;
    let request = UpdateRequest {
        firmware: project.settings.firmware.clone(),
        version: StoredVersion::New((&image).into()),
        target: default_target(&project.settings),
        deadline_s: None,
        trials: params.trials,
    };
    let plan = tokio::select! {
        plan = manager::Plan::make(&client, request) => plan?,
        () = job.cancelled() => return Ok(canceled()),
    };
    let message = format!("{} is ready for {}", plan.version, target_name(&plan));
    let owner = project.settings.name.clone();
    let plan = FotaPlan {
        plan,
        image,
        client,
        owner,
        key_known,
    };
    (teller.tell)(News::Planned(Box::new(Prepared::Fota(plan))));
    Ok(Outcome::Done { message })
}

async fn run(plan: FotaPlan, job: &Job, teller: &Teller<'_>) -> Result<Outcome, Failure> {
    let FotaPlan {
        plan,
        image,
        client,
        owner,
        key_known,
    } = plan;
    if !key_known {
        register(&client, &owner, &image).await?;
    }
    upload(&client, &plan.request.firmware, &image, job).await?;
    let device = target_name(&plan);
    let version = plan.version.clone();
    let deployment = plan.run(&client).await?;
    let ids: Vec<String> = deployment
        .actions
        .into_iter()
        .map(|action| action.id)
        .collect();
    let actions = follow(&client, &ids, job, teller).await?;
    Ok(verdict(&device, &version, &actions))
}

/// Follows the actions to their end. Cancel asks the manager to cancel them, and the watch goes on:
/// what counts is what the devices do, and an install that has begun is not stopped any more.
async fn follow(
    client: &ManagerClient,
    ids: &[String],
    job: &Job,
    teller: &Teller<'_>,
) -> Result<Vec<Action>, Failure> {
    let (watching, mut events) = Job::new();
    let watched = watch(client, ids, &watching);
    tokio::pin!(watched);
    let mut asked = false;
    loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => teller.event(event),
            actions = &mut watched => {
                while let Ok(event) = events.try_recv() {
                    teller.event(event);
                }
                return Ok(actions?);
            }
            () = job.cancelled(), if !asked => {
                asked = true;
                for id in ids {
                    if let Err(error) = client.cancel_action(id).await {
                        (teller.tell)(News::Output(format!("cannot cancel {id}: {error}")));
                    }
                }
            }
        }
    }
}

/// The one sentence about how an update ended. Only the devices' own confirmation is a success.
fn verdict(device: &str, version: &str, actions: &[Action]) -> Outcome {
    let Some(worst) = actions
        .iter()
        .find(|action| action.status != ActionStatus::Succeeded)
    else {
        return if actions.is_empty() {
            Outcome::Failed {
                code: "no-devices".to_owned(),
                message: "no device was addressed".to_owned(),
                hint: None,
            }
        } else {
            Outcome::Done {
                message: format!("{device} confirmed {version}"),
            }
        };
    };
    let ended = match worst.status {
        ActionStatus::Canceled => {
            return Outcome::Canceled {
                message: format!("the update of {device} was canceled"),
            };
        }
        ActionStatus::Reverted => format!("{device} went back to what it ran before"),
        ActionStatus::TimedOut => format!("{device} did not answer in time"),
        ActionStatus::Succeeded
        | ActionStatus::Failed
        | ActionStatus::Pending
        | ActionStatus::Downloading
        | ActionStatus::Verifying
        | ActionStatus::Parked
        | ActionStatus::Installing
        | ActionStatus::Trial
        | ActionStatus::Canceling
        | ActionStatus::Unknown => format!("the update of {device} failed"),
    };
    let why = worst.message.clone().or_else(|| worst.reason.clone());
    Outcome::Failed {
        code: worst
            .reason
            .clone()
            .unwrap_or_else(|| worst.status.as_str().to_owned()),
        message: why.map_or_else(|| ended.clone(), |why| format!("{ended}: {why}")),
        hint: None,
    }
}

/// The manager of a project, with the key that is known for it.
fn client(project: &OpenProject) -> Result<ManagerClient, Failure> {
    let url = project
        .settings
        .manager_url
        .clone()
        .ok_or_else(|| Failure {
            code: "no-manager".to_owned(),
            message: "Otaru.toml names no manager".to_owned(),
            hint: Some("add `url` to [manager]".to_owned()),
            is_stop: false,
        })?;
    let key = credentials::api_key(&url)?;
    Ok(ManagerClient::new(url, key.as_deref())?)
}

fn canceled() -> Outcome {
    Outcome::Canceled {
        message: "stopped; nothing was changed".to_owned(),
    }
}

fn target_name(plan: &manager::Plan) -> String {
    match (plan.devices.as_slice(), &plan.request.target) {
        ([only], _) => only.name.clone(),
        (several, Target::Fleets(names)) => {
            format!("fleet {} ({} devices)", names.join(", "), several.len())
        }
        (several, Target::Devices(_)) => format!("{} devices", several.len()),
    }
}

/// Why an order was not carried out, for people.
#[derive(Debug)]
struct Failure {
    code: String,
    message: String,
    hint: Option<String>,
    is_stop: bool,
}

impl Failure {
    fn new(code: &str, error: &dyn std::error::Error, hint: Option<String>) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // Transparent errors say the same as their causes.
            if !message.contains(&cause_text) {
                message.push_str(": ");
                message.push_str(&cause_text);
            }
            source = cause.source();
        }
        Self {
            code: code.to_owned(),
            message,
            hint,
            is_stop: false,
        }
    }

    fn outcome(self) -> Outcome {
        if self.is_stop {
            return canceled();
        }
        Outcome::Failed {
            code: self.code,
            message: self.message,
            hint: self.hint,
        }
    }
}

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        let is_stop = error.class() == ErrorClass::Refused;
        Self {
            is_stop,
            ..Self::new(error.code(), &error, error.hint())
        }
    }
}
