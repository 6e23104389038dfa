//! What is done to a device on this machine by cable. Each is planned first, and a plan is carried
//! out only while the device still is what the plan says.

use super::{Failure, News, Teller, canceled, client, options, table};
use crate::protocol::{Outcome, Plan, PlanVerb, VerbParams};
use otaru_lsp_build::Job;
use otaru_lsp_build::cable::{self, CableError, Found};
use otaru_lsp_build::image::{BuiltImage, build, hex_digest};
use otaru_lsp_build::local::{Local, LocalError};
use otaru_lsp_build::manager::ManagerClient;
use otaru_lsp_build::project::OpenProject;
use otaru_lsp_build::target::plain_name;
use otaru_lsp_project::UpdateTarget;
use std::path::Path;

/// A plan as the backend needs it again.
#[derive(Debug)]
pub(crate) struct CablePlan {
    verb: PlanVerb,
    project: OpenProject,
    local: Local,
    found: Found,
    /// For `flash`.
    image: Option<BuiltImage>,
    /// For what concerns the manager.
    client: Option<ManagerClient>,
    fleet: Option<String>,
}

impl CablePlan {
    pub(crate) fn verb(&self) -> PlanVerb {
        self.verb
    }

    pub(crate) fn device(&self) -> &str {
        &self.local.name
    }

    /// The label of what would be flashed.
    pub(crate) fn version(&self) -> String {
        let label = self.image.as_ref().map(|image| image.label.clone());
        label.unwrap_or_default()
    }

    /// As clients see it, without a name yet.
    pub(crate) fn to_protocol(&self) -> Plan {
        let image = self.image.as_ref();
        let digest = image.map(|image| image.digest.clone()).unwrap_or_default();
        let size = image.map_or(0, |image| image.size);
        Plan {
            plan_id: String::new(),
            verb: self.verb,
            device: self.local.name.clone(),
            from_version: None,
            to_version: self.version(),
            digest,
            size: u32::try_from(size).unwrap_or(u32::MAX),
            warnings: self.warnings(),
            question: self.question(),
            agree: table::agree(self.verb).to_owned(),
        }
    }

    fn question(&self) -> String {
        let name = &self.local.name;
        match self.verb {
            PlanVerb::Flash => format!(
                "Flash {name} with {}? Its firmware and FOTA record are replaced, its identity \
                 stays.",
                self.version()
            ),
            PlanVerb::Erase => format!(
                "Erase {name}? Firmware, FOTA record and identity are gone; it does not start until \
                 it is flashed."
            ),
            PlanVerb::Provision | PlanVerb::Fota => match &self.found.identity {
                Some(id) => format!("{name} is {id} already. Give it a new identity?"),
                None => format!("Give {name} an identity in the manager?"),
            },
            PlanVerb::UndoProvision => {
                let id = self.found.identity.as_deref().unwrap_or("nobody");
                let there = match &self.client {
                    Some(client) => {
                        format!("It is deleted in {}, with its history.", client.url())
                    }
                    None => "The manager is not told.".to_owned(),
                };
                format!("Take the identity {id} away from {name}? {there}")
            }
        }
    }

    fn warnings(&self) -> Vec<String> {
        let name = &self.local.name;
        let mut warnings = Vec::new();
        if self.verb == PlanVerb::Flash && !self.found.exists {
            warnings.push(format!("{name} does not exist yet; it is made"));
        }
        if self.verb == PlanVerb::Erase
            && let Some(id) = &self.found.identity
        {
            warnings.push(format!("the manager still knows it as {id}"));
        }
        warnings
    }
}

