//! C52, C53: the server as an editor meets it, over real pipes.

#[path = "stdio/adversarial.rs"]
mod adversarial;
#[path = "support/server.rs"]
mod server;

use serde_json::{Value, json};
use server::{ClientProfile, MANIFEST, PATIENCE, TestProject, TestServer, initialize_params};
use std::time::Instant;

const EXTENSION: ClientProfile = ClientProfile {
    progress: false,
    extension: true,
};
const EDITOR: ClientProfile = ClientProfile {
    progress: true,
    extension: false,
};

fn codes(diagnostics: &[Value]) -> Vec<&str> {
    diagnostics
        .iter()
        .map(|found| found["code"].as_str().expect("a code"))
        .collect()
}

/// Starts a server in which the project has been found and its key looked at.
fn settled(project: &TestProject, profile: &ClientProfile) -> TestServer {
    let mut server = TestServer::start(project.path(), profile);
    server.diagnostics(&project.manifest_uri(), <[Value]>::is_empty);
    server
}

#[test]
fn problems_of_the_manifest_are_found_without_opening_it() {
    let project = TestProject::new(&MANIFEST.replace("board", "bord"));
    let mut server = TestServer::start(project.path(), &EXTENSION);
    let uri = project.manifest_uri();
    let found = server.diagnostics(&uri, |found| found.len() == 2);
    assert_eq!(codes(&found), ["missing-required", "unknown-key"]);
    assert_eq!(found[0]["source"], "otaru");
    assert_eq!(
        found[1]["range"]["start"],
        json!({ "line": 2, "character": 0 })
    );
    project.write("Otaru.toml", MANIFEST);
    let change = json!({ "changes": [{ "uri": uri, "type": 2 }] });
    server.notify("workspace/didChangeWatchedFiles", &change);
    server.diagnostics(&uri, <[Value]>::is_empty);
    assert!(server.shut_down().success());
}

#[test]
fn a_missing_key_is_reported_until_it_is_there() {
    let project = TestProject::new(&MANIFEST.replace("dev.pem", "new.pem"));
    let mut server = TestServer::start(project.path(), &EXTENSION);
    let uri = project.manifest_uri();
    server.diagnostics(&uri, |found| codes(found) == ["key-missing"]);
    std::fs::copy(
        project.path().join("dev.pem"),
        project.path().join("new.pem"),
    )
    .expect("copied");
    let key = server::uri(&project.path().join("new.pem"));
    server.notify(
        "workspace/didChangeWatchedFiles",
        &json!({ "changes": [{ "uri": key, "type": 1 }] }),
    );
    server.diagnostics(&uri, <[Value]>::is_empty);
    assert!(server.shut_down().success());
}

#[test]
fn hover_completion_lenses_and_fixes_answer() {
    let project = TestProject::new(MANIFEST);
    let mut server = settled(&project, &EDITOR);
    let text = "# 😀\r\n[project]\r\nname = \"lamp\"\r\nbord = \"host\"\r\n";
    project.open(&mut server, text);
    let uri = project.manifest_uri();
    server.diagnostics(&uri, |found| found.len() == 3);
    let document = json!({ "uri": uri });
    let at = |line: u32, character: u32| json!({ "textDocument": document, "position": { "line": line, "character": character } });

    let hover = server.request("textDocument/hover", &at(2, 1));
    assert!(
        hover["contents"]["value"]
            .as_str()
            .expect("text")
            .contains("Name of the product")
    );
    assert_eq!(hover["range"]["end"], json!({ "line": 2, "character": 4 }));

    let proposed = server.request("textDocument/completion", &at(3, 2));
    let labels: Vec<&str> = proposed
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|item| item["label"].as_str())
        .collect();
    assert!(
        labels.contains(&"board") && !labels.contains(&"name"),
        "{labels:?}"
    );

    let lenses = server.request(
        "textDocument/codeLens",
        &json!({ "textDocument": document }),
    );
    let titles: Vec<&Value> = lenses
        .as_array()
        .expect("a list")
        .iter()
        .map(|lens| &lens["command"]["title"])
        .collect();
    assert_eq!(titles, ["Build", "Upload", "FOTA"]);
    assert_eq!(lenses[2]["command"]["command"], "otaru.fota");
    assert_eq!(lenses[0]["range"]["start"]["line"], 1);

    let range =
        json!({ "start": { "line": 3, "character": 1 }, "end": { "line": 3, "character": 1 } });
    let fixes = server.request(
        "textDocument/codeAction",
        &json!({ "textDocument": document, "range": range, "context": { "diagnostics": [] } }),
    );
    assert_eq!(fixes[0]["title"], "Change to `board`");
    assert_eq!(fixes[0]["edit"]["changes"][&uri][0]["newText"], "board");
    assert!(server.shut_down().success());
}

