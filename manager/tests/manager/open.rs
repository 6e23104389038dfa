//! Opening a folder: first start, a second manager, a damaged database, addresses. A2.

use crate::support::{PATIENCE, TestManager, folder_size, text};
use otaru_manager::{Config, Manager, OpenError, TlsFiles};
use reqwest::StatusCode;
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;

async fn open_error(folder: &Path) -> OpenError {
    Manager::open(Config::new(folder))
        .await
        .expect_err("it must be refused")
}

#[tokio::test]
async fn first_start_makes_a_workspace_and_a_link_that_works_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = {
        let manager = Manager::open(Config::new(folder.path()))
            .await
            .expect("it opens");
        assert!(manager.is_first_start());
        manager.new_admin_token().await.expect("a token")
    };
    let manager = TestManager::start_in(folder, |_| {}).await;
    let answer = manager.make("/setup", json!({"token": token})).await;
    assert!(text(&answer["api_key"]).starts_with("otk_"));
    assert!(text(&answer["workspace"]["id"]).starts_with("wks-"));
    let again = manager.refused("/setup", json!({"token": token})).await;
    assert_eq!(again, (401, "admin-link-invalid".to_owned()));
    assert_eq!(
        manager.get("/fleets").await.as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn admin_link_expires() {
    let folder = tempfile::tempdir().expect("a folder");
    let manager = Manager::open(Config::new(folder.path()))
        .await
        .expect("it opens");
    let token = manager.new_admin_token().await.expect("a token");
    drop(manager);
    let manager = TestManager::start_in(folder, |_| {}).await;
    manager.pass(std::time::Duration::from_hours(25));
    let late = manager.refused("/setup", json!({"token": token})).await;
    assert_eq!(late, (401, "admin-link-invalid".to_owned()));
}

#[tokio::test]
async fn second_manager_on_the_folder_is_refused() {
    let manager = TestManager::start().await;
    let error = open_error(manager.folder.path()).await;
    assert!(matches!(error, OpenError::Locked(_)), "{error}");
    assert!(error.to_string().contains("another manager"), "{error}");
    let folder = manager.stop().await;
    let manager = Manager::open(Config::new(folder.path()))
        .await
        .expect("now it is free");
    assert!(!manager.is_first_start());
}

#[tokio::test]
async fn damaged_database_is_refused_and_left_as_it_is() {
    let manager = TestManager::start().await;
    for _ in 0..40 {
        manager.silent_device().await;
    }
    let folder = manager.stop().await;
    let path = folder.path().join("manager.sqlite");
    let good = std::fs::read(&path).expect("the database");
    let mut page = good.clone();
    page[4_096..8_192].fill(0x5A);
    let cases = [
        (
            "no database",
            b"this is a letter to my aunt, not a database".to_vec(),
        ),
        ("torn", good[..good.len() / 2 - 100].to_vec()),
        ("overwritten page", page),
    ];
    for (name, damaged) in cases {
        std::fs::write(&path, &damaged).expect("it can be written");
        let error = open_error(folder.path()).await;
        assert!(
            matches!(error, OpenError::CorruptDatabase { .. }),
            "{name}: {error}"
        );
        assert_eq!(
            std::fs::read(&path).expect("the database"),
            damaged,
            "{name} was touched"
        );
    }
    std::fs::write(&path, &good).expect("it can be written");
    let manager = TestManager::start_in(folder, |_| {}).await;
    assert_eq!(
        manager.get("/devices").await.as_array().map(Vec::len),
        Some(40)
    );
}

#[tokio::test]
async fn beyond_loopback_plain_http_must_be_meant() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config::new(folder.path());
    config.listen = SocketAddr::from(([0, 0, 0, 0], 0));
    let error = Manager::open(config.clone())
        .await
        .expect_err("it is refused");
    assert!(matches!(error, OpenError::Insecure(_)), "{error}");
    config.insecure = true;
    let manager = Manager::open(config).await.expect("it is meant");
    manager.bind().await.expect("it listens");
}

#[tokio::test]
async fn taken_port_and_missing_certificate_say_so() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config::new(folder.path());
    config.listen = taken.local_addr().expect("an address");
    let manager = Manager::open(config.clone()).await.expect("it opens");
    let error = manager.bind().await.expect_err("the port is taken");
    assert!(
        error
            .to_string()
            .contains("another program may use this port"),
        "{error}"
    );
    drop(manager);
    let missing = folder.path().join("nowhere.pem");
    config.tls = Some(TlsFiles {
        certificate: missing.clone(),
        key: missing,
    });
    let error = Manager::open(config)
        .await
        .expect_err("there is no such file");
    assert!(error.to_string().contains("nowhere.pem"), "{error}");
}

#[tokio::test]
async fn too_many_requests_of_one_address_get_429() {
    // Through a proxy on loopback, because loopback itself is not limited.
    let manager = TestManager::start_with(|config| config.requests_per_s = Some(1)).await;
    let mut refused = 0;
    for _ in 0..20 {
        let request = manager.request(reqwest::Method::GET, "/workspace");
        let request = request.header("x-forwarded-for", "192.0.2.9");
        let status = request.send().await.expect("it answers").status();
        refused += u32::from(status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert!(refused >= 10, "{refused}");
    assert_eq!(manager.get("/workspace").await["name"], "Default workspace");
}

#[tokio::test]
async fn image_that_a_crash_left_without_a_version_is_removed() {
    let manager = TestManager::start().await;
    manager.firmware("1.1.0").await;
    let folder = manager.stop().await;
    let orphan = folder
        .path()
        .join("blobs")
        .join(format!("{}.img", "0".repeat(64)));
    std::fs::write(&orphan, b"left behind").expect("it can be written");
    let manager = TestManager::start_in(folder, |_| {}).await;
    let gone = async {
        while orphan.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone)
        .await
        .expect("it is removed");
    assert!(
        folder_size(&manager.folder.path().join("blobs")) > 0,
        "the other one stays"
    );
}
