//! Turns an order into a deployment: who is meant, who can be updated, one action for each.

use crate::app::App;
use crate::auth::Caller;
use crate::engine::{self, Effects, Note};
use crate::error::ApiError;
use crate::secret;
use crate::store::catalog::VersionRow;
use crate::store::deployments::NewDeployment;
use crate::store::devices::{DeviceRow, Kind};
use crate::store::{self, Conn};
use otaru_manager_rollout::{Action, Event, Status};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Devices read at once.
const PAGE: i64 = 1_000;

/// Who is to be updated. Exactly one of `devices`, `fleets` and `all` is given.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    /// Ids or names of devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    devices: Vec<String>,
    /// Ids or names of fleets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fleets: Vec<String>,
    /// Every device of the workspace.
    #[serde(default, skip_serializing_if = "is_false")]
    all: bool,
    /// With `all`: how many devices there are, so that nobody updates all of them by mistake.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<i64>,
}

impl Target {
    /// These devices; nothing if there are none.
    pub(crate) fn of_devices(devices: Vec<String>) -> Option<Self> {
        let target = Self {
            devices,
            ..Self::default()
        };
        (!target.devices.is_empty()).then_some(target)
    }

    /// The members of these fleets; nothing if there are none.
    pub(crate) fn of_fleets(fleets: Vec<String>) -> Option<Self> {
        let target = Self {
            fleets,
            ..Self::default()
        };
        (!target.fleets.is_empty()).then_some(target)
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) version: &'a VersionRow,
    pub(crate) target: &'a Target,
    pub(crate) deadline_s: u32,
    pub(crate) retries: u32,
    pub(crate) trials: Option<u32>,
}

/// What was made of it.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) created_at: i64,
    /// Id of each action, and of its device.
    pub(crate) actions: Vec<(String, String)>,
    /// Devices left out, and why.
    pub(crate) skipped: Vec<(String, &'static str)>,
}

/// Makes the deployment within a transaction.
///
/// # Errors
/// See `POST /deployments` in docs/formats/api.md.
pub(crate) async fn start(
    app: &App,
    conn: &mut Conn,
    order: &Order<'_>,
    effects: &mut Effects,
) -> Result<Made, ApiError> {
    let now_ms = app.now_ms();
    let (devices, skipped) = resolve(conn, order).await?;
    if devices.is_empty() {
        return Err(
            ApiError::conflict("no-devices", "there is no device that could be updated")
                .hint("devices that have never connected or wait for approval are left out"),
        );
    }
    let id = secret::new_id("dep");
    let target = serde_json::to_string(order.target).map_err(ApiError::internal)?;
    let deployment = NewDeployment {
        id: &id,
        workspace: &order.caller.workspace,
        version_seq: order.version.seq,
        target: &target,
        deadline_s: i64::from(order.deadline_s),
        retries: i64::from(order.retries),
        trials: order.trials,
        created_by: &order.caller.name,
        now_ms,
    };
    store::deployments::insert(conn, &deployment).await?;
    let mut actions = Vec::with_capacity(devices.len());
    for device in devices {
        supersede(app, conn, &device, effects).await?;
        let action = add_action(conn, &id, &device, order.retries, now_ms).await?;
        effects.wake(device.seq);
        effects.action_changed(&order.caller.workspace, &action);
        actions.push((action, device.id));
    }
    Ok(Made {
        id,
        created_at: now_ms,
        actions,
        skipped,
    })
}

/// The newest deployment wins over what has not begun to install.
async fn supersede(
    app: &App,
    conn: &mut Conn,
    device: &DeviceRow,
    effects: &mut Effects,
) -> Result<(), ApiError> {
    for mut older in store::actions::open_of_device(conn, device.seq).await? {
        let event = (Event::Superseded, Note::default());
        if let Err(refusal) = engine::apply(app, conn, &mut older, event, effects).await? {
            tracing::debug!(action = older.id, ?refusal, "goes on before the newer one");
        }
    }
    Ok(())
}

