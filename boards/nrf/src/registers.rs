//! Reading and writing the registers of these chips.

/// A register of 32 bits at a fixed address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Register(u32);

impl Register {
    /// The register at `address`, which must be one of a peripheral in the product specification.
    pub(crate) const fn at(address: u32) -> Self {
        Self(address)
    }

    /// Reads it.
    pub(crate) fn read(self) -> u32 {
        let address = self.0 as usize as *const u32;
        // SAFETY: every `Register` is a constant of this crate that names an aligned, readable
        // register of a peripheral; reading one of them has no effect on memory.
        unsafe { address.read_volatile() }
    }

    /// Writes it.
    pub(crate) fn write(self, value: u32) {
        let address = self.0 as usize as *mut u32;
        // SAFETY: every `Register` is a constant of this crate that names an aligned, writable
        // register of a peripheral; none of them makes the chip write to RAM.
        unsafe { address.write_volatile(value) }
    }
}
