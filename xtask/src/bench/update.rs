//! A whole update of a device on this machine, and what its two processes occupy: `otaru demo`,
//! which measures itself.

use std::process::Command;
use std::time::{Duration, Instant};

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
    let mut counter = Counter::default();
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
        counter.look(line["text"].as_str().unwrap_or_default(), Instant::now());
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
    if let Some(gap) = counter.worst {
        values.push(Value::plain(
            "counter, worst gap between two seconds while it runs",
            super::short(gap),
        ));
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

/// The counter's own rhythm: it prints every second, also while an image is received, verified and
/// parked. Only the boot in between does not count.
#[derive(Default)]
struct Counter {
    last: Option<Instant>,
    worst: Option<Duration>,
}

impl Counter {
    fn look(&mut self, text: &str, now: Instant) {
        if text.starts_with(":: ") {
            self.last = None;
        } else if text.starts_with("Counter:") {
            let gap = self.last.map(|last| now.duration_since(last));
            self.worst = self.worst.max(gap);
            self.last = Some(now);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::{Counter, Duration, Instant};

    #[test]
    fn only_gaps_without_a_boot_in_between_count() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut counter = Counter::default();
        for (text, second) in [
            ("Counter:          0", 0),
            ("ota: online", 1),
            ("Counter:          1", 2),
            (":: Otaru bootloader 0.1.0", 3),
            ("Counter:          0", 9),
            ("Counter:          1", 10),
        ] {
            counter.look(text, at(second));
        }
        assert_eq!(counter.worst, Some(Duration::from_secs(2)));
    }
}
