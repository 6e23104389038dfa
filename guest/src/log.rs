//! Lines on the console, formatted without a heap.

use core::fmt::{self, Write};

use otaru_abi::{Level, limits};

use crate::host;

/// Bytes of a line; what is longer is cut.
pub const LINE_LEN_MAX: usize = limits::LOG_LEN_MAX as usize;

/// A text of at most `N` bytes; what does not fit is cut at the end of a character.
#[derive(Debug, Clone)]
pub struct Line<const N: usize = LINE_LEN_MAX> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Line<N> {
    /// An empty one.
    pub const fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    /// What was written so far.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl<const N: usize> Default for Line<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Write for Line<N> {
    /// # Errors
    /// If not everything fits; what fits stands there.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = N.saturating_sub(self.len);
        let mut len = text.len().min(room);
        while !text.is_char_boundary(len) {
            len = len.saturating_sub(1);
        }
        let end = self.len.saturating_add(len);
        if let (Some(to), Some(from)) = (
            self.bytes.get_mut(self.len..end),
            text.as_bytes().get(..len),
        ) {
            to.copy_from_slice(from);
            self.len = end;
        }
        if len == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

/// Prints a line; the macros are shorter.
pub fn line(level: Level, text: fmt::Arguments<'_>) {
    // A text without arguments needs no formatting, which is most of the code.
    if let Some(plain) = text.as_str().filter(|plain| plain.len() <= LINE_LEN_MAX) {
        let _shown = host::log(level.number(), plain);
        return;
    }
    let mut line = Line::<LINE_LEN_MAX>::new();
    // A line that is too long is cut, and a device without a console says nothing.
    let _cut = line.write_fmt(text);
    let _shown = host::log(level.number(), line.as_str());
}

/// Prints a line: something failed.
#[macro_export]
macro_rules! error {
    ($($text:tt)+) => { $crate::log::line($crate::Level::Error, ::core::format_args!($($text)+)) };
}

/// Prints a line: something is not as it should be.
#[macro_export]
macro_rules! warn {
    ($($text:tt)+) => { $crate::log::line($crate::Level::Warn, ::core::format_args!($($text)+)) };
}

/// Prints a line: what the application does.
#[macro_export]
macro_rules! info {
    ($($text:tt)+) => { $crate::log::line($crate::Level::Info, ::core::format_args!($($text)+)) };
}

/// Prints a line: details for the application's author.
#[macro_export]
macro_rules! debug {
    ($($text:tt)+) => { $crate::log::line($crate::Level::Debug, ::core::format_args!($($text)+)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let mut line = Line::<5>::new();
        assert!(line.write_str("abc").is_ok());
        assert!(line.write_str("xäy").is_err());
        assert_eq!(line.as_str(), "abcx");
    }
}
