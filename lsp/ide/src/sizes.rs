//! Numbers of a board as people read them, and the areas as far as they are typed.

use crate::source::Source;
use otaru_lsp_project::hex;

/// An area of flash that is written completely, well or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TypedArea {
    pub(crate) offset: u32,
    pub(crate) len: u32,
    pub(crate) sector: Option<u32>,
}

impl TypedArea {
    /// The first byte behind it.
    pub(crate) fn end(self) -> u64 {
        u64::from(self.offset) + u64::from(self.len)
    }

    /// How many sectors it has, if that is a whole number.
    pub(crate) fn sectors(self) -> Option<u32> {
        let sector = self.sector.filter(|sector| *sector > 0)?;
        self.len.is_multiple_of(sector).then(|| self.len / sector)
    }

    /// Where it is and how long.
    pub(crate) fn in_words(self) -> String {
        let place = format!(
            "{} to {}, {}",
            hex(self.offset),
            end(self.end()),
            bytes(self.len.into())
        );
        match self.sectors() {
            Some(1) => format!("{place}, 1 sector"),
            Some(count) => format!("{place}, {count} sectors"),
            None => place,
        }
    }
}

/// The area of a table, if its offset and length are there.
pub(crate) fn area(source: &Source, table: &str) -> Option<TypedArea> {
    Some(TypedArea {
        offset: source.number(table, "offset")?,
        len: source.number(table, "len")?,
        sector: source.number(table, "sector"),
    })
}

/// Bytes of the flash that no area of any mode holds.
pub(crate) fn free(source: &Source) -> Option<u64> {
    let len = u64::from(source.number("flash", "len")?);
    let mut areas: Vec<(u64, u64)> = source
        .outline
        .sections
        .iter()
        .filter_map(|section| area(source, &section.path))
        .map(|area| (u64::from(area.offset), area.end()))
        .collect();
    areas.sort_unstable();
    let (mut free, mut at) = (0, 0);
    for (start, end) in areas {
        free += start.min(len).saturating_sub(at);
        at = at.max(end).min(len);
    }
    Some(free + (len - at))
}

/// An address that may lie one byte beyond 32 bits.
pub(crate) fn end(value: u64) -> String {
    u32::try_from(value).map_or_else(|_large| format!("{value:#X}").replace("0X", "0x"), hex)
}

/// A number of bytes: exact in the largest unit that allows it, otherwise with one digit behind the
/// point.
pub(crate) fn bytes(value: u64) -> String {
    const UNITS: [(u64, &str); 2] = [(1 << 20, "MiB"), (1 << 10, "KiB")];
    for (unit, name) in UNITS {
        if value >= unit && value.is_multiple_of(unit) {
            return format!("{} {name}", value / unit);
        }
    }
    for (unit, name) in UNITS {
        if value >= unit {
            let tenths = value.saturating_mul(10) / unit;
            return format!("{}.{} {name}", tenths / 10, tenths % 10);
        }
    }
    format!("{value} bytes")
}

/// Milliseconds in the largest unit that gives a whole number.
pub(crate) fn time(ms: u64) -> String {
    for (unit, name) in [(3_600_000, "h"), (60_000, "min"), (1000, "s")] {
        if ms >= unit && ms.is_multiple_of(unit) {
            return format!("{} {name}", ms / unit);
        }
    }
    format!("{ms} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_short() {
        for (value, expected) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (4 << 20, "4 MiB"),
            ((4 << 20) + 4096, "4100 KiB"),
            ((3 << 20) + 123_457, "3.1 MiB"),
            (u64::from(u32::MAX) + 1, "4096 MiB"),
        ] {
            assert_eq!(bytes(value), expected);
        }
        for (ms, expected) in [
            (0, "0 ms"),
            (1500, "1500 ms"),
            (8000, "8 s"),
            (300_000, "5 min"),
            (7_200_000, "2 h"),
        ] {
            assert_eq!(time(ms), expected);
        }
    }
}
