//! What the world around a device may do to it.
// A11, A44, C56, D14

use crate::harness::{Device, PATIENCE, config};
use otaru_board_host::chip::{self, ChipError};
use otaru_board_host::control::{
    Client, ControlError, CpuState, EventKind, Moment, RefusalCode, list_devices,
};
use otaru_flash::Flash;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;

#[test]
fn second_chip_in_a_folder_is_refused() {
    let device = Device::start("idle");
    let error = chip::run(&config(device.dir(), "idle"), |_| {}).expect_err("in use");
    assert!(matches!(error, ChipError::InUse(_)), "{error}");
    device.client().status().expect("the first one still runs");
}

#[test]
fn folder_without_device_says_what_to_do() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let error = Client::connect(folder.path()).expect_err("nobody there");
    assert!(matches!(error, ControlError::NotRunning { .. }));
    assert!(error.to_string().contains("otaru device run"), "{error}");
    let mut unmade = config(folder.path(), "idle");
    unmade.geometry = None;
    let error = chip::run(&unmade, |_| {}).expect_err("no geometry");
    assert!(matches!(error, ChipError::NoDevice(_)), "{error}");
}

#[test]
fn device_is_remembered_and_listed() {
    let root = tempfile::tempdir().expect("temporary folder");
    let mut device = Device::run(config(&root.path().join("kitchen"), "idle"));
    let list = list_devices(root.path()).expect("list");
    assert_eq!(list.len(), 1);
    assert_eq!((list[0].name.as_str(), list[0].running), ("kitchen", true));
    device.console().wait("boot=1");
    device.stop();
    assert!(!list_devices(root.path()).expect("list")[0].running);
    let mut again = device.config.clone();
    again.geometry = None;
    let device = Device::run(again);
    device.console().wait("idle boot=2 cause=power-on");
    let mut other = device.config.clone();
    let mut geometry = crate::harness::geometry();
    geometry.flash_len *= 2;
    other.geometry = Some(geometry);
    drop(device);
    let error = chip::run(&other, |_| {}).expect_err("another board");
    assert!(
        error.to_string().contains("flash.bin has 8388608 bytes"),
        "{error}"
    );
}

#[test]
fn malformed_control_input_is_answered_and_harmless() {
    let device = Device::start("idle");
    let path = device.dir().join("control.sock");
    let mut stream = UnixStream::connect(&path).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("time-out");
    let lines: [&[u8]; 8] = [
        b"nonsense\n",
        b"\xff\xfe\n",
        b"{}\n",
        b"{\"op\":\"explode\"}\n",
        b"{\"op\":\"reset\",\"at_opration\":3}\n",
        b"{\"op\":\"reset\",\"torn\":true}\n",
        b"{\"op\":\"power-cut\",\"at_operation\":0}\n",
        b"{\"op\":\"program\",\"offset\":0,\"len\":3}\nabc",
    ];
    let mut reader = BufReader::new(stream.try_clone().expect("clone"));
    for line in lines {
        stream.write_all(line).expect("write");
        let mut answer = String::new();
        reader.read_line(&mut answer).expect("an answer");
        assert!(answer.starts_with("{\"ok\":false"), "{line:?}: {answer}");
    }
    // Half a request at a time still works on the same connection.
    stream.write_all(b"{\"op\":").expect("write");
    stream.write_all(b"\"status\"}\n").expect("write");
    let mut answer = String::new();
    reader.read_line(&mut answer).expect("an answer");
    assert!(answer.starts_with("{\"ok\":true"), "{answer}");
    // Endless lines and frames end the connection, not the chip.
    for start in [
        &b""[..],
        b"{\"op\":\"program\",\"offset\":0,\"len\":4000000000}\n",
    ] {
        let mut stream = UnixStream::connect(&path).expect("connect");
        stream.write_all(start).expect("write");
        let mut sent = 0;
        while sent < 64 << 20 && stream.write_all(&[b'x'; 4096]).is_ok() {
            sent += 4096;
        }
        assert!(sent < 64 << 20, "the chip took everything");
    }
    assert_eq!(device.client().status().expect("status").boots, 1);
}

