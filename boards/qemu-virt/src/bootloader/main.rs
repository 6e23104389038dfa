//! The bootloader of QEMU's machine `virt`: what the library needs from the machine, the guard that
//! stays while the firmware runs, and recovery over the console.
//!
//! What it decides is in `otaru-bootloader`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(
    not(target_os = "none"),
    expect(dead_code, reason = "compiled for this machine only to be checked")
)]
#![cfg_attr(
    target_os = "none",
    expect(
        unsafe_code,
        reason = "privileged registers and the jump into the firmware"
    )
)]

mod guard;
#[cfg(feature = "console")]
mod recovery;
mod services;

use otaru_board_qemu_virt::{DEVICE_BLOCK_AT, console::Console, flash, retained};
use otaru_bootloader::{Boot, ResetCause, Start, Started};
use services::Services;

/// Bytes of the copy buffer: half of it holds a chunk, half what was read back.
const BUFFER_LEN: usize = 0x2000;

/// Memory of one boot.
struct Memory {
    buf: [u8; BUFFER_LEN],
    #[cfg(feature = "console")]
    frame: [u8; recovery::FRAME_LEN],
}

/// Prints a line of the bootloader, if it has a console.
fn say(line: core::fmt::Arguments<'_>) {
    if cfg!(feature = "console") {
        Console.line(format_args!(":: {line}"));
    }
}

/// Everything between reset and jump; returns the address of the firmware's first instruction.
fn boot(memory: &mut Memory) -> u32 {
    let noted = retained::take_cause();
    let (cause, word) = match noted {
        None => (ResetCause::PowerOn, "power-on"),
        Some(retained::Cause::Button) => (ResetCause::Button, "button"),
        Some(retained::Cause::Watchdog) => (ResetCause::Watchdog, "watchdog"),
        Some(retained::Cause::Software) => (ResetCause::Software, "software"),
        Some(retained::Cause::Crash) => (ResetCause::Crash, "crash"),
    };
    say(format_args!(
        "Otaru bootloader {}",
        otaru_bootloader::VERSION
    ));
    say(format_args!("started by {word}"));
    let mut flash = flash::for_bootloader();
    let mut services = Services::new();
    let request = Boot {
        device_block_at: DEVICE_BLOCK_AT,
        cause,
    };
    match otaru_bootloader::start(&mut flash, &mut services, request, &mut memory.buf) {
        Started::Image(start) => {
            hand_over(&start);
            start
                .block
                .execution_address()
                .wrapping_add(u32::from(start.image.header.header_len))
        }
        // The bootloader has reported why.
        #[cfg(feature = "console")]
        Started::Stopped(stopped) => recovery::run(stopped, &mut flash, &mut services, memory),
        #[cfg(not(feature = "console"))]
        Started::Stopped(_) => loop {
            core::hint::spin_loop();
        },
    }
}

fn hand_over(start: &Start) {
    let mut message = [0; retained::HANDOVER_LEN];
    let len = start.journal.hand_over(&mut message).unwrap_or(0);
    retained::set_handover(message.get(..len).unwrap_or_default());
    retained::set_version(otaru_bootloader::VERSION);
}

/// Called by the start-up code with RAM initialised.
#[cfg(target_os = "none")]
#[unsafe(no_mangle)]
extern "C" fn otaru_start() -> ! {
    static mut MEMORY: Memory = Memory {
        buf: [0; BUFFER_LEN],
        #[cfg(feature = "console")]
        frame: [0; recovery::FRAME_LEN],
    };
    guard::catch_faults();
    let memory = &raw mut MEMORY;
    // SAFETY: this function runs once per reset, and nobody else names this memory.
    let memory = unsafe { &mut *memory };
    let entry = boot(memory);
    guard::enter(entry)
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    say(format_args!("{info}"));
    guard::reset(retained::Cause::Crash)
}

#[cfg(not(target_os = "none"))]
fn main() {}
