//! Whole boots: the shipped bootloader in a real CPU process, and real images that it executes.
// A9, A24–A33, A49–A51, A58, requirements table 4.0

use crate::harness::{Console, Device, FIRMWARE, at_operation, config};
use otaru_board_host::chip::{Geometry, NamedArea};
use otaru_board_host::control::{EventKind, Moment};
use otaru_flash::{Area, DEVICE_BLOCK_LEN, DeviceBlock, Flash, Key, Layout, Mode, Slot};
use otaru_image::{BoardIds, ImageBuilder, SigningKey, Uuid, Version};
use otaru_record::{Download, Image, Journal, State};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const CHUNK: u32 = 0x4000;
const SLOT: u32 = 0x50_0000;
pub(crate) const EXECUTION: u32 = 0x8_0000;
pub(crate) const VENDOR: [u8; 16] = [1; 16];
pub(crate) const CLASS: [u8; 16] = [2; 16];

pub(crate) fn layout(mode: Mode) -> Layout {
    let storage = EXECUTION + SLOT;
    Layout {
        flash_len: 0x100_0000,
        write_unit: 8,
        erased: 0xFF,
        overwrite: false,
        mode,
        chunk_len: CHUNK,
        device_block: Area::new(0, 0x1000, 0x1000),
        identity: Area::new(0x1000, 0x2000, 0x1000),
        record: Area::new(0x2_0000, 0x4_0000, 0x1000),
        execution: Area::new(EXECUTION, SLOT, 0x1000),
        storage: match mode {
            Mode::Standby => [
                Area::new(storage, SLOT, 0x1000),
                Area::new(storage + SLOT, SLOT, 0x1000),
            ],
            Mode::Swap => [Area::new(storage, SLOT + CHUNK, 0x1000), Area::default()],
        },
    }
}

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed([9; 32])
}

/// An image of the test program; the minor version and what follows the program differ.
fn image(minor: u8) -> Vec<u8> {
    let mut payload = FIRMWARE.clone();
    payload.extend((0..300_000_u32).map(|n| (n >> 3).to_le_bytes()[0] ^ minor.wrapping_mul(77)));
    let version = Version {
        major: 1,
        minor,
        ..Version::default()
    };
    ImageBuilder::new(payload, version)
        .header_len(512)
        .security_counter(1)
        .board(BoardIds {
            vid: Uuid(VENDOR),
            cid: Uuid(CLASS),
        })
        .sign(&key())
        .expect("the image can be built")
}

pub(crate) static OLD: LazyLock<Vec<u8>> = LazyLock::new(|| image(0));
pub(crate) static NEW: LazyLock<Vec<u8>> = LazyLock::new(|| image(1));

pub(crate) fn described(bytes: &[u8]) -> Image {
    Image {
        len: u32::try_from(bytes.len()).expect("small"),
        digest: Sha256::digest(bytes).into(),
    }
}

fn write(flash: &mut impl Flash, at: u32, bytes: &[u8]) {
    let mut padded = bytes.to_vec();
    padded.resize(padded.len().next_multiple_of(8), 0xFF);
    flash.program(at, &padded).expect("program");
}

/// A device that was flashed by cable with version 1.0, switched off. Its firmwares do what
/// `script` says.
fn factory(mode: Mode, script: &str) -> Device {
    factory_with(mode, script, false)
}

/// The same, and whether its console is a terminal as well.
pub(crate) fn factory_with(mode: Mode, script: &str, pty: bool) -> Device {
    factory_of(mode, script, pty, &OLD)
}

/// The same, flashed with this image.
pub(crate) fn factory_of(mode: Mode, script: &str, pty: bool, old: &[u8]) -> Device {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut config = config(folder.path(), "cpu");
    let layout = layout(mode);
    let mut geometry = Geometry::of_layout(&layout);
    geometry.areas.push(NamedArea {
        name: "script".to_owned(),
        offset: 0xF000,
        len: 0x1000,
        erase_len: 0x1000,
    });
    config.geometry = Some(geometry);
    config.power = false;
    config.pty = pty;
    let device = Device::run_in(config, Some(folder));
    let mut client = device.client();
    let mut probe = client.hold().expect("hold");
    let key = Key {
        public: key().public().to_bytes(),
        kind: otaru_flash::KeyKind::Ed25519,
        development: true,
    };
    let mut block = DeviceBlock::new("host", layout, &[key]).expect("valid");
    block.vendor_id = VENDOR;
    block.class_id = CLASS;
    block.watchdog_ms = 3000;
    let block = block.encode().expect("valid");
    write(&mut probe, 0, &block);
    write(&mut probe, EXECUTION, old);
    write(&mut probe, 0xF000, script.as_bytes());
    record(&mut probe, &layout, &State::factory(described(old), 0));
    probe.release().expect("release");
    device
}

