//! The serial line of a board whose pins are known: the UART of both families, sending only.

use crate::registers::Register;

const START: Register = Register::at(0x4000_2008);
const SENT: Register = Register::at(0x4000_211C);
const ENABLE: Register = Register::at(0x4000_2500);
const PIN: Register = Register::at(0x4000_250C);
const DATA: Register = Register::at(0x4000_251C);
const SPEED: Register = Register::at(0x4000_2524);

/// The pin of the micro:bit that leads to its USB chip.
const USB: u32 = 24;
/// 115200 bits a second.
const FAST: u32 = 0x01D7_E000;
/// Looks before a byte counts as sent; one takes 87 µs.
const LOOKS_MAX: u32 = 10_000;

/// Switches the line on.
pub fn start() {
    PIN.write(USB);
    SPEED.write(FAST);
    ENABLE.write(4);
    START.write(1);
}

/// Sends bytes. Nobody has to listen.
pub fn send(bytes: &[u8]) {
    for byte in bytes {
        SENT.write(0);
        DATA.write(u32::from(*byte));
        for _ in 0..LOOKS_MAX {
            if SENT.read() != 0 {
                break;
            }
        }
    }
}
