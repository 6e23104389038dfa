//! A flash that counts what is done to each area.

use otaru_flash::Flash;
use otaru_sim::{Fault, SimFlash, Timing};

/// Serial flash programs at most this many bytes in one operation, inside one page.
const PAGE_LEN: u32 = 256;

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Erased sectors.
    pub(crate) erases: u64,
    /// Erased bytes.
    pub(crate) erased_bytes: u64,
    /// Calls that program.
    pub(crate) programs: u64,
    /// The same, divided at pages of 256 bytes.
    pub(crate) pages: u64,
    /// Programmed bytes.
    pub(crate) bytes: u64,
    /// Bytes read.
    pub(crate) read_bytes: u64,
}

impl Tally {
    fn combined(self, other: Self, with: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            erases: with(self.erases, other.erases),
            erased_bytes: with(self.erased_bytes, other.erased_bytes),
            programs: with(self.programs, other.programs),
            pages: with(self.pages, other.pages),
            bytes: with(self.bytes, other.bytes),
            read_bytes: with(self.read_bytes, other.read_bytes),
        }
    }

    /// The sum.
    pub(crate) fn plus(self, other: Self) -> Self {
        self.combined(other, |a, b| a + b)
    }

    /// What came since an earlier moment.
    pub(crate) fn since(self, earlier: Self) -> Self {
        self.combined(earlier, |a, b| a - b)
    }

    /// Modelled time on a part, in nanoseconds.
    pub(crate) fn nanos(&self, timing: &Timing) -> u64 {
        self.erased_bytes * u64::from(timing.erase_us_per_kib) * 1000 / 1024
            + self.pages * u64::from(timing.program_ns)
            + self.bytes * u64::from(timing.program_ns_per_byte)
            + self.read_bytes * u64::from(timing.read_ns_per_byte)
    }
}

/// What was done between two moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Where images stand.
    pub(crate) images: Tally,
    /// Where the update's state stands: our record, the state partition of `embassy-boot`.
    pub(crate) state: Tally,
    /// Erases of the sector that was erased most often.
    pub(crate) worst: u32,
}

impl Spent {
    /// All of it.
    pub(crate) fn all(&self) -> Tally {
        self.images.plus(self.state)
    }
}

/// The flash.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    flash: SimFlash,
    /// Where the update's state stands: from, to.
    state_at: (u32, u32),
    now: Spent,
    mark: Spent,
    wear_at_mark: Vec<u32>,
}

impl Meter {
    pub(crate) fn new(flash: SimFlash, state_at: (u32, u32)) -> Self {
        let mut meter = Self {
            flash,
            state_at,
            now: Spent::default(),
            mark: Spent::default(),
            wear_at_mark: Vec::new(),
        };
        meter.wear_at_mark = meter.wear();
        meter
    }

    pub(crate) fn flash(&self) -> &SimFlash {
        &self.flash
    }

    /// A reset without loss of power.
    pub(crate) fn reset(&mut self) {
        self.flash.reset();
    }

    /// What was done since this was last called.
    pub(crate) fn take(&mut self) -> Spent {
        let wear = self.wear();
        let since = wear.iter().zip(&self.wear_at_mark).map(|(a, b)| a - b);
        let spent = Spent {
            images: self.now.images.since(self.mark.images),
            state: self.now.state.since(self.mark.state),
            worst: since.max().unwrap_or(0),
        };
        self.mark = self.now;
        self.wear_at_mark = wear;
        spent
    }

    fn wear(&self) -> Vec<u32> {
        let mut at = 0;
        let sectors = self.flash.part().sectors.iter();
        sectors
            .map(|len| {
                let start = at;
                at += len;
                self.flash.wear_max(start, 1)
            })
            .collect()
    }

    /// Counts one operation from what the flash itself has counted.
    fn count<T>(&mut self, offset: u32, pages: u64, work: impl FnOnce(&mut SimFlash) -> T) -> T {
        let before = self.flash.counters();
        let result = work(&mut self.flash);
        let after = self.flash.counters();
        let done = Tally {
            erases: after.erases - before.erases,
            erased_bytes: after.erased_bytes - before.erased_bytes,
            programs: after.programs - before.programs,
            pages,
            bytes: after.bytes - before.bytes,
            read_bytes: after.read_bytes - before.read_bytes,
        };
        let (from, to) = self.state_at;
        let tally = if (from..to).contains(&offset) {
            &mut self.now.state
        } else {
            &mut self.now.images
        };
        *tally = tally.plus(done);
        result
    }
}

impl Flash for Meter {
    type Error = Fault;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Fault> {
        self.count(offset, 0, |flash| flash.read(offset, buf))
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), Fault> {
        let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let last = offset + len.saturating_sub(1);
        let pages = u64::from(last / PAGE_LEN - offset / PAGE_LEN) + 1;
        self.count(offset, pages, |flash| flash.program(offset, data))
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), Fault> {
        self.count(offset, 0, |flash| flash.erase(offset, len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use otaru_sim::Part;

    #[test]
    fn operations_count_where_they_happen_and_since_the_last_look() {
        let flash = SimFlash::new(Part::uniform(4096, 1024, 8), 1);
        let mut meter = Meter::new(flash, (3072, 4096));
        meter.program(0, &[1; 512]).unwrap();
        meter.take();
        meter.erase(0, 2048).unwrap();
        meter.program(248, &[2; 16]).unwrap();
        meter.program(3072, &[3; 8]).unwrap();
        meter.erase(0, 1024).unwrap();
        let spent = meter.take();
        assert_eq!((spent.images.erases, spent.state.erases), (3, 0));
        assert_eq!((spent.images.programs, spent.images.pages), (1, 2));
        assert_eq!((spent.images.bytes, spent.state.bytes), (16, 8));
        assert_eq!(spent.worst, 2);
        assert_eq!(meter.take(), Spent::default());
    }

    #[test]
    fn modelled_time_is_that_of_the_simulated_flash() {
        let part = Part::uniform(4096, 1024, 8).with_timing(Timing::STM32L4);
        let mut meter = Meter::new(SimFlash::new(part, 1), (0, 0));
        meter.erase(0, 2048).unwrap();
        meter.program(0, &[1; 64]).unwrap();
        meter.read(0, &mut [0; 100]).unwrap();
        let spent = meter.take().all();
        assert_eq!(
            spent.nanos(&Timing::STM32L4),
            meter.flash().counters().nanos
        );
    }
}
