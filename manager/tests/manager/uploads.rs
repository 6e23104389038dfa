//! Uploads: resumable, checked, refused with a reason. A4, A5, A14, A16, C47.

use crate::support::{TestManager, builder, digest, folder_size, image, signing_key, text};
use otaru_image::{Aes, DecryptionKey, SigningKey, inspect};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

async fn begin(manager: &TestManager, version: &str, content: &[u8]) -> (StatusCode, Value) {
    let body = json!({"version": version, "size": content.len(), "sha256": digest(content),
        "file_name": "counter.img"});
    manager.post("/firmwares/counter/uploads", body).await
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn upload_in_pieces_survives_a_restart_and_updates_nobody() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    manager.firmware("1.0.1").await;
    let content = image("1.1.0", &signing_key());
    let (status, upload) = begin(&manager, "1.1.0", &content).await;
    assert_eq!(
        (status, &upload["offset"]),
        (StatusCode::CREATED, &json!(0))
    );
    let id = text(&upload["id"]);
    let (status, part) = manager.append(&id, 0, content[..1_000].to_vec()).await;
    assert_eq!((status, &part["offset"]), (StatusCode::OK, &json!(1_000)));
    let key = manager.api_key.clone();
    let mut manager = TestManager::start_in(manager.stop().await, |_| {}).await;
    manager.api_key = key;
    let (status, upload) = begin(&manager, "1.1.0", &content).await;
    assert_eq!((status, &upload["offset"]), (StatusCode::OK, &json!(1_000)));
    let (status, answer) = manager.append(&id, 999, content[999..].to_vec()).await;
    assert_eq!(
        (status, code(&answer)),
        (StatusCode::CONFLICT, "offset-mismatch")
    );
    assert_eq!(answer["error"]["offset"], 1_000);
    let (status, answer) = manager.append(&id, 1_000, content[1_000..].to_vec()).await;
    assert_eq!(status, StatusCode::CREATED);
    let version = &answer["version"];
    assert_eq!(version["digest"], digest(&content));
    assert_eq!(version["key"], signing_key().public().to_hex());
    assert_eq!(version["uploaded_by"], "test");
    assert_eq!(
        manager.get(&format!("/actions?device={}", device.id)).await,
        json!([])
    );
    let versions = manager.get("/firmwares/counter/versions").await;
    assert_eq!(versions[0]["version"], "1.1.0", "newest first");
    assert_eq!(folder_size(&manager.folder.path().join("uploads")), 0);
}

