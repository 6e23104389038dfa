//! What a firmware gives to bytecode. What it does not implement answers `Unsupported`.

use otaru_abi::{Errno, Level, PinMode};

/// The firmware that hosts the VM. Texts and bytes are of the lengths of `docs/abi.md`, but
/// otherwise hostile. Every call returns soon: the bytecode and the firmware's other work wait.
pub trait Host {
    /// Milliseconds since the start. They never go back.
    fn now_ms(&mut self) -> u64;

    /// Prints a line, which need not be UTF-8.
    ///
    /// # Errors
    /// What the bytecode is told.
    fn line(&mut self, level: Level, text: &[u8]) -> Result<(), Errno>;

    /// Fills the whole buffer with random bytes that nobody can predict.
    ///
    /// # Errors
    /// What the bytecode is told.
    fn random(&mut self, buffer: &mut [u8]) -> Result<(), Errno> {
        let _: &[u8] = buffer;
        Err(Errno::Unsupported)
    }

    /// Copies the value under a key to the beginning of the buffer, and says how long it is.
    ///
    /// # Errors
    /// `NotFound`, `TooLong` if it does not fit, or what else the bytecode is told.
    fn kv_get(&mut self, key: &[u8], value: &mut [u8]) -> Result<usize, Errno> {
        let _: (&[u8], &[u8]) = (key, value);
        Err(Errno::Unsupported)
    }

    /// Stores a value. After a power cut either the old or the new one is there.
    ///
    /// # Errors
    /// What the bytecode is told.
    fn kv_put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Errno> {
        let _: (&[u8], &[u8]) = (key, value);
        Err(Errno::Unsupported)
    }

    /// Removes a key. It is no error if there is none.
    ///
    /// # Errors
    /// What the bytecode is told.
    fn kv_delete(&mut self, key: &[u8]) -> Result<(), Errno> {
        let _: &[u8] = key;
        Err(Errno::Unsupported)
    }

    /// Takes a message for sending.
    ///
    /// # Errors
    /// `Busy` if none can be taken now, or what else the bytecode is told.
    fn publish(&mut self, topic: &[u8], payload: &[u8]) -> Result<(), Errno> {
        let _: (&[u8], &[u8]) = (topic, payload);
        Err(Errno::Unsupported)
    }

    /// Says what a pin is used for.
    ///
    /// # Errors
    /// `Denied` if the pin is not the bytecode's, or what else it is told.
    fn pin_configure(&mut self, pin: u32, mode: PinMode) -> Result<(), Errno> {
        let _: (u32, PinMode) = (pin, mode);
        Err(Errno::Unsupported)
    }

    /// Level of a pin.
    ///
    /// # Errors
    /// What the bytecode is told.
    fn pin_read(&mut self, pin: u32) -> Result<bool, Errno> {
        let _: u32 = pin;
        Err(Errno::Unsupported)
    }

    /// Drives an output.
    ///
    /// # Errors
    /// What the bytecode is told.
    fn pin_write(&mut self, pin: u32, high: bool) -> Result<(), Errno> {
        let _: (u32, bool) = (pin, high);
        Err(Errno::Unsupported)
    }
}

/// The functions with which bytecode updates its device; see `docs/abi.md`.
///
/// Its contract about power cuts is that of the FOTA record: each call that changes the record leaves
/// the old or the new one. Without an implementation every function answers `Unsupported` and
/// changes nothing (B3): that is [`NoFota`].
pub trait Fota {
    /// Nine `u32`, little-endian.
    ///
    /// # Errors
    /// What the bytecode is told.
    fn get_record(&mut self, record: &mut [u8; 36]) -> Result<(), Errno> {
        let _: &[u8; 36] = record;
        Err(Errno::Unsupported)
    }

    /// Slots of current and last working VM and bytecode, for the next restart.
    ///
    /// # Errors
    /// What the bytecode is told.
    fn set_record(
        &mut self,
        vm: u32,
        vm_working: u32,
        bytecode: u32,
        bytecode_working: u32,
    ) -> Result<(), Errno> {
        let _: [u32; 4] = [vm, vm_working, bytecode, bytecode_working];
        Err(Errno::Unsupported)
    }

