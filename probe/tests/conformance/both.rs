//! What every backend without hardware does the same: one suite, run on the simulated target and on a
//! real chip process of the host board.

use crate::child::{self, Child, file};
use serde_json::{Value, json};

/// A chip, and how the process under test gets at it.
struct Target {
    backend: String,
    chip: &'static str,
    start: u64,
    probe: &'static str,
    #[cfg(unix)]
    _device: Option<host::Device>,
}

impl Target {
    fn simulated() -> Self {
        Self {
            backend: "sim".to_owned(),
            chip: "SimUniform_512K",
            start: 0x0800_0000,
            probe: "sim1",
            #[cfg(unix)]
            _device: None,
        }
    }

    #[cfg(unix)]
    fn host() -> Self {
        let device = host::Device::start();
        Self {
            backend: format!("host:{}", device.root().display()),
            chip: host::NAME,
            start: 0,
            probe: host::NAME,
            _device: Some(device),
        }
    }

    fn child(&self) -> Child {
        Child::start(&self.backend)
    }

    fn flash(&self, id: u64, segments: &Value) -> Value {
        json!({ "id": id, "op": "flash", "chip": self.chip, "segments": segments })
    }

    fn read(&self, id: u64, offset: u64, len: u64) -> Value {
        let address = self.start + offset;
        json!({ "id": id, "op": "read", "chip": self.chip, "address": address, "len": len })
    }
}

#[cfg(unix)]
mod host {
    //! A chip of the host board, without power: nothing but its flash is of interest.

    use otaru_board_host::chip::{self, ChipConfig, CpuProgram, Geometry, NamedArea};
    use otaru_board_host::control::Client;
    use std::path::{Path, PathBuf};
    use std::sync::mpsc;
    use std::thread::JoinHandle;

    pub(super) const NAME: &str = "lamp";

    pub(super) struct Device {
        root: tempfile::TempDir,
        chip: Option<JoinHandle<()>>,
    }

    impl Device {
        pub(super) fn start() -> Self {
            let root = tempfile::tempdir().expect("a temporary folder");
            let config = ChipConfig {
                dir: root.path().join(NAME),
                board: "host".to_owned(),
                geometry: Some(Geometry {
                    flash_len: 512 << 10,
                    write_unit: 4,
                    erased: 0xff,
                    areas: vec![NamedArea {
                        name: "execution".to_owned(),
                        offset: 0,
                        len: 512 << 10,
                        erase_len: 4096,
                    }],
                }),
                cpu: CpuProgram {
                    program: PathBuf::from("/nonexistent"),
                    args: Vec::new(),
                    kind: chip::CpuKind::Process,
                },
                pty: false,
                power: false,
                seed: Some(1),
            };
            let (ready, is_ready) = mpsc::channel();
            let chip = std::thread::spawn(move || {
                chip::run(&config, |_| ready.send(()).expect("somebody waits")).expect("it runs");
            });
            is_ready.recv().expect("the chip is ready");
            Self {
                root,
                chip: Some(chip),
            }
        }

        pub(super) fn root(&self) -> &Path {
            self.root.path()
        }
    }

