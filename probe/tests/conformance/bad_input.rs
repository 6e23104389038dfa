//! What other programs may send by mistake: each gets a reply with a code, and the process goes on.

use crate::child::{Child, file, hex, run};
use serde_json::{Value, json};

const CHIP: &str = "SimUniform_512K";

/// Sends `line` and compares the code of its reply; then the process must still answer.
fn check(child: &mut Child, line: &[u8], id: &Value, code: &str) {
    child.send_bytes(line);
    let shown = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
    let reply = child.next();
    assert_eq!(reply["ok"], false, "{shown}");
    assert_eq!(reply["error"]["code"], code, "{shown}: {reply}");
    assert_eq!(&reply["id"], id, "{shown}");
    assert!(
        reply["error"]["message"]
            .as_str()
            .is_some_and(|m| !m.is_empty())
    );
    assert!(
        reply["error"]["hint"]
            .as_str()
            .is_some_and(|h| !h.is_empty())
    );
    assert_eq!(child.ask(&json!({ "id": 99, "op": "list" }))["ok"], true);
}

#[test]
fn lines_that_are_no_request_are_refused() {
    let mut child = Child::start("sim");
    let deep = format!("{{\"id\":1,\"op\":{}", "[".repeat(20_000));
    for line in [
        "nonsense",
        "{",
        "[]",
        "null",
        "{}",
        "{\"op\":\"list\"}",
        "{\"id\":-1,\"op\":\"list\"}",
        "{\"id\":1.5,\"op\":\"list\"}",
        "{\"id\":\"1\",\"op\":\"list\"}",
        &deep,
    ] {
        check(&mut child, line.as_bytes(), &Value::Null, "bad_request");
    }
    check(&mut child, b"\xff\xfe\x00", &Value::Null, "bad_request");
    for line in [
        "{\"id\":1}",
        "{\"id\":1,\"op\":7}",
        "{\"id\":1,\"op\":\"list\",\"extra\":1}",
        "{\"id\":1,\"op\":\"chip\"}",
        "{\"id\":1,\"op\":\"flash\",\"chip\":\"x\"}",
        "{\"id\":1,\"op\":\"flash\",\"chip\":\"SimUniform_512K\",\"segments\":[]}",
        "{\"id\":1,\"op\":\"flash\",\"chip\":\"x\",\"segments\":[{\"address\":-4,\"file\":\"f\"}]}",
        "{\"id\":1,\"op\":\"read\",\"chip\":\"x\",\"address\":0,\"len\":0}",
        "{\"id\":1,\"op\":\"read\",\"chip\":\"x\",\"address\":0,\"len\":65537}",
        "{\"id\":1,\"op\":\"cancel\"}",
    ] {
        check(&mut child, line.as_bytes(), &json!(1), "bad_request");
    }
    let unknown = b"{\"id\":2,\"op\":\"erase_everything\"}";
    check(&mut child, unknown, &json!(2), "unknown_op");
    child.finish();
}

#[test]
fn a_line_without_end_costs_no_memory() {
    let mut child = Child::start("sim");
    // 64 MiB, a thousand times the limit, in one line.
    let mut line = b"{\"id\":1,\"op\":\"".to_vec();
    line.resize(64 << 20, b'x');
    check(&mut child, &line, &Value::Null, "line_too_long");
    #[cfg(target_os = "linux")]
    {
        let peak = child.peak_memory_kib();
        assert!(peak < 32 * 1024, "{peak} KiB");
    }
    // Exactly the limit is still a line, and an empty one is nothing.
    let mut longest = b"{\"id\":1,\"op\":\"list\"".to_vec();
    longest.resize(64 * 1024 - 1, b' ');
    longest.push(b'}');
    child.send_bytes(b"");
    child.send_bytes(&longest);
    assert_eq!(child.next()["ok"], true);
    child.finish();
}

