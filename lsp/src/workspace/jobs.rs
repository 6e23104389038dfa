//! Verbs that take time. Each runs in a task of its own; what it tells comes back through the queue
//! and goes to the client in order: `Started`, then steps, and `Finished` exactly once and last.

use super::{Workspace, refused};
use crate::outbox::Out;
use crate::progress::JobProgress;
use crate::protocol::{
    CancelParams, JobEvent, JobEventKind, JobInfo, JobStarted, Outcome, Plan, PlanVerb,
    ReportEntry, RunParams, Verb, VerbParams,
};
use crate::verbs::{self, News, Order, Prepared, table};
use crate::{convert, paths, update};
use otaru_lsp_build::Job;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinHandle;
use tower_lsp::jsonrpc::Error;
use tower_lsp::ls_types::{
    Diagnostic, DiagnosticSeverity, MessageActionItem, MessageType, NumberOrString,
};

/// How long a question may stand unanswered before it counts as a no.
const QUESTION_TIMEOUT: Duration = Duration::from_mins(2);

/// Who asked for a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A client that shows plans itself.
    Extension,
    /// A plain editor: the server asks the person.
    Editor,
}

/// The running jobs.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    last: u32,
    running: BTreeMap<u32, Running>,
}

#[derive(Debug)]
struct Running {
    folder: PathBuf,
    verb: Verb,
    origin: Origin,
    control: Job,
    progress: Option<JobProgress>,
    task: Option<JoinHandle<()>>,
}

impl Workspace {
    /// The verbs that start a job.
    pub(crate) fn start_verb(
        &mut self,
        verb: Verb,
        params: VerbParams,
        origin: Origin,
    ) -> Result<JobStarted, Error> {
        let project = self.project(params.project.as_deref())?;
        let what = params.verb.unwrap_or_default();
        let obstacle = match (verb, what) {
            (Verb::Clean | Verb::Doctor, _) => project.obstacle_to_anything(),
            (Verb::Plan, PlanVerb::Fota) => project
                .obstacle_to_build()
                .or_else(|| project.obstacle_to_fota()),
            (Verb::Plan, PlanVerb::Erase | PlanVerb::Provision | PlanVerb::UndoProvision) => {
                project.obstacle_to_cable()
            }
            _ => project.obstacle_to_build(),
        };
        if let Some(obstacle) = obstacle {
            return Err(refused(obstacle));
        }
        let folder = project.folder.clone();
        let order = match verb {
            Verb::Build => Order::Build {
                version: params.version,
            },
            Verb::Upload => Order::Upload {
                version: params.version,
                register_key: params.register_key,
            },
            Verb::Plan => Order::Plan(Box::new(params)),
            Verb::Clean => Order::Clean,
            Verb::Link => Order::Link(Box::new(params)),
            Verb::Size => Order::Size,
            Verb::Doctor => Order::Doctor,
            Verb::Run | Verb::Flash | Verb::Erase | Verb::Provision | Verb::UndoProvision => {
                return Err(refused("this is planned first, and then run"));
            }
        };
        if verb != Verb::Doctor {
            // Whatever is built now, what was planned before may no longer be what stands on disk.
            self.plans.drop_project(&folder);
            self.clear_findings(&folder);
        }
        Ok(self.start_job(folder, verb, order, origin))
    }

    /// `otaru/run`
    pub(crate) fn run_plan(
        &mut self,
        params: &RunParams,
        origin: Origin,
    ) -> Result<JobStarted, Error> {
        if let Some(folder) = self.plans.project_of(&params.plan_id) {
            let busy = self
                .projects
                .get(folder)
                .and_then(|project| project.job.as_ref());
            if let Some(job) = busy {
                return Err(refused(format!("busy: {}", job.step)));
            }
        }
        let taken = self
            .plans
            .take(&params.plan_id, params.version.as_deref(), Instant::now());
        let (folder, prepared) = taken.map_err(refused)?;
        if let Prepared::Fota(plan) = &prepared
            && let Some(project) = self.projects.get_mut(&folder)
        {
            let started = update::begin(plan.device(), plan.replaces(), plan.version(), now_ms());
            project.update = Some(started);
        }
        let verb = table::job_of(prepared.verb());
        Ok(self.start_job(folder, verb, Order::Run(Box::new(prepared)), origin))
    }

