//! The inputs each target begins with: one for each thing that fuzzing should not have to find by
//! itself. `corpus/` holds them, and what fuzzing added to them.

use crate::forge::{MARKED, ORIGINALS};

type Seeds = Vec<(&'static str, Vec<u8>)>;

fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Originals, whole and with edits, and nothing.
pub fn image() -> Seeds {
    let [first, second, third] = &*ORIGINALS;
    vec![
        ("empty", vec![0]),
        ("raw-full", bytes(&[&[0], first])),
        ("raw-least", bytes(&[&[0], second])),
        ("raw-least-repaired", bytes(&[&[4], second])),
        ("raw-counter", bytes(&[&[0x18], third])),
        ("original-full", vec![1]),
        ("original-least", vec![2]),
        ("original-counter-below-floor", vec![0x1B]),
        ("original-parts", vec![0x21]),
        // Its payload is 70 bytes; then the protected area, whose last two TLVs name the parts.
        ("edited-part-index", vec![0x25, 1, 154, 0, 6]),
        ("edited-part-offset", vec![0x25, 1, 158, 0, 0x40]),
        ("edited-part-len", vec![0x25, 1, 162, 0, 1]),
        ("edited-part-digest", vec![0x25, 1, 170, 0, 1]),
        ("original-parts-marked", vec![0x25]),
        ("edited-payload", vec![1, 1, 0, 1, 1]),
        ("edited-payload-repaired", vec![5, 1, 0, 1, 1]),
        ("edited-header-len", vec![6, 1, 8, 0, 1]),
        // The last TLV of the least image is its signature; its area begins at byte 72.
        ("edited-area-len", vec![2, 1, 74, 0, 0x10]),
        ("edited-entry-len", vec![2, 1, 78, 0, 0x40]),
        ("edited-signature-len", vec![2, 1, 150, 0, 1]),
        ("edited-protected-len", vec![1, 1, 10, 0, 4]),
        ("edited-payload-len", vec![6, 1, 12, 0, 1]),
    ]
}

/// A record with nothing, with entries and marks, and commands of every kind.
pub fn record() -> Seeds {
    let state = [4, 5, 1, 2, 15, 0, 0x31, 0, 0, 0, 0];
    let append = bytes(&[&[0], &state, &[0; 15]]);
    let mark = [2, 0, 2, 1, 3, 2];
    let commands = bytes(&[
        &append,
        &mark,
        &[5, 0, 6, 7],
        &append,
        &[4, 5, 1, 8, 0, 1, 7],
    ]);
    let lost = [0, 0, 0, 0];
    let some = [0, 0, 3, 2, 2, 1 | 3 << 2, 0, 1, 2, 1, 2];
    let mut seeds = vec![
        (
            "lost-then-commands",
            bytes(&[&lost, &state, &[0; 15], &commands]),
        ),
        ("entries-then-commands", bytes(&[&some, &commands])),
        (
            "faults",
            bytes(&[&[0x0C, 2, 0, 0], &state, &[0; 15], &commands]),
        ),
    ];
    for (name, options) in [("standby", 1), ("inverted", 2), ("large-unit", 3)] {
        let mut seed = bytes(&[&some, &commands, &commands, &commands]);
        seed[0] = options;
        seeds.push((name, seed));
    }
    seeds
}

/// A device in every phase, in every layout.
pub fn boot() -> Seeds {
    let rest = [0; 15];
    // Execution slot, storage slots; then phase, places, current, other, differing, flags,
    // attempts, step, installed.
    let device = |layout: u8, slots: [u8; 3], state: &[u8]| {
        bytes(&[
            &[layout, 0],
            &slots,
            &[1],
            state,
            &rest,
            &[0, 0, 4, 0, 4, 0, 4, 0],
        ])
    };
    let trial = |phase: u8, places: u8| [phase, places, 0, 1, 0, 4, 0x20, 0, 0, 0, 0];
    vec![
        ("blank", vec![0]),
        ("idle", device(0, [1, 0, 0], &[0; 11])),
        (
            "record-lost",
            vec![1, 0, 3, 0, 0, 0, 0, 0, 4, 0, 4, 0, 4, 0],
        ),
        ("swap-requested", device(0, [1, 3, 0], &trial(3, 1))),
        (
            "swap-installing",
            device(2, [1, 3, 0], &[4, 0x0D, 0, 1, 15, 4, 0x20, 1, 0, 0, 0]),
        ),
        (
            "swap-trial",
            device(0, [3, 1, 0], &[6, 0x0D, 1, 0, 15, 4, 0x21, 0, 8, 0, 0]),
        ),
        (
            "swap-refused",
            device(0, [3, 1, 0], &[7, 0x0D, 1, 0, 15, 4, 0x21, 0, 8, 0, 0]),
        ),
        (
            "swap-heal",
            device(0, [0, 1, 0], &[0, 0x1C, 3, 1, 0, 0, 0, 0, 0, 0, 0]),
        ),
        (
            "standby-requested",
            device(1, [1, 3, 1], &[3, 0x28, 0, 1, 0, 4, 0x20, 0, 0, 0, 0]),
        ),
        (
            "standby-installing",
            device(1, [1, 3, 1], &[4, 0x28, 0, 1, 15, 4, 0x20, 1, 0, 0, 0]),
        ),
        (
            "standby-reverting",
            device(11, [3, 3, 1], &[8, 0x28, 2, 1, 15, 4, 0x20, 1, 4, 0, 0]),
        ),
        (
            "standby-heal",
            device(11, [0, 3, 1], &[0, 0x2A, 2, 1, 15, 0, 0, 0, 0, 0, 0]),
        ),
        ("image-without-board", device(1, [2, 0, 0], &[0; 11])),
    ]
}

/// Replies of a server, lines and addresses.
pub fn ddi() -> Seeds {
    let poll = r#"{"config":{"polling":{"sleep":"00:05:00"}},"_links":{"deploymentBase":{"href":"http://m/T/controller/v1/d/deploymentBase/5?c=1"},"cancelAction":{"href":"/T/controller/v1/d/cancelAction/6"},"configData":{"href":"https://m:1/c"}}}"#;
    let deployment = r#"{"id":"5","deployment":{"download":"forced","update":"attempt","maintenanceWindow":"available","chunks":[{"part":"bApp","version":"1.1.0+7","name":"n","metadata":[{"key":"otaru.deadline","value":"300"}],"artifacts":[{"filename":"f","hashes":{"sha1":"0","md5":"0","sha256":"1111111111111111111111111111111111111111111111111111111111111111"},"size":1000,"_links":{"download":{"href":"https://m/a"},"download-http":{"href":"http://m/a"}}}]}]}}"#;
    let cancel = r#"{"id":"7","cancelAction":{"stopId":"5"}}"#;
    let texts = r#"[1,-0.5e+3,"\u00e9\ud83d\ude00\n\"",true,false,null,{},[]]"#;
    let line = "otaru phase=trial reason=unhealthy digest=1111111111111111111111111111111111111111111111111111111111111111 from=0102030405060708 to=1112131415161718 version=1.1.0+7 bytes=1 erases=2 programs=3 chunks=4 cuts=5 ms=6";
    let nested = "[".repeat(33);
    let of = |piece: u8, text: &str| bytes(&[&[piece], text.as_bytes()]);
    vec![
        ("empty", vec![]),
        ("poll", of(1, poll)),
        ("deployment", of(7, deployment)),
        ("cancel", of(2, cancel)),
        ("texts", of(1, texts)),
        ("line", of(3, line)),
        ("url", of(9, "https://[::1]:8443/a?b=%20")),
        ("path", of(9, "/T/controller/v1/d")),
        ("nested", of(5, &nested)),
    ]
}

/// An empty area, two identities, one that is cut short, faults.
pub fn identity() -> Seeds {
    let new = bytes(&[&[1, 2, 3, 0], b"d", b"tt", b"u:/"]);
    let entry =
        |tag: u8, text: &[u8]| bytes(&[&[tag, 0, u8::try_from(text.len()).unwrap_or(0), 0], text]);
    let half = |sequence: u8| {
        let body = bytes(&[
            &[0; 8],
            &[sequence, 0, 0, 0],
            &entry(1, b"old"),
            &entry(3, b"u:/o"),
            &[0; 4],
        ]);
        bytes(&[&[u8::try_from(body.len()).unwrap_or(0)], &body])
    };
    vec![
        ("empty", bytes(&[&[0], &new])),
        ("first-half", bytes(&[&[0x80], &new, &half(1), &[0]])),
        ("both-halves", bytes(&[&[0xC1], &new, &half(1), &half(2)])),
        ("erase-fails", bytes(&[&[0x92], &new, &half(2), &half(1)])),
        ("program-fails", bytes(&[&[0xB7], &new, &half(2), &half(1)])),
        ("raw", bytes(&[&[0], &new, &[16], &MARKED[0][..16]])),
    ]
}

/// A request of every kind, framed, on each kind of device; and a line as it comes over the wire.
pub fn smp() -> Seeds {
    // Operation, flags, length, group, sequence, command; then a CBOR map.
    let message = |operation: u8, group: u8, command: u8, body: &[u8]| {
        let len = u8::try_from(body.len()).unwrap_or(0);
        let head = [operation, 0, 0, len, 0, group, 1, command];
        bytes(&[&[8 + len, 0], &head, body])
    };
    let echo = message(2, 0, 0, b"\xA1\x61d\x62hi");
    let state = message(0, 1, 0, b"\xA0");
    let erase = message(2, 1, 5, b"\xA1\x64slot\x01");
    let first = bytes(&[
        b"\xA3\x63len\x18\x40\x63off\x00\x64data\x58\x20",
        &MARKED[0][..32],
    ]);
    let second = bytes(&[b"\xA2\x63off\x18\x20\x64data\x58\x20", &[0x5A; 32]]);
    let upload = bytes(&[&message(2, 1, 1, &first), &message(2, 1, 1, &second)]);
    vec![
        ("echo", bytes(&[&[4], &echo])),
        ("parameters", bytes(&[&[4], &message(0, 0, 6, b"\xA0")])),
        ("bootloader", bytes(&[&[4], &message(0, 0, 8, b"\xA0")])),
        ("state", bytes(&[&[4 | 8], &state])),
        ("erase", bytes(&[&[4 | 2], &erase, &state])),
        ("upload-swap", bytes(&[&[4], &upload, &state])),
        ("upload-standby", bytes(&[&[4 | 2 | 8], &upload])),
        ("upload-without-record", bytes(&[&[4 | 1], &upload])),
        ("reset", bytes(&[&[4], &message(2, 0, 5, b"\xA0"), &echo])),
        (
            "raw",
            bytes(&[&[0], b"\x06\x09AAoCAAAAAAABoMB2\n\x04\x14AA==\n"]),
        ),
    ]
}
