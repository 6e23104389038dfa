//! DDI as clients of all kinds speak it. notes of docs/formats/ddi.md; A19, A21, A38, C35.

use crate::support::{PATIENCE, TestDevice, TestManager, expect, text};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use std::time::Duration;

async fn poll_tag(device: &TestDevice) -> String {
    let response = device
        .request(Method::GET, "")
        .send()
        .await
        .expect("it answers");
    response.headers()[header::ETAG]
        .to_str()
        .expect("a tag")
        .to_owned()
}

#[tokio::test]
async fn unchanged_poll_is_304_and_every_answer_has_a_length() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    let response = device
        .request(Method::GET, "")
        .send()
        .await
        .expect("it answers");
    assert!(response.content_length().is_some_and(|len| len > 0));
    assert!(!response.headers().contains_key(header::TRANSFER_ENCODING));
    let tag = poll_tag(&device).await;
    for condition in [tag.clone(), format!("\"x\", W/{tag}")] {
        let request = device
            .request(Method::GET, "")
            .header(header::IF_NONE_MATCH, condition);
        let response = request.send().await.expect("it answers");
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(response.headers()[header::ETAG], tag.as_str());
    }
    let body = json!({"data": {"a": "b"}});
    let put = device
        .request(Method::PUT, "/configData")
        .json(&body)
        .send()
        .await;
    let put = put.expect("it answers");
    assert_eq!(
        (put.status(), put.content_length()),
        (StatusCode::OK, Some(0))
    );
}

#[tokio::test]
async fn sleep_is_eight_characters_and_final_slash_is_fine() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    assert_eq!(
        device.poll().await["config"]["polling"]["sleep"],
        "00:01:00"
    );
    let response = device
        .request(Method::GET, "/")
        .send()
        .await
        .expect("it answers");
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn held_poll_is_answered_when_a_deployment_comes() {
    // A21
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    manager.firmware("1.1.0").await;
    let tag = poll_tag(&device).await;
    let held = device
        .request(Method::GET, "")
        .header(header::IF_NONE_MATCH, &tag)
        .header("prefer", "wait=50")
        .send();
    let held = tokio::spawn(held);
    // It is online only through the poll that is being held: its last message is long ago.
    manager.pass(Duration::from_hours(1));
    let wait_until_held = async {
        while manager.get(&format!("/devices/{}", device.id)).await["online"] != true {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait_until_held)
        .await
        .expect("the poll is held");
    assert!(!held.is_finished());
    manager.deploy("1.1.0", &device).await;
    let response = tokio::time::timeout(PATIENCE, held)
        .await
        .expect("it is answered");
    let response = response.expect("no panic").expect("it answers");
    assert_ne!(response.headers()[header::ETAG], tag.as_str());
    let body = expect(response, StatusCode::OK).await;
    assert!(body["_links"]["deploymentBase"]["href"].is_string());
}

#[tokio::test]
async fn held_poll_ends_with_304_after_its_time_and_when_the_manager_stops() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    let tag = poll_tag(&device).await;
    let poll = |wait: &'static str| {
        let request = device
            .request(Method::GET, "")
            .header(header::IF_NONE_MATCH, &tag);
        request.header("prefer", wait).send()
    };
    let short = poll("wait=1").await.expect("it answers");
    assert_eq!(short.status(), StatusCode::NOT_MODIFIED);
    let held = tokio::spawn(poll("wait=55"));
    manager.pass(Duration::from_hours(1));
    let wait_until_held = async {
        while manager.get(&format!("/devices/{}", device.id)).await["online"] != true {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait_until_held)
        .await
        .expect("the poll is held");
    manager.stop().await;
    let response = tokio::time::timeout(PATIENCE, held)
        .await
        .expect("it is answered");
    let response = response.expect("no panic").expect("it answers");
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn tenant_is_the_workspace_or_default_in_any_case() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    let workspace = text(&manager.get("/workspace").await["id"]);
    for (tenant, status) in [
        ("DEFAULT", 200),
        ("default", 200),
        (workspace.as_str(), 200),
        ("wks-nobody", 401),
    ] {
        let url = device.url.replace("/DEFAULT/", &format!("/{tenant}/"));
        let response = device
            .request(Method::GET, &url)
            .send()
            .await
            .expect("it answers");
        assert_eq!(response.status().as_u16(), status, "{tenant}");
        if status == 200 {
            let body: Value = response.json().await.expect("JSON");
            assert!(!body.to_string().contains("/DEFAULT/") || tenant == "DEFAULT");
        }
    }
}