pub(crate) fn record(flash: &mut impl Flash, layout: &Layout, state: &State) {
    let area = layout.record;
    flash.erase(area.offset, area.len).expect("erase");
    let geometry = otaru_record::Geometry::new(layout).expect("large enough");
    Journal::create(flash, geometry, state).expect("create");
}

/// Writes what an agent would have written: version 1.1 parked, its install requested.
fn request_update(device: &Device, mode: Mode) {
    request_update_of(device, mode, (&OLD, &NEW));
}

/// The same with these images, the old and the new one.
pub(crate) fn request_update_of(device: &Device, mode: Mode, (old, new): (&[u8], &[u8])) {
    let layout = layout(mode);
    let mut client = device.client();
    let mut probe = client.hold().expect("hold");
    let mut state = State::factory(described(old), 0);
    let slot = match mode {
        Mode::Standby => {
            write(&mut probe, layout.storage[0].offset, old);
            state = state.backed_up(Slot::Storage0).expect("idle");
            Slot::Storage1
        }
        Mode::Swap => Slot::Storage0,
    };
    let download = Download {
        attempt: 42,
        image: described(new),
        deadline_s: 300,
        trials: 1,
    };
    // In mode `swap` the new image begins one chunk into the secondary slot.
    let skip = if mode == Mode::Swap { CHUNK } else { 0 };
    write(&mut probe, layout.slot(slot).offset + skip, new);
    let state = state
        .receiving(mode, &download)
        .and_then(|state| state.parked())
        .and_then(|state| state.requested())
        .expect("in order");
    record(&mut probe, &layout, &state);
    probe.release().expect("release");
}

pub(crate) fn read(device: &Device, at: u32, len: usize) -> Vec<u8> {
    let mut client = device.client();
    let mut probe = client.hold().expect("hold");
    let mut bytes = vec![0; len];
    probe.read(at, &mut bytes).expect("read");
    bytes
}

pub(crate) fn power_on(device: &Device) -> Console {
    let console = device.console();
    device.client().power_on().expect("power");
    console
}

#[test]
fn device_flashed_by_cable_starts_its_image() {
    let device = factory(Mode::Standby, "idle");
    let mut console = power_on(&device);
    console.wait(":: Otaru bootloader");
    console.wait(":: started by power-on");
    console.wait(":: board host, mode standby");
    console.wait(":: starting");
    console.wait("idle boot=1 cause=power-on");
    console.wait("firmware 1.0");
    let watchdog = device.client().status().expect("status").watchdog;
    assert_eq!(watchdog.expect("armed").timeout_ms, 3000);
}

#[test]
fn device_without_block_waits_in_recovery() {
    let device = factory(Mode::Standby, "idle");
    device.client().corrupt(100, 1).expect("corrupt");
    let mut console = power_on(&device);
    console.wait(":: nothing to start: no valid device block");
    console.wait(":: recovery: waiting for a debug probe");
    assert_eq!(read(&device, 0, DEVICE_BLOCK_LEN).len(), 512);
}

#[test]
fn requested_update_is_installed_tried_and_confirmed() {
    for mode in [Mode::Standby, Mode::Swap] {
        let device = factory(mode, "confirm");
        request_update(&device, mode);
        let mut console = power_on(&device);
        console.wait(":: requested: ");
        console.wait(":: installing: ");
        console.wait(", 100 %");
        console.wait(":: starting on trial, start 1 of 1");
        console.wait("firmware 1.1");
        console.wait("confirmed by 0.1.0");
        console.forget();
        device.client().reset(Moment::default()).expect("reset");
        console.wait(":: idle: image");
        console.wait("firmware 1.1");
        assert!(read(&device, EXECUTION, NEW.len()) == *NEW, "{mode:?}");
    }
}

/// Runs the update with a firmware that fails on trial; the lines of the last boot.
fn failing_update(script: &str, fail: impl Fn(&Device)) -> Console {
    let device = factory(Mode::Swap, script);
    request_update(&device, Mode::Swap);
    let mut console = power_on(&device);
    console.wait("firmware 1.1");
    fail(&device);
    console.wait(":: reverting: ");
    console.wait("firmware 1.0");
    assert!(read(&device, EXECUTION, OLD.len()) == *OLD);
    console
}

