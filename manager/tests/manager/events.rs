//! Server-sent events. A44, D5.

use crate::support::TestManager;
use serde_json::json;

#[tokio::test]
async fn watchers_see_changes_and_can_go_on_where_they_were() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    manager.firmware("1.1.0").await;
    let mut events = manager
        .events(&format!("?device={}", device.id), None)
        .await;
    let action = manager.deploy("1.1.0", &device).await;
    let first = events.next().await;
    assert_eq!(
        (first.kind.as_str(), &first.data["status"]),
        ("action", &json!("pending"))
    );
    assert_eq!(first.data["id"], action.as_str());
    assert!(first.data["attempts"].is_null());
    let (id, _) = device.fetch().await;
    assert_eq!(events.next().await.data["status"], "downloading");
    device.go_to(id, "verifying", "").await;
    drop(events);

    let mut again = manager
        .events(&format!("?action={action}"), Some(&first.id))
        .await;
    assert_eq!(again.next().await.data["status"], "downloading");
    assert_eq!(again.next().await.data["phase"], "downloading");
    assert_eq!(again.next().await.data["status"], "verifying");
    let mut unknown = manager.events("", Some("1-1")).await;
    assert_eq!(unknown.next().await.kind, "resync");
}

#[tokio::test]
async fn device_and_version_events_come_too() {
    let manager = TestManager::start().await;
    let mut events = manager.events("", None).await;
    let device = manager.otaru_device().await;
    let online = events.next().await;
    assert_eq!(
        (online.kind.as_str(), &online.data["id"]),
        ("device", &json!(device.id))
    );
    assert_eq!(online.data["online"], true);
    let told = events.next().await;
    assert_eq!(told.data["version"], "1.0.0");
    manager.firmware("1.1.0").await;
    let version = events.next().await;
    assert_eq!(
        (version.kind.as_str(), &version.data["version"]),
        ("version", &json!("1.1.0"))
    );
    manager.pass(std::time::Duration::from_hours(1));
    let offline = events.next().await;
    assert_eq!(
        (offline.kind.as_str(), &offline.data["online"]),
        ("device", &json!(false))
    );
}
