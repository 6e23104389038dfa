//! Messages of the failure lab.

use serde::{Deserialize, Serialize};

/// Makes a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LabRunParams {
    /// As in [`super::ProjectParams`].
    #[cfg_attr(test, ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The device; without it, the project's own.
    #[cfg_attr(test, ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// From [`LabFault::name`].
    pub fault: String,
    /// How often, for a fault that repeats.
    pub times: u32,
}

/// What can be done to a device, what is being done, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LabState {
    /// The project's folder.
    pub project: String,
    /// The device.
    pub device: String,
    /// Why nothing can be done to it.
    pub problem: Option<String>,
    /// In the order in which they are shown.
    pub faults: Vec<LabFault>,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LabFault {
    /// For [`LabRunParams`].
    pub name: String,
    /// For the button.
    pub title: String,
    /// What should happen if it struck now.
    pub expected: Option<String>,
    /// Why it cannot strike now.
    pub obstacle: Option<String>,
    /// Whether it can be repeated.
    pub repeats: bool,
    /// If it is being made, how far it is.
    pub running: Option<LabProgress>,
    /// What came of it last.
    pub result: Option<LabResult>,
}

/// How far a fault is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LabProgress {
    /// In words.
    pub step: String,
    /// How often it struck.
    pub done: u32,
    /// How often it will.
    pub times: u32,
    /// Whether somebody has asked it to stop.
    pub stopping: bool,
}

/// What came of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LabResult {
    /// Whether everything was as expected; without a judgement it is not.
    pub as_expected: bool,
    /// What should have happened.
    pub expected: Option<String>,
    /// Why there is no judgement.
    pub problem: Option<String>,
    /// Point by point.
    pub checks: Vec<LabCheck>,
    /// The last console lines since the fault.
    pub console: Vec<String>,
    /// What chance was made of, in decimal digits.
    pub seed: String,
}

/// One point of a judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LabCheck {
    /// What had to be so.
    pub what: String,
    /// What was seen.
    pub seen: String,
    /// Whether it was so.
    pub good: bool,
}
