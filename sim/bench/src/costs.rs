//! What an update costs: erases, programs, bytes and modelled time of ours and of `embassy-boot`,
//! for the same images on the same flash.
//!
//! *Install* is everything from the request to the first boot into the new image, that boot
//! included; *revert* everything from there to the boot into the old image; *confirm* what the new
//! firmware writes to stay. The download is not counted.

pub(crate) mod budget;
mod embassy;
mod images;
mod otaru;

use crate::meter::Spent;
use anyhow::Result;
use otaru_flash::Mode;
use otaru_sim::Timing;
use serde::Serialize;

pub(crate) use images::Pair;

/// Bytes of a page, which is also the chunk.
pub(crate) const PAGE_LEN: u32 = 4096;
/// The copy buffer that both bootloaders get, in bytes.
pub(crate) const BUFFER_LEN: usize = 4096;
/// Lengths of the images in KiB.
pub(crate) const IMAGES_KIB: [u32; 3] = [64, 256, 512];
/// Percent of the chunks that differ.
pub(crate) const PERCENT: [u32; 3] = [5, 30, 100];

/// A part whose times are modelled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timed {
    pub(crate) name: &'static str,
    pub(crate) write_unit: u16,
    pub(crate) timing: Timing,
}

/// The parts. Everything stands on the one part; a layout with internal and external flash lies
/// between two of them.
pub(crate) const PARTS: [Timed; 3] = [
    Timed {
        name: "nRF52840",
        write_unit: 4,
        timing: Timing::NRF52840,
    },
    Timed {
        name: "STM32L4",
        write_unit: 8,
        timing: Timing::STM32L4,
    },
    Timed {
        name: "SPI NOR",
        write_unit: 1,
        timing: Timing::SPI_NOR,
    },
];

/// Which bootloader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    /// Ours.
    Otaru(Mode),
    /// `embassy-boot`; its partitions are as long as the image, or half as long again.
    Embassy {
        /// Whether they are half as long again.
        roomy: bool,
    },
}

impl System {
    pub(crate) const ALL: [Self; 4] = [
        Self::Otaru(Mode::Standby),
        Self::Otaru(Mode::Swap),
        Self::Embassy { roomy: false },
        Self::Embassy { roomy: true },
    ];

    pub(crate) fn name(self) -> String {
        match self {
            Self::Otaru(mode) => format!("otaru {}", mode.name()),
            Self::Embassy { roomy: false } => "embassy-boot, N = n".to_owned(),
            Self::Embassy { roomy: true } => "embassy-boot, N = 1.5 n".to_owned(),
        }
    }
}

/// The phases of one update.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Costs {
    /// What came before the request: only its share of the state counts, against the budget.
    pub(crate) before: Spent,
    pub(crate) install: Spent,
    pub(crate) revert: Spent,
    pub(crate) confirm: Spent,
    /// Sectors of half a record; 0 where there is no such thing.
    pub(crate) half_sectors: u64,
}

/// One phase as it is printed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    /// Erased sectors, all areas.
    pub(crate) erases: u64,
    /// Of these in the record or the state partition.
    pub(crate) state_erases: u64,
    pub(crate) programs: u64,
    pub(crate) bytes: u64,
    pub(crate) read_bytes: u64,
    pub(crate) worst_sector: u32,
    /// Modelled time.
    pub(crate) millis: u64,
}

impl Figures {
    fn of(spent: &Spent, timing: &Timing) -> Self {
        let all = spent.all();
        Self {
            erases: all.erases,
            state_erases: spent.state.erases,
            programs: all.programs,
            bytes: all.bytes,
            read_bytes: all.read_bytes,
            worst_sector: spent.worst,
            millis: all.nanos(timing).div_ceil(1_000_000),
        }
    }
}

/// One update on one part.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OnPart {
    pub(crate) part: String,
    pub(crate) write_unit: u16,
    pub(crate) install: Figures,
    pub(crate) revert: Figures,
    pub(crate) confirm: Figures,
}

/// One row of the table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) system: String,
    pub(crate) image_kib: u32,
    /// Percent of the chunks asked for; none where it makes no difference.
    pub(crate) percent: Option<u32>,
    /// Chunks of the image.
    pub(crate) chunks: u32,
    /// Of these differing: `d·n`.
    pub(crate) differing: u32,
    pub(crate) parts: Vec<OnPart>,
}

/// Measures one system with one pair of images on one part.
pub(crate) fn measure(system: System, pair: &Pair, part: &Timed) -> Result<Costs> {
    match system {
        System::Otaru(mode) => otaru::measure(mode, pair, part, 0),
        System::Embassy { roomy } => embassy::measure(roomy, pair, part),
    }
}

/// Every row, with our budgets asserted on every one of them.
///
/// # Errors
/// If an update does not do what it should, or costs more than its budget.
pub(crate) fn table() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for kib in IMAGES_KIB {
        for system in System::ALL {
            let embassy = matches!(system, System::Embassy { .. });
            for percent in PERCENT {
                // The whole partition is exchanged, whatever stands in it.
                if embassy && percent != 100 {
                    continue;
                }
                let pair = Pair::new(kib * 1024, percent)?;
                let mut parts = Vec::new();
                for part in &PARTS {
                    let costs = measure(system, &pair, part)?;
                    if let System::Otaru(mode) = system {
                        budget::check(mode, &pair, &costs)?;
                    }
                    parts.push(OnPart {
                        part: part.name.to_owned(),
                        write_unit: part.write_unit,
                        install: Figures::of(&costs.install, &part.timing),
                        revert: Figures::of(&costs.revert, &part.timing),
                        confirm: Figures::of(&costs.confirm, &part.timing),
                    });
                }
                rows.push(Row {
                    system: system.name(),
                    image_kib: kib,
                    percent: (!embassy).then_some(percent),
                    chunks: pair.chunks(),
                    differing: pair.differing(),
                    parts,
                });
            }
        }
    }
    Ok(rows)
}
