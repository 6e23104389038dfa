//! Where a body goes: a buffer, or a counter; and how a text becomes a JSON string.

use core::fmt::{self, Write};

/// The buffer is too small for the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the buffer is too small for the message")
    }
}

impl core::error::Error for Overflow {}

/// Bytes that writing `body` gives: the value of `Content-Length`.
pub fn body_len(body: &impl fmt::Display) -> usize {
    struct Counter(usize);
    impl Write for Counter {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 = self.0.saturating_add(text.len());
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Counting cannot fail; a body that failed by itself would be as long as what it wrote.
    write!(counter, "{body}").unwrap_or_default();
    counter.0
}

/// Writes `body` to the beginning of `buffer` and returns what was written.
///
/// # Errors
/// [`Overflow`] when it does not fit; `buffer` then holds nothing of use.
pub fn write_body<'b>(
    body: &impl fmt::Display,
    buffer: &'b mut [u8],
) -> Result<&'b [u8], Overflow> {
    struct Cursor<'c> {
        buffer: &'c mut [u8],
        len: usize,
    }
    impl Write for Cursor<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let end = self.len.saturating_add(text.len());
            let room = self.buffer.get_mut(self.len..end).ok_or(fmt::Error)?;
            for (to, from) in room.iter_mut().zip(text.bytes()) {
                *to = from;
            }
            self.len = end;
            Ok(())
        }
    }
    let mut cursor = Cursor { buffer, len: 0 };
    if write!(cursor, "{body}").is_err() {
        return Err(Overflow);
    }
    let Cursor { buffer, len } = cursor;
    buffer.get(..len).ok_or(Overflow)
}

/// `value` as a JSON string of at most `max` bytes before escaping, cut between two characters.
pub(super) const fn quoted<T: fmt::Display>(value: &T, max: usize) -> Quoted<'_, T> {
    Quoted { value, max }
}

pub(super) struct Quoted<'a, T> {
    value: &'a T,
    max: usize,
}

impl<T: fmt::Display> fmt::Display for Quoted<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        write!(
            Escaper {
                out: &mut *f,
                room: self.max
            },
            "{}",
            self.value
        )?;
        f.write_char('"')
    }
}

/// Escapes what is written through it, and drops everything after `room` bytes.
struct Escaper<'a, W> {
    out: &'a mut W,
    room: usize,
}

impl<W: Write> Write for Escaper<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let Some(room) = self.room.checked_sub(character.len_utf8()) else {
                self.room = 0;
                return Ok(());
            };
            self.room = room;
            match character {
                '"' => self.out.write_str("\\\"")?,
                '\\' => self.out.write_str("\\\\")?,
                '\n' => self.out.write_str("\\n")?,
                '\r' => self.out.write_str("\\r")?,
                '\t' => self.out.write_str("\\t")?,
                '\0'..='\x1F' => write!(self.out, "\\u{:04x}", u32::from(character))?,
                _ => self.out.write_char(character)?,
            }
        }
        Ok(())
    }
}
