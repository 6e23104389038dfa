//! Sections of a linked program.

use anyhow::{Context, Result};
use object::read::elf::ElfFile32;
use object::{Endianness, Object as _, ObjectSection as _, SectionFlags};

/// What a program takes.
pub(super) struct Sizes {
    /// Bytes of flash: code, constants and the initial values of variables.
    pub(super) flash: u64,
    /// Bytes of RAM with initial values.
    pub(super) data: u64,
    /// Bytes of RAM that begin as zero.
    pub(super) bss: u64,
}

/// Adds up the sections that stand in flash or RAM.
///
/// # Errors
/// If it is no ELF file of a 32-bit program.
pub(super) fn sizes(bytes: &[u8]) -> Result<Sizes> {
    let file = ElfFile32::<Endianness>::parse(bytes).context("no ELF file of a 32-bit program")?;
    let mut sizes = Sizes {
        flash: 0,
        data: 0,
        bss: 0,
    };
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags } = section.flags() else {
            continue;
        };
        let flag = |bit: u32| sh_flags & u64::from(bit) != 0;
        if !flag(object::elf::SHF_ALLOC) {
            continue;
        }
        let len = section.size();
        if !flag(object::elf::SHF_WRITE) {
            sizes.flash += len;
        } else if section.kind() == object::SectionKind::UninitializedData {
            sizes.bss += len;
        } else {
            sizes.data += len;
            sizes.flash += len;
        }
    }
    Ok(sizes)
}
