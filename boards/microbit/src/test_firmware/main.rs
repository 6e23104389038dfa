//! The firmware of `tests/emulator`: does what the script in its image says, and says so.
//!
//! The tests write the script into [`SCRIPT`] before they sign the image, so that one build serves all
//! of them. Each line that it prints is one that the tests wait for.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(
    not(target_os = "none"),
    expect(dead_code, reason = "compiled for this machine only to be checked")
)]
#![expect(
    unsafe_code,
    reason = "start-up code, and a place that is written later"
)]

use otaru_board_microbit::Microbit;
use otaru_board_nrf::{Chip as _, InternalFlash, console, sleep};
use otaru_flash::{DEVICE_BLOCK_LEN, DeviceBlock, Flash as _};
use otaru_record::{Journal, Phase};

const SCRIPT_LEN: usize = 32;

/// The tests find this place by its first 16 bytes and write the script behind them.
#[used]
static SCRIPT: [u8; SCRIPT_LEN] = *b"otaru script is:\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// The first byte of the script; read as the image holds it, not as the compiler knows it.
fn script() -> u8 {
    let place = &raw const SCRIPT;
    // SAFETY: reads a static of this program.
    let text = unsafe { place.read_volatile() };
    text.split_at(16).1.first().copied().unwrap_or_default()
}

/// `c`: confirms a trial. Everything else: sleeps without feeding the watchdog.
fn run() {
    console::start();
    match script() {
        b'c' => match confirm() {
            Some(line) => console::send(line),
            None => console::send(b"no record\n"),
        },
        _ => console::send(b"hangs\n"),
    }
}

/// Confirms the trial, if this is one, and says what it did.
fn confirm() -> Option<&'static [u8]> {
    let mut flash = InternalFlash::<Microbit>::new();
    let mut block = [0; DEVICE_BLOCK_LEN];
    flash.read(Microbit::DEVICE_BLOCK_AT, &mut block).ok()?;
    let block = DeviceBlock::decode(&block).ok()?;
    let mut journal = Journal::take_over(&block.layout, Microbit::retained()).ok()?;
    let state = *journal.state();
    if state.phase() != Phase::Trial {
        return Some(b"runs\n");
    }
    let next = state
        .confirmed(block.layout.mode, state.attempt(), 1, 0)
        .ok()?;
    journal.append_twice(&mut flash, &next).ok()?;
    Some(b"confirmed\n")
}

/// Called by the start-up code.
#[cfg_attr(target_os = "none", unsafe(no_mangle))]
extern "C" fn firmware() -> ! {
    run();
    loop {
        sleep();
    }
}

#[cfg(target_os = "none")]
core::arch::global_asm!(include_str!("start.s"));

#[cfg(target_os = "none")]
#[panic_handler]
fn panicked(_info: &core::panic::PanicInfo<'_>) -> ! {
    console::send(b"panic\n");
    loop {
        sleep();
    }
}

#[cfg(not(target_os = "none"))]
fn main() {}
