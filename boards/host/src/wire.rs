//! What the chip and its CPU say to each other.
//!
//! The CPU's standard input *is* the wire: one end of a socket pair. It survives `execve`, so the
//! bootloader and the firmware that replaces it find the same chip at the same place. Every request
//! gets exactly one reply; integers are little-endian.
//!
//! | request | offset | size | | reply | offset | size |
//! |---|---|---|---|---|---|---|
//! | operation | 0 | 1 | | status, 0 = done | 0 | 1 |
//! | 0 | 1 | 3 | | 0 | 1 | 3 |
//! | first argument | 4 | 4 | | value | 4 | 4 |
//! | second argument | 8 | 4 | | length of what follows | 8 | 4 |
//! | length of what follows | 12 | 4 | | | | |
//!
//! The reply to [`Operation::Hello`] carries a [`Hello`] and four open files: flash (read only),
//! retained RAM (read and write), the board page (read only) and a pipe that is readable while the
//! network is off.
//!
//! The board page says what a read-only file cannot say by itself:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | 1 while the network is off, else 0 |
//! | 4 | 4 | how often the network went off; an open connection from before is dead |
//! | 8 | 4 | number of ranges that fail to read, at most 64 |
//! | 12 | 8 each | offset and length of such a range |

use crate::cause::ResetCause;

/// Version of this protocol; a firmware and a chip of different versions refuse each other.
pub(crate) const VERSION: u32 = 1;
/// Bytes of a request's fixed part.
pub(crate) const REQUEST_LEN: usize = 16;
/// Bytes of a reply's fixed part.
pub(crate) const REPLY_LEN: usize = 12;
/// Most bytes that one request may program.
pub(crate) const PROGRAM_LEN_MAX: usize = 0x1_0000;
/// Files that come with the reply to hello.
pub(crate) const HELLO_FILES: usize = 4;
/// Bit of the recovery button.
pub(crate) const BUTTON_RECOVERY: u32 = 1;
/// Most bytes of console input in one reply.
#[cfg(feature = "chip")]
pub(crate) const CONSOLE_READ_LEN_MAX: u32 = 0x4000;
/// Bytes of a [`Hello`].
pub(crate) const HELLO_LEN: usize = 28;
/// Most ranges that can fail to read at a time.
pub(crate) const BAD_RANGES_MAX: usize = 64;
/// Bytes of the board page.
pub(crate) const PAGE_LEN: usize = PAGE_HEADER_LEN + BAD_RANGES_MAX * 8;
/// Bytes of the board page's fixed part.
pub(crate) const PAGE_HEADER_LEN: usize = 12;

/// What the CPU can ask of the chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Operation {
    /// Who are you, and why was I started? Answered with [`Hello`] and files.
    Hello = 1,
    /// Program the bytes that follow at the first argument.
    Program = 2,
    /// Erase from the first argument, as many bytes as the second says.
    Erase = 3,
    /// Arm the watchdog with the first argument in milliseconds, or change its time-out.
    ArmWatchdog = 4,
    /// Restart the watchdog's time.
    FeedWatchdog = 5,
    /// Reset the CPU. Never answered.
    Reset = 6,
    /// Wait for console input. Answered when there is some: as many bytes as the first argument
    /// says, or fewer. What is typed before the first such request, or before
    /// [`Self::OpenConsole`], is lost.
    ReadConsole = 7,
    /// Which buttons were held at the start? Answered with bits; 0 is the recovery button.
    Buttons = 8,
    /// Keep what is typed from now on.
    OpenConsole = 9,
}

impl Operation {
    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Hello,
            2 => Self::Program,
            3 => Self::Erase,
            4 => Self::ArmWatchdog,
            5 => Self::FeedWatchdog,
            6 => Self::Reset,
            7 => Self::ReadConsole,
            8 => Self::Buttons,
            9 => Self::OpenConsole,
            _ => return None,
        })
    }
}

/// Why the chip refuses an operation. The flash is then as it was, except after
/// [`FlashFault::Failed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FlashFault {
    /// The range is not inside the flash, or an erase reaches where no sectors are.
    OutOfBounds = 1,
    /// Offset or length is no multiple of the write unit or of the erase size.
    Unaligned = 2,
    /// A unit was programmed before and not erased since; even the same bytes are refused.
    NotErased = 3,
    /// The operation was tried and failed, as worn-out flash does. The content is unknown.
    Failed = 4,
    /// The range does not read (ECC error).
    Unreadable = 5,
    /// The request made no sense to the chip.
    BadRequest = 6,
    /// The chip has gone, or its file system failed.
    ChipLost = 7,
}

