//! Checks that the areas of a board fit together.

use super::read::Found;
use super::{BoardFlash, ImageKind};
use crate::check::hex;
use crate::problem::{Code, Problem, Repair};

/// The areas of one board, as they were read.
pub(super) struct Areas<'a> {
    /// Those of every mode.
    pub(super) common: &'a [Found; 4],
    /// The storage slots of mode `standby`.
    pub(super) standby: Option<&'a [Found; 2]>,
    /// The secondary slot of mode `swap`.
    pub(super) swap: Option<&'a Found>,
}

/// Everything that does not fit together.
pub(super) fn check(
    flash: BoardFlash,
    image: Option<ImageKind>,
    areas: &Areas<'_>,
) -> Vec<Problem> {
    let storage: Vec<&Found> = areas.standby.into_iter().flatten().collect();
    let secondary: Vec<&Found> = areas.swap.into_iter().collect();
    let all = areas.common.iter().chain(storage.iter().copied());
    let mut problems = Vec::new();
    for found in all.chain(secondary.iter().copied()) {
        problems.extend(check_area(flash, found));
        problems.extend(check_bootloader(image, found));
    }
    for own in [&[][..], &storage, &secondary] {
        problems.extend(check_overlap(flash, areas.common, own));
    }
    let execution = &areas.common[3];
    for slot in &storage {
        if slot.area.len < execution.area.len {
            let message = format!("{} is shorter than the execution slot", slot.area.name);
            problems.push(too_small(
                slot,
                message,
                execution,
                execution.area.len.into(),
            ));
        }
    }
    if let [first, second] = storage.as_slice()
        && first.area.len != second.area.len
        && first.area.len.min(second.area.len) >= execution.area.len
    {
        problems.push(unequal(first, second));
    }
    for slot in secondary {
        let needed = u64::from(execution.area.len) + u64::from(flash.chunk_len);
        if u64::from(slot.area.len) < needed {
            let message = "the secondary slot must be one chunk longer than the execution slot";
            problems.push(
                too_small(slot, message.to_owned(), execution, needed)
                    .with_hint("that chunk is the hole through which the two images are exchanged"),
            );
        }
    }
    problems
}

fn too_small(slot: &Found, message: String, execution: &Found, needed: u64) -> Problem {
    let mut problem = Problem::error(Code::AreaTooSmall, slot.span.clone(), message);
    problem.related = Some((
        execution.len_span.clone(),
        "the length of the execution slot".to_owned(),
    ));
    problem.with_repairs(set_len(slot, needed))
}

/// Writes another length that is whole sectors.
fn set_len(found: &Found, len: u64) -> Option<Repair> {
    let len = u32::try_from(len)
        .ok()?
        .checked_next_multiple_of(found.area.sector)?;
    let title = format!("Set `len` to {}", hex(len));
    Some(Repair::new(title, found.len_span.clone(), hex(len)))
}

/// Two storage slots of different lengths: the bytes by which one is longer are never used.
fn unequal(first: &Found, second: &Found) -> Problem {
    let (longer, shorter) = if first.area.len > second.area.len {
        (first, second)
    } else {
        (second, first)
    };
    let message = format!(
        "{} is longer than {}, which never holds more",
        longer.area.name, shorter.area.name
    );
    let mut problem = Problem::warning(Code::AreaSizeUnequal, longer.len_span.clone(), message);
    problem.related = Some((shorter.len_span.clone(), "the shorter slot".to_owned()));
    problem.with_repairs(set_len(longer, shorter.area.len.into()))
}

/// What is wrong with one area alone.
fn check_area(flash: BoardFlash, found: &Found) -> Vec<Problem> {
    let area = &found.area;
    let mut problems = Vec::new();
    let problem = |code, message: String| Problem::error(code, found.span.clone(), message);
    if area.end() > u64::from(flash.len) {
        let (name, end, len) = (area.name, area.end(), flash.len);
        let rest = flash.len.saturating_sub(area.offset);
        let fits = rest - rest % area.sector;
        problems.push(
            problem(
                Code::AreaOutsideFlash,
                format!("{name} ends at {end:#x}, beyond the flash of {len:#x}"),
            )
            .with_repairs(if fits > 0 {
                set_len(found, fits.into())
            } else {
                None
            }),
        );
    }
    let copied = matches!(
        area.name,
        "execution" | "storage_0" | "storage_1" | "secondary"
    );
    if copied && !flash.chunk_len.is_multiple_of(area.sector) {
        let (chunk, name) = (flash.chunk_len, area.name);
        problems.push(problem(
            Code::AreaUnaligned,
            format!("the chunk of {chunk:#x} bytes is not a multiple of the sectors of {name}"),
        ));
    }
    if !area.sector.is_multiple_of(flash.write_unit) {
        problems.push(problem(
            Code::AreaUnaligned,
            format!("the sectors of {} are not whole write units", area.name),
        ));
    }
    if matches!(area.name, "record" | "identity") && area.len / area.sector < 2 {
        let message = format!(
            "{} has two halves and needs at least two sectors",
            area.name
        );
        let two = u64::from(area.sector) * 2;
        problems.push(problem(Code::AreaTooSmall, message).with_repairs(set_len(found, two)));
    }
    problems
}

/// A chip that runs images as they stand in flash begins at the first byte: there the bootloader is.
fn check_bootloader(image: Option<ImageKind>, found: &Found) -> Option<Problem> {
    if image != Some(ImageKind::Flat) || found.area.offset != 0 {
        return None;
    }
    let message = format!(
        "{} begins at the first byte, where the bootloader stands",
        found.area.name
    );
    Some(
        Problem::error(Code::AreaOverBootloader, found.span.clone(), message)
            .with_hint("leave room for the bootloader, for example 0x8000 bytes"),
    )
}

/// Areas of `own` that share bytes with another one of the same mode; with no `own` areas, those
/// that exist in every mode.
fn check_overlap(flash: BoardFlash, every_mode: &[Found; 4], own: &[&Found]) -> Vec<Problem> {
    let mut set: Vec<(&Found, bool)> = every_mode.iter().map(|found| (found, false)).collect();
    set.extend(own.iter().map(|found| (*found, true)));
    set.sort_by_key(|(found, _)| found.area.offset);
    let last_end = set.iter().map(|(found, _)| found.area.end()).max();
    let mut problems = Vec::new();
    for (index, (low, low_is_own)) in set.iter().enumerate() {
        for (high, high_is_own) in &set[index + 1..] {
            let of_interest = own.is_empty() || *low_is_own || *high_is_own;
            if !of_interest || low.area.end() <= u64::from(high.area.offset) {
                continue;
            }
            let message = format!(
                "{} begins at {:#x}, inside {} that ends at {:#x}",
                high.area.name,
                high.area.offset,
                low.area.name,
                low.area.end()
            );
            let mut problem = Problem::error(Code::AreaOverlap, high.span.clone(), message);
            problem.related = Some((low.span.clone(), format!("{} begins here", low.area.name)));
            problems.push(problem.with_repairs(moved(flash, high, last_end.unwrap_or_default())));
        }
    }
    problems
}

/// The area behind everything else, if it has room there.
fn moved(flash: BoardFlash, found: &Found, free_from: u64) -> Option<Repair> {
    let offset = u32::try_from(free_from)
        .ok()?
        .checked_next_multiple_of(found.area.sector)?;
    let end = u64::from(offset) + u64::from(found.area.len);
    (end <= u64::from(flash.len)).then(|| {
        let title = format!("Move to {}, where flash is free", hex(offset));
        Repair::new(title, found.span.clone(), hex(offset))
    })
}
