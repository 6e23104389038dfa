//! A chip's memory map, and what a request means on it: which addresses are flash, which sectors a
//! segment touches, and names near a mistyped one. Pure; knows no probe.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::backend::Segment;
use crate::failure::{Code, Failure};

/// Names that a hint offers at most.
const NEAREST_MAX: usize = 5;
/// Longest name that is compared with others; a longer one is nobody's typing error.
const NAME_LEN_MAX: usize = 64;

/// What is known about a chip without touching it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Chip {
    /// Full name.
    #[serde(rename = "chip")]
    pub name: String,
    /// One entry per core, its architecture.
    pub cores: Vec<String>,
    /// By address.
    pub regions: Vec<Region>,
}

/// What a region is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Flash that can be programmed.
    Flash,
    /// RAM.
    Ram,
    /// Anything else that can be read, such as ROM.
    Other,
}

/// A range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Region {
    /// What it is.
    pub kind: Kind,
    /// The name in the chip's description, if it has one.
    pub name: Option<String>,
    /// First address.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// Runs of equal sectors, by address. Empty if it is not flash or if nobody knows how to program
    /// it.
    pub sectors: Vec<SectorRun>,
}

/// Several sectors of one size in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct SectorRun {
    /// Address of the first one.
    pub start: u64,
    /// Bytes of each; never zero.
    pub size: u64,
    /// How many.
    pub count: u64,
}

/// A sector that will be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Sector {
    /// First address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
}

impl Region {
    fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }

    fn sector_at(&self, address: u64) -> Option<Sector> {
        self.sectors.iter().find_map(|run| {
            let index = address.checked_sub(run.start)? / run.size;
            (index < run.count).then(|| Sector {
                address: run.start + index * run.size,
                size: run.size,
            })
        })
    }
}

