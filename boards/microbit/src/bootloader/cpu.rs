//! The Cortex-M0: vector table, start-up, the jump, and what to do when nothing can be started.
//!
//! The functions of the C library that the compiler calls (`memcpy` and its relatives) are here as
//! well: those of the compiler's own library are written for speed.

use core::arch::{asm, global_asm};
use otaru_board_microbit::{FORWARD_ADDRESS, Microbit};
use otaru_board_nrf::{BUFFER_LEN, Services, Table, decide};

global_asm!(include_str!("cpu.s"));
global_asm!(include_str!("memory.s"));

static mut BUFFER: [u8; BUFFER_LEN] = [0; BUFFER_LEN];

/// Called by the start-up code with RAM initialised.
#[unsafe(no_mangle)]
extern "C" fn start() -> ! {
    let buf = &raw mut BUFFER;
    // SAFETY: this function runs once per reset, and nobody else names the buffer.
    let buf = unsafe { &mut *buf };
    match decide::<Microbit>(buf) {
        Some(table) => jump(table),
        None => stay(),
    }
}

fn jump(table: Table) -> ! {
    let forward = FORWARD_ADDRESS as *mut u32;
    // SAFETY: an aligned word of RAM that the linker script leaves alone.
    unsafe { forward.write_volatile(table.0) }
    // SAFETY: the image was verified, so a vector table stands there: the initial stack pointer,
    // then the address of its first instruction. Nothing of this program is used afterwards but the
    // forwarding of exceptions, which needs no RAM but the word above.
    unsafe {
        asm!(
            "ldr r1, [r0]",
            "ldr r2, [r0, #4]",
            "msr msp, r1",
            "bx r2",
            in("r0") table.0,
            options(noreturn)
        )
    }
}

/// Recovery: waits for the debug probe or the reset button. A watchdog that a former firmware armed
/// is fed, so that the state of the chip can be looked at.
fn stay() -> ! {
    use otaru_bootloader::Port as _;
    loop {
        Services.feed_watchdog();
    }
}

#[cfg(not(feature = "no-panic"))]
#[panic_handler]
fn panicked(_info: &core::panic::PanicInfo<'_>) -> ! {
    stay()
}

#[cfg(feature = "no-panic")]
unsafe extern "C" {
    safe fn a_panic_can_be_reached() -> !;
}

#[cfg(feature = "no-panic")]
#[panic_handler]
fn panicked(_info: &core::panic::PanicInfo<'_>) -> ! {
    a_panic_can_be_reached()
}
