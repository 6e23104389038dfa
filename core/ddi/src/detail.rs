//! The lines in `details` of a feedback: the one for machines, and those for people.
//!
//! ```
//! use otaru_ddi::{DetailLine, Phase};
//!
//! let line = DetailLine { bytes: Some(4096), ..DetailLine::new(Phase::Downloading) };
//! assert_eq!(line.to_string(), "otaru phase=downloading bytes=4096");
//! assert_eq!(DetailLine::parse("otaru phase=downloading bytes=4096"), Ok(line));
//! ```

use core::fmt::{self, Write};

use crate::codes::{Phase, Reason};
use crate::scalar::hex;

/// The first word of a line for machines.
const WORD: &str = "otaru";
const CONSOLE: &str = "console: ";
const REFUSAL: &str = "refusal: ";

/// Bytes of a version that are sent in a line; a longer one is shortened.
const VERSION_SENT_MAX: usize = 96;

/// The line for machines, `details[0]` of every feedback of an Otaru device.
///
/// [`fmt::Display`] writes it, [`DetailLine::parse`] reads it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetailLine<'a> {
    /// Where the attempt stands, or stood when it failed.
    pub phase: Phase,
    /// Why it failed.
    pub reason: Option<Reason>,
    /// SHA-256 of the complete image file that runs now.
    pub digest: Option<[u8; 32]>,
    /// First 8 bytes of the digest of the image that ran before the attempt.
    pub from: Option<[u8; 8]>,
    /// First 8 bytes of the digest of the image that the attempt is for.
    pub to: Option<[u8; 8]>,
    /// The label of the running firmware. White space and control characters are sent as `_`.
    pub version: Option<&'a str>,
    /// Bytes received so far.
    pub bytes: Option<u32>,
    /// Erase operations of the install.
    pub erases: Option<u32>,
    /// Program operations of the install.
    pub programs: Option<u32>,
    /// Chunks in which the two images of the install differ.
    pub chunks: Option<u32>,
    /// Resets survived during the install.
    pub cuts: Option<u32>,
    /// Milliseconds of the install.
    pub ms: Option<u32>,
}

/// Why a line is not one for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetailError {
    /// It does not begin with the word `otaru`: it is text for people.
    NotOtaru,
    /// It has no phase.
    NoPhase,
    /// The value of this key cannot be understood.
    Invalid {
        /// The key.
        key: &'static str,
    },
}

impl fmt::Display for DetailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOtaru => f.write_str("not a detail line of an Otaru device"),
            Self::NoPhase => f.write_str("detail line without a phase"),
            Self::Invalid { key } => write!(f, "detail line with an unknown value of {key}"),
        }
    }
}

impl core::error::Error for DetailError {}

impl<'a> DetailLine<'a> {
    /// A line that says nothing but the phase.
    pub const fn new(phase: Phase) -> Self {
        Self {
            phase,
            reason: None,
            digest: None,
            from: None,
            to: None,
            version: None,
            bytes: None,
            erases: None,
            programs: None,
            chunks: None,
            cuts: None,
            ms: None,
        }
    }

    /// Reads a line. Unknown keys are ignored, so that newer devices can say more; of a key that
    /// comes twice the last value holds.
    ///
    /// # Errors
    /// [`DetailError::NotOtaru`] for a line of text: show it as it is. The others for a line that
    /// a device of this version would not send: show it as text, too.
    pub fn parse(line: &'a str) -> Result<Self, DetailError> {
        let mut words = line.split(' ');
        if words.next() != Some(WORD) {
            return Err(DetailError::NotOtaru);
        }
        let mut phase = None;
        // The phase is replaced by the one in the line; without one there is no result.
        let mut read = Self::new(Phase::Downloading);
        for word in words {
            let Some((key, value)) = word.split_once('=') else {
                continue;
            };
            match key {
                "phase" => phase = Some(known("phase", Phase::from_name(value).ok())?),
                "reason" => read.reason = Some(known("reason", Reason::from_name(value).ok())?),
                "digest" => read.digest = Some(known("digest", hex(value))?),
                "from" => read.from = Some(known("from", hex(value))?),
                "to" => read.to = Some(known("to", hex(value))?),
                "version" => read.version = Some(value),
                "bytes" => read.bytes = Some(number("bytes", value)?),
                "erases" => read.erases = Some(number("erases", value)?),
                "programs" => read.programs = Some(number("programs", value)?),
                "chunks" => read.chunks = Some(number("chunks", value)?),
                "cuts" => read.cuts = Some(number("cuts", value)?),
                "ms" => read.ms = Some(number("ms", value)?),
                _ => {}
            }
        }
        Ok(Self {
            phase: phase.ok_or(DetailError::NoPhase)?,
            ..read
        })
    }
}

fn known<T>(key: &'static str, value: Option<T>) -> Result<T, DetailError> {
    value.ok_or(DetailError::Invalid { key })
}

fn number(key: &'static str, value: &str) -> Result<u32, DetailError> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    known(key, value.parse().ok().filter(|_| digits))
}

impl fmt::Display for DetailLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{WORD} phase={}", self.phase)?;
        if let Some(reason) = self.reason {
            write!(f, " reason={reason}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, " digest={}", Hex(digest))?;
        }
        for (key, image) in [("from", &self.from), ("to", &self.to)] {
            if let Some(image) = image {
                write!(f, " {key}={}", Hex(image))?;
            }
        }
        if let Some(version) = self.version {
            f.write_str(" version=")?;
            for character in beginning(version, VERSION_SENT_MAX).chars() {
                let unfit = character.is_whitespace() || character.is_control();
                f.write_char(if unfit { '_' } else { character })?;
            }
        }
        let counts = [
            ("bytes", self.bytes),
            ("erases", self.erases),
            ("programs", self.programs),
            ("chunks", self.chunks),
            ("cuts", self.cuts),
            ("ms", self.ms),
        ];
        for (key, count) in counts {
            if let Some(count) = count {
                write!(f, " {key}={count}")?;
            }
        }
        Ok(())
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The longest beginning of `text` that has at most `max` bytes and ends between two characters.
pub(crate) fn beginning(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max))
        .unwrap_or_default()
}

/// A line for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail<'a> {
    /// Free text.
    Text(&'a str),
    /// One of the last lines that the failing firmware wrote to its console.
    Console(&'a str),
    /// The application's own text: why it refused, or what its health check found.
    Refusal(&'a str),
}

impl<'a> Detail<'a> {
    /// Tells the kinds of line apart again.
    pub fn parse(line: &'a str) -> Self {
        match (line.strip_prefix(CONSOLE), line.strip_prefix(REFUSAL)) {
            (Some(text), _) => Self::Console(text),
            (None, Some(text)) => Self::Refusal(text),
            (None, None) => Self::Text(line),
        }
    }
}

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, text) = match self {
            Self::Text(text) => ("", text),
            Self::Console(text) => (CONSOLE, text),
            Self::Refusal(text) => (REFUSAL, text),
        };
        f.write_str(prefix)?;
        f.write_str(text)
    }
}
