//! Whole updates, seen from both sides. A31, A32, A56, A58, C4, C7, D7.

use crate::support::{TestManager, digest, hex, text};
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn update_is_done_only_when_the_new_firmware_has_confirmed() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    let image = manager.firmware("1.1.0+7").await;
    let action = manager.deploy("1.1.0+7", &device).await;
    assert_eq!(manager.status(&action).await, "pending");

    let (id, deployment) = device.fetch().await;
    assert_eq!(manager.status(&action).await, "downloading");
    let artifact = &deployment["deployment"]["chunks"][0]["artifacts"][0];
    assert_eq!(artifact["hashes"]["sha256"], digest(&image));
    let href = text(&artifact["_links"]["download"]["href"]);
    let download = device
        .request(Method::GET, &href)
        .send()
        .await
        .expect("it answers");
    assert_eq!(download.bytes().await.expect("it arrives"), image);

    for phase in ["downloading", "verifying", "parked", "installing", "trial"] {
        device.step(id, phase, &digest(&image)).await;
        assert_eq!(manager.status(&action).await, phase);
        assert_eq!(device.offered().await, Some(("deploymentBase", id)));
    }
    let confirmed = format!(
        "otaru phase=confirmed digest={} version=1.1.0+7",
        digest(&image)
    );
    assert_eq!(
        device.close(id, "success", &[&confirmed]).await,
        StatusCode::OK
    );
    let action = manager.get(&format!("/actions/{action}")).await;
    assert_eq!(action["status"], "succeeded");
    assert_eq!(action["verified"], true);
    assert_eq!(action["from_version"], "1.0.0");
    let history: Vec<_> = action["attempts"][0]["transitions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| text(&entry["status"]))
        .collect();
    let expected = [
        "pending",
        "downloading",
        "verifying",
        "parked",
        "installing",
        "trial",
        "succeeded",
    ];
    assert_eq!(history, expected);
    assert_eq!(
        device.close(id, "success", &[&confirmed]).await,
        StatusCode::GONE
    );
    let shown = manager.get(&format!("/devices/{}", device.id)).await;
    assert_eq!(shown["version"], "1.1.0+7");
    assert_eq!(shown["digest"], digest(&image));
    let links = device.poll().await["_links"].clone();
    assert!(links["installedBase"]["href"].is_string() && links["configData"]["href"].is_string());
    let installed = device
        .request(Method::GET, &format!("/installedBase/{id}"))
        .send()
        .await;
    assert_eq!(installed.expect("it answers").status(), StatusCode::OK);
}

#[tokio::test]
async fn success_on_the_old_firmwares_word_is_a_failure() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    let image = manager.firmware("1.1.0").await;
    for (line, reason) in [
        (
            format!("otaru phase=confirmed digest={}", digest(&image)),
            "unproven",
        ),
        (
            format!("otaru phase=confirmed digest={}", hex(&[1; 32])),
            "digest-mismatch",
        ),
        ("done".to_owned(), "unproven"),
    ] {
        let action = manager.deploy("1.1.0", &device).await;
        let (id, _) = device.fetch().await;
        assert_eq!(device.close(id, "success", &[&line]).await, StatusCode::OK);
        let action = manager.get(&format!("/actions/{action}")).await;
        assert_eq!(
            (text(&action["status"]), text(&action["reason"])),
            ("failed".into(), reason.into())
        );
    }
}

