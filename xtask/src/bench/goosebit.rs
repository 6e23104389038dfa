//! A third-party device manager, for comparison: start, memory, processor time of a poll.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value as Json;

use super::http::Connection;
use super::running::Running;
use super::{Programs, Value, short};
use crate::workspace;

const POLLS: u32 = 2_000;

/// Measures it.
pub(super) fn measure(programs: &Programs) -> Result<Vec<Value>> {
    let script = workspace::root().join("tests/interop/goosebit_server.py");
    let server = Running::start(
        Command::new(&programs.python)
            .arg(&script)
            .args(["--device", "bench", "--version", "1.0.0", "--image"])
            .arg(&script)
            .args(["--registered", "--quiet"]),
    )?;
    let ready: Json = serde_json::from_str(&format!("{{\"event{}", server.after("{\"event")?))?;
    let start = short(server.age());
    let url = ready["url"].as_str().context("goosebit has no address")?;
    let mut connection = Connection::open(url)?;
    let mut poll = || {
        connection.send("GET /DEFAULT/controller/v1/bench", &[], "")?;
        connection.receive()
    };
    poll()?;
    let idle = server.memory_kib()?;
    let before = server.processor_time()?;
    for _ in 0..POLLS {
        poll()?;
    }
    let each = server.processor_time()?.saturating_sub(before) / POLLS;
    Ok(vec![
        Value::plain("goosebit, start to first answer", start),
        Value::plain(
            "goosebit, after one poll",
            format!("{} MB", idle * 1024 / 1_000_000),
        ),
        Value::plain(
            "goosebit, processor time of a poll with 1 device, update offered",
            short(each),
        ),
    ])
}
