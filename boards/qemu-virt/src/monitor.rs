//! What the firmware asks the bootloader for while it runs: watchdog, reset, rest.
//!
//! A call is an `ecall` from supervisor mode, with the number in `a7` and one argument in `a0`. The
//! bootloader's side is `src/bootloader/guard.rs`.

/// The numbers of the calls; never given another meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Call {
    /// Restarts the watchdog's count.
    Feed = 0,
    /// Resets; the argument is 0 if the firmware wants it, 1 after a panic.
    Reset = 1,
    /// Stops the CPU for as many milliseconds as the argument says, at most.
    Rest = 2,
}

impl Call {
    /// The call with this number.
    pub const fn of(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Feed),
            1 => Some(Self::Reset),
            2 => Some(Self::Rest),
            _ => None,
        }
    }
}

#[cfg(target_arch = "riscv32")]
fn ask(call: Call, argument: u32) {
    // SAFETY: the bootloader's handler returns behind the instruction with every register but `a0`
    // as it was, and touches no memory of the firmware.
    unsafe {
        core::arch::asm!(
            "ecall",
            in("a7") call as u32,
            inlateout("a0") argument => _,
            options(nostack)
        );
    }
}

#[cfg(not(target_arch = "riscv32"))]
fn ask(_call: Call, _argument: u32) {}

/// Restarts the watchdog's count.
pub fn feed_watchdog() {
    ask(Call::Feed, 0);
}

/// Resets the machine as the firmware wants it.
pub fn reset() -> ! {
    reset_with(0)
}

/// Resets the machine because the firmware cannot go on.
pub fn crash() -> ! {
    reset_with(1)
}

fn reset_with(argument: u32) -> ! {
    ask(Call::Reset, argument);
    // Not reached: the machine is reset while the call is answered.
    loop {
        core::hint::spin_loop();
    }
}

/// Stops the CPU for at most `ms` milliseconds, which costs the host nothing.
pub fn rest(ms: u32) {
    ask(Call::Rest, ms);
}
