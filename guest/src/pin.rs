//! Pins.

use otaru_abi::{Errno, PinMode};

use crate::host;

/// A pin by its number on the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin(u32);

impl Pin {
    /// Says what the pin is used for.
    ///
    /// # Errors
    /// `Denied` if the pin is not the bytecode's, `Invalid`, `Unsupported`.
    pub fn configure(number: u32, mode: PinMode) -> Result<Self, Errno> {
        host::gpio_configure(number, mode.number())?;
        Ok(Self(number))
    }

    /// Whether the pin is high.
    ///
    /// # Errors
    /// What the firmware says.
    pub fn is_high(self) -> Result<bool, Errno> {
        host::gpio_read(self.0).map(|level| level != 0)
    }

    /// Drives the pin.
    ///
    /// # Errors
    /// What the firmware says.
    pub fn set(self, high: bool) -> Result<(), Errno> {
        host::gpio_write(self.0, high.into())
    }
}
