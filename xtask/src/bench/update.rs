//! A whole update of a device on this machine, and what its two processes occupy: `otaru demo`,
//! which measures itself.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value as Json;

use super::running::{Process, Running};
use super::{Programs, Value};

/// Measures it.
pub(super) fn measure(programs: &Programs) -> Result<Vec<Value>> {
    let demo = Running::start(Command::new(&programs.otaru).args(["--json", "demo"]))?;
    let mut summaries = Vec::new();
    let mut chip_kib = 0;
    let mut cpu_kib = 0;
    while let Some(line) = demo.next_line() {
        // Each line is a moment to look; the device lives longer than any of them is apart.
        for chip in demo
            .descendants()
            .iter()
            .filter(|process| process.is("host-chip"))
        {
            chip_kib = chip_kib.max(chip.memory_kib());
            for cpu in chip.children() {
                cpu_kib = cpu_kib.max(cpu.memory_kib());
            }
        }
        let Ok(line) = serde_json::from_str::<Json>(&line) else {
            continue;
        };
        if line["phases"].is_array() {
            summaries.push(line);
        }
    }
    let done = summaries
        .iter()
        .find(|summary| summary["status"] == "succeeded");
    let done = done.context("the demo has shown no update that succeeded")?;
    let mut values = vec![
        Value::time(
            "update, click to confirmed",
            seconds(&done["seconds"])?,
            Duration::from_secs(6),
        ),
        Value::plain(
            "update, size of the image",
            format!("{} B", done["image_bytes"]),
        ),
        Value::plain(
            "update, sectors erased in the slot",
            done["sectors_erased"].to_string(),
        ),
    ];
    for phase in done["phases"].as_array().into_iter().flatten() {
        let name = phase["phase"].as_str().unwrap_or("?");
        let took = seconds(&phase["seconds"])?;
        values.push(if name == "pending" {
            let what = "update, request to the first byte of the download";
            Value::time(what, took, Duration::from_secs(1))
        } else {
            Value::plain(&format!("update, {name}"), super::short(took))
        });
    }
    for (name, kib) in [
        ("device, chip process", chip_kib),
        ("device, CPU process", cpu_kib),
    ] {
        if kib > 0 {
            values.push(Value::memory(name, kib, 15));
        }
    }
    Ok(values)
}

fn seconds(value: &Json) -> Result<Duration> {
    let seconds = value
        .as_f64()
        .context("the demo's summary has another form")?;
    Duration::try_from_secs_f64(seconds).context("the demo's summary has an odd duration")
}

impl Process {
    /// Its command line has this argument.
    fn is(&self, argument: &str) -> bool {
        self.arguments().iter().any(|own| own == argument)
    }
}