/// A generator of edits; the same seed makes the same edits.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }
}

/// Line and UTF-16 column of a byte offset, counted the slow way.
fn place(text: &str, offset: usize) -> Value {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    json!({
        "line": before.matches('\n').count(),
        "character": before[line_start..].encode_utf16().count(),
    })
}

// 5,000 edits, all in order and all applied as the editor meant them.
#[test]
fn incremental_edits_give_the_same_text_as_the_editor_has() {
    const SEED: u64 = 20_261_122;
    eprintln!("seed {SEED}");
    let project = TestProject::new(MANIFEST);
    let mut server = settled(&project, &EXTENSION);
    let mut text = MANIFEST.replace('\n', "\r\n");
    project.open(&mut server, &text);
    let mut random = Random(SEED);
    let pieces = ["😀", "\r\n", "key = \"é\"", "[", "]", "=", " ", "\"", "# €"];
    for version in 2..5_002 {
        let cuts: Vec<usize> = text
            .char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .filter(|at| !(text[..*at].ends_with('\r') && text[*at..].starts_with('\n')))
            .collect();
        let first = random.below(cuts.len());
        let last = (first + random.below(4)).min(cuts.len() - 1);
        // Left alone, the text would grow; every third edit only takes away.
        let piece = if random.below(3) == 0 {
            ""
        } else {
            pieces[random.below(pieces.len())]
        };
        let range = json!({ "start": place(&text, cuts[first]), "end": place(&text, cuts[last]) });
        server.notify(
            "textDocument/didChange",
            &json!({
                "textDocument": { "uri": project.manifest_uri(), "version": version },
                "contentChanges": [{ "range": range, "text": piece }],
            }),
        );
        text.replace_range(cuts[first]..cuts[last], piece);
    }
    let seen = server.request(
        "otaru/documentText",
        &json!({ "uri": project.manifest_uri() }),
    );
    assert_eq!(seen, json!(text));
    server.diagnostics(&project.manifest_uri(), |_| true);
    let close = json!({ "textDocument": { "uri": project.manifest_uri() } });
    server.notify("textDocument/didClose", &close);
    server.diagnostics(&project.manifest_uri(), <[Value]>::is_empty);
    assert!(server.shut_down().success());
}

