//! Encrypted images, and images signed with P-256, with a real manager, chip and firmware.

use otaru_image::{Aes, DecryptionKey, SigningKey, board_uuids, installed_form};
use otaru_lsp_project::Mode;
use otaru_tests_scenarios::{Device, Lab, board, builder, check, image_of, payload};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

fn encrypted(label: &str, counter: u32, key: &DecryptionKey, aes: Aes) -> Vec<u8> {
    let ids = board_uuids(&board().vid, &board().cid);
    builder(label, counter, ids)
        .encrypt(key.public(), aes)
        .sign(&signer())
        .expect("the image can be signed")
}

fn signer() -> SigningKey {
    SigningKey::from_seed([42; 32])
}

// A1 A4 A5 A9 A26 with encrypted images: by cable, over the air, confirmed, reverted.
async fn encrypted_from_the_first_image_on(mode: Mode, aes: Aes) {
    let lab = Lab::new().await;
    let key = DecryptionKey::new([3; 32]);
    let factory = encrypted("1.0.0", 1, &key, aes);
    let runs = |device: &Device, image: &[u8]| {
        let installed = installed_form(image, &key).expect("it is for this device");
        assert!(
            device.execution_slot(image.len()) == installed,
            "another image"
        );
    };
    let device = lab.device("kitchen", mode, &lab.image("0.9.0", 1)).await;
    device.flash_decrypting(&factory, &[&lab.key], Some(&key));
    device.console().wait_for("firmware 1.0.0 starts");
    runs(&device, &factory);

    let next = encrypted("1.1.0", 2, &key, aes);
    let action = lab.update_to(&device, "1.1.0", &next, 30).await;
    check(&action, "succeeded", &Value::Null);
    assert_eq!(action["verified"], true, "{action:#}");
    runs(&device, &next);

    let bad = encrypted("1.2.0-unhealthy", 3, &key, aes);
    let action = lab.update_to(&device, "1.2.0-unhealthy", &bad, 30).await;
    check(&action, "reverted", &json!("unhealthy"));
    runs(&device, &next);

    // And back to plain text, which the same device takes as well.
    let plain = lab.image("1.3.0", 4);
    let action = lab.update_to(&device, "1.3.0", &plain, 30).await;
    check(&action, "succeeded", &Value::Null);
    runs(&device, &plain);
}

#[tokio::test]
async fn encrypted_images_are_installed_confirmed_and_reverted_in_standby() {
    encrypted_from_the_first_image_on(Mode::Standby, Aes::Aes128).await;
}

#[tokio::test]
async fn encrypted_images_are_installed_confirmed_and_reverted_in_swap() {
    encrypted_from_the_first_image_on(Mode::Swap, Aes::Aes256).await;
}

// A22: refused before anything is parked, with a reason that says why.
#[tokio::test]
async fn device_that_cannot_decrypt_says_so_and_goes_on_running() {
    let lab = Lab::new().await;
    let old = lab.image("1.0.0", 1);
    let device = lab.device("kitchen", Mode::Standby, &old).await;
    let boots = device.boots();
    let foreign = encrypted("1.1.0", 2, &DecryptionKey::new([3; 32]), Aes::Aes128);
    let action = lab.update_to(&device, "1.1.0", &foreign, 30).await;
    check(&action, "failed", &json!("unsupported"));
    assert_eq!(device.boots(), boots, "no reset");

    let own = DecryptionKey::new([4; 32]);
    device.flash_decrypting(&old, &[&lab.key], Some(&own));
    device.console().wait_for("ota: online");
    let boots = device.boots();
    let foreign = encrypted("1.2.0", 2, &DecryptionKey::new([3; 32]), Aes::Aes256);
    let action = lab.update_to(&device, "1.2.0", &foreign, 30).await;
    check(&action, "failed", &json!("not-decryptable"));
    assert_eq!(device.boots(), boots, "no reset");
    assert!(device.execution_slot(old.len()) == old);
}

// A5 with ECDSA P-256: the key table holds a P-256 key, beside one of Ed25519.
#[tokio::test]
async fn image_signed_with_p256_is_installed_and_an_unknown_key_is_refused() {
    let lab = Lab::new().await;
    let key = SigningKey::generate_p256().expect("random numbers");
    let ring = json!({"name": "p256", "public_key": key.public().to_hex(), "development": true});
    lab.api.post("/keys", ring).await.expect("a new key");
    let factory = image_of("1.0.0", 1, &key);
    let before = lab.image("0.9.0", 1);
    let device = lab.device("kitchen", Mode::Standby, &before).await;
    device.flash_trusting(&factory, &[&lab.key, &key]);
    device.console().wait_for("firmware 1.0.0 starts");
    let next = image_of("1.1.0", 2, &key);
    let action = lab.update_to(&device, "1.1.0", &next, 30).await;
    check(&action, "succeeded", &Value::Null);
    assert!(device.execution_slot(next.len()) == next);

    let other = SigningKey::generate_p256().expect("random numbers");
    let ring = json!({"name": "other", "public_key": other.public().to_hex()});
    lab.api.post("/keys", ring).await.expect("a new key");
    let action = lab
        .update_to(&device, "1.2.0", &image_of("1.2.0", 3, &other), 30)
        .await;
    check(&action, "failed", &json!("key-unknown"));
    // Both kinds stand in the table.
    let action = lab.update(&device, "1.3.0", 4).await;
    check(&action, "succeeded", &Value::Null);
}

