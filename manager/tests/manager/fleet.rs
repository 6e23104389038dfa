//! Deployments to fleets and to all. A18, A19, A38, A63, A64, C38, C45, C59.

use crate::support::{TestManager, text};
use serde_json::json;

#[tokio::test]
async fn every_member_gets_its_own_action_and_result() {
    let manager = TestManager::start().await;
    let fleet = manager.make("/fleets", json!({"name": "barn"})).await;
    manager.firmware("1.1.0").await;
    let mut devices = Vec::new();
    for _ in 0..3 {
        let device = manager.otaru_device().await;
        let move_it = manager
            .request(reqwest::Method::PATCH, &format!("/devices/{}", device.id))
            .json(&json!({"fleet": "barn"}));
        assert!(
            move_it
                .send()
                .await
                .expect("it answers")
                .status()
                .is_success()
        );
        devices.push(device);
    }
    let never = manager
        .make("/devices", json!({"name": "shelf", "fleet": "barn"}))
        .await;
    let body =
        json!({"firmware": "counter", "version": "1.1.0", "target": {"fleets": [fleet["id"]]}});
    let started = manager.make("/deployments", body).await;
    assert_eq!(started["actions"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        started["skipped"],
        json!([{"device": never["id"], "reason": "device-never-connected"}])
    );

    let (id, _) = devices[0].fetch().await;
    devices[0]
        .close(
            id,
            "failure",
            &[
                "otaru phase=parked reason=refused-by-application",
                "refusal: no",
            ],
        )
        .await;
    let deployment = text(&started["id"]);
    let actions = manager
        .get(&format!("/actions?deployment={deployment}"))
        .await;
    let status = |device: &str| {
        let actions = actions.as_array().expect("a list");
        text(
            &actions
                .iter()
                .find(|action| action["device"] == device)
                .expect("it")["status"],
        )
    };
    assert_eq!(status(&devices[0].id), "failed");
    assert_eq!(status(&devices[1].id), "pending");

    manager
        .make(&format!("/deployments/{deployment}/cancel"), json!({}))
        .await;
    let open = manager
        .get(&format!("/actions?deployment={deployment}&active=true"))
        .await;
    assert_eq!(open, json!([]));
    let summary = manager.get(&format!("/deployments/{deployment}")).await;
    assert_eq!(
        (&summary["action_count"], &summary["open_count"]),
        (&json!(3), &json!(0))
    );
}

#[tokio::test]
async fn all_needs_the_exact_number() {
    let manager = TestManager::start().await;
    manager.firmware("1.1.0").await;
    for _ in 0..2 {
        manager.otaru_device().await;
    }
    let body = |target| json!({"firmware": "counter", "version": "1.1.0", "target": target});
    for target in [json!({"all": true}), json!({"all": true, "count": 3})] {
        let refused = manager.refused("/deployments", body(target)).await;
        assert_eq!(refused, (409, "count-mismatch".to_owned()));
    }
    let started = manager
        .make("/deployments", body(json!({"all": true, "count": 2})))
        .await;
    assert_eq!(started["actions"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn targets_that_cannot_be_meant_are_refused() {
    let manager = TestManager::start().await;
    manager.firmware("1.1.0").await;
    let shelf = manager.silent_device().await;
    let body = |target| json!({"firmware": "counter", "version": "1.1.0", "target": target});
    for (target, expected) in [
        (
            json!({"devices": [shelf.id]}),
            (409, "device-never-connected"),
        ),
        (json!({"devices": ["dev-nobody"]}), (404, "not-found")),
        (json!({"fleets": ["flt-nobody"]}), (404, "not-found")),
        (json!({}), (400, "malformed-target")),
        (
            json!({"devices": ["a"], "all": true}),
            (400, "malformed-target"),
        ),
        (json!({"device": ["a"]}), (422, "malformed-body")),
        (json!({"fleets": ["Default fleet"]}), (409, "no-devices")),
    ] {
        let (status, code) = manager.refused("/deployments", body(target.clone())).await;
        assert_eq!((status, code.as_str()), expected, "{target}");
    }
    let mut nobody = body(json!({"devices": [shelf.id]}));
    nobody["version"] = json!("9");
    assert_eq!(manager.refused("/deployments", nobody).await.0, 404);
    let mut range = body(json!({"devices": [shelf.id]}));
    range["deadline_s"] = json!(0);
    assert_eq!(
        manager.refused("/deployments", range).await,
        (400, "out-of-range".to_owned())
    );
}

#[tokio::test]
async fn offline_device_keeps_its_action_until_it_comes() {
    // A19
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    manager.firmware("1.1.0").await;
    manager.pass(std::time::Duration::from_hours(24));
    assert_eq!(
        manager.get(&format!("/devices/{}", device.id)).await["online"],
        false
    );
    let action = manager.deploy("1.1.0", &device).await;
    manager.pass(std::time::Duration::from_hours(24 * 60));
    assert_eq!(manager.status(&action).await, "pending");
    device.fetch().await;
    assert_eq!(manager.status(&action).await, "downloading");
}
