//! Prints its version and a counter every second, and updates itself over the air.
//!
//! This is the whole firmware. Change something, `otaru upload`, `otaru fota`, and watch the
//! console: the device goes on counting until the moment of the reset.
#![no_std]
#![no_main]

use core::cell::Cell;
use otaru_board_qemu_virt::firmware::QemuPlatform;
use otaru_runtime::{Application, MayInstall, Platform, Status, println, run};

/// How much is added every second. Change it and update the device.
const STEP: u32 = 1;

/// What the update agent asks this application. Leave out a method to say yes.
struct Counter<'a> {
    count: &'a Cell<u32>,
}

impl Application for Counter<'_> {
    /// A new version was downloaded and verified. May the device reset and install it now? Say
    /// `NotNow` while a motor runs or the battery is low: it is asked again.
    fn may_install(&mut self) -> MayInstall<'_> {
        if self.count.get() == 0 {
            return MayInstall::NotNow("has not counted yet");
        }
        MayInstall::Yes
    }

    /// This version runs for the first time. Check sensors and actuators: an error brings the old
    /// version back, and its text is shown in the device manager.
    fn healthy(&mut self) -> Result<(), &str> {
        if self.count.get() == 0 {
            return Err("does not count");
        }
        Ok(())
    }
}

// What the machine starts with.
otaru_board_qemu_virt::entry!(main);

fn main(board: QemuPlatform) {
    let status = Status::new();
    let count = Cell::new(0_u32);
    let work = async {
        // What the manager knows already is old news after a reset.
        let known = status.outcome().filter(|outcome| outcome.reported);
        let mut told = known.map(|outcome| outcome.attempt);
        loop {
            let online = if status.online() { "yes" } else { "no" };
            println!(&board, "Manager online:   {online}");
            println!(&board, "Firmware version: {}", status.version());
            if let Some(outcome) = status.outcome()
                && told.replace(outcome.attempt) != Some(outcome.attempt)
            {
                println!(&board, "Last update:      {outcome}");
            }
            println!(&board, "Counter:          {}", count.get());
            count.set(count.get().wrapping_add(STEP));
            board.sleep_ms(1000).await;
        }
    };
    // The agent and the work above take turns on one thread.
    let mut app = Counter { count: &count };
    board.block_on(run(&board, board.flash(), &mut app, &status, work));
}
