//! C52, C53: the server under abuse, each time the real process at the other end of two pipes:
//! clients that die, lie or hurry, compilers that hang, managers that say no or nothing. What only
//! real devices can show is in `tests/interop/test_lsp_clients.py`.

use crate::server::{MANIFEST, PATIENCE, TestProject, TestServer, initialize_params, uri};
use crate::{EXTENSION, settled};
use otaru_lsp_build::template::{self, NewProject};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

/// Numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit.max(1)
    }
}

/// Where a byte offset is, as editors count: lines, and UTF-16 units in them.
fn position(text: &str, offset: usize) -> Value {
    let before = &text[..offset];
    let line = before.matches('\n').count();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    json!({ "line": line, "character": before[start..].encode_utf16().count() })
}

/// A place between two characters, and never inside a line end.
fn place(text: &str, dice: &mut Dice) -> usize {
    loop {
        let offset = dice.below(text.len() + 1);
        let bytes = text.as_bytes();
        let inside_end =
            offset > 0 && bytes.get(offset) == Some(&b'\n') && bytes[offset - 1] == b'\r';
        if text.is_char_boundary(offset) && !inside_end {
            return offset;
        }
    }
}

#[test]
fn incremental_edits_give_the_text_that_the_editor_has() {
    let pieces = [
        "x",
        "😀",
        "é\r\n",
        "\n",
        "# [a]\n",
        "",
        "key = \"ü𝄞\"\r\n",
        "]]",
        "\u{202e}",
        "=\t",
    ];
    for seed in [1, 7, 4_711] {
        let project = TestProject::new(MANIFEST);
        let mut server =
            settled(&project, &EXTENSION).ignoring(&["textDocument/publishDiagnostics"]);
        let mut text = format!("# 😀 at the head\r\n{MANIFEST}");
        project.open(&mut server, &text);
        let mut dice = Dice(seed);
        let uri = project.manifest_uri();
        for version in 2..400 {
            let (one, other) = (place(&text, &mut dice), place(&text, &mut dice));
            let (start, mut end) = (one.min(other), one.max(other));
            // Small removals mostly, so that there is always text to hit.
            while end - start > 12 || !text.is_char_boundary(end) {
                end -= 1;
            }
            if text[..end].ends_with('\r') && text[end..].starts_with('\n') {
                end = start;
            }
            let new = pieces[dice.below(pieces.len())];
            let range = json!({ "start": position(&text, start), "end": position(&text, end) });
            server.notify(
                "textDocument/didChange",
                &json!({
                    "textDocument": { "uri": uri, "version": version },
                    "contentChanges": [{ "range": range, "text": new }],
                }),
            );
            text.replace_range(start..end, new);
            if version % 40 == 0 {
                let seen = server.request("otaru/documentText", &json!({ "uri": uri }));
                assert_eq!(seen, json!(text), "seed {seed}, version {version}");
            }
        }
        assert!(server.shut_down().success());
    }
}

#[test]
fn five_thousand_edits_are_taken_in_their_order() {
    let project = TestProject::new(MANIFEST);
    let mut server = settled(&project, &EXTENSION).ignoring(&["textDocument/publishDiagnostics"]);
    project.open(&mut server, "");
    let uri = project.manifest_uri();
    let mut wanted = String::new();
    for number in 0..5_000_usize {
        let digit = char::from(b'a' + u8::try_from(number % 26).expect("small"));
        let at = json!({ "line": 0, "character": number });
        server.notify(
            "textDocument/didChange",
            &json!({
                "textDocument": { "uri": uri, "version": number + 2 },
                "contentChanges": [{ "range": { "start": at, "end": at }, "text": digit.to_string() }],
            }),
        );
        wanted.push(digit);
    }
    let seen = server.request("otaru/documentText", &json!({ "uri": uri }));
    assert_eq!(seen, json!(wanted));
    assert!(server.shut_down().success());
}

