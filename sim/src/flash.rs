//! A NOR flash in memory that enforces every rule and tears as the contract allows.
//!
//! A program or erase that is interrupted leaves, for each bit it would have changed, one of
//! three things: changed, unchanged, or *unstable*. An unstable bit reads as a new random value
//! after each boot, or at each reading, until its sector is erased.

use crate::Rng;
use otaru_flash::{Area, Flash, Layout};
use std::collections::BTreeMap;

/// The power is gone; nothing works until [`SimFlash::power_on`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerCut;

/// What an interrupted operation leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tear {
    /// Nothing was done.
    Before,
    /// Everything was done.
    After,
    /// Each bit on its own: changed, unchanged or unstable.
    Bits,
    /// The operation reached a random place; the bits there are unstable.
    Prefix,
}

impl Tear {
    /// Every way to tear.
    pub const ALL: [Self; 4] = [Self::Before, Self::After, Self::Bits, Self::Prefix];
}

/// A planned power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// How many programs and erases still succeed.
    pub after: u64,
    /// What the next one leaves behind.
    pub tear: Tear,
}

/// What was done to the flash so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Erased sectors.
    pub erases: u64,
    /// Program operations.
    pub programs: u64,
    /// Programmed bytes.
    pub bytes: u64,
}

/// The flash.
#[derive(Debug, Clone)]
pub struct SimFlash {
    bytes: Vec<u8>,
    /// Bits that read at random, by byte offset.
    unstable: BTreeMap<usize, u8>,
    /// Units that were programmed, or left undefined, since the last complete erase.
    used: Vec<bool>,
    areas: Vec<Area>,
    write_unit: usize,
    erased: u8,
    per_reading: bool,
    rng: Rng,
    cut: Option<Cut>,
    off: bool,
    operations: u64,
    counters: Counters,
    image_erases: u64,
    wear: BTreeMap<u32, u32>,
}

impl SimFlash {
    /// An erased flash for this layout.
    pub fn new(layout: &Layout, seed: u64) -> Self {
        let len = layout.flash_len as usize;
        let write_unit = usize::from(layout.write_unit);
        Self {
            bytes: vec![layout.erased; len],
            unstable: BTreeMap::new(),
            used: vec![false; len / write_unit],
            areas: layout.areas().into_iter().map(|(_, area)| area).collect(),
            write_unit,
            erased: layout.erased,
            per_reading: seed % 2 == 1,
            rng: Rng::new(seed),
            cut: None,
            off: false,
            operations: 0,
            counters: Counters::default(),
            image_erases: 0,
            wear: BTreeMap::new(),
        }
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
        self.shuffle();
    }

    /// Programs and erases so far.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Erased sectors in execution and storage slots so far.
    pub fn image_erases(&self) -> u64 {
        self.image_erases
    }

    /// The bytes as they read now. For assertions only.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Changes stored bytes behind everybody's back, as ageing or a fault would.
    pub fn corrupt(&mut self, offset: u32, xor: u8) {
        self.bytes[offset as usize] ^= xor;
    }

    fn shuffle(&mut self) {
        for (&at, &mask) in &self.unstable {
            self.bytes[at] = (self.bytes[at] & !mask) | (self.rng.byte() & mask);
        }
    }

    /// Counts an operation; the way to tear it if the power goes during it.
    fn operate(&mut self) -> Result<Option<Tear>, PowerCut> {
        if self.off {
            return Err(PowerCut);
        }
        match &mut self.cut {
            Some(cut) if cut.after == 0 => {
                let tear = cut.tear;
                self.off = true;
                self.cut = None;
                Ok(Some(tear))
            }
            planned => {
                if let Some(cut) = planned {
                    cut.after -= 1;
                }
                self.operations += 1;
                Ok(None)
            }
        }
    }

