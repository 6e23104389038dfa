//! Talking to a running device from outside: the control socket and the console socket.
//!
//! A running chip listens on two Unix sockets in its device folder. `console.sock` sends the
//! history of the console and then what the CPU prints; it takes no input. `control.sock` speaks
//! JSON lines, one response for each request, in order:
//!
//! ```text
//! → {"op":"status"}
//! ← {"ok":true,"status":{"power":true,"state":"running",…}}
//! → {"op":"program","offset":4096,"len":8}        and then 8 raw bytes
//! ← {"ok":false,"error":{"code":"not-held","message":"hold the CPU first"}}
//! → {"op":"read","offset":0,"len":512}
//! ← {"ok":true,"len":512}                          and then 512 raw bytes
//! ```
//!
//! After `{"op":"events"}` and its response the connection carries [`Event`]s, one a line, and
//! nothing else.
//!
//! [`Client`] is the typed, blocking side of this; [`list_devices`] and [`device_dir`] find the
//! folders.

mod client;
mod folders;
mod socket;

pub use client::{Client, ControlError, EventStream, Probe};
pub use folders::{
    DeviceEntry, DeviceFile, DeviceNameError, check_device_name, device_dir, devices_root,
    list_devices,
};
pub(crate) use socket::{bind, connect};

use crate::cause::ResetCause;
use crate::chip::{BadRange, Counters, FlashFault};
use serde::{Deserialize, Serialize};

/// Name of the control socket in a device folder.
pub const CONTROL_SOCKET: &str = "control.sock";
/// Name of the console socket in a device folder.
pub const CONSOLE_SOCKET: &str = "console.sock";
/// Most bytes that one read or program request moves.
pub const FRAME_LEN_MAX: u32 = 0x10_0000;

/// When a reset or a power cut is to happen. With no field set: now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// At this flash operation of the CPU, counted from now; 1 is the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_operation: Option<u64>,
    /// After this many milliseconds, between two flash operations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
    /// With `at_operation`: a part of that operation still happens, and the bits it would have
    /// changed read differently at each boot until the sector is erased.
    #[serde(default)]
    pub torn: bool,
    /// Decides which part; the same seed leaves the same bits. Random if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Power cuts only: power returns after this many milliseconds; if absent, with `power-on`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_ms: Option<u64>,
}

/// What can be asked of a chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Request {
    /// How is the device?
    Status,
    /// Press the reset button. Retained RAM survives.
    Reset(Moment),
    /// Cut the power. Retained RAM is lost.
    PowerCut(Moment),
    /// Switch the power on.
    PowerOn,
    /// Hold the recovery button during the next start of the CPU.
    Recovery,
    /// Attach the debug probe and keep the CPU in reset. Ends with the connection.
    Hold,
    /// Detach the debug probe; the CPU starts.
    Release,
    /// Read flash through the probe, whether the CPU runs or not; the bytes follow the response.
    Read {
        /// Offset from the start of the flash, in bytes.
        offset: u32,
        /// Number of bytes, 1 to [`FRAME_LEN_MAX`].
        len: u32,
    },
    /// Program flash through the probe; `len` bytes follow the request.
    Program {
        /// Offset from the start of the flash, a multiple of the write unit.
        offset: u32,
        /// Number of bytes that follow, a multiple of the write unit, at most [`FRAME_LEN_MAX`].
        len: u32,
    },
    /// Erase flash through the probe.
    Erase {
        /// Offset from the start of the flash, a multiple of the sector size.
        offset: u32,
        /// Number of bytes, a multiple of the sector size.
        len: u32,
    },
    /// Flip bits of one byte of flash, as radiation or wear would.
    Corrupt {
        /// Offset from the start of the flash, in bytes.
        offset: u32,
        /// The bits to flip.
        xor: u8,
    },
    /// Make a range of the flash fail.
    BadRange(BadRange),
    /// Take back every fault: failing ranges and pending resets and cuts.
    ClearFaults,
    /// Take the network away; open connections die.
    Offline,
    /// Give the network back.
    Online,
    /// Stop the CPU without resetting it, as a firmware does that hangs. The watchdog notices.
    Freeze,
    /// End the program as an illegal access does. The CPU is reset, the cause is a crash.
    Crash,
    /// From now on send events on this connection.
    Events,
    /// Switch the device off and end the chip.
    Shutdown,
}

