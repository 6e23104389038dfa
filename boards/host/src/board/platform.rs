//! The host board as the update agent sees it.

use super::{Board, HostFlash, HostNetwork, TakeError};
use crate::{DEVICE_BLOCK_AT, HANDOVER_LEN};
use async_io::Timer;
use otaru_runtime_agent::{Boot, Platform, ResetReason, begin_console, tail};
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::time::Duration;

/// Everything that a firmware for the host board needs, in one value.
#[derive(Debug, Clone)]
pub struct HostPlatform {
    board: Board,
    network: HostNetwork,
    handover: Box<[u8; HANDOVER_LEN]>,
    bootloader: String,
}

impl HostPlatform {
    /// Takes the board, once per process. From here on a panic is kept for the next boot and ends
    /// the process, which the chip sees as a crash.
    ///
    /// # Errors
    /// [`TakeError`].
    pub fn take() -> Result<Self, TakeError> {
        let board = Board::take()?;
        let retained = board.retained().clone();
        Board::reset_on_panic(move |text| {
            let mut part = retained.agent();
            tail::push(&mut part, text);
            tail::push(&mut part, "\n");
            retained.set_agent(&part);
        });
        let platform = Self {
            network: board.network(),
            handover: Box::new(board.retained().handover()),
            bootloader: board.retained().bootloader(),
            board,
        };
        begin_console(&platform, platform.flash());
        Ok(platform)
    }

    /// Runs a firmware on one thread: when any part of it blocks, the agent stops feeding the
    /// watchdog, and the chip resets the device.
    pub fn block_on<T>(&self, firmware: impl Future<Output = T>) -> T {
        async_io::block_on(firmware)
    }

    /// The flash driver.
    pub fn flash(&self) -> HostFlash {
        self.board.flash()
    }

    /// The board itself.
    pub fn board(&self) -> &Board {
        &self.board
    }
}

impl Platform for HostPlatform {
    type Net = HostNetwork;

    fn net(&self) -> &HostNetwork {
        &self.network
    }

    fn boot(&self) -> Boot<'_> {
        Boot {
            device_block_at: DEVICE_BLOCK_AT,
            handover: self.handover.as_slice(),
            bootloader: &self.bootloader,
        }
    }

    fn now_ms(&self) -> u64 {
        self.board.millis()
    }

    async fn sleep_ms(&self, ms: u32) {
        Timer::after(Duration::from_millis(u64::from(ms))).await;
    }

    fn random(&self) -> u32 {
        let bits = std::hash::RandomState::new().build_hasher().finish();
        u32::try_from(bits >> 32).unwrap_or(0)
    }

    fn feed_watchdog(&self) {
        self.board.feed_watchdog();
    }

    fn print(&self, text: &str) {
        let mut console = std::io::stdout().lock();
        // Without a chip that reads this the process ends anyway.
        drop(console.write_all(text.as_bytes()));
        drop(console.flush());
    }

    fn with_retained(&self, use_it: &mut dyn FnMut(&mut [u8])) {
        let retained = self.board.retained();
        let before = retained.agent();
        let mut part = before.clone();
        use_it(&mut part);
        if part != before {
            retained.set_agent(&part);
        }
    }

    fn reset(&self, _reason: ResetReason) {
        self.board.reset()
    }
}
