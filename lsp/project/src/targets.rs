//! The compiler targets that boards of our kind are built for. A board may name another one; this
//! list is what is proposed, and what a typing mistake is recognised by.

use crate::schema::Word;

/// `host` and the bare-metal targets of the usual microcontrollers.
pub const TARGETS: &[Word] = &[
    Word {
        name: "host",
        doc: "The machine that builds.",
    },
    Word {
        name: "thumbv6m-none-eabi",
        doc: "Cortex-M0, M0+, M1: RP2040, STM32F0, STM32G0, nRF51.",
    },
    Word {
        name: "thumbv7m-none-eabi",
        doc: "Cortex-M3: STM32F1, LM3S.",
    },
    Word {
        name: "thumbv7em-none-eabi",
        doc: "Cortex-M4 and M7 without floating point unit.",
    },
    Word {
        name: "thumbv7em-none-eabihf",
        doc: "Cortex-M4F and M7F: nRF52, STM32F4, STM32L4, STM32H7.",
    },
    Word {
        name: "thumbv8m.base-none-eabi",
        doc: "Cortex-M23.",
    },
    Word {
        name: "thumbv8m.main-none-eabi",
        doc: "Cortex-M33 without floating point unit.",
    },
    Word {
        name: "thumbv8m.main-none-eabihf",
        doc: "Cortex-M33F: RP2350, nRF5340, nRF91, STM32L5, STM32U5.",
    },
    Word {
        name: "riscv32i-unknown-none-elf",
        doc: "RISC-V without extensions.",
    },
    Word {
        name: "riscv32imc-unknown-none-elf",
        doc: "RISC-V with multiplication and short instructions: ESP32-C2, ESP32-C3, GD32V.",
    },
    Word {
        name: "riscv32imac-unknown-none-elf",
        doc: "RISC-V with atomics: ESP32-C6, ESP32-H2, RP2350.",
    },
    Word {
        name: "xtensa-esp32-none-elf",
        doc: "ESP32.",
    },
    Word {
        name: "xtensa-esp32s2-none-elf",
        doc: "ESP32-S2.",
    },
    Word {
        name: "xtensa-esp32s3-none-elf",
        doc: "ESP32-S3.",
    },
];
