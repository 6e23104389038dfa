//! The flash itself.

use crate::fork::{Fork, Forks};
use crate::part::{Again, Part};
use crate::sector::{Moment, Sector};
use crate::tear::{Cut, Tear};
use otaru_flash::Flash;
use std::cell::Cell;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;

/// Why an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The power is gone; nothing works until [`SimFlash::power_on`].
    PowerCut,
    /// These bytes cannot be read: a torn unit on flash with ECC, or a place made bad.
    Unreadable,
    /// The operation breaks a rule of the part; [`SimFlash::misuse`] says which.
    Misuse,
    /// The part refuses to program a unit that is not erased.
    Refused,
    /// The place is worn out: programs and erases fail there.
    Worn,
}

/// A rule that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Misuse {
    /// A unit at this offset was programmed although it was not freshly erased.
    ProgrammedTwice(u32),
    /// A bit at this offset would have gone back to the erased value.
    BitSetBack(u32),
    /// Offset or length is no multiple of the write unit, or an erase covers no whole sectors.
    Unaligned(u32),
    /// The range is empty or ends behind the flash.
    OutOfBounds(u32),
}

/// What was done to the flash so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Erased sectors.
    pub erases: u64,
    /// Erased bytes.
    pub erased_bytes: u64,
    /// Program operations.
    pub programs: u64,
    /// Programmed bytes.
    pub bytes: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Modelled time of all of it, in nanoseconds.
    pub nanos: u64,
}

/// The flash. A clone is cheap: sectors are shared until one of them changes.
#[derive(Debug, Clone)]
pub struct SimFlash {
    part: Rc<Part>,
    /// Offsets of the sectors, and the length of the flash.
    starts: Rc<Vec<u32>>,
    sectors: Vec<Rc<Sector>>,
    /// Ranges that cannot be read, and ranges that cannot be changed.
    bad: Rc<Vec<(u32, u32)>>,
    worn: Rc<Vec<(u32, u32)>>,
    seed: u64,
    boot: u64,
    readings: u64,
    cut: Option<Cut>,
    off: bool,
    misuse: Option<Misuse>,
    operations: u64,
    counters: Counters,
    wear: Vec<u32>,
    garbled: u64,
    forking: Option<Forking>,
}

#[derive(Debug, Clone)]
struct Forking {
    tears: Rc<Vec<Tear>>,
    begun_at: u64,
    moment: Rc<Cell<u64>>,
    forks: Forks,
}

impl SimFlash {
    /// An erased flash.
    pub fn new(part: Part, seed: u64) -> Self {
        let unit = part.write_unit as usize;
        let sectors: Vec<Rc<Sector>> = part
            .sectors
            .iter()
            .map(|&len| Rc::new(Sector::erased(len as usize, unit, part.erased)))
            .collect();
        let starts = std::iter::once(0)
            .chain(part.sectors.iter().scan(0, |at, &len| {
                *at += len;
                Some(*at)
            }))
            .collect();
        Self {
            wear: vec![0; sectors.len()],
            starts: Rc::new(starts),
            part: Rc::new(part),
            sectors,
            bad: Rc::default(),
            worn: Rc::default(),
            seed,
            boot: 0,
            readings: 0,
            cut: None,
            off: false,
            misuse: None,
            garbled: 0,
            operations: 0,
            counters: Counters::default(),
            forking: None,
        }
    }

    /// The part.
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// Plans a power cut, counted from now.
    pub fn plan(&mut self, cut: Option<Cut>) {
        self.cut = cut;
    }

    /// Whether the power is gone.
    pub fn is_off(&self) -> bool {
        self.off
    }

    /// Brings the power back; unstable bits take new values.
    pub fn power_on(&mut self) {
        self.off = false;
        self.boot += 1;
    }

    /// A reset without loss of power; unstable bits take new values all the same.
    pub fn reset(&mut self) {
        self.boot += 1;
    }

    /// The first rule that was broken, if one was.
    pub fn misuse(&self) -> Option<Misuse> {
        self.misuse
    }

    /// How many programs of units that were not erased a part has garbled.
    pub fn garbled(&self) -> u64 {
        self.garbled
    }

    /// Programs and sector erases so far.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Erases of the sector that was erased most often, in this range.
    pub fn wear_max(&self, offset: u32, len: u32) -> u32 {
        self.wear_in(offset, len).max().unwrap_or(0)
    }

    /// Sector erases so far in this range.
    pub fn erases_in(&self, offset: u32, len: u32) -> u32 {
        self.wear_in(offset, len).sum()
    }

    /// Makes a range fail to read, as a failing cell would.
    pub fn make_unreadable(&mut self, offset: u32, len: u32) {
        Rc::make_mut(&mut self.bad).push((offset, offset + len));
    }

    /// Makes programs and erases of a range fail, as worn-out cells would.
    pub fn wear_out(&mut self, offset: u32, len: u32) {
        Rc::make_mut(&mut self.worn).push((offset, offset + len));
    }