    fn start_job(
        &mut self,
        folder: PathBuf,
        verb: Verb,
        order: Order,
        origin: Origin,
    ) -> JobStarted {
        self.jobs.last += 1;
        let job = self.jobs.last;
        let (control, events) = Job::new();
        let control = control.in_background();
        let title = table::job_title(verb);
        let progress = self
            .features
            .progress
            .then(|| JobProgress::start(self.client.clone(), job, title));
        if let Some(project) = self.projects.get_mut(&folder) {
            let step = "starting".to_owned();
            project.job = Some(JobInfo {
                job,
                verb,
                step,
                percent: None,
                canceling: false,
            });
        }
        self.stale_status.insert(folder.clone());
        let running = Running {
            folder: folder.clone(),
            verb,
            origin,
            control: control.clone(),
            progress,
            task: None,
        };
        self.jobs.running.insert(job, running);
        self.tell_job(job, JobEventKind::Started);

        let queue = self.queue.clone();
        let news_queue = self.queue.clone();
        let work = async move {
            let tell = move |news| news_queue.tell(move |workspace| workspace.job_news(job, news));
            verbs::carry_out(&folder, order, control, events, &tell).await
        };
        let work = tokio::spawn(work);
        let task = tokio::spawn(async move {
            let outcome = work.await.unwrap_or_else(|error| {
                tracing::error!("job {job} failed inside: {error}");
                Outcome::Failed {
                    code: "internal".to_owned(),
                    message: "the job failed inside the server; this is a defect".to_owned(),
                    hint: Some("see the server's log".to_owned()),
                }
            });
            queue.tell(move |workspace| workspace.job_ended(job, &outcome));
        });
        if let Some(running) = self.jobs.running.get_mut(&job) {
            running.task = Some(task);
        }
        JobStarted { job }
    }

    /// `otaru/cancel`
    pub(crate) fn cancel(&mut self, params: &CancelParams) -> Result<bool, Error> {
        let folder = match (&params.job, &params.project) {
            (Some(_), _) => None,
            (None, named) => Some(self.project(named.as_deref())?.folder.clone()),
        };
        let wanted: Vec<u32> = self
            .jobs
            .running
            .iter()
            .filter(|(job, running)| match &folder {
                Some(folder) => running.folder == *folder,
                None => Some(**job) == params.job,
            })
            .map(|(job, _)| *job)
            .collect();
        for job in &wanted {
            self.cancel_job(*job);
        }
        Ok(!wanted.is_empty())
    }

    /// Asks a job to stop. It ends with its own word for that.
    pub(crate) fn cancel_job(&mut self, job: u32) {
        let Some(running) = self.jobs.running.get(&job) else {
            return;
        };
        running.control.cancel();
        if let Some(project) = self.projects.get_mut(&running.folder)
            && let Some(info) = project.job.as_mut()
        {
            info.canceling = true;
            self.stale_status.insert(running.folder.clone());
        }
    }

    /// Stops everything; the tasks to wait for come back.
    pub(crate) fn close_down(&mut self) -> Vec<JoinHandle<()>> {
        self.consoles.close_all();
        self.histories.close_all();
        self.labs.stop_all();
        let jobs: Vec<u32> = self.jobs.running.keys().copied().collect();
        for job in jobs {
            self.cancel_job(job);
        }
        self.jobs
            .running
            .values_mut()
            .filter_map(|running| running.task.take())
            .collect()
    }

    fn tell_job(&self, job: u32, event: JobEventKind) {
        let Some(running) = self.jobs.running.get(&job) else {
            return;
        };
        self.outbox.push(Out::Job(Box::new(JobEvent {
            job,
            verb: running.verb,
            project: running.folder.to_string_lossy().into_owned(),
            event,
        })));
    }