    /// Writes `target` over what stands at `start`, torn.
    fn tear(&mut self, start: usize, target: &[u8], tear: Tear) {
        let reached = self.rng.index(target.len() + 1);
        for (index, &wanted) in target.iter().enumerate() {
            let at = start + index;
            let changing = self.bytes[at] ^ wanted;
            let (changed, unstable) = match tear {
                Tear::After => (changing, 0),
                Tear::Bits => (self.rng.byte(), self.rng.byte() & self.rng.byte()),
                Tear::Prefix if index < reached => (changing, 0),
                Tear::Prefix if index == reached => (self.rng.byte(), 0xFF),
                Tear::Before | Tear::Prefix => (0, 0),
            };
            self.bytes[at] ^= changing & changed;
            if changing & unstable != 0 {
                *self.unstable.entry(at).or_insert(0) |= changing & unstable;
            }
        }
        self.shuffle();
    }

    fn area_of(&self, offset: u32, len: u32) -> &Area {
        let inside = |area: &&Area| {
            area.len > 0 && offset >= area.offset && offset + len <= area.offset + area.len
        };
        self.areas
            .iter()
            .find(inside)
            .expect("an operation stays inside one area")
    }

    fn is_image_area(&self, offset: u32) -> bool {
        self.areas
            .iter()
            .skip(3)
            .any(|area| area.len > 0 && offset >= area.offset && offset < area.offset + area.len)
    }
}

impl Flash for SimFlash {
    type Error = PowerCut;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), PowerCut> {
        if self.off {
            return Err(PowerCut);
        }
        if self.per_reading && !self.unstable.is_empty() {
            self.shuffle();
        }
        let start = offset as usize;
        buf.copy_from_slice(&self.bytes[start..start + buf.len()]);
        Ok(())
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), PowerCut> {
        let start = offset as usize;
        assert!(!data.is_empty(), "empty program");
        assert_eq!(
            start % self.write_unit,
            0,
            "program at {offset:#x} is not aligned"
        );
        assert_eq!(
            data.len() % self.write_unit,
            0,
            "program of {} bytes",
            data.len()
        );
        self.area_of(
            offset,
            u32::try_from(data.len()).expect("a program is short"),
        );
        let torn = self.operate()?;
        let units = start / self.write_unit..(start + data.len()) / self.write_unit;
        for unit in units {
            assert!(
                !self.used[unit],
                "unit {:#x} programmed twice",
                unit * self.write_unit
            );
            self.used[unit] = torn != Some(Tear::Before);
        }
        match torn {
            None => {
                for (at, &byte) in (start..).zip(data) {
                    let bits = self.bytes[at] ^ byte;
                    assert_eq!(bits & (byte ^ self.erased), bits, "bit set back at {at:#x}");
                    self.bytes[at] = byte;
                }
                self.counters.programs += 1;
                self.counters.bytes += data.len() as u64;
                Ok(())
            }
            Some(tear) => {
                self.tear(start, data, tear);
                Err(PowerCut)
            }
        }
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), PowerCut> {
        let area = *self.area_of(offset, len);
        assert!(
            len > 0 && len.is_multiple_of(area.erase_len),
            "erase of {len} bytes"
        );
        assert!(
            offset.is_multiple_of(area.erase_len),
            "erase at {offset:#x} is not aligned"
        );
        for sector in 0..len / area.erase_len {
            let at = offset + sector * area.erase_len;
            let range = at as usize..(at + area.erase_len) as usize;
            let units = range.start / self.write_unit..range.end / self.write_unit;
            let erased = vec![self.erased; range.len()];
            match self.operate()? {
                None => {
                    self.bytes[range.clone()].fill(self.erased);
                    self.unstable.retain(|at, _| !range.contains(at));
                    self.used[units].fill(false);
                    self.counters.erases += 1;
                    self.image_erases += u64::from(self.is_image_area(at));
                    *self.wear.entry(at).or_insert(0) += 1;
                }
                Some(tear) => {
                    if tear != Tear::Before {
                        self.used[units].fill(true);
                    }
                    self.tear(range.start, &erased, tear);
                    return Err(PowerCut);
                }
            }
        }
        Ok(())
    }
}
