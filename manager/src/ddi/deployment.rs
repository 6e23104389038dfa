//! What the device is to install, and what it has installed.

use super::device::DdiDevice;
use super::{DdiError, tagged};
use crate::app::AppState;
use crate::engine::{self, Effects, Note};
use crate::store;
use crate::store::actions::StoredAction;
use crate::store::catalog::VersionRow;
use crate::store::devices::Kind;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use otaru_manager_rollout::{Event, Status};
use serde::Deserialize;
use serde_json::{Value, json};

/// History entries a device may ask for.
const HISTORY_MAX: usize = 100;

#[derive(Debug, Deserialize)]
pub(super) struct HistoryQuery {
    #[serde(rename = "actionHistory", default)]
    action_history: i32,
}

/// The last segments of the path: `tenant`, `device` and this.
#[derive(Debug, Deserialize)]
pub(super) struct ActionPath {
    pub(super) action: i64,
}

/// `GET …/deploymentBase/{action}`. From now on the device is working on it.
pub(super) async fn deployment_base(
    State(app): State<AppState>,
    device: DdiDevice,
    Path(path): Path<ActionPath>,
    Query(query): Query<HistoryQuery>,
    headers: HeaderMap,
) -> Result<Response, DdiError> {
    let nothing = || DdiError::not_found("deployment for this device");
    let mut effects = Effects::default();
    let mut tx = app.store.begin().await?;
    let current = store::actions::current(&mut tx, device.row.seq).await?;
    let mut action = current
        .filter(|action| action.ddi_id == path.action)
        .filter(|action| {
            device.row.approved && !(action.is_foreign && device.row.kind() == Kind::Otaru)
        })
        .ok_or_else(nothing)?;
    let retrieved = (Event::Retrieved, Note::default());
    if engine::apply(&app, &mut tx, &mut action, retrieved, &mut effects)
        .await?
        .is_err()
    {
        return Err(nothing());
    }
    let body = body(&mut tx, &device, &action, query.action_history).await?;
    tx.commit().await?;
    effects.run(&app).await;
    Ok(tagged(&body, &headers))
}

/// `GET …/installedBase/{action}`: the same for what was installed last.
pub(super) async fn installed_base(
    State(app): State<AppState>,
    device: DdiDevice,
    Path(path): Path<ActionPath>,
    Query(query): Query<HistoryQuery>,
    headers: HeaderMap,
) -> Result<Response, DdiError> {
    let mut conn = app.store.reader().await?;
    let action = store::actions::by_ddi_id(&mut conn, device.row.seq, path.action)
        .await?
        .filter(|action| action.ddi_id == path.action && action.state.status == Status::Succeeded)
        .ok_or_else(|| DdiError::not_found("finished deployment of this device"))?;
    let body = body(&mut conn, &device, &action, query.action_history).await?;
    Ok(tagged(&body, &headers))
}

async fn body(
    conn: &mut store::Conn,
    device: &DdiDevice,
    action: &StoredAction,
    history: i32,
) -> Result<Value, DdiError> {
    let version = store::catalog::version_by_seq(conn, action.version_seq)
        .await?
        .ok_or_else(|| DdiError::not_found("version"))?;
    let mut metadata =
        vec![json!({ "key": "otaru.deadline_s", "value": action.deadline_s.to_string() })];
    if let Some(trials) = action.trials {
        metadata.push(json!({ "key": "otaru.trials", "value": trials.to_string() }));
    }
    let mut body = json!({
        "id": action.ddi_id.to_string(),
        "deployment": {
            "download": "forced",
            "update": "forced",
            "chunks": [{
                "part": "bApp",
                "version": version.version,
                "name": version.firmware_name,
                "artifacts": [artifact(&device.url, &version)],
                "metadata": metadata,
            }],
        },
    });
    if history != 0 {
        let limit = usize::try_from(history)
            .unwrap_or(HISTORY_MAX)
            .min(HISTORY_MAX);
        let entries = store::attempts::transitions(conn, &action.id).await?;
        let messages: Vec<_> = entries
            .iter()
            .rev()
            .filter(|entry| entry.attempt == action.ddi_id)
            .take(limit)
            .map(|entry| entry.text.as_deref().unwrap_or(&entry.status))
            .collect();
        body["actionHistory"] =
            json!({ "status": action.state.status.name(), "messages": messages });
    }
    Ok(body)
}

/// An artifact as DDI describes it. Both link names are given, because clients look for either.
pub(super) fn artifact(device_url: &str, version: &VersionRow) -> Value {
    let href = format!(
        "{device_url}/softwaremodules/{}/artifacts/{}",
        version.seq,
        super::device::encode(&version.file_name)
    );
    let md5sum = format!("{href}.MD5SUM");
    json!({
        "filename": version.file_name,
        "hashes": { "sha1": version.sha1, "md5": version.md5, "sha256": version.sha256 },
        "size": version.size,
        "_links": {
            "download": { "href": href },
            "download-http": { "href": href },
            "md5sum": { "href": md5sum },
            "md5sum-http": { "href": md5sum },
        },
    })
}
