//! Updates of a real device by a real manager: what succeeds, what fails, what a reset does.

use otaru_board_host::control::Moment;
use otaru_lsp_project::Mode;
use otaru_tests_scenarios::{Device, Lab};
use serde_json::Value;

fn status(action: &Value) -> (&str, &str) {
    (
        action["status"].as_str().unwrap_or(""),
        action["reason"].as_str().unwrap_or(""),
    )
}

/// The execution slot holds exactly this image.
fn assert_runs(device: &Device, image: &[u8]) {
    assert!(
        device.execution_slot(image.len()) == image,
        "the device runs another image"
    );
}

// Scenarios 1 and 2; A1 A3 A7 A8 A21 A24 A30 A31 A33 A45 A46 A47 A48 A51 A52 A53 A54
async fn two_updates_in_a_row(mode: Mode) {
    let lab = Lab::new().await;
    let device = lab.device("kitchen", mode, &lab.image("1.0.0", 1)).await;
    let mut console = device.console();
    console.wait_for("version Factory");
    for (counter, label) in [(2, "1.1.0"), (3, "1.2.0")] {
        let action = lab.update(&device, label, counter).await;
        assert_eq!(status(&action), ("succeeded", ""), "{action:#}");
        // The former version is shown until the reset, the prefix only on trial.
        console.wait_for("resetting to install");
        console.wait_for(":: ");
        console.wait_for(&format!("version testing-{label}"));
        console.wait_for(&format!("version {label}"));
        assert_runs(&device, &lab.image(label, counter));
    }
    device
        .control()
        .reset(Moment::default())
        .expect("the button works");
    console.wait_for("firmware 1.2.0 starts");
    console.wait_for("version 1.2.0");
}

#[tokio::test]
async fn two_updates_in_a_row_succeed_in_standby() {
    two_updates_in_a_row(Mode::Standby).await;
}

#[tokio::test]
async fn two_updates_in_a_row_succeed_in_swap() {
    two_updates_in_a_row(Mode::Swap).await;
}

/// An update to a firmware that fails on trial ends with this reason on the old image.
async fn reverts(label: &str, reason: &str, text: &str) {
    let lab = Lab::new().await;
    let old = lab.image("1.0.0", 1);
    let device = lab.device("kitchen", Mode::Standby, &old).await;
    lab.upload(label, &lab.image(label, 2)).await;
    let action = lab.deploy(&device, label, 5).await;
    let action = lab.api.action_end(&action).await;
    assert_eq!(status(&action), ("reverted", reason), "{action:#}");
    assert!(
        action.to_string().contains(text),
        "{text:?} is not in {action:#}"
    );
    assert_runs(&device, &old);
}

// Scenario 12; A9 C3
#[tokio::test]
async fn unhealthy_firmware_reverts_with_its_own_words() {
    reverts("2.0.0-unhealthy", "unhealthy", "sensor 3 does not answer").await;
}

// Scenario 15; A9 C16
#[tokio::test]
async fn hanging_firmware_is_ended_by_the_watchdog_and_reverts() {
    reverts(
        "2.0.0-hang",
        "trial-watchdog",
        "count 1 version testing-2.0.0-hang",
    )
    .await;
}

// A9
#[tokio::test]
async fn panicking_firmware_reverts_with_its_panic_message() {
    reverts("2.0.0-panic", "trial-crash", "the pressure went below zero").await;
}

// A9
#[tokio::test]
async fn firmware_that_exits_reverts() {
    reverts("2.0.0-exit", "trial-crash", "firmware 2.0.0-exit starts").await;
}

// Scenario 14; A9 C7
#[tokio::test]
async fn firmware_that_does_not_reach_the_manager_reverts_after_its_deadline() {
    let lab = Lab::new().await;
    let old = lab.image("1.0.0", 1);
    let device = lab.device("kitchen", Mode::Standby, &old).await;
    let mut console = device.console();
    lab.upload("2.0.0", &lab.image("2.0.0", 2)).await;
    let action = lab.deploy(&device, "2.0.0", 2).await;
    console.wait_for("resetting to install");
    device
        .control()
        .set_online(false)
        .expect("the cable can be pulled");
    console.wait_for("firmware 2.0.0 starts");
    console.wait_for("firmware 1.0.0 starts");
    device
        .control()
        .set_online(true)
        .expect("the cable can be put back");
    let action = lab.api.action_end(&action).await;
    assert_eq!(
        status(&action),
        ("reverted", "confirm-deadline"),
        "{action:#}"
    );
    assert_runs(&device, &old);
}

