//! Images and requests that are refused, each with its own reason, without a reset.

use otaru_image::{ImageBuilder, SigningKey, Version, board_uuids};
use otaru_lsp_project::Mode;
use otaru_tests_scenarios::{Device, Lab, board, builder, image_of};
use serde_json::{Value, json};

fn reason(action: &Value) -> (&str, &str) {
    (
        action["status"].as_str().unwrap_or(""),
        action["reason"].as_str().unwrap_or(""),
    )
}

async fn lab() -> (Lab, Device, Vec<u8>) {
    let lab = Lab::new().await;
    let old = lab.image("1.0.0", 1);
    let device = lab.device("kitchen", Mode::Standby, &old).await;
    (lab, device, old)
}

// Scenario 9; A5: a key that the manager trusts and the device does not.
#[tokio::test]
async fn image_signed_by_a_key_the_device_does_not_trust_is_refused() {
    let (lab, device, old) = lab().await;
    let other = SigningKey::from_seed([9; 32]);
    let ring = json!({
        "name": "other", "algorithm": "ed25519",
        "public_key": other.public().to_hex(), "development": true,
    });
    lab.api
        .post("/keys", ring)
        .await
        .expect("the key can be registered");
    lab.upload("2.0.0", &image_of("2.0.0", 2, &other)).await;
    let boots = device.boots();
    let action = lab.deploy(&device, "2.0.0", 60).await;
    let action = lab.api.action_end(&action).await;
    assert_eq!(reason(&action), ("failed", "key-unknown"), "{action:#}");
    assert_eq!(
        device.control().status().expect("it runs").boots,
        boots,
        "no reset"
    );
    assert!(device.execution_slot(old.len()) == old);
}

// A5: neither does the manager take one that it does not know.
#[tokio::test]
async fn image_signed_by_an_unknown_key_is_not_taken_by_the_manager() {
    let (lab, _device, _) = lab().await;
    let other = SigningKey::from_seed([9; 32]);
    let refused = lab
        .api
        .upload("scenario", "2.0.0", &image_of("2.0.0", 2, &other))
        .await;
    let refused = refused.expect_err("the key is unknown");
    assert_eq!(
        (refused.status, refused.code.as_str()),
        (422, "key-unknown")
    );
}

// Scenarios 6 and 7; A4
#[tokio::test]
async fn damaged_truncated_and_extended_images_are_not_taken_by_the_manager() {
    let (lab, _device, _) = lab().await;
    let image = lab.image("2.0.0", 2);
    let mut flipped = image.clone();
    flipped[5000] ^= 1;
    let mut longer = image.clone();
    longer.push(0);
    let cases: [(&str, &[u8]); 4] = [
        ("flipped", &flipped),
        ("shorter", &image[..image.len() - 1]),
        ("longer", &longer),
        ("text", b"not an image at all"),
    ];
    for (what, bytes) in cases {
        let refused = lab.api.upload("scenario", what, bytes).await;
        let refused = refused.expect_err(what);
        assert_eq!(refused.status, 422, "{what}: {refused:?}");
    }
    let versions = lab
        .api
        .get("/firmwares/scenario/versions")
        .await
        .expect("a list");
    assert_eq!(versions.as_array().map_or(0, Vec::len), 0, "{versions}");
}

// Scenario 13; A6: an older security counter.
#[tokio::test]
async fn older_security_counter_is_refused_after_a_newer_one_was_confirmed() {
    let (lab, device, _) = lab().await;
    let action = lab.update(&device, "2.0.0", 5).await;
    assert_eq!(reason(&action), ("succeeded", ""), "{action:#}");
    let action = lab.update(&device, "1.5.0", 4).await;
    assert_eq!(
        reason(&action),
        ("failed", "security-counter"),
        "{action:#}"
    );
    assert!(device.execution_slot(100) == lab.image("2.0.0", 5)[..100]);
}

