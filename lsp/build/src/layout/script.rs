//! A layout as a linker script that is read before the project's own: whatever it names is placed by
//! it, everything else by the project's script.

use super::map::Entry;
use super::plan::Plan;
use std::fmt::Write as _;

/// The output section that holds everything whose place is planned.
pub(super) const SECTION: &str = ".otaru_layout";
/// What the first link gets, which finds out what there is to be placed.
pub(super) const EMPTY: &str = "/* Nothing is planned yet. */\n";

/// The script of a plan; `entries` are the pieces that it was made from.
pub(super) fn script(plan: &Plan, entries: &[Entry]) -> String {
    let mut text = format!(
        "SECTIONS\n{{\n  {SECTION} {:#x} :\n  {{\n",
        plan.layout.start
    );
    for (place, piece) in plan.layout.places.iter().zip(&plan.pieces) {
        let Some(entry) = entries.get(*piece) else {
            continue;
        };
        // The linker that we require takes these numbers for addresses, also inside of a section.
        // Writing into a string cannot fail.
        writeln!(
            text,
            "    . = {:#x}; \"{}\"(\"{}\")",
            place.address,
            pattern(&entry.file),
            entry.section
        )
        .unwrap_or_default();
    }
    // What is free reads like erased flash.
    text.push_str("  } > FLASH =0xffffffff\n}\nINSERT AFTER .rodata;\n");
    text
}

/// `archive(member)` of the map is `archive:member` here.
fn pattern(file: &str) -> String {
    match file.split_once('(') {
        Some((archive, member)) => {
            format!("{archive}:{}", member.strip_suffix(')').unwrap_or(member))
        }
        None => file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Changes, Layout, Place};
    use super::*;

    #[test]
    fn every_place_is_named_with_its_file() {
        let place = |address| Place {
            address,
            room: 8,
            len: 8,
            signature: 0,
            name: String::new(),
        };
        let entry = |file: &str, section: &str| Entry {
            file: file.to_owned(),
            section: section.to_owned(),
            address: 0,
            len: 8,
            align: 4,
        };
        let plan = Plan {
            layout: Layout {
                start: 0x200,
                places: vec![place(0x200), place(0x208)],
            },
            pieces: vec![1, 0],
            changes: Changes::default(),
        };
        let entries = [
            entry("/d/a.o", ".text.x"),
            entry("/d/l.rlib(m.o)", ".rodata.y"),
        ];
        let text = script(&plan, &entries);
        assert!(text.contains(
            "{\n    . = 0x200; \"/d/l.rlib:m.o\"(\".rodata.y\")\n    \
             . = 0x208; \"/d/a.o\"(\".text.x\")\n  } > FLASH"
        ));
        assert!(text.ends_with("INSERT AFTER .rodata;\n"));
    }
}
