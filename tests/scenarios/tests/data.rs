//! Settings of an application through an update that is reverted and one that is kept.

use otaru_board_host::control::Moment;
use otaru_lsp_project::Mode;
use otaru_tests_scenarios::Lab;

#[tokio::test]
async fn settings_survive_a_revert_and_move_to_a_new_schema_with_a_confirmed_update() {
    let lab = Lab::new().await;
    let first = "1.0.0-settings1";
    let device = lab
        .device("kitchen", Mode::Standby, &lab.image(first, 1))
        .await;
    let mut console = device.console();
    console.wait_for("version Factory keeps schema 1 only");
    device
        .control()
        .reset(Moment::default())
        .expect("the button works");
    console.wait_for("start [1] of schema 1");
    console.wait_for("keeps schema 1 only");

    // The new firmware reads what the old one wrote, writes its own form, and is reverted.
    let bad = "2.0.0-settings2-unhealthy";
    lab.upload(bad, &lab.image(bad, 2)).await;
    let action = lab.deploy(&device, bad, 60).await;
    console.wait_for(&format!("firmware {bad} starts"));
    console.wait_for("start [2] of schema 1");
    let action = lab.api.action_end(&action).await;
    assert_eq!(action["status"], "reverted", "{action:#}");
    console.wait_for(&format!("firmware {first} starts"));
    console.wait_for("start [2] of schema 1");

    // What the old firmware has written since is newer than what the failed one left.
    let good = "2.1.0-settings2";
    let action = lab.update(&device, good, 3).await;
    assert_eq!(action["status"], "succeeded", "{action:#}");
    console.wait_for("start [3] of schema 1");
    console.wait_for(&format!("version {good} keeps schema 2 only"));
    let on_trial = console
        .seen()
        .iter()
        .any(|line| line.contains("testing-") && line.contains("keeps schema 2 only"));
    assert!(!on_trial, "retired before it was confirmed");
    device
        .control()
        .reset(Moment::default())
        .expect("the button works");
    console.wait_for("start [4] of schema 2");
}