#[test]
fn client_that_only_sends_gets_its_answer() {
    let device = Device::start("idle");
    let mut stream = UnixStream::connect(device.dir().join("control.sock")).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("time-out");
    stream.write_all(b"{\"op\":\"status\"}\n").expect("write");
    stream
        .shutdown(std::net::Shutdown::Write)
        .expect("half close");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("an answer and the end");
    assert!(answer.starts_with("{\"ok\":true"), "{answer}");
}

#[test]
fn probe_is_exclusive_and_ends_with_its_connection() {
    let device = Device::start("idle");
    device.console().wait("boot=1");
    let mut events = device.events();
    let mut first = device.client();
    let mut second = device.client();
    let mut probe = first.hold().expect("hold");
    assert_eq!(second.status().expect("status").state, CpuState::Held);
    assert_eq!(
        second.hold().expect_err("held").refusal(),
        Some(RefusalCode::Busy)
    );
    assert_eq!(
        second.reset(Moment::default()).expect_err("held").refusal(),
        Some(RefusalCode::Held)
    );
    let big: Vec<u8> = (0..=255).cycle().take(0x20_0000).collect();
    probe.program(0x1_0000, &big).expect("program 2 MiB");
    let mut back = vec![0; big.len()];
    probe.read(0x1_0000, &mut back).expect("read 2 MiB");
    assert!(back == big);
    // As if the process that holds it were killed: the connection just ends.
    std::mem::forget(probe);
    drop(first);
    events.wait(|kind| *kind == EventKind::Released);
    device.console().wait("idle boot=2 cause=button");
}

#[test]
fn slow_reader_does_not_hold_up_the_device() {
    let device = Device::start("spam");
    let slow = Client::console(device.dir()).expect("console");
    let mut fast = device.console();
    // Far more than the history and every buffer in between.
    let mut client = device.client();
    let mut read = 0;
    let mut block = [0; 4096];
    let mut quick = Client::console(device.dir()).expect("console");
    while read < 8 << 20 {
        read += quick.read(&mut block).expect("the device prints on");
    }
    client.status().expect("status");
    fast.wait("spam");
    let mut slow = crate::harness::Console::new(slow);
    let notice = slow.wait("bytes dropped");
    assert!(notice.starts_with("… "), "{notice}");
}

#[test]
fn network_can_be_taken_away() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let port = listener.local_addr().expect("address").port();
    let device = Device::start(&format!("net {port}"));
    let (mut socket, _) = listener.accept().expect("the firmware connects");
    socket.write_all(b"hello").expect("write");
    let mut console = device.console();
    console.wait("net online=true");
    console.wait("net got hello");
    let mut client = device.client();
    client.set_online(false).expect("offline");
    // The read that waited fails, and so does a new connection.
    console.wait("net read: the network is off");
    console.wait("net connect: the network is off");
    client.set_online(true).expect("online");
    console.forget();
    client.reset(Moment::default()).expect("reset");
    console.wait("net online=true");
}

#[test]
fn terminal_shows_the_console() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut with_pty = config(folder.path(), "idle");
    with_pty.pty = true;
    let device = Device::run(with_pty);
    let path = device
        .client()
        .status()
        .expect("status")
        .pty
        .expect("a terminal");
    let mut terminal = BufReader::new(std::fs::File::open(path).expect("open"));
    let mut line = String::new();
    terminal.read_line(&mut line).expect("a line");
    assert_eq!(line, "idle boot=1 cause=power-on\n");
}

#[test]
fn device_in_a_deep_folder_works() {
    let root = tempfile::tempdir().expect("temporary folder");
    let dir = root.path().join("d".repeat(120)).join("e".repeat(120));
    let device = Device::run(config(&dir, "idle"));
    device.console().wait("idle boot=1");
}

#[test]
fn firmware_started_by_hand_says_what_it_is() {
    let output = std::process::Command::new(crate::harness::program())
        .arg("idle")
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("firmware for the host board"), "{text}");
    assert_eq!(output.status.code(), Some(2));
}
