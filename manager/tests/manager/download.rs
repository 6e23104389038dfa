//! Artifact downloads: ranges, conditions, who may have them. C24, D3.

use crate::support::{TestDevice, TestManager, digest, text};
use reqwest::{Method, StatusCode, header};

async fn offered(manager: &TestManager, content: &[u8]) -> (TestDevice, String) {
    let device = manager.silent_device().await;
    device.poll().await;
    manager
        .make("/firmwares", serde_json::json!({"name": "counter"}))
        .await;
    let (status, _) = manager.upload("counter", "1", content, true).await;
    assert_eq!(status, StatusCode::CREATED);
    manager.deploy("1", &device).await;
    let (_, deployment) = device.fetch().await;
    let links = &deployment["deployment"]["chunks"][0]["artifacts"][0]["_links"];
    let href = text(&links["download"]["href"]);
    (device, href)
}

#[tokio::test]
async fn ranges_come_back_exactly_from_small_and_large_files() {
    let manager = TestManager::start().await;
    for len in [70_001_usize, (5 << 20) + 13] {
        let manager = &manager;
        let content: Vec<u8> = (0..len)
            .map(|n| u8::try_from(n * 31 % 251).unwrap())
            .collect();
        let device = manager.silent_device().await;
        device.poll().await;
        let name = format!("f{len}");
        manager
            .make("/firmwares", serde_json::json!({"name": name}))
            .await;
        manager.upload(&name, "1", &content, true).await;
        manager
            .make(
                "/deployments",
                serde_json::json!({"firmware": name, "version": "1",
                "target": {"devices": [device.id]}}),
            )
            .await;
        let (_, deployment) = device.fetch().await;
        let links = &deployment["deployment"]["chunks"][0]["artifacts"][0]["_links"];
        let href = text(&links["download"]["href"]);
        for (spec, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=4096-8191", 4_096..8_192),
            ("bytes=70000-", 70_000..len),
            ("bytes=-7", len - 7..len),
        ] {
            let request = device
                .request(Method::GET, &href)
                .header(header::RANGE, spec);
            let response = request.send().await.expect("it answers");
            assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
            let expected = format!("bytes {}-{}/{len}", range.start, range.end - 1);
            assert_eq!(response.headers()[header::CONTENT_RANGE], expected.as_str());
            assert_eq!(
                response.content_length(),
                Some((range.end - range.start) as u64)
            );
            assert_eq!(response.bytes().await.expect("it arrives"), content[range]);
        }
        let whole = device
            .request(Method::GET, &href)
            .send()
            .await
            .expect("it answers");
        assert_eq!(whole.status(), StatusCode::OK);
        assert_eq!(
            digest(&whole.bytes().await.expect("it arrives")),
            digest(&content)
        );
    }
}

#[tokio::test]
async fn conditions_and_head_and_md5sum_work() {
    let manager = TestManager::start().await;
    let content = b"hello, this is firmware".to_vec();
    let (device, href) = offered(&manager, &content).await;
    let send = async |method: Method, url: &str, headers: &[(header::HeaderName, String)]| {
        let mut request = device.request(method, url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.send().await.expect("it answers")
    };
    let head = send(Method::HEAD, &href, &[]).await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(
        head.headers()[header::CONTENT_LENGTH],
        content.len().to_string().as_str()
    );
    assert_eq!(head.headers()[header::ACCEPT_RANGES], "bytes");
    let tag = head.headers()[header::ETAG]
        .to_str()
        .expect("a tag")
        .to_owned();
    assert_eq!(head.bytes().await.expect("it arrives").len(), 0);

    let range = (header::RANGE, "bytes=5-".to_owned());
    let same = send(
        Method::GET,
        &href,
        &[range.clone(), (header::IF_RANGE, tag.clone())],
    )
    .await;
    assert_eq!(same.status(), StatusCode::PARTIAL_CONTENT);
    let other = send(
        Method::GET,
        &href,
        &[range, (header::IF_RANGE, "\"x\"".to_owned())],
    )
    .await;
    assert_eq!(other.status(), StatusCode::OK);
    let cached = send(Method::GET, &href, &[(header::IF_NONE_MATCH, tag.clone())]).await;
    assert_eq!(cached.status(), StatusCode::NOT_MODIFIED);
    let wanted = send(
        Method::GET,
        &href,
        &[(header::IF_MATCH, "\"x\"".to_owned())],
    )
    .await;
    assert_eq!(wanted.status(), StatusCode::PRECONDITION_FAILED);
    let beyond = send(
        Method::GET,
        &href,
        &[(header::RANGE, "bytes=900-".to_owned())],
    )
    .await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    let expected = format!("bytes */{}", content.len());
    assert_eq!(beyond.headers()[header::CONTENT_RANGE], expected.as_str());
    let md5 = send(Method::GET, &format!("{href}.MD5SUM"), &[]).await;
    // From `printf 'hello, this is firmware' | md5sum`.
    assert_eq!(
        md5.text().await.expect("it arrives"),
        "a0d1f32b8004680afd7b9d8f15c91937  fw.img"
    );
    let list = send(Method::GET, href.rsplit_once('/').expect("a path").0, &[]).await;
    assert_eq!(list.status(), StatusCode::OK);
    let missing = send(Method::GET, &format!("{href}x"), &[]).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn artifact_is_gone_for_the_device_once_its_action_has_failed() {
    let manager = TestManager::start().await;
    let (device, href) = offered(&manager, b"content").await;
    let (id, _) = device.fetch().await;
    device.close(id, "failure", &["no"]).await;
    let response = device
        .request(Method::GET, &href)
        .send()
        .await
        .expect("it answers");
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}
