//! Boots that start nothing: why, and what recovery needs to go on from there.

use core::fmt;
use otaru_flash::{DeviceBlock, DeviceBlockError};
use otaru_record::{Cause, Journal, LoadError};

/// A boot that starts nothing. The record is decoded once per boot, so whoever goes on from here
/// must take this one.
#[derive(Debug)]
pub struct Stopped {
    /// Why.
    pub reason: Recovery,
    /// What the device is, if its block can be used.
    pub block: Option<DeviceBlock>,
    /// The record, if there is one.
    pub journal: Option<Journal>,
}

/// Why nothing can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// The device block cannot be used: flash the board by cable.
    DeviceBlock(DeviceBlockError),
    /// The flash does not hold the device block, or cannot be read there.
    FlashRead,
    /// The record area does not fit the layout.
    Record(LoadError),
    /// The record cannot be written.
    RecordWrite,
    /// No image that verifies, and no backup that may run.
    NoImage(Cause),
    /// The copy buffer is too small or no multiple of two write units.
    Buffer,
    /// An image could be started, but whoever switched the device on asked for recovery.
    Requested,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeviceBlock(cause) => write!(f, "{cause}"),
            Self::FlashRead => f.write_str("the device block cannot be read"),
            Self::Record(cause) => write!(f, "{cause}"),
            Self::RecordWrite => f.write_str("the record cannot be written"),
            Self::NoImage(cause) => {
                write!(
                    f,
                    "no image that may run (code {}): flash the board by cable",
                    cause.code()
                )
            }
            Self::Buffer => f.write_str("the copy buffer does not fit the write unit"),
            Self::Requested => f.write_str("recovery was asked for"),
        }
    }
}
