//! The public API: access, names, errors, and the document that describes it. C34, C37.

use crate::support::{TestManager, text};
use otaru_image::SigningKey;
use reqwest::{Method, StatusCode};
use serde_json::json;

#[tokio::test]
async fn without_a_key_there_is_only_setup() {
    let manager = TestManager::start().await;
    for key in ["", "x", "otk_key-000000000000_x", "otk_"] {
        let url = format!("{}/api/v1/devices", manager.url);
        let response = manager
            .http
            .get(url)
            .bearer_auth(key)
            .send()
            .await
            .expect("it answers");
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let body: serde_json::Value = response.json().await.expect("JSON");
        assert_eq!(body["error"]["code"], "unauthorized");
    }
    let made = manager.make("/api-keys", json!({"name": "ci"})).await;
    let with_it = async || {
        let request = manager
            .http
            .get(format!("{}/api/v1/workspace", manager.url));
        request
            .bearer_auth(text(&made["api_key"]))
            .send()
            .await
            .expect("it answers")
            .status()
    };
    assert_eq!(with_it().await, StatusCode::OK);
    let path = format!("/api-keys/{}", text(&made["id"]));
    let deleted = manager
        .request(Method::DELETE, &path)
        .send()
        .await
        .expect("it answers");
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(with_it().await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn session_cookie_works_and_other_sites_cannot_use_it() {
    let manager = TestManager::start().await;
    let url = |path: &str| format!("{}/api/v1{path}", manager.url);
    let log_in = manager
        .http
        .post(url("/session"))
        .json(&json!({"api_key": manager.api_key}));
    let response = log_in.send().await.expect("it answers");
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let cookie = response.headers()["set-cookie"]
        .to_str()
        .expect("a cookie")
        .to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite="));
    let cookie = cookie.split(';').next().expect("a value").to_owned();
    let get = manager
        .http
        .get(url("/workspace"))
        .header("cookie", &cookie);
    assert_eq!(
        get.send().await.expect("it answers").status(),
        StatusCode::OK
    );
    let post = async |name: &str, header: (&str, &str)| {
        let request = manager.http.post(url("/fleets")).header("cookie", &cookie);
        let request = request
            .header(header.0, header.1)
            .json(&json!({"name": name}));
        request.send().await.expect("it answers").status()
    };
    assert_eq!(post("a", ("x", "x")).await, StatusCode::FORBIDDEN);
    assert_eq!(
        post("b", ("origin", "https://evil.example")).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        post("c", ("origin", &manager.url)).await,
        StatusCode::CREATED
    );
    assert_eq!(
        post("d", ("sec-fetch-site", "same-origin")).await,
        StatusCode::CREATED
    );
    let request = manager
        .http
        .delete(url("/session"))
        .header("cookie", &cookie);
    let out = request
        .header("origin", &manager.url)
        .send()
        .await
        .expect("it answers");
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    let get = manager
        .http
        .get(url("/workspace"))
        .header("cookie", &cookie);
    assert_eq!(
        get.send().await.expect("it answers").status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn fleets_and_devices_are_made_renamed_moved_and_deleted() {
    let manager = TestManager::start().await;
    let send = async |method: Method, path: &str, body: serde_json::Value| {
        let response = manager
            .request(method, path)
            .json(&body)
            .send()
            .await
            .expect("it answers");
        (
            response.status().as_u16(),
            response.json().await.unwrap_or(json!(null)),
        )
    };
    let fleet = manager.make("/fleets", json!({"name": "barn"})).await;
    assert!(text(&fleet["id"]).starts_with("flt-") && text(&fleet["id"]).len() == 16);
    assert_eq!(
        manager.refused("/fleets", json!({"name": "barn"})).await,
        (409, "name-taken".into())
    );
    for name in ["", "   ", "a\nb"] {
        let refused = manager.refused("/fleets", json!({"name": name})).await;
        assert_eq!(refused, (400, "malformed-name".into()));
    }
    let device = manager
        .make("/devices", json!({"name": "cow", "fleet": "barn"}))
        .await;
    let path = format!("/devices/{}", text(&device["id"]));
    assert_eq!(send(Method::DELETE, "/fleets/barn", json!({})).await.0, 409);
    let (status, moved) = send(
        Method::PATCH,
        &path,
        json!({"name": "ox", "fleet": "Default fleet"}),
    )
    .await;
    assert_eq!(
        (status, &moved["name"], &moved["ever_connected"]),
        (200, &json!("ox"), &json!(false))
    );
    assert_eq!(
        send(Method::PATCH, "/fleets/barn", json!({"name": "shed"}))
            .await
            .0,
        200
    );
    assert_eq!(send(Method::DELETE, "/fleets/shed", json!({})).await.0, 204);
    assert_eq!(
        send(Method::DELETE, "/fleets/Default%20fleet", json!({}))
            .await
            .0,
        409
    );
    assert_eq!(
        manager.get("/devices/ox").await["id"],
        device["id"],
        "by name, too"
    );
    assert_eq!(manager.get("/devices?limit=0").await, json!([]));
    assert_eq!(send(Method::DELETE, &path, json!({})).await.0, 204);
    assert_eq!(send(Method::GET, &path, json!({})).await.0, 404);
    let (status, error) = send(Method::GET, "/nothing/here", json!({})).await;
    assert_eq!(
        (status, &error["error"]["code"]),
        (404, &json!("not-found"))
    );
}

#[tokio::test]
async fn key_ring_holds_each_public_key_once() {
    let manager = TestManager::start().await;
    let key = json!({"name": "release", "public_key": "ab".repeat(32)});
    let made = manager.make("/keys", key.clone()).await;
    assert_eq!(
        (&made["algorithm"], &made["development"]),
        (&json!("ed25519"), &json!(false))
    );
    assert_eq!(
        manager.refused("/keys", key).await,
        (409, "key-exists".into())
    );
    let p256 = SigningKey::generate_p256()
        .expect("random numbers")
        .public();
    for body in [
        json!({"name": "p", "public_key": p256.to_hex(), "algorithm": "ed25519"}),
        json!({"name": "p", "public_key": format!("02{}", "ff".repeat(32))}),
    ] {
        let refused = manager.refused("/keys", body).await;
        assert_eq!(refused, (422, "malformed-key".into()));
    }
    let body = json!({"name": "p", "public_key": p256.to_hex(), "algorithm": "p256"});
    let second = manager.make("/keys", body).await;
    assert_eq!(
        (&second["algorithm"], &second["public_key"]),
        (&json!("p256"), &json!(p256.to_hex()))
    );
    let short = json!({"name": "x", "public_key": "ab"});
    assert_eq!(
        manager.refused("/keys", short).await,
        (422, "malformed-key".into())
    );
    let rsa = json!({"name": "x", "public_key": "cd".repeat(32), "algorithm": "rsa"});
    assert_eq!(
        manager.refused("/keys", rsa).await,
        (422, "unsupported".into())
    );
    for key in [made, second] {
        let path = format!("/keys/{}", text(&key["id"]));
        let deleted = manager
            .request(Method::DELETE, &path)
            .send()
            .await
            .expect("it answers");
        assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(manager.get("/keys").await, json!([]));
}

#[tokio::test]
async fn document_is_served_and_in_step_with_the_file() {
    let manager = TestManager::start().await;
    let url = format!("{}/api/v1/openapi.json", manager.url);
    let served = manager.http.get(url).send().await.expect("it answers");
    let served: serde_json::Value = served.json().await.expect("JSON");
    assert!(served["paths"]["/api/v1/deployments"]["post"].is_object());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let mut now = serde_json::to_string_pretty(&served).expect("it can be written");
    now.push('\n');
    if std::env::var_os("OTARU_UPDATE_OPENAPI").is_some() {
        std::fs::write(path, &now).expect("it can be written");
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        stored == now,
        "manager/openapi.json is stale; run this test with OTARU_UPDATE_OPENAPI=1 and read the diff"
    );
}
