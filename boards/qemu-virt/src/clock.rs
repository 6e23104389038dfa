//! Time since the machine was switched on.

use crate::registers::{TIME_HIGH, TIME_LOW};

/// Ticks of the machine's timer in a millisecond.
pub const TICKS_PER_MS: u64 = 10_000;

/// The timer's count. A reset of the machine inside of one QEMU process does not set it back.
pub fn ticks() -> u64 {
    loop {
        let high = TIME_HIGH.read();
        let low = TIME_LOW.read();
        // The upper half may have changed between the two readings.
        if TIME_HIGH.read() == high {
            return u64::from(high) << 32 | u64::from(low);
        }
    }
}

/// The same in milliseconds.
pub fn millis() -> u64 {
    ticks() / TICKS_PER_MS
}
