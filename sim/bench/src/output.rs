//! What a person sees: the only module that prints, and how numbers are written.

use anyhow::{Context as _, Result};
use std::io::Write as _;
use std::path::Path;

/// Prints one line.
#[expect(clippy::print_stdout, reason = "this module is the program's output")]
pub(crate) fn line(text: &str) {
    println!("{text}");
    // A closed pipe is no reason to stop working.
    let _closed = std::io::stdout().flush().is_err();
}

/// Prints an error with its causes.
#[expect(clippy::print_stderr, reason = "this module is the program's output")]
pub(crate) fn failure(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

/// Writes a file.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Digits in groups of three, with a narrow space that does not break: 12 109.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Milliseconds as seconds with two digits behind the point.
pub(crate) fn seconds(millis: u64) -> String {
    let hundredths = (millis + 5) / 10;
    format!("{}.{:02}", number(hundredths / 100), hundredths % 100)
}

/// Bytes as KiB with one digit behind the point.
pub(crate) fn kib(bytes: u64) -> String {
    let tenths = (bytes * 10 + 512) / 1024;
    format!("{}.{}", number(tenths / 10), tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_rounded() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(12_109), "12\u{202f}109");
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(seconds(1_994), "1.99");
        assert_eq!(seconds(1_995), "2.00");
        assert_eq!(kib(1024), "1.0");
        assert_eq!(kib(1536 + 52), "1.6");
    }
}
