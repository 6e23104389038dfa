//! The payload of a bare-metal firmware, from the sections of its ELF file.
//!
//! Sections count, not segments: a linker may put its own headers into the first segment and so
//! make it begin before the slot, over the bootloader. Whatever stands outside the slot is
//! refused, never cut off.

use object::elf::{FileHeader32, FileHeader64, PT_LOAD, SHF_ALLOC, SHT_NOBITS};
use object::read::elf::{ElfFile, FileHeader, ProgramHeader as _, SectionHeader as _};
use object::{Object as _, ObjectSection as _};
use std::ops::Range;

/// Longest payload that is built, in bytes; a slot is never larger than a flash of 32-bit offsets,
/// and none of ours comes near this.
const PAYLOAD_LEN_MAX: u64 = 64 * 1024 * 1024;

/// Why an ELF file gives no payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// Not an ELF executable, or a damaged one.
    #[error("the linker's output is not a usable ELF file: {0}")]
    Malformed(String),
    /// Nothing in it goes into flash.
    #[error("the executable has no bytes that go into flash")]
    Empty,
    /// A section stands outside the slot.
    #[error(
        "section {name} at {start:#x}..{end:#x} lies outside the slot {slot_start:#x}..{slot_end:#x}"
    )]
    OutsideSlot {
        /// The section.
        name: String,
        /// Its first address in flash.
        start: u64,
        /// The address behind it.
        end: u64,
        /// The slot's first address.
        slot_start: u64,
        /// The address behind the slot.
        slot_end: u64,
    },
    /// Two sections share bytes.
    #[error("section {0} shares bytes with another one")]
    Overlap(String),
}

/// A section's bytes and where they go.
struct Piece<'e> {
    name: String,
    address: u64,
    bytes: &'e [u8],
}

/// The bytes of an executable as they stand in flash, from the first address of the slot's
/// payload on. Gaps are filled with the erased value.
///
/// # Errors
/// [`ElfError`]
pub fn flat_payload(elf: &[u8], slot: Range<u64>, erased: u8) -> Result<Vec<u8>, ElfError> {
    let malformed = |error: object::Error| ElfError::Malformed(error.to_string());
    let mut pieces = match object::FileKind::parse(elf).map_err(malformed)? {
        object::FileKind::Elf32 => {
            let file =
                ElfFile::<FileHeader32<object::Endianness>>::parse(elf).map_err(malformed)?;
            pieces(&file)?
        }
        object::FileKind::Elf64 => {
            let file =
                ElfFile::<FileHeader64<object::Endianness>>::parse(elf).map_err(malformed)?;
            pieces(&file)?
        }
        _ => return Err(ElfError::Malformed("not an ELF file".to_owned())),
    };
    pieces.sort_by_key(|piece| piece.address);
    let mut payload: Vec<u8> = Vec::new();
    for piece in &pieces {
        let end = piece.address.saturating_add(len_u64(piece.bytes.len()));
        let limit = slot.end.min(slot.start.saturating_add(PAYLOAD_LEN_MAX));
        if piece.address < slot.start || end > limit {
            return Err(ElfError::OutsideSlot {
                name: piece.name.clone(),
                start: piece.address,
                end,
                slot_start: slot.start,
                slot_end: slot.end,
            });
        }
        let at = usize::try_from(piece.address - slot.start)
            .map_err(|error| ElfError::Malformed(error.to_string()))?;
        if at < payload.len() {
            return Err(ElfError::Overlap(piece.name.clone()));
        }
        payload.resize(at, erased);
        payload.extend_from_slice(piece.bytes);
    }
    if payload.is_empty() {
        Err(ElfError::Empty)
    } else {
        Ok(payload)
    }
}

/// A section that takes flash or memory.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Where it stands while the program runs.
    pub address: u64,
    /// Bytes.
    pub len: u64,
    /// Whether its bytes are in the file, and so in flash.
    pub stored: bool,
    /// Whether the program writes into it, so that it takes memory.
    pub writable: bool,
}

/// The sections of an executable that take flash or memory, the largest first.
///
/// # Errors
/// [`ElfError::Malformed`]
pub fn sections(elf: &[u8]) -> Result<Vec<Section>, ElfError> {
    let malformed = |error: object::Error| ElfError::Malformed(error.to_string());
    let file = object::File::parse(elf).map_err(malformed)?;
    let mut found = Vec::new();
    for section in file.sections() {
        let object::SectionFlags::Elf { sh_flags } = section.flags() else {
            continue;
        };
        let flags: u64 = sh_flags;
        if flags & u64::from(SHF_ALLOC) == 0 || section.size() == 0 {
            continue;
        }
        let name = section.name_bytes().map_err(malformed)?;
        found.push(Section {
            name: String::from_utf8_lossy(name).into_owned(),
            address: section.address(),
            len: section.size(),
            stored: section.kind() != object::SectionKind::UninitializedData,
            writable: flags & u64::from(object::elf::SHF_WRITE) != 0,
        });
    }
    found.sort_by_key(|section| std::cmp::Reverse(section.len));
    Ok(found)
}

/// The sections that go into flash, with their load addresses.
fn pieces<'e, H>(file: &ElfFile<'e, H>) -> Result<Vec<Piece<'e>>, ElfError>
where
    H: FileHeader<Endian = object::Endianness>,
{
    let malformed = |error: object::Error| ElfError::Malformed(error.to_string());
    let endian = file.endian();
    let mut pieces = Vec::new();
    for section in file.sections() {
        let header = section.elf_section_header();
        let flags: u64 = header.sh_flags(endian).into();
        let in_flash = flags & u64::from(SHF_ALLOC) != 0 && header.sh_type(endian) != SHT_NOBITS;
        let bytes = section.data().map_err(malformed)?;
        if !in_flash || bytes.is_empty() {
            continue;
        }
        let name = String::from_utf8_lossy(section.name_bytes().map_err(malformed)?).into_owned();
        let offset: u64 = header.sh_offset(endian).into();
        let end = offset.saturating_add(len_u64(bytes.len()));
        // Initialised data runs in RAM but is loaded from flash: the segment says from where.
        let loaded = file.elf_program_headers().iter().find_map(|segment| {
            let start: u64 = segment.p_offset(endian).into();
            let len: u64 = segment.p_filesz(endian).into();
            let inside = segment.p_type(endian) == PT_LOAD
                && offset >= start
                && end <= start.saturating_add(len);
            let physical: u64 = segment.p_paddr(endian).into();
            inside.then(|| physical.wrapping_add(offset - start))
        });
        let address = loaded.ok_or_else(|| {
            ElfError::Malformed(format!("section {name} belongs to no loadable segment"))
        })?;
        pieces.push(Piece {
            name,
            address,
            bytes,
        });
    }
    Ok(pieces)
}

fn len_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "elf_tests.rs"]
mod tests;
