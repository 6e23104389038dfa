//! The failure labs of devices: what is being done to them, and what came of it. One fault at a time
//! for each device; results are kept as long as the server lives.

use super::{Workspace, refused};
use crate::lab::{self, LabNews, Possible};
use crate::outbox::Out;
use crate::protocol::{LabFault, LabProgress, LabResult, LabRunParams, LabState, ProjectParams};
use crate::verbs::LocalDevice;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tower_lsp::jsonrpc::Error;

/// By project and device.
type Key = (PathBuf, String);

/// The labs that anybody has opened.
#[derive(Debug, Default)]
pub(crate) struct Labs(BTreeMap<Key, Lab>);

#[derive(Debug, Default)]
struct Lab {
    /// What could be done when it was last looked.
    possible: Vec<Possible>,
    problem: Option<String>,
    running: Option<Running>,
    results: BTreeMap<String, LabResult>,
}

#[derive(Debug)]
struct Running {
    fault: String,
    progress: LabProgress,
    stop: Arc<AtomicBool>,
}

impl Labs {
    /// Asks everything to end.
    pub(super) fn stop_all(&mut self) {
        for running in self.0.values_mut().filter_map(|lab| lab.running.as_mut()) {
            running.stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Lab {
    fn state(&self, (project, device): &Key) -> LabState {
        let fault = |possible: &Possible| LabFault {
            name: possible.name.to_owned(),
            title: possible.title.to_owned(),
            expected: possible
                .expected
                .as_ref()
                .ok()
                .map(|words| (*words).to_owned()),
            obstacle: possible.expected.as_ref().err().cloned(),
            repeats: possible.repeats,
            running: self
                .running
                .as_ref()
                .filter(|running| running.fault == possible.name)
                .map(|running| running.progress.clone()),
            result: self.results.get(possible.name).cloned(),
        };
        LabState {
            project: project.to_string_lossy().into_owned(),
            device: device.clone(),
            problem: self.problem.clone(),
            faults: self.possible.iter().map(fault).collect(),
        }
    }
}

impl Workspace {
    /// The folder and the device that a request about a lab means.
    pub(crate) fn lab_of(
        &self,
        project: Option<String>,
        device: Option<String>,
    ) -> Result<(PathBuf, LocalDevice), Error> {
        let folder = self.folder_of(project.as_deref())?;
        let device = self.local_device(&ProjectParams { project }, device)?;
        Ok((folder, device))
    }

    /// Takes over what can be done now, and gives the whole lab.
    pub(crate) fn lab(
        &mut self,
        folder: PathBuf,
        device: &LocalDevice,
        possible: Result<Vec<Possible>, String>,
    ) -> LabState {
        let key = (folder, device.name.clone());
        let lab = self.labs.0.entry(key.clone()).or_default();
        match possible {
            Ok(possible) => {
                lab.possible = possible;
                lab.problem = None;
            }
            Err(why) => lab.problem = Some(why),
        }
        lab.state(&key)
    }

    /// `otaru/labRun`
    pub(crate) fn run_lab(&mut self, params: LabRunParams) -> Result<(), Error> {
        let (folder, device) = self.lab_of(params.project, params.device)?;
        let key = (folder.clone(), device.name.clone());
        let lab = self.labs.0.entry(key.clone()).or_default();
        if let Some(running) = &lab.running {
            return Err(refused(format!(
                "{} is being made already: wait for its end, or stop it",
                running.fault
            )));
        }
        let stop = Arc::new(AtomicBool::new(false));
        lab.results.remove(&params.fault);
        lab.running = Some(Running {
            fault: params.fault.clone(),
            progress: LabProgress {
                step: "beginning".to_owned(),
                done: 0,
                times: params.times,
                stopping: false,
            },
            stop: Arc::clone(&stop),
        });
        self.tell_lab(&key);
        let queue = self.queue.clone();
        tokio::spawn(async move {
            let (news_queue, news_key) = (queue.clone(), key.clone());
            let tell = move |news| {
                let key = news_key.clone();
                news_queue.tell(move |workspace| workspace.lab_news(&key, news));
            };
            let order = (params.fault.as_str(), params.times);
            let result = lab::run(&folder, &device, order, stop, tell).await;
            let possible = lab::possible(&device).await;
            queue.tell(move |workspace| {
                workspace.lab(key.0.clone(), &device, possible);
                if let Some(lab) = workspace.labs.0.get_mut(&key) {
                    lab.running = None;
                    lab.results.insert(params.fault, result);
                }
                workspace.tell_lab(&key);
            });
        });
        Ok(())
    }

    /// `otaru/labStop`: whether there was something to stop.
    pub(crate) fn stop_lab(
        &mut self,
        project: Option<String>,
        device: Option<String>,
    ) -> Result<bool, Error> {
        let (folder, device) = self.lab_of(project, device)?;
        let key = (folder, device.name);
        let running = self
            .labs
            .0
            .get_mut(&key)
            .and_then(|lab| lab.running.as_mut());
        let Some(running) = running else {
            return Ok(false);
        };
        running.stop.store(true, Ordering::Relaxed);
        running.progress.stopping = true;
        self.tell_lab(&key);
        Ok(true)
    }

    fn lab_news(&mut self, key: &Key, news: LabNews) {
        let running = self
            .labs
            .0
            .get_mut(key)
            .and_then(|lab| lab.running.as_mut());
        let Some(running) = running else { return };
        match news {
            LabNews::Step(step) => {
                running.progress.step = step;
                running.progress.stopping = false;
            }
            LabNews::Struck(count) => {
                running.progress.done = count;
                running.progress.step = format!("{count} of {}", running.progress.times);
            }
        }
        self.tell_lab(key);
    }

    fn tell_lab(&self, key: &Key) {
        if let Some(lab) = self.labs.0.get(key) {
            self.outbox.push(Out::Lab(Box::new(lab.state(key))));
        }
    }
}