// A40: what nobody was shown is not done.
#[test]
fn a_plan_that_is_not_there_is_refused_and_starts_nothing() {
    let project = TestProject::new(MANIFEST);
    let mut server = settled(&project, &EXTENSION);
    for plan in ["plan-1", "plan-", "", "../plan-1"] {
        let refused = server.refusal("otaru/run", &json!({ "planId": plan }));
        assert_eq!(refused["code"], -32803, "{refused}");
        let words = refused["message"].as_str().expect("words");
        assert!(words.contains("ask for the update again"), "{words}");
    }
    let status = server.request("otaru/status", &json!({}));
    assert_eq!(
        (&status["job"], &status["update"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(server.request("otaru/cancel", &json!({})), json!(false));
    assert!(server.shut_down().success());
}

#[test]
fn it_ends_on_exit_although_its_input_stays_open() {
    let project = TestProject::new(MANIFEST);
    let server = settled(&project, &EXTENSION);
    assert!(server.shut_down().success());
}

#[test]
fn exit_without_shutdown_is_an_error() {
    let project = TestProject::new(MANIFEST);
    let mut server = settled(&project, &EXTENSION);
    server.notify("exit", &Value::Null);
    assert_eq!(server.wait_for_end().code(), Some(1));
}

#[test]
fn it_ends_when_the_client_closes_its_side() {
    let project = TestProject::new(MANIFEST);
    let mut server = settled(&project, &EXTENSION);
    server.close_input();
    server.wait_for_end();
}

#[test]
fn requests_outside_their_time_and_unknown_ones_are_errors() {
    let project = TestProject::new(MANIFEST);
    let mut server = TestServer::spawn().ignoring(&["otaru/statusChanged"]);
    let early = server.refusal("otaru/status", &json!({}));
    assert_eq!(early["code"], -32002);
    server.request("initialize", &initialize_params(project.path(), &EXTENSION));
    server.notify("initialized", &json!({}));
    server.diagnostics(&project.manifest_uri(), <[Value]>::is_empty);
    assert_eq!(
        server.refusal("otaru/noSuchThing", &json!({}))["code"],
        -32601
    );
    assert_eq!(
        server.refusal("textDocument/rename", &json!({}))["code"],
        -32602
    );
    server.notify("$/unknown", &json!({}));
    server.notify("otaru/noSuchThing", &json!({}));
    assert_eq!(
        server.refusal("otaru/run", &json!({ "plan": 1 }))["code"],
        -32602
    );
    server.request("shutdown", &Value::Null);
    assert_eq!(server.refusal("otaru/status", &json!({}))["code"], -32600);
    server.notify("exit", &Value::Null);
    assert!(server.wait_for_end().success());
}

// A stream that lost its frame cannot be read on: the client gets an answer and starts anew.
#[test]
fn a_malformed_message_is_answered_before_the_connection_ends() {
    let project = TestProject::new(MANIFEST);
    let mut server = settled(&project, &EXTENSION);
    server.write(b"Content-Length: 9\r\n\r\n{\"json\": ");
    let error = server.expect_error();
    assert_eq!(error["code"], -32700);
    assert_eq!(server.wait_for_end().code(), Some(1));
}

// Questions to the person that nobody answers must not stop anything else.
#[test]
fn unanswered_questions_do_not_stop_the_server() {
    let workspace = tempfile::tempdir().expect("a temporary folder");
    let folders: Vec<_> = (0..8)
        .map(|number| workspace.path().join(format!("p{number}")))
        .collect();
    for folder in &folders {
        std::fs::create_dir(folder).expect("made");
        std::fs::write(folder.join("Otaru.toml"), MANIFEST).expect("written");
        std::fs::write(folder.join("dev.pem"), "").expect("written");
    }
    let mut server = TestServer::start(workspace.path(), &EDITOR).ignoring(&[
        "otaru/jobEvent",
        "textDocument/publishDiagnostics",
        "window/showMessage",
    ]);
    for folder in &folders {
        let uri = server::uri(&folder.join("Otaru.toml"));
        server.diagnostics(&uri, |_| true);
    }
    let project = &folders[0];
    let uri = server::uri(&project.join("Otaru.toml"));
    let document = json!({ "uri": uri, "languageId": "toml", "version": 1, "text": MANIFEST });
    server.notify("textDocument/didOpen", &json!({ "textDocument": document }));
    for folder in &folders {
        let arguments = json!([{ "project": folder }]);
        let params = json!({ "command": "otaru.build", "arguments": arguments });
        let started = server.request("workspace/executeCommand", &params);
        assert!(started["job"].is_u64(), "{started}");
    }
    // Each job asked for a place to show its progress; none of them gets an answer.
    for _ in &folders {
        server.expect("window/workDoneProgress/create", |_| true);
    }
    for version in 2..302 {
        let change = json!({ "text": format!("{MANIFEST}# {version}\n") });
        server.notify(
            "textDocument/didChange",
            &json!({
                "textDocument": { "uri": uri, "version": version },
                "contentChanges": [change],
            }),
        );
    }
    let at = json!({ "textDocument": { "uri": uri }, "position": { "line": 1, "character": 1 } });
    assert!(server.request("textDocument/hover", &at)["contents"].is_object());
    let seen = server.request("otaru/documentText", &json!({ "uri": uri }));
    assert_eq!(seen, json!(format!("{MANIFEST}# 301\n")));
    for folder in &folders {
        let folder = folder.to_str().expect("UTF-8");
        let ended =
            |params: &Value| params["project"] == folder && params["event"]["kind"] == "finished";
        let event = server.expect("otaru/jobEvent", ended);
        assert_eq!(event["event"]["outcome"]["kind"], "failed", "{event}");
    }
    assert!(server.shut_down().success());
}

#[test]
fn initialize_is_answered_at_once_in_a_large_workspace() {
    let project = TestProject::new(MANIFEST);
    for number in 0..300 {
        project.write(&format!("crate-{number}/src/main.rs"), "fn main() {}\n");
    }
    let begin = Instant::now();
    let server = settled(&project, &EXTENSION);
    // The bound is that of a hang, not of speed: `cargo xtask bench` measures.
    assert!(begin.elapsed() < PATIENCE);
    assert!(server.shut_down().success());
}

/// A project beside a board that cannot be right, in a server that has found both.
fn with_a_board() -> (TestProject, TestServer, String) {
    let project = TestProject::new(MANIFEST);
    let board = include_str!("../../boards/host/board.toml").replace("trials = 1", "trials = 0");
    let path = project.write("boards/host/board.toml", &board);
    let mut server = settled(&project, &EDITOR);
    let uri = server::uri(&path);
    let found = server.diagnostics(&uri, |found| !found.is_empty());
    assert_eq!(codes(&found), ["value"]);
    (project, server, uri)
}

#[test]
fn boards_are_answered_like_manifests() {
    let (_project, mut server, uri) = with_a_board();
    let document = json!({ "uri": uri });
    let file = json!({ "textDocument": document });
    let symbols = server.request("textDocument/documentSymbol", &file);
    assert_eq!(symbols[0]["name"], "board");
    assert_eq!(symbols[0]["children"][0]["name"], "name");
    let folds = server.request("textDocument/foldingRange", &file);
    assert!(folds.as_array().expect("a list").len() >= 10, "{folds}");
    let lenses = server.request("textDocument/codeLens", &file);
    assert_eq!(lenses[0]["command"]["command"], "");
    let all =
        json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 999, "character": 0 } });
    let hints = server.request(
        "textDocument/inlayHint",
        &json!({ "textDocument": document, "range": all }),
    );
    assert!(
        hints[0]["label"]
            .as_str()
            .expect("text")
            .starts_with("16 MiB"),
        "{hints}"
    );
    assert!(server.shut_down().success());
}

