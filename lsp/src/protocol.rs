//! The messages that Otaru adds to LSP: `otaru/…` requests and notifications, and the arguments of
//! the `workspace/executeCommand` verbs. They are plain data; the extension's TypeScript types are
//! generated from them (the test `generated_types_are_current`).
//!
//! | client → server | answer |
//! |---|---|
//! | `otaru/verbs` | [`VerbInfo`] list |
//! | `otaru/projects` | [`ProjectInfo`] list |
//! | `otaru/status` [`ProjectParams`] | [`Status`] |
//! | `otaru/build`, `otaru/upload`, `otaru/plan`, `otaru/clean`, `otaru/link`, `otaru/size`, `otaru/doctor` [`VerbParams`] | [`JobStarted`] at once |
//! | `otaru/run` [`RunParams`] | [`JobStarted`] at once |
//! | `otaru/newProject` [`NewProjectParams`] | [`NewProjectMade`] |
//! | `otaru/cancel` [`CancelParams`] | whether there was something to cancel |
//! | `otaru/devices` [`ProjectParams`] | [`Devices`] |
//! | `otaru/console` [`ConsoleParams`] | [`ConsoleState`] |
//! | `otaru/consoleRead` [`ConsoleReadParams`] | [`ConsolePage`] |
//! | `otaru/consoleSerial` [`ConsoleSerialParams`] | nothing |
//! | `otaru/serialPorts` | paths |
//! | `otaru/board` [`BoardParams`] | nothing |
//! | `otaru/flashMap` [`DeviceParams`] | [`FlashMap`] |
//! | `otaru/slot` [`SlotParams`] | [`SlotDetails`] |
//! | `otaru/lab` [`DeviceParams`] | [`LabState`] |
//! | `otaru/labRun` [`LabRunParams`] | nothing; `otaru/labChanged` tells what comes of it |
//! | `otaru/labStop` [`DeviceParams`] | whether there was something to stop |
//!
//! | server → client | |
//! |---|---|
//! | `otaru/statusChanged` | [`Status`], at most 20 a second for each project |
//! | `otaru/jobEvent` | [`JobEvent`] |
//! | `otaru/labChanged` | [`LabState`] |
//! | `otaru/consoleChanged` | [`ConsoleChanged`], once until the lines are fetched |
//! | `otaru/consoleOutput` | [`ConsoleOutput`], at most 20 a second and 64 KiB each |

#[cfg(test)]
mod codegen;
mod console;
mod lab;
mod verbs;

pub use console::{
    ConsoleChanged, ConsoleChannel, ConsoleChannelState, ConsoleEntry, ConsoleLevel, ConsolePage,
    ConsoleReadParams, ConsoleSerialParams,
};
pub use lab::{LabCheck, LabFault, LabProgress, LabResult, LabRunParams, LabState};
pub use verbs::{
    NewProjectMade, NewProjectParams, Plan, PlanVerb, ReportEntry, RunParams, Verb, VerbInfo,
    VerbParams,
};

use serde::{Deserialize, Serialize};

/// Which project a request is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectParams {
    /// The folder that holds `Otaru.toml`; without it, the only project of the workspace.
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// Cancels a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
pub struct CancelParams {
    /// Without it, every job of the project.
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<u32>,
    /// As in [`ProjectParams`].
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// Turns the console of a device on or off for this client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConsoleParams {
    /// As in [`ProjectParams`].
    #[cfg_attr(test, ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The device; without it, the project's own.
    #[cfg_attr(test, ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// On or off.
    pub on: bool,
}

/// Presses a button of a device on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct BoardParams {
    /// As in [`ProjectParams`].
    #[cfg_attr(test, ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The device; without it, the project's own.
    #[cfg_attr(test, ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Which button.
    pub button: BoardButton,
}

/// The buttons of a device on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum BoardButton {
    /// The reset button.
    Reset,
    /// Cuts the power and brings it back.
    PowerCut,
    /// Takes the network away.
    Offline,
    /// Gives the network back.
    Online,
}

/// Asks for something of a device on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
pub struct DeviceParams {
    /// As in [`ProjectParams`].
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The device; without it, the project's own.
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// Asks for the image in a slot of a device on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SlotParams {
    /// As in [`ProjectParams`].
    #[cfg_attr(test, ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The device; without it, the project's own.
    #[cfg_attr(test, ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// From [`FlashArea::slot`].
    pub slot: u8,
}