    /// Flash address of the next available bytecode slot.
    ///
    /// # Errors
    /// What the bytecode is told.
    fn find_bytecode_slot(&mut self) -> Result<u32, Errno> {
        Err(Errno::Unsupported)
    }

    /// Flash address of the next available VM slot.
    ///
    /// # Errors
    /// What the bytecode is told.
    fn find_vm_slot(&mut self) -> Result<u32, Errno> {
        Err(Errno::Unsupported)
    }

    /// Erases at least `size` bytes from `addr` on.
    ///
    /// # Errors
    /// `Denied` for a running slot, `Outside`, `Storage`.
    fn erase_slot(&mut self, addr: u32, size: u32) -> Result<(), Errno> {
        let _: (u32, u32) = (addr, size);
        Err(Errno::Unsupported)
    }

    /// Writes a block at an address within a slot.
    ///
    /// # Errors
    /// `Denied` for a running slot, `Outside`, `Storage`; then nothing was written.
    fn write_slot(&mut self, addr: u32, block: &[u8]) -> Result<(), Errno> {
        let _: (u32, &[u8]) = (addr, block);
        Err(Errno::Unsupported)
    }

    /// MD5 of `size` bytes from `addr` on.
    ///
    /// # Errors
    /// `Outside`, `Storage`.
    fn checksum_slot(&mut self, addr: u32, size: u32, md5: &mut [u8; 16]) -> Result<(), Errno> {
        let _: (u32, u32, &[u8; 16]) = (addr, size, md5);
        Err(Errno::Unsupported)
    }

    /// Whether the device may be reset now. After `Ok` the bytecode has ended with
    /// [`Ended::Restart`](crate::Ended::Restart), and the firmware resets the device.
    ///
    /// # Errors
    /// What the bytecode is told.
    fn restart(&mut self) -> Result<(), Errno> {
        Err(Errno::Unsupported)
    }

    /// Makes the running configuration the last working one.
    ///
    /// # Errors
    /// What the bytecode is told.
    fn accept(&mut self) -> Result<(), Errno> {
        Err(Errno::Unsupported)
    }

    /// Puts a bytecode slot and a VM slot on trial. What stands there must have passed
    /// [`check`](crate::check()).
    ///
    /// # Errors
    /// `NotReady`, `Mismatch`, `Denied`, `Storage`.
    fn attempt(&mut self, bytecode: u32, vm: u32) -> Result<(), Errno> {
        let _: (u32, u32) = (bytecode, vm);
        Err(Errno::Unsupported)
    }

    /// Ends writing to a slot: what stands there is verified.
    ///
    /// # Errors
    /// `NotReady` if verification failed, `Mismatch`, `Outside`, `Storage`.
    fn close_slot(&mut self, addr: u32) -> Result<(), Errno> {
        let _: u32 = addr;
        Err(Errno::Unsupported)
    }

    /// SHA-256 of `size` bytes from `addr` on.
    ///
    /// # Errors
    /// `Outside`, `Storage`.
    fn digest_slot(&mut self, addr: u32, size: u32, sha256: &mut [u8; 32]) -> Result<(), Errno> {
        let _: (u32, u32, &[u8; 32]) = (addr, size, sha256);
        Err(Errno::Unsupported)
    }
}

/// A device that bytecode cannot update.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFota;

impl Fota for NoFota {}

/// From numbers of the boundary to the types of [`Host`], under the names of the table.
pub(crate) trait Numbers: Host {
    fn log(&mut self, level: u32, text: &[u8]) -> Result<(), Errno> {
        let level = Level::from_number(level).ok_or(Errno::Invalid)?;
        self.line(level, text)
    }

    fn millis(&mut self) -> u64 {
        self.now_ms()
    }

    fn gpio_configure(&mut self, pin: u32, mode: u32) -> Result<(), Errno> {
        let mode = PinMode::from_number(mode).ok_or(Errno::Invalid)?;
        self.pin_configure(pin, mode)
    }

    fn gpio_read(&mut self, pin: u32) -> Result<u32, Errno> {
        self.pin_read(pin).map(u32::from)
    }

    fn gpio_write(&mut self, pin: u32, level: u32) -> Result<(), Errno> {
        match level {
            0 => self.pin_write(pin, false),
            1 => self.pin_write(pin, true),
            _ => Err(Errno::Invalid),
        }
    }
}

impl<H: Host> Numbers for H {}
