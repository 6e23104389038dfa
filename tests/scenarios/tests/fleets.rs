//! Many devices, a manager that fails, updates that are withdrawn.

use otaru_board_host::control::Moment;
use otaru_lsp_project::Mode;
use otaru_tests_scenarios::Lab;
use serde_json::{Value, json};

fn status(action: &Value) -> &str {
    action["status"].as_str().unwrap_or("")
}

// Scenario 16; A18 A19 A63 A64: one works, one is offline, one refuses.
#[tokio::test]
async fn every_device_of_a_fleet_has_its_own_result() {
    let lab = Lab::new().await;
    let works = lab
        .device("works", Mode::Standby, &lab.image("1.0.0", 1))
        .await;
    let offline = lab
        .device("offline", Mode::Standby, &lab.image("1.0.0", 1))
        .await;
    let declines = lab
        .device("declines", Mode::Swap, &lab.image("1.0.0-declines", 1))
        .await;
    offline
        .control()
        .set_online(false)
        .expect("the cable can be pulled");
    lab.upload("2.0.0", &lab.image("2.0.0", 2)).await;
    let fleets = lab.api.get("/fleets").await.expect("a list");
    let fleet = &fleets[0]["id"];
    let request = json!({
        "firmware": "scenario", "version": "2.0.0", "target": { "fleets": [fleet] },
        "deadline_s": 60,
    });
    let deployment = lab
        .api
        .post("/deployments", request)
        .await
        .expect("it starts");
    let actions = deployment["actions"].as_array().expect("a list");
    assert_eq!(actions.len(), 3, "{deployment:#}");
    let action_of = |device: &str| {
        let found = actions
            .iter()
            .find(|action| action["device"].to_string().contains(device));
        found
            .and_then(|action| action["id"].as_str())
            .expect("an action")
            .to_owned()
    };
    assert_eq!(
        status(&lab.api.action_end(&action_of(&works.id)).await),
        "succeeded"
    );
    assert_eq!(
        status(&lab.api.action_end(&action_of(&declines.id)).await),
        "failed"
    );
    let waiting = action_of(&offline.id);
    let action = lab
        .api
        .get(&format!("/actions/{waiting}"))
        .await
        .expect("it exists");
    assert_eq!(status(&action), "pending");
    offline
        .control()
        .set_online(true)
        .expect("the cable can be put back");
    assert_eq!(status(&lab.api.action_end(&waiting).await), "succeeded");
}

// Scenario 17; C7: withdrawn while it waits for its device.
#[tokio::test]
async fn cancelled_before_the_device_saw_it() {
    let lab = Lab::new().await;
    let device = lab
        .device("kitchen", Mode::Standby, &lab.image("1.0.0", 1))
        .await;
    device
        .control()
        .set_online(false)
        .expect("the cable can be pulled");
    lab.upload("2.0.0", &lab.image("2.0.0", 2)).await;
    let action = lab.deploy(&device, "2.0.0", 60).await;
    lab.api
        .post(&format!("/actions/{action}/cancel"), Value::Null)
        .await
        .expect("accepted");
    device
        .control()
        .set_online(true)
        .expect("the cable can be put back");
    assert_eq!(status(&lab.api.action_end(&action).await), "canceled");
}

// Scenario 17; C45: withdrawn during the download, before anything was installed.
#[tokio::test]
async fn cancelled_during_the_download() {
    let lab = Lab::new().await;
    let old = lab.image("1.0.0", 1);
    let device = lab.device("kitchen", Mode::Standby, &old).await;
    let boots = device.boots();
    let mut console = device.console();
    lab.upload("2.0.0", &lab.image("2.0.0", 2)).await;
    let action = lab.deploy(&device, "2.0.0", 60).await;
    console.wait_for("ota: download 10 %");
    device
        .control()
        .set_online(false)
        .expect("the cable can be pulled");
    lab.api
        .post(&format!("/actions/{action}/cancel"), Value::Null)
        .await
        .expect("accepted");
    device
        .control()
        .set_online(true)
        .expect("the cable can be put back");
    assert_eq!(status(&lab.api.action_end(&action).await), "canceled");
    console.wait_for("was withdrawn");
    assert_eq!(device.boots(), boots, "no reset");
    assert!(device.execution_slot(old.len()) == old);
}

