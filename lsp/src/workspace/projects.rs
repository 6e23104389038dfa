//! The projects of the workspace: what their manifests say, what is known beside that, and what the
//! client shows of them.

use super::{Workspace, refused};
use crate::outbox::Out;
use crate::protocol::{
    Built, Device, JobInfo, Manager, ProjectInfo, ProjectParams, Status, Update, VerbState, Verbs,
};
use crate::{convert, keys, paths, verbs};
use otaru_lsp_build::target::plain_name;
use otaru_lsp_ide::position::LineIndex;
use otaru_lsp_ide::{Analysis, BuiltImage, Facts, FileKind, KeyFile, Known};
use otaru_lsp_project::{MANIFEST_FILE_NAME, Manifest};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tower_lsp::jsonrpc::Error;
use tower_lsp::ls_types::{Diagnostic, Range, Uri};

/// Shortest time between two statuses of one project.
const STATUS_PAUSE: Duration = Duration::from_millis(50);

/// Why nothing can be done with "the device".
pub(super) const NO_DEVICE: &str = "Otaru.toml addresses a fleet: say which device";

/// One project.
#[derive(Debug)]
pub(crate) struct ProjectState {
    pub(super) folder: PathBuf,
    /// Of the open text, or else of the file.
    pub(super) analysis: Analysis,
    /// What is known of files and devices; [`ProjectState::facts`] adds the rest.
    pub(super) seen: Facts,
    pub(super) manager: Manager,
    pub(super) device: Option<Device>,
    pub(super) built: Option<Built>,
    pub(super) update: Option<Update>,
    /// The job that runs, and where it stands.
    pub(super) job: Option<JobInfo>,
    /// What the compiler found in the last build, by file.
    pub(super) findings: BTreeMap<PathBuf, Vec<Diagnostic>>,
    /// What the client knows of the manifest's problems, and for which version of the text.
    pub(super) told_diagnostics: Option<(Option<i32>, Vec<Diagnostic>)>,
    /// A status was told a moment ago, the next one waits.
    status_pause: bool,
}

