//! The lock file: the layout of the last build, one place a line, so that a version control system
//! shows what moved.

use super::plan::{Layout, Place};
use std::fmt::Write as _;

/// First line; the number is raised when the meaning of a line changes.
const HEAD: &str = "# Image layout 1, written by Otaru: commit it with each release.";
/// Most places that are read; far beyond what fits into a slot.
const PLACES_MAX: usize = 100_000;

/// A lock file that is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damaged {
    /// The line, from 1.
    pub(super) line: usize,
}

/// The text of a layout: its start, then address, room, length, signature and name of each place.
pub(super) fn write(layout: &Layout) -> String {
    let mut text = format!("{HEAD}\n{:#x}\n", layout.start);
    for place in &layout.places {
        // Writing into a string cannot fail.
        writeln!(
            text,
            "{:#x} {} {} {:016x} {}",
            place.address, place.room, place.len, place.signature, place.name
        )
        .unwrap_or_default();
    }
    text
}

/// Reads what [`write`] has written.
///
/// # Errors
/// [`Damaged`], if a line is none of ours or places share bytes.
pub(super) fn read(text: &str) -> Result<Layout, Damaged> {
    let mut lines = text.lines().zip(1..);
    let mut next = || lines.next().ok_or(Damaged { line: 1 });
    let (head, line) = next()?;
    if head != HEAD {
        return Err(Damaged { line });
    }
    let (start, line) = next()?;
    let start = hexadecimal(start).ok_or(Damaged { line })?;
    let mut layout = Layout {
        start,
        places: Vec::new(),
    };
    let mut end = start;
    for (text, line) in lines {
        let place = place(text).ok_or(Damaged { line })?;
        let behind = place.address.checked_add(place.room);
        if place.address < end || layout.places.len() >= PLACES_MAX {
            return Err(Damaged { line });
        }
        end = behind.ok_or(Damaged { line })?;
        layout.places.push(place);
    }
    Ok(layout)
}

fn place(text: &str) -> Option<Place> {
    let mut words = text.splitn(5, ' ');
    Some(Place {
        address: hexadecimal(words.next()?)?,
        room: words.next()?.parse().ok()?,
        len: words.next()?.parse().ok()?,
        signature: u64::from_str_radix(words.next()?, 16).ok()?,
        name: words.next()?.to_owned(),
    })
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        let place = |address, name: &str| Place {
            address,
            room: 16,
            len: 12,
            signature: 7,
            name: name.to_owned(),
        };
        Layout {
            start: 0x100,
            places: vec![place(0x100, ".text.<a as b>::c"), place(0x120, "d")],
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        assert_eq!(read(&write(&layout())), Ok(layout()));
        assert_eq!(
            write(&layout()).lines().nth(2),
            Some("0x100 16 12 0000000000000007 .text.<a as b>::c")
        );
    }

    #[test]
    fn a_damaged_file_is_told_with_its_line() {
        let good = write(&layout());
        for (text, line) in [
            (String::new(), 1),
            (good.replace("layout 1", "layout 2"), 1),
            (good.replace("0x100\n", "100\n"), 2),
            (good.replace("0x120", "0x10f"), 4),
            (good.replace("0x120 16", "0x120 x"), 4),
            (good.replace("0x120 16", "0x120 18446744073709551615"), 4),
            (format!("{good}<<<<<<< ours\n"), 5),
        ] {
            assert_eq!(read(&text), Err(Damaged { line }), "{text}");
        }
    }
}
