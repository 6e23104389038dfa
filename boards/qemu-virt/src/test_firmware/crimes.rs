//! What a firmware must not do, and what its flash driver lets it do.

use crate::say;
use otaru_board_qemu_virt::console::Console;
use otaru_board_qemu_virt::flash::{MappedFlash, SECTOR_LEN};
use otaru_flash::Flash as _;

/// Writes a word where it may not.
pub(crate) fn write(address: usize) {
    let place = address as *mut u32;
    // SAFETY: not safe at all, which is the point: the CPU refuses, and the program ends here. If it
    // did not, the test that asked for this would see the next line.
    unsafe { place.write_volatile(0x7777) }
    say!("written");
}

/// Reads a word where it may not.
pub(crate) fn read(address: usize) {
    let place = address as *const u32;
    // SAFETY: as in `write`; what is read is only printed.
    let word = unsafe { place.read_volatile() };
    say!("read {word:#x}");
}

/// Switches off every interrupt that this program can switch off.
pub(crate) fn refuse_interrupts() {
    #[cfg(target_arch = "riscv32")]
    // SAFETY: this program handles no interrupts, so nothing waits for one.
    unsafe {
        core::arch::asm!("csrw sie, zero", "csrci sstatus, 2");
    }
}

/// Executes what is no instruction.
pub(crate) fn illegal() {
    #[cfg(target_arch = "riscv32")]
    // SAFETY: the CPU refuses the instruction, and the program ends here.
    unsafe {
        core::arch::asm!("unimp");
    }
}

/// Tries every rule of the flash in the last sectors of storage slot 1.
pub(crate) fn rules(flash: &mut MappedFlash) {
    let at = 0x22F_E000;
    let mut buf = [0; 8];
    say!("erase {:?}", flash.erase(at, 2 * SECTOR_LEN));
    say!("program {:?}", flash.program(at, &[0xF0; 8]));
    say!("set bits {:?}", flash.program(at + 4, &[0xFF; 4]));
    say!("clear bits {:?}", flash.program(at + 4, &[0; 4]));
    say!("first part {:?}", flash.program(0x10_0000, &[0; 4]));
    say!("outside {:?}", flash.program(0x400_0000, &[0; 4]));
    say!("unaligned {:?}", flash.program(at + 2, &[0; 4]));
    say!("read {:?} {buf:02x?}", flash.read(at, &mut buf));
    say!("across {:?}", flash.program(at + 0x7FC, &[0x11; 0x808]));
    let done = flash.read(at + 0x1000, &mut buf);
    say!("read across {done:?} {buf:02x?}");
    say!("erase again {:?}", flash.erase(at, SECTOR_LEN));
    let done = flash.read(at, &mut buf);
    say!("read erased {done:?} {buf:02x?}");
    let done = flash.read(at + 0x1000, &mut buf);
    say!("read beside {done:?} {buf:02x?}");
}
