//! Rules of NOR flash, and what cuts leave behind.
// A10, B47, B52, B54, D14

use crate::harness::{Device, at_operation, config};
use otaru_board_host::chip::{BadAccess, BadRange};
use otaru_board_host::control::{EventKind, Moment, RefusalCode};
use otaru_flash::Flash;
use std::collections::BTreeSet;

#[test]
fn flash_obeys_the_rules_of_nor() {
    let device = Device::start("rules");
    let mut console = device.console();
    console.wait("rules done");
    let lines: Vec<&str> = console.text.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "outside read Ok(())",
            "outside program Ok(())",
            "outside erase Ok(())",
            "between areas Err(OutOfBounds)",
            "across areas Ok(())",
            "unaligned program Err(Unaligned)",
            "short program Err(Unaligned)",
            "empty program Ok(())",
            "unaligned erase Err(Unaligned)",
            "first program Ok(())",
            "same again Err(NotErased)",
            "fewer bits Err(NotErased)",
            "blank twice Ok(())",
            "blank again Err(NotErased)",
            "content [f0, f0, f0, f0, f0, f0, f0, f0, f0, f0, f0, f0, f0, f0, f0, f0]",
            "erase Ok(())",
            "erased [ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff]",
            "after erase Ok(())",
            "rules done",
        ]
    );
    let status = device.client().status().expect("status");
    let first = status.flash.areas.first().expect("an area");
    assert_eq!(
        (first.total.erases, first.total.programs, first.total.bytes),
        (2, 3, 32)
    );
}

#[test]
fn reset_at_an_operation_leaves_everything_before_it() {
    let device = Device::start_off("count");
    let mut client = device.client();
    // Operation 1 erases, 2 to 512 program units 0 to 510, 513 would program unit 511.
    client.power_cut(at_operation(513)).expect("arm");
    assert!(client.status().expect("status").pending.is_some());
    let mut events = device.events();
    client.power_on().expect("power");
    events.wait(|kind| *kind == EventKind::OperationReached { torn: false });
    events.wait(|kind| *kind == EventKind::PowerOff { cut: true });
    let mut probe = client.hold().expect("hold");
    let mut units = vec![0; 4096];
    probe.read(0, &mut units).expect("read");
    for (index, unit) in units.chunks(8).enumerate() {
        let expected = if index == 511 { u64::MAX } else { index as u64 };
        assert_eq!(unit, expected.to_le_bytes(), "unit {index}");
    }
    assert_eq!(
        probe.program(0, &[0; 8]).expect_err("not erased").refusal(),
        Some(RefusalCode::NotErased)
    );
    probe.release().expect("release");
    assert_eq!(client.status().expect("status").pending, None);
}

/// Number of one bits that each of a few boots reads in a sector whose programming was torn.
fn ones_after_tear(seed: u64) -> Vec<u64> {
    let device = Device::start_off("torn");
    let mut client = device.client();
    let moment = Moment {
        torn: true,
        seed: Some(seed),
        ..at_operation(1)
    };
    client.power_cut(moment).expect("arm");
    let mut events = device.events();
    client.power_on().expect("power");
    events.wait(|kind| *kind == EventKind::OperationReached { torn: true });
    events.wait(|kind| *kind == EventKind::PowerOff { cut: true });
    client.power_on().expect("power");
    let mut seen = Vec::new();
    for boot in 2..8 {
        let mut console = device.console();
        console.wait(&format!("boot={boot} "));
        let from = console.text.rfind("boot=").expect("just seen");
        let mut text = console.text.split_off(from);
        std::mem::swap(&mut text, &mut console.text);
        let line = console.wait("torn ones=");
        let (ones, again) = line
            .strip_prefix("torn ones=")
            .and_then(|line| line.split_once(" again="))
            .expect("a result");
        // Whatever it reads as, the first unit was programmed if it was touched at all.
        assert!(matches!(again, "Err(NotErased)" | "Ok(())"), "{again}");
        seen.push(ones.parse().expect("a number"));
        client.reset(Moment::default()).expect("reset");
    }
    seen
}