/// Finds out what would be done. Builds for `flash`; changes no device.
pub(super) async fn plan(
    folder: &Path,
    params: VerbParams,
    job: &Job,
    teller: &Teller<'_>,
) -> Result<Outcome, Failure> {
    let verb = params.verb.unwrap_or_default();
    let project = OpenProject::open(folder)?;
    let name = params.device.unwrap_or_else(|| device_of(&project));
    let local = Local::named(&name)?;
    let found = tokio::select! {
        found = cable::look(&local) => found?,
        () = job.cancelled() => return Ok(canceled()),
    };
    if verb != PlanVerb::Flash && !found.exists {
        return Err(LocalError::Unknown(name).into());
    }
    let wants_manager = match verb {
        PlanVerb::Provision => true,
        PlanVerb::UndoProvision => !params.device_only,
        PlanVerb::Fota | PlanVerb::Flash | PlanVerb::Erase => false,
    };
    if verb == PlanVerb::UndoProvision && found.identity.is_none() {
        return Err(CableError::NotProvisioned(name).into());
    }
    let client = wants_manager.then(|| client(&project)).transpose()?;
    if let Some(client) = &client {
        tokio::select! {
            answer = client.workspace() => drop(answer?),
            () = job.cancelled() => return Ok(canceled()),
        }
    }
    let image = if verb == PlanVerb::Flash {
        // A missing key must not cost a compilation.
        cable::decryption_key(&project, None)?;
        Some(build(&project, &options(params.version)?, job).await?)
    } else {
        None
    };
    let plan = CablePlan {
        verb,
        project,
        local,
        found,
        image,
        client,
        fleet: params.fleet,
    };
    let message = format!("{} is planned for {}", table::agree(verb), plan.device());
    (teller.tell)(News::Planned(Box::new(super::Prepared::Cable(plan))));
    Ok(Outcome::Done { message })
}

/// Carries a plan out.
pub(super) async fn run(plan: CablePlan, job: &Job) -> Result<Outcome, Failure> {
    still_true(&plan).await?;
    let name = plan.device().to_owned();
    let (local, job) = (&plan.local, job.clone());
    let message = match (plan.verb, &plan.image, &plan.client) {
        (PlanVerb::Flash, Some(image), _) => {
            let key = cable::decryption_key(&plan.project, None)?;
            cable::flash(&plan.project, local, (image, key), job).await?;
            format!("{name} runs {}", image.label)
        }
        (PlanVerb::Erase, ..) => {
            cable::erase(local, job).await?;
            format!("{name} is erased")
        }
        (PlanVerb::Provision, _, Some(client)) => {
            let board = plan.project.settings.board;
            let at = (client, plan.fleet.as_deref());
            let id = cable::provision(local, board, at, job).await?;
            format!("{name} is {id} in {}", client.url())
        }
        (PlanVerb::UndoProvision, _, client) => {
            let id = cable::undo_provision(local, client.as_ref(), job).await?;
            format!("{name} is not {id} any more")
        }
        (PlanVerb::Flash | PlanVerb::Provision | PlanVerb::Fota, ..) => {
            return Err(stale("the plan is incomplete"));
        }
    };
    Ok(Outcome::Done { message })
}

/// Whether device and image still are what the person agreed to.
async fn still_true(plan: &CablePlan) -> Result<(), Failure> {
    if cable::look(&plan.local).await? != plan.found {
        return Err(stale("the device is not what the plan says any more"));
    }
    let Some(image) = &plan.image else {
        return Ok(());
    };
    let bytes = tokio::fs::read(&image.path).await.unwrap_or_default();
    if hex_digest(&bytes) == image.digest {
        Ok(())
    } else {
        Err(stale("the image is not what the plan says any more"))
    }
}

fn stale(message: &str) -> Failure {
    Failure {
        code: "plan-stale".to_owned(),
        message: message.to_owned(),
        hint: Some("plan it again".to_owned()),
        is_stop: false,
    }
}

/// The device on this machine that a project means when nobody says.
fn device_of(project: &OpenProject) -> String {
    match &project.settings.target {
        Some(UpdateTarget::Device(name)) if !name.starts_with("dev-") => name.clone(),
        _ => plain_name(&project.settings.name),
    }
}
