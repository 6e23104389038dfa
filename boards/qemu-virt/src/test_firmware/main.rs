//! The firmware of this package's tests: does what the script in its image says.
//!
//! The tests write the script into [`SCRIPT`] before they sign the image, so that one build serves
//! all of them.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(
    not(target_os = "none"),
    expect(dead_code, reason = "compiled for this machine only to be checked")
)]
#![expect(
    unsafe_code,
    reason = "start-up code, and crimes that the guard punishes"
)]

mod crimes;

use otaru_board_qemu_virt::flash::MappedFlash;
use otaru_board_qemu_virt::{DEVICE_BLOCK_AT, clock, console::Console, flash, monitor, retained};
use otaru_flash::{DEVICE_BLOCK_LEN, DeviceBlock, Flash as _};
use otaru_record::{Journal, Phase};

const SCRIPT_LEN: usize = 64;

/// The tests find this place by its first 16 bytes and write the script behind them.
#[used]
static SCRIPT: [u8; SCRIPT_LEN] = {
    let mut place = [0; SCRIPT_LEN];
    place
        .split_at_mut(16)
        .0
        .copy_from_slice(b"otaru script is:");
    place
};

macro_rules! say {
    ($($text:tt)+) => {
        Console.line(format_args!($($text)+))
    };
}
pub(crate) use say;

/// The script; read as the image holds it, not as the compiler knows it.
fn script(text: &mut [u8; SCRIPT_LEN]) -> &str {
    let place = &raw const SCRIPT;
    // SAFETY: reads a static of this program.
    *text = unsafe { place.read_volatile() };
    let text = text.split_at(16).1;
    let end = text.iter().position(|byte| *byte == 0);
    core::str::from_utf8(text.split_at(end.unwrap_or(0)).0).unwrap_or_default()
}

fn firmware() -> ! {
    let mut text = [0; SCRIPT_LEN];
    let script = script(&mut text);
    let mut flash = flash::for_firmware();
    say!("firmware runs: {script}");
    let version = retained::version();
    let version = core::str::from_utf8(&version).unwrap_or_default();
    say!("bootloader version {}", version.trim_end_matches('\0'));
    match script {
        "confirm" => confirm(&mut flash),
        "hang" => hang(),
        "hang deaf" => {
            crimes::refuse_interrupts();
            hang()
        }
        "fed" => fed(),
        "reset" => monitor::reset(),
        "panic" => panic!("on purpose"),
        "rules" => crimes::rules(&mut flash),
        "illegal" => crimes::illegal(),
        "write execution slot" => crimes::write(0x2010_0000),
        "write bootloader ram" => crimes::write(0x8000_0000),
        "read bootloader ram" => crimes::read(0x8000_0000),
        "stop the watchdog" => crimes::write(0x0200_4004),
        "reset without a cause" => crimes::write(0x0010_0000),
        _ => {}
    }
    loop {
        monitor::feed_watchdog();
        monitor::rest(10);
    }
}

/// Spins without feeding the watchdog.
fn hang() -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// Outlives twice the watchdog's time-out of the tests by feeding it, then hangs.
fn fed() -> ! {
    let end = clock::millis().saturating_add(2000);
    while clock::millis() < end {
        monitor::feed_watchdog();
        monitor::rest(50);
    }
    say!("fed long enough");
    hang()
}

/// Confirms the trial, if this is one.
fn confirm(flash: &mut MappedFlash) {
    let mut block = [0; DEVICE_BLOCK_LEN];
    flash
        .read(DEVICE_BLOCK_AT, &mut block)
        .expect("flash reads");
    let block = DeviceBlock::decode(&block).expect("a device block");
    let handover = retained::handover();
    let mut journal = Journal::take_over(&block.layout, &handover).expect("a handover");
    let state = *journal.state();
    if state.phase() == Phase::Trial {
        let mode = block.layout.mode;
        let next = state
            .confirmed(mode, state.attempt(), 1, 0)
            .expect("on trial");
        journal.append(flash, &next).expect("the record takes it");
        say!("confirmed");
    } else {
        say!("nothing to confirm");
    }
}

/// Called by the start-up code with RAM initialised.
#[cfg(target_os = "none")]
#[unsafe(no_mangle)]
extern "C" fn otaru_start() -> ! {
    firmware()
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    say!("{info}");
    monitor::crash()
}

#[cfg(not(target_os = "none"))]
fn main() {}