#[test]
fn torn_bits_read_differently_at_each_boot() {
    let mut distinct = BTreeSet::new();
    let mut changed = 0;
    for seed in 0..8 {
        let seen = ones_after_tear(seed);
        changed += u32::from(seen.windows(2).any(|pair| pair[0] != pair[1]));
        distinct.extend(seen);
    }
    assert!(
        changed >= 6,
        "only {changed} of 8 tears changed between boots"
    );
    assert!(distinct.len() > 10, "{distinct:?}");
}

#[test]
fn erasing_settles_undecided_bits_and_the_chip_remembers_them() {
    let mut device = Device::start_off("count");
    let mut client = device.client();
    let moment = Moment {
        torn: true,
        seed: Some(3),
        ..at_operation(1)
    };
    client.power_cut(moment).expect("arm");
    let mut events = device.events();
    client.power_on().expect("power");
    events.wait(|kind| *kind == EventKind::PowerOff { cut: true });
    let unstable = client.status().expect("status").unstable_bytes;
    let before = std::fs::read(device.dir().join("flash.bin")).expect("flash");
    device.stop();
    // Another chip on the same folder goes on where the first ended.
    let mut again = config(device.dir(), "idle");
    again.power = false;
    let device = Device::run(again);
    let mut client = device.client();
    assert_eq!(client.status().expect("status").unstable_bytes, unstable);
    assert_eq!(
        std::fs::read(device.dir().join("flash.bin")).expect("flash"),
        before
    );
    let mut probe = client.hold().expect("hold");
    probe.erase(0, 0x4000).expect("erase");
    probe.program(0, &[0xA5; 64]).expect("program");
    probe.release().expect("release");
    assert_eq!(client.status().expect("status").unstable_bytes, 0);
    let flash = std::fs::read(device.dir().join("flash.bin")).expect("flash");
    assert_eq!(flash.len(), 0x80_0000);
    assert!(flash[..64].iter().all(|&byte| byte == 0xA5));
    assert!(flash[64..0x4000].iter().all(|&byte| byte == 0xFF));
}

#[test]
fn corrupted_and_failing_flash() {
    let device = Device::start("idle");
    let mut client = device.client();
    client.corrupt(0x1_0000, 0x81).expect("corrupt");
    assert_eq!(
        client.corrupt(0x80_0000, 1).expect_err("outside").refusal(),
        Some(RefusalCode::OutOfBounds)
    );
    let range = |access, until_erased| BadRange {
        offset: 0x4100,
        len: 8,
        access,
        until_erased,
    };
    client
        .bad_range(range(BadAccess::Read, true))
        .expect("bad range");
    let mut probe = client.hold().expect("hold");
    let mut buf = [0; 16];
    probe.read(0x1_0000, &mut buf).expect("read");
    assert_eq!(buf[..2], [0x7E, 0xFF]);
    probe.read(0x40F0, &mut buf).expect("read before the range");
    assert_eq!(
        probe.read(0x40F8, &mut buf).expect_err("bad").refusal(),
        Some(RefusalCode::FlashFailed)
    );
    probe.erase(0x4000, 0x1000).expect("erase heals");
    probe.read(0x40F8, &mut buf).expect("read");
    probe.release().expect("release");
    client
        .bad_range(range(BadAccess::Write, false))
        .expect("bad range");
    let mut probe = client.hold().expect("hold");
    assert_eq!(
        probe.erase(0x4000, 0x1000).expect_err("worn out").refusal(),
        Some(RefusalCode::FlashFailed)
    );
    probe.release().expect("release");
    client.clear_faults().expect("clear");
    let mut probe = client.hold().expect("hold");
    probe.erase(0x4000, 0x1000).expect("erase");
}
