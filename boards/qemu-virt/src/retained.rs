//! RAM that a reset leaves as it is: the reset's cause and what the bootloader tells the firmware.
//!
//! 16 KiB from `0x8004_0000`, outside the RAM of both programs. The machine clears RAM when it is
//! switched on and never at a reset; what stands there carries its own check all the same.
//!
//! | offset | size | holds |
//! |---|---|---|
//! | 0 | 8 | cause of the next reset, and its complement |
//! | 0x100 | 64 | version of the bootloader: text, padded with zeros |
//! | 0x800 | 2048 | hand-over (`docs/formats/record.md`) |
//! | 0x1000 | 4096 | the agent's |

use core::ops::Range;

const ADDRESS: usize = 0x8004_0000;
const CAUSE: Range<usize> = 0..8;
const VERSION: Range<usize> = 0x100..0x140;
const HANDOVER: Range<usize> = 0x800..0x1000;
const AGENT: Range<usize> = 0x1000..0x2000;

/// Bytes that the bootloader hands over.
pub const HANDOVER_LEN: usize = HANDOVER.end - HANDOVER.start;

/// Bytes of the bootloader's version.
pub const VERSION_LEN: usize = VERSION.end - VERSION.start;

/// Why the machine was reset, as the one who resets it writes it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Cause {
    /// Nobody wrote anything down: QEMU's user reset it.
    Button = 0x4F54_0001,
    /// The watchdog expired.
    Watchdog = 0x4F54_0002,
    /// The firmware asked for it.
    Software = 0x4F54_0003,
    /// The firmware crashed.
    Crash = 0x4F54_0004,
}

impl Cause {
    const ALL: [Self; 4] = [Self::Button, Self::Watchdog, Self::Software, Self::Crash];

    fn encode(self) -> [u8; 8] {
        let code = self as u32;
        let mut bytes = [0; 8];
        let (first, second) = bytes.split_at_mut(4);
        first.copy_from_slice(&code.to_le_bytes());
        second.copy_from_slice(&(!code).to_le_bytes());
        bytes
    }

    fn decode(bytes: [u8; 8]) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.encode() == bytes)
    }
}

fn read(at: usize, bytes: &mut [u8]) {
    for (index, byte) in bytes.iter_mut().enumerate() {
        let address = (ADDRESS + at + index) as *const u8;
        // SAFETY: callers stay inside the 16 KiB that both linker scripts leave free; every bit
        // pattern is a valid byte, and no reference to this memory exists anywhere.
        *byte = unsafe { address.read_volatile() };
    }
}

fn write(at: usize, bytes: &[u8]) {
    for (index, byte) in bytes.iter().enumerate() {
        let address = (ADDRESS + at + index) as *mut u8;
        // SAFETY: as in `read`.
        unsafe { address.write_volatile(*byte) }
    }
}

/// Notes why the machine is about to be reset.
pub fn set_cause(cause: Cause) {
    write(CAUSE.start, &cause.encode());
}

/// Why the machine started; nothing after it was switched on. From here on a reset that nobody
/// announces is QEMU's user's.
pub fn take_cause() -> Option<Cause> {
    let mut bytes = [0; 8];
    read(CAUSE.start, &mut bytes);
    set_cause(Cause::Button);
    Cause::decode(bytes)
}

/// Leaves the message for the firmware; an empty one destroys the former.
pub fn set_handover(message: &[u8]) {
    let mut whole = [0; HANDOVER_LEN];
    let len = message.len().min(HANDOVER_LEN);
    whole[..len].copy_from_slice(&message[..len]);
    write(HANDOVER.start, &whole);
}

/// What the bootloader left.
pub fn handover() -> [u8; HANDOVER_LEN] {
    let mut message = [0; HANDOVER_LEN];
    read(HANDOVER.start, &mut message);
    message
}

/// Tells the firmware which bootloader started it; longer texts are cut off.
pub fn set_version(text: &str) {
    let mut whole = [0; VERSION_LEN];
    let len = text.len().min(whole.len());
    whole[..len].copy_from_slice(&text.as_bytes()[..len]);
    write(VERSION.start, &whole);
}

/// What [`set_version`] left, padded with zeros.
pub fn version() -> [u8; VERSION_LEN] {
    let mut whole = [0; VERSION_LEN];
    read(VERSION.start, &mut whole);
    whole
}

/// Lends the agent's part: a copy that is written back.
pub fn with_agent(use_it: &mut dyn FnMut(&mut [u8])) {
    let mut part = [0; AGENT.end - AGENT.start];
    read(AGENT.start, &mut part);
    use_it(&mut part);
    write(AGENT.start, &part);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_no_cause() {
        for cause in Cause::ALL {
            let good = cause.encode();
            assert_eq!(Cause::decode(good), Some(cause));
            for bit in 0..64 {
                let mut bad = good;
                bad[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Cause::decode(bad), None);
            }
        }
        assert_eq!(Cause::decode([0; 8]), None);
        assert_eq!(Cause::decode([0xFF; 8]), None);
    }
}
