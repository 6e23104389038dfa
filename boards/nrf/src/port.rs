//! Watchdog, reset cause and the verifier.

use crate::registers::Register;
use otaru_bootloader::{Event, Port, ResetCause};

#[cfg(not(any(feature = "small", feature = "dalek", feature = "p256")))]
use NoVerifier as Ed25519;
#[cfg(feature = "dalek")]
use otaru_image::Ed25519Dalek as Ed25519;
#[cfg(all(feature = "small", not(feature = "dalek")))]
use otaru_image::Ed25519Small as Ed25519;
#[cfg(all(feature = "p256", not(any(feature = "small", feature = "dalek"))))]
use otaru_image::NoEd25519 as Ed25519;

/// The verifier that the features choose; without any of them one that refuses everything.
#[cfg(not(feature = "p256"))]
pub type Chosen = Ed25519;
/// The verifier that the features choose.
#[cfg(feature = "p256")]
pub type Chosen = otaru_image::WithP256<Ed25519>;

const RESET_REASON: Register = Register::at(0x4000_0400);

const WATCHDOG_START: Register = Register::at(0x4001_0000);
const WATCHDOG_RUNS: Register = Register::at(0x4001_0400);
const WATCHDOG_TICKS: Register = Register::at(0x4001_0504);
const WATCHDOG_RELOAD: Register = Register::at(0x4001_0600);
/// The one value that the reload register takes.
const RELOAD: u32 = 0x6E52_4635;

/// Why the CPU started. Read once: the register keeps every cause until it is cleared.
pub fn reset_cause() -> ResetCause {
    let reason = RESET_REASON.read();
    // A one clears.
    RESET_REASON.write(reason);
    if reason & 1 << 1 != 0 {
        ResetCause::Watchdog
    } else if reason & 1 << 3 != 0 {
        ResetCause::Crash
    } else if reason & 1 << 2 != 0 {
        ResetCause::Software
    } else if reason & 1 != 0 {
        ResetCause::Button
    } else {
        ResetCause::PowerOn
    }
}

/// What the bootloader needs from a board. It prints nothing: no pin is known to be a console.
#[derive(Debug)]
pub struct Services;

impl Port for Services {
    type Verifier = Chosen;

    // There is no console.
    const SHOWS_ENTRIES: bool = false;

    fn verifier(&mut self) -> Chosen {
        Chosen::default()
    }

    #[inline(never)]
    fn feed_watchdog(&mut self) {
        // Without effect while it does not run. After a software reset it may still run.
        WATCHDOG_RELOAD.write(RELOAD);
    }

    fn arm_watchdog(&mut self, timeout_ms: u32) {
        if WATCHDOG_RUNS.read() & 1 == 0 {
            // 32768 ticks a second, in two parts so that 32 bits are enough up to 36 hours.
            let seconds = (timeout_ms / 1000).saturating_mul(32_768);
            let rest = (timeout_ms % 1000).saturating_mul(32_768) / 1000;
            WATCHDOG_TICKS.write(seconds.saturating_add(rest));
            WATCHDOG_START.write(1);
        }
        WATCHDOG_RELOAD.write(RELOAD);
    }

    fn now_ms(&mut self) -> u32 {
        // No clock is started before the firmware runs.
        0
    }

    fn report(&mut self, _event: Event<'_>) {}
}

/// Refuses every signature, in a way that no optimiser sees through: the rest of the bootloader
/// stays in the program and can be measured.
#[cfg(not(any(feature = "small", feature = "dalek", feature = "p256")))]
#[derive(Debug, Clone, Copy, Default)]
pub struct NoVerifier;

#[cfg(not(any(feature = "small", feature = "dalek", feature = "p256")))]
impl otaru_image::SignatureVerifier for NoVerifier {
    fn check(
        &self,
        _public: &[u8; 32],
        _message: &[u8],
        _signature: &[u8; 64],
    ) -> Result<(), otaru_image::SignatureRejected> {
        if core::hint::black_box(true) {
            Err(otaru_image::SignatureRejected)
        } else {
            Ok(())
        }
    }
}
