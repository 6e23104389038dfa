//! The machine's timer as the clock of the network stack.

use core::task::Waker;
use embassy_time_driver::{Driver, time_driver_impl};

/// The timer's ticks are those that this package's features name.
struct Timer;

impl Driver for Timer {
    fn now(&self) -> u64 {
        crate::clock::ticks()
    }

    fn schedule_wake(&self, _at: u64, _waker: &Waker) {
        // The executor asks everybody again after a millisecond, whoever is due.
    }
}

time_driver_impl!(static TIMER: Timer = Timer);
