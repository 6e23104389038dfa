//! What the agent says on the debug console, and how text gets there.
//!
//! Every line goes to the board's console and to the tail in retained RAM, whole or in pieces.

use core::fmt::{self, Write};

use heapless::String;
use otaru_record::Cause;

use crate::session::Text;
use crate::{Platform, Version, tail};

/// Bytes that are collected before they are written.
const PIECE_LEN: usize = 128;

/// Prints a line on the console and keeps it in the console tail. A newline is added.
pub fn print_line<P: Platform>(platform: &P, line: fmt::Arguments<'_>) {
    let mut out = Out {
        platform,
        piece: String::new(),
    };
    // A failing `Display` of the application costs it the rest of the line, nothing else.
    let _complete = out.write_fmt(line).and_then(|()| out.write_char('\n'));
    out.flush();
}

struct Out<'a, P> {
    platform: &'a P,
    piece: String<PIECE_LEN>,
}

impl<P: Platform> Out<'_, P> {
    fn flush(&mut self) {
        let piece = self.piece.as_str();
        if !piece.is_empty() {
            self.platform.print(piece);
            self.platform
                .with_retained(&mut |buf| tail::push(buf, piece));
        }
        self.piece.clear();
    }
}

impl<P: Platform> Write for Out<'_, P> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.piece.push(character).is_err() {
                self.flush();
                // Fits now: the buffer is empty and a character has at most four bytes.
                let _fits = self.piece.push(character);
            }
        }
        Ok(())
    }
}

/// Something worth a line on the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The firmware has started.
    Running(Version),
    /// The manager answers.
    Online,
    /// The manager does not answer any more.
    Offline,
    /// The manager answers with this status only.
    Denied(u16),
    /// The manager offers an update.
    Offered {
        /// Action id.
        attempt: u64,
        /// What runs.
        from: Version,
        /// What is offered.
        to: Text,
        /// Bytes of the image.
        len: u32,
    },
    /// The running firmware is copied to storage first.
    BackingUp,
    /// The download goes on from this byte.
    Resuming(u32),
    /// Percent of the download.
    Received(u8),
    /// What was stored is read back.
    Verifying,
    /// The image is good and waits.
    Parked(Text),
    /// The application does not want the install now.
    NotNow(Text),
    /// The device resets and installs.
    Resetting(Version),
    /// This firmware is on trial.
    Trial {
        /// Action id.
        attempt: u64,
        /// Seconds to confirm.
        deadline_s: u16,
    },
    /// This firmware is now the confirmed one.
    Confirmed(Version),
    /// This firmware gives itself up.
    Refused(Cause),
    /// An attempt ended without success.
    Failed {
        /// Action id.
        attempt: u64,
        /// Why.
        cause: Cause,
    },
    /// The manager withdrew the attempt.
    Withdrawn(u64),
    /// What runs is what is offered.
    UpToDate,
    /// Another update is under way.
    Busy(u64),
    /// There are no updates until the next reset, and why.
    Stopped(&'static str),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ota: ")?;
        match self {
            Self::Running(version) => write!(f, "running version {version}"),
            Self::Online => f.write_str("online"),
            Self::Offline => f.write_str("offline, trying again"),
            Self::Denied(200) => f.write_str("the manager's answer makes no sense, trying again"),
            Self::Denied(status) => write!(f, "the manager answers {status}, trying again"),
            Self::Offered {
                attempt,
                from,
                to,
                len,
            } => write!(f, "update {attempt} offered: {from} to {to}, {len} bytes"),
            Self::BackingUp => f.write_str("copying the running firmware to storage first"),
            Self::Resuming(at) => write!(f, "download goes on from byte {at}"),
            Self::Received(percent) => write!(f, "download {percent} %"),
            Self::Verifying => f.write_str("verifying what was stored"),
            Self::Parked(version) => write!(f, "verified; version {version} is parked"),
            Self::NotNow(text) => write!(f, "the application says not now: {text}"),
            Self::Resetting(version) => {
                write!(f, "version {version} ends here; resetting to install")
            }
            Self::Trial {
                attempt,
                deadline_s,
            } => write!(
                f,
                "on trial for update {attempt}, {deadline_s} s to confirm"
            ),
            Self::Confirmed(version) => write!(f, "confirmed: version {version} stays"),
            Self::Refused(cause) => {
                write!(f, "trial given up ({}); resetting to revert", Named(*cause))
            }
            Self::Failed { attempt, cause } => {
                write!(f, "update {attempt} failed: {}", Named(*cause))
            }
            Self::Withdrawn(attempt) => write!(f, "update {attempt} was withdrawn"),
            Self::UpToDate => f.write_str("the offered version already runs"),
            Self::Busy(attempt) => write!(f, "update {attempt} declined: another is under way"),
            Self::Stopped(why) => write!(f, "no updates: {why}"),
        }
    }
}

/// A cause by the name it has on the wire.
struct Named(Cause);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match crate::session::reason_of(self.0) {
            Some(reason) => f.write_str(reason.name()),
            None => f.write_str("no reason"),
        }
    }
}
