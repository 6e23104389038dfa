//! The real program: killed at random points, and out of disk space.

mod process;
mod traffic;

use process::Program;
use reqwest::{Method, StatusCode};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use traffic::{Fleet, Random};

/// Times the manager is killed.
const KILLS: u32 = 8;
/// Most answers between two kills.
const ANSWERS_MAX: u64 = 120;

/// D7, C39: `kill -9` loses no action and invents no success.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_at_random_points_loses_no_action_and_invents_no_success() {
    let seed = std::env::var("OTARU_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| getrandom::u64().expect("randomness"));
    println!("repeat with OTARU_SEED={seed}");
    let mut random = Random::new(seed);

    let folder = tempfile::tempdir().expect("a folder");
    let mut program = Program::start(folder.path(), 0);
    let fleet = Arc::new(Fleet::set_up(&program, &mut random).await);
    for round in 0..KILLS {
        let answers = 1 + random.below(ANSWERS_MAX);
        fleet.run_until_killed(&mut program, answers).await;
        let port = program.port();
        program = Program::start(folder.path(), port);
        fleet.check(round).await;
    }
    fleet.finish_all().await;
    fleet.check(KILLS).await;
}

/// A full disk while an upload arrives: a clear refusal, its space is freed, nothing else is lost.
#[cfg(unix)]
#[tokio::test]
async fn full_disk_refuses_the_upload_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    // Files that may not grow beyond 2 MiB are what a process can have of a full disk without
    // being root: the same call fails, with another error number.
    let program = Program::start_with_file_limit(folder.path(), 2 << 20);
    let api = program.api().await;
    api.make("/firmwares", json!({"name": "counter"})).await;
    let upload = async |version: &str, len: usize| {
        let content = vec![7_u8; len];
        let sha256 = traffic::hex(&Sha256::digest(&content));
        let body = json!({"version": version, "size": len, "sha256": sha256,
            "file_name": "x.bin", "foreign": true});
        let upload = api.make("/firmwares/counter/uploads", body).await;
        let path = format!("/uploads/{}", upload["id"].as_str().expect("an id"));
        let request = api
            .request(Method::PATCH, &path)
            .header("upload-offset", 0)
            .body(content);
        let response = request.send().await.expect("it answers");
        (
            response.status(),
            response.json::<serde_json::Value>().await.expect("JSON"),
        )
    };
    assert_eq!(upload("small", 100_000).await.0, StatusCode::CREATED);
    let (status, answer) = upload("large", 3 << 20).await;
    assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE, "{answer}");
    assert_eq!(answer["error"]["code"], "storage-full");
    let left = std::fs::read_dir(folder.path().join("uploads"))
        .expect("a folder")
        .count();
    assert_eq!(left, 0, "the space is free again");
    assert_eq!(upload("small-2", 100_000).await.0, StatusCode::CREATED);
    let versions = api.get("/firmwares/counter/versions").await;
    assert_eq!(versions.as_array().map(Vec::len), Some(2));
}
