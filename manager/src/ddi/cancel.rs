//! What the device is to stop.

use super::deployment::ActionPath;
use super::device::DdiDevice;
use super::{DdiError, poll, tagged};
use crate::app::AppState;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use otaru_manager_rollout::Offer;
use serde_json::json;

/// `GET …/cancelAction/{action}`.
pub(super) async fn cancel_action(
    State(app): State<AppState>,
    device: DdiDevice,
    Path(path): Path<ActionPath>,
    headers: HeaderMap,
) -> Result<Response, DdiError> {
    let mut conn = app.store.reader().await?;
    if poll::offered(&app, &mut conn, &device.row).await? != Some((Offer::Cancel, path.action)) {
        return Err(DdiError::not_found("cancel for this device"));
    }
    let id = path.action.to_string();
    Ok(tagged(
        &json!({ "id": id, "cancelAction": { "stopId": id } }),
        &headers,
    ))
}
