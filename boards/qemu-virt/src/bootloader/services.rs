//! What the bootloader needs from this machine.

use crate::guard;
use otaru_board_qemu_virt::{clock, console::Console, report::Report};
use otaru_bootloader::{Event, Port};
use otaru_image::StandardVerifier;

pub(crate) struct Services {
    report: Report<Console>,
}

impl Services {
    pub(crate) fn new() -> Self {
        Self {
            report: Report::new(Console),
        }
    }
}

impl Port for Services {
    type Verifier = StandardVerifier;

    fn verifier(&mut self) -> StandardVerifier {
        StandardVerifier::default()
    }

    fn feed_watchdog(&mut self) {
        // A reset stops the watchdog, so it does not run before a firmware is started.
    }

    fn arm_watchdog(&mut self, timeout_ms: u32) {
        guard::set_watchdog(timeout_ms);
    }

    fn now_ms(&mut self) -> u32 {
        // Wraps after 49 days, as the bootloader allows.
        u32::try_from(clock::millis() & u64::from(u32::MAX)).unwrap_or(0)
    }

    fn report(&mut self, event: Event<'_>) {
        self.report.event(&event);
    }
}
