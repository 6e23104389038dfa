//! Slot layouts of known boards, as a starting point for a port.
//!
//! Every one has room for a first stage and a record of two halves, which the layouts that these
//! boards were known for had not: where a slot had to move or shrink for it, the comment says so.

use crate::{Config, RecordPlace, SlotLayout};
use otaru_flash::Area;

const KIB: u32 = 1024;
const NONE: Area = Area::new(0, 0, 0);
const DEFAULT: Config = Config { vm: 0, bytecode: 0 };
const PAGE: u32 = 4 * KIB;

/// A preset and its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// The board.
    pub name: &'static str,
    /// Its layout.
    pub layout: SlotLayout,
}

/// An area of 4 KiB sectors.
const fn pages(offset: u32, len: u32) -> Area {
    Area::new(offset, len, PAGE)
}

/// ESP32 with 4 MiB. Addresses are offsets in flash: the chip maps either bytecode slot to the same
/// address.
const ESP32: SlotLayout = SlotLayout {
    flash_len: 4096 * KIB,
    flash_address: 0,
    write_unit: 4,
    erased: 0xFF,
    overwrite: true,
    chunk_len: 512,
    default: DEFAULT,
    first_stage: pages(0x1000, 0x7000),
    device_block: pages(0x39_2000, PAGE),
    identity: pages(0x39_3000, 2 * PAGE),
    record: RecordPlace::Flash(pages(0x39_0000, 2 * PAGE)),
    vm: [pages(0x1_0000, 1024 * KIB), pages(0x11_0000, 1024 * KIB)],
    bytecode: [pages(0x21_0000, 512 * KIB), pages(0x29_0000, 512 * KIB)],
};

/// The same with a larger VM, for Bluetooth.
const ESP32_BLE: SlotLayout = SlotLayout {
    vm: [pages(0x1_0000, 1216 * KIB), pages(0x14_0000, 1216 * KIB)],
    bytecode: [pages(0x27_0000, 320 * KIB), pages(0x2C_0000, 320 * KIB)],
    ..ESP32
};

/// STM32F412 with sectors of 16, 64 and 128 KiB. VM 0 leaves the small sectors to first stage and
/// record, so bytecode slot 0 is one large sector shorter than slot 1.
const AZ3166: SlotLayout = SlotLayout {
    flash_len: 1024 * KIB,
    flash_address: 0x0800_0000,
    write_unit: 4,
    erased: 0xFF,
    overwrite: true,
    chunk_len: 256,
    default: DEFAULT,
    first_stage: Area::new(0, 32 * KIB, 16 * KIB),
    device_block: Area::new(0x1_0000, 64 * KIB, 64 * KIB),
    identity: NONE,
    record: RecordPlace::Flash(Area::new(0x8000, 32 * KIB, 16 * KIB)),
    vm: [
        Area::new(0x2_0000, 128 * KIB, 128 * KIB),
        Area::new(0x8_0000, 128 * KIB, 128 * KIB),
    ],
    bytecode: [
        Area::new(0x4_0000, 256 * KIB, 128 * KIB),
        Area::new(0xA_0000, 384 * KIB, 128 * KIB),
    ],
};

/// STM32F746 with sectors of 32, 128 and 256 KiB: every slot is a sector of its own, which the places
/// this board was known for were not.
const NUCLEO_F746ZG: SlotLayout = SlotLayout {
    first_stage: Area::new(0, 32 * KIB, 32 * KIB),
    device_block: Area::new(0x8000, 32 * KIB, 32 * KIB),
    record: RecordPlace::Flash(Area::new(0x1_0000, 64 * KIB, 32 * KIB)),
    vm: [
        Area::new(0x2_0000, 128 * KIB, 128 * KIB),
        Area::new(0x8_0000, 256 * KIB, 256 * KIB),
    ],
    bytecode: [
        Area::new(0x4_0000, 256 * KIB, 256 * KIB),
        Area::new(0xC_0000, 256 * KIB, 256 * KIB),
    ],
    ..AZ3166
};

/// STM32F205: one VM behind the small sectors.
const PHOTON: SlotLayout = SlotLayout {
    vm: [Area::new(0x2_0000, 128 * KIB, 128 * KIB), NONE],
    bytecode: [
        Area::new(0x4_0000, 384 * KIB, 128 * KIB),
        Area::new(0xA_0000, 384 * KIB, 128 * KIB),
    ],
    ..AZ3166
};