#[tokio::test]
async fn wrong_tokens_are_refused_and_a_new_one_replaces_the_old() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    let poll = async |authorization: &str, url: &str| {
        let request = manager.http.get(url).header("authorization", authorization);
        request.send().await.expect("it answers").status().as_u16()
    };
    let good = format!("TargetToken {}", device.token);
    assert_eq!(poll(&good, &device.url).await, 200);
    assert_eq!(poll(&good.to_lowercase(), &device.url).await, 200);
    let nobody = device.url.replace(&device.id, "dev-nobody");
    for (authorization, url) in [
        ("TargetToken x", &device.url),
        ("TargetToken", &device.url),
        ("GatewayToken x", &device.url),
        ("Bearer x", &device.url),
        (good.as_str(), &nobody),
    ] {
        assert_eq!(poll(authorization, url).await, 401, "{authorization} {url}");
    }
    assert_eq!(
        manager
            .http
            .get(&device.url)
            .send()
            .await
            .expect("it answers")
            .status(),
        401
    );
    let (status, new) = manager
        .post(&format!("/devices/{}/token", device.id), json!({}))
        .await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(poll(&good, &device.url).await, 401);
    assert_eq!(
        poll(&format!("TargetToken {}", text(&new["token"])), &device.url).await,
        200
    );
}

#[tokio::test]
async fn tokens_are_not_in_the_database() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    let (token, key) = (device.token.clone(), manager.api_key.clone());
    let folder = manager.stop().await;
    for entry in std::fs::read_dir(folder.path()).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let bytes = std::fs::read(&path).expect("it can be read");
            let holds = |secret: &str| bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(!holds(&token) && !holds(&key), "{}", path.display());
        }
    }
}

#[tokio::test]
async fn gateway_brings_devices_that_get_nothing_until_approved() {
    let manager = TestManager::start().await;
    manager.firmware("1.1.0").await;
    let token = text(&manager.make("/workspace/gateway-token", json!({})).await["token"]);
    let url = format!("{}/DEFAULT/controller/v1/edge-17", manager.url);
    let authorization = format!("GatewayToken {token}");
    let poll = async || {
        let request = manager
            .http
            .get(&url)
            .header("authorization", &authorization);
        expect(request.send().await.expect("it answers"), StatusCode::OK).await
    };
    let put_config = async || {
        let body = json!({"data": {"hw": "x"}});
        let request = manager.http.put(format!("{url}/configData")).json(&body);
        request
            .header("authorization", &authorization)
            .send()
            .await
            .expect("it answers")
            .status()
    };
    poll().await;
    assert_eq!(put_config().await, StatusCode::OK);
    let device = manager.get("/devices/edge-17").await;
    assert_eq!(
        (&device["approved"], &device["kind"]),
        (&json!(false), &json!("foreign"))
    );
    let target =
        json!({"firmware": "counter", "version": "1.1.0", "target": {"devices": ["edge-17"]}});
    let refused = manager.refused("/deployments", target.clone()).await;
    assert_eq!(refused, (409, "device-not-approved".to_owned()));

    let path = format!("/devices/{}", text(&device["id"]));
    let approve = manager
        .request(Method::PATCH, &path)
        .json(&json!({"approved": true}));
    assert_eq!(
        approve.send().await.expect("it answers").status(),
        StatusCode::OK
    );
    manager.make("/deployments", target).await;
    assert!(poll().await["_links"]["deploymentBase"].is_object());
    let revoke = manager
        .request(Method::PATCH, &path)
        .json(&json!({"approved": false}));
    assert_eq!(
        revoke.send().await.expect("it answers").status(),
        StatusCode::OK
    );
    assert!(poll().await["_links"]["deploymentBase"].is_null());
}

