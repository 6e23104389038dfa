//! The verbs: what they are asked with, and what destructive ones say before they are carried out.

use serde::{Deserialize, Serialize};

/// Asks for a verb that runs as a job. Each verb reads the fields that concern it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
pub struct VerbParams {
    /// The folder that holds `Otaru.toml`; without it, the only project of the workspace.
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The version to give the image, instead of the one that would be proposed.
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Only for an upload: registers the project's key with the manager if it is not known there.
    /// An update says in its plan that it will do so.
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub register_key: bool,
    /// Only for a plan: of what. Without it, of an update over the air.
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verb: Option<PlanVerb>,
    /// By cable: the device on this machine, instead of the project's own.
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Only for provisioning: the fleet of a device that is new to the manager.
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fleet: Option<String>,
    /// Only for undoing a provisioning: leaves the manager alone, which may be gone for good.
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub device_only: bool,
    /// Only for a plan of an update: how often the new firmware may start before it has confirmed
    /// itself, 1 to 16; without it what the device was flashed with.
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trials: Option<u32>,
    /// Only for linking bytecode: the bytecode slot, from 0.
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bc: Option<u8>,
    /// Only for linking bytecode: the slot of the VM that runs it, from 0.
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vm: Option<u8>,
}

/// The verbs that replace or delete something, so that a plan comes before them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum PlanVerb {
    /// Update devices over the air.
    #[default]
    Fota,
    /// Write the image to a device by cable.
    Flash,
    /// Erase a device by cable.
    Erase,
    /// Give a device its identity.
    Provision,
    /// Take a device's identity away.
    UndoProvision,
}

/// Carries out a plan that a person has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RunParams {
    /// From [`Plan::plan_id`].
    pub plan_id: String,
    /// The version the person agreed to. Refused if it is not the plan's: another version is
    /// another image, which needs its own plan.
    #[cfg_attr(test, ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// The verbs that run as jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Compile, pack, sign.
    Build,
    /// And upload.
    Upload,
    /// Find out what a destructive verb would do.
    Plan,
    /// Update the device as planned.
    Run,
    /// Delete what builds left behind.
    Clean,
    /// Build bytecode for a slot and a VM.
    Link,
    /// Build, and measure the image.
    Size,
    /// Look for what is missing.
    Doctor,
    /// Write the image by cable, as planned.
    Flash,
    /// Erase the device, as planned.
    Erase,
    /// Give the device its identity, as planned.
    Provision,
    /// Take the identity away, as planned.
    UndoProvision,
}

/// What a destructive verb would do: everything a person has to know before agreeing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// For `otaru/run`; good for one use, for ten minutes, and only while nothing has changed.
    pub plan_id: String,
    /// What would be done.
    pub verb: PlanVerb,
    /// The device or fleet, as people call it.
    pub device: String,
    /// What runs there now, if that is known.
    pub from_version: Option<String>,
    /// What would run there; empty if it is no question of firmware.
    pub to_version: String,
    /// SHA-256 of the image, 64 hex digits; empty if there is none.
    pub digest: String,
    /// Length of the image in bytes.
    pub size: u32,
    /// What a person should know before agreeing.
    pub warnings: Vec<String>,
    /// All of it as one question, for clients without a dialog of their own.
    pub question: String,
    /// What the one button is called that means yes.
    pub agree: String,
}

/// One thing that a verb found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ReportEntry {
    /// What it is about.
    pub name: String,
    /// `good`, `absent`, `bad`, or `info` where there is nothing to judge.
    pub state: String,
    /// What was found.
    pub text: String,
    /// What to do, if something is bad.
    pub next: Option<String>,
}

/// Asks for a new project, made from an example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct NewProjectParams {
    /// Where to make it, an absolute path; it must be empty or not there.
    pub folder: String,
    /// Name of the product and of the cargo package; without it, the folder's.
    #[cfg_attr(test, ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The kind of device; without it, `host`.
    #[cfg_attr(test, ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub board: Option<String>,
    /// The install mode; without it, the board's own.
    #[cfg_attr(test, ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// `firmware` or `bytecode`; without it, `firmware`.
    #[cfg_attr(test, ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// The answer to `otaru/newProject`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct NewProjectMade {
    /// Its folder.
    pub folder: String,
    /// Its manifest, to be opened.
    pub manifest: String,
}

/// A verb that an editor can offer; the answer to `otaru/verbs` lists all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct VerbInfo {
    /// For `workspace/executeCommand`.
    pub command: String,
    /// What people call it.
    pub title: String,
    /// The fields of its one argument; `?` marks those that may be left out.
    pub argument: String,
    /// What it answers and what follows.
    pub answer: String,
    /// Whether it replaces or deletes something, and so asks first.
    pub destructive: bool,
}
