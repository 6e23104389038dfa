//! The devices of a project's manager, as the views show them.

use super::{Failure, client};
use crate::protocol::{Device, Devices, Manager, ManagerState};
use otaru_lsp_build::manager;
use otaru_lsp_build::project::OpenProject;
use otaru_lsp_build::target::default_target;
use std::path::Path;
use std::time::Duration;

/// How long the manager may take for the list.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What the manager said about the devices.
#[derive(Debug, Clone, Default)]
pub(crate) struct DevicesFound {
    pub(crate) manager: Manager,
    pub(crate) devices: Devices,
}

/// Asks the manager of a project for its devices. A manager that does not answer is an answer, too.
pub(crate) async fn devices(folder: &Path) -> DevicesFound {
    // A broken manifest has its own diagnostics; nothing is known about the manager then.
    let Ok(project) = OpenProject::open(folder) else {
        return DevicesFound::default();
    };
    let asked = async {
        let client = client(&project)?;
        Ok::<_, Failure>((client.devices().await?, client.url().to_string()))
    };
    let answered = tokio::time::timeout(TIMEOUT, asked).await;
    let problem = match answered {
        Ok(Ok((found, url))) => {
            let device = |device| to_protocol(device, &project, &url);
            let manager = Manager {
                url: Some(url.clone()),
                state: ManagerState::Reachable,
                problem: None,
            };
            let devices = found.into_iter().map(device).collect();
            return DevicesFound {
                manager,
                devices: Devices {
                    devices,
                    problem: None,
                },
            };
        }
        Ok(Err(failure)) => match failure.hint {
            Some(hint) => format!("{}; {hint}", failure.message),
            None => failure.message,
        },
        Err(_elapsed) => format!("the manager did not answer within {} s", TIMEOUT.as_secs()),
    };
    DevicesFound {
        manager: Manager {
            url: None,
            state: ManagerState::Unreachable,
            problem: Some(problem.clone()),
        },
        devices: Devices {
            devices: Vec::new(),
            problem: Some(problem),
        },
    }
}

fn to_protocol(device: manager::Device, project: &OpenProject, url: &str) -> Device {
    let target = default_target(&project.settings).names(&device);
    let fleet = device.fleet.as_ref().and_then(|fleet| {
        let name = fleet.get("name").unwrap_or(fleet);
        name.as_str().map(str::to_owned)
    });
    Device {
        page: Some(format!(
            "{}/devices/{}",
            url.trim_end_matches('/'),
            device.id
        )),
        id: device.id,
        name: device.name,
        fleet,
        online: device.online,
        ever_connected: device.ever_connected,
        version: device.version,
        board: device.board,
        last_seen: device.last_seen,
        update: None,
        target,
    }
}