#[tokio::test]
async fn other_devices_actions_do_not_exist() {
    let manager = TestManager::start().await;
    let (device, other) = (manager.otaru_device().await, manager.otaru_device().await);
    manager.firmware("1.1.0").await;
    manager.deploy("1.1.0", &device).await;
    let (id, deployment) = device.fetch().await;
    let get = async |url: String| {
        other
            .request(Method::GET, &url)
            .send()
            .await
            .expect("it answers")
            .status()
    };
    assert_eq!(
        get(format!("/deploymentBase/{id}")).await,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        get(format!("/installedBase/{id}")).await,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        get(format!("/cancelAction/{id}")).await,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        other.report(id, "otaru phase=downloading").await,
        StatusCode::NOT_FOUND
    );
    let href = &deployment["deployment"]["chunks"][0]["artifacts"][0]["_links"]["download"]["href"];
    let href = text(href).replace(&device.id, &other.id);
    assert_eq!(get(href).await, StatusCode::NOT_FOUND);
    assert_eq!(
        device.report(999_999, "otaru phase=downloading").await,
        StatusCode::NOT_FOUND
    );
    let method = device
        .request(Method::DELETE, &format!("/deploymentBase/{id}"))
        .send()
        .await;
    assert_eq!(
        method.expect("it answers").status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn bad_messages_are_refused_and_change_nothing() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    manager.firmware("1.1.0").await;
    let action = manager.deploy("1.1.0", &device).await;
    let (id, _) = device.fetch().await;
    let post = async |body: Vec<u8>| {
        let url = format!("/deploymentBase/{id}/feedback");
        let request = device.request(Method::POST, &url).body(body);
        request.send().await.expect("it answers").status().as_u16()
    };
    for body in ["", "{", "[]", "{\"status\":7}", "\u{0}"] {
        assert_eq!(post(body.into()).await, 400, "{body:?}");
    }
    assert_eq!(post(vec![b' '; 300 << 10]).await, 413);
    let url = "/deploymentBase/not-a-number/feedback";
    assert_eq!(
        device.send(Method::POST, url, &json!({})).await,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(manager.status(&action).await, "downloading");
}

#[tokio::test]
async fn clients_of_other_makes_update_and_are_marked_as_unverified() {
    let manager = TestManager::start().await;
    let body = json!({"controller_id": "dev-001", "name": "swu"});
    let made = manager.make("/devices", body).await;
    let (url, token) = (text(&made["ddi_url"]), text(&made["token"]));
    assert!(url.ends_with("/DEFAULT/controller/v1/dev-001"));
    let device = TestDevice {
        id: text(&made["id"]),
        url,
        token,
        http: manager.http.clone(),
    };
    device.poll().await;
    // With an integer id, `time`, and status inside, as some send it.
    let config = json!({"id": "", "time": "20261122T100000", "mode": "merge",
        "status": {"result": {"finished": "success"}, "execution": "closed", "details": [""]},
        "data": {"HW": "board"}});
    assert_eq!(
        device.send(Method::PUT, "/configData", &config).await,
        StatusCode::OK
    );
    manager.make("/firmwares", json!({"name": "counter"})).await;
    let (status, _) = manager
        .upload("counter", "swu-2", b"any file at all", true)
        .await;
    assert_eq!(status, StatusCode::CREATED);
    let action = manager.deploy("swu-2", &device).await;
    let (id, deployment) = device.fetch().await;
    let artifact = &deployment["deployment"]["chunks"][0]["artifacts"][0];
    for hash in ["sha1", "md5", "sha256"] {
        assert!(artifact["hashes"][hash].is_string());
    }
    assert_eq!(artifact["size"], 15);
    assert!(artifact["_links"]["download-http"]["href"].is_string());
    assert_eq!(deployment["deployment"]["chunks"][0]["part"], "bApp");
    let feedback = json!({"id": id, "time": "20261122T100000", "status": {"execution": "proceeding",
        "result": {"finished": "none", "progress": {"cnt": 1, "of": 2}},
        "details": (0..70).map(|n| format!("Installing {n}")).collect::<Vec<_>>()}});
    assert_eq!(device.feedback(id, &feedback).await, StatusCode::OK);
    assert_eq!(
        device.offered().await,
        Some(("deploymentBase", id)),
        "offered while active"
    );
    let feedback = json!({"id": id, "status": {"execution": "closed",
        "result": {"finished": "success"}, "details": []}});
    assert_eq!(device.feedback(id, &feedback).await, StatusCode::OK);
    let action = manager.get(&format!("/actions/{action}")).await;
    assert_eq!(
        (&action["status"], &action["verified"]),
        (&json!("succeeded"), &json!(false))
    );
}

#[tokio::test]
async fn otaru_devices_are_never_offered_a_foreign_artifact() {
    let manager = TestManager::start().await;
    manager.make("/firmwares", json!({"name": "counter"})).await;
    manager
        .upload("counter", "swu-2", b"any file at all", true)
        .await;
    let known = manager.otaru_device().await;
    let body =
        json!({"firmware": "counter", "version": "swu-2", "target": {"devices": [known.id]}});
    assert_eq!(
        manager.refused("/deployments", body).await,
        (409, "foreign-artifact".to_owned())
    );

    let unknown = manager.silent_device().await;
    unknown.poll().await;
    let action = manager.deploy("swu-2", &unknown).await;
    unknown.tell("1.0.0", &[1; 32]).await;
    assert_eq!(unknown.offered().await, None);
    let action = manager.get(&format!("/actions/{action}")).await;
    assert_eq!(
        (text(&action["status"]), text(&action["reason"])),
        ("failed".into(), "no-artifact".into())
    );
}

#[tokio::test]
async fn links_follow_host_proxy_and_public_url() {
    let manager = TestManager::start().await;
    let device = manager.silent_device().await;
    let href = async |headers: &[(&'static str, &'static str)]| {
        let mut request = device.request(Method::GET, "");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = expect(request.send().await.expect("it answers"), StatusCode::OK).await;
        text(&body["_links"]["configData"]["href"])
    };
    let tail = format!("/DEFAULT/controller/v1/{}/configData", device.id);
    assert_eq!(href(&[]).await, format!("{}{tail}", manager.url));
    assert_eq!(
        href(&[("host", "box.local:99")]).await,
        format!("http://box.local:99{tail}")
    );
    let forwarded = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "fota.example.org"),
    ];
    assert_eq!(
        href(&forwarded).await,
        format!("https://fota.example.org{tail}")
    );
    let bad = device
        .request(Method::GET, "")
        .header("host", "a b")
        .send()
        .await;
    assert!(bad.expect("it answers").status().is_client_error());

    let manager = TestManager::start_with(|config| {
        config.public_url = Some("https://public.example.org/fota/".to_owned());
    })
    .await;
    let made = manager.make("/devices", json!({})).await;
    assert!(text(&made["ddi_url"]).starts_with("https://public.example.org/fota/DEFAULT/"));
}

#[tokio::test]
async fn newer_deployment_replaces_one_that_has_not_begun_to_install() {
    let manager = TestManager::start().await;
    let device = manager.otaru_device().await;
    manager.firmware("1.1.0").await;
    manager.version("1.2.0").await;
    let first = manager.deploy("1.1.0", &device).await;
    let second = manager.deploy("1.2.0", &device).await;
    let old = manager.get(&format!("/actions/{first}")).await;
    assert_eq!(
        (text(&old["status"]), text(&old["reason"])),
        ("canceled".into(), "superseded".into())
    );
    let (id, _) = device.fetch().await;
    device.go_to(id, "installing", "").await;
    let third = manager.deploy("1.1.0", &device).await;
    assert_eq!(manager.status(&second).await, "installing");
    assert_eq!(manager.status(&third).await, "pending");
    assert_eq!(device.offered().await, Some(("deploymentBase", id)));
    device
        .close(
            id,
            "failure",
            &["otaru phase=installing reason=install-failed"],
        )
        .await;
    let (next, _) = device.fetch().await;
    assert!(next > id);
    assert_eq!(manager.status(&third).await, "downloading");
}