#[tokio::test]
async fn version_identifier_is_never_used_twice() {
    let manager = TestManager::start().await;
    let content = manager.firmware("1.1.0").await;
    let other = image("1.1.0", &SigningKey::from_seed([7; 32]));
    let (status, answer) = begin(&manager, "1.1.0", &other).await;
    assert_eq!(
        (status, code(&answer)),
        (StatusCode::CONFLICT, "version-exists")
    );
    assert_eq!(answer["error"]["digest"], digest(&content));
    let delete = manager
        .request(Method::DELETE, "/firmwares/counter/versions/1.1.0")
        .send()
        .await;
    assert_eq!(delete.expect("it answers").status(), StatusCode::NO_CONTENT);
    assert_eq!(folder_size(&manager.folder.path().join("blobs")), 0);
    let (status, _) = begin(&manager, "1.1.0", &other).await;
    assert_eq!(status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn what_is_not_a_trusted_image_is_refused_with_its_reason() {
    let manager = TestManager::start().await;
    manager.firmware("1.0.1").await;
    let good = image("1.1.0", &signing_key());
    let mut flipped = good.clone();
    flipped[5_000] ^= 1;
    let mut bad_signature = good.clone();
    *bad_signature.last_mut().expect("it has bytes") ^= 1;
    let mut longer = good.clone();
    longer.push(0);
    for (content, expected) in [
        (
            image("1.1.0", &SigningKey::from_seed([7; 32])),
            "key-unknown",
        ),
        (flipped, "digest-mismatch"),
        (bad_signature, "signature-invalid"),
        (good[..good.len() - 1].to_vec(), "malformed-image"),
        (longer, "size-mismatch"),
        (b"#!/bin/sh".to_vec(), "malformed-image"),
        (image("9.9.9", &signing_key()), "version-mismatch"),
    ] {
        let (status, answer) = manager.upload("counter", "1.1.0", &content, false).await;
        assert_eq!(
            status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{expected}: {answer}"
        );
        if expected != "malformed-image" || code(&answer) != "size-mismatch" {
            assert_eq!(code(&answer), expected);
        }
    }
    let (status, answer) = manager.upload("counter", "1.1.0", &good, false).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
}

#[tokio::test]
async fn content_must_be_what_was_announced() {
    let manager = TestManager::start().await;
    manager.firmware("1.0.1").await;
    let content = image("1.1.0", &signing_key());
    let (_, upload) = begin(&manager, "1.1.0", &content).await;
    let id = text(&upload["id"]);
    let (status, answer) = manager.append(&id, 0, vec![0; content.len() + 1]).await;
    assert_eq!(
        (status, code(&answer)),
        (StatusCode::PAYLOAD_TOO_LARGE, "too-many-bytes")
    );
    assert_eq!(manager.get(&format!("/uploads/{id}")).await["offset"], 0);
    let (status, answer) = manager.append(&id, 0, vec![0; content.len()]).await;
    assert_eq!(
        (status, code(&answer)),
        (StatusCode::UNPROCESSABLE_ENTITY, "digest-mismatch")
    );
    let (status, _) = manager.upload("counter", "1.1.0", &content, false).await;
    assert_eq!(status, StatusCode::CREATED, "the next try begins anew");
}

#[tokio::test]
async fn bad_requests_get_their_codes() {
    let manager = TestManager::start_with(|config| config.artifact_size_max = 1_000).await;
    manager.make("/firmwares", json!({"name": "counter"})).await;
    let refused = async |change: (&str, Value)| {
        let mut body =
            json!({"version": "1", "size": 10, "sha256": "0".repeat(64), "file_name": "x"});
        body[change.0] = change.1;
        manager.refused("/firmwares/counter/uploads", body).await
    };
    assert_eq!(
        refused(("size", json!(1_001))).await,
        (413, "size-refused".into())
    );
    assert_eq!(
        refused(("size", json!(0))).await,
        (413, "size-refused".into())
    );
    assert_eq!(
        refused(("size", json!("x"))).await,
        (422, "malformed-body".into())
    );
    assert_eq!(
        refused(("sha256", json!("0"))).await,
        (400, "malformed-digest".into())
    );
    assert_eq!(
        refused(("version", json!("a/b"))).await,
        (400, "malformed-version".into())
    );
    assert_eq!(
        refused(("version", json!(""))).await,
        (400, "malformed-version".into())
    );
    let nobody = manager.refused(
        "/firmwares/nobody/uploads",
        json!({"version": "1", "size": 1,
        "sha256": "0".repeat(64), "file_name": "x"}),
    );
    assert_eq!(nobody.await, (404, "not-found".into()));
    let (status, _) = manager.append("upl-nobody", 0, vec![1]).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn version_in_use_stays() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    manager.firmware("1.1.0").await;
    let action = manager.deploy("1.1.0", &device).await;
    let delete = async || {
        let request = manager.request(Method::DELETE, "/firmwares/counter/versions/1.1.0");
        request.send().await.expect("it answers").status()
    };
    assert_eq!(
        manager.get("/firmwares/counter/versions/1.1.0").await["in_use"],
        true
    );
    assert_eq!(delete().await, StatusCode::CONFLICT);
    manager
        .make(&format!("/actions/{action}/cancel"), json!({}))
        .await;
    assert_eq!(delete().await, StatusCode::NO_CONTENT);
    let action = manager.get(&format!("/actions/{action}")).await;
    assert_eq!(action["version"], "1.1.0", "the history keeps its name");
}

/// Multi-image: a set is shown with its parts, and refused if one of them is not good.
#[tokio::test]
async fn parts_of_a_file_are_shown_and_a_broken_one_is_refused() {
    let manager = TestManager::start().await;
    manager.firmware("1.0.0").await;
    assert_eq!(
        manager.get("/firmwares/counter/versions/1.0.0").await["parts"],
        json!([])
    );
    let builder = |payload: &[u8]| {
        let version = otaru_image::Version {
            major: 2,
            ..otaru_image::Version::default()
        };
        otaru_image::ImageBuilder::new(payload, version).security_counter(3)
    };
    let file = |signer: &SigningKey, needed: u8| {
        let part = builder(&[7; 900]).index(2).sign(signer).expect("a part");
        let file = builder(b"firmware")
            .depends_on(otaru_image::Dependency {
                image: 2,
                version: otaru_image::Version {
                    major: needed,
                    ..otaru_image::Version::default()
                },
            })
            .part(2, part.clone());
        (file.sign(&signing_key()).expect("a file"), part)
    };
    let (content, part) = file(&signing_key(), 2);
    let (status, answer) = manager.upload("counter", "2.0.0", &content, false).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let shown = manager.get("/firmwares/counter/versions/2.0.0").await;
    let expected = json!([{"index": 2, "version": "2.0.0+0", "label": null, "size": part.len(),
        "digest": digest(&part), "security_counter": 3, "key": signing_key().public().to_hex()}]);
    assert_eq!(shown["parts"], expected);
    for (content, reason) in [
        (file(&SigningKey::from_seed([7; 32]), 2).0, "key-unknown"),
        (file(&signing_key(), 3).0, "dependency-unmet"),
    ] {
        let (status, answer) = manager.upload("counter", "3.0.0", &content, false).await;
        assert_eq!(
            (status, code(&answer)),
            (StatusCode::UNPROCESSABLE_ENTITY, reason)
        );
    }
}

// A5 with ECDSA P-256.
#[tokio::test]
async fn image_signed_with_a_p256_key_of_the_ring_is_taken() {
    let manager = TestManager::start().await;
    manager.firmware("1.0.1").await;
    let key = SigningKey::generate_p256().expect("random numbers");
    let content = image("1.1.0", &key);
    let (status, answer) = manager.upload("counter", "1.1.0", &content, false).await;
    assert_eq!(
        (status, code(&answer)),
        (StatusCode::UNPROCESSABLE_ENTITY, "key-unknown")
    );
    let body = json!({"name": "p256", "public_key": key.public().to_hex()});
    manager.make("/keys", body).await;
    let (status, answer) = manager.upload("counter", "1.1.0", &content, false).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    assert_eq!(answer["version"]["key"], key.public().to_hex());
    assert_eq!(answer["version"]["encryption"], Value::Null);
}

// Encrypted images: everything is checked that can be without the devices' key.
#[tokio::test]
async fn encrypted_image_is_taken_for_what_it_states_and_marked() {
    let manager = TestManager::start().await;
    manager.firmware("1.0.1").await;
    let device = DecryptionKey::new([3; 32]).public();
    let encrypted = |label: &str, key: &SigningKey, aes| {
        let image = builder(label).encrypt(device, aes).sign(key);
        image.expect("the image can be signed")
    };
    let good = encrypted("1.1.0", &signing_key(), Aes::Aes256);
    let info = inspect(&mut good.as_slice(), u32::MAX).expect("an image");
    let mut forged = good.clone();
    forged[info.signature_offset as usize] ^= 1;
    let hash = good.windows(32).position(|at| at == info.image_hash);
    let mut restated = good.clone();
    restated[hash.expect("it is there")] ^= 1;
    let mut longer = good.clone();
    longer.push(0);
    let stranger = encrypted("1.1.0", &SigningKey::from_seed([7; 32]), Aes::Aes256);
    let other_label = encrypted("9.9.9", &signing_key(), Aes::Aes256);
    for (content, expected) in [
        (forged, "signature-invalid"),
        (restated, "signature-invalid"),
        (longer, "size-mismatch"),
        (stranger, "key-unknown"),
        (other_label, "version-mismatch"),
    ] {
        let (status, answer) = manager.upload("counter", "1.1.0", &content, false).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
        assert_eq!(code(&answer), expected);
    }
    let (status, answer) = manager.upload("counter", "1.1.0", &good, false).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    assert_eq!(answer["version"]["encryption"], "aes-256");
    assert_eq!(answer["version"]["key"], signing_key().public().to_hex());
    let short = encrypted("1.2.0", &signing_key(), Aes::Aes128);
    let (_, answer) = manager.upload("counter", "1.2.0", &short, false).await;
    assert_eq!(answer["version"]["encryption"], "aes-128");
    let versions = manager.get("/firmwares/counter/versions").await;
    assert_eq!(versions[1]["encryption"], "aes-256");
    assert_eq!(versions[2]["encryption"], Value::Null);
}