#[test]
fn ranges_outside_the_text_do_no_harm() {
    let project = TestProject::new(MANIFEST);
    let mut server = settled(&project, &EXTENSION).ignoring(&["textDocument/publishDiagnostics"]);
    project.open(&mut server, MANIFEST);
    let uri = project.manifest_uri();
    let far = u32::MAX;
    for (version, (start, end)) in [
        ((far, far), (far, far)),
        ((3, 9_999), (2, 0)),
        ((0, far), (1, far)),
    ]
    .into_iter()
    .enumerate()
    {
        let at = |(line, character)| json!({ "line": line, "character": character });
        server.notify(
            "textDocument/didChange",
            &json!({
                "textDocument": { "uri": uri, "version": version + 2 },
                "contentChanges": [{ "range": { "start": at(start), "end": at(end) }, "text": "#" }],
            }),
        );
        let asked = json!({ "textDocument": { "uri": uri }, "position": at((far, far)) });
        server.request("textDocument/hover", &asked);
        server.request("textDocument/completion", &asked);
    }
    assert!(server.shut_down().success());
}

// A head that says nonsense must neither be waited for nor believed.
#[test]
fn malformed_heads_end_the_connection_and_not_the_machine() {
    for head in [
        "Content-Length: abc\r\n\r\n{}",
        "Content-Length: -5\r\n\r\n{}",
        "Content-Length: 99999999999999999999999\r\n\r\n{}",
        "Content-Length: 2\r\nContent-Type: application/vscode-jsonrpc; charset=utf-7\r\n\r\n{}",
        "hello\r\n\r\n",
        "\r\n\r\n",
        "Content-Length: 4\r\n\r\n\u{0}\u{1}\u{2}\u{3}",
    ] {
        let project = TestProject::new(MANIFEST);
        let mut server = settled(&project, &EXTENSION);
        server.write(head.as_bytes());
        server.close_input();
        // It ends; what it answered before that, if anything, was a message.
        let ended = server.wait_for_end();
        assert!(!ended.success(), "{head:?}");
        server.forget_unread();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn it_ends_when_the_client_was_killed_and_left_the_pipe_open() {
    let project = TestProject::new(MANIFEST);
    let mut client = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("a process that waits");
    let mut server = TestServer::spawn().ignoring(&["otaru/statusChanged"]);
    let mut params = initialize_params(project.path(), &EXTENSION);
    params["processId"] = json!(client.id());
    server.request("initialize", &params);
    server.notify("initialized", &json!({}));
    server.diagnostics(&project.manifest_uri(), <[Value]>::is_empty);
    client.kill().expect("ours to end");
    client.wait().expect("it has ended");
    assert_eq!(server.wait_for_end().code(), Some(1));
}

/// A project that really builds, without dependencies.
fn buildable(folder: &Path, manager: &str) {
    let wish = NewProject {
        name: "lamp".to_owned(),
        board: "host".to_owned(),
        mode: None,
        kind: "firmware".to_owned(),
    };
    template::make(folder, &wish).expect("a project");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("written");
    write(
        "Cargo.toml",
        "[package]\nname = \"lamp\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[workspace]\n",
    );
    write("src/main.rs", "fn main() { println!(\"light\"); }\n");
    let manifest = std::fs::read_to_string(folder.join("Otaru.toml")).expect("made");
    write(
        "Otaru.toml",
        &manifest.replace("http://127.0.0.1:8480", manager),
    );
}

/// Starts a server in a folder whose one project has been found.
fn in_folder(folder: &Path, variables: &[(&str, &str)]) -> TestServer {
    let mut server = TestServer::spawn_with(variables).ignoring(&[
        "otaru/statusChanged",
        "textDocument/publishDiagnostics",
        "otaru/jobEvent",
    ]);
    server.request("initialize", &initialize_params(folder, &EXTENSION));
    server.notify("initialized", &json!({}));
    server.diagnostics(&uri(&folder.join("Otaru.toml")), |_| true);
    server
}

fn outcome(server: &mut TestServer, started: &Value) -> Value {
    let job = started["job"].clone();
    let ended = |params: &Value| params["job"] == job && params["event"]["kind"] == "finished";
    server.expect("otaru/jobEvent", ended)["event"]["outcome"].clone()
}

#[cfg(target_os = "linux")]
#[test]
fn a_canceled_build_leaves_no_process_behind() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = root.path().join("lamp");
    buildable(&folder, "http://127.0.0.1:9");
    // A build script that says who it is and then never ends: all that cargo started is a group.
    let told = folder.join("told");
    let script = format!(
        "fn main() {{ std::fs::write({told:?}, std::process::id().to_string()).unwrap(); \
         loop {{ std::thread::park(); }} }}\n"
    );
    std::fs::write(folder.join("build.rs"), script).expect("written");
    let mut server = in_folder(&folder, &[]);
    let started = server.request("otaru/build", &json!({}));
    let begin = Instant::now();
    let id = loop {
        match std::fs::read_to_string(&told) {
            Ok(id) if !id.is_empty() => break id,
            Ok(_) | Err(_) => assert!(begin.elapsed() < PATIENCE, "the build never began"),
        }
        std::thread::yield_now();
    };
    assert_eq!(server.request("otaru/cancel", &json!({})), json!(true));
    assert_eq!(outcome(&mut server, &started)["kind"], "canceled");
    let process = PathBuf::from(format!("/proc/{id}"));
    let begin = Instant::now();
    while is_alive(&process) {
        assert!(begin.elapsed() < PATIENCE, "{id} outlived its job");
        std::thread::yield_now();
    }
    assert!(!folder.join("target/otaru/images").exists());
    assert!(server.shut_down().success());
}

/// Whether a process still does something; one that only waits to be counted does not.
#[cfg(target_os = "linux")]
fn is_alive(process: &Path) -> bool {
    std::fs::read_to_string(process.join("stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" Z"))
    })
}

/// A peer in the manager's place. It answers everything in one way, or not at all.
fn peer(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut lines = BufReader::new(stream.try_clone().expect("a second handle"));
            let (mut first, mut line, mut len) = (String::new(), String::new(), 0);
            if lines.read_line(&mut first).is_err() {
                continue;
            }
            while lines.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    len = value.trim().parse().unwrap_or(0);
                }
                line.clear();
            }
            let mut body = vec![0; len];
            if lines.read_exact(&mut body).is_ok() {
                answer(&first, &mut stream);
            }
        }
    });
    url
}