// C2 C3: the application of the running firmware may refuse an install.
#[tokio::test]
async fn application_that_declines_an_install_is_heard() {
    let lab = Lab::new().await;
    let old = lab.image("1.0.0-declines", 1);
    let device = lab.device("kitchen", Mode::Standby, &old).await;
    let action = lab.update(&device, "2.0.0", 2).await;
    assert_eq!(
        reason(&action),
        ("failed", "refused-by-application"),
        "{action:#}"
    );
    assert!(
        action.to_string().contains("the valve is open"),
        "{action:#}"
    );
}

// A16: a version identifier is used once. A38: a device that was never there is not updated.
#[tokio::test]
async fn taken_versions_and_devices_that_never_connected_are_refused() {
    let (lab, _device, _) = lab().await;
    lab.upload("2.0.0", &lab.image("2.0.0", 2)).await;
    let again = lab
        .api
        .upload("scenario", "2.0.0", &lab.image("2.0.0", 3))
        .await;
    let again = again.expect_err("the version is taken");
    assert_eq!((again.status, again.code.as_str()), (409, "version-exists"));
    let ghost = lab
        .api
        .post("/devices", json!({ "name": "ghost" }))
        .await
        .expect("made");
    let request = json!({
        "firmware": "scenario", "version": "2.0.0", "target": { "devices": [ghost["id"]] },
    });
    let refused = lab
        .api
        .post("/deployments", request)
        .await
        .expect_err("it never connected");
    assert_eq!(refused.status, 409, "{refused:?}");
}

/// Uploads an image, sends it, and expects the device to refuse it without a reset.
async fn device_refuses(image: &[u8], label: &str, expected: &str) {
    let (lab, device, old) = lab().await;
    lab.upload(label, image).await;
    let boots = device.boots();
    let action = lab.deploy(&device, label, 60).await;
    let action = lab.api.action_end(&action).await;
    assert_eq!(reason(&action), ("failed", expected), "{action:#}");
    assert_eq!(device.boots(), boots, "no reset");
    assert!(device.execution_slot(old.len()) == old);
}

fn key() -> SigningKey {
    SigningKey::from_seed([42; 32])
}

// Scenario 10; A6
#[tokio::test]
async fn image_for_another_board_is_refused() {
    let other = builder("2.0.0", 2, board_uuids("otaru.dev", "another-board"));
    let image = other.sign(&key()).expect("it can be signed");
    device_refuses(&image, "2.0.0", "wrong-board").await;
}

// Scenario 11; A6
#[tokio::test]
async fn image_linked_for_another_slot_is_refused() {
    let ids = board_uuids(&board().vid, &board().cid);
    let image = builder("2.0.0", 2, ids).rom_address(0x1234_5000);
    let image = image.sign(&key()).expect("it can be signed");
    device_refuses(&image, "2.0.0", "wrong-slot").await;
}

// Scenario 8; C13: before anything is erased.
#[tokio::test]
async fn image_that_does_not_fit_is_refused() {
    let payload = vec![0x5A; 5 << 20];
    let version = Version {
        major: 2,
        minor: 0,
        revision: 0,
        build: 0,
    };
    let image = ImageBuilder::new(payload, version)
        .label(otaru_image::Label::new("2.0.0").expect("short"))
        .board(board_uuids(&board().vid, &board().cid))
        .sign(&key())
        .expect("it can be signed");
    device_refuses(&image, "2.0.0", "size-mismatch").await;
}

// Scenarios 6 and 7; A22 A23: what was stored is read back, not what was received.
#[tokio::test]
async fn byte_damaged_in_storage_fails_the_update_at_once() {
    let (lab, device, old) = lab().await;
    lab.upload("2.0.0", &lab.image("2.0.0", 2)).await;
    let boots = device.boots();
    let mut console = device.console();
    let action = lab.deploy(&device, "2.0.0", 60).await;
    console.wait_for("ota: download 50 %");
    let [_, storage] = board().standby.as_ref().expect("the board has standby");
    device
        .control()
        .corrupt(storage.offset + 0x100, 1)
        .expect("a bit flips");
    let action = lab.api.action_end(&action).await;
    assert_eq!(reason(&action), ("failed", "digest-mismatch"), "{action:#}");
    assert_eq!(device.boots(), boots, "no reset");
    assert!(device.execution_slot(old.len()) == old);
}
