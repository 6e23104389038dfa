//! What the bootloader needs from this machine.

use crate::guard;
use otaru_board_qemu_virt::clock;
#[cfg(feature = "console")]
use otaru_board_qemu_virt::{console::Console, report::Report};
use otaru_bootloader::{Event, Port};

#[cfg(feature = "dalek")]
use otaru_image::Ed25519Dalek as Ed25519;
#[cfg(all(feature = "small", not(feature = "dalek")))]
use otaru_image::Ed25519Small as Ed25519;
#[cfg(not(any(feature = "small", feature = "dalek")))]
use otaru_image::NoEd25519 as Ed25519;

#[cfg(feature = "p256")]
type Verifier = otaru_image::WithP256<Ed25519>;
#[cfg(not(feature = "p256"))]
type Verifier = Ed25519;

pub(crate) struct Services {
    #[cfg(feature = "console")]
    report: Report<Console>,
}

impl Services {
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(feature = "console")]
            report: Report::new(Console),
        }
    }
}

impl Port for Services {
    type Verifier = Verifier;

    const SHOWS_ENTRIES: bool = cfg!(feature = "console");

    fn verifier(&mut self) -> Verifier {
        Verifier::default()
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

    #[cfg(feature = "console")]
    fn report(&mut self, event: Event<'_>) {
        self.report.event(&event);
    }

    #[cfg(not(feature = "console"))]
    fn report(&mut self, _event: Event<'_>) {}
}
