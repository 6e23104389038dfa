//! C56: the debug console over real pipes, with a pair of terminals for a serial line.
#![cfg(unix)]

#[expect(dead_code, reason = "each test file uses its own part")]
#[path = "support/server.rs"]
mod server;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};
use server::{ClientProfile, MANIFEST, TestProject, TestServer};
use std::fs::File;
use std::io::Write as _;

const EXTENSION: ClientProfile = ClientProfile {
    progress: false,
    extension: true,
};

fn settled(project: &TestProject) -> TestServer {
    let mut server = TestServer::start(project.path(), &EXTENSION);
    server.diagnostics(&project.manifest_uri(), <[Value]>::is_empty);
    server
}

fn terminals() -> (File, String) {
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&near).expect("granted");
    unlockpt(&near).expect("unlocked");
    let far = ptsname(&near, Vec::new()).expect("a name");
    (File::from(near), far.into_string().expect("text"))
}

/// The state of a source.
fn channel<'p>(page: &'p Value, name: &str) -> &'p Value {
    let channels = page["channels"].as_array().expect("a list");
    let found = channels.iter().find(|state| state["channel"] == name);
    found.expect("every source is listed")
}

/// Reads until the page is as wanted; the server says when there is something new.
fn read_until(server: &mut TestServer, after: u32, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let page = server.request("otaru/consoleRead", &json!({ "after": after }));
        if wanted(&page) {
            return page;
        }
        server.expect("otaru/consoleChanged", |_| true);
    }
}

#[test]
fn an_empty_console_says_for_each_source_why() {
    let project = TestProject::new(MANIFEST);
    let mut server = settled(&project).ignoring(&["otaru/consoleChanged"]);
    let page = server.request("otaru/consoleRead", &json!({ "after": 0 }));
    assert_eq!(page["lines"], json!([]));
    for name in ["board", "manager", "serial", "rtt"] {
        let state = channel(&page, name);
        assert_eq!(state["connected"], false, "{state}");
        assert!(state["reason"].as_str().is_some_and(|why| !why.is_empty()));
    }
    assert!(server.shut_down().success());
}

#[test]
fn a_serial_line_is_read_numbered_and_kept() {
    let project = TestProject::new(MANIFEST);
    let mut server = settled(&project);
    let (mut near, far) = terminals();
    server.request("otaru/consoleSerial", &json!({ "port": far, "baud": 0 }));
    read_until(&mut server, 0, |page| {
        channel(page, "serial")["connected"] == true
    });
    near.write_all(b":: Otaru bootloader 0.1.0\r\nWARN battery low\n")
        .expect("written");
    let page = read_until(&mut server, 0, |page| {
        page["lines"]
            .as_array()
            .is_some_and(|lines| lines.len() == 2)
    });
    let lines = &page["lines"];
    assert_eq!(lines[0]["source"], "bootloader");
    assert_eq!(lines[0]["channel"], "serial");
    assert_eq!(lines[1]["level"], "warn");
    assert_eq!((&lines[0]["seq"], &lines[1]["seq"]), (&json!(1), &json!(2)));
    // Whoever comes later gets the same lines, and whoever knows some only the others.
    let again = server.request("otaru/consoleRead", &json!({ "after": 1 }));
    assert_eq!(again["lines"].as_array().map(Vec::len), Some(1));
    assert_eq!(again["missed"], 0);
    drop(near);
    let gone = read_until(&mut server, 2, |page| {
        channel(page, "serial")["connected"] == false
    });
    // The loss of a connection is a line as well.
    assert_eq!(gone["lines"][0]["source"], "server", "{gone}");
    let server = server.ignoring(&["otaru/consoleChanged"]);
    assert!(server.shut_down().success());
}

#[test]
fn a_lab_without_a_device_says_why_and_refuses_nothing_silently() {
    let project = TestProject::new(MANIFEST);
    let mut server = settled(&project).ignoring(&["otaru/labChanged"]);
    let lab = server.request("otaru/lab", &json!({}));
    assert!(
        lab["problem"].as_str().is_some_and(|why| !why.is_empty()),
        "{lab}"
    );
    assert_eq!(server.request("otaru/labStop", &json!({})), false);
    assert!(server.shut_down().success());
}
