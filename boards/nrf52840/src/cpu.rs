//! The Cortex-M4: vector table, start-up, the jump, and what to do when nothing can be started.
//!
//! The functions of the C library that the compiler calls (`memcpy` and its relatives) are here as
//! well: those of the compiler's own library are 2 KB, written for speed.

use core::arch::{asm, global_asm};
use otaru_board_nrf::{BUFFER_LEN, Services, Table, decide};
use otaru_board_nrf52840::Nrf52840;

global_asm!(include_str!("cpu.s"));

const VECTOR_TABLE: *mut u32 = 0xE000_ED08 as *mut u32;
/// Lowest alignment that the CPU needs for the 64 vectors of this chip.
const TABLE_ALIGNMENT: u32 = 0x100;

/// Called by the start-up code. Everything is on the stack, the copy buffer too.
#[unsafe(no_mangle)]
extern "C" fn start() -> ! {
    match decide::<Nrf52840>(&mut [0; BUFFER_LEN]) {
        Some(table) if table.0 % TABLE_ALIGNMENT == 0 => jump(table),
        Some(_) | None => stay(),
    }
}

fn jump(table: Table) -> ! {
    // SAFETY: the address is that of the register; interrupts are off, so nobody uses the table
    // that it replaces.
    unsafe { VECTOR_TABLE.write_volatile(table.0) }
    // SAFETY: the image was verified, so a vector table stands there: the initial stack pointer,
    // then the address of its first instruction. Nothing of this program is used afterwards.
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
