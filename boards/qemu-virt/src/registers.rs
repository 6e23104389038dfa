//! Reading and writing the registers of this machine.

/// A register at a fixed address, of the width of `T`.
#[derive(Debug, Clone, Copy)]
pub struct Register<T> {
    address: usize,
    width: core::marker::PhantomData<T>,
}

impl<T: Copy> Register<T> {
    /// The register at `address`.
    pub(crate) const fn at(address: usize) -> Self {
        Self {
            address,
            width: core::marker::PhantomData,
        }
    }

    /// Reads it.
    pub fn read(self) -> T {
        let address = self.address as *const T;
        // SAFETY: every `Register` is a constant of this crate that names an aligned, readable
        // register of a device of this machine; reading one of them has no effect on memory.
        unsafe { address.read_volatile() }
    }

    /// Writes it.
    pub fn write(self, value: T) {
        let address = self.address as *mut T;
        // SAFETY: every `Register` is a constant of this crate that names an aligned, writable
        // register of a device of this machine; none of them makes the machine write to RAM.
        unsafe { address.write_volatile(value) }
    }
}

/// The console's data register.
pub const CONSOLE_DATA: Register<u8> = Register::at(0x1000_0000);
/// The console's line status.
pub const CONSOLE_STATUS: Register<u8> = Register::at(0x1000_0005);
/// Switches off or resets the machine. The firmware cannot reach it.
pub const TEST_DEVICE: Register<u32> = Register::at(0x0010_0000);
/// Lower half of the running time.
pub const TIME_LOW: Register<u32> = Register::at(0x0200_BFF8);
/// Upper half of the running time.
pub const TIME_HIGH: Register<u32> = Register::at(0x0200_BFFC);
/// Lower half of the time at which the timer interrupts. The firmware can only read it.
pub const ALARM_LOW: Register<u32> = Register::at(0x0200_4000);
/// Upper half of it.
pub const ALARM_HIGH: Register<u32> = Register::at(0x0200_4004);
