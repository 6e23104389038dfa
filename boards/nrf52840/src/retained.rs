//! RAM that the linker leaves alone: what the bootloader tells the firmware.
//!
//! The last 2 KiB of RAM. They survive every reset but a power loss; the message carries its own
//! checksum (`docs/formats/record.md`), so noise is never taken for one.

use otaru_record::Journal;

const ADDRESS: usize = 0x2003_F800;
const LEN: usize = 0x800;

/// Writes the message, or destroys the former one if there is none.
pub(crate) fn hand_over(journal: &Journal) {
    let start = ADDRESS as *mut u8;
    // SAFETY: the linker script ends RAM before this range, so nothing else of this program is
    // there; every bit pattern is a valid byte; this is the only reference, made once per boot.
    let message = unsafe { core::slice::from_raw_parts_mut(start, LEN) };
    if journal.hand_over(message).is_none()
        && let Some(first) = message.first_mut()
    {
        *first = 0;
    }
}