#[tokio::test]
async fn failing_trial_is_reverted_with_reason_text_and_console() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    let image = manager.firmware("1.1.0").await;
    let action = manager.deploy("1.1.0", &device).await;
    let (id, _) = device.fetch().await;
    device.go_to(id, "trial", &digest(&image)).await;
    let details = [
        "otaru phase=trial reason=unhealthy from=0102030405060708 to=1112131415161718 chunks=12 \
         cuts=2 ms=345",
        "refusal: pump is stuck",
        "console: a",
        "console: b",
    ];
    assert_eq!(device.close(id, "failure", &details).await, StatusCode::OK);
    let action = manager.get(&format!("/actions/{action}")).await;
    assert_eq!(action["status"], "reverted");
    assert_eq!(action["reason"], "unhealthy");
    assert_eq!(action["message"], "pump is stuck");
    assert_eq!(action["attempts"][0]["console"], json!(["a", "b"]));
    let install = json!({"from": "0102030405060708", "to": "1112131415161718", "chunks": 12,
        "cuts": 2, "ms": 345});
    assert_eq!(action["attempts"][0]["install"], install);
    assert_eq!(
        device.offered().await,
        None,
        "the same version is not offered for ever"
    );
}

#[tokio::test]
async fn figures_of_the_trial_stay_when_the_outcome_has_none() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    let image = manager.firmware("1.1.0").await;
    let action = manager.deploy("1.1.0", &device).await;
    let (id, _) = device.fetch().await;
    let shown = async || {
        let action = manager.get(&format!("/actions/{action}")).await;
        action["attempts"][0]["install"].clone()
    };
    let nothing = json!({"from": null, "to": null, "chunks": null, "cuts": null, "ms": null});
    assert_eq!(shown().await, nothing);
    let digest = digest(&image);
    let trial = format!("otaru phase=trial digest={digest} to=1112131415161718 chunks=3 cuts=0");
    device.report(id, &trial).await;
    let line = format!("otaru phase=confirmed digest={digest} from=0102030405060708 ms=0");
    device.close(id, "success", &[&line]).await;
    let install = json!({"from": "0102030405060708", "to": "1112131415161718", "chunks": 3,
        "cuts": 0, "ms": 0});
    assert_eq!(shown().await, install);
}

#[tokio::test]
async fn deployment_tells_the_device_how_many_trials_there_are_if_it_says_so() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    manager.firmware("1.1.0").await;
    let mut order = json!({"firmware": "counter", "version": "1.1.0",
        "target": {"devices": [device.id]}, "trials": 3});
    let made = manager.make("/deployments", order.clone()).await;
    let shown = manager
        .get(&format!("/deployments/{}", text(&made["id"])))
        .await;
    assert_eq!(shown["trials"], 3);
    let (_, deployment) = device.fetch().await;
    let metadata = &deployment["deployment"]["chunks"][0]["metadata"];
    let expected = json!([{"key": "otaru.deadline_s", "value": "300"},
        {"key": "otaru.trials", "value": "3"}]);
    assert_eq!(*metadata, expected);
    for trials in [0, 17] {
        order["trials"] = json!(trials);
        let refused = manager.refused("/deployments", order.clone()).await;
        assert_eq!(refused, (400, "out-of-range".to_owned()));
    }
}

#[tokio::test]
async fn interrupted_download_fails_and_a_retry_is_a_new_attempt() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    manager.firmware("1.1.0").await;
    let action = manager.deploy("1.1.0", &device).await;
    let (first, _) = device.fetch().await;
    device.go_to(first, "downloading", "").await;
    device
        .close(
            first,
            "failure",
            &["otaru phase=downloading reason=interrupted"],
        )
        .await;
    assert_eq!(manager.status(&action).await, "failed");
    manager
        .make(&format!("/actions/{action}/retry"), json!({}))
        .await;
    let (second, _) = device.fetch().await;
    assert!(second > first);
    assert_eq!(
        device.report(first, "otaru phase=verifying").await,
        StatusCode::GONE
    );
    let action = manager.get(&format!("/actions/{action}")).await;
    assert_eq!(action["attempts"].as_array().map(Vec::len), Some(2));
    assert_eq!(action["attempts"][0]["status"], "failed");
    assert_eq!(action["attempts"][0]["reason"], "interrupted");
    assert_eq!(action["status"], "downloading");
}

