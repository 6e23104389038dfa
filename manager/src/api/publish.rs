//! Tells watchers about changes, in the words of the public API.

use super::views::{Action, Device, Version};
use crate::app::App;
use crate::error::ApiError;
use crate::store;
use serde::Serialize;

/// Publishes these actions (workspace and id) and devices as they are now.
pub(crate) async fn changes(
    app: &App,
    actions: &[(String, String)],
    devices: &[i64],
) -> Result<(), ApiError> {
    if actions.is_empty() && devices.is_empty() {
        return Ok(());
    }
    let mut conn = app.store.reader().await?;
    for (workspace, id) in actions {
        if let Some(row) = store::views::action(&mut conn, workspace, id).await? {
            let (device, action) = (row.device.clone(), row.id.clone());
            let about = (Some(device.as_str()), Some(action.as_str()));
            app.events
                .publish(workspace, "action", about, json(&Action::from(row))?);
        }
    }
    for seq in devices {
        if let Some(row) = store::devices::by_seq(&mut conn, *seq).await? {
            let action = store::views::of_device(&mut conn, *seq).await?;
            let (workspace, id) = (row.workspace.clone(), row.id.clone());
            let view = Device::new(app, row, action);
            app.events
                .publish(&workspace, "device", (Some(&id), None), json(&view)?);
        }
    }
    Ok(())
}

/// Publishes a new version.
pub(crate) fn version(app: &App, workspace: &str, view: &Version) -> Result<(), ApiError> {
    app.events
        .publish(workspace, "version", (None, None), json(view)?);
    Ok(())
}

fn json(view: &impl Serialize) -> Result<String, ApiError> {
    serde_json::to_string(view).map_err(ApiError::internal)
}
