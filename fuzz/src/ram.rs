//! A NOR flash in memory that knows what it may be asked for.
//!
//! It panics where shipped code breaks the flash contract: an access on the wrong bounds, a write
//! outside the areas it was given, a unit programmed twice, more operations than were allowed.
//! What a real driver reports as an error is an error here too: reading behind the end, and the
//! planned faults.

use otaru_flash::{Area, Flash, Layout};

/// Size of the flash of every target, in bytes.
pub const FLASH_LEN: u32 = 0x10000;

/// A planned run of failing programs and erases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fault {
    /// How many of them succeed before.
    pub after: u32,
    /// How many fail; 0 is no fault.
    pub count: u32,
    /// Whether a failing one is done up to its middle, else not at all.
    pub half: bool,
}

/// The driver failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed;

/// The flash.
#[derive(Debug, Clone)]
pub struct RamFlash {
    overwrite: bool,
    bytes: Vec<u8>,
    /// Units that were programmed since they were erased.
    used: Vec<bool>,
    erased: u8,
    unit: usize,
    writable: Vec<Area>,
    fault: Fault,
    failed: bool,
    left: u64,
    writes: u64,
}

impl RamFlash {
    /// An erased flash with the write unit and erased value of `layout`; nothing may be written.
    pub fn new(layout: &Layout) -> Self {
        let unit = usize::from(layout.write_unit);
        Self {
            overwrite: layout.overwrite,
            bytes: vec![layout.erased; FLASH_LEN as usize],
            used: vec![false; (FLASH_LEN as usize).div_ceil(unit)],
            erased: layout.erased,
            unit,
            writable: Vec::new(),
            fault: Fault::default(),
            failed: false,
            left: u64::MAX,
            writes: 0,
        }
    }

    /// Allows programs and erases in these areas only.
    pub fn allow(&mut self, areas: &[Area]) {
        self.writable = areas.to_vec();
    }

    /// Plans a fault, counted from now.
    pub fn plan(&mut self, fault: Fault) {
        self.fault = fault;
        self.failed = false;
    }

    /// Whether the planned fault has happened.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Allows `operations` from now on; the next one is a finding.
    pub fn limit(&mut self, operations: u64) {
        self.left = operations;
    }

    /// Programs and erases so far.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// The content of an area, as far as it lies inside the flash.
    pub fn area(&self, area: &Area) -> &[u8] {
        let start = area.offset as usize;
        let stored = self.bytes.get(start..start + area.len as usize);
        stored.unwrap_or_default()
    }

    /// Changes the content of an area inside the flash behind everybody's back; units that then
    /// differ from erased ones count as programmed.
    pub fn change(&mut self, area: &Area, change: impl FnOnce(&mut [u8])) {
        let start = area.offset as usize;
        let end = start + area.len as usize;
        let Some(stored) = self.bytes.get_mut(start..end) else {
            return;
        };
        change(stored);
        let erased = self.erased;
        let first = start / self.unit;
        let units = self.bytes[first * self.unit..end].chunks(self.unit);
        for (used, unit) in self.used[first..].iter_mut().zip(units) {
            *used |= unit.iter().any(|&byte| byte != erased);
        }
    }

    fn operate(&mut self) {
        assert!(self.left > 0, "more flash operations than allowed");
        self.left -= 1;
    }

    /// Counts a program or erase; whether it fails.
    fn write(&mut self, offset: u32, len: usize) -> (Area, bool) {
        self.operate();
        self.writes += 1;
        let end = u64::from(offset) + len as u64;
        let inside = |area: &&Area| {
            offset >= area.offset && end <= u64::from(area.offset) + u64::from(area.len)
        };
        let area = self.writable.iter().find(inside).copied();
        let area = area.unwrap_or_else(|| {
            panic!("{len} bytes at {offset:#x} are in no area that may be written")
        });
        let fails = self.fault.after == 0 && self.fault.count > 0;
        if fails {
            self.fault.count -= 1;
            self.failed = true;
        }
        self.fault.after = self.fault.after.saturating_sub(1);
        (area, fails)
    }
}

impl Flash for RamFlash {
    type Error = Failed;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Failed> {
        self.operate();
        let start = offset as usize;
        let stored = self.bytes.get(start..start + buf.len()).ok_or(Failed)?;
        buf.copy_from_slice(stored);
        Ok(())
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), Failed> {
        let start = offset as usize;
        let (_, fails) = self.write(offset, data.len());
        assert!(
            !data.is_empty()
                && start.is_multiple_of(self.unit)
                && data.len().is_multiple_of(self.unit),
            "program of {} bytes at {offset:#x} with a write unit of {}",
            data.len(),
            self.unit
        );
        let done = match fails {
            true if self.fault.half => data.len() / 2,
            true => 0,
            false => data.len(),
        };
        for (used, at) in self.used[start / self.unit..]
            .iter_mut()
            .zip((0..data.len()).step_by(self.unit))
        {
            let overwrites = self.overwrite && data.iter().all(|&byte| byte == !self.erased);
            assert!(
                !*used || overwrites,
                "unit at {:#x} programmed twice",
                start + at
            );
            *used = at < done;
        }
        self.bytes[start..start + done].copy_from_slice(&data[..done]);
        if fails { Err(Failed) } else { Ok(()) }
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), Failed> {
        let start = offset as usize;
        let (area, fails) = self.write(offset, len as usize);
        assert!(
            len > 0 && offset.is_multiple_of(area.erase_len) && len.is_multiple_of(area.erase_len),
            "erase of {len} bytes at {offset:#x} with sectors of {}",
            area.erase_len
        );
        let done = match fails {
            true if self.fault.half => len as usize / 2,
            true => 0,
            false => len as usize,
        };
        self.bytes[start..start + done].fill(self.erased);
        // What a failed erase left untouched may have been blank; it must not be relied on.
        let units = start / self.unit..(start + len as usize) / self.unit;
        self.used[units].fill(fails);
        if fails { Err(Failed) } else { Ok(()) }
    }
}
