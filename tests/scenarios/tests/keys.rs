//! Moving to a key that was provisioned in advance, with a real manager, chip and firmware.

use otaru_image::{SigningKey, board_uuids};
use otaru_lsp_project::Mode;
use otaru_tests_scenarios::{Lab, board, builder, check, image_of, sha256_hex};
use serde_json::{Value, json};

// Several keys, moving to a key provisioned in advance, revocation in the confirm entry.
#[tokio::test]
async fn device_moves_to_the_next_key_and_then_refuses_the_old_one() {
    let lab = Lab::new().await;
    let next = SigningKey::from_seed([9; 32]);
    let ring = json!({
        "name": "next", "algorithm": "ed25519", "public_key": next.public().to_hex(),
        "development": true,
    });
    lab.api.post("/keys", ring).await.expect("a new key");
    let factory = lab.image("1.0.0", 1);
    let device = lab.device("kitchen", Mode::Standby, &factory).await;
    device.flash_trusting(&factory, &[&lab.key, &next]);
    // The first key of the table is given up with this image.
    let moving = |label: &str, counter| {
        let image = builder(label, counter, board_uuids(&board().vid, &board().cid)).revoke(1);
        image.sign(&next).expect("the image can be signed")
    };
    let none = Value::Null;

    let action = lab
        .update_to(
            &device,
            "2.0.0-unhealthy",
            &moving("2.0.0-unhealthy", 9),
            60,
        )
        .await;
    check(&action, "reverted", &json!("unhealthy"));
    // What reverts has revoked nothing: the old key still signs.
    let old = lab.image("1.1.0", 2);
    let action = lab.update_to(&device, "1.1.0", &old, 60).await;
    check(&action, "succeeded", &none);

    let moved = moving("2.0.0", 3);
    let action = lab.update_to(&device, "2.0.0", &moved, 60).await;
    check(&action, "succeeded", &none);
    let name = |image: &[u8]| sha256_hex(image)[..16].to_owned();
    let install = &action["attempts"][0]["install"];
    assert_eq!(install["from"], json!(name(&old)), "{install}");
    assert_eq!(install["to"], json!(name(&moved)), "{install}");
    assert!(install["chunks"].as_i64() > Some(0), "{install}");

    let action = lab.update(&device, "2.1.0", 4).await;
    check(&action, "failed", &json!("key-revoked"));
    let action = lab
        .update_to(&device, "2.2.0", &image_of("2.2.0", 5, &next), 60)
        .await;
    check(&action, "succeeded", &none);
}

// An image must not revoke the key that signed it.
#[tokio::test]
async fn image_that_revokes_its_own_key_is_refused_before_a_reset() {
    let lab = Lab::new().await;
    let old = lab.image("1.0.0", 1);
    let device = lab.device("kitchen", Mode::Standby, &old).await;
    let boots = device.boots();
    let image = builder("2.0.0", 2, board_uuids(&board().vid, &board().cid)).revoke(1);
    let image = image.sign(&lab.key).expect("the image can be signed");
    let action = lab.update_to(&device, "2.0.0", &image, 60).await;
    check(&action, "failed", &json!("revokes-own-key"));
    assert_eq!(device.boots(), boots, "no reset");
    assert!(device.execution_slot(old.len()) == old);
}
