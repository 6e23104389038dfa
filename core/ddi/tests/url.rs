//! C6: an address from a server cannot smuggle anything into a request, and only the machine
//! itself counts as loopback.

use otaru_ddi::{Host, Scheme, Url, UrlError};
use proptest::prelude::*;

fn check(text: &str, scheme: Scheme, host: &str, port: u16, path: &str) {
    let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(
        (url.scheme, url.port, url.path),
        (scheme, port, path),
        "{text}"
    );
    assert_eq!(url.host.to_string(), host, "{text}");
}

fn check_refused(text: &str, error: UrlError) {
    assert_eq!(Url::parse(text), Err(error), "{text:?}");
}

#[test]
fn addresses_are_taken_apart() {
    check("http://m.example", Scheme::Http, "m.example", 80, "/");
    check(
        "HTTPS://m.example:8443/a/b?c=-1&d=%20",
        Scheme::Https,
        "m.example",
        8443,
        "/a/b?c=-1&d=%20",
    );
    check(
        "https://M_1-x.example./",
        Scheme::Https,
        "M_1-x.example.",
        443,
        "/",
    );
    check("http://10.0.0.1:1/x@y", Scheme::Http, "10.0.0.1", 1, "/x@y");
    check(
        "http://[2001:db8::1]:65535/",
        Scheme::Http,
        "[2001:db8::1]",
        65535,
        "/",
    );
    check("http://[::1]", Scheme::Http, "[::1]", 80, "/");
}

#[test]
fn unsafe_or_unknown_addresses_are_refused() {
    check_refused("", UrlError::Scheme);
    check_refused("ftp://m/", UrlError::Scheme);
    check_refused("//m/", UrlError::Scheme);
    check_refused("http:/m/", UrlError::Scheme);
    check_refused("http://m/a\r\nX: y", UrlError::Character);
    check_refused("http://m/a b", UrlError::Character);
    check_refused("http://m/\u{7f}", UrlError::Character);
    check_refused("http://m\u{e4}/", UrlError::Character);
    check_refused("http://evil\\@m/", UrlError::Character);
    check_refused("http://m/#top", UrlError::Fragment);
    check_refused("http://user:secret@m/", UrlError::UserInfo);
    check_refused("http:///path", UrlError::Host);
    check_refused("http://:80/", UrlError::Host);
    check_refused("http://a..b/", UrlError::Host);
    check_refused("http://a*b/", UrlError::Host);
    check_refused("http://127.1/", UrlError::Host);
    check_refused("http://1.2.3.0x7f/", UrlError::Host);
    check_refused("http://[::1/", UrlError::Host);
    check_refused("http://[::1]x/", UrlError::Host);
    check_refused("http://[127.0.0.1]/", UrlError::Host);
    check_refused(&format!("http://{}/", "a".repeat(254)), UrlError::Host);
    check_refused("http://m:/", UrlError::Port);
    check_refused("http://m:0/", UrlError::Port);
    check_refused("http://m:+1/", UrlError::Port);
    check_refused("http://m:65536/", UrlError::Port);
    check_refused("http://m:1:2/", UrlError::Port);
    check_refused("http://m?x", UrlError::Path);
}

#[test]
fn only_this_machine_is_loopback() {
    let check = |host: &str, expected: bool| {
        let text = format!("http://{host}/");
        assert_eq!(Url::parse(&text).unwrap().is_loopback(), expected, "{host}");
    };
    check("127.0.0.1", true);
    check("127.255.0.9:8080", true);
    check("[::1]:8080", true);
    check("LocalHost", true);
    check("128.0.0.1", false);
    check("[::]", false);
    check("localhost.example", false);
    check("127.0.0.1.example", false);
}

#[test]
fn links_are_resolved_on_the_same_host_only() {
    let base = Url::parse("http://[::1]:8080/poll?x=1").unwrap();
    let link = base.resolve("/artifact?a=b").unwrap();
    assert_eq!(link.to_string(), "http://[::1]:8080/artifact?a=b");
    assert!(base.is_same_origin(&link));
    let other = base.resolve("https://m.example/artifact").unwrap();
    assert_eq!(other.host, Host::Name("m.example"));
    assert!(!base.is_same_origin(&other));
    assert_eq!(base.resolve("//m.example/artifact"), Err(UrlError::Path));
    assert_eq!(base.resolve("artifact"), Err(UrlError::Scheme));
    assert_eq!(base.resolve("/a b"), Err(UrlError::Character));
    assert_eq!(base.resolve("/a#b"), Err(UrlError::Fragment));
}

#[test]
fn the_host_header_names_the_port_unless_it_is_the_usual_one() {
    let header = |text| Url::parse(text).unwrap().host_header().to_string();
    assert_eq!(header("http://m:80/"), "m");
    assert_eq!(header("https://m:80/"), "m:80");
    assert_eq!(header("http://[::1]:8080/"), "[::1]:8080");
}

proptest! {
    #[test]
    fn whatever_is_accepted_is_safe_to_send_and_reads_back(
        text in "\\PC*|https?://([a-zA-Z0-9.:@#?/\\[\\]-]|\\PC){0,20}(:[0-9]{0,6})?(/.{0,9})?",
    ) {
        let Ok(url) = Url::parse(&text) else { return Ok(()) };
        let shown = url.to_string();
        prop_assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()), "{shown:?}");
        prop_assert!(!url.host_header().to_string().contains(['@', '/', '?', '#']));
        prop_assert_eq!(Url::parse(&shown), Ok(url));
    }
}
