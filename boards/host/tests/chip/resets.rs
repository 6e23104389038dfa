//! Resets of every cause, and what survives them.
// A24, A44, A50, A55, C16

use crate::harness::{Device, FIRMWARE};
use otaru_board_host::ResetCause;
use otaru_board_host::control::{CpuState, EventKind, Moment, RefusalCode};
use otaru_flash::Flash;

fn started(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Started { .. })
}

#[test]
fn reset_keeps_retained_ram_and_a_power_cut_loses_it() {
    let device = Device::start("retained");
    let mut console = device.console();
    let mut client = device.client();
    assert_eq!(console.wait("kept="), "retained kept=false");
    for boot in 2..5 {
        console.forget();
        client.reset(Moment::default()).expect("reset");
        assert_eq!(
            console.wait("boot="),
            format!("retained boot={boot} cause=button")
        );
        assert_eq!(console.wait("kept="), "retained kept=true");
    }
    console.forget();
    client.power_cut(Moment::default()).expect("cut");
    let status = client.status().expect("status");
    assert_eq!((status.power, status.state), (false, CpuState::Off));
    assert_eq!(status.cpu_pid, None);
    let refused = client.reset(Moment::default()).expect_err("no power");
    assert_eq!(refused.refusal(), Some(RefusalCode::Off));
    client.power_on().expect("power");
    assert_eq!(console.wait("boot="), "retained boot=5 cause=power-cut");
    assert_eq!(console.wait("kept="), "retained kept=false");
}

#[test]
fn power_comes_back_by_itself_when_asked_to() {
    let device = Device::start("idle");
    let mut events = device.events();
    let mut console = device.console();
    console.wait("idle boot=1 cause=power-on");
    let moment = Moment {
        off_ms: Some(20),
        after_ms: Some(1),
        ..Moment::default()
    };
    device.client().power_cut(moment).expect("cut");
    events.wait(|kind| *kind == EventKind::PowerOff { cut: true });
    events.wait(|kind| *kind == EventKind::PowerOn);
    console.wait("idle boot=2 cause=power-cut");
}

#[test]
fn watchdog_resets_a_cpu_that_hangs() {
    let device = Device::start("watchdog");
    let mut console = device.console();
    console.wait("watchdog off=Err(BadRequest)");
    console.wait("watchdog fed");
    console.wait("watchdog boot=2 cause=watchdog");
    // Not armed any more: a reset stops it.
    console.wait("watchdog after=0");
    assert_eq!(device.client().status().expect("status").watchdog, None);
}

#[test]
fn crash_on_request_is_one_like_any_other_even_of_a_frozen_program() {
    let device = Device::start("idle");
    let mut client = device.client();
    let mut console = device.console();
    console.wait("idle boot=1");
    client.crash().expect("crash");
    console.wait("idle boot=2 cause=crash");
    let status = client.status().expect("status");
    assert!(
        status
            .last_exit
            .as_deref()
            .is_some_and(|exit| exit.contains("signal: 6")),
        "{status:?}"
    );
    client.freeze().expect("freeze");
    client.crash().expect("crash");
    console.wait("idle boot=3 cause=crash");
    client.power_cut(Moment::default()).expect("cut");
    let refused = client.crash().expect_err("no power");
    assert_eq!(refused.refusal(), Some(RefusalCode::Off));
}

#[test]
fn frozen_cpu_meets_the_watchdog() {
    let device = Device::start("idle");
    let mut events = device.events();
    let mut client = device.client();
    device.console().wait("idle boot=1");
    client.freeze().expect("freeze");
    assert_eq!(client.status().expect("status").state, CpuState::Frozen);
    // Without a watchdog only the button helps.
    client.reset(Moment::default()).expect("reset");
    events.wait(started);
    device.console().wait("idle boot=2 cause=button");
}

#[test]
fn program_that_ends_is_started_again_as_a_crash() {
    let device = Device::start("exit");
    let mut events = device.events();
    for _ in 0..20 {
        let exited = events.wait(|kind| matches!(kind, EventKind::Exited { .. }));
        let EventKind::Exited { status } = exited else {
            unreachable!("waited for it")
        };
        assert_eq!(status, "exit status: 3");
    }
    let status = device.client().status().expect("status");
    assert_eq!(status.reset_cause, ResetCause::Crash);
    assert_eq!(status.last_exit.as_deref(), Some("exit status: 3"));
}

#[test]
fn panic_text_survives_the_crash() {
    let device = Device::start("panic");
    let mut console = device.console();
    console.wait("on purpose");
    console.wait("panic boot=2 cause=crash");
    console.wait("kept panic: panicked");
}

#[test]
fn software_reset_is_told_apart() {
    let device = Device::start("reset");
    device.console().wait("reset boot=2 cause=software");
}

#[test]
fn program_that_closes_its_wire_is_ended() {
    let device = Device::start("close");
    let mut events = device.events();
    events.wait(
        |kind| matches!(kind, EventKind::Exited { status } if status.contains("closed its wire")),
    );
}

#[test]
fn missing_cpu_program_is_an_event_and_not_the_end() {
    let mut device = Device::start_off("idle");
    device.stop();
    let mut config = device.config.clone();
    config.cpu.program = "/nonexistent/cpu".into();
    config.power = true;
    let again = Device::run(config);
    let mut events = again.events();
    events.wait(
        |kind| matches!(kind, EventKind::Exited { status } if status.contains("cannot start")),
    );
    let status = again.client().status().expect("status");
    assert_eq!(status.state, CpuState::Restarting);
}

#[test]
fn interrupted_line_is_ended_and_history_comes_first() {
    let device = Device::start("partial");
    device.console().wait("boot=1");
    let mut client = device.client();
    let mut console = device.console();
    // The program has printed it once the chip knows the bytes.
    while !console.text.contains("no end") {
        client.reset(Moment::default()).expect("reset");
        console.forget();
        console.wait("boot=");
    }
    let mut late = device.console();
    let first = late.wait("boot=1");
    assert_eq!(first, "partial boot=1 cause=power-on");
    let log = std::fs::read_to_string(device.dir().join("console.log")).expect("log");
    assert!(
        log.contains("partial boot=1") && !log.contains("no endpartial"),
        "{log}"
    );
}

#[test]
fn image_in_flash_replaces_the_boot_program() {
    let device = Device::start_off("boot");
    let mut client = device.client();
    let image = FIRMWARE.clone();
    let mut script = [0xFF; 24];
    script[..8].copy_from_slice(b"retained");
    script[16..20].copy_from_slice(&u32::try_from(image.len()).expect("small").to_le_bytes());
    let mut padded = image;
    padded.resize(padded.len().next_multiple_of(8), 0xFF);
    let mut probe = client.hold().expect("hold");
    probe.program(0xF000, &script).expect("program");
    probe.program(0x1_0000, &padded).expect("program");
    probe.release().expect("release");
    client.power_on().expect("power");
    let mut console = device.console();
    console.wait("boot boot=1 cause=power-on");
    console.wait("retained boot=1 cause=power-on");
    console.wait("retained kept=false");
    client.reset(Moment::default()).expect("reset");
    console.wait("retained kept=true");
}

#[test]
fn what_is_no_executable_is_not_executed() {
    let device = Device::start_off("boot");
    let mut client = device.client();
    let mut script = [0xFF; 24];
    script[16..20].copy_from_slice(&100_u32.to_le_bytes());
    let mut probe = client.hold().expect("hold");
    probe.program(0xF000, &script).expect("program");
    probe.release().expect("release");
    client.power_on().expect("power");
    device
        .console()
        .wait("not executed: the payload is not an executable");
}
