//! Bytecode that prints its version and a count every second, and keeps the count through updates.
//!
//! It leaves updates to the firmware's agent. When it is on trial it accepts itself once it has
//! counted: that is its whole test of health.
#![cfg_attr(target_arch = "wasm32", no_std, no_main)]

use core::time::Duration;

use otaru_guest::{fota, info, message, store, time, warn};

otaru_guest::run!(count);

/// Counts between two writes of the count, because flash wears.
const COUNTS_PER_WRITE: u32 = 16;

fn count() {
    let mut count = store::get_u32("count").ok().flatten().unwrap_or(0);
    info!("counter {} starts at {count}", env!("CARGO_PKG_VERSION"));
    let mut on_trial = fota::get_record().is_ok_and(|record| record.is_trial());
    loop {
        count = count.wrapping_add(1);
        info!("count {count}");
        if message::publish("count", &count.to_le_bytes()).is_err() {
            warn!("count {count} was not sent");
        }
        if count.is_multiple_of(COUNTS_PER_WRITE) && store::put_u32("count", count).is_err() {
            warn!("count {count} was not stored");
        }
        if on_trial {
            on_trial = fota::accept().is_err();
        }
        time::sleep(Duration::from_secs(1));
    }
}
