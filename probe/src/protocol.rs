//! Requests and replies: one JSON object a line, described in this crate's README.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::backend::Phase;
use crate::failure::{Code, Failure};

/// Longest line of a request, in bytes.
pub(crate) const LINE_MAX: usize = 64 * 1024;
/// Most segments of a request.
pub(crate) const SEGMENTS_MAX: usize = 64;
/// Most bytes of all segments of a request together.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most bytes that one `read` answers.
pub(crate) const READ_MAX: u64 = 64 * 1024;

/// The operations, for the hint of an unknown one.
const OPS: &str = "list, chip, flash, verify, read, reset, cancel";

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Which probes are there.
    List,
    /// The memory map of a chip.
    Chip(ChipRequest),
    /// Erase, program and verify.
    Flash(FlashRequest),
    /// Compare the flash with files.
    Verify(VerifyRequest),
    /// Bytes of memory.
    Read(ReadRequest),
    /// Reset the chip.
    Reset(ResetRequest),
    /// Stop another request.
    Cancel(CancelRequest),
}

/// Fields of `list`: none.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Fields of `chip`.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChipRequest {
    /// Name of the chip.
    pub chip: String,
}

/// A file and where its bytes go.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileSegment {
    /// Address of the first byte.
    pub address: u64,
    /// Path of the file with the bytes as they are.
    pub file: String,
}

/// Fields of `flash`.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct FlashRequest {
    /// Which probe; not needed if there is one.
    pub probe: Option<String>,
    /// Name of the chip.
    pub chip: String,
    /// What to write.
    pub segments: Vec<FileSegment>,
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// Read back and compare; on unless said otherwise.
    #[serde(default = "yes")]
    pub verify: bool,
}

/// Fields of `verify`.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifyRequest {
    /// Which probe; not needed if there is one.
    pub probe: Option<String>,
    /// Name of the chip.
    pub chip: String,
    /// What the flash should hold.
    pub segments: Vec<FileSegment>,
}

/// Fields of `read`.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadRequest {
    /// Which probe; not needed if there is one.
    pub probe: Option<String>,
    /// Name of the chip.
    pub chip: String,
    /// First address.
    pub address: u64,
    /// Bytes, 1 to [`READ_MAX`].
    pub len: u64,
}

/// Fields of `reset`.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetRequest {
    /// Which probe; not needed if there is one.
    pub probe: Option<String>,
    /// Name of the chip.
    pub chip: String,
}

/// Fields of `cancel`.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelRequest {
    /// The `id` of the request to stop.
    pub request: u64,
}

fn yes() -> bool {
    true
}

/// Takes a line apart. The `id` comes back whenever the line has one, so that the reply can carry it.
pub(crate) fn parse(line: &[u8]) -> (Option<u64>, Result<Op, Failure>) {
    let bad = |why: String| {
        let hint = "send one JSON object a line, such as {\"id\":1,\"op\":\"list\"}";
        Failure::new(Code::BadRequest, why, hint)
    };
    let mut fields: Map<String, Value> = match serde_json::from_slice(line) {
        Ok(fields) => fields,
        Err(error) => return (None, Err(bad(format!("not a JSON object: {error}")))),
    };
    let Some(id) = fields.remove("id").and_then(|id| id.as_u64()) else {
        let why = "`id` must be a whole number from 0 to 2^64-1";
        return (None, Err(bad(why.to_owned())));
    };
    let Some(Value::String(name)) = fields.remove("op") else {
        return (Some(id), Err(bad("`op` must be a string".to_owned())));
    };
    (Some(id), operation(&name, fields))
}

fn operation(name: &str, fields: Map<String, Value>) -> Result<Op, Failure> {
    fn typed<T: DeserializeOwned>(name: &str, fields: Map<String, Value>) -> Result<T, Failure> {
        serde_json::from_value(Value::Object(fields)).map_err(|error| {
            let hint = "the README of otaru-probe lists the fields of each operation";
            Failure::new(Code::BadRequest, format!("{name}: {error}"), hint)
        })
    }
    Ok(match name {
        "list" => {
            let Nothing {} = typed(name, fields)?;
            Op::List
        }
        "chip" => Op::Chip(typed(name, fields)?),
        "flash" => Op::Flash(typed(name, fields)?),
        "verify" => Op::Verify(typed(name, fields)?),
        "read" => Op::Read(typed(name, fields)?),
        "reset" => Op::Reset(typed(name, fields)?),
        "cancel" => Op::Cancel(typed(name, fields)?),
        _ => {
            let shown: String = name.chars().take(32).collect();
            let message = format!("no operation is called {shown:?}");
            let hint = format!("operations: {OPS}");
            return Err(Failure::new(Code::UnknownOp, message, hint));
        }
    })
}

/// Writes replies and events, each as one whole line, from several threads.
pub(crate) struct Replies<W: Write> {
    output: Mutex<W>,
}

impl<W: Write> Replies<W> {
    /// Writes to `output`, to which nobody else may write.
    pub(crate) fn new(output: W) -> Self {
        Self {
            output: Mutex::new(output),
        }
    }

    /// Answers the request `id`; none if the line had no readable one.
    ///
    /// # Errors
    /// The other side is gone.
    pub(crate) fn answer(
        &self,
        id: Option<u64>,
        result: Result<Map<String, Value>, Failure>,
    ) -> io::Result<()> {
        let mut line = Map::new();
        line.insert("id".to_owned(), json!(id));
        line.insert("ok".to_owned(), json!(result.is_ok()));
        match result {
            Ok(fields) => line.extend(fields),
            Err(failure) => {
                line.insert("error".to_owned(), json!(failure));
            }
        }
        self.line(&line)
    }

    /// Tells how far the request `id` is.
    ///
    /// # Errors
    /// The other side is gone.
    pub(crate) fn progress(&self, id: u64, phase: Phase, done: u64, total: u64) -> io::Result<()> {
        let event = json!({
            "id": id, "event": "progress", "phase": phase, "done": done, "total": total,
        });
        self.line(&event)
    }

    fn line(&self, value: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(value)?;
        text.push(b'\n');
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(&text)?;
        output.flush()
    }
}