#[tokio::test]
async fn retry_policy_starts_the_next_attempt_after_a_pause() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    manager.firmware("1.1.0").await;
    manager
        .make(
            "/deployments",
            json!({"firmware": "counter", "version": "1.1.0",
            "target": {"devices": [device.id]}, "retries": 1}),
        )
        .await;
    let (first, _) = device.fetch().await;
    device
        .close(
            first,
            "failure",
            &["otaru phase=downloading reason=interrupted"],
        )
        .await;
    assert_eq!(device.offered().await, None);
    manager.pass(Duration::from_secs(6));
    let (second, _) = device.fetch().await;
    assert!(second > first);
}

#[tokio::test]
async fn cancel_is_offered_before_the_install_and_withheld_after() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    let image = manager.firmware("1.1.0").await;

    let action = manager.deploy("1.1.0", &device).await;
    manager
        .make(&format!("/actions/{action}/cancel"), json!({}))
        .await;
    assert_eq!(manager.status(&action).await, "canceled");
    assert_eq!(device.offered().await, None);

    let action = manager.deploy("1.1.0", &device).await;
    let (id, _) = device.fetch().await;
    device.go_to(id, "parked", "").await;
    let body = json!({"id": id.to_string(), "status": {"execution": "closed", "result": {"finished": "success"}}});
    let url = format!("/cancelAction/{id}/feedback");
    assert_eq!(
        device.send(Method::POST, &url, &body).await,
        StatusCode::METHOD_NOT_ALLOWED
    );
    manager
        .make(&format!("/actions/{action}/cancel"), json!({}))
        .await;
    assert_eq!(device.offered().await, Some(("cancelAction", id)));
    let stop = device
        .request(Method::GET, &format!("/cancelAction/{id}"))
        .send()
        .await
        .expect("it answers");
    let stop: serde_json::Value = stop.json().await.expect("JSON");
    assert_eq!(stop["cancelAction"]["stopId"], id.to_string());
    assert_eq!(device.send(Method::POST, &url, &body).await, StatusCode::OK);
    assert_eq!(manager.status(&action).await, "canceled");

    let action = manager.deploy("1.1.0", &device).await;
    let (id, _) = device.fetch().await;
    device.go_to(id, "trial", &digest(&image)).await;
    manager
        .make(&format!("/actions/{action}/cancel"), json!({}))
        .await;
    assert_eq!(manager.status(&action).await, "canceling");
    assert_eq!(
        device.offered().await,
        None,
        "the firmware on trial must see that nobody wants it"
    );
    device
        .close(id, "failure", &["otaru phase=trial reason=withdrawn"])
        .await;
    assert_eq!(manager.status(&action).await, "canceled");
}

#[tokio::test]
async fn silence_times_out_and_a_late_success_still_counts() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    let image = manager.firmware("1.1.0").await;
    let action = manager.deploy("1.1.0", &device).await;
    let (id, _) = device.fetch().await;
    device.go_to(id, "trial", &digest(&image)).await;
    manager.pass(Duration::from_hours(2));
    manager.wait_for(&action, "timed-out").await;
    assert_eq!(device.offered().await, None);
    let confirmed = format!("otaru phase=confirmed digest={}", digest(&image));
    assert_eq!(
        device.close(id, "success", &[&confirmed]).await,
        StatusCode::OK
    );
    let action = manager.get(&format!("/actions/{action}")).await;
    assert_eq!(action["status"], "succeeded");
    assert_eq!(
        (&action["late"], &action["verified"]),
        (&json!(true), &json!(true))
    );
}

#[tokio::test]
async fn image_that_runs_already_succeeds_without_a_trial() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    let image = manager.firmware("1.1.0").await;
    let running: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(&image).into();
    device.tell("1.1.0", &running).await;
    let action = manager.deploy("1.1.0", &device).await;
    let (id, _) = device.fetch().await;
    let confirmed = format!("otaru phase=confirmed digest={}", digest(&image));
    device.close(id, "success", &[&confirmed]).await;
    assert_eq!(manager.status(&action).await, "succeeded");
}
