//! Recovery over the console of a real device process, with clients that others have made.
// Requirements table 4.0, A28

use crate::boot::{
    CLASS, EXECUTION, NEW, OLD, VENDOR, described, factory_with, key, layout, power_on, read,
    record,
};
use crate::harness::{Console, Device, at_operation};
use otaru_board_host::control::Moment;
use otaru_flash::Mode;
use otaru_image::{BoardIds, ImageBuilder, SigningKey, Uuid, Version};
use otaru_record::State;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const WAITING: &str = ":: recovery: waiting for an image on this console";

/// A device whose execution slot was damaged, switched on.
fn damaged(mode: Mode) -> (Device, Console) {
    let device = factory_with(mode, "idle", true);
    let mut client = device.client();
    client.corrupt(EXECUTION + 100_000, 4).expect("corrupt");
    let mut console = power_on(&device);
    console.wait(WAITING);
    (device, console)
}

fn port(device: &Device) -> String {
    let status = device.client().status().expect("status");
    status.pty.expect("there is a terminal")
}

fn stored(device: &Device, bytes: &[u8]) -> PathBuf {
    let path = device.dir().join("upload.img");
    std::fs::write(&path, bytes).expect("the folder can be written");
    path
}

/// An image that is only there to be refused.
fn image(counter: u32, class: [u8; 16], key: &SigningKey) -> Vec<u8> {
    ImageBuilder::new(vec![0x5A; 20_000], Version::default())
        .header_len(512)
        .security_counter(counter)
        .board(BoardIds {
            vid: Uuid(VENDOR),
            cid: Uuid(class),
        })
        .sign(key)
        .expect("the image can be built")
}

/// An echo request for `Hello`, framed by hand, and what the reply to it looks like.
const ECHO: &[u8] = b"\x06\x09ABMKAAAJAAAHAKFhZGVIZWxsb4N2\n";
const ECHOED: &str = "\x06\x09ABMLAAAJAAAHAKFhcmVIZWxsbwXK";

#[test]
fn bytes_on_the_terminal_reach_recovery_and_are_answered_on_the_console() {
    let (device, mut console) = damaged(Mode::Swap);
    let mut terminal = std::fs::OpenOptions::new()
        .write(true)
        .open(port(&device))
        .expect("the terminal opens");
    terminal.write_all(b"typed text\n").expect("write");
    terminal.write_all(ECHO).expect("write");
    console.wait(ECHOED);
}

#[test]
fn recovery_button_counts_for_one_start() {
    let device = factory_with(Mode::Swap, "idle", false);
    device.client().hold_recovery().expect("button");
    let mut console = power_on(&device);
    console.wait(":: nothing to start: recovery was asked for");
    console.wait(WAITING);
    device.client().reset(Moment::default()).expect("reset");
    console.wait("firmware 1.0");
}

fn smpmgr(device: &Device, arguments: &[&str]) -> Output {
    let program = std::env::var_os("OTARU_SMPMGR").expect("OTARU_SMPMGR says where smpmgr is");
    Command::new(program)
        .args(["--port", &port(device), "--timeout", "20"])
        .args(["--line-length", "128", "--line-buffers", "32"])
        .args(arguments)
        .env("COLUMNS", "200")
        .stdin(Stdio::null())
        .output()
        .expect("smpmgr runs")
}