#[test]
fn the_name_of_a_board_is_that_of_manifests() {
    let (project, mut server, uri) = with_a_board();
    let manifest = project.manifest_uri();
    let at_board =
        json!({ "textDocument": { "uri": manifest }, "position": { "line": 2, "character": 10 } });
    let defined = server.request("textDocument/definition", &at_board);
    assert_eq!(
        (&defined[0]["uri"], defined.as_array().map(Vec::len)),
        (&json!(uri), Some(1))
    );
    let used = server.request("textDocument/references", &{
        let mut asked = at_board.clone();
        asked["context"] = json!({ "includeDeclaration": true });
        asked
    });
    assert_eq!(used.as_array().map(Vec::len), Some(2));
    let mut rename = at_board.clone();
    rename["newName"] = json!("lamp-board");
    let edits = server.request("textDocument/rename", &rename);
    for file in [&uri, &manifest] {
        assert_eq!(
            edits["changes"][file][0]["newText"], "lamp-board",
            "{edits}"
        );
    }
    rename["newName"] = json!("no spaces");
    let refused = server.refusal("textDocument/rename", &rename);
    assert_eq!(refused["code"], -32803, "{refused}");
    let prepared = server.request("textDocument/prepareRename", &at_board);
    assert_eq!(prepared["placeholder"], "host");
    let links = server.request(
        "textDocument/documentLink",
        &json!({ "textDocument": { "uri": manifest } }),
    );
    let targets: Vec<&str> = links
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|link| link["target"].as_str())
        .collect();
    assert!(
        targets.iter().any(|target| target.ends_with("/dev.pem")),
        "{targets:?}"
    );
    assert!(server.shut_down().success());
}
