//! The machine as the update agent sees it.

use super::executor;
use super::network::{PacketRunner, QemuNetwork};
use super::virtio::{Entropy, entropy};
use crate::flash::{self, MappedFlash};
use crate::{DEVICE_BLOCK_AT, clock, console::Console, monitor, retained};
use core::cell::{Cell, RefCell};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Poll;
use otaru_runtime_agent::{Boot, Platform, ResetReason, begin_console};

/// Everything that a firmware for this board needs, in one value.
pub struct QemuPlatform {
    network: QemuNetwork,
    runner: Cell<Option<PacketRunner>>,
    entropy: RefCell<Option<Entropy>>,
    handover: [u8; retained::HANDOVER_LEN],
    version: [u8; retained::VERSION_LEN],
}

impl QemuPlatform {
    /// Takes the board: nothing the second time.
    pub fn take() -> Option<Self> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        if TAKEN.swap(true, Ordering::Relaxed) {
            return None;
        }
        let mut entropy = entropy();
        let seed = u64::from_le_bytes(random(entropy.as_mut()));
        let (network, runner) = QemuNetwork::take(seed);
        let platform = Self {
            network,
            runner: Cell::new(runner),
            entropy: RefCell::new(entropy),
            handover: retained::handover(),
            version: retained::version(),
        };
        begin_console(&platform, platform.flash());
        Some(platform)
    }

    /// Runs a firmware to its end. When any part of it blocks, the agent stops feeding the watchdog,
    /// and the bootloader resets the machine.
    pub fn block_on<T>(&self, firmware: impl Future<Output = T>) -> T {
        let runner = self.runner.take();
        executor::block_on(firmware, async {
            if let Some(mut runner) = runner {
                runner.run().await;
            }
        })
    }

    /// The flash driver. The execution slot can only be read through it.
    pub fn flash(&self) -> MappedFlash {
        flash::for_firmware()
    }
}

/// Random bytes; of the clock's last ticks if QEMU was given no device for them.
fn random<const LEN: usize>(device: Option<&mut Entropy>) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    let filled = device.and_then(|device| device.request_entropy(&mut bytes).ok());
    if filled != Some(LEN) {
        for (byte, tick) in bytes.iter_mut().zip(clock::ticks().to_le_bytes()) {
            *byte ^= tick;
        }
    }
    bytes
}

impl Platform for QemuPlatform {
    type Net = QemuNetwork;

    fn net(&self) -> &QemuNetwork {
        &self.network
    }

    fn boot(&self) -> Boot<'_> {
        let version = core::str::from_utf8(&self.version).unwrap_or_default();
        Boot {
            device_block_at: DEVICE_BLOCK_AT,
            handover: &self.handover,
            bootloader: version.trim_end_matches('\0'),
        }
    }

    fn now_ms(&self) -> u64 {
        clock::millis()
    }

    async fn sleep_ms(&self, ms: u32) {
        let end = clock::millis().saturating_add(u64::from(ms));
        // The executor asks again after every rest.
        core::future::poll_fn(|_| {
            if clock::millis() >= end {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    fn random(&self) -> u32 {
        u32::from_le_bytes(random(self.entropy.borrow_mut().as_mut()))
    }

    fn feed_watchdog(&self) {
        monitor::feed_watchdog();
    }

    fn print(&self, text: &str) {
        Console.send(text.as_bytes());
    }

    fn with_retained(&self, use_it: &mut dyn FnMut(&mut [u8])) {
        retained::with_agent(use_it);
    }

    fn reset(&self, _reason: ResetReason) {
        monitor::reset()
    }
}