// A8: how often a firmware may start before it is undone.
#[tokio::test]
async fn firmware_is_started_as_often_as_the_deployment_allows() {
    let lab = Lab::new().await;
    let device = lab
        .device("kitchen", Mode::Standby, &lab.image("1.0.0", 1))
        .await;
    lab.upload("2.0.0-exit", &lab.image("2.0.0-exit", 2)).await;
    let mut console = device.console();
    let action = lab
        .deploy_as(json!({
            "firmware": "scenario", "version": "2.0.0-exit", "trials": 3,
            "target": { "devices": [device.id] },
        }))
        .await;
    let action = lab.api.action_end(&action).await;
    assert_eq!(action["status"], "reverted", "{action:#}");
    console.wait_for("firmware 2.0.0-exit starts");
    console.wait_for("firmware 1.0.0 starts");
    let starts = console.seen().iter();
    let starts = starts.filter(|line| line.contains("firmware 2.0.0-exit starts"));
    assert_eq!(starts.count(), 3);
}

fn imgtool(folder: &Path, arguments: &[&str]) {
    let program = std::env::var_os("OTARU_IMGTOOL")
        .expect("OTARU_IMGTOOL is the path of imgtool 2.5.0; cargo xtask test sets it");
    let mut command = Command::new(program);
    let output = command.args(arguments).current_dir(folder).output();
    let output = output.expect("imgtool can be started");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "imgtool {arguments:?}: {text}");
}

// A5, A6: keys, signature and encryption of the real imgtool. It encrypts for X25519 only what it
// signs with Ed25519, so its P-256 images come in plain text.
async fn made_by_imgtool(algorithm: &str, encryption: &[&str]) {
    let lab = Lab::new().await;
    let folder = lab.dir.path();
    imgtool(folder, &["keygen", "-k", "sign.pem", "-t", algorithm]);
    imgtool(folder, &["keygen", "-k", "device.pem", "-t", "x25519"]);
    let public = [
        "getpub",
        "-k",
        "device.pem",
        "-e",
        "pem",
        "-o",
        "device.pub.pem",
    ];
    imgtool(folder, &public);
    let signer = SigningKey::load(&folder.join("sign.pem")).expect("imgtool's key");
    let key = DecryptionKey::load(&folder.join("device.pem")).expect("imgtool's key");
    let ring = json!({"name": "imgtool", "public_key": signer.public().to_hex()});
    lab.api.post("/keys", ring).await.expect("a new key");
    std::fs::write(folder.join("firmware.bin"), payload("1.1.0")).expect("written");
    let slot = board().execution().len.to_string();
    let vendor = [
        "--vid",
        &board().vid,
        "--cid",
        &board().cid,
        "--slot-size",
        &slot,
    ];
    let rest = [
        "--header-size",
        "0x200",
        "--pad-header",
        "--version",
        "1.1.0",
        "--custom-tlv",
        "0x00a0",
        "1.1.0",
        "--security-counter",
        "2",
        "firmware.bin",
        "firmware.img",
    ];
    let sign = ["sign", "-k", "sign.pem"];
    imgtool(folder, &[&sign, encryption, &vendor, &rest].concat());
    let image = std::fs::read(folder.join("firmware.img")).expect("imgtool's image");
    let before = lab.image("0.9.0", 1);
    let device = lab.device("kitchen", Mode::Swap, &before).await;
    let factory = image_of("1.0.0", 1, &signer);
    device.flash_decrypting(&factory, &[&signer], Some(&key));
    device.console().wait_for("firmware 1.0.0 starts");
    let action = lab.update_to(&device, "1.1.0", &image, 30).await;
    check(&action, "succeeded", &Value::Null);
    let installed = installed_form(&image, &key).expect("it is for this device");
    assert!(device.execution_slot(image.len()) == installed);
    assert_eq!(installed == image, encryption.is_empty());
    std::fs::write(folder.join("installed.img"), installed).expect("written");
    imgtool(folder, &["verify", "-k", "sign.pem", "installed.img"]);
}

#[tokio::test]
#[ignore = "needs imgtool; cargo xtask test runs it"]
async fn image_encrypted_by_imgtool_is_uploaded_and_installed() {
    let encryption = ["-E", "device.pub.pem", "--encrypt-keylen", "256"];
    made_by_imgtool("ed25519", &encryption).await;
}

#[tokio::test]
#[ignore = "needs imgtool; cargo xtask test runs it"]
async fn image_signed_by_imgtool_with_p256_is_uploaded_and_installed() {
    made_by_imgtool("ecdsa-p256", &[]).await;
}
