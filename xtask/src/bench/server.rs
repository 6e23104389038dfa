//! The language server: from the start of the process to its answer to `initialize`.

use std::io::{Read, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value as Json, json};

use super::{Programs, Value};

const RUNS: usize = 10;

/// Measures it.
pub(super) fn measure(programs: &Programs) -> Result<Vec<Value>> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(initialize(programs)?);
    }
    times.sort();
    let middle = times
        .get(RUNS / 2)
        .copied()
        .context("no run was measured")?;
    let what = "language server, start of the process to initialized";
    Ok(vec![Value::time(what, middle, Duration::from_millis(50))])
}

fn initialize(programs: &Programs) -> Result<Duration> {
    let started = Instant::now();
    let mut child = Command::new(&programs.otaru)
        .arg("lsp")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start `otaru lsp`")?;
    let params = json!({"processId": null, "rootUri": null, "capabilities": {}});
    let message =
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).to_string();
    let mut input = child.stdin.take().context("its input is a pipe")?;
    write!(input, "Content-Length: {}\r\n\r\n{message}", message.len())?;
    let mut output = child.stdout.take().context("its output is a pipe")?;
    let reply: Json = serde_json::from_slice(&read_message(&mut output)?)?;
    let took = started.elapsed();
    let _ended = child.kill().is_err() || child.wait().is_err();
    if reply["result"]["capabilities"].is_object() {
        Ok(took)
    } else {
        bail!("`otaru lsp` answered {reply}");
    }
}

/// Reads one message of the language server protocol.
pub(super) fn read_message(input: &mut impl Read) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        input
            .read_exact(&mut byte)
            .context("the program closed its output")?;
        head.extend(byte);
        if head.len() > 4096 {
            bail!("the program's output is no message");
        }
    }
    let head = String::from_utf8_lossy(&head);
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length:"));
    let length: usize = length.context("a message has no length")?.trim().parse()?;
    let mut body = vec![0; length.min(1 << 24)];
    input
        .read_exact(&mut body)
        .context("a message ends early")?;
    Ok(body)
}