impl ProjectState {
    fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            analysis: Analysis::new(FileKind::Manifest, String::new()),
            seen: Facts::default(),
            manager: Manager::default(),
            device: None,
            built: None,
            update: None,
            job: None,
            findings: BTreeMap::new(),
            told_diagnostics: None,
            status_pause: false,
        }
    }

    /// Where a project's manifest is.
    pub(super) fn manifest_path(folder: &Path) -> PathBuf {
        folder.join(MANIFEST_FILE_NAME)
    }

    /// What the manifest says; while it cannot be read, what it said before.
    pub(super) fn manifest(&self) -> &Manifest {
        self.analysis
            .manifest()
            .expect("a project's file is read as a manifest")
    }

    /// Everything that is known beside the text of the manifest.
    pub(super) fn facts(&self) -> Facts {
        let device = self.device.as_ref();
        Facts {
            built: self.built.as_ref().map(|built| BuiltImage {
                label: built.version.clone(),
                len: built.size,
            }),
            device_runs: device.and_then(|device| device.version.clone()),
            manager_problem: self.manager.problem.clone(),
            ..self.seen.clone()
        }
    }

    /// What the compiler found in a file.
    pub(super) fn findings_in(&self, file: &Path) -> Vec<Diagnostic> {
        self.findings.get(file).cloned().unwrap_or_default()
    }

    /// Where the manifest says which slot it is: at its board, or else at its beginning.
    pub(super) fn slot_range(&self) -> Range {
        let text = self.analysis.text();
        let board = self.manifest().project.board.as_ref();
        let span = board.map_or(0..0, |board| board.span.clone());
        convert::range(LineIndex::new(text).span(text, span))
    }

    fn name(&self) -> String {
        let written = self
            .manifest()
            .project
            .name
            .as_ref()
            .map(|name| name.value.clone());
        let folder = || {
            self.folder
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
        };
        written
            .or_else(folder)
            .unwrap_or_else(|| "project".to_owned())
    }

    /// What an update addresses, in words.
    fn target(&self) -> String {
        match &self.manifest().manager.fleet {
            Some(fleet) => format!("fleet {}", fleet.value),
            None => self.device_name().unwrap_or_default(),
        }
    }

    /// The device that is meant when nobody says, by name or id. A fleet is no device.
    pub(super) fn device_name(&self) -> Option<String> {
        let manager = &self.manifest().manager;
        match (&manager.device, &manager.fleet) {
            (Some(device), _) => Some(device.value.clone()),
            (None, Some(_)) => None,
            (None, None) => Some(plain_name(&self.name())),
        }
    }

    pub(super) fn status(&self) -> Status {
        let manifest = self.manifest();
        let settings = manifest.settings();
        Status {
            folder: self.folder.to_string_lossy().into_owned(),
            name: self.name(),
            board: manifest
                .project
                .board
                .as_ref()
                .map(|board| board.value.clone()),
            mode: settings.map(|settings| settings.mode.as_str().to_owned()),
            target: Some(self.target()),
            device: self.device.clone(),
            manager: Manager {
                url: manifest
                    .manager
                    .url
                    .as_ref()
                    .map(|url| url.value.to_string()),
                ..self.manager.clone()
            },
            built: self.built.clone(),
            verbs: self.verbs(),
            job: self.job.clone(),
            update: self.update.clone(),
        }
    }

    /// Which verbs can be used, and why the others cannot.
    fn verbs(&self) -> Verbs {
        let build = self.obstacle_to_build();
        let fota = build.clone().or_else(|| self.obstacle_to_fota());
        let cancel = match &self.job {
            None => Some("nothing is running".to_owned()),
            Some(job) if job.canceling => Some("it is being canceled".to_owned()),
            Some(_) => None,
        };
        let console = match self.device_name() {
            Some(_) => None,
            None => Some(NO_DEVICE.to_owned()),
        };
        let state = |reason: Option<String>| VerbState {
            enabled: reason.is_none(),
            reason,
        };
        Verbs {
            build: state(build.clone()),
            upload: state(build),
            fota: state(fota),
            cancel: state(cancel),
            console: state(console),
        }
    }

    /// One thing at a time.
    pub(super) fn obstacle_to_anything(&self) -> Option<String> {
        let job = self.job.as_ref()?;
        Some(format!("busy: {}", job.step))
    }

    /// What needs no image needs no key.
    pub(super) fn obstacle_to_cable(&self) -> Option<String> {
        let problems = "Otaru.toml has problems: see the Problems view";
        self.obstacle_to_anything()
            .or_else(|| (!self.analysis.is_usable()).then(|| problems.to_owned()))
    }

    pub(super) fn obstacle_to_build(&self) -> Option<String> {
        if let Some(obstacle) = self.obstacle_to_cable() {
            return Some(obstacle);
        }
        if self.seen.key_file == KeyFile::Missing {
            return Some("the signing key is missing: `otaru keys new` makes one".to_owned());
        }
        if self.seen.encryption_key == KeyFile::Missing {
            let what = "the encryption key is missing: `otaru keys new --encryption` makes one";
            return Some(what.to_owned());
        }
        None
    }

    pub(super) fn obstacle_to_fota(&self) -> Option<String> {
        match &self.device {
            Some(device) if !device.ever_connected => Some(format!(
                "{} has never connected to the manager: start it once",
                device.name
            )),
            Some(_) | None => None,
        }
    }
}

impl Workspace {
    /// Looks for projects below the workspace folders, in the background.
    pub(crate) fn look_for_projects(&self, roots: Vec<PathBuf>) {
        let queue = self.queue.clone();
        tokio::task::spawn_blocking(move || {
            let found = paths::find_projects(&roots);
            queue.tell(move |workspace| {
                for folder in found.projects {
                    workspace.read_manifest(folder);
                }
                for path in found.boards {
                    workspace.read_board(path);
                }
            });
        });
    }

    /// A project was made on request: this client wants to work with it.
    pub(crate) fn project_appeared(&self, folder: PathBuf) {
        self.read_manifest(folder);
    }

    /// Files changed outside the editor.
    pub(crate) fn files_changed(&mut self, uris: &[Uri]) {
        for uri in uris {
            if let Some(folder) = paths::project_of(uri) {
                self.read_manifest(folder);
            } else if let Some(path) = paths::board_of(uri) {
                self.read_board(path);
            } else {
                // A key, most likely: it is cheap to look at all of them.
                for folder in self.projects.keys() {
                    self.look_at_key(folder);
                }
            }
        }
    }

