//! What stays of the bootloader while the firmware runs: watchdog, reset, and a fence around both.
//!
//! The machine has no watchdog. Its timer takes the place of one: it interrupts into machine mode,
//! which supervisor mode can neither mask nor set aside, so a firmware that hangs with everything
//! switched off is reset all the same. Physical memory protection keeps the firmware away from the
//! timer's alarm, the reset register, this program's RAM, and from writing to the first flash part.

use otaru_board_qemu_virt::clock::{TICKS_PER_MS, ticks};
use otaru_board_qemu_virt::monitor::Call;
use otaru_board_qemu_virt::registers::{ALARM_HIGH, ALARM_LOW, TEST_DEVICE};
use otaru_board_qemu_virt::retained::{self, Cause};

use crate::say;
use core::sync::atomic::{AtomicU32, Ordering};

/// What makes the test device reset the machine.
const RESET: u32 = 0x7777;
/// `mcause` of the timer's interrupt.
const TIMER: u32 = 0x8000_0007;
/// `mcause` of a call from supervisor mode.
const CALL: u32 = 9;

/// The watchdog's time-out in milliseconds; 0 is off.
static TIMEOUT_MS: AtomicU32 = AtomicU32::new(0);

/// Resets the machine.
pub(crate) fn reset(cause: Cause) -> ! {
    retained::set_cause(cause);
    TEST_DEVICE.write(RESET);
    loop {
        core::hint::spin_loop();
    }
}

/// Sets the time-out that counts from the firmware's start on.
pub(crate) fn set_watchdog(timeout_ms: u32) {
    TIMEOUT_MS.store(timeout_ms, Ordering::Relaxed);
}

fn set_alarm(at: u64) {
    // In this order no value in between lies in the past.
    ALARM_HIGH.write(u32::MAX);
    ALARM_LOW.write(u32::try_from(at & u64::from(u32::MAX)).unwrap_or(0));
    ALARM_HIGH.write(u32::try_from(at >> 32).unwrap_or(u32::MAX));
}

fn alarm() -> u64 {
    u64::from(ALARM_HIGH.read()) << 32 | u64::from(ALARM_LOW.read())
}

/// Restarts the watchdog's count.
fn feed() {
    let timeout_ms = TIMEOUT_MS.load(Ordering::Relaxed);
    set_alarm(match timeout_ms {
        0 => u64::MAX,
        ms => ticks().saturating_add(u64::from(ms).saturating_mul(TICKS_PER_MS)),
    });
}

/// Stops the CPU until `ms` are over, or the watchdog is.
fn rest(ms: u32) {
    let watchdog = alarm();
    let wanted = ticks().saturating_add(u64::from(ms).saturating_mul(TICKS_PER_MS));
    set_alarm(wanted.min(watchdog));
    wait_for_alarm();
    // If the watchdog is over as well, it interrupts as soon as the firmware goes on.
    set_alarm(watchdog);
}

/// The firmware asked for something, or did something it may not. Returns behind the call.
#[cfg_attr(target_os = "none", unsafe(no_mangle))]
extern "C" fn otaru_trapped(argument: u32, call: u32, cause: u32, at: u32) {
    match (cause, Call::of(call)) {
        (CALL, Some(Call::Feed)) => feed(),
        (CALL, Some(Call::Rest)) => rest(argument),
        (CALL, Some(Call::Reset)) if argument == 0 => reset(Cause::Software),
        (CALL, Some(Call::Reset)) => reset(Cause::Crash),
        (TIMER, _) => {
            say(format_args!("the watchdog resets, at {at:#010x}"));
            reset(Cause::Watchdog)
        }
        (_, _) => {
            say(format_args!("crashed at {at:#010x}, cause {cause}"));
            reset(Cause::Crash)
        }
    }
}

/// Lets a fault of the bootloader itself reset the machine; the record makes the next boot go on.
#[cfg(target_arch = "riscv32")]
pub(crate) fn catch_faults() {
    // SAFETY: `otaru_trap` is a handler as the CPU wants it, and `trap_stack` the end of a stack of
    // its own; nothing else uses these two registers.
    unsafe {
        core::arch::asm!(
            "la {place}, otaru_trap_stack",
            "csrw mscratch, {place}",
            "la {place}, otaru_trap",
            "csrw mtvec, {place}",
            place = out(reg) _,
        );
    }
}

#[cfg(target_arch = "riscv32")]
fn wait_for_alarm() {
    // SAFETY: stops the CPU until the timer's interrupt is due. Interrupts are switched off in a
    // handler, so it is not taken here.
    unsafe { core::arch::asm!("wfi") }
}

/// Locks everything that stays and starts the firmware in supervisor mode.
#[cfg(target_arch = "riscv32")]
pub(crate) fn enter(entry: u32) -> ! {
    feed();
    // SAFETY: a verified image stands at `entry`. The routine is the end of this program: what it
    // leaves behind is the handler, with its own stack, and memory that the firmware cannot reach.
    unsafe {
        core::arch::asm!(
            "j otaru_enter",
            in("a0") entry,
            options(noreturn)
        )
    }
}

#[cfg(target_arch = "riscv32")]
core::arch::global_asm!(include_str!("guard.s"));

#[cfg(not(target_arch = "riscv32"))]
fn wait_for_alarm() {}
