//! What each request does, and what it fails with.

use crate::child::{self, Child, file};
use serde_json::{Value, json};

const CHIP: &str = "SimUniform_512K";
const START: u64 = 0x0800_0000;

fn flash(id: u64, segments: &Value) -> Value {
    json!({ "id": id, "op": "flash", "chip": CHIP, "segments": segments })
}

fn read(id: u64, address: u64, len: u64) -> Value {
    json!({ "id": id, "op": "read", "chip": CHIP, "address": address, "len": len })
}

/// Bytes without a short period, other ones for each `seed`.
fn bytes(len: usize, seed: u8) -> Vec<u8> {
    let mut byte = seed;
    let next = |at: usize| {
        byte = byte
            .wrapping_mul(5)
            .wrapping_add(if at.is_multiple_of(251) { 3 } else { 1 });
        byte
    };
    (0..len).map(next).collect()
}

#[test]
fn probes_and_memory_maps_are_reported() {
    let mut child = Child::start("sim");
    let reply = child.ask(&json!({ "id": 1, "op": "list" }));
    assert_eq!(reply["ok"], true);
    assert_eq!(reply["probes"][0]["probe"], "0000:0001:SIM1");
    let reply = child.ask(&json!({ "id": 2, "op": "chip", "chip": "simmixed_1m" }));
    assert_eq!(reply["chip"], "SimMixed_1M");
    assert_eq!(reply["regions"][0]["kind"], "flash");
    assert_eq!(
        reply["regions"][0]["sectors"][1],
        json!({ "start": 0x0801_0000, "size": 65536, "count": 1 })
    );
    child.finish();
}

#[test]
fn a_dry_run_names_the_sectors_and_changes_nothing() {
    let mut child = Child::start("sim");
    let data = file(&bytes(70_000, 5));
    let request = json!({
        "id": 1, "op": "flash", "chip": "SimMixed_1M", "dry_run": true,
        "segments": [{ "address": START + 0xc000, "file": data.path() }],
    });
    let (events, reply) = child.ask_with_events(&request);
    assert_eq!(events, Vec::<Value>::new());
    assert_eq!(reply["dry_run"], true);
    assert_eq!(reply["verified"], false);
    assert_eq!(
        reply["erase"],
        json!([{ "address": START + 0xc000, "len": 0x14000, "sectors": 2 }])
    );
    let read = json!({ "id": 2, "op": "read", "chip": "SimMixed_1M", "address": START + 0xc000, "len": 4 });
    assert_eq!(child.ask(&read)["data"], "ffffffff");
    child.finish();
}

#[test]
fn what_stands_between_process_and_chip_has_its_own_code() {
    for (faults, code, in_hint) in [
        ("no-probe", "no_probe", "USB"),
        ("two-probes", "several_probes", "0000:0001:SIM2"),
        ("permission", "permission_denied", "udev"),
        ("locked", "chip_locked", "erases the whole chip"),
        ("silent", "target_not_found", "SWDIO"),
    ] {
        let mut child = Child::start(&format!("sim:{faults}"));
        let data = file(&[1, 2, 3]);
        let segments = json!([{ "address": START, "file": data.path() }]);
        let mut dry = flash(1, &segments);
        dry["dry_run"] = json!(true);
        for request in [
            dry,
            json!({ "id": 1, "op": "verify", "chip": CHIP, "segments": segments }),
            json!({ "id": 1, "op": "reset", "chip": CHIP }),
            read(1, START, 1),
        ] {
            let error = &child.ask(&request)["error"];
            assert_eq!(error["code"], code, "{request}");
            let hint = error["hint"].as_str().unwrap();
            assert!(hint.contains(in_hint), "{hint}");
        }
        child.finish();
    }
}

#[test]
fn one_of_two_probes_is_chosen_by_name() {
    let mut child = Child::start("sim:two-probes");
    let reset = |probe| json!({ "id": 1, "op": "reset", "chip": CHIP, "probe": probe });
    assert_eq!(child.ask(&reset("SIM2"))["probe"], "0000:0001:SIM2");
    assert_eq!(
        child.ask(&reset("0000:0001"))["error"]["code"],
        "several_probes"
    );
    assert_eq!(
        child.ask(&reset("SIM3"))["error"]["code"],
        "probe_not_found"
    );
    child.finish();
}