/// What stands where in the flash of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct FlashMap {
    /// The device.
    pub device: String,
    /// Size of the flash in bytes.
    pub len: u32,
    /// From offset 0 to the end, in order, without gaps.
    pub areas: Vec<FlashArea>,
    /// The phase in the record, or why it cannot be read.
    pub record: String,
}

/// A part of the flash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct FlashArea {
    /// What it is: `bootloader`, `record`, `execution`, `unused` …
    pub name: String,
    /// First byte.
    pub offset: u32,
    /// Length in bytes.
    pub len: u32,
    /// Bytes in use.
    pub used: u32,
    /// If it is a slot, its number, for [`SlotParams`].
    pub slot: Option<u8>,
    /// In a slot, what it is for at the moment: `running`, `backup`, `being written` …
    pub role: Option<String>,
    /// In a slot, the version of the image that stands there.
    pub version: Option<String>,
}

/// The image in a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SlotDetails {
    /// The slot's name.
    pub name: String,
    /// Header and TLVs, in words.
    pub fields: Vec<SlotField>,
    /// SHA-256 of the complete file, 64 hex digits, if the image is good.
    pub digest: Option<String>,
    /// Which key of the device's key table signed it, counted from 0, if the image is good.
    pub key: Option<u8>,
    /// Why the device would not run it, or why that cannot be told here.
    pub problem: Option<String>,
}

/// Something that an image says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SlotField {
    /// Its name.
    pub name: String,
    /// What it says.
    pub value: String,
}

/// The answer to a verb: it has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct JobStarted {
    /// Its number, in every [`JobEvent`].
    pub job: u32,
}

/// One project of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ProjectInfo {
    /// The folder that holds `Otaru.toml`.
    pub folder: String,
    /// Its name in the manifest, or the folder's name.
    pub name: String,
}

/// What a client needs to show a project: all of it, every time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The folder that holds `Otaru.toml`.
    pub folder: String,
    /// The project's name.
    pub name: String,
    /// Board, if the manifest names one.
    pub board: Option<String>,
    /// Install mode, if the manifest or the board names one.
    pub mode: Option<String>,
    /// What the manifest says about the target of an update: `device lamp`, `fleet all`.
    pub target: Option<String>,
    /// The device the project updates, as far as the manager told.
    pub device: Option<Device>,
    /// The manager.
    pub manager: Manager,
    /// What was built last.
    pub built: Option<Built>,
    /// Which verbs can be used now, and why the others cannot.
    pub verbs: Verbs,
    /// The job that is running.
    pub job: Option<JobInfo>,
    /// The running update, or else the last one since the server started.
    pub update: Option<Update>,
}

/// The manager as the project sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Manager {
    /// Its address, if one is configured.
    pub url: Option<String>,
    /// Whether it answered.
    pub state: ManagerState,
    /// Why it did not.
    pub problem: Option<String>,
}

/// Whether the manager answered when it was last asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ManagerState {
    /// Not asked yet.
    #[default]
    Unknown,
    /// It answered.
    Reachable,
    /// It did not, or refused.
    Unreachable,
}

/// A verb of the panel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct VerbState {
    /// Whether it can be used now.
    pub enabled: bool,
    /// If not, why.
    pub reason: Option<String>,
}

/// The verbs of the panel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Verbs {
    /// Compile, pack and sign.
    pub build: VerbState,
    /// Build and hand the image to the manager. Updates no device.
    pub upload: VerbState,
    /// Build, upload and update the device.
    pub fota: VerbState,
    /// Stop what is running.
    pub cancel: VerbState,
    /// The device's console.
    pub console: VerbState,
}

/// What the last build made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Built {
    /// Label of the version.
    pub version: String,
    /// SHA-256 of the image, 64 hex digits.
    pub digest: String,
    /// Length of the image in bytes.
    pub size: u32,
}

/// A device as the manager knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// `dev-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its fleet.
    pub fleet: Option<String>,
    /// Whether it is connected now.
    pub online: bool,
    /// Whether it ever was.
    pub ever_connected: bool,
    /// What it runs.
    pub version: Option<String>,
    /// Board, as the device reported it.
    pub board: Option<String>,
    /// When it last spoke, RFC 3339.
    pub last_seen: Option<String>,
    /// Where its current update stands.
    pub update: Option<String>,
    /// Its page in the manager's web app.
    pub page: Option<String>,
    /// Whether it is the one this project updates.
    pub target: bool,
}

/// The answer to `otaru/devices`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Devices {
    /// In the manager's order.
    pub devices: Vec<Device>,
    /// Why the list could not be fetched.
    pub problem: Option<String>,
}

