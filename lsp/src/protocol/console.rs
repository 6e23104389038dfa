//! Messages of the debug console: lines with numbers, fetched by whoever shows them, so that nothing
//! is lost on the way and whatever is left out is counted.

use super::ConsoleSource;
use serde::{Deserialize, Serialize};

/// Asks for the lines after one that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
pub struct ConsoleReadParams {
    /// As in [`super::ProjectParams`].
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The device; without it, the project's own.
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// [`ConsoleEntry::seq`] of the last line that is known; 0: none.
    pub after: u32,
}

/// Chooses the serial port that the console reads as well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
pub struct ConsoleSerialParams {
    /// As in [`super::ProjectParams`].
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The device; without it, the project's own.
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Path of the port; without it, none is read.
    #[cfg_attr(test, ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Bits per second; 0: 115 200.
    pub baud: u32,
}

/// A part of a console.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConsolePage {
    /// The project's folder.
    pub project: String,
    /// The device.
    pub device: String,
    /// Lines that were left out before these, because the reader was too far behind.
    pub missed: u32,
    /// In the order of their numbers, without gaps.
    pub lines: Vec<ConsoleEntry>,
    /// Whether there are more already.
    pub more: bool,
    /// Where lines come from, and why some do not.
    pub channels: Vec<ConsoleChannelState>,
}

/// There are lines that have not been fetched, or a source has changed its state. Told once; the next
/// time only after the lines were fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConsoleChanged {
    /// The project's folder.
    pub project: String,
    /// The device.
    pub device: String,
}

/// One line of a console.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConsoleEntry {
    /// Its number, from 1, without gaps, the same for all sources.
    pub seq: u32,
    /// When the server had it, milliseconds since 1970.
    pub at_ms: f64,
    /// How it came.
    pub channel: ConsoleChannel,
    /// Who said it.
    pub source: ConsoleSource,
    /// How bad it is.
    pub level: ConsoleLevel,
    /// Without line end.
    pub text: String,
}

/// Where lines of a console come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ConsoleChannel {
    /// A device that runs on this machine.
    Board,
    /// The manager: how the updates of the device go.
    Manager,
    /// A serial port.
    Serial,
    /// Memory of the device, read by a debug probe.
    Rtt,
}

/// How bad a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ConsoleLevel {
    /// It says so itself: trace.
    Trace,
    /// It says so itself: debug.
    Debug,
    /// Everything that says nothing else.
    Info,
    /// Something went otherwise than it should.
    Warn,
    /// Something went wrong.
    Error,
}

/// What a source is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConsoleChannelState {
    /// Which.
    pub channel: ConsoleChannel,
    /// Its name for people.
    pub name: String,
    /// Whether lines can come.
    pub connected: bool,
    /// If not, why, and what to do about it.
    pub reason: Option<String>,
}
