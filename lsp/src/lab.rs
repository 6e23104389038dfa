//! The failure lab's side in the build backend's world: orders to [`otaru_lsp_lab`], and what comes
//! of them as messages.

use crate::protocol::LabResult;
use crate::verbs::LocalDevice;

/// A fault, and what is known about it at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Possible {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) repeats: bool,
    /// What should happen, or why it makes no sense now.
    pub(crate) expected: Result<&'static str, String>,
}

/// What is told while a fault is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LabNews {
    /// It is at this step.
    Step(String),
    /// It struck, this often so far.
    Struck(u32),
}

/// A result without a judgement.
fn unjudged(problem: String) -> LabResult {
    LabResult {
        as_expected: false,
        expected: None,
        problem: Some(problem),
        checks: Vec::new(),
        console: Vec::new(),
        seed: String::new(),
    }
}

#[cfg(unix)]
mod local {
    use super::{LabNews, LabResult, LocalDevice, Possible, unjudged};
    use crate::protocol::LabCheck;
    use otaru_board_host::control::{Client, device_dir, devices_root};
    use otaru_lsp_build::credentials::api_key;
    use otaru_lsp_build::manager::ManagerClient;
    use otaru_lsp_build::project::OpenProject;
    use otaru_lsp_lab::{
        Evidence, Fault, News, Order, ask_manager, expect, fresh_seed, judge, look,
    };
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    /// Console lines of a result.
    const CONSOLE_MAX: usize = 60;

    fn folder(device: &LocalDevice) -> Result<PathBuf, String> {
        let root = devices_root().ok_or("there is no home folder that could hold devices")?;
        device_dir(&root, &device.name).map_err(|error| error.to_string())
    }

    /// All faults with what should happen if they struck now.
    pub(crate) async fn possible(device: &LocalDevice) -> Result<Vec<Possible>, String> {
        let dir = folder(device)?;
        let looked = tokio::task::spawn_blocking(move || {
            let mut client = Client::connect(&dir).map_err(|error| error.to_string())?;
            look(&mut client).map_err(|error| error.to_string())
        });
        let now = looked.await.map_err(|error| error.to_string())??;
        let known = |fault: Fault| Possible {
            name: fault.name(),
            title: fault.title(),
            repeats: fault.repeats(),
            expected: expect(fault, &now).map(|expected| expected.words),
        };
        Ok(Fault::ALL.into_iter().map(known).collect())
    }

    /// Makes a fault and judges what came of it.
    pub(crate) async fn run(
        project: &Path,
        device: &LocalDevice,
        (fault, times): (&str, u32),
        stop: Arc<AtomicBool>,
        tell: impl Fn(LabNews) + Send + 'static,
    ) -> LabResult {
        let found = Fault::from_name(fault).ok_or_else(|| format!("there is no fault {fault}"));
        let (fault, dir) = match found.and_then(|fault| Ok((fault, folder(device)?))) {
            Ok(found) => found,
            Err(why) => return unjudged(why),
        };
        let order = Order {
            fault,
            times,
            seed: fresh_seed(),
        };
        let work = tokio::task::spawn_blocking(move || {
            otaru_lsp_lab::run(&dir, &order, &stop, &|news| {
                tell(match news {
                    News::Waiting(what) => LabNews::Step(format!("waiting for {what}")),
                    News::Struck(count) => LabNews::Struck(count),
                    News::Watching => LabNews::Step("watching the device".to_owned()),
                });
            })
        });
        let evidence = match work.await {
            Ok(Ok(evidence)) => evidence,
            Ok(Err(error)) => return unjudged(error.to_string()),
            Err(error) => return unjudged(error.to_string()),
        };
        let word = match manager_of(project) {
            Some(client) => ask_manager(&client, &device.name, &evidence).await,
            None => None,
        };
        let report = judge(&evidence, word.as_ref());
        LabResult {
            as_expected: report.as_expected,
            expected: Some(report.expected),
            problem: None,
            checks: report
                .checks
                .into_iter()
                .map(|check| LabCheck {
                    what: check.what,
                    seen: check.seen,
                    good: check.good,
                })
                .collect(),
            console: last_lines(&evidence),
            seed: evidence.seed.to_string(),
        }
    }

    /// The project's manager, if it names one and there is a key for it.
    fn manager_of(project: &Path) -> Option<ManagerClient> {
        let project = OpenProject::open(project).ok()?;
        let url = project.settings.manager_url.clone()?;
        let key = api_key(&url).ok()?;
        ManagerClient::new(url, key.as_deref()).ok()
    }

    fn last_lines(evidence: &Evidence) -> Vec<String> {
        let lines = &evidence.trace.lines;
        let shown = lines.len().saturating_sub(CONSOLE_MAX);
        lines.iter().skip(shown).cloned().collect()
    }
}

#[cfg(unix)]
pub(crate) use local::{possible, run};

/// Devices on this machine need Unix sockets.
#[cfg(not(unix))]
pub(crate) async fn possible(device: &LocalDevice) -> Result<Vec<Possible>, String> {
    Err(format!(
        "{} cannot run on this operating system",
        device.name
    ))
}

/// Devices on this machine need Unix sockets.
#[cfg(not(unix))]
pub(crate) async fn run(
    _project: &std::path::Path,
    device: &LocalDevice,
    _fault: (&str, u32),
    _stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    _tell: impl Fn(LabNews) + Send + 'static,
) -> LabResult {
    unjudged(format!(
        "{} cannot run on this operating system",
        device.name
    ))
}
