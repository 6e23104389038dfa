//! A chip of probe-rs' registry as our memory map.

use std::ops::Range;

use probe_rs::Target;
use probe_rs::config::{
    Chip as ConfigChip, FlashProperties, MemoryRegion, RawFlashAlgorithm, Registry, RegistryError,
};

use crate::chip::{self, Chip, Kind, Region, SectorRun};
use crate::failure::{Code, Failure};

/// Longest text of the library that a message repeats.
const SHOWN_MAX: usize = 400;

/// Looks up `name`; the beginning of one chip's name is enough.
///
/// # Errors
/// `chip_unknown` with the nearest names, or `chip_ambiguous` with the possible ones.
pub(super) fn chip(registry: &Registry, name: &str) -> Result<Chip, Failure> {
    match registry.get_target_by_name(name) {
        Ok(target) => Ok(map(&target)),
        Err(RegistryError::ChipNotUnique(_, matches)) => {
            let shown: String = matches.chars().take(SHOWN_MAX).collect();
            let message = format!("{name:?} is the beginning of several chips");
            Err(Failure::new(
                Code::ChipAmbiguous,
                message,
                format!("write the full name: {shown}"),
            ))
        }
        Err(_) => {
            let variants = registry.families().iter().flat_map(|f| f.variants.iter());
            let names = variants.flat_map(ConfigChip::package_variants);
            Err(chip::unknown(name, names.map(String::as_str)))
        }
    }
}

fn map(target: &Target) -> Chip {
    let mut regions: Vec<Region> = target
        .memory_map
        .iter()
        .map(|region| {
            let range = region.address_range();
            let (kind, name, sectors) = match region {
                MemoryRegion::Ram(ram) => (Kind::Ram, &ram.name, Vec::new()),
                MemoryRegion::Generic(other) => (Kind::Other, &other.name, Vec::new()),
                MemoryRegion::Nvm(flash) => match algorithm(target, &range, &flash.cores) {
                    Some(algorithm) => (
                        Kind::Flash,
                        &flash.name,
                        runs(&algorithm.flash_properties, &range),
                    ),
                    None => (Kind::Other, &flash.name, Vec::new()),
                },
            };
            Region {
                kind,
                name: name.clone(),
                start: range.start,
                len: range.end.saturating_sub(range.start),
                sectors,
            }
        })
        .collect();
    regions.sort_by_key(|region| region.start);
    Chip {
        name: target.name.clone(),
        cores: target
            .cores
            .iter()
            .map(|core| format!("{:?}", core.core_type))
            .collect(),
        regions,
    }
}

/// The algorithm that the library takes for a region: the only one, else the default.
fn algorithm<'a>(
    target: &'a Target,
    region: &Range<u64>,
    cores: &[String],
) -> Option<&'a RawFlashAlgorithm> {
    let fits = |algorithm: &&RawFlashAlgorithm| {
        let range = &algorithm.flash_properties.address_range;
        range.start <= region.start
            && region.end <= range.end
            && (algorithm.cores.is_empty()
                || cores
                    .first()
                    .is_some_and(|core| algorithm.cores.contains(core)))
    };
    let mut fitting = target.flash_algorithms.iter().filter(fits);
    let first = fitting.next()?;
    if fitting.next().is_none() {
        return Some(first);
    }
    let mut all = target.flash_algorithms.iter().filter(fits);
    all.find(|algorithm| algorithm.default)
}

/// The sectors that cover `region`, as runs of equal ones.
fn runs(flash: &FlashProperties, region: &Range<u64>) -> Vec<SectorRun> {
    let base = flash.address_range.start;
    let ends = flash.sectors.iter().skip(1).map(|next| base + next.address);
    flash
        .sectors
        .iter()
        .zip(ends.chain([flash.address_range.end]))
        .filter(|(run, _)| run.size > 0)
        .filter_map(|(run, end)| {
            let start = base + run.address;
            // Whole sectors, also where the region begins or ends inside of one.
            let skipped = region.start.saturating_sub(start) / run.size;
            let first = start + skipped * run.size;
            let last = end.min(region.end);
            (first < last).then(|| SectorRun {
                start: first,
                size: run.size,
                count: (last - first).div_ceil(run.size),
            })
        })
        .collect()
}
