//! A lamp that dims with the daylight and updates itself over the air.
#![no_std]
#![no_main]

mod board;

use board::Chip;
use core::cell::Cell;
use otaru_runtime::{Application, MayInstall, Platform, Status, println, run};

/// How much is added every second.
const STEP: u32 = 1;

/// What the update agent asks this application.
struct Lamp<'a> {
    count: &'a Cell<u32>,
}

impl Application for Lamp<'_> {
    fn may_install(&mut self) -> MayInstall<'_> {
        if self.count.get() == 0 {
            return MayInstall::NotNow("has not counted yet");
        }
        MayInstall::Yes
    }

    fn healthy(&mut self) -> Result<(), &str> {
        if self.count.get() == 0 {
            return Err("does not count");
        }
        Ok(())
    }
}

async fn work(chip: &Chip, status: &Status, count: &Cell<u32>) {
    loop {
        let online = if status.online() { "yes" } else { "no" };
        println!(chip, "Manager online:   {online}");
        println!(chip, "Firmware version: {}", status.version());
        println!(chip, "Counter:          {}", count.get());
        board::light(board::daylight() / 4);
        count.set(count.get().wrapping_add(STEP));
        chip.sleep_ms(1000).await;
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let chip = Chip;
    let status = Status::new();
    let count = Cell::new(0_u32);
    let mut app = Lamp { count: &count };
    let work = work(&chip, &status, &count);
    embassy_futures::block_on(run(&chip, Chip, &mut app, &status, work));
    loop {}
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    otaru_runtime::print_panic(&Chip, info);
    loop {}
}
