//! What the bootloader keeps from a firmware: watchdog, reset, the first flash part, its memory.
// A33, A58

use crate::harness::{Machine, Running};
use crate::programs::image;
use otaru_lsp_project::Mode;

fn started(script: &str) -> (Machine, Running) {
    let machine = Machine::flashed(Mode::Standby, &image(0, script));
    let mut running = machine.power_on();
    running.wait(&format!("firmware runs: {script}\n"));
    (machine, running)
}

#[test]
#[ignore = "needs qemu"]
fn firmware_that_feeds_the_watchdog_outlives_its_time_out() {
    let (_machine, mut running) = started("fed");
    running.wait("fed long enough\n");
    running.wait(":: the watchdog resets, at ");
    running.wait(":: started by watchdog\n");
}

#[test]
#[ignore = "needs qemu"]
fn firmware_cannot_touch_what_guards_it() {
    for script in [
        "write execution slot",
        "write bootloader ram",
        "read bootloader ram",
        "stop the watchdog",
        "reset without a cause",
    ] {
        let (_machine, mut running) = started(script);
        running.wait(":: crashed at ");
        running.wait(":: started by crash\n");
        let text = &running.text;
        assert!(!text.contains("written\n"), "{script}:\n{text}");
        assert!(!text.contains("read 0x"), "{script}:\n{text}");
    }
}

#[test]
#[ignore = "needs qemu"]
fn flash_driver_keeps_the_rules_of_nor_flash() {
    let (_machine, mut running) = started("rules");
    for line in [
        "erase Ok(())",
        "program Ok(())",
        "set bits Err(NotErased)",
        "clear bits Ok(())",
        "first part Err(Protected)",
        "outside Err(OutOfBounds)",
        "unaligned Err(Unaligned)",
        "read Ok(()) [f0, f0, f0, f0, 00, 00, 00, 00]",
        "across Ok(())",
        "read across Ok(()) [11, 11, 11, 11, ff, ff, ff, ff]",
        "erase again Ok(())",
        "read erased Ok(()) [ff, ff, ff, ff, ff, ff, ff, ff]",
        "read beside Ok(()) [11, 11, 11, 11, ff, ff, ff, ff]",
    ] {
        running.wait(&format!("{line}\n"));
    }
}
