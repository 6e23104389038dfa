//! A flash that can tell what is done to it, for explaining a failure.

use super::{Device, Ending, Partitions};
use otaru_flash::Flash;
use otaru_sim::{Cut, Fault, SimFlash};
use std::fmt::Write as _;

/// The flash, and what happened to it if that is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Traced {
    pub(super) sim: SimFlash,
    at: Partitions,
    log: Option<Vec<String>>,
}

impl Traced {
    pub(super) fn new(sim: SimFlash, at: Partitions) -> Self {
        Self { sim, at, log: None }
    }

    /// Adds a line, made only if it is wanted.
    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(line());
        }
    }

    fn place(&self, offset: u32) -> String {
        let unit = self.sim.part().write_unit;
        let page = |from: u32| (offset - from) / self.at.page;
        if offset >= self.at.state_at() {
            let word = (offset - self.at.state_at()) / unit;
            match word {
                0 => "STATE magic".to_owned(),
                1 => "STATE validity".to_owned(),
                _ => format!("STATE mark {}", word - 2),
            }
        } else if offset >= self.at.dfu_at() {
            format!("DFU page {}", page(self.at.dfu_at()))
        } else {
            format!("ACTIVE page {}", page(0))
        }
    }

    fn done(&mut self, what: &str, offset: u32, result: Result<(), Fault>) -> Result<(), Fault> {
        if self.log.is_some() {
            let place = self.place(offset);
            let end = match result {
                Ok(()) => String::new(),
                Err(Fault::PowerCut) => "  <-- the power goes".to_owned(),
                Err(fault) => format!("  <-- {fault:?}"),
            };
            self.note(|| format!("  {what} {place}{end}"));
        }
        result
    }

    /// Words of STATE that are read one after the other stand in one line.
    fn note_word(&mut self, offset: u32, bytes: &[u8], result: Result<(), Fault>) {
        const READ: &str = "  read";
        if offset < self.at.state_at() {
            return;
        }
        let place = self.place(offset).replace("STATE ", "");
        let Some(log) = &mut self.log else { return };
        if !log.last().is_some_and(|line| line.starts_with(READ)) {
            log.push(format!("{READ} STATE:"));
        }
        if let Some(line) = log.last_mut() {
            let same = bytes.iter().all(|byte| Some(byte) == bytes.first());
            let shown = if same { &bytes[..1] } else { bytes };
            let value: String = shown.iter().fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").expect("a string takes everything");
                text
            });
            let value = if result.is_ok() {
                value
            } else {
                "error".to_owned()
            };
            // The marks are searched from the first one each time: once is enough to see.
            let word = format!(" {place}={value}");
            if !line.contains(&format!("{word} ")) && !line.ends_with(&word) {
                line.push_str(&word);
            }
        }
    }
}

impl Flash for Traced {
    type Error = Fault;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Fault> {
        let result = self.sim.read(offset, buf);
        if self.log.is_some() {
            self.note_word(offset, buf, result);
        }
        result
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), Fault> {
        let result = self.sim.program(offset, data);
        self.done("program", offset, result)
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), Fault> {
        let result = self.sim.erase(offset, len);
        self.done("erase", offset, result)
    }
}

/// Runs one series of cuts and tells everything that is done to the flash.
pub(crate) fn trace(kind: super::device::Kind, ending: Ending, cuts: &[Cut]) -> Vec<String> {
    let mut device = Device::new(kind, ending);
    device.flash.get_mut().log = Some(Vec::new());
    let result = device.run(cuts);
    let mut log = device.flash.into_inner().log.unwrap_or_default();
    log.push(match result {
        Ok(()) => "in the end: everything is as it should be".to_owned(),
        Err(failure) => format!("in the end: {}", failure.name()),
    });
    log
}