    /// Takes over what a job tells.
    fn job_news(&mut self, job: u32, news: News) {
        let Some(running) = self.jobs.running.get(&job) else {
            return;
        };
        let folder = running.folder.clone();
        match news {
            News::Step(step) => self.job_step(job, &folder, step, None),
            News::Progress { step, percent } => self.job_step(job, &folder, step, Some(percent)),
            News::Output(line) => self.tell_job(job, JobEventKind::Output { line }),
            News::Finding { file, diagnostic } => {
                if let Some(project) = self.projects.get_mut(&folder) {
                    project
                        .findings
                        .entry(file.clone())
                        .or_default()
                        .push(*diagnostic);
                }
                self.publish_findings(&folder, &file);
            }
            News::TooLarge { code, message } => self.does_not_fit(&folder, code, message),
            News::Built(built) => {
                if let Some(project) = self.projects.get_mut(&folder) {
                    project.built = Some(built);
                    self.stale_diagnostics.insert(folder.clone());
                }
            }
            News::Uploading(percent) => {
                self.with_update(&folder, |update| {
                    update::uploading(update, percent, now_ms());
                });
            }
            News::Action(action) => {
                self.with_update(&folder, |update| update::action(update, &action, now_ms()));
            }
            News::Planned(plan) => self.planned(job, &folder, *plan),
            News::Report(entries) => self.reported(job, entries),
        }
        self.stale_status.insert(folder);
    }

    fn with_update(&mut self, folder: &Path, change: impl FnOnce(&mut crate::protocol::Update)) {
        let project = self.projects.get_mut(folder);
        if let Some(update) = project.and_then(|project| project.update.as_mut()) {
            change(update);
        }
    }

    fn job_step(&mut self, job: u32, folder: &Path, step: String, percent: Option<u8>) {
        let info = self
            .projects
            .get_mut(folder)
            .and_then(|project| project.job.as_mut());
        if let Some(info) = info {
            if info.step == step && info.percent == percent {
                return;
            }
            info.step.clone_from(&step);
            info.percent = percent;
        }
        if let Some(progress) = self
            .jobs
            .running
            .get(&job)
            .and_then(|job| job.progress.as_ref())
        {
            progress.report(&step, percent);
        }
        self.tell_job(
            job,
            match percent {
                Some(percent) => JobEventKind::Progress { step, percent },
                None => JobEventKind::Step { step },
            },
        );
    }

    fn planned(&mut self, job: u32, folder: &Path, plan: Prepared) {
        let mut shown = plan.to_protocol();
        let version = plan.version();
        shown.plan_id = self
            .plans
            .keep(folder.to_path_buf(), version, Instant::now(), plan);
        self.tell_job(
            job,
            JobEventKind::Planned {
                plan: shown.clone(),
            },
        );
        if self
            .jobs
            .running
            .get(&job)
            .is_some_and(|job| job.origin == Origin::Editor)
        {
            self.ask_person(shown);
        }
    }

    /// Tells what a verb found out; a plain editor gets it in its log.
    fn reported(&self, job: u32, entries: Vec<ReportEntry>) {
        let is_plain = self
            .jobs
            .running
            .get(&job)
            .is_some_and(|job| job.origin == Origin::Editor);
        if is_plain {
            for entry in &entries {
                let mut line = format!("{} ({}): {}", entry.name, entry.state, entry.text);
                if let Some(next) = &entry.next {
                    line.push_str("; next: ");
                    line.push_str(next);
                }
                self.outbox.push(Out::Log(MessageType::INFO, line));
            }
        }
        self.tell_job(job, JobEventKind::Report { entries });
    }

    /// Asks the person in front of a plain editor. Only the one answer starts the update; a closed
    /// question, silence and anything else is a no.
    fn ask_person(&self, plan: Plan) {
        let (client, queue) = (self.client.clone(), self.queue.clone());
        tokio::spawn(async move {
            let action = |title: &str| MessageActionItem {
                title: title.to_owned(),
                properties: std::collections::HashMap::new(),
            };
            let question = client.show_message_request(
                MessageType::WARNING,
                verbs::question(&plan),
                Some(vec![action(&plan.agree), action("Cancel")]),
            );
            let answer = tokio::time::timeout(QUESTION_TIMEOUT, question).await;
            let agreed = matches!(answer, Ok(Ok(Some(chosen))) if chosen.title == plan.agree);
            queue.tell(move |workspace| workspace.answered(plan, agreed));
        });
    }