fn reply(stream: &mut TcpStream, status: &str, body: &str) {
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    // A client that has gone needs no answer.
    stream.write_all(text.as_bytes()).unwrap_or_default();
}

// A33: whatever the manager does, the job ends with a reason and a next step, and the server goes on.
#[test]
fn managers_that_say_no_or_nonsense_end_the_job_with_a_reason() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = root.path().join("lamp");
    buildable(&folder, "http://127.0.0.1:9");
    let manifest = std::fs::read_to_string(folder.join("Otaru.toml")).expect("made");
    let error = |code: &str| {
        format!(r#"{{"error":{{"code":"{code}","message":"no, because of {code}"}}}}"#)
    };
    let conflict = error("firmware-locked");
    let broken = error("internal");
    let cases: [(&'static str, String, &str); 5] = [
        ("401 Unauthorized", String::new(), "manager-access"),
        ("409 Conflict", conflict, "firmware-locked"),
        ("500 Internal Server Error", broken, "internal"),
        ("502 Bad Gateway", "<html>".to_owned(), "manager-answer"),
        ("200 OK", "{\"half\":".to_owned(), "manager-answer"),
    ];
    for (status, body, _) in &cases {
        let (status, body) = (*status, body.clone());
        let url = peer(move |_, stream| reply(stream, status, &body));
        let text = manifest.replace("http://127.0.0.1:9", &url);
        std::fs::write(folder.join("Otaru.toml"), text).expect("written");
        let mut server = in_folder(&folder, &[("OTARU_API_KEY", "key")]);
        let started = server.request("otaru/upload", &json!({}));
        let ended = outcome(&mut server, &started);
        assert_eq!(ended["kind"], "failed", "{status}: {ended}");
        assert!(!ended["message"].as_str().expect("words").is_empty());
        let asked = server.request("otaru/devices", &json!({}));
        assert!(asked["problem"].is_string(), "{status}: {asked}");
        assert!(server.shut_down().success());
    }
}

#[test]
fn a_manager_that_never_answers_can_be_given_up() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = root.path().join("lamp");
    let (asked, asking) = mpsc::channel();
    let (kept, keep) = mpsc::channel();
    let url = peer(move |first, stream| {
        // The connection stays open and silent.
        kept.send(stream.try_clone().expect("a second handle"))
            .unwrap_or_default();
        asked.send(first.to_owned()).unwrap_or_default();
    });
    buildable(&folder, &url);
    let mut server = in_folder(&folder, &[("OTARU_API_KEY", "key")]);
    let started = server.request("otaru/plan", &json!({}));
    asking.recv_timeout(PATIENCE).expect("it asks the manager");
    // Everything else is answered meanwhile.
    assert!(server.request("otaru/projects", &json!(null)).is_array());
    assert_eq!(server.request("otaru/cancel", &json!({})), json!(true));
    assert_eq!(outcome(&mut server, &started)["kind"], "canceled");
    drop(keep);
    assert!(server.shut_down().success());
}

