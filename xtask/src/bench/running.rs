//! A program under measurement: its output, its processor time and its memory.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const PATIENCE: Duration = Duration::from_mins(1);

/// Ticks of processor time in a second; the same on every Linux that matters.
const TICKS_PER_S: u64 = 100;

/// A running program; ends with this value.
pub(super) struct Running {
    child: Child,
    started: Instant,
    lines: Receiver<String>,
}

impl Running {
    /// Starts it, reading its output line by line.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let output = child.stdout.take().context("its output is a pipe")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            BufReader::new(output)
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Ok(Self {
            child,
            started,
            lines,
        })
    }

    /// Waits for the line that contains `mark`, and returns what follows the mark.
    pub(super) fn after(&self, mark: &str) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                bail!("the program has not printed `{mark}`");
            };
            if let Some((_, rest)) = line.split_once(mark) {
                return Ok(rest.trim().to_owned());
            }
        }
    }

    /// Its next line; `None` when it has ended or has been silent for too long.
    pub(super) fn next_line(&self) -> Option<String> {
        self.lines.recv_timeout(PATIENCE * 10).ok()
    }

    /// Every process below it.
    pub(super) fn descendants(&self) -> Vec<Process> {
        let mut found = vec![Process(self.child.id())];
        let mut at = 0;
        while let Some(parent) = found.get(at) {
            found.extend(parent.children());
            at += 1;
        }
        found
    }

    /// Since it was started.
    pub(super) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Processor time of all its threads so far.
    pub(super) fn processor_time(&self) -> Result<Duration> {
        let text = self.proc_file("stat")?;
        // The second field is the name in parentheses, which may contain anything.
        let (_, rest) = text
            .rsplit_once(')')
            .context("/proc/…/stat has another form")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |index: usize| -> Result<u64> {
            let field = fields.get(index).context("/proc/…/stat is too short")?;
            field.parse().context("/proc/…/stat has no number there")
        };
        // Fields 14 and 15 of the whole line: user and system time.
        Ok(Duration::from_millis(
            (ticks(11)? + ticks(12)?) * 1000 / TICKS_PER_S,
        ))
    }

    /// Memory that it occupies now, in KiB.
    pub(super) fn memory_kib(&self) -> Result<u64> {
        match Process(self.child.id()).memory_kib() {
            0 => bail!("the program has ended"),
            kib => Ok(kib),
        }
    }

    fn proc_file(&self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/{name}", self.child.id());
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Either may say that it has ended already, which is what we want.
        let _ended = self.child.kill().is_err() || self.child.wait().is_err();
    }
}

/// Some process of this machine, which may have ended.
pub(super) struct Process(u32);

impl Process {
    /// The process of a child.
    pub(super) fn of(child: &Child) -> Self {
        Self(child.id())
    }

    /// Memory that it occupies now, in KiB; 0 when it has ended.
    pub(super) fn memory_kib(&self) -> u64 {
        let text = self.file("status");
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// The processes that it has started.
    pub(super) fn children(&self) -> Vec<Self> {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Self))
            .filter(|process| process.parent() == Some(self.0))
            .collect()
    }

    fn parent(&self) -> Option<u32> {
        // Behind the name in parentheses: state, then the parent.
        let text = self.file("stat");
        let (_, rest) = text.rsplit_once(')')?;
        rest.split_whitespace().nth(1)?.parse().ok()
    }

    /// Its command line.
    pub(super) fn arguments(&self) -> Vec<String> {
        self.file("cmdline")
            .split('\0')
            .map(str::to_owned)
            .collect()
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.0)).unwrap_or_default()
    }
}
