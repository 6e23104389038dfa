//! Whole boots: start, install, trial, confirm, revert, recovery, on a real machine emulator.
// A9, A24–A33, A49–A51, A58, requirements table 4.0

use crate::harness::{BOARD, Machine, described};
use crate::programs::{image, image_for};
use otaru_lsp_build::device;
use otaru_lsp_project::Mode;
use otaru_record::{Cause, Phase};

#[test]
#[ignore = "needs qemu"]
fn machine_that_was_flashed_starts_its_image_in_place() {
    let machine = Machine::flashed(Mode::Standby, &image(0, "idle"));
    let mut running = machine.power_on();
    running.wait(":: Otaru bootloader ");
    running.wait(":: started by power-on\n");
    running.wait(":: board qemu-virt, mode standby\n");
    running.wait(":: idle: image ");
    running.wait(":: starting\n");
    running.wait("firmware runs: idle\n");
    running.wait(&format!(
        "bootloader version {}\n",
        env!("CARGO_PKG_VERSION")
    ));
}

#[test]
#[ignore = "needs qemu"]
fn machine_without_device_block_starts_nothing() {
    let layout = device::layout_of::<std::io::Error>(&BOARD, Mode::Standby).expect("a layout");
    let machine = Machine::blank(layout);
    let mut running = machine.power_on();
    running.wait(":: nothing to start: no valid device block");
}

#[test]
#[ignore = "needs qemu"]
fn requested_update_is_installed_tried_and_confirmed() {
    for mode in Mode::ALL {
        let (old, new) = (image(0, "idle"), image(1, "confirm"));
        let machine = Machine::flashed(mode, &old);
        machine.request_update(&old, &new);
        let mut running = machine.power_on();
        running.wait(":: requested: ");
        running.wait(":: installing: ");
        running.wait(":: starting on trial, start 1 of 1\n");
        running.wait("confirmed\n");
        running.press_reset();
        running.wait(":: started by button\n");
        running.wait("nothing to confirm\n");
        running.cut();
        assert!(machine.executes(&new), "{mode:?}");
        let state = machine.state();
        assert_eq!(state.phase(), Phase::Idle, "{mode:?}");
        assert_eq!(state.current(), described(&new), "{mode:?}");
        assert_eq!(state.outcome().cause, Cause::Confirmed, "{mode:?}");
    }
}

/// The new firmware does `script`, and the old one comes back for the reason `cause`.
fn reverts(mode: Mode, script: &str, started_by: &str, cause: Cause) {
    let (old, new) = (image(0, "idle"), image(1, script));
    let machine = Machine::flashed(mode, &old);
    machine.request_update(&old, &new);
    let mut running = machine.power_on();
    running.wait(&format!("firmware runs: {script}\n"));
    running.wait(&format!(":: started by {started_by}\n"));
    running.wait(":: reverting: ");
    running.wait("firmware runs: idle\n");
    running.cut();
    assert!(machine.executes(&old), "{script}");
    let state = machine.state();
    assert_eq!(state.phase(), Phase::Idle, "{script}");
    assert_eq!(state.outcome().cause, cause, "{script}");
}

#[test]
#[ignore = "needs qemu"]
fn firmware_that_hangs_is_reset_by_the_watchdog_and_reverted() {
    reverts(Mode::Standby, "hang", "watchdog", Cause::TrialWatchdog);
    reverts(Mode::Swap, "hang deaf", "watchdog", Cause::TrialWatchdog);
}

#[test]
#[ignore = "needs qemu"]
fn firmware_that_crashes_is_reverted() {
    for script in ["illegal", "panic"] {
        reverts(Mode::Standby, script, "crash", Cause::TrialCrash);
    }
}

#[test]
#[ignore = "needs qemu"]
fn firmware_that_resets_without_confirming_is_reverted() {
    reverts(Mode::Swap, "reset", "software", Cause::TrialReset);
}

#[test]
#[ignore = "needs qemu"]
fn damaged_execution_slot_is_healed_from_the_backup() {
    let old = image(0, "idle");
    let machine = Machine::flashed(Mode::Standby, &old);
    let at = machine.layout.execution.offset + 0x2345;
    machine.flash().write(at, &[0; 64]);
    let mut running = machine.power_on();
    running.wait(":: the execution slot is damaged: restoring it from its backup\n");
    running.wait("firmware runs: idle\n");
    running.cut();
    assert!(machine.executes(&old));
}

#[test]
#[ignore = "needs qemu"]
fn image_of_another_board_is_not_installed() {
    // Signed by the right key.
    let (old, new) = (image(0, "idle"), image_for("otaru-nrf52840", 1, "idle"));
    let machine = Machine::flashed(Mode::Standby, &old);
    machine.request_update(&old, &new);
    let mut running = machine.power_on();
    running.wait(":: update ended: wrong-board\n");
    running.wait("firmware runs: idle\n");
    running.cut();
    assert!(machine.executes(&old));
    assert_eq!(machine.state().phase(), Phase::Idle);
}

#[test]
#[ignore = "needs qemu"]
fn recovery_answers_on_the_console() {
    let machine = Machine::flashed(Mode::Swap, &image(0, "idle"));
    let at = machine.layout.execution.offset;
    machine.flash().write(at, &[0; 64]);
    let mut running = machine.power_on();
    running.wait(":: recovery: waiting for an image on this console");
    running.send(ECHO);
    running.wait(ECHOED);
}

/// `os echo` with the text `hi`: a line of base64 with length, header, CBOR and CRC-16.
const ECHO: &[u8] = b"\x06\x09ABACAAAGAAAHAKFhZGJoac4P\n";
const ECHOED: &str = "\x06\x09ABADAAAGAAAHAKFhcmJoaYlQ\n";
