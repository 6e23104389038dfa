//! Turns bytes into events: the grammar of JSON as a state machine, one byte a step.

use super::string::{Kept, StringScanner};
use super::{Container, DEPTH_MAX, Fault, Text};

/// Something that is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The key of a member, with its text.
    Key,
    /// A string value, with its text.
    String,
    /// A number, with its text.
    Number,
    Bool(bool),
    Null,
    Begin(Container),
    End,
}

/// What one byte did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It was taken.
    Taken,
    /// It was taken and completed something.
    Event(Event),
    /// It showed that something before it is complete; it was not taken and must be given again.
    Before(Event),
}

/// The parts of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

impl Number {
    /// The part to which `byte` belongs when it follows this part.
    const fn next(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus, b'1'..=b'9') | (Self::Integer, b'0'..=b'9') => Self::Integer,
            (Self::Zero | Self::Integer, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Self::Exponent,
            (Self::Exponent, b'+' | b'-') => Self::ExponentSign,
            (Self::Exponent | Self::ExponentSign | Self::ExponentDigits, b'0'..=b'9') => {
                Self::ExponentDigits
            }
            _ => return None,
        })
    }

    /// Whether a number may end after this part.
    const fn may_end(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Integer | Self::Fraction | Self::ExponentDigits
        )
    }
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// A value must begin.
    Value,
    /// After `[`: a value or the end.
    FirstElement,
    /// After `{`: a key or the end.
    FirstKey,
    /// After `,` in an object: a key.
    Key,
    /// After a key: `:`.
    Colon,
    /// After a value inside an object or array: `,` or the end.
    After,
    /// After the outermost value: only white space.
    Done,
    /// Inside a string, which is a key or a value.
    String { key: bool, string: StringScanner },
    /// Inside a number.
    Number(Number),
    /// Inside `true`, `false` or `null`: what is missing, and what it will be.
    Literal {
        missing: &'static [u8],
        event: Event,
    },
}

/// Which objects and arrays are open: one bit each, set for an object.
#[derive(Debug, Clone, Copy)]
struct Open {
    depth: usize,
    objects: u32,
}

// One bit per level.
const _: () = assert!(DEPTH_MAX <= u32::BITS as usize);

impl Open {
    fn enter(&mut self, container: Container) -> Result<(), Fault> {
        if self.depth >= DEPTH_MAX {
            return Err(Fault::Depth);
        }
        self.depth = self.depth.saturating_add(1);
        self.objects = (self.objects << 1) | u32::from(container == Container::Object);
        Ok(())
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.objects >>= 1;
    }

    fn innermost(self) -> Option<Container> {
        match (self.depth, self.objects & 1) {
            (0, _) => None,
            (_, 0) => Some(Container::Array),
            (_, _) => Some(Container::Object),
        }
    }
}

pub(super) struct Scanner {
    state: State,
    open: Open,
    kept: Kept,
}

