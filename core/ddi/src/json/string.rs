//! The inside of a JSON string: UTF-8, escapes, and the buffer that keeps the beginning.

use super::{Fault, Text};

/// How much of the scratch buffer is filled, and whether something did not fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    len: usize,
    complete: bool,
}

impl Kept {
    pub(super) const EMPTY: Self = Self {
        len: 0,
        complete: true,
    };

    /// Appends the bytes of one character, all or none; after one that did not fit, nothing more.
    pub(super) fn append(&mut self, scratch: &mut [u8], character: &[u8]) {
        let end = self.len.saturating_add(character.len());
        match scratch.get_mut(self.len..end) {
            Some(room) if self.complete => {
                for (to, from) in room.iter_mut().zip(character) {
                    *to = *from;
                }
                self.len = end;
            }
            _ => self.complete = false,
        }
    }

    pub(super) fn text<'a>(&self, scratch: &'a [u8]) -> Text<'a> {
        // Only whole, checked characters were appended, so the conversion holds.
        let text = scratch
            .get(..self.len)
            .and_then(|bytes| core::str::from_utf8(bytes).ok());
        Text {
            text: text.unwrap_or_default(),
            complete: self.complete && text.is_some(),
        }
    }
}

/// Where inside a string the next byte stands.
#[derive(Debug, Clone, Copy)]
enum Within {
    /// Between two characters.
    Plain,
    /// Inside a character of several bytes: the ones read, and how many and which may follow.
    Utf8 {
        bytes: [u8; 4],
        len: u8,
        missing: u8,
        low: u8,
        high: u8,
    },
    /// After a backslash.
    Escape,
    /// Inside the four digits of `\u`.
    Hex { value: u16, missing: u8 },
}

/// Reads one string, from after its opening quote to its closing one.
#[derive(Debug, Clone, Copy)]
pub(super) struct StringScanner {
    within: Within,
    /// The first half of a surrogate pair whose second half must follow at once.
    surrogate: Option<u16>,
}

impl StringScanner {
    pub(super) const START: Self = Self {
        within: Within::Plain,
        surrogate: None,
    };

    /// Takes one byte; `true` when it was the closing quote.
    pub(super) fn step(
        &mut self,
        kept: &mut Kept,
        scratch: &mut [u8],
        byte: u8,
    ) -> Result<bool, Fault> {
        match self.within {
            Within::Plain => self.plain(kept, scratch, byte),
            Within::Utf8 {
                mut bytes,
                len,
                missing,
                low,
                high,
            } => {
                if !(low..=high).contains(&byte) {
                    return Err(Fault::Utf8);
                }
                if let Some(next) = bytes.get_mut(usize::from(len)) {
                    *next = byte;
                }
                let len = len.saturating_add(1);
                let missing = missing.saturating_sub(1);
                if missing == 0 {
                    kept.append(scratch, bytes.get(..usize::from(len)).unwrap_or_default());
                    self.within = Within::Plain;
                } else {
                    self.within = Within::Utf8 {
                        bytes,
                        len,
                        missing,
                        low: 0x80,
                        high: 0xBF,
                    };
                }
                Ok(false)
            }
            Within::Escape => self.escape(kept, scratch, byte),
            Within::Hex { value, missing } => {
                let digit = char::from(byte).to_digit(16).ok_or(Fault::Escape)?;
                // Four digits of four bits fill the sixteen exactly; `digit` is below 16.
                let value = (value << 4) | u16::try_from(digit).unwrap_or_default();
                if missing > 1 {
                    self.within = Within::Hex {
                        value,
                        missing: missing.saturating_sub(1),
                    };
                } else {
                    self.within = Within::Plain;
                    self.unit(kept, scratch, value)?;
                }
                Ok(false)
            }
        }
    }

    fn plain(&mut self, kept: &mut Kept, scratch: &mut [u8], byte: u8) -> Result<bool, Fault> {
        if self.surrogate.is_some() && byte != b'\\' {
            return Err(Fault::Escape);
        }
        let (missing, low, high) = match byte {
            b'"' => return Ok(true),
            b'\\' => {
                self.within = Within::Escape;
                return Ok(false);
            }
            0x20..=0x7F => {
                kept.append(scratch, &[byte]);
                return Ok(false);
            }
            0x00..=0x1F => return Err(Fault::Syntax),
            // The bounds exclude overlong spellings, surrogates and what is above U+10FFFF.
            0xC2..=0xDF => (1, 0x80, 0xBF),
            0xE0 => (2, 0xA0, 0xBF),
            0xED => (2, 0x80, 0x9F),
            0xE1..=0xEC | 0xEE..=0xEF => (2, 0x80, 0xBF),
            0xF0 => (3, 0x90, 0xBF),
            0xF1..=0xF3 => (3, 0x80, 0xBF),
            0xF4 => (3, 0x80, 0x8F),
            0x80..=0xC1 | 0xF5..=0xFF => return Err(Fault::Utf8),
        };
        self.within = Within::Utf8 {
            bytes: [byte, 0, 0, 0],
            len: 1,
            missing,
            low,
            high,
        };
        Ok(false)
    }

    fn escape(&mut self, kept: &mut Kept, scratch: &mut [u8], byte: u8) -> Result<bool, Fault> {
        if self.surrogate.is_some() && byte != b'u' {
            return Err(Fault::Escape);
        }
        let character = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.within = Within::Hex {
                    value: 0,
                    missing: 4,
                };
                return Ok(false);
            }
            _ => return Err(Fault::Escape),
        };
        self.within = Within::Plain;
        kept.append(scratch, &[character]);
        Ok(false)
    }

    /// Takes one UTF-16 unit that was written as `\uXXXX`.
    fn unit(&mut self, kept: &mut Kept, scratch: &mut [u8], unit: u16) -> Result<(), Fault> {
        let character = match (self.surrogate.take(), unit) {
            (None, 0xD800..=0xDBFF) => {
                self.surrogate = Some(unit);
                return Ok(());
            }
            (None, _) => char::decode_utf16([unit]).next(),
            (Some(first), _) => char::decode_utf16([first, unit]).next(),
        };
        let Some(Ok(character)) = character else {
            return Err(Fault::Escape);
        };
        kept.append(scratch, character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }
}
