//! A target in memory behind the same seam as a real probe, with faults that the command line asks
//! for. It exists so that everything above the seam can be tested; it models flash rules, not a core.

mod faults;
mod nor;

use std::thread;
use std::time::Duration;

use crate::backend::{Link, Phase, ProbeBackend, ProbeInfo, Segment, Watch};
use crate::chip::{self, Chip, Kind, Region, Sector, SectorRun};
use crate::failure::{Code, FLASH_AGAIN, Failure, UNLOCK};
use crate::select;

pub(crate) use faults::Faults;
use faults::Probes;
use nor::Nor;

/// How often a stalled operation looks for its cancellation.
const POLL: Duration = Duration::from_millis(2);
/// Polls after which a stall ends by itself.
const POLLS_MAX: u32 = 30_000;
/// Bytes of a page: what is programmed at once.
const PAGE: usize = 256;

/// The simulated probes and chips.
pub(crate) struct Sim {
    faults: Faults,
    parts: Vec<Part>,
    /// Bytes programmed since the process started, on all chips.
    programmed: u64,
    unplugged: bool,
}

/// A chip and its memory.
struct Part {
    chip: Chip,
    flash: Nor,
    flash_start: u64,
}

impl Sim {
    /// Fresh chips, all flash erased.
    pub(crate) fn new(faults: Faults) -> Self {
        let run = |start, size, count| SectorRun { start, size, count };
        Self {
            faults,
            parts: vec![
                Part::new("SimUniform_512K", vec![run(0x0800_0000, 4096, 128)]),
                // Sectors of three sizes, as some large microcontrollers have.
                Part::new(
                    "SimMixed_1M",
                    vec![
                        run(0x0800_0000, 16 << 10, 4),
                        run(0x0801_0000, 64 << 10, 1),
                        run(0x0802_0000, 128 << 10, 7),
                    ],
                ),
            ],
            programmed: 0,
            unplugged: false,
        }
    }
}

impl Part {
    fn new(name: &str, sectors: Vec<SectorRun>) -> Self {
        let flash_start = sectors.first().map_or(0, |run| run.start);
        let len = sectors.iter().map(|run| run.size * run.count).sum();
        let region = |kind, name: &str, start, len, sectors| Region {
            kind,
            name: Some(name.to_owned()),
            start,
            len,
            sectors,
        };
        Self {
            chip: Chip {
                name: name.to_owned(),
                cores: vec!["simulated".to_owned()],
                regions: vec![
                    region(Kind::Flash, "FLASH", flash_start, len, sectors),
                    region(Kind::Other, "ROM", 0x1fff_0000, 4096, Vec::new()),
                    region(Kind::Ram, "RAM", 0x2000_0000, 64 << 10, Vec::new()),
                ],
            },
            flash: Nor::erased(usize::try_from(len).expect("a few hundred KiB")),
            flash_start,
        }
    }
}

impl ProbeBackend for Sim {
    fn probes(&mut self) -> Result<Vec<ProbeInfo>, Failure> {
        let count = match self.faults.probes {
            _ if self.unplugged => 0,
            Probes::None => 0,
            Probes::One | Probes::Refused => 1,
            Probes::Two => 2,
        };
        let probe = |number| ProbeInfo {
            probe: format!("0000:0001:SIM{number}"),
            name: "simulated probe".to_owned(),
            kind: "simulated".to_owned(),
            serial: Some(format!("SIM{number}")),
            accessible: self.faults.probes != Probes::Refused,
        };
        Ok((1..=count).map(probe).collect())
    }

    fn chip(&mut self, name: &str) -> Result<Chip, Failure> {
        let beginning = name.to_ascii_lowercase();
        let known = || self.parts.iter().map(|part| &part.chip);
        let fits = |chip: &&Chip| chip.name.to_ascii_lowercase().starts_with(&beginning);
        let mut fitting = known().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(chip), None) => Ok(chip.clone()),
            (Some(_), Some(_)) => {
                let names: Vec<&str> = known()
                    .filter(fits)
                    .map(|chip| chip.name.as_str())
                    .collect();
                let message = format!("{name:?} is the beginning of several chips");
                let hint = format!("write the full name: {}", names.join(", "));
                Err(Failure::new(Code::ChipAmbiguous, message, hint))
            }
            (None, _) => {
                let names = known().map(|chip| chip.name.as_str());
                Err(chip::unknown(name, names))
            }
        }
    }

    fn attach(&mut self, probe: &ProbeInfo, chip: &Chip) -> Result<Box<dyn Link + '_>, Failure> {
        if !probe.accessible {
            return Err(select::denied(&probe.probe));
        }
        if self.faults.locked {
            return Err(Failure::new(
                Code::ChipLocked,
                format!("{} is protected against debugging", chip.name),
                UNLOCK,
            ));
        }
        if self.faults.silent {
            return Err(Failure::new(
                Code::TargetNotFound,
                format!("{} does not answer", chip.name),
                "check power, ground, SWDIO and SWCLK between probe and chip",
            ));
        }
        let part = self
            .parts
            .iter()
            .position(|part| part.chip == *chip)
            .ok_or_else(|| chip::unknown(&chip.name, std::iter::empty()))?;
        Ok(Box::new(Attached { sim: self, part }))
    }
}

