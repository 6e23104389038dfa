//! One sector: its bytes, which units are fresh, which are torn.

use crate::tear::Tear;
use std::collections::BTreeMap;

/// How a torn unit reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reading {
    /// Never (ECC).
    Fails,
    /// Every time something else.
    EachTime,
    /// At every boot something else.
    EachBoot,
    /// As done at the boots 1, 3, 5, … after the cut (or, with `false`, at the others).
    Alternates(bool),
    /// As done at the boots 1, 2, 5, 6, … after the cut (or, with `false`, at the others).
    AlternatesLong(bool),
}

/// A unit between two contents.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Torn {
    was: Vec<u8>,
    target: Vec<u8>,
    reading: Reading,
    /// Boots at the time of the cut, modulo four.
    born: u64,
    seed: u64,
}

/// What a reading depends on besides the content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) boot: u64,
    pub(crate) reading: u64,
    pub(crate) ecc: bool,
    /// Of what is random about an operation; not used by readings.
    pub(crate) seed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Sector {
    bytes: Vec<u8>,
    /// Units that are not erased, or whose erase nobody can rely on.
    used: Vec<bool>,
    torn: BTreeMap<usize, Torn>,
    unit: usize,
}

/// A small mixing function; the same numbers on every machine.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

impl Torn {
    /// The bytes of one reading; `None` if ECC refuses.
    fn read(&self, at: Moment) -> Option<Vec<u8>> {
        let age = (at.boot + 4 - self.born) % 4;
        let version = |done: bool| Some(if done { &self.target } else { &self.was }.clone());
        let salt = match self.reading {
            Reading::Fails => return None,
            Reading::Alternates(first) => return version((age % 2 == 1) == first),
            Reading::AlternatesLong(first) => return version((1..=2).contains(&age) == first),
            Reading::EachTime => at.reading,
            Reading::EachBoot => at.boot << 32,
        };
        let random = mix(self.seed ^ mix(salt));
        if at.ecc {
            return match random % 3 {
                0 => version(false),
                1 => version(true),
                _ => None,
            };
        }
        let bits = |index: usize| mix(random ^ index as u64).to_le_bytes()[0];
        let pairs = self.was.iter().zip(&self.target).enumerate();
        Some(
            pairs
                .map(|(index, (&was, &target))| was ^ ((was ^ target) & bits(index)))
                .collect(),
        )
    }
}