    /// Reads a manifest that is not open, in the background. One that is gone takes its project
    /// with it.
    pub(super) fn read_manifest(&self, folder: PathBuf) {
        let queue = self.queue.clone();
        tokio::task::spawn_blocking(move || {
            let path = ProjectState::manifest_path(&folder);
            let read = std::fs::read(&path);
            queue.tell(move |workspace| {
                if workspace.open_manifest(&folder).is_some() {
                    return;
                }
                match read {
                    Ok(bytes) => {
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        workspace.set_manifest(&folder, text);
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        workspace.forget_project(&folder);
                    }
                    Err(error) => tracing::warn!("cannot read {}: {error}", path.display()),
                }
            });
        });
    }

    fn forget_project(&mut self, folder: &Path) {
        if let Some(project) = self.projects.remove(folder) {
            let manifest = ProjectState::manifest_path(folder);
            for file in project
                .findings
                .keys()
                .map(PathBuf::as_path)
                .chain([manifest.as_path()])
            {
                if let Some(uri) = paths::uri_of(file) {
                    self.outbox.push(Out::Diagnostics {
                        uri,
                        diagnostics: Vec::new(),
                        version: None,
                    });
                }
            }
            if let Some(job) = project.job {
                self.cancel_job(job.job);
            }
        }
    }

    /// Takes over a new state of a manifest.
    pub(super) fn set_manifest(&mut self, folder: &Path, text: String) {
        let is_new = !self.projects.contains_key(folder);
        let project = self
            .projects
            .entry(folder.to_path_buf())
            .or_insert_with(|| ProjectState::new(folder.to_path_buf()));
        let before = project.manifest().clone();
        project.analysis = project.analysis.next(text);
        let is_other_key = keys::Named::of(&before) != keys::Named::of(project.manifest());
        let is_other_manager = before.manager != project.manifest().manager;
        if is_other_key {
            project.seen.key_file = KeyFile::Unknown;
            project.seen.encryption_key = KeyFile::Unknown;
        }
        self.stale_diagnostics.insert(folder.to_path_buf());
        self.stale_status.insert(folder.to_path_buf());
        if is_new || is_other_key {
            self.look_at_key(folder);
        }
        // While somebody types an address, the manager is left in peace: what counts is the file.
        if is_new || (is_other_manager && self.open_manifest(folder).is_none()) {
            self.refresh_device(folder);
        }
    }

    /// Looks whether the keys of the manifest are there, and which others are, in the background.
    fn look_at_key(&self, folder: &Path) {
        let Some(project) = self.projects.get(folder) else {
            return;
        };
        let named = keys::Named::of(project.manifest());
        let (queue, folder) = (self.queue.clone(), folder.to_path_buf());
        tokio::task::spawn_blocking(move || {
            let found = keys::look(&folder, &named);
            queue.tell(move |workspace| {
                let Some(project) = workspace.projects.get_mut(&folder) else {
                    return;
                };
                let is_current = keys::Named::of(project.manifest()) == named;
                project.seen.key_paths = found.paths;
                let seen = &mut project.seen;
                let is_news =
                    (seen.key_file, seen.encryption_key) != (found.signing, found.encryption);
                if is_current && is_news {
                    seen.key_file = found.signing;
                    seen.encryption_key = found.encryption;
                    workspace.stale_diagnostics.insert(folder.clone());
                    workspace.stale_status.insert(folder);
                }
            });
        });
    }

    /// The project a request is about.
    pub(super) fn project(&self, named: Option<&str>) -> Result<&ProjectState, Error> {
        let Some(named) = named else {
            return match self.projects.len() {
                1 => self
                    .projects
                    .values()
                    .next()
                    .ok_or_else(Error::internal_error),
                0 => Err(refused(
                    "there is no Otaru.toml in this workspace: `otaru new` makes a project",
                )),
                _ => Err(refused("several projects are open: say which one")),
            };
        };
        self.projects
            .get(Path::new(named))
            .ok_or_else(|| refused(format!("there is no Otaru.toml in {named}")))
    }