#[test]
fn reset_on_trial_brings_the_old_firmware_back() {
    let mut console = failing_update("idle", |device| {
        device.client().reset(Moment::default()).expect("reset");
    });
    console.wait(":: update ended: trial-reset");
}

#[test]
fn power_cut_on_trial_brings_the_old_firmware_back() {
    let mut console = failing_update("idle", |device| {
        let moment = Moment {
            off_ms: Some(1),
            ..Moment::default()
        };
        device.client().power_cut(moment).expect("cut");
    });
    console.wait(":: update ended: trial-reset");
}

#[test]
fn hang_on_trial_meets_the_watchdog_and_brings_the_old_firmware_back() {
    let mut console = failing_update("hang", |_device| {});
    console.wait(":: update ended: trial-watchdog");
}

#[test]
fn crash_on_trial_brings_the_old_firmware_back() {
    // The old firmware aborts as well; it has been started by then.
    let mut console = failing_update("abort", |_device| {});
    console.wait(":: update ended: trial-crash");
}

#[test]
fn damaged_execution_slot_is_restored_from_its_copy() {
    let device = factory(Mode::Standby, "idle");
    request_update(&device, Mode::Standby);
    let layout = layout(Mode::Standby);
    let mut client = device.client();
    let mut probe = client.hold().expect("hold");
    let state = State::factory(described(&OLD), 0);
    record(
        &mut probe,
        &layout,
        &state.backed_up(Slot::Storage0).expect("idle"),
    );
    probe.release().expect("release");
    client.corrupt(EXECUTION + 100_000, 4).expect("corrupt");
    let mut console = power_on(&device);
    console.wait("restoring it from its backup");
    console.wait("firmware 1.0");
    assert!(read(&device, EXECUTION, OLD.len()) == *OLD);
}

/// Cuts the power of an update or resets it, again and again, mostly torn, at operations that
/// follow from `seed`, until a firmware runs to its end; the number of cuts.
///
/// Whatever happens, the execution slot then holds exactly the old or exactly the new image, and
/// that image is the one that runs.
fn cut_through_update(mode: Mode, seed: u64) -> u32 {
    let device = factory(mode, "confirm exit");
    request_update(&device, mode);
    let mut client = device.client();
    let mut events = device.events();
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = |end: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % end
    };
    client.power_on().expect("power");
    let mut cuts = 0;
    loop {
        assert!(cuts < 500, "{mode:?} seed {seed}: the update does not end");
        let moment = Moment {
            torn: next(4) > 0,
            seed: Some(next(u64::MAX)),
            ..at_operation(1 + next(14))
        };
        let power = next(2) == 0;
        let armed = if power {
            client.power_cut(Moment {
                off_ms: Some(0),
                ..moment
            })
        } else {
            client.reset(moment)
        };
        armed.expect("arm");
        let event = events.wait(|kind| {
            matches!(
                kind,
                EventKind::OperationReached { .. } | EventKind::Exited { .. }
            )
        });
        if matches!(event, EventKind::Exited { .. }) {
            break;
        }
        cuts += 1;
    }
    client.clear_faults().expect("clear");
    let layout = layout(mode);
    let mut probe = client.hold().expect("hold");
    let state = *Journal::load(&mut probe, &layout)
        .expect("a record")
        .state();
    let (expected, minor) = if state.current() == described(&NEW) {
        (&*NEW, 1)
    } else {
        (&*OLD, 0)
    };
    let mut slot = vec![0; expected.len()];
    probe.read(EXECUTION, &mut slot).expect("read");
    probe.release().expect("release");
    assert!(slot == *expected, "{mode:?} seed {seed}: the slot is mixed");
    let mut console = device.console();
    console.wait(&format!("firmware 1.{minor}"));
    cuts
}

#[test]
fn cuts_and_resets_at_random_operations_never_lose_an_image() {
    // A10, A27, A28, A50
    let first = std::env::var("OTARU_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let updates = std::env::var("OTARU_UPDATES")
        .ok()
        .and_then(|n| n.parse().ok());
    let first: u64 = first.unwrap_or(1);
    let mut cuts = 0;
    for seed in first..first + updates.unwrap_or(3) {
        println!("OTARU_SEED={seed}");
        for mode in [Mode::Standby, Mode::Swap] {
            cuts += cut_through_update(mode, seed);
        }
    }
    println!("{cuts} cuts");
    assert!(cuts > 20, "only {cuts} cuts");
}