impl Chip {
    /// The sectors that `segments` touch, each once, by address.
    ///
    /// # Errors
    /// `address_outside_flash` names the first byte that is not programmable flash;
    /// `segments_overlap` the address that two segments cover.
    pub(crate) fn sectors(&self, segments: &[Segment]) -> Result<Vec<Sector>, Failure> {
        let mut ordered: Vec<&Segment> = segments.iter().collect();
        ordered.sort_by_key(|segment| segment.address);
        for pair in ordered.windows(2) {
            if let [first, second] = pair
                && second.address < first.end()
            {
                return Err(Failure::new(
                    Code::SegmentsOverlap,
                    format!("two segments cover {:#010x}", second.address),
                    "give each address to one segment only",
                )
                .with("address", second.address));
            }
        }
        let mut found = BTreeSet::new();
        for segment in ordered {
            let mut address = segment.address;
            if address.checked_add(segment.data.len() as u64).is_none() {
                return Err(self.outside(address));
            }
            while address < segment.end() {
                let sector = self
                    .flash()
                    .find_map(|region| region.sector_at(address))
                    .ok_or_else(|| self.outside(address))?;
                found.insert(sector);
                address = sector.address.saturating_add(sector.size);
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Checks that `len` bytes from `address` lie in regions of this chip, without a gap.
    ///
    /// # Errors
    /// `address_outside_flash` with the first byte that does not.
    pub(crate) fn readable(&self, address: u64, len: u64) -> Result<(), Failure> {
        let end = address
            .checked_add(len)
            .ok_or_else(|| self.outside(address))?;
        let mut at = address;
        while at < end {
            let region = self
                .regions
                .iter()
                .find(|region| region.start <= at && at < region.end());
            at = region.ok_or_else(|| self.outside(at))?.end();
        }
        Ok(())
    }

    fn flash(&self) -> impl Iterator<Item = &Region> {
        self.regions
            .iter()
            .filter(|region| region.kind == Kind::Flash)
    }

    fn outside(&self, address: u64) -> Failure {
        let ranges: Vec<String> = self
            .flash()
            .map(|region| format!("{:#010x}..{:#010x}", region.start, region.end()))
            .collect();
        Failure::new(
            Code::AddressOutsideFlash,
            format!("{address:#010x} is not in the flash of {}", self.name),
            format!(
                "flash of this chip: {}; check chip and layout",
                ranges.join(", ")
            ),
        )
        .with("address", address)
    }
}

/// The failure for a chip that nobody knows, with the names of `known` nearest to `name`.
pub(crate) fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let near = nearest(name, known);
    let hint = if near.is_empty() {
        "use the full name printed on the chip, such as nRF52840_xxAA".to_owned()
    } else {
        format!("did you mean {}?", near.join(", "))
    };
    let shown: String = name.chars().take(NAME_LEN_MAX).collect();
    Failure::new(
        Code::ChipUnknown,
        format!("no chip is called {shown:?}"),
        hint,
    )
    .with("nearest", near)
}

/// Up to [`NEAREST_MAX`] names: those that differ least, if that is little beside their length.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = name.to_ascii_lowercase();
    if wanted.is_empty() || wanted.chars().count() > NAME_LEN_MAX {
        return Vec::new();
    }
    let mut ranked: Vec<(usize, &str)> = known
        .filter_map(|candidate| {
            let lower = candidate.to_ascii_lowercase();
            // The unwritten end of a name is no mistake: `stm32f407` is near to STM32F407VG.
            let common: String = lower.chars().take(wanted.chars().count()).collect();
            let distance = distance(&wanted, &common);
            let tail = lower.chars().count().saturating_sub(wanted.chars().count());
            (distance * 3 <= wanted.chars().count()).then_some((distance * 4 + tail, candidate))
        })
        .collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked
        .into_iter()
        .take(NEAREST_MAX)
        .map(|(_, candidate)| candidate.to_owned())
        .collect()
}

/// How many characters must be changed, added or left out to get from `left` to `right`.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, from) in left.chars().enumerate() {
        let mut diagonal = index;
        let mut before = index + 1;
        let mut next = vec![before];
        for (to, &above) in right.iter().zip(row.iter().skip(1)) {
            let changed = diagonal + usize::from(from != *to);
            before = changed.min(above + 1).min(before + 1);
            diagonal = above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flash with sectors of two sizes, a gap, and RAM behind it.
    fn chip() -> Chip {
        let region = |kind, start, len, sectors| Region {
            kind,
            name: None,
            start,
            len,
            sectors,
        };
        let run = |start, size, count| SectorRun { start, size, count };
        Chip {
            name: "test".into(),
            cores: vec![],
            regions: vec![
                region(
                    Kind::Flash,
                    0x1000,
                    0x5000,
                    vec![run(0x1000, 0x800, 2), run(0x2000, 0x2000, 2)],
                ),
                region(Kind::Ram, 0x8000, 0x1000, vec![]),
            ],
        }
    }

    fn segment(address: u64, len: usize) -> Segment {
        Segment {
            address,
            data: vec![0; len],
        }
    }

    #[test]
    fn every_touched_sector_is_listed_once() {
        let sectors = chip()
            .sectors(&[segment(0x2010, 8), segment(0x17ff, 2), segment(0x2000, 4)])
            .unwrap();
        let found: Vec<(u64, u64)> = sectors.iter().map(|s| (s.address, s.size)).collect();
        assert_eq!(found, [(0x1000, 0x800), (0x1800, 0x800), (0x2000, 0x2000)]);
    }

    #[test]
    fn the_last_byte_of_flash_is_inside_and_the_next_is_not() {
        assert_eq!(chip().sectors(&[segment(0x5fff, 1)]).unwrap().len(), 1);
        let outside = chip().sectors(&[segment(0x5fff, 2)]).unwrap_err();
        assert_eq!(outside.code, Code::AddressOutsideFlash);
        assert_eq!(outside.details["address"], 0x6000);
        for address in [0, 0xfff, 0x8000, u64::MAX] {
            let failure = chip().sectors(&[segment(address, 1)]).unwrap_err();
            assert_eq!(failure.code, Code::AddressOutsideFlash, "{address:#x}");
        }
    }

    #[test]
    fn segments_on_the_same_byte_are_refused() {
        let failure = chip()
            .sectors(&[segment(0x2000, 8), segment(0x2007, 1)])
            .unwrap_err();
        assert_eq!(failure.code, Code::SegmentsOverlap);
        assert!(
            chip()
                .sectors(&[segment(0x2000, 8), segment(0x2008, 1)])
                .is_ok()
        );
    }

    #[test]
    fn reading_stays_inside_regions() {
        assert!(chip().readable(0x8000, 0x1000).is_ok());
        assert!(chip().readable(0x8000, 0x1001).is_err());
        assert!(chip().readable(0x5ff0, 0x20).is_err());
        assert!(chip().readable(u64::MAX, 2).is_err());
    }

    #[test]
    fn a_mistyped_name_finds_its_neighbours() {
        let known = ["nRF52840_xxAA", "nRF52832_xxAA", "STM32F407VG", "RP2040"];
        let near = |name: &str| nearest(name, known.into_iter());
        assert_eq!(near("nrf52480_xxaa")[0], "nRF52840_xxAA");
        assert_eq!(near("stm32f407"), ["STM32F407VG"]);
        assert_eq!(near("RP2004"), ["RP2040"]);
        assert!(near("teapot").is_empty());
        assert!(near("").is_empty());
        assert!(near(&"n".repeat(10_000)).is_empty());
    }
}