#[test]
fn verbs_that_need_a_plan_cannot_be_had_without_one() {
    let project = TestProject::new(MANIFEST);
    let mut server = settled(&project, &EXTENSION);
    for name in ["plan-1", "plan-999999", "../plan", ""] {
        let refused = server.refusal("otaru/run", &json!({ "planId": name }));
        assert_eq!(refused["code"], -32803);
    }
    for method in [
        "otaru/flash",
        "otaru/erase",
        "otaru/provision",
        "otaru/undoProvision",
    ] {
        assert_eq!(
            server.refusal(method, &json!({}))["code"],
            -32601,
            "{method}"
        );
    }
    let params = json!({ "command": "otaru.format", "arguments": [] });
    let refused = server.refusal("workspace/executeCommand", &params);
    assert_eq!(refused["code"], -32602);
    assert!(server.shut_down().success());
}

// The linker itself says it: what does not fit is marked where the manifest names the board.
#[cfg(target_os = "linux")]
#[test]
fn a_firmware_that_does_not_fit_is_marked_at_the_slot() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = root.path().join("lamp");
    buildable(&folder, "http://127.0.0.1:9");
    let script = folder.join("small.x");
    std::fs::write(
        &script,
        "MEMORY { FLASH : ORIGIN = 0x10000, LENGTH = 64 }\n\
         SECTIONS { .text : { *(.text .text.*) } > FLASH }\n",
    )
    .expect("written");
    let build = format!(
        "fn main() {{ println!(\"cargo:rustc-link-arg-bins=-Wl,-T,{{}}\", {script:?}); }}\n"
    );
    std::fs::write(folder.join("build.rs"), build).expect("written");
    let mut server = in_folder(&folder, &[]);
    let started = server.request("otaru/build", &json!({}));
    let manifest = uri(&folder.join("Otaru.toml"));
    let found = server.diagnostics(&manifest, |found| !found.is_empty());
    assert_eq!(found[0]["code"], "region-overflow", "{found:?}");
    let words = found[0]["message"].as_str().expect("words");
    assert!(
        words.contains("bytes too large for the execution slot"),
        "{words}"
    );
    let text = std::fs::read_to_string(folder.join("Otaru.toml")).expect("made");
    let line = text
        .lines()
        .position(|line| line.starts_with("board"))
        .expect("a board");
    assert_eq!(found[0]["range"]["start"]["line"], json!(line));
    let ended = outcome(&mut server, &started);
    assert_eq!(ended["code"], "compile-failed");
    let words = ended["message"].as_str().expect("words");
    assert!(words.contains("bytes too many for FLASH"), "{words}");
    // The next build begins without what the last one found.
    std::fs::remove_file(folder.join("build.rs")).expect("ours");
    let started = server.request("otaru/build", &json!({}));
    server.diagnostics(&manifest, <[Value]>::is_empty);
    assert_eq!(outcome(&mut server, &started)["kind"], "done");
    assert!(server.shut_down().success());
}