async fn add_action(
    conn: &mut Conn,
    deployment: &str,
    device: &DeviceRow,
    retries: u32,
    now_ms: i64,
) -> Result<String, ApiError> {
    let id = secret::new_id("act");
    let state = Action::new(retries);
    let new = store::actions::NewAction {
        id: &id,
        deployment,
        device: device.seq,
        from_version: device.version.as_deref(),
        already_running: false,
        state: &state,
        now_ms,
    };
    let seq = store::actions::insert(conn, &new).await?;
    let ddi_id = store::attempts::start(conn, seq, state.attempt, now_ms).await?;
    let entry = store::attempts::NewTransition {
        ddi_id,
        state: &state,
        status: Status::Pending,
        cause: None,
        text: None,
        now_ms,
    };
    store::attempts::record(conn, &entry).await?;
    Ok(id)
}

type Resolved = (Vec<DeviceRow>, Vec<(String, &'static str)>);

/// Devices to update. One that was named and cannot be updated is an error; members of a fleet
/// that cannot are left out.
async fn resolve(conn: &mut Conn, order: &Order<'_>) -> Result<Resolved, ApiError> {
    let target = order.target;
    let kinds = [
        !target.devices.is_empty(),
        !target.fleets.is_empty(),
        target.all,
    ];
    if kinds.iter().filter(|given| **given).count() != 1 {
        return Err(ApiError::bad_request(
            "malformed-target",
            "a target is one of `devices`, `fleets`, or `all` with `count`",
        ));
    }
    let workspace = &order.caller.workspace;
    // Ordered by age, and each device only once.
    let mut chosen = BTreeMap::new();
    for name in &target.devices {
        let device = store::devices::find(conn, workspace, name)
            .await?
            .ok_or_else(|| ApiError::not_found("device").with("device", name.as_str()))?;
        if let Some(refusal) = refusal(&device, order.version) {
            return Err(refusal.explain(&device));
        }
        chosen.insert(device.seq, device);
    }
    let mut skipped = Vec::new();
    let mut fleets = Vec::new();
    for name in &target.fleets {
        let fleet = store::fleets::find(conn, workspace, name)
            .await?
            .ok_or_else(|| ApiError::not_found("fleet").with("fleet", name.as_str()))?;
        fleets.push(Some(fleet.id));
    }
    if target.all {
        let count = store::devices::count(conn, workspace, None).await?;
        if target.count != Some(count) {
            let message = format!("the workspace has {count} devices");
            return Err(ApiError::conflict("count-mismatch", message)
                .with("count", count)
                .hint("`all` needs `count` with exactly this number"));
        }
        fleets.push(None);
    }
    fleets.dedup();
    for fleet in fleets {
        for device in all_of(conn, workspace, fleet.as_deref()).await? {
            match refusal(&device, order.version) {
                None => {
                    chosen.insert(device.seq, device);
                }
                Some(refusal) => skipped.push((device.id, refusal.code())),
            }
        }
    }
    Ok((chosen.into_values().collect(), skipped))
}

async fn all_of(
    conn: &mut Conn,
    workspace: &str,
    fleet: Option<&str>,
) -> sqlx::Result<Vec<DeviceRow>> {
    let mut all = Vec::new();
    loop {
        let offset = i64::try_from(all.len()).unwrap_or(i64::MAX);
        let page = store::devices::list(conn, workspace, fleet, offset, PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Why a device cannot be updated to a version.
#[derive(Debug, Clone, Copy)]
enum Unfit {
    NeverConnected,
    NotApproved,
    Foreign,
}

fn refusal(device: &DeviceRow, version: &VersionRow) -> Option<Unfit> {
    if !device.approved {
        Some(Unfit::NotApproved)
    } else if device.first_seen.is_none() {
        Some(Unfit::NeverConnected)
    } else if version.is_foreign && device.kind() == Kind::Otaru {
        Some(Unfit::Foreign)
    } else {
        None
    }
}

impl Unfit {
    const fn code(self) -> &'static str {
        match self {
            Self::NeverConnected => "device-never-connected",
            Self::NotApproved => "device-not-approved",
            Self::Foreign => "foreign-artifact",
        }
    }

    fn explain(self, device: &DeviceRow) -> ApiError {
        let name = &device.name;
        let (message, hint) = match self {
            Self::NeverConnected => (
                format!("device {name} has never connected"),
                "provision it, start it, and wait until it is online once",
            ),
            Self::NotApproved => (format!("device {name} is not approved"), "approve it first"),
            Self::Foreign => (
                format!("device {name} is an Otaru device and installs signed images only"),
                "upload a signed image instead of a foreign artifact",
            ),
        };
        ApiError::conflict(self.code(), message)
            .hint(hint)
            .with("device", device.id.as_str())
    }
}
