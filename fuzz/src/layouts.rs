//! Small layouts that differ in everything a layout can differ in.

use otaru_flash::{Area, Layout, Mode};

use crate::ram::FLASH_LEN;

/// One of four layouts.
pub fn choose(number: u8) -> Layout {
    let (mode, write_unit, erased) = match number % 4 {
        0 => (Mode::Swap, 8, 0xFF),
        1 => (Mode::Standby, 32, 0xFF),
        2 => (Mode::Swap, 1, 0),
        _ => (Mode::Standby, 512, 0),
    };
    let chunk_len = 1024;
    // A cell is 208 bytes long, 224 with write unit 32, or 512 with the largest; a half holds 29 at least.
    let half_len = if write_unit == 512 { 0x4000 } else { 0x1C00 };
    Layout {
        flash_len: FLASH_LEN,
        write_unit,
        erased,
        overwrite: mode == Mode::Swap,
        mode,
        chunk_len,
        device_block: Area::new(0, 1024, 1024),
        identity: Area::new(0x400, 2048, 512),
        record: Area::new(0xC00, 2 * half_len, 1024),
        execution: Area::new(0x9000, 4 * chunk_len, 512),
        storage: match mode {
            Mode::Swap => [
                Area::new(0xA000, 5 * chunk_len, 1024),
                Area::new(0xC000, 0, 1024),
            ],
            Mode::Standby => [
                Area::new(0xA000, 4 * chunk_len, 512),
                Area::new(0xB000, 4 * chunk_len, 4096),
            ],
        },
    }
}
