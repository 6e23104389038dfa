//! Updates of the board `qemu-virt` by a real manager: a real bootloader, machine code executed in place,
//! and the update agent on an emulated network card. Nothing of the device is this machine's code.
//!
//! `OTARU_QEMU_RISCV32` says where QEMU is and `OTARU_BARE_METAL_RUSTC` where the compiler;
//! `cargo xtask setup qemu` prints both.

use otaru_board_host::control::{Moment, RefusalCode};
use otaru_image::SigningKey;
use otaru_lsp_project::Mode;
use otaru_tests_scenarios::{Lab, check, emulated_image};
use serde_json::{Value, json};
use std::time::Instant;

/// Prints the seconds for the whole way from the request to the end.
#[expect(
    clippy::print_stdout,
    reason = "figures for who runs this with --nocapture"
)]
fn tell(what: &str, image: &[u8], begun: Instant) {
    let took = begun.elapsed().as_secs_f64();
    println!("{what}: image of {} bytes, {took:.1} s", image.len());
}

// A1 A3 A7 A8 A21 A24 A30 A31 A33 A45 A52
async fn two_updates(mode: Mode) {
    let lab = Lab::new().await;
    let device = lab
        .emulated_device("kitchen", mode, &lab.emulated_image("1.0.0", 1))
        .await;
    let mut console = device.console();
    console.wait_for("Firmware version: Factory");
    for (counter, label) in [(2, "1.1.0"), (3, "1.2.0")] {
        let image = lab.emulated_image(label, counter);
        let begun = Instant::now();
        let action = lab.update_to(&device, label, &image, 60).await;
        tell(mode.as_str(), &image, begun);
        check(&action, "succeeded", &Value::Null);
        console.wait_for("ota: download 100 %");
        console.wait_for("resetting to install");
        console.wait_for(":: installing: ");
        console.wait_for(&format!("Firmware version: testing-{label}"));
        console.wait_for(&format!("Firmware version: {label}"));
        assert!(device.execution_slot(image.len()) == image);
    }
}

#[tokio::test]
#[ignore = "needs qemu"]
async fn two_updates_are_installed_and_confirmed_in_standby() {
    two_updates(Mode::Standby).await;
}

#[tokio::test]
#[ignore = "needs qemu"]
async fn two_updates_are_installed_and_confirmed_in_swap() {
    two_updates(Mode::Swap).await;
}

// Scenario 14; A9 C7
#[tokio::test]
#[ignore = "needs qemu"]
async fn firmware_that_does_not_reach_the_manager_reverts_after_its_deadline() {
    let lab = Lab::new().await;
    let old = lab.emulated_image("1.0.0", 1);
    let device = lab.emulated_device("kitchen", Mode::Standby, &old).await;
    let mut console = device.console();
    let new = lab.emulated_image("2.0.0", 2);
    lab.upload("2.0.0", &new).await;
    let begun = Instant::now();
    let action = lab.deploy(&device, "2.0.0", 5).await;
    console.wait_for("resetting to install");
    device
        .control()
        .set_online(false)
        .expect("the cable can be pulled");
    console.wait_for("Firmware version: testing-2.0.0");
    console.wait_for(":: reverting: ");
    console.wait_for("Firmware version: Factory");
    device
        .control()
        .set_online(true)
        .expect("the cable can be put back");
    let action = lab.api.action_end(&action).await;
    tell("reverted", &new, begun);
    check(&action, "reverted", &json!("confirm-deadline"));
    assert!(device.execution_slot(old.len()) == old);
}