impl FlashFault {
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    pub(crate) const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::OutOfBounds,
            2 => Self::Unaligned,
            3 => Self::NotErased,
            4 => Self::Failed,
            5 => Self::Unreadable,
            6 => Self::BadRequest,
            _ => Self::ChipLost,
        }
    }
}

impl std::fmt::Display for FlashFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OutOfBounds => "range outside the flash or where it has no sectors",
            Self::Unaligned => "range not on write units or sectors",
            Self::NotErased => "unit was programmed and not erased since",
            Self::Failed => "flash operation failed",
            Self::Unreadable => "flash does not read here",
            Self::BadRequest => "request the chip does not know",
            Self::ChipLost => "the chip does not answer",
        })
    }
}

impl std::error::Error for FlashFault {}

/// What the chip tells a CPU that has just started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hello {
    /// Size of the flash in bytes.
    pub(crate) flash_len: u32,
    /// Write unit in bytes.
    pub(crate) write_unit: u32,
    /// What an erased byte reads as.
    pub(crate) erased: u8,
    /// Why the CPU was started.
    pub(crate) cause: ResetCause,
    /// How often the CPU has started since the device was made, this start included.
    pub(crate) boots: u32,
    /// Time-out of the watchdog in milliseconds, 0 while it is not armed.
    pub(crate) watchdog_ms: u32,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    if let Some(found) = bytes.get(at..at.saturating_add(4)) {
        word.copy_from_slice(found);
    }
    u32::from_le_bytes(word)
}

impl Hello {
    pub(crate) fn encode(&self) -> [u8; HELLO_LEN] {
        let words = [
            VERSION,
            self.flash_len,
            self.write_unit,
            u32::from(self.erased),
            u32::from(self.cause.code()),
            self.boots,
            self.watchdog_ms,
        ];
        let mut out = [0; HELLO_LEN];
        for (to, word) in out.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        out
    }
}

impl Hello {
    /// The version the other side speaks, whatever it is.
    pub(crate) fn version(bytes: &[u8; HELLO_LEN]) -> u32 {
        word(bytes, 0)
    }

    pub(crate) fn decode(bytes: &[u8; HELLO_LEN]) -> Option<Self> {
        Some(Self {
            flash_len: word(bytes, 4),
            write_unit: word(bytes, 8),
            erased: u8::try_from(word(bytes, 12)).ok()?,
            cause: ResetCause::from_code(u8::try_from(word(bytes, 16)).ok()?)?,
            boots: word(bytes, 20),
            watchdog_ms: word(bytes, 24),
        })
    }
}

/// The fixed part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    /// [`Operation`] as it came, possibly unknown.
    pub(crate) operation: u8,
    /// First argument.
    pub(crate) a: u32,
    /// Second argument.
    pub(crate) b: u32,
    /// Bytes that follow.
    pub(crate) len: u32,
}

impl Request {
    pub(crate) fn encode(&self) -> [u8; REQUEST_LEN] {
        let mut out = [0; REQUEST_LEN];
        out[0] = self.operation;
        out[4..8].copy_from_slice(&self.a.to_le_bytes());
        out[8..12].copy_from_slice(&self.b.to_le_bytes());
        out[12..].copy_from_slice(&self.len.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8; REQUEST_LEN]) -> Self {
        Self {
            operation: bytes[0],
            a: word(bytes, 4),
            b: word(bytes, 8),
            len: word(bytes, 12),
        }
    }
}

/// The fixed part of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reply {
    /// 0, or the code of a [`FlashFault`].
    pub(crate) status: u8,
    /// Depends on the operation.
    pub(crate) value: u32,
    /// Bytes that follow.
    pub(crate) len: u32,
}

impl Reply {
    pub(crate) fn encode(&self) -> [u8; REPLY_LEN] {
        let mut out = [0; REPLY_LEN];
        out[0] = self.status;
        out[4..8].copy_from_slice(&self.value.to_le_bytes());
        out[8..].copy_from_slice(&self.len.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8; REPLY_LEN]) -> Self {
        Self {
            status: bytes[0],
            value: word(bytes, 4),
            len: word(bytes, 8),
        }
    }
}

/// Reads a little-endian word of the board page.
pub(crate) fn page_word(page: &[u8], index: usize) -> u32 {
    word(page, index.saturating_mul(4))
}