#[test]
fn a_torn_last_line_is_not_carried_out() {
    let mut child = Child::start("sim");
    child.send_torn(b"{\"id\":1,\"op\":\"reset\",\"chip\":\"SimUniform_512K\"}");
    assert_eq!(child.finish(), Vec::<Value>::new());
}

#[test]
fn addresses_and_files_that_do_not_fit_change_nothing() {
    let mut child = Child::start("sim");
    let data = file(&[7; 100]);
    let empty = file(&[]);
    let folder = tempfile::tempdir().unwrap();
    let start = 0x0800_0000_u64;
    let end = start + (512 << 10);
    let segment =
        |address: u64, path: &std::path::Path| json!({ "address": address, "file": path });
    let absent = folder.path().join("absent");
    let mut many = Vec::new();
    many.resize(65, segment(start, data.path()));
    for (segments, code) in [
        (
            json!([segment(end - 99, data.path())]),
            "address_outside_flash",
        ),
        (json!([segment(0, data.path())]), "address_outside_flash"),
        (
            json!([segment(0x2000_0000, data.path())]),
            "address_outside_flash",
        ),
        (
            json!([segment(u64::MAX - 9, data.path())]),
            "address_outside_flash",
        ),
        (
            json!([
                segment(start, data.path()),
                segment(start + 99, data.path())
            ]),
            "segments_overlap",
        ),
        (json!([segment(start, &absent)]), "file_unreadable"),
        (json!([segment(start, folder.path())]), "file_unreadable"),
        (json!([segment(start, empty.path())]), "file_size"),
        // The first segment would fit: nothing of the request may be done.
        (
            json!([segment(start, data.path()), segment(end, data.path())]),
            "address_outside_flash",
        ),
        (json!(many), "bad_request"),
    ] {
        let request = json!({ "id": 1, "op": "flash", "chip": CHIP, "segments": segments });
        check(&mut child, request.to_string().as_bytes(), &json!(1), code);
    }
    let read = json!({ "id": 2, "op": "read", "chip": CHIP, "address": start, "len": 200 });
    assert_eq!(child.ask(&read)["data"], hex(&[0xff; 200]));
    child.finish();
}

#[test]
fn more_bytes_than_the_limit_are_refused() {
    let mut child = Child::start("sim");
    // Sparse: it takes no space.
    let huge = tempfile::NamedTempFile::new().unwrap();
    huge.as_file().set_len((64 << 20) + 1).unwrap();
    let segments = json!([{ "address": 0x0800_0000, "file": huge.path() }]);
    let request = json!({ "id": 1, "op": "flash", "chip": CHIP, "segments": segments });
    check(
        &mut child,
        request.to_string().as_bytes(),
        &json!(1),
        "file_size",
    );
    child.finish();
}

#[test]
fn a_mistyped_chip_gets_the_nearest_name() {
    let mut child = Child::start("sim");
    let reply = child.ask(&json!({ "id": 1, "op": "chip", "chip": "simuniform-512k" }));
    assert_eq!(reply["error"]["code"], "chip_unknown");
    assert_eq!(reply["error"]["nearest"], json!(["SimUniform_512K"]));
    let reply = child.ask(&json!({ "id": 2, "op": "chip", "chip": "sim" }));
    assert_eq!(reply["error"]["code"], "chip_ambiguous");
    let hint = reply["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("SimUniform_512K, SimMixed_1M"), "{hint}");
    let reply = child.ask(&json!({ "id": 2, "op": "chip", "chip": "simm" }));
    assert_eq!(reply["chip"], "SimMixed_1M");
    let long = "S".repeat(50_000);
    let reply = child.ask(&json!({ "id": 2, "op": "chip", "chip": long }));
    assert_eq!(reply["error"]["code"], "chip_unknown");
    assert!(reply.to_string().len() < 500, "{reply}");
    child.finish();
}

#[test]
fn no_input_at_all_ends_the_process_well() {
    let output = run(&["--backend", "sim"]);
    assert!(output.status.success());
    assert_eq!(output.stdout, b"");
}
