//! The web app over real HTTP, without a browser: who gets in, who does not, what is escaped.
//! A59, A60; the pages themselves are tested in Chromium, see `e2e/`.

mod support;

use reqwest::StatusCode;
use reqwest::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, SET_COOKIE};
use support::{Browser, TestManager, header};

#[tokio::test]
async fn every_page_needs_a_session_and_leads_back_after_the_login() {
    let manager = TestManager::start().await;
    let stranger = Browser::new(&manager);
    for path in [
        "/devices",
        "/devices/dev-1",
        "/fleets",
        "/firmwares",
        "/settings",
        "/fota?firmware=a&version=b",
        "/actions/act-1",
        "/deployments/dep-1",
    ] {
        let answer = stranger.get(path).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        assert!(
            header(&answer, LOCATION).starts_with("/login?next=%2F"),
            "{path}"
        );
    }
    for path in [
        "/devices",
        "/fleets",
        "/settings/api-keys",
        "/fota",
        "/logout",
    ] {
        let answer = stranger.post(path, &[("name", "x")]).await;
        assert_ne!(answer.status(), StatusCode::OK, "{path}");
        assert!(header(&answer, LOCATION).ends_with("/login"), "{path}");
    }
    let part = stranger
        .request(reqwest::Method::GET, "/devices")
        .header("hx-request", "true");
    let part = part.send().await.expect("it answers");
    assert_eq!(part.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        part.headers().get("hx-redirect").expect("where to"),
        "/login"
    );

    let mut visitor = Browser::new(&manager);
    let form = [("api_key", manager.api_key.as_str()), ("next", "/fleets")];
    let answer = visitor.submit("/login", &form).await;
    assert_eq!(header(&answer, LOCATION), "/fleets");
    let cookie = header(&answer, SET_COOKIE);
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(visitor.text("/fleets").await.contains("Default fleet"));
}

#[tokio::test]
async fn login_leads_to_no_other_site_and_believes_no_wrong_key() {
    let manager = TestManager::start().await;
    for next in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "devices",
        "",
    ] {
        let mut visitor = Browser::new(&manager);
        let form = [("api_key", manager.api_key.as_str()), ("next", next)];
        let answer = visitor.submit("/login", &form).await;
        assert_eq!(header(&answer, LOCATION), "/devices", "{next}");
    }
    for key in ["", "otk_", "otk_key-x_y", "' OR 1=1 --"] {
        let mut visitor = Browser::new(&manager);
        let answer = visitor.submit("/login", &[("api_key", key)]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{key}");
        assert!(!answer.headers().contains_key(SET_COOKIE));
    }
}

#[tokio::test]
async fn looking_at_the_admin_link_does_not_use_it_up_and_it_works_once() {
    let manager = TestManager::start().await;
    let token = manager.admin_token.clone();
    let scanner = Browser::new(&manager);
    for _ in 0..2 {
        let page = scanner.text(&format!("/setup?token={token}")).await;
        assert!(page.contains("Open the workspace"));
    }
    let mut owner = Browser::new(&manager);
    let answer = owner.submit("/setup", &[("token", &token)]).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert!(owner.text("/devices").await.contains("No devices yet"));
    let mut late = Browser::new(&manager);
    let answer = late.submit("/setup", &[("token", &token)]).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(!answer.headers().contains_key(SET_COOKIE));
}

