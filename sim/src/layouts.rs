//! Layouts for tests: small, in every shape that a part may have.

use crate::{Again, Part};
use otaru_flash::{Area, Layout, Mode};
use otaru_record::Geometry;

/// The shape of a part and of the layout on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Install mode.
    pub mode: Mode,
    /// Chunks of the execution slot.
    pub chunks: u32,
    /// Bytes of a chunk; a multiple of 64 and of the write unit.
    pub chunk_len: u32,
    /// Bytes programmed together.
    pub write_unit: u16,
    /// Value of an erased byte.
    pub erased: u8,
    /// A torn unit may fail to read.
    pub ecc: bool,
    /// What happens when a unit is programmed again; [`Again::Garbled`] is beyond what the protocol
    /// promises to survive.
    pub again: Again,
    /// Sectors differ in size: those of storage are half a chunk (`swap`) or four chunks long
    /// (`standby`), and inside every area a sector is really three of unequal length.
    pub unequal: bool,
}

impl Shape {
    /// A plain part: 8-byte units, 512-byte chunks of one sector, erased to 0xFF.
    pub const fn plain(mode: Mode, chunks: u32) -> Self {
        Self {
            mode,
            chunks,
            chunk_len: 512,
            write_unit: 8,
            erased: 0xFF,
            ecc: false,
            again: Again::ZeroOnly,
            unequal: false,
        }
    }

    /// The layout, with the shortest record that fits.
    ///
    /// # Panics
    /// If the shape cannot be, which is a mistake in the test.
    pub fn layout(&self) -> Layout {
        let sector = self.chunk_len;
        let execution_len = self.chunks * sector;
        let (storage_sector, storage_len) = match (self.mode, self.unequal) {
            (Mode::Swap, false) => (sector, execution_len + sector),
            (Mode::Swap, true) => {
                let half = (sector / 2).max(u32::from(self.write_unit));
                (half, execution_len + sector)
            }
            (Mode::Standby, false) => (sector, execution_len),
            (Mode::Standby, true) => (4 * sector, execution_len.next_multiple_of(4 * sector)),
        };
        let block_len = sector.max(512).next_multiple_of(sector);
        let mut half_sectors = 1;
        loop {
            let layout = self.place(block_len, half_sectors, (storage_sector, storage_len));
            if Geometry::new(&layout).is_ok() {
                layout.check().expect("the shape can be laid out");
                return layout;
            }
            half_sectors += 1;
            assert!(half_sectors < 1000, "no record fits this shape");
        }
    }

    fn place(&self, block_len: u32, half_sectors: u32, storage: (u32, u32)) -> Layout {
        let sector = self.chunk_len;
        let mut at = 0;
        let mut next = |len: u32, erase_len: u32| {
            at = u32::next_multiple_of(at, erase_len);
            let area = Area::new(at, len, erase_len);
            at += len;
            area
        };
        let (storage_sector, storage_len) = storage;
        let device_block = next(block_len, sector);
        let identity = next(2 * sector, sector);
        let record = next(2 * half_sectors * sector, sector);
        let execution = next(self.chunks * sector, sector);
        let first = next(storage_len, storage_sector);
        let second = match self.mode {
            Mode::Swap => Area::default(),
            Mode::Standby => next(storage_len, storage_sector),
        };
        Layout {
            flash_len: at,
            write_unit: self.write_unit,
            erased: self.erased,
            overwrite: self.again == Again::ZeroOnly,
            mode: self.mode,
            chunk_len: sector,
            device_block,
            identity,
            record,
            execution,
            storage: [first, second],
        }
    }

    /// The part under that layout.
    pub fn part(&self) -> Part {
        let part = Part {
            ecc: self.ecc,
            again: self.again,
            ..Part::of(&self.layout())
        };
        if self.unequal {
            part.with_unequal_sectors()
        } else {
            part
        }
    }

    /// The name used in reproductions: `swap-3x512-unit8-ff-ecc-writeonce-unequal`.
    pub fn name(&self) -> String {
        let again = match self.again {
            Again::ZeroOnly => "",
            Again::Refused => "-writeonce",
            Again::Garbled => "-garbles",
        };
        let word = |set: bool, word: &'static str| if set { word } else { "" };
        format!(
            "{}-{}x{}-unit{}-{:02x}{}{again}{}",
            self.mode.name(),
            self.chunks,
            self.chunk_len,
            self.write_unit,
            self.erased,
            word(self.ecc, "-ecc"),
            word(self.unequal, "-unequal"),
        )
    }

    /// The shape with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut words = name.split('-');
        let mode = Mode::from_name(words.next()?)?;
        let (chunks, chunk_len) = words.next()?.split_once('x')?;
        let write_unit = words.next()?.strip_prefix("unit")?.parse().ok()?;
        let erased = u8::from_str_radix(words.next()?, 16).ok()?;
        let mut shape = Self {
            chunks: chunks.parse().ok()?,
            chunk_len: chunk_len.parse().ok()?,
            write_unit,
            erased,
            ..Self::plain(mode, 1)
        };
        for word in words {
            match word {
                "ecc" => shape.ecc = true,
                "writeonce" => shape.again = Again::Refused,
                "garbles" => shape.again = Again::Garbled,
                "unequal" => shape.unequal = true,
                _ => return None,
            }
        }
        Some(shape)
    }
}
