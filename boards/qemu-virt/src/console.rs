//! The 16550 that is the machine's first serial line. QEMU needs no settings for it.

use crate::registers::{CONSOLE_DATA, CONSOLE_STATUS};
use core::fmt;

const RECEIVED: u8 = 1;
const SENT: u8 = 1 << 5;

/// The console. Everybody may write to it; what two write at once is mixed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Console;

impl Console {
    /// Sends bytes as they are.
    pub fn send(self, bytes: &[u8]) {
        for &byte in bytes {
            while CONSOLE_STATUS.read() & SENT == 0 {}
            CONSOLE_DATA.write(byte);
        }
    }

    /// Sends a line of text.
    pub fn line(mut self, text: fmt::Arguments<'_>) {
        // The console takes everything; a failure is one of a value's `Display`.
        match fmt::Write::write_fmt(&mut self, text) {
            Ok(()) => self.send(b"\n"),
            Err(fmt::Error) => self.send(b"?\n"),
        }
    }

    /// The next byte that came in, if there is one.
    pub fn receive(self) -> Option<u8> {
        (CONSOLE_STATUS.read() & RECEIVED != 0).then(|| CONSOLE_DATA.read())
    }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.send(text.as_bytes());
        Ok(())
    }
}