// Scenario 9; A5
#[tokio::test]
#[ignore = "needs qemu"]
async fn image_signed_by_a_key_the_device_does_not_trust_is_refused_without_a_reset() {
    let lab = Lab::new().await;
    let old = lab.emulated_image("1.0.0", 1);
    let device = lab.emulated_device("kitchen", Mode::Standby, &old).await;
    let other = SigningKey::from_seed([9; 32]);
    let ring = json!({
        "name": "other", "algorithm": "ed25519",
        "public_key": other.public().to_hex(), "development": true,
    });
    lab.api.post("/keys", ring).await.expect("a new key");
    let boots = device.boots();
    let image = emulated_image("2.0.0", 2, &other);
    let action = lab.update_to(&device, "2.0.0", &image, 60).await;
    check(&action, "failed", &json!("key-unknown"));
    assert_eq!(device.boots(), boots, "no reset");
    assert!(device.execution_slot(old.len()) == old);
}

// Scenario 5; A55 A56 A57: told, and what was stored before the cut is not downloaded again.
#[tokio::test]
#[ignore = "needs qemu"]
async fn download_in_which_the_machine_was_killed_is_told_and_a_retry_goes_on_with_it() {
    let lab = Lab::new().await;
    let old = lab.emulated_image("1.0.0", 1);
    let device = lab.emulated_device("kitchen", Mode::Swap, &old).await;
    let mut console = device.console();
    let new = lab.emulated_image("2.0.0", 2);
    lab.upload("2.0.0", &new).await;
    let begun = Instant::now();
    let action = lab.deploy(&device, "2.0.0", 60).await;
    console.wait_for("ota: download 40 %");
    let cut = Moment {
        off_ms: Some(0),
        ..Moment::default()
    };
    device.control().power_cut(cut).expect("the power goes");
    console.wait_for(":: started by power-on");
    let action = lab.api.action_end(&action).await;
    check(&action, "failed", &json!("interrupted"));
    let id = action["id"].as_str().expect("an id");
    lab.api
        .post(&format!("/actions/{id}/retry"), Value::Null)
        .await
        .expect("it may be retried");
    lab.api
        .action_until(id, |action| action["status"] == "succeeded")
        .await;
    tell("cut in the download", &new, begun);
    console.wait_for("Firmware version: 2.0.0");
    assert!(device.execution_slot(new.len()) == new);
    let first_part = |line: &&String| line.contains("ota: download 20 %");
    let times = console.seen().iter().filter(first_part).count();
    assert_eq!(times, 1, "the first part came once");
}

// A58; requirements table 4.0: the buttons of a device are there on this board too.
#[tokio::test]
#[ignore = "needs qemu"]
async fn buttons_reset_and_cut_the_machine_and_what_it_cannot_do_is_refused() {
    let lab = Lab::new().await;
    let image = lab.emulated_image("1.0.0", 1);
    let device = lab.emulated_device("kitchen", Mode::Standby, &image).await;
    let mut console = device.console();
    let mut control = device.control();
    let boots = device.boots();
    console.wait_for("ota: online");
    control.reset(Moment::default()).expect("a button");
    console.wait_for(":: started by button");
    console.wait_for("ota: online");
    control
        .power_cut(Moment {
            off_ms: Some(0),
            ..Moment::default()
        })
        .expect("the power goes");
    console.wait_for(":: started by power-on");
    console.wait_for("ota: online");
    assert_eq!(device.boots(), boots + 2);

    let first_operation = Moment {
        at_operation: Some(1),
        ..Moment::default()
    };
    let refused = [
        control.reset(first_operation),
        control.hold_recovery(),
        control.freeze(),
        control.crash(),
        control.corrupt(0x20_0000, 1),
    ];
    for answer in refused {
        let refusal = answer.expect_err("not on this board").refusal();
        assert_eq!(refusal, Some(RefusalCode::BadRequest));
    }
    // Without power nobody has read the flash yet: the damage is found, and healed.
    control
        .power_cut(Moment::default())
        .expect("the power goes");
    control.corrupt(0x10_0400, 1).expect("a bit flips");
    control.power_on().expect("the power comes");
    console.wait_for(":: the execution slot is damaged: restoring it from its backup");
    console.wait_for("ota: online");
    assert!(device.execution_slot(image.len()) == image);
}