// Scenario 17; C7: withdrawn during the install; it runs through, and the new firmware withdraws.
#[tokio::test]
async fn cancelled_during_the_install() {
    let lab = Lab::new().await;
    let old = lab.image("1.0.0", 1);
    let device = lab.device("kitchen", Mode::Swap, &old).await;
    let mut console = device.console();
    lab.upload("2.0.0", &lab.image("2.0.0", 2)).await;
    let action = lab.deploy(&device, "2.0.0", 60).await;
    console.wait_for("requested: ");
    // The power goes in the middle of the install and stays away.
    let moment = Moment {
        at_operation: Some(30),
        torn: true,
        ..Moment::default()
    };
    device
        .control()
        .power_cut(moment)
        .expect("the cut is planned");
    device.wait_until_off();
    lab.api
        .post(&format!("/actions/{action}/cancel"), Value::Null)
        .await
        .expect("accepted");
    device
        .control()
        .power_on()
        .expect("the power can be switched on");
    console.wait_for("firmware 2.0.0 starts");
    console.wait_for("firmware 1.0.0 starts");
    assert_eq!(status(&lab.api.action_end(&action).await), "canceled");
    assert!(device.execution_slot(old.len()) == old);
}

// Scenario 17; C7: withdrawn on trial; the new firmware takes itself back.
#[tokio::test]
async fn cancelled_on_trial_the_new_firmware_withdraws_itself() {
    let lab = Lab::new().await;
    let old = lab.image("1.0.0", 1);
    let device = lab.device("kitchen", Mode::Standby, &old).await;
    let mut console = device.console();
    lab.upload("2.0.0", &lab.image("2.0.0", 2)).await;
    let action = lab.deploy(&device, "2.0.0", 60).await;
    console.wait_for("resetting to install");
    device
        .control()
        .set_online(false)
        .expect("the cable can be pulled");
    console.wait_for("version testing-2.0.0");
    lab.api
        .post(&format!("/actions/{action}/cancel"), Value::Null)
        .await
        .expect("accepted");
    device
        .control()
        .set_online(true)
        .expect("the cable can be put back");
    console.wait_for("firmware 1.0.0 starts");
    assert_eq!(status(&lab.api.action_end(&action).await), "canceled");
    assert!(device.execution_slot(old.len()) == old);
}

// A11; D7: the manager dies during the download and comes back.
#[tokio::test]
async fn manager_killed_during_an_update_loses_nothing() {
    let mut lab = Lab::new().await;
    let device = lab
        .device("kitchen", Mode::Standby, &lab.image("1.0.0", 1))
        .await;
    let mut console = device.console();
    lab.upload("2.0.0", &lab.image("2.0.0", 2)).await;
    let action = lab.deploy(&device, "2.0.0", 60).await;
    console.wait_for("ota: download 10 %");
    lab.crash_manager().await;
    console.wait_for("resetting to install");
    lab.crash_manager().await;
    let action = lab.api.action_end(&action).await;
    assert_eq!(status(&action), "succeeded", "{action:#}");
    assert!(device.execution_slot(64) == lab.image("2.0.0", 2)[..64]);
}

// Scenario 24; A14 A17 A61: uploading updates nothing; an older version may be sent again.
#[tokio::test]
async fn uploaded_only_and_later_sent_to_an_older_version() {
    let lab = Lab::new().await;
    let device = lab
        .device("kitchen", Mode::Swap, &lab.image("1.0.0", 1))
        .await;
    lab.upload("1.1.0", &lab.image("1.1.0", 1)).await;
    let actions = lab.api.get("/actions").await.expect("a list");
    assert_eq!(actions.as_array().map_or(0, Vec::len), 0, "{actions}");
    assert_eq!(status(&lab.update(&device, "1.2.0", 1).await), "succeeded");
    let action = lab.deploy(&device, "1.1.0", 60).await;
    assert_eq!(status(&lab.api.action_end(&action).await), "succeeded");
    assert!(device.execution_slot(64) == lab.image("1.1.0", 1)[..64]);
}
