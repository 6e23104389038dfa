//! Checks that the areas of a board fit together.

use super::BoardFlash;
use super::read::Found;
use crate::problem::{Code, Problem};

/// Everything that does not fit together.
pub(super) fn check(
    flash: BoardFlash,
    areas: &[Found; 4],
    standby: Option<&[Found; 2]>,
    swap: Option<&Found>,
) -> Vec<Problem> {
    let execution = &areas[3];
    let storage: Vec<&Found> = standby.into_iter().flatten().collect();
    let secondary: Vec<&Found> = swap.into_iter().collect();
    let mut problems = Vec::new();
    for found in areas
        .iter()
        .chain(storage.iter().copied())
        .chain(secondary.iter().copied())
    {
        problems.extend(check_area(flash, found));
    }
    problems.extend(check_overlap(areas, &[]));
    problems.extend(check_overlap(areas, &storage));
    problems.extend(check_overlap(areas, &secondary));
    problems.dedup();
    for slot in storage {
        if slot.area.len < execution.area.len {
            let message = format!("{} is shorter than the execution slot", slot.area.name);
            problems.push(Problem::error(
                Code::AreaTooSmall,
                slot.span.clone(),
                message,
            ));
        }
    }
    for slot in secondary {
        let needed = u64::from(execution.area.len) + u64::from(flash.chunk_len);
        if u64::from(slot.area.len) < needed {
            problems.push(
                Problem::error(
                    Code::AreaTooSmall,
                    slot.span.clone(),
                    "the secondary slot must be one chunk longer than the execution slot",
                )
                .with_hint("that chunk is the hole through which the two images are exchanged"),
            );
        }
    }
    problems
}

/// What is wrong with one area alone.
fn check_area(flash: BoardFlash, found: &Found) -> Vec<Problem> {
    let area = &found.area;
    let mut problems = Vec::new();
    let mut report = |code, message: String| {
        problems.push(Problem::error(code, found.span.clone(), message));
    };
    if area.end() > u64::from(flash.len) {
        let (name, end, len) = (area.name, area.end(), flash.len);
        report(
            Code::AreaOutsideFlash,
            format!("{name} ends at {end:#x}, beyond the flash of {len:#x}"),
        );
    }
    let copied = matches!(
        area.name,
        "execution" | "storage_0" | "storage_1" | "secondary"
    );
    if copied && !flash.chunk_len.is_multiple_of(area.sector) {
        let (chunk, name) = (flash.chunk_len, area.name);
        report(
            Code::AreaUnaligned,
            format!("the chunk of {chunk:#x} bytes is not a multiple of the sectors of {name}"),
        );
    }
    if !area.sector.is_multiple_of(flash.write_unit) {
        report(
            Code::AreaUnaligned,
            format!("the sectors of {} are not whole write units", area.name),
        );
    }
    if matches!(area.name, "record" | "identity") && area.len / area.sector < 2 {
        report(
            Code::AreaTooSmall,
            format!(
                "{} has two halves and needs at least two sectors",
                area.name
            ),
        );
    }
    problems
}

/// Areas of `own` that share bytes with another one of the same mode; with no `own` areas, those
/// that exist in every mode.
fn check_overlap(every_mode: &[Found; 4], own: &[&Found]) -> Vec<Problem> {
    let mut set: Vec<(&Found, bool)> = every_mode.iter().map(|found| (found, false)).collect();
    set.extend(own.iter().map(|found| (*found, true)));
    set.sort_by_key(|(found, _)| found.area.offset);
    let mut problems = Vec::new();
    for (index, (low, low_is_own)) in set.iter().enumerate() {
        for (high, high_is_own) in &set[index + 1..] {
            let of_interest = own.is_empty() || *low_is_own || *high_is_own;
            if of_interest && low.area.end() > u64::from(high.area.offset) {
                problems.push(Problem::error(
                    Code::AreaOverlap,
                    high.span.clone(),
                    format!(
                        "{} begins at {:#x}, inside {} that ends at {:#x}",
                        high.area.name,
                        high.area.offset,
                        low.area.name,
                        low.area.end()
                    ),
                ));
            }
        }
    }
    problems
}
