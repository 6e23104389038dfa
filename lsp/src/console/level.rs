//! How bad a line is, by its own words: what loggers write in front, and what Otaru's own parts say.

use crate::protocol::{ConsoleLevel, ConsoleSource};

/// Bytes of a line in which a logger's word is looked for.
const HEAD_LEN: usize = 48;

/// The level of a line.
pub(crate) fn level_of(source: ConsoleSource, text: &str) -> ConsoleLevel {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match source {
        ConsoleSource::Bootloader
            if has(&["nothing to start", "cannot be written", "does not start"]) =>
        {
            ConsoleLevel::Error
        }
        ConsoleSource::Bootloader if has(&["update ended", "damaged", "is lost", "reverting"]) => {
            ConsoleLevel::Warn
        }
        ConsoleSource::Agent if has(&[" failed", "given up", "no updates"]) => ConsoleLevel::Error,
        ConsoleSource::Agent if has(&["offline", "trying again", "withdrawn", "declined"]) => {
            ConsoleLevel::Warn
        }
        ConsoleSource::Application => of_logger(text),
        ConsoleSource::Bootloader | ConsoleSource::Agent | ConsoleSource::Server => {
            ConsoleLevel::Info
        }
    }
}

/// The word that a logger has written near the beginning of the line, in its capitals.
fn of_logger(text: &str) -> ConsoleLevel {
    if text.contains("panicked at") {
        return ConsoleLevel::Error;
    }
    let mut end = HEAD_LEN.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let head = text.get(..end).unwrap_or_default();
    let plain = |c: char| !c.is_ascii_alphanumeric();
    head.split(plain)
        .find_map(|word| match uncoloured(word) {
            "ERROR" | "FATAL" => Some(ConsoleLevel::Error),
            "WARN" | "WARNING" => Some(ConsoleLevel::Warn),
            "INFO" => Some(ConsoleLevel::Info),
            "DEBUG" => Some(ConsoleLevel::Debug),
            "TRACE" => Some(ConsoleLevel::Trace),
            _ => None,
        })
        .unwrap_or(ConsoleLevel::Info)
}

/// A word without the rest of the escape sequence in front of it, `31m` for example.
fn uncoloured(word: &str) -> &str {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
    match rest.strip_prefix('m') {
        Some(plain) if rest.len() < word.len() => plain,
        Some(_) | None => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_from_the_line() {
        for (line, level) in [
            ("Counter: 12", ConsoleLevel::Info),
            ("0.012 [WARN ] battery low", ConsoleLevel::Warn),
            ("\u{1b}[31mERROR\u{1b}[0m sensor 3", ConsoleLevel::Error),
            ("DEBUG tick", ConsoleLevel::Debug),
            ("TRACE: in", ConsoleLevel::Trace),
            ("NO ERRORS", ConsoleLevel::Info),
            (
                "thread 'main' panicked at src/main.rs:3:5:",
                ConsoleLevel::Error,
            ),
            (":: starting", ConsoleLevel::Info),
            (":: update ended: trial-crash", ConsoleLevel::Warn),
            (
                ":: nothing to start: no image that may run",
                ConsoleLevel::Error,
            ),
            ("ota: online", ConsoleLevel::Info),
            ("ota: offline, trying again", ConsoleLevel::Warn),
            ("ota: update 8 failed: interrupted", ConsoleLevel::Error),
            ("é".repeat(60).as_str(), ConsoleLevel::Info),
        ] {
            assert_eq!(level_of(ConsoleSource::of(line), line), level, "{line}");
        }
    }
}