#[test]
fn an_unplugged_probe_is_named_and_the_process_lives_on() {
    let mut child = Child::start("sim:unplug=5000");
    let data = file(&bytes(9000, 1));
    let reply = child.ask(&flash(
        1,
        &json!([{ "address": START, "file": data.path() }]),
    ));
    assert_eq!(reply["error"]["code"], "probe_unplugged");
    assert_eq!(reply["error"]["flash_changed"], true);
    assert_eq!(
        child.ask(&json!({ "id": 2, "op": "list" }))["probes"],
        json!([])
    );
    child.finish();
}

#[test]
fn a_byte_that_is_stored_wrongly_is_found() {
    let mut child = Child::start("sim:flip=4100");
    let data = file(&bytes(9000, 1));
    let reply = child.ask(&flash(
        1,
        &json!([{ "address": START, "file": data.path() }]),
    ));
    assert_eq!(reply["error"]["code"], "verify_mismatch");
    assert_eq!(reply["error"]["address"], START + 4100);
    child.finish();
}

#[test]
fn a_running_and_a_waiting_request_are_cancelled() {
    // The chip stands still in the second sector: without a cancellation this takes a minute.
    let mut child = Child::start("sim:stall=5000");
    let data = file(&bytes(9000, 1));
    let segments = json!([{ "address": START, "file": data.path() }]);
    child.send(&flash(1, &segments));
    child.send(&flash(2, &segments));
    // Both are known once the first one reports; the second one's id is refused a second time.
    assert_eq!(child.next()["event"], "progress");
    child.send(&flash(2, &segments));
    let duplicate = child.skip_events();
    assert_eq!(duplicate["error"]["code"], "duplicate_id");
    child.send(&json!({ "id": 3, "op": "cancel", "request": 2 }));
    assert_eq!(
        child.skip_events(),
        json!({ "id": 3, "ok": true, "found": true })
    );
    child.send(&json!({ "id": 4, "op": "cancel", "request": 1 }));
    let replies = [
        child.skip_events(),
        child.skip_events(),
        child.skip_events(),
    ];
    let of = |id: u64| replies.iter().find(|reply| reply["id"] == id).unwrap();
    assert_eq!(of(4)["found"], true);
    assert_eq!(of(1)["error"]["code"], "cancelled");
    assert_eq!(of(1)["error"]["flash_changed"], true);
    assert_eq!(of(2)["error"]["code"], "cancelled");
    let reply = child.ask(&json!({ "id": 5, "op": "cancel", "request": 1 }));
    assert_eq!(reply["found"], false);
    child.finish();
}

#[test]
fn too_many_requests_are_refused_and_the_others_answered() {
    let mut child = Child::start("sim:stall=0");
    let data = file(&[1]);
    child.send(&flash(
        0,
        &json!([{ "address": START, "file": data.path() }]),
    ));
    for id in 1..20 {
        child.send(&json!({ "id": id, "op": "list" }));
    }
    let busy: Vec<u64> = (0..4)
        .map(|_| {
            let reply = child.skip_events();
            assert_eq!(reply["error"]["code"], "busy", "{reply}");
            reply["id"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(busy, [16, 17, 18, 19]);
    child.send(&json!({ "id": 20, "op": "cancel", "request": 0 }));
    let answered = (0..17)
        .filter(|_| child.skip_events()["ok"] == true)
        .count();
    // Fifteen lists and the cancellation; the flash itself failed.
    assert_eq!(answered, 16);
    child.finish();
}

#[test]
fn a_slow_chip_ends_as_a_fast_one() {
    let mut child = Child::start("sim:slow=1");
    let data = file(&bytes(9000, 1));
    let reply = child.ask(&flash(
        1,
        &json!([{ "address": START, "file": data.path() }]),
    ));
    assert_eq!(reply["verified"], true);
    child.finish();
}

#[test]
fn the_end_of_input_cancels_what_runs_and_ends_the_process() {
    let mut child = Child::start("sim:stall=5000");
    let data = file(&bytes(9000, 1));
    child.send(&flash(
        1,
        &json!([{ "address": START, "file": data.path() }]),
    ));
    assert_eq!(child.next()["event"], "progress");
    // `finish` closes the pipe and waits for the process.
    let rest = child.finish();
    let last = rest.last().unwrap();
    assert_eq!(last["error"]["code"], "cancelled", "{rest:?}");
}

#[test]
fn a_wrong_command_line_is_explained_on_stderr_only() {
    for arguments in [
        &["--backend", "sim:fire"][..],
        &["--backend", "none"],
        &["list"],
    ] {
        let output = child::run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(output.stdout, b"");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("usage:"), "{text}");
    }
}
