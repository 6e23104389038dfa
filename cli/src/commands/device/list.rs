//! `device list`: the devices of this machine and of the manager, each once.

use crate::failure::{Exit, Failure};
use crate::session::Session;
use otaru_board_host::control::{Client, devices_root, list_devices};
use std::collections::BTreeMap;

/// What is known about a device.
#[derive(Default)]
struct Row {
    here: Option<String>,
    manager: Option<String>,
    version: Option<String>,
    board: Option<String>,
    id: Option<String>,
}

/// `otaru device list`
pub(crate) async fn run(session: Session<'_>) -> Result<(), Failure> {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    if let Some(root) = devices_root() {
        let found = list_devices(&root)
            .map_err(|error| Failure::io(format!("{} cannot be read", root.display()), &error))?;
        for entry in found {
            let row = rows.entry(entry.name.clone()).or_default();
            let status = Client::connect(&entry.dir)
                .and_then(|mut client| client.status())
                .ok();
            row.here = Some(match &status {
                Some(status) => status.state.name().to_owned(),
                None => "stopped".to_owned(),
            });
            row.board = status.map(|status| status.board);
        }
    }
    let project = session.project().ok();
    if let Ok(client) = session.client(project.as_ref()) {
        match client.devices().await {
            Ok(devices) => {
                for device in devices {
                    let row = rows.entry(device.name).or_default();
                    row.manager = Some(if device.online { "online" } else { "offline" }.to_owned());
                    row.version = device.version;
                    row.board = device.board.or(row.board.take());
                    row.id = Some(device.id);
                }
            }
            Err(error) => session
                .output
                .warning(&format!("{error}; only devices of this machine are shown")),
        }
    }
    if rows.is_empty() {
        return Err(
            Failure::new(Exit::Failed, "no-devices", "there are no devices")
                .hint("make one: `otaru flash` in a project"),
        );
    }
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, row)| {
            vec![
                name,
                or_dash(row.here),
                or_dash(row.manager),
                or_dash(row.version),
                or_dash(row.board),
                or_dash(row.id),
            ]
        })
        .collect();
    session.output.table(
        "device",
        &["device", "here", "manager", "version", "board", "id"],
        &rows,
    );
    Ok(())
}
