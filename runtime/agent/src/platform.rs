//! What a board gives the agent, and what an application may say about an update.

use core::fmt;

use edge_nal::TcpConnect;

use crate::Progress;

/// What the bootloader and the board hand to the firmware at its start.
#[derive(Debug, Clone, Copy)]
pub struct Boot<'a> {
    /// Offset of the device block from the start of the flash; fixed per board.
    pub device_block_at: u32,
    /// The handover block that the bootloader left in RAM, or anything else: a firmware that was
    /// not started by the bootloader runs without updates.
    pub handover: &'a [u8],
    /// The bootloader's version; empty if unknown.
    pub bootloader: &'a str,
}

/// What the agent needs of a board besides its flash. Everything takes `&self`, because the
/// application uses the same board at the same time on the same executor.
pub trait Platform {
    /// Opens TCP connections. While the board is off the network, connecting and reading fail or
    /// wait; both are fine.
    type Net: TcpConnect;

    /// The network.
    fn net(&self) -> &Self::Net;

    /// How the firmware was started. Always answers the same.
    fn boot(&self) -> Boot<'_>;

    /// Milliseconds since some fixed time; never goes back.
    fn now_ms(&self) -> u64;

    /// Waits at least `ms` milliseconds; 0 is allowed.
    fn sleep_ms(&self, ms: u32) -> impl Future<Output = ()>;

    /// A random number, so that many devices do not poll at the same instant. It need not be good
    /// enough for keys.
    fn random(&self) -> u32;

    /// Restarts the watchdog's count. Called from the agent's loop, so that an application that
    /// blocks the executor is reset by the chip.
    fn feed_watchdog(&self);

    /// Writes text to the debug console, newlines included.
    fn print(&self, text: &str);

    /// Lends the part of the retained RAM that is the agent's: bytes that survive a reset but not
    /// a power loss, 1 KiB or more (4 KiB is plenty). Their content may be anything. A board
    /// without such RAM lends an empty slice.
    fn with_retained(&self, use_it: &mut dyn FnMut(&mut [u8]));

    /// Resets the CPU. Returns only in tests.
    fn reset(&self, reason: ResetReason);
}

/// Why the agent asks for a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetReason {
    /// An image is to be installed.
    Install,
    /// The firmware on trial gave itself up; the bootloader reverts.
    Refused,
}

impl fmt::Display for ResetReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Install => "install",
            Self::Refused => "refused",
        })
    }
}

/// An application's answer to whether the parked image may be installed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayInstall<'a> {
    /// The device resets and installs.
    Yes,
    /// Not at the moment, and why (motor running, battery low). Asked again after a few seconds;
    /// the text is shown in the manager.
    NotNow(&'a str),
    /// Not at all, and why: the attempt fails with this text.
    Refuse(&'a str),
}

/// What the agent asks an application. Every method has a default that lets updates happen.
pub trait Application {
    /// A verified image waits: may the device reset and install it?
    fn may_install(&mut self) -> MayInstall<'_> {
        MayInstall::Yes
    }

    /// This firmware is on trial, and the manager still wants it: does it work?
    ///
    /// # Errors
    /// What is wrong, for people. The firmware is then refused, the former one comes back, and the
    /// text reaches the manager. Texts beyond 128 bytes are shortened.
    fn healthy(&mut self) -> Result<(), &str> {
        Ok(())
    }

    /// The update has gone on.
    fn progress(&mut self, progress: Progress) {
        let _ = progress;
    }
}

/// For a firmware that has nothing to say about updates.
impl Application for () {}