    impl Drop for Device {
        fn drop(&mut self) {
            let gone = Client::connect(&self.root.path().join(NAME))
                .and_then(|mut client| client.shutdown());
            if let (Ok(()), Some(chip)) = (gone, self.chip.take()) {
                drop(chip.join());
            }
        }
    }
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

/// The probe is found, and its chip has sectors.
fn listing(target: &Target) {
    let mut child = target.child();
    let reply = child.ask(&json!({ "id": 1, "op": "list" }));
    assert_eq!(reply["ok"], true, "{reply}");
    assert_eq!(reply["probes"][0]["accessible"], true);
    let reply = child.ask(&json!({ "id": 2, "op": "chip", "chip": target.chip }));
    assert_eq!(reply["chip"], target.chip);
    assert_eq!(
        reply["regions"][0]["sectors"][0],
        json!({ "start": target.start, "size": 4096, "count": 128 })
    );
    let reply = child.ask(&json!({ "id": 3, "op": "chip", "chip": "nothing-like-it" }));
    assert_eq!(reply["error"]["code"], "chip_unknown");
    child.finish();
}

/// Erased, programmed and verified, with progress that grows to its total.
fn flashing(target: &Target) {
    let mut child = target.child();
    let (first, second) = (bytes(10_000, 1), bytes(300, 9));
    let (a, b) = (file(&first), file(&second));
    let segments = json!([
        { "address": target.start + 100, "file": a.path() },
        { "address": target.start + 0x8000, "file": b.path() },
    ]);
    let (events, reply) = child.ask_with_events(&target.flash(7, &segments));
    assert_eq!(reply["ok"], true, "{reply}");
    assert_eq!(reply["verified"], true);
    assert_eq!(reply["bytes"], 10_300);
    // 100..10100 touches three sectors, the second segment one.
    assert_eq!(reply["erase_bytes"], 4 * 4096);
    for (phase, total) in [("erase", 4 * 4096), ("program", 10_300), ("verify", 10_300)] {
        let done: Vec<u64> = events
            .iter()
            .filter(|event| event["phase"] == phase)
            .map(|event| {
                assert_eq!(event["event"], "progress");
                assert_eq!(event["total"], total, "{event}");
                event["done"].as_u64().expect("a number")
            })
            .collect();
        assert!(
            done.windows(2).all(|pair| pair[0] < pair[1]),
            "{phase}: {done:?}"
        );
        assert_eq!(done.last(), Some(&total), "{phase}");
    }
    let reply = child.ask(&target.read(8, 100, 10_000));
    assert_eq!(reply["data"], child::hex(&first));
    // What the segments do not cover is as before: erased.
    assert_eq!(child.ask(&target.read(9, 96, 4))["data"], "ffffffff");
    assert_eq!(child.ask(&target.read(10, 10_100, 4))["data"], "ffffffff");
    child.finish();
}

/// Bytes beside a segment survive the erase of their sector.
fn neighbours(target: &Target) {
    let mut child = target.child();
    let old = file(&bytes(4096, 3));
    let new = file(&[0xaa; 16]);
    for (id, offset, file) in [(1, 0, &old), (2, 32, &new)] {
        let segments = json!([{ "address": target.start + offset, "file": file.path() }]);
        let reply = child.ask(&target.flash(id, &segments));
        assert_eq!(reply["ok"], true, "{reply}");
    }
    let mut expected = bytes(4096, 3);
    expected[32..48].fill(0xaa);
    let reply = child.ask(&target.read(3, 0, 4096));
    assert_eq!(reply["data"], child::hex(&expected));
    child.finish();
}

/// A dry run names what would be erased, and changes nothing.
fn rehearsing(target: &Target) {
    let mut child = target.child();
    let before = child.ask(&target.read(1, 0x1_0000, 64))["data"].clone();
    let data = file(&bytes(5_000, 5));
    let segments = json!([{ "address": target.start + 0x1_0000, "file": data.path() }]);
    let mut request = target.flash(2, &segments);
    request["dry_run"] = json!(true);
    let (events, reply) = child.ask_with_events(&request);
    assert_eq!(events, Vec::<Value>::new());
    assert_eq!(
        (&reply["dry_run"], &reply["verified"]),
        (&json!(true), &json!(false))
    );
    let range = json!({ "address": target.start + 0x1_0000, "len": 8192, "sectors": 2 });
    assert_eq!(reply["erase"], json!([range]));
    assert_eq!(child.ask(&target.read(3, 0x1_0000, 64))["data"], before);
    child.finish();
}

/// Differences are found where they are, a reset is answered, and nothing is written outside.
fn verifying(target: &Target) {
    let mut child = target.child();
    let data = bytes(500, 1);
    let right = file(&data);
    let mut other = data.clone();
    other[321] ^= 1;
    let wrong = file(&other);
    let segments =
        |file: &tempfile::NamedTempFile, at: u64| json!([{ "address": at, "file": file.path() }]);
    let verify = |id, file: &tempfile::NamedTempFile| {
        let segments = segments(file, target.start);
        json!({ "id": id, "op": "verify", "chip": target.chip, "segments": segments })
    };
    child.ask(&target.flash(1, &segments(&right, target.start)));
    assert_eq!(child.ask(&verify(2, &right))["verified"], true);
    let reply = child.ask(&verify(3, &wrong));
    assert_eq!(reply["error"]["code"], "verify_mismatch");
    assert_eq!(reply["error"]["address"], target.start + 321);
    let reset = json!({ "id": 4, "op": "reset", "chip": target.chip, "probe": target.probe });
    let reply = child.ask(&reset);
    assert_eq!(reply["ok"], true, "{reply}");
    let beyond = segments(&right, target.start + (512 << 10) - 100);
    let reply = child.ask(&target.flash(5, &beyond));
    assert_eq!(reply["error"]["code"], "address_outside_flash", "{reply}");
    let reply = child.ask(&json!({
        "id": 6, "op": "reset", "chip": target.chip, "probe": "somebody-else",
    }));
    assert_eq!(reply["error"]["code"], "probe_not_found");
    child.finish();
}

const SUITE: [fn(&Target); 5] = [listing, flashing, neighbours, rehearsing, verifying];

#[test]
fn the_simulated_target_conforms() {
    for part in SUITE {
        part(&Target::simulated());
    }
}

#[cfg(unix)]
#[test]
fn a_device_of_the_host_board_conforms() {
    for part in SUITE {
        part(&Target::host());
    }
}

#[cfg(unix)]
#[test]
fn a_device_that_was_switched_off_is_no_probe() {
    let target = Target::host();
    let mut child = target.child();
    drop(target);
    let reply = child.ask(&json!({ "id": 1, "op": "list" }));
    assert_eq!(reply["probes"], json!([]), "{reply}");
    child.finish();
}