// Scenario 4; A58
#[tokio::test]
async fn reset_on_trial_restores_the_previous_firmware() {
    let lab = Lab::new().await;
    let old = lab.image("1.0.0", 1);
    let device = lab.device("kitchen", Mode::Swap, &old).await;
    let mut console = device.console();
    lab.upload("2.0.0", &lab.image("2.0.0", 2)).await;
    let action = lab.deploy(&device, "2.0.0", 60).await;
    console.wait_for("resetting to install");
    // Without network it stays on trial until the button is pressed.
    device
        .control()
        .set_online(false)
        .expect("the cable can be pulled");
    console.wait_for("version testing-2.0.0");
    device
        .control()
        .reset(Moment::default())
        .expect("the button works");
    console.wait_for("firmware 1.0.0 starts");
    device
        .control()
        .set_online(true)
        .expect("the cable can be put back");
    let action = lab.api.action_end(&action).await;
    assert_eq!(status(&action), ("reverted", "trial-reset"), "{action:#}");
    assert_runs(&device, &old);
    device.console().wait_for("version Factory");
}

// Scenario 5; A55 A56
#[tokio::test]
async fn reset_during_the_download_fails_the_update_visibly() {
    let lab = Lab::new().await;
    let old = lab.image("1.0.0", 1);
    let device = lab.device("kitchen", Mode::Swap, &old).await;
    lab.upload("2.0.0", &lab.image("2.0.0", 2)).await;
    let moment = Moment {
        at_operation: Some(100),
        ..Moment::default()
    };
    device
        .control()
        .reset(moment)
        .expect("the reset is planned");
    let action = lab.deploy(&device, "2.0.0", 60).await;
    let action = lab.api.action_end(&action).await;
    assert_eq!(status(&action), ("failed", "interrupted"), "{action:#}");
    assert_runs(&device, &old);
    // A57: a retry is a new attempt, and it resumes.
    let id = action["id"].as_str().expect("an id");
    lab.api
        .post(&format!("/actions/{id}/retry"), Value::Null)
        .await
        .expect("it may be retried");
    let action = lab
        .api
        .action_until(id, |action| action["status"] == "succeeded")
        .await;
    assert_eq!(
        action["attempts"].as_array().map(Vec::len),
        Some(2),
        "{action:#}"
    );
    assert_runs(&device, &lab.image("2.0.0", 2));
}

/// Cuts the power so often, each time torn, at this operation from the last start.
fn cut_in_a_row(device: &Device, count: u64, at_operation: impl Fn(u64) -> u64) {
    let mut starts = device.starts();
    for cut in 0..count {
        let moment = Moment {
            at_operation: Some(at_operation(cut)),
            torn: true,
            seed: Some(cut),
            off_ms: Some(1),
            ..Moment::default()
        };
        device
            .control()
            .power_cut(moment)
            .expect("the cut is planned");
        starts.wait();
    }
}

// Scenario 3; A10 A28 A49 A50
#[tokio::test]
async fn resets_and_power_cuts_during_the_install_do_not_stop_it() {
    let lab = Lab::new().await;
    let device = lab
        .device("kitchen", Mode::Swap, &lab.image("1.0.0", 1))
        .await;
    let mut console = device.console();
    lab.upload("2.0.0", &lab.image("2.0.0", 2)).await;
    let action = lab.deploy(&device, "2.0.0", 60).await;
    console.wait_for("requested: ");
    cut_in_a_row(&device, 6, |cut| 20 + 7 * cut);
    console.wait_for("after 5 resets");
    let action = lab.api.action_end(&action).await;
    assert_eq!(status(&action), ("succeeded", ""), "{action:#}");
    assert_runs(&device, &lab.image("2.0.0", 2));
}

// The row "reverting" of the reset table; A10 A28
#[tokio::test]
async fn resets_and_power_cuts_during_the_revert_do_not_stop_it() {
    let lab = Lab::new().await;
    let old = lab.image("1.0.0", 1);
    let device = lab.device("kitchen", Mode::Swap, &old).await;
    let mut console = device.console();
    lab.upload("2.0.0-panic", &lab.image("2.0.0-panic", 2))
        .await;
    let action = lab.deploy(&device, "2.0.0-panic", 60).await;
    console.wait_for("reverting: ");
    cut_in_a_row(&device, 4, |cut| 15 + 5 * cut);
    console.wait_for("after 3 resets");
    let action = lab.api.action_end(&action).await;
    assert_eq!(status(&action), ("reverted", "trial-crash"), "{action:#}");
    assert_runs(&device, &old);
    // The old firmware runs for good.
    device
        .control()
        .reset(Moment::default())
        .expect("the button works");
    device.console().wait_for("version Factory");
}
