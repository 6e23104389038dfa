//! What part is simulated: sectors, write unit, ECC, and how long its operations take.

use otaru_flash::{Area, Layout};

/// How long operations take. Typical values of data sheets; used for modelled times, never for
/// decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timing {
    /// Microseconds to erase 1024 bytes.
    pub erase_us_per_kib: u32,
    /// Nanoseconds to program one byte.
    pub program_ns_per_byte: u32,
    /// Nanoseconds that each program operation costs besides.
    pub program_ns: u32,
    /// Nanoseconds to read one byte.
    pub read_ns_per_byte: u32,
}

impl Timing {
    /// nRF52840: 85 ms for a page of 4 KiB, 41 µs for a word.
    pub const NRF52840: Self = Self {
        erase_us_per_kib: 21_250,
        program_ns_per_byte: 10_250,
        program_ns: 0,
        read_ns_per_byte: 8,
    };
    /// STM32L4: 22 ms for a page of 2 KiB, 82 µs for a double word.
    pub const STM32L4: Self = Self {
        erase_us_per_kib: 11_000,
        program_ns_per_byte: 10_250,
        program_ns: 0,
        read_ns_per_byte: 8,
    };
    /// Serial NOR flash at 32 MHz, single lane: 45 ms for a sector of 4 KiB, 0.7 ms for a page of
    /// 256 bytes and its transfer.
    pub const SPI_NOR: Self = Self {
        erase_us_per_kib: 11_250,
        program_ns_per_byte: 2_984,
        program_ns: 10_000,
        read_ns_per_byte: 250,
    };
}

/// What a part does when a unit that is not freshly erased is programmed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Again {
    /// It may be overwritten with the inverse of the erased value in every bit; anything else is a
    /// misuse.
    ZeroOnly,
    /// It reports an error and changes nothing.
    Refused,
    /// It does it, and what stands there then reads well for two boots and is gone for two: the worst
    /// that a part could do. The protocol does not promise to survive it.
    Garbled,
}

/// A flash part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Lengths of the physical sectors in bytes, from offset 0 on. They may differ.
    pub sectors: Vec<u32>,
    /// Smallest unit that can be programmed, in bytes.
    pub write_unit: u32,
    /// What an erased byte reads as.
    pub erased: u8,
    /// Whether a torn unit may fail to read.
    pub ecc: bool,
    /// What happens when a unit is programmed again.
    pub again: Again,
    /// How long operations take.
    pub timing: Timing,
}

impl Part {
    /// A part of equal sectors.
    pub fn uniform(len: u32, sector: u32, write_unit: u32) -> Self {
        Self {
            sectors: vec![sector; (len / sector) as usize],
            write_unit,
            erased: 0xFF,
            ecc: false,
            again: Again::Refused,
            timing: Timing::NRF52840,
        }
    }

    /// The part for which a layout is made: each area has sectors of its erase size, what belongs to
    /// no area has the smallest of them.
    pub fn of(layout: &Layout) -> Self {
        let mut areas: Vec<Area> = layout.areas().into_iter().map(|(_, area)| area).collect();
        areas.retain(|area| area.len > 0);
        areas.sort_by_key(|area| area.offset);
        let mut sectors = Vec::new();
        let mut at = 0;
        let fill = |sectors: &mut Vec<u32>, from: u32, to: u32| {
            if from < to {
                sectors.push(to - from);
            }
        };
        for area in areas {
            fill(&mut sectors, at, area.offset);
            sectors.extend((0..area.len / area.erase_len).map(|_| area.erase_len));
            at = area.offset + area.len;
        }
        fill(&mut sectors, at, layout.flash_len);
        Self {
            sectors,
            write_unit: u32::from(layout.write_unit),
            erased: layout.erased,
            ecc: false,
            again: if layout.overwrite {
                Again::ZeroOnly
            } else {
                Again::Refused
            },
            timing: Timing::NRF52840,
        }
    }

    /// The same part with sectors of unequal size: every sector that is large enough becomes one of a
    /// quarter, one of a half and one of a quarter of its length.
    #[must_use]
    pub fn with_unequal_sectors(mut self) -> Self {
        let unit = self.write_unit;
        self.sectors = self
            .sectors
            .iter()
            .flat_map(|&len| {
                if (len / 4).is_multiple_of(unit) && len >= 4 * unit {
                    vec![len / 4, len / 2, len / 4]
                } else {
                    vec![len]
                }
            })
            .collect();
        self
    }

    /// The same part with ECC.
    #[must_use]
    pub fn with_ecc(self) -> Self {
        Self { ecc: true, ..self }
    }

    /// The same part with these times.
    #[must_use]
    pub fn with_timing(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }

    /// Length in bytes.
    pub fn len(&self) -> u32 {
        self.sectors.iter().sum()
    }

    /// Whether it has no sectors.
    pub fn is_empty(&self) -> bool {
        self.sectors.is_empty()
    }
}