impl Request {
    /// Number of raw bytes that follow the request.
    pub(crate) const fn frame_len(&self) -> u32 {
        match self {
            Self::Program { len, .. } => *len,
            Self::Status
            | Self::Reset(_)
            | Self::PowerCut(_)
            | Self::PowerOn
            | Self::Recovery
            | Self::Hold
            | Self::Release
            | Self::Read { .. }
            | Self::Erase { .. }
            | Self::Corrupt { .. }
            | Self::BadRange(_)
            | Self::ClearFaults
            | Self::Offline
            | Self::Online
            | Self::Freeze
            | Self::Crash
            | Self::Events
            | Self::Shutdown => 0,
        }
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalCode {
    /// Not a request this chip understands.
    BadRequest,
    /// The device is switched off.
    Off,
    /// Another debug probe holds the CPU.
    Busy,
    /// The request needs a held CPU, and this connection does not hold it.
    NotHeld,
    /// The request needs a running CPU, but a debug probe holds it.
    Held,
    /// The range is not inside the flash, or where it has no sectors.
    OutOfBounds,
    /// The range is not on write units or sectors.
    Unaligned,
    /// A unit was programmed and not erased since.
    NotErased,
    /// The flash failed.
    FlashFailed,
    /// Too many failing ranges.
    TooMany,
}

impl RefusalCode {
    /// The refusal that a flash fault leads to.
    pub(crate) const fn of_fault(fault: FlashFault) -> Self {
        match fault {
            FlashFault::OutOfBounds => Self::OutOfBounds,
            FlashFault::Unaligned => Self::Unaligned,
            FlashFault::NotErased => Self::NotErased,
            FlashFault::BadRequest => Self::BadRequest,
            FlashFault::Failed | FlashFault::Unreadable | FlashFault::ChipLost => Self::FlashFailed,
        }
    }
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// For programs.
    pub code: RefusalCode,
    /// For people.
    pub message: String,
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Response {
    /// Whether it was done.
    pub ok: bool,
    /// If not, why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Refusal>,
    /// With `status` and `events`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Box<Status>>,
    /// Number of raw bytes that follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub len: Option<u32>,
}

/// What the CPU is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CpuState {
    /// No power.
    Off,
    /// A program runs: bootloader or firmware.
    Running,
    /// Stopped by `freeze`, waiting for the watchdog or the reset button.
    Frozen,
    /// Kept in reset by a debug probe.
    Held,
    /// Between two starts, after a program that ended at once again and again.
    Restarting,
}

impl CpuState {
    /// The name shown to people and used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Running => "running",
            Self::Frozen => "frozen",
            Self::Held => "held",
            Self::Restarting => "restarting",
        }
    }
}

/// State of the watchdog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchdogStatus {
    /// Time-out in milliseconds.
    pub timeout_ms: u64,
    /// Milliseconds until it bites.
    pub left_ms: u64,
}

/// A reset or power cut that was asked for and has not happened yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingFault {
    /// Whether the power goes, or only the reset button is pressed.
    pub power_cut: bool,
    /// When; `at_operation` counts what is left.
    pub moment: Moment,
}

/// How a device is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Name of the board.
    pub board: String,
    /// Process id of the chip.
    pub pid: u32,
    /// Process id of the CPU while it runs.
    pub cpu_pid: Option<u32>,
    /// Whether the device is switched on.
    pub power: bool,
    /// What the CPU is doing.
    pub state: CpuState,
    /// Why the CPU was started last.
    pub reset_cause: ResetCause,
    /// How often the CPU has started since the device was made.
    pub boots: u32,
    /// Milliseconds since the chip was started.
    pub uptime_ms: u64,
    /// How the last program ended that ended by itself.
    pub last_exit: Option<String>,
    /// The watchdog, if it is armed.
    pub watchdog: Option<WatchdogStatus>,
    /// Whether the network is there.
    pub online: bool,
    /// Flash operations.
    pub flash: Counters,
    /// Bytes of flash with bits that a cut left undecided.
    pub unstable_bytes: u64,
    /// Ranges of the flash that fail.
    pub bad_ranges: Vec<BadRange>,
    /// A reset or cut to come.
    pub pending: Option<PendingFault>,
    /// Terminal device that shows the console, if there is one.
    pub pty: Option<String>,
}

/// Something that happened to the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since the chip was started.
    pub ms: u64,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// Kinds of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// The CPU was started.
    Started {
        /// Why.
        cause: ResetCause,
        /// How often it has started since the device was made.
        boots: u32,
    },
    /// The program ended by itself; the CPU is reset.
    Exited {
        /// Exit code or signal, for people.
        status: String,
    },
    /// The program asked for a reset.
    SoftwareReset,
    /// The watchdog was not fed in time; the CPU is reset.
    WatchdogBit,
    /// The power went.
    PowerOff {
        /// Whether it was cut while the CPU ran.
        cut: bool,
    },
    /// The power came back.
    PowerOn,
    /// The flash operation of a pending reset or cut was reached.
    OperationReached {
        /// Whether that operation was torn.
        torn: bool,
    },
    /// A debug probe holds the CPU.
    Held,
    /// The debug probe let it go.
    Released,
    /// The network went or came.
    Network {
        /// Whether it is there now.
        online: bool,
    },
    /// This listener was too slow.
    Dropped {
        /// Number of events it missed.
        count: u64,
    },
}