/// What `smpmgr` prints when it succeeds.
fn succeeds(device: &Device, arguments: &[&str]) -> String {
    let output = smpmgr(device, arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {text}{errors}");
    text
}

#[test]
#[ignore = "needs smpmgr"]
fn smpmgr_recovers_a_device_whose_image_is_damaged() {
    for mode in [Mode::Standby, Mode::Swap] {
        let (device, mut console) = damaged(mode);
        let file = stored(&device, &NEW);
        let file = file.to_str().expect("UTF-8");
        assert!(succeeds(&device, &["os", "echo", "who is there"]).contains("r='who is there'"));
        let before = succeeds(&device, &["image", "state-read"]);
        assert!(before.contains("version='1.0.0+0'"), "{before}");
        assert!(!before.contains("bootable=True"), "{before}");
        succeeds(&device, &["image", "upload", file]);
        console.wait("verifies: reset the device to install it");
        let after = succeeds(&device, &["image", "state-read"]);
        assert!(
            after.contains("version='1.1.0+0'") && after.contains("pending=True"),
            "{after}"
        );
        succeeds(&device, &["os", "reset"]);
        console.wait(":: started by software");
        console.wait("restoring it from its backup");
        console.wait("firmware 1.1");
        assert!(read(&device, EXECUTION, NEW.len()) == *NEW, "{mode:?}");
    }
}

#[test]
#[ignore = "needs smpmgr"]
fn smpmgr_upgrades_a_device_whose_record_is_lost_in_one_go() {
    let (device, mut console) = damaged(Mode::Swap);
    let area = layout(Mode::Swap).record;
    let mut client = device.client();
    let mut probe = client.hold().expect("hold");
    otaru_flash::Flash::erase(&mut probe, area.offset, area.len).expect("erase");
    probe.release().expect("release");
    console.forget();
    console.wait(WAITING);
    let file = stored(&device, &NEW);
    let file = file.to_str().expect("UTF-8");
    let text = succeeds(&device, &["upgrade", "--confirm", file]);
    assert!(text.contains("Upgrade complete"), "{text}");
    console.wait("firmware 1.1");
}

#[test]
#[ignore = "needs smpmgr"]
fn smpmgr_is_told_why_an_image_is_refused() {
    let (device, mut console) = damaged(Mode::Standby);
    let mut client = device.client();
    let mut probe = client.hold().expect("hold");
    let state = State::factory(described(&OLD), 1);
    record(&mut probe, &layout(Mode::Standby), &state);
    probe.release().expect("release");
    console.forget();
    console.wait(WAITING);
    let mut forged = image(1, CLASS, &key());
    *forged.last_mut().expect("a signature") ^= 1;
    for (bytes, text) in [
        (forged, "the signature does not match the image"),
        (
            image(1, CLASS, &SigningKey::from_seed([8; 32])),
            "the image is signed by a key this device does not know",
        ),
        (image(1, [9; 16], &key()), "the image is for another board"),
        (
            image(0, CLASS, &key()),
            "the image has security counter 0, at least 1 is required",
        ),
    ] {
        let file = stored(&device, &bytes);
        let output = smpmgr(&device, &["image", "upload", file.to_str().expect("UTF-8")]);
        assert!(!output.status.success());
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(said.contains(text), "{said}");
        console.wait(&format!(":: recovery: refused: {text}"));
    }
    let erased = succeeds(&device, &["image", "erase", "1"]);
    console.wait(":: recovery: the storage slot is erased");
    assert!(!erased.contains("rc"), "{erased}");
}

/// Uploads with smpclient until the device has the image; `each` sees every line it prints.
fn smpclient(device: &Device, file: &Path, mut each: impl FnMut(&str)) -> i32 {
    let python = std::env::var_os("OTARU_VENV_PYTHON").expect("OTARU_VENV_PYTHON is set");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/interop/smp_upload.py");
    let mut child = Command::new(python)
        .arg(script)
        .args(["--port", &port(device), "--image"])
        .arg(file)
        .args(["--answer-s", "2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("smpclient runs");
    let mut go_on = child.stdin.take().expect("a pipe");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    for line in lines {
        let line = line.expect("text");
        each(&line);
        if line.contains("verified") {
            go_on.write_all(b"\n").expect("it reads");
        }
    }
    child.wait().expect("it ends").code().expect("no signal")
}

#[test]
#[ignore = "needs smpclient"]
fn upload_that_a_reset_interrupts_goes_on_at_its_last_mark() {
    let (device, mut console) = damaged(Mode::Swap);
    let file = stored(&device, &NEW);
    let mut client = device.client();
    client.reset(at_operation(2500)).expect("arm");
    let mut seen = Vec::new();
    let code = smpclient(&device, &file, |line| seen.push(line.to_owned()));
    assert_eq!(code, 0, "{seen:?}");
    assert!(
        seen.iter().any(|line| line.contains(r#""event": "lost""#)),
        "{seen:?}"
    );
    console.wait("goes on at");
    console.wait("firmware 1.1");
}

/// Uploads version 1.1 to a damaged device with a power cut, or none, at a flash operation; the
/// number of operations of the upload and of the heal.
fn cut_at(mode: Mode, at: Option<u64>) -> (u64, u64) {
    let (device, mut console) = damaged(mode);
    let file = stored(&device, &NEW);
    let mut client = device.client();
    let mut operations = || {
        client
            .status()
            .expect("status")
            .flash
            .operations_since_reset
    };
    let before = operations();
    if let Some(at) = at {
        let moment = Moment {
            torn: true,
            seed: Some(at),
            off_ms: Some(1),
            ..at_operation(at)
        };
        device.client().power_cut(moment).expect("arm");
    }
    let mut seen = Vec::new();
    let mut uploaded = 0;
    let code = smpclient(&device, &file, |line| {
        // Without a cut: the last look before the reset.
        if line.contains("verified") {
            uploaded = operations() - before;
        }
        seen.push(line.to_owned());
    });
    // A cut behind the entry leaves nothing to upload: the image is installed, and nobody answers.
    let ended = code == 0 || (code == 3 && at.is_some());
    assert!(ended, "{mode:?}, cut at {at:?}: {seen:?}");
    console.wait("firmware 1.1");
    let cut = device.client().status().expect("status").pending.is_none();
    assert!(cut, "{mode:?}: operation {at:?} was not reached");
    let heal = operations();
    assert!(
        read(&device, EXECUTION, NEW.len()) == *NEW,
        "{mode:?}, cut at {at:?}"
    );
    (uploaded, heal)
}

/// Cuts the power at operations that are chosen from those of an upload and a heal.
fn cuts(mode: Mode, choose: impl Fn(u64, u64) -> [u64; 3]) {
    let (upload, heal) = cut_at(mode, None);
    assert!(
        upload > heal && heal > 10,
        "{mode:?}: {upload} to upload, {heal} to heal"
    );
    for at in choose(upload, heal) {
        cut_at(mode, Some(at));
    }
}

#[test]
#[ignore = "needs smpclient"]
fn power_cuts_end_with_the_uploaded_image_in_standby() {
    // In the middle of the upload, in the entry that decides, in the middle of the heal.
    cuts(Mode::Standby, |upload, heal| {
        [upload / 2, upload - 1, upload + heal / 2]
    });
}

#[test]
#[ignore = "needs smpclient"]
fn power_cuts_end_with_the_uploaded_image_in_swap() {
    // In the entry that begins the upload, in the second copy of the one that decides, and in the
    // one that ends the heal.
    cuts(Mode::Swap, |upload, heal| [1, upload, upload + heal]);
}
