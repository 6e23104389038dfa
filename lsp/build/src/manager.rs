//! The client of a device manager's public API (`docs/formats/api.md`).

mod http;
mod sse;
mod types;
mod update;
mod upload;
mod verbs;
mod watch;

pub use http::{ManagerClient, ManagerError};
pub use types::{
    Action, ActionStatus, Attempt, CreatedDevice, Deployment, DeploymentAction, Device, Firmware,
    Fleet, RingKey, Setup, Transition, VersionInfo, Workspace,
};
pub use update::{
    NewVersion, Plan, PlanBook, PlanError, PlannedDevice, StoredVersion, Target, UpdateRequest,
};
pub use upload::{UploadError, Uploaded, upload};
pub use watch::watch;
