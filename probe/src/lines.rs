//! Reads lines with a limit: a line that never ends costs no more memory than the limit.

use std::io::{self, BufRead};

/// One line of input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Without its end.
    Whole(Vec<u8>),
    /// Longer than the limit; all of it was skipped.
    TooLong,
    /// No more input. Bytes without a line end before it are a torn request and count as nothing.
    End,
}

/// Reads the next line of at most `max` bytes.
///
/// # Errors
/// Those of `input`.
pub(crate) fn read(input: &mut impl BufRead, max: usize) -> io::Result<Line> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let available = match input.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(Line::End);
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let part = available
            .get(..end.unwrap_or(available.len()))
            .unwrap_or_default();
        if line.len() + part.len() > max {
            too_long = true;
            line = Vec::new();
        }
        if !too_long {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            return Ok(if too_long {
                Line::TooLong
            } else {
                Line::Whole(line)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_skipped_and_the_next_one_is_whole() {
        // A buffer of 3 bytes, so that lines come in parts.
        let text: &[u8] = b"12345678\n\n123456789\nab\ntorn";
        let mut input = io::BufReader::with_capacity(3, text);
        let mut next = || read(&mut input, 8).unwrap();
        assert_eq!(next(), Line::Whole(b"12345678".to_vec()));
        assert_eq!(next(), Line::Whole(Vec::new()));
        assert_eq!(next(), Line::TooLong);
        assert_eq!(next(), Line::Whole(b"ab".to_vec()));
        assert_eq!(next(), Line::End);
        assert_eq!(next(), Line::End);
    }
}
