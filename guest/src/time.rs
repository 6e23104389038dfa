//! Time since the device started.

use core::time::Duration;

use otaru_abi::limits::WAIT_MS_MAX;

use crate::host;

/// Time since the device started. It never goes back.
pub fn now() -> Duration {
    Duration::from_millis(host::millis())
}

/// Waits. The device does other work meanwhile.
pub fn sleep(duration: Duration) {
    let mut left = milliseconds(duration);
    while left > 0 {
        let part = left.min(WAIT_MS_MAX.into());
        // The VM never refuses a wait of this length.
        let _slept = host::sleep(u32::try_from(part).unwrap_or(WAIT_MS_MAX));
        left = left.saturating_sub(part);
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