    /// Flips stored bits behind everybody's back, as ageing or a fault would.
    pub fn corrupt(&mut self, offset: u32, xor: u8) {
        let (index, within) = self.place(offset);
        Rc::make_mut(&mut self.sectors[index]).corrupt(within, xor);
    }

    /// Whether exactly these bytes stand there, every bit of them solid. For assertions only.
    pub fn holds(&self, offset: u32, bytes: &[u8]) -> bool {
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (index, within) = self.place(at);
            let sector = &self.sectors[index];
            let count = rest.len().min(sector.len() - within);
            let (now, later) = rest.split_at(count);
            if self.is_bad(at, count) || sector.solid(within, count) != Some(now) {
                return false;
            }
            at += u32::try_from(count).unwrap_or(u32::MAX);
            rest = later;
        }
        true
    }

    /// A number that is equal for equal contents (torn and worn parts included), whatever led there.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.sectors, &self.bad, &self.worn, self.boot % 4).hash(&mut hasher);
        hasher.finish()
    }

    /// From now on each operation leaves a fork for each of these tears, which carries what `moment`
    /// holds then: the number of the moment of the world outside.
    pub fn fork_at_every_operation(&mut self, tears: &Rc<Vec<Tear>>, moment: Rc<Cell<u64>>) {
        self.forking = Some(Forking {
            tears: Rc::clone(tears),
            begun_at: self.operations,
            moment,
            forks: Vec::new(),
        });
    }

    /// Ends forking.
    pub fn take_forks(&mut self) -> Forks {
        self.forking.take().map(|f| f.forks).unwrap_or_default()
    }

    /// Erases of each sector that begins in this range.
    fn wear_in(&self, offset: u32, len: u32) -> impl Iterator<Item = u32> + '_ {
        let pairs = self.wear.iter().zip(self.starts.iter());
        pairs
            .filter(move |&(_, &start)| (offset..offset + len).contains(&start))
            .map(|(&wear, _)| wear)
    }

    fn now(&self) -> Moment {
        Moment {
            boot: self.boot,
            reading: self.readings,
            ecc: self.part.ecc,
            seed: self.seed ^ (self.operations << 16),
        }
    }

    fn place(&self, offset: u32) -> (usize, usize) {
        let index = self.starts.partition_point(|&start| start <= offset) - 1;
        (index, (offset - self.starts[index]) as usize)
    }

    fn is_bad(&self, offset: u32, len: usize) -> bool {
        touches(&self.bad, offset, len)
    }

    fn misused(&mut self, what: Misuse) -> Fault {
        self.misuse.get_or_insert(what);
        Fault::Misuse
    }

    fn check_bounds(&mut self, offset: u32, len: usize) -> Result<(), Fault> {
        let end = u64::from(offset) + len as u64;
        if len == 0 || end > u64::from(self.part.len()) {
            return Err(self.misused(Misuse::OutOfBounds(offset)));
        }
        Ok(())
    }

    /// Does one operation, or tears it and goes dark. `change` is what it does to the sector;
    /// `target` what its bytes are then.
    fn operate(&mut self, index: usize, from: usize, change: &Change<'_>) -> Result<(), Fault> {
        let at = self.now();
        self.fork(index, from, change);
        if let Some(cut) = &mut self.cut {
            if cut.after == 0 {
                let tear = cut.tear;
                self.cut = None;
                self.off = true;
                let sector = Rc::make_mut(&mut self.sectors[index]);
                sector.tear(from, change.target(), tear, at);
                return Err(Fault::PowerCut);
            }
            cut.after -= 1;
        }
        self.operations += 1;
        let erased = self.part.erased;
        let sector = Rc::make_mut(&mut self.sectors[index]);
        match change {
            Change::Program(data) => sector.program(from, data),
            Change::Erase(_) => sector.erase(erased),
        }
        Ok(())
    }

    fn fork(&mut self, index: usize, from: usize, change: &Change<'_>) {
        let Some(forking) = self.forking.take() else {
            return;
        };
        let Forking {
            tears,
            begun_at,
            moment,
            mut forks,
        } = forking;
        let at = self.now();
        for &tear in tears.iter() {
            let mut flash = self.clone();
            flash.cut = None;
            flash.off = true;
            let sector = Rc::make_mut(&mut flash.sectors[index]);
            sector.tear(from, change.target(), tear, at);
            forks.push(Fork {
                cut: Cut {
                    after: self.operations - begun_at,
                    tear,
                },
                moment: moment.get(),
                flash,
            });
        }
        self.forking = Some(Forking {
            tears,
            begun_at,
            moment,
            forks,
        });
    }

    /// What must hold before a program; the rules that depend on the content.
    fn check_program(
        &mut self,
        offset: u32,
        index: usize,
        from: usize,
        data: &[u8],
    ) -> Result<(), Fault> {
        let part = Rc::clone(&self.part);
        let sector = Rc::clone(&self.sectors[index]);
        let solid_zero = data.iter().all(|&byte| byte == !part.erased);
        let used = sector.is_used(from, data.len());
        match part.again {
            Again::ZeroOnly if used && !solid_zero => {
                return Err(self.misused(Misuse::ProgrammedTwice(offset)));
            }
            Again::Refused if used => return Err(Fault::Refused),
            Again::ZeroOnly | Again::Refused | Again::Garbled => {}
        }
        if !used {
            let mut now = vec![0; data.len()];
            let readable = sector.read(from, &mut now, self.now());
            let sets_back = now
                .iter()
                .zip(data)
                .any(|(&now, &new)| (now ^ part.erased) & !(new ^ part.erased) != 0);
            if !readable || sets_back {
                return Err(self.misused(Misuse::BitSetBack(offset)));
            }
        }
        Ok(())
    }

    fn garble(&mut self, index: usize, from: usize, data: &[u8]) {
        self.garbled += 1;
        let at = self.now();
        let sector = Rc::make_mut(&mut self.sectors[index]);
        sector.garble(from, data, self.part.erased, at);
    }

    fn count_program(&mut self, len: usize) {
        let timing = self.part.timing;
        let len = len as u64;
        self.counters.programs += 1;
        self.counters.bytes += len;
        self.counters.nanos +=
            u64::from(timing.program_ns) + len * u64::from(timing.program_ns_per_byte);
    }
}