/// A running job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct JobInfo {
    /// Its number.
    pub job: u32,
    /// What it does.
    pub verb: Verb,
    /// The step it is at.
    pub step: String,
    /// How much of the step is done, if that is known.
    pub percent: Option<u8>,
    /// Whether somebody has asked it to stop.
    pub canceling: bool,
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct JobEvent {
    /// Which job.
    pub job: u32,
    /// What it does.
    pub verb: Verb,
    /// The project's folder.
    pub project: String,
    /// What happened.
    pub event: JobEventKind,
}

/// What can happen to a job. `Finished` comes exactly once and last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum JobEventKind {
    /// It begins.
    Started,
    /// A step begins.
    Step {
        /// Its name.
        step: String,
    },
    /// How far the step is.
    Progress {
        /// The step.
        step: String,
        /// 0 to 100.
        percent: u8,
    },
    /// A line for the output channel.
    Output {
        /// Without line end.
        line: String,
    },
    /// What an update, or another destructive verb, would do.
    Planned {
        /// The plan to show.
        plan: Plan,
    },
    /// What was found out.
    Report {
        /// In an order for people.
        entries: Vec<ReportEntry>,
    },
    /// It is over.
    Finished {
        /// How it ended.
        outcome: Outcome,
    },
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Outcome {
    /// It did what it was asked. Of an update: the device itself has confirmed.
    Done {
        /// A sentence for people.
        message: String,
    },
    /// It did not.
    Failed {
        /// Stable name of the reason.
        code: String,
        /// A sentence for people.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// It was stopped on request.
    Canceled {
        /// A sentence for people.
        message: String,
    },
}

/// A running or finished update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// The device's name.
    pub device: String,
    /// Version it started from.
    pub from_version: Option<String>,
    /// Version it goes to.
    pub to_version: String,
    /// The phases, in order, those to come included.
    pub phases: Vec<PhaseState>,
    /// When it began, milliseconds since 1970.
    pub started_ms: f64,
    /// How it ended, once it has.
    pub verdict: Option<Verdict>,
}

/// One phase of an update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct PhaseState {
    /// Which phase.
    pub phase: PhaseName,
    /// Whether it is ahead, running, over or where the update failed.
    pub state: PhaseProgress,
    /// When it began, milliseconds since 1970.
    pub started_ms: Option<f64>,
    /// How long it took, in milliseconds, once it is over.
    pub took_ms: Option<f64>,
    /// How far it is.
    pub percent: Option<u8>,
}

/// The phases that a person watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum PhaseName {
    /// The image goes to the manager.
    Uploading,
    /// The manager waits for the device.
    Pending,
    /// The device receives the image.
    Downloading,
    /// It reads back what it stored.
    Verifying,
    /// It waits for the application's permission.
    Parked,
    /// The bootloader installs.
    Installing,
    /// The new firmware runs, unconfirmed.
    Trial,
    /// The new firmware has made itself permanent.
    Confirmed,
}

/// Where a phase stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum PhaseProgress {
    /// Still ahead.
    Ahead,
    /// Running.
    Running,
    /// Over.
    Done,
    /// The update ended here without success.
    Failed,
}

/// How an update ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// True only if the device itself reported the new image as confirmed.
    pub confirmed: bool,
    /// The manager's word for it: `succeeded`, `failed`, `reverted`, `canceled`, `timed-out`.
    pub status: String,
    /// Reason code, if it did not succeed.
    pub reason: Option<String>,
    /// A sentence for people.
    pub message: String,
}

/// The answer to `otaru/console`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConsoleState {
    /// The device whose console it is.
    pub device: String,
}

/// Lines of a device's console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConsoleOutput {
    /// The project's folder.
    pub project: String,
    /// The device.
    pub device: String,
    /// What it printed, in order.
    pub lines: Vec<ConsoleLine>,
    /// Lines that were left out before these, because more came than can be shown.
    pub dropped: u32,
}

/// One line of a console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConsoleLine {
    /// Who said it.
    pub source: ConsoleSource,
    /// Without line end.
    pub text: String,
}

/// Who printed a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ConsoleSource {
    /// The application.
    Application,
    /// The update agent inside it.
    Agent,
    /// The bootloader.
    Bootloader,
    /// The server itself: connected, gone, waiting.
    Server,
}

impl ConsoleSource {
    /// Tells from a line who printed it.
    pub fn of(line: &str) -> Self {
        if line.starts_with("::") {
            Self::Bootloader
        } else if line.starts_with("ota: ") {
            Self::Agent
        } else {
            Self::Application
        }
    }
}