/// A connection to one of the chips.
struct Attached<'a> {
    sim: &'a mut Sim,
    part: usize,
}

impl Attached<'_> {
    fn part(&mut self) -> &mut Part {
        self.sim
            .parts
            .get_mut(self.part)
            .expect("attach() found it, and parts never go away")
    }

    fn offset(&mut self, address: u64) -> Result<usize, Failure> {
        address
            .checked_sub(self.part().flash_start)
            .and_then(|offset| usize::try_from(offset).ok())
            .ok_or_else(|| broken("an address before the flash"))
    }

    /// Programs up to a page, or fails where a fault was asked for.
    fn page(&mut self, offset: usize, page: &[u8], watch: &dyn Watch) -> Result<(), Failure> {
        let before = self.sim.programmed;
        let after = before + page.len() as u64;
        let within = |fault: Option<u64>| {
            fault
                .filter(|at| (before..after).contains(at))
                .and_then(|at| usize::try_from(at - before).ok())
        };
        if within(self.sim.faults.stall).is_some() {
            stall(watch)?;
        }
        let mut page = page.to_vec();
        if let Some(cell) = within(self.sim.faults.flip).and_then(|at| page.get_mut(at)) {
            *cell = !*cell;
        }
        let cut = within(self.sim.faults.unplug);
        page.truncate(cut.unwrap_or(page.len()));
        self.part().flash.program(offset, &page)?;
        self.sim.programmed = after;
        if cut.is_some() {
            self.sim.unplugged = true;
            return Err(broken("the transfer was not answered"));
        }
        Ok(())
    }

    fn sector(
        &mut self,
        sector: Sector,
        segment: &Segment,
        watch: &mut dyn Watch,
    ) -> Result<(), Failure> {
        let start = self.offset(sector.address)?;
        let len = usize::try_from(sector.size).expect("a few hundred KiB");
        let mut cells = self.part().flash.read(start, len)?.to_vec();
        let covered =
            sector.address.max(segment.address)..(sector.address + sector.size).min(segment.end());
        for address in covered.clone() {
            let from = usize::try_from(address - segment.address).ok();
            let to = usize::try_from(address - sector.address).ok();
            let byte = from.and_then(|at| segment.data.get(at));
            let cell = to.and_then(|at| cells.get_mut(at));
            if let (Some(byte), Some(cell)) = (byte, cell) {
                *cell = *byte;
            }
        }
        if let Some(slow) = self.sim.faults.slow {
            thread::park_timeout(Duration::from_millis(slow));
        }
        self.part().flash.erase(start, len)?;
        watch.advance(Phase::Erase, sector.size);
        for (index, page) in cells.chunks(PAGE).enumerate() {
            self.page(start + index * PAGE, page, watch)?;
        }
        watch.advance(Phase::Program, covered.end - covered.start);
        Ok(())
    }
}

impl Link for Attached<'_> {
    fn rehearse(&mut self, segment: &Segment) -> Result<(), Failure> {
        self.part()
            .chip
            .sectors(std::slice::from_ref(segment))
            .map(drop)
    }

    fn program(&mut self, segment: &Segment, watch: &mut dyn Watch) -> Result<(), Failure> {
        for sector in self.part().chip.sectors(std::slice::from_ref(segment))? {
            if watch.cancelled() {
                return Err(Failure::cancelled("between two sectors"));
            }
            self.sector(sector, segment, watch)?;
        }
        Ok(())
    }

    fn verify(&mut self, segment: &Segment, watch: &mut dyn Watch) -> Result<(), Failure> {
        let start = self.offset(segment.address)?;
        for (index, page) in segment.data.chunks(PAGE).enumerate() {
            let at = index * PAGE;
            let found = self.part().flash.read(start + at, page.len())?;
            if let Some(wrong) = found.iter().zip(page).position(|(is, should)| is != should) {
                let address = segment.address + (at + wrong) as u64;
                return Err(Failure::new(
                    Code::VerifyMismatch,
                    format!("the flash differs from the file at {address:#010x}"),
                    FLASH_AGAIN,
                )
                .with("address", address));
            }
            watch.advance(Phase::Verify, page.len() as u64);
        }
        Ok(())
    }

    fn read(&mut self, address: u64, out: &mut [u8]) -> Result<(), Failure> {
        for (index, byte) in out.iter_mut().enumerate() {
            let at = address + index as u64;
            let flash = self.part().flash_start;
            // RAM and ROM of a chip without a running core: zeros.
            let offset = at
                .checked_sub(flash)
                .and_then(|at| usize::try_from(at).ok());
            *byte = offset
                .and_then(|offset| self.part().flash.read(offset, 1).ok()?.first().copied())
                .unwrap_or_default();
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Failure> {
        // There is no core: a reset that reaches the chip has nothing more to do.
        Ok(())
    }
}

/// Stands still until the request is cancelled.
fn stall(watch: &dyn Watch) -> Result<(), Failure> {
    for _ in 0..POLLS_MAX {
        if watch.cancelled() {
            return Err(Failure::cancelled("while the chip did not answer"));
        }
        thread::park_timeout(POLL);
    }
    Err(broken("the chip did not answer for a minute"))
}

fn broken(what: &str) -> Failure {
    Failure::new(
        Code::ProbeFailed,
        what,
        "this probe is simulated; look at its faults",
    )
}