    /// `otaru/projects`
    pub(crate) fn project_list(&self) -> Vec<ProjectInfo> {
        let info = |project: &ProjectState| ProjectInfo {
            folder: project.folder.to_string_lossy().into_owned(),
            name: project.name(),
        };
        self.projects.values().map(info).collect()
    }

    /// `otaru/status`; also asks the manager anew, whose answer comes as a notification.
    pub(crate) fn status_of(&self, named: Option<&str>) -> Result<Status, Error> {
        let project = self.project(named)?;
        let (folder, status) = (project.folder.clone(), project.status());
        self.refresh_device(&folder);
        Ok(status)
    }

    /// The folder of the project a request is about.
    pub(crate) fn folder_of(&self, named: Option<&str>) -> Result<PathBuf, Error> {
        self.project(named).map(|project| project.folder.clone())
    }

    /// The device on this machine that a request is about.
    pub(crate) fn local_device(
        &self,
        params: &ProjectParams,
        device: Option<String>,
    ) -> Result<verbs::LocalDevice, Error> {
        let project = self.project(params.project.as_deref())?;
        let device = device.or_else(|| project.device_name());
        let device = device.ok_or_else(|| refused(NO_DEVICE))?;
        Ok(verbs::LocalDevice {
            name: local_name(project, device),
        })
    }

    /// Asks the manager for the device of a project, in the background.
    pub(super) fn refresh_device(&self, folder: &Path) {
        let (queue, folder) = (self.queue.clone(), folder.to_path_buf());
        tokio::spawn(async move {
            let found = verbs::devices(&folder).await;
            queue.tell(move |workspace| workspace.set_devices(&folder, &found));
        });
    }

    /// Takes over what the manager said about the devices.
    pub(crate) fn set_devices(&mut self, folder: &Path, found: &verbs::DevicesFound) {
        let Some(project) = self.projects.get_mut(folder) else {
            return;
        };
        let device = found
            .devices
            .devices
            .iter()
            .find(|device| device.target)
            .cloned();
        let listed = &found.devices.devices;
        project.seen.devices = listed.iter().map(known).collect();
        let mut fleets: Vec<String> = listed
            .iter()
            .filter_map(|device| device.fleet.clone())
            .collect();
        fleets.sort();
        fleets.dedup();
        project.seen.fleets = fleets;
        if project.manager == found.manager && project.device == device {
            return;
        }
        project.manager = found.manager.clone();
        if found.devices.problem.is_none() {
            project.device = device;
        }
        self.stale_diagnostics.insert(folder.to_path_buf());
        self.stale_status.insert(folder.to_path_buf());
    }

    /// Tells the client the status, at most 20 times a second.
    pub(super) fn publish_status(&mut self, folder: &Path) {
        let Some(project) = self.projects.get_mut(folder) else {
            return;
        };
        if project.status_pause {
            return;
        }
        project.status_pause = true;
        self.outbox.push(Out::Status(Box::new(project.status())));
        let (queue, folder) = (self.queue.clone(), folder.to_path_buf());
        let told = project.status();
        tokio::spawn(async move {
            tokio::time::sleep(STATUS_PAUSE).await;
            queue.tell(move |workspace| {
                let Some(project) = workspace.projects.get_mut(&folder) else {
                    return;
                };
                project.status_pause = false;
                if project.status() != told {
                    workspace.stale_status.insert(folder);
                }
            });
        });
    }
}

/// A device as a completion shows it.
fn known(device: &Device) -> Known {
    let runs = device.version.as_deref().unwrap_or("nothing known");
    let place = device
        .fleet
        .as_ref()
        .map_or(String::new(), |fleet| format!("fleet {fleet}, "));
    let state = if device.online { "online" } else { "offline" };
    Known {
        name: device.name.clone(),
        detail: format!("{place}{state}, runs {runs}"),
    }
}

/// Devices on this machine are known by name; the manifest may give the id.
pub(super) fn local_name(project: &ProjectState, device: String) -> String {
    match &project.device {
        Some(known) if known.id == device => known.name.clone(),
        Some(_) | None => device,
    }
}