#[tokio::test]
async fn changes_need_the_token_of_the_session_and_our_own_site() {
    let manager = TestManager::start().await;
    let mut visitor = Browser::new(&manager);
    visitor.log_in().await;
    let csrf = visitor.csrf().await;
    let mut other = Browser::new(&manager);
    other.log_in().await;
    let foreign_csrf = other.csrf().await;
    assert_ne!(csrf, foreign_csrf);
    let send = |token: Option<&str>, origin: Option<&str>| {
        let mut request = visitor
            .request(reqwest::Method::POST, "/fleets")
            .body("name=New");
        if let Some(token) = token {
            request = request.header("x-otaru-csrf", token);
        }
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        request.send()
    };
    let own = manager.url.as_str();
    for (token, origin) in [
        (None, Some(own)),
        (Some(""), Some(own)),
        (Some("00"), Some(own)),
        (Some(foreign_csrf.as_str()), Some(own)),
        (Some(csrf.as_str()), None),
        (Some(csrf.as_str()), Some("https://evil.example")),
        (Some(csrf.as_str()), Some("null")),
    ] {
        let answer = send(token, origin).await.expect("it answers");
        assert_eq!(
            answer.status(),
            StatusCode::FORBIDDEN,
            "{token:?} {origin:?}"
        );
    }
    assert!(!visitor.text("/fleets").await.contains("New<"));
    let answer = send(Some(&csrf), Some(own)).await.expect("it answers");
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert!(visitor.text("/fleets").await.contains(">New</a>"));

    let login = manager
        .http
        .post(format!("{own}/login"))
        .header("origin", "https://evil.example");
    let login = login
        .body(format!("api_key={}", manager.api_key))
        .send()
        .await;
    assert_eq!(login.expect("it answers").status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_session_ends_with_the_logout() {
    let manager = TestManager::start().await;
    let mut visitor = Browser::new(&manager);
    visitor.log_in().await;
    let cookie = visitor.cookie.clone();
    let csrf = visitor.csrf().await;
    let answer = visitor.post_as(&csrf, "/logout", &[]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(header(&answer, SET_COOKIE).contains("Max-Age=0"));
    visitor.cookie = cookie;
    assert_eq!(
        visitor.get("/devices").await.status(),
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn hostile_names_are_shown_as_text() {
    const HOSTILE: &str = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>{{ 7 * 7 }}";
    let manager = TestManager::start().await;
    let mut visitor = Browser::new(&manager);
    visitor.log_in().await;
    let csrf = visitor.csrf().await;
    for (path, fields) in [
        ("/fleets", vec![("name", HOSTILE)]),
        ("/devices", vec![("name", HOSTILE)]),
        (
            "/firmwares",
            vec![("name", HOSTILE), ("description", HOSTILE)],
        ),
        ("/settings/api-keys", vec![("name", HOSTILE)]),
        ("/settings/workspace", vec![("name", HOSTILE)]),
    ] {
        let answer = visitor.post_as(&csrf, path, &fields).await;
        assert!(
            answer.status().is_success() || answer.status() == StatusCode::SEE_OTHER,
            "{path}"
        );
        let body = answer.text().await.expect("the answer arrives");
        assert!(
            !body.contains("<img src=x") && !body.contains("<script>alert"),
            "{path}"
        );
    }
    let query: String = reqwest::Url::parse_with_params("http://x/", [("q", HOSTILE)])
        .expect("an address")
        .query()
        .expect("a query")
        .to_owned();
    for path in [
        "/devices",
        "/fleets",
        "/firmwares",
        "/settings",
        &format!("/devices?{query}"),
    ] {
        let page = visitor.text(path).await;
        assert!(
            page.contains("&#62;&#60;img") || page.contains("&gt;&lt;img"),
            "{path}"
        );
        assert!(
            !page.contains("<img src=x") && !page.contains("<script>alert"),
            "{path}"
        );
        assert!(!page.contains(" onerror=alert(1)>"), "{path}");
    }
    let login = visitor
        .text(&format!("/login?next={}", query.trim_start_matches("q=")))
        .await;
    assert!(!login.contains("<img src=x"));
}

#[tokio::test]
async fn errors_are_pages_for_people_and_parts_for_htmx() {
    let manager = TestManager::start().await;
    let mut visitor = Browser::new(&manager);
    visitor.log_in().await;
    for path in [
        "/devices/nobody",
        "/fleets/none",
        "/deployments/none",
        "/no/such/page",
    ] {
        let answer = visitor.get(path).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        let page = answer.text().await.expect("the answer arrives");
        assert!(page.contains("<h1>There is no such"), "{path}: {page}");
    }
    let csrf = visitor.csrf().await;
    let request = visitor
        .request(reqwest::Method::POST, "/fleets")
        .body("name=");
    let request = request
        .header("x-otaru-csrf", &csrf)
        .header("hx-request", "true");
    let answer = request
        .header("origin", &manager.url)
        .send()
        .await
        .expect("it answers");
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let part = answer.text().await.expect("the answer arrives");
    assert!(part.starts_with("<p>A name has 1 to 100 characters") && !part.contains("<html"));
    let long = "x".repeat(70_000);
    let answer = visitor.post_as(&csrf, "/fleets", &[("name", &long)]).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn pages_forbid_what_is_inline_and_assets_may_be_kept_for_ever() {
    let manager = TestManager::start().await;
    let mut visitor = Browser::new(&manager);
    visitor.log_in().await;
    let answer = visitor.get("/devices").await;
    let policy = header(&answer, CONTENT_SECURITY_POLICY);
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe") && !policy.contains("http"));
    assert_eq!(header(&answer, CACHE_CONTROL), "no-store");
    let page = answer.text().await.expect("the answer arrives");
    assert!(!page.contains(" style=") && !page.contains("<style") && !page.contains(" hx-on"));
    for handler in [
        " onclick",
        " onload",
        " onerror",
        " onsubmit",
        " onchange",
        "javascript:",
    ] {
        assert!(!page.contains(handler), "{handler}");
    }
    let mut assets: Vec<_> = page
        .split('"')
        .filter(|part| part.starts_with("/assets/"))
        .collect();
    assets.sort_unstable();
    assets.dedup();
    assert_eq!(assets.len(), 4, "{assets:?}");
    for path in assets {
        let answer = Browser::new(&manager).get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert!(
            header(&answer, CACHE_CONTROL).contains("immutable"),
            "{path}"
        );
        assert!(!header(&answer, CONTENT_TYPE).starts_with("application/octet-stream"));
        let stale = path.replace("/assets/", "/assets/0");
        assert_eq!(visitor.get(&stale).await.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn long_lists_come_in_pages_and_a_link_finds_its_firmware() {
    let manager = TestManager::start().await;
    let mut visitor = Browser::new(&manager);
    visitor.log_in().await;
    let csrf = visitor.csrf().await;
    let mut newest = String::new();
    for number in 0..21 {
        let name = format!("firmware-{number:02}");
        let answer = visitor
            .post_as(&csrf, "/firmwares", &[("name", &name)])
            .await;
        newest = header(&answer, LOCATION);
    }
    let first = visitor.text("/firmwares").await;
    assert!(first.contains("Page 1 of 2") && !first.contains("firmware-20"));
    let last = visitor.text(&newest).await;
    assert!(last.contains("Page 2 of 2") && last.contains("firmware-20"));
    assert!(!last.contains("firmware-00") && last.contains("No version yet"));
    for odd in [
        "page=0",
        "page=-3",
        "page=999999999999",
        "page=x",
        "open=nothing",
    ] {
        visitor.text(&format!("/firmwares?{odd}")).await;
        visitor.text(&format!("/devices?{odd}")).await;
    }
}

#[tokio::test]
async fn a_disabled_api_key_does_not_log_in_and_ends_its_sessions() {
    let manager = TestManager::start().await;
    let mut owner = Browser::new(&manager);
    let token = [("token", manager.admin_token.as_str())];
    owner.submit("/setup", &token).await;
    let csrf = owner.csrf().await;
    let mut visitor = Browser::new(&manager);
    visitor.log_in().await;
    let page = owner.text("/settings").await;
    let (_, rest) = page
        .split_once("/settings/api-keys/")
        .expect("there is a key");
    let id = rest.split(['"', '/']).next().expect("an id").to_owned();
    let path = format!("/settings/api-keys/{id}");
    for (enabled, log_in, page) in [
        ("no", StatusCode::UNAUTHORIZED, StatusCode::SEE_OTHER),
        ("yes", StatusCode::SEE_OTHER, StatusCode::OK),
    ] {
        owner.post_as(&csrf, &path, &[("enabled", enabled)]).await;
        let form = [("api_key", manager.api_key.as_str())];
        let answer = Browser::new(&manager).submit("/login", &form).await;
        assert_eq!(answer.status(), log_in, "{enabled}");
        let answer = visitor.get("/devices").await;
        assert_eq!(
            answer.status(),
            page,
            "{enabled}: the session that the key opened"
        );
    }
}

#[tokio::test]
async fn behind_a_proxy_links_keep_its_prefix_and_the_cookie_is_secure() {
    let manager = TestManager::start().await;
    let proxied = |request: reqwest::RequestBuilder| {
        request
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-host", "updates.example.org")
            .header("x-forwarded-prefix", "/otaru")
    };
    let visitor = Browser::new(&manager);
    let login = proxied(visitor.request(reqwest::Method::POST, "/login"))
        .header("origin", "https://updates.example.org")
        .body(format!("api_key={}", manager.api_key));
    let answer = login.send().await.expect("it answers");
    assert_eq!(header(&answer, LOCATION), "/otaru/devices");
    let cookie = header(&answer, SET_COOKIE);
    assert!(cookie.contains("; Secure"), "{cookie}");
    let session = cookie.split(';').next().expect("a cookie");
    let page = proxied(visitor.request(reqwest::Method::GET, "/devices")).header("cookie", session);
    let page = page
        .send()
        .await
        .expect("it answers")
        .text()
        .await
        .expect("it arrives");
    for link in page
        .split("href=\"")
        .skip(1)
        .filter(|link| !link.starts_with('#'))
    {
        assert!(link.starts_with("/otaru/"), "{link:.60}");
    }
}