/// What an operation does to a range of one sector.
enum Change<'a> {
    Program(&'a [u8]),
    Erase(&'a [u8]),
}

impl Change<'_> {
    fn target(&self) -> &[u8] {
        match self {
            Self::Program(bytes) | Self::Erase(bytes) => bytes,
        }
    }
}

fn touches(ranges: &[(u32, u32)], offset: u32, len: usize) -> bool {
    let end = offset.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
    ranges.iter().any(|&(from, to)| offset < to && from < end)
}

impl Flash for SimFlash {
    type Error = Fault;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Fault> {
        if self.off {
            return Err(Fault::PowerCut);
        }
        if buf.is_empty() {
            return Ok(());
        }
        self.check_bounds(offset, buf.len())?;
        self.readings += 1;
        self.counters.read_bytes += buf.len() as u64;
        self.counters.nanos += buf.len() as u64 * u64::from(self.part.timing.read_ns_per_byte);
        if self.is_bad(offset, buf.len()) {
            return Err(Fault::Unreadable);
        }
        let (mut index, mut within) = self.place(offset);
        let mut rest = buf;
        while !rest.is_empty() {
            let sector = &self.sectors[index];
            let count = rest.len().min(sector.len() - within);
            let (now, later) = rest.split_at_mut(count);
            if !sector.read(within, now, self.now()) {
                return Err(Fault::Unreadable);
            }
            rest = later;
            index += 1;
            within = 0;
        }
        Ok(())
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), Fault> {
        if self.off {
            return Err(Fault::PowerCut);
        }
        self.check_bounds(offset, data.len())?;
        let unit = self.part.write_unit;
        if !offset.is_multiple_of(unit) || !data.len().is_multiple_of(unit as usize) {
            return Err(self.misused(Misuse::Unaligned(offset)));
        }
        if touches(&self.worn, offset, data.len()) {
            return Err(Fault::Worn);
        }
        // An operation that crosses sectors is several to the part.
        let (mut index, mut within) = self.place(offset);
        let mut at = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let count = rest.len().min(self.sectors[index].len() - within);
            let (now, later) = rest.split_at(count);
            self.check_program(at, index, within, now)?;
            let garbles =
                self.part.again == Again::Garbled && self.sectors[index].is_used(within, count);
            self.operate(index, within, &Change::Program(now))?;
            if garbles {
                self.garble(index, within, now);
            }
            self.count_program(count);
            at += u32::try_from(count).unwrap_or(u32::MAX);
            rest = later;
            index += 1;
            within = 0;
        }
        Ok(())
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), Fault> {
        if self.off {
            return Err(Fault::PowerCut);
        }
        self.check_bounds(offset, len as usize)?;
        let whole = self.starts.binary_search(&offset).is_ok()
            && self.starts.binary_search(&(offset + len)).is_ok();
        if !whole {
            return Err(self.misused(Misuse::Unaligned(offset)));
        }
        if touches(&self.worn, offset, len as usize) {
            return Err(Fault::Worn);
        }
        let (first, _) = self.place(offset);
        let last = self.starts.partition_point(|&start| start < offset + len);
        for index in first..last {
            let erased = vec![self.part.erased; self.sectors[index].len()];
            self.operate(index, 0, &Change::Erase(&erased))?;
            let bytes = erased.len() as u64;
            self.wear[index] += 1;
            self.counters.erases += 1;
            self.counters.erased_bytes += bytes;
            self.counters.nanos +=
                bytes * u64::from(self.part.timing.erase_us_per_kib) * 1000 / 1024;
        }
        Ok(())
    }
}