impl Sector {
    pub(crate) fn erased(len: usize, unit: usize, erased: u8) -> Self {
        Self {
            bytes: vec![erased; len],
            used: vec![false; len / unit],
            torn: BTreeMap::new(),
            unit,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The content where it is solid, and whether all of it is.
    pub(crate) fn solid(&self, from: usize, len: usize) -> Option<&[u8]> {
        let units = from / self.unit..(from + len).div_ceil(self.unit);
        if self.torn.range(units).next().is_some() {
            return None;
        }
        self.bytes.get(from..from + len)
    }

    /// Reads into `buf`; false if ECC refuses.
    pub(crate) fn read(&self, from: usize, buf: &mut [u8], at: Moment) -> bool {
        let end = from + buf.len();
        buf.copy_from_slice(&self.bytes[from..end]);
        let units = from / self.unit..end.div_ceil(self.unit);
        for (&unit, torn) in self.torn.range(units) {
            let Some(bytes) = torn.read(at) else {
                return false;
            };
            let start = unit * self.unit;
            for (place, byte) in (start..).zip(bytes) {
                if (from..end).contains(&place) {
                    buf[place - from] = byte;
                }
            }
        }
        true
    }

    /// Whether any unit of this range was used since the last whole erase.
    pub(crate) fn is_used(&self, from: usize, len: usize) -> bool {
        self.used[from / self.unit..(from + len) / self.unit]
            .iter()
            .any(|&used| used)
    }

    pub(crate) fn program(&mut self, from: usize, data: &[u8]) {
        self.bytes[from..from + data.len()].copy_from_slice(data);
        for unit in from / self.unit..(from + data.len()) / self.unit {
            self.used[unit] = true;
            self.torn.remove(&unit);
        }
    }

    pub(crate) fn erase(&mut self, erased: u8) {
        self.bytes.fill(erased);
        self.used.fill(false);
        self.torn.clear();
    }

    /// Flips stored bits behind everybody's back.
    pub(crate) fn corrupt(&mut self, from: usize, xor: u8) {
        self.bytes[from] ^= xor;
    }

    /// Writes `target` over the units from `from` on, torn.
    pub(crate) fn tear(&mut self, from: usize, target: &[u8], tear: Tear, at: Moment) {
        if tear == Tear::Before {
            return;
        }
        let count = target.len() / self.unit;
        let reached = usize::try_from(mix(at.seed) % (count as u64 + 1)).unwrap_or(0);
        for (index, target) in target.chunks(self.unit).enumerate() {
            let start = from + index * self.unit;
            let mut was = vec![0; self.unit];
            // What cannot be read at all is taken as it was last stored.
            if !self.read(start, &mut was, at) {
                was.copy_from_slice(&self.bytes[start..start + self.unit]);
            }
            let seed = mix(at.seed ^ ((index as u64) << 20));
            let reading = match tear {
                Tear::Before | Tear::Touched => None,
                Tear::After => {
                    self.settle(start, target);
                    None
                }
                Tear::Bits => self.bits(start, &was, target, Moment { seed, ..at }),
                Tear::Prefix if index < reached => {
                    self.settle(start, target);
                    None
                }
                Tear::Prefix => (index == reached).then_some(Reading::EachTime),
                Tear::Flicker => Some(Reading::EachTime),
                Tear::Boots => Some(Reading::EachBoot),
                Tear::Seen => Some(Reading::Alternates(true)),
                Tear::Unseen => Some(Reading::Alternates(false)),
                Tear::SeenLong => Some(Reading::AlternatesLong(true)),
                Tear::UnseenLong => Some(Reading::AlternatesLong(false)),
            };
            let unit = start / self.unit;
            self.used[unit] = true;
            if let Some(reading) = reading
                && was != target
            {
                let torn = Torn {
                    was,
                    target: target.to_vec(),
                    reading,
                    born: at.boot % 4,
                    seed,
                };
                self.torn.insert(unit, torn);
            }
        }
    }

    /// Units that were just programmed a second time read well for a while and are lost then.
    pub(crate) fn garble(&mut self, from: usize, data: &[u8], erased: u8, at: Moment) {
        for (index, target) in data.chunks(self.unit).enumerate() {
            let torn = Torn {
                was: vec![erased; self.unit],
                target: target.to_vec(),
                reading: Reading::AlternatesLong(true),
                // This boot still sees it.
                born: (at.boot + 3) % 4,
                seed: at.seed,
            };
            self.torn.insert(from / self.unit + index, torn);
        }
    }

    fn settle(&mut self, start: usize, bytes: &[u8]) {
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self.torn.remove(&(start / self.unit));
    }

    /// A random subset of the changing bits, for good; with ECC old, new or unreadable.
    fn bits(&mut self, start: usize, was: &[u8], target: &[u8], at: Moment) -> Option<Reading> {
        let seed = at.seed;
        if at.ecc {
            match seed % 3 {
                0 => self.settle(start, was),
                1 => self.settle(start, target),
                _ => return Some(Reading::Fails),
            }
            return None;
        }
        let mixed: Vec<u8> = was
            .iter()
            .zip(target)
            .enumerate()
            .map(|(index, (&was, &target))| {
                was ^ ((was ^ target) & mix(seed ^ index as u64).to_le_bytes()[0])
            })
            .collect();
        self.settle(start, &mixed);
        None
    }
}