impl Scanner {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Value,
            open: Open {
                depth: 0,
                objects: 0,
            },
            kept: Kept::EMPTY,
        }
    }

    /// The text of the string or number that the last event reported.
    pub(super) fn text<'a>(&self, scratch: &'a [u8]) -> Text<'a> {
        self.kept.text(scratch)
    }

    /// Ends the document; a number may only now be complete.
    pub(super) fn finish(&mut self) -> Result<Option<Event>, Fault> {
        if let State::Number(part) = self.state
            && self.open.depth == 0
            && part.may_end()
        {
            self.state = State::Done;
            return Ok(Some(Event::Number));
        }
        if matches!(self.state, State::Done) {
            Ok(None)
        } else {
            Err(Fault::Incomplete)
        }
    }

    pub(super) fn step(&mut self, scratch: &mut [u8], byte: u8) -> Result<Step, Fault> {
        match &mut self.state {
            State::String { key, string } => {
                if !string.step(&mut self.kept, scratch, byte)? {
                    return Ok(Step::Taken);
                }
                if *key {
                    self.state = State::Colon;
                    return Ok(Step::Event(Event::Key));
                }
                Ok(Step::Event(self.value(Event::String)))
            }
            State::Number(part) => {
                if let Some(next) = part.next(byte) {
                    *part = next;
                    self.kept.append(scratch, &[byte]);
                    return Ok(Step::Taken);
                }
                if !part.may_end() {
                    return Err(Fault::Syntax);
                }
                Ok(Step::Before(self.value(Event::Number)))
            }
            State::Literal { missing, event } => match missing.split_first() {
                Some((first, [])) if *first == byte => {
                    let event = *event;
                    Ok(Step::Event(self.value(event)))
                }
                Some((first, rest)) if *first == byte => {
                    *missing = rest;
                    Ok(Step::Taken)
                }
                _ => Err(Fault::Syntax),
            },
            State::Value
            | State::FirstElement
            | State::FirstKey
            | State::Key
            | State::Colon
            | State::After
            | State::Done => {
                if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                    return Ok(Step::Taken);
                }
                self.between(scratch, byte)
            }
        }
    }

    /// A byte outside of strings, numbers and literals that is not white space.
    fn between(&mut self, scratch: &mut [u8], byte: u8) -> Result<Step, Fault> {
        match (self.state, byte) {
            (State::FirstElement, b']') | (State::FirstKey, b'}') => Ok(self.close()),
            (State::Value | State::FirstElement, _) => self.begin(scratch, byte),
            (State::FirstKey | State::Key, b'"') => {
                self.kept = Kept::EMPTY;
                self.state = State::String {
                    key: true,
                    string: StringScanner::START,
                };
                Ok(Step::Taken)
            }
            (State::Colon, b':') => {
                self.state = State::Value;
                Ok(Step::Taken)
            }
            (State::After, _) => match (self.open.innermost(), byte) {
                (Some(Container::Object), b',') => {
                    self.state = State::Key;
                    Ok(Step::Taken)
                }
                (Some(Container::Array), b',') => {
                    self.state = State::Value;
                    Ok(Step::Taken)
                }
                (Some(Container::Object), b'}') | (Some(Container::Array), b']') => {
                    Ok(self.close())
                }
                _ => Err(Fault::Syntax),
            },
            _ => Err(Fault::Syntax),
        }
    }

    /// The first byte of a value.
    fn begin(&mut self, scratch: &mut [u8], byte: u8) -> Result<Step, Fault> {
        self.kept = Kept::EMPTY;
        let state = match byte {
            b'{' => {
                self.open.enter(Container::Object)?;
                self.state = State::FirstKey;
                return Ok(Step::Event(Event::Begin(Container::Object)));
            }
            b'[' => {
                self.open.enter(Container::Array)?;
                self.state = State::FirstElement;
                return Ok(Step::Event(Event::Begin(Container::Array)));
            }
            b'"' => State::String {
                key: false,
                string: StringScanner::START,
            },
            b't' => State::Literal {
                missing: b"rue",
                event: Event::Bool(true),
            },
            b'f' => State::Literal {
                missing: b"alse",
                event: Event::Bool(false),
            },
            b'n' => State::Literal {
                missing: b"ull",
                event: Event::Null,
            },
            b'-' | b'0'..=b'9' => {
                self.kept.append(scratch, &[byte]);
                State::Number(match byte {
                    b'-' => Number::Minus,
                    b'0' => Number::Zero,
                    _ => Number::Integer,
                })
            }
            _ => return Err(Fault::Syntax),
        };
        self.state = state;
        Ok(Step::Taken)
    }

    fn close(&mut self) -> Step {
        self.open.leave();
        Step::Event(self.value(Event::End))
    }

    /// A value is complete.
    fn value(&mut self, event: Event) -> Event {
        self.state = if self.open.depth == 0 {
            State::Done
        } else {
            State::After
        };
        event
    }
}