/// K64: units of 8 bytes that must not be written twice. Slot 0 begins later than it did, slot 1
/// ends earlier.
const HEXIWEAR: SlotLayout = SlotLayout {
    flash_len: 1024 * KIB,
    flash_address: 0,
    write_unit: 8,
    erased: 0xFF,
    overwrite: false,
    chunk_len: 256,
    default: DEFAULT,
    first_stage: pages(0, 32 * KIB),
    device_block: pages(0xF_B000, PAGE),
    identity: pages(0xF_C000, 2 * PAGE),
    record: RecordPlace::Flash(pages(0xF_E000, 2 * PAGE)),
    vm: [pages(0x8000, 96 * KIB), NONE],
    bytecode: [pages(0x2_0000, 420 * KIB), pages(0x8_9000, 456 * KIB)],
};

/// nRF52832: both slots 24 KiB shorter than they were.
const NRF52_NANO2: SlotLayout = SlotLayout {
    flash_len: 512 * KIB,
    flash_address: 0,
    write_unit: 4,
    erased: 0xFF,
    overwrite: true,
    chunk_len: 64,
    default: DEFAULT,
    first_stage: pages(0, 32 * KIB),
    device_block: pages(0x7_B000, PAGE),
    identity: pages(0x7_C000, 2 * PAGE),
    record: RecordPlace::Flash(pages(0x7_E000, 2 * PAGE)),
    vm: [pages(0x8000, 92 * KIB), NONE],
    bytecode: [pages(0x1_F000, 184 * KIB), pages(0x4_D000, 184 * KIB)],
};

/// An area of rows of 256 bytes.
const fn rows(offset: u32, len: u32) -> Area {
    Area::new(offset, len, 256)
}

/// SAMD21 with 256 KiB: slots of 64 KiB, which were 77 KiB.
const MKR1000: SlotLayout = SlotLayout {
    flash_len: 256 * KIB,
    flash_address: 0,
    write_unit: 4,
    erased: 0xFF,
    overwrite: true,
    chunk_len: 128,
    default: DEFAULT,
    first_stage: rows(0, 24 * KIB),
    device_block: rows(0x3_D800, 2 * KIB),
    identity: rows(0x3_E000, 4 * KIB),
    record: RecordPlace::Flash(rows(0x3_F000, 4 * KIB)),
    vm: [rows(0x6000, 94 * KIB), NONE],
    bytecode: [rows(0x1_D800, 64 * KIB), rows(0x2_D800, 64 * KIB)],
};

/// SAM3X: slot 1 ends earlier than it did.
const ARDUINO_DUE: SlotLayout = SlotLayout {
    flash_len: 512 * KIB,
    flash_address: 0x8_0000,
    write_unit: 4,
    erased: 0xFF,
    overwrite: true,
    chunk_len: 64,
    default: DEFAULT,
    first_stage: rows(0, 32 * KIB),
    device_block: rows(0x7_D000, 4 * KIB),
    identity: rows(0x7_E000, 4 * KIB),
    record: RecordPlace::Flash(rows(0x7_F000, 4 * KIB)),
    vm: [rows(0x8000, 224 * KIB), NONE],
    bytecode: [rows(0x4_0000, 128 * KIB), rows(0x6_0000, 116 * KIB)],
};

/// ESP8266: unequal bytecode slots, and a record in the memory of the clock, which a power loss
/// erases.
const ESP8266: SlotLayout = SlotLayout {
    flash_len: 4096 * KIB,
    flash_address: 0x4020_0000,
    write_unit: 4,
    erased: 0xFF,
    overwrite: true,
    chunk_len: 64,
    default: DEFAULT,
    first_stage: pages(0, 32 * KIB),
    device_block: pages(0x10_0000, PAGE),
    identity: pages(0x10_1000, 2 * PAGE),
    record: RecordPlace::Volatile,
    vm: [pages(0x8000, 416 * KIB), NONE],
    bytecode: [pages(0x7_0000, 256 * KIB), pages(0xB_0000, 320 * KIB)],
};

const fn preset(name: &'static str, layout: SlotLayout) -> Preset {
    Preset { name, layout }
}

/// Every preset.
pub const ALL: &[Preset] = &[
    preset("esp32", ESP32),
    preset("esp32-ble", ESP32_BLE),
    preset("az3166", AZ3166),
    preset("nucleo-f746zg", NUCLEO_F746ZG),
    preset("photon", PHOTON),
    preset("hexiwear", HEXIWEAR),
    preset("nrf52-nano2", NRF52_NANO2),
    preset("mkr1000", MKR1000),
    preset("arduino-due", ARDUINO_DUE),
    preset("esp8266", ESP8266),
];

/// The preset with this name.
pub fn find(name: &str) -> Option<&'static Preset> {
    ALL.iter().find(|preset| preset.name == name)
}