    fn answered(&mut self, plan: Plan, agreed: bool) {
        if !agreed {
            let nothing = format!("{} was not started; nothing was changed", plan.agree);
            return self.outbox.push(Out::Log(MessageType::INFO, nothing));
        }
        let params = RunParams {
            plan_id: plan.plan_id,
            version: Some(plan.to_version).filter(|version| !version.is_empty()),
        };
        if let Err(error) = self.run_plan(&params, Origin::Editor) {
            self.outbox
                .push(Out::Show(MessageType::ERROR, error.message.into_owned()));
        }
    }

    /// A job is over.
    fn job_ended(&mut self, job: u32, outcome: &Outcome) {
        self.tell_job(
            job,
            JobEventKind::Finished {
                outcome: outcome.clone(),
            },
        );
        let Some(running) = self.jobs.running.remove(&job) else {
            return;
        };
        if let Outcome::Failed { code, message, .. } = outcome
            && matches!(code.as_str(), "image-too-large" | "image-outside-slot")
        {
            self.does_not_fit(&running.folder, code, message.clone());
        }
        if let Some(project) = self.projects.get_mut(&running.folder) {
            project.job = None;
            if running.verb == Verb::Run
                && let (Some(update), Some(news)) =
                    (project.update.as_mut(), verbs::as_news(outcome))
            {
                update::fail(update, &news, now_ms());
            }
        }
        if running.origin == Origin::Editor {
            let (level, text) = match outcome {
                Outcome::Done { message } | Outcome::Canceled { message } => {
                    (MessageType::INFO, message.clone())
                }
                Outcome::Failed { message, hint, .. } => (
                    MessageType::ERROR,
                    match hint {
                        Some(hint) => format!("{message}. Next: {hint}"),
                        None => message.clone(),
                    },
                ),
            };
            self.outbox.push(Out::Show(level, text));
        }
        self.refresh_device(&running.folder);
        self.stale_status.insert(running.folder);
    }

    /// Marks where the manifest says which slot it is: at its board.
    fn does_not_fit(&mut self, folder: &Path, code: &str, message: String) {
        let Some(project) = self.projects.get_mut(folder) else {
            return;
        };
        let range = project.slot_range();
        let manifest = super::ProjectState::manifest_path(folder);
        let found = Diagnostic {
            range,
            severity: Some(DiagnosticSeverity::ERROR),
            code: Some(NumberOrString::String(code.to_owned())),
            source: Some(convert::SOURCE.to_owned()),
            message,
            ..Diagnostic::default()
        };
        project.findings.entry(manifest).or_default().push(found);
        self.stale_diagnostics.insert(folder.to_path_buf());
    }

    /// Takes the compiler's findings of the last build away.
    fn clear_findings(&mut self, folder: &Path) {
        let Some(project) = self.projects.get_mut(folder) else {
            return;
        };
        let files: BTreeSet<PathBuf> = std::mem::take(&mut project.findings).into_keys().collect();
        for file in &files {
            self.publish_findings(folder, file);
        }
    }

    fn publish_findings(&mut self, folder: &Path, file: &Path) {
        if file == super::ProjectState::manifest_path(folder) {
            self.stale_diagnostics.insert(folder.to_path_buf());
            return;
        }
        let Some(uri) = paths::uri_of(file) else {
            return;
        };
        let found = self
            .projects
            .get(folder)
            .map(|project| project.findings_in(file));
        let diagnostics = found.unwrap_or_default();
        self.outbox.push(Out::Diagnostics {
            uri,
            diagnostics,
            version: None,
        });
    }
}

/// Milliseconds since 1970, as clients count.
fn now_ms() -> f64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    since.as_secs_f64() * 1000.0
}
