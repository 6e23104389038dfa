//! Layouts as data, and the stored bytes of layout, record and handover.
// B7 B9 B10 B42

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use otaru_flash::{Area, Flash};
use otaru_record::{Cause, Volatile};
use otaru_slots::presets::{self, Preset};
use otaru_slots::{
    Config, LAYOUT_BLOCK_LEN, LayoutBlockError, LayoutKind, RecordPlace, SlotArea, SlotKind,
    SlotLayout, SlotLayoutError, SlotName, SlotOutcome, SlotPhase, SlotRecord, SlotSet, SlotState,
    VOLATILE_LEN,
};
use proptest::prelude::*;
use std::fmt::Write as _;

/// A flash without limits; `tests/fota` of the runtime has one with all of them.
struct Ram(Vec<u8>);

impl Flash for Ram {
    type Error = &'static str;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Self::Error> {
        let start = offset as usize;
        buf.copy_from_slice(self.0.get(start..start + buf.len()).ok_or("outside")?);
        Ok(())
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), Self::Error> {
        for (at, byte) in (offset as usize..).zip(data) {
            self.0[at] &= byte;
        }
        Ok(())
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), Self::Error> {
        self.0[offset as usize..(offset + len) as usize].fill(0xFF);
        Ok(())
    }
}

fn preset(name: &str) -> SlotLayout {
    presets::find(name).expect("it is in the list").layout
}

#[test]
fn every_preset_works() {
    // B10
    for Preset { name, layout } in presets::ALL {
        assert_eq!(layout.check(), Ok(()), "{name}");
        let block = layout.encode().unwrap();
        assert_eq!(SlotLayout::decode(&block), Ok(*layout), "{name}");
    }
    let names: Vec<&str> = presets::ALL.iter().map(|preset| preset.name).collect();
    let expected = [
        "esp32",
        "esp32-ble",
        "az3166",
        "nucleo-f746zg",
        "photon",
        "hexiwear",
        "nrf52-nano2",
        "mkr1000",
        "arduino-due",
        "esp8266",
    ];
    assert_eq!(names, expected);
}

#[test]
fn presets_have_both_kinds_unequal_slots_and_both_records() {
    // B5 B8 B9 B10
    let kind = |name| preset(name).kind();
    assert_eq!(kind("esp32"), LayoutKind::VmBytecode);
    assert_eq!(kind("hexiwear"), LayoutKind::Bytecode);
    let hexiwear = preset("hexiwear");
    assert_ne!(hexiwear.bytecode[0].len, hexiwear.bytecode[1].len);
    assert_eq!(preset("esp8266").record, RecordPlace::Volatile);
    let azure = preset("az3166");
    assert_eq!(azure.address(SlotName::vm(1)), Some(0x0808_0000));
    assert_eq!(hexiwear.address(SlotName::vm(1)), None);
    assert_eq!(hexiwear.count(SlotKind::Vm), 1);
}

fn refused(change: impl FnOnce(&mut SlotLayout)) -> SlotLayoutError {
    let mut layout = preset("esp32");
    change(&mut layout);
    let error = layout.check().expect_err("it cannot work");
    assert_eq!(layout.encode(), Err(error));
    error
}

#[test]
fn overlap_is_refused() {
    // B7: every pair of areas
    let mut layout = preset("esp32");
    layout.flash_len *= 2;
    for one in SlotArea::ALL {
        for other in SlotArea::ALL.into_iter().filter(|&other| other > one) {
            let mut layout = layout;
            let place = layout.area(one);
            set(&mut layout, other, |area| area.offset = place.offset);
            // A long area may reach into others too; some overlap is told in any case.
            let told = layout.check();
            assert!(
                matches!(told, Err(SlotLayoutError::Overlap(..))),
                "{one} and {other}: {told:?}"
            );
        }
    }
    let exact = refused(|layout| layout.vm[1].offset = layout.vm[0].offset + 4096);
    assert_eq!(
        exact,
        SlotLayoutError::Overlap(SlotArea::Vm0, SlotArea::Vm1)
    );
}

fn set(layout: &mut SlotLayout, name: SlotArea, change: impl FnOnce(&mut Area)) {
    let area = match name {
        SlotArea::FirstStage => &mut layout.first_stage,
        SlotArea::DeviceBlock => &mut layout.device_block,
        SlotArea::Identity => &mut layout.identity,
        SlotArea::Record => match &mut layout.record {
            RecordPlace::Flash(area) => area,
            RecordPlace::Volatile => panic!("no area"),
        },
        SlotArea::Vm0 => &mut layout.vm[0],
        SlotArea::Bytecode0 => &mut layout.bytecode[0],
        SlotArea::Vm1 => &mut layout.vm[1],
        SlotArea::Bytecode1 => &mut layout.bytecode[1],
    };
    change(area);
}

#[test]
fn misalignment_and_what_is_too_small_are_refused() {
    // B7
    for name in SlotArea::ALL {
        let unaligned = SlotLayoutError::Unaligned(name);
        let moved = refused(|layout| set(layout, name, |area| area.offset += 4));
        let shortened = refused(|layout| set(layout, name, |area| area.len -= 4));
        let no_sectors = refused(|layout| set(layout, name, |area| area.erase_len = 0));
        assert_eq!([moved, shortened, no_sectors], [unaligned; 3]);
        let outside = refused(|layout| set(layout, name, |area| area.offset = 0x7FFF_F000));
        assert_eq!(outside, SlotLayoutError::OutsideFlash(name));
    }
    for name in [SlotArea::FirstStage, SlotArea::Vm0, SlotArea::Bytecode1] {
        let empty = refused(|layout| set(layout, name, |area| area.len = 0));
        assert_eq!(empty, SlotLayoutError::Unaligned(name));
    }
    let one_sector = refused(|layout| set(layout, SlotArea::Record, |area| area.len = 4096));
    assert_eq!(one_sector, SlotLayoutError::RecordTooShort);
    assert_eq!(
        refused(|layout| layout.write_unit = 3),
        SlotLayoutError::WriteUnit
    );
    assert_eq!(
        refused(|layout| layout.erased = 1),
        SlotLayoutError::ErasedValue
    );
    assert_eq!(
        refused(|layout| layout.chunk_len = 63),
        SlotLayoutError::ChunkLen
    );
    assert_eq!(
        refused(|layout| layout.chunk_len = 513),
        SlotLayoutError::ChunkLen
    );
    assert_eq!(
        refused(|layout| layout.default.vm = 2),
        SlotLayoutError::NoSuchDefault
    );
    let address = refused(|layout| layout.flash_address = u32::MAX - 0x20_0000);
    assert!(matches!(address, SlotLayoutError::OutsideFlash(_)));
}

#[test]
fn a_layout_block_that_is_damaged_or_newer_is_refused() {
    let block = preset("esp32").encode().unwrap();
    for bit in 0..LAYOUT_BLOCK_LEN * 8 {
        let mut damaged = block;
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(SlotLayout::decode(&damaged), Err(LayoutBlockError::Invalid));
    }
    let resigned = |at: usize, value: u8| {
        let mut changed = block;
        changed[at] = value;
        let crc = otaru_flash::crc32(&changed[..124]);
        changed[124..].copy_from_slice(&crc.to_le_bytes());
        SlotLayout::decode(&changed)
    };
    assert_eq!(resigned(4, 2), Err(LayoutBlockError::Unsupported));
    assert_eq!(resigned(9, 4), Err(LayoutBlockError::Unsupported));
    let layout = LayoutBlockError::Layout(SlotLayoutError::NoSuchDefault);
    assert_eq!(resigned(14, 7), Err(layout));
}

/// A state of which every field is different from its default and from its neighbours.
fn full_state() -> SlotState {
    SlotState {
        phase: SlotPhase::Armed,
        working: Config { vm: 0, bytecode: 1 },
        candidate: Config { vm: 1, bytecode: 0 },
        proven: SlotSet::default()
            .with(SlotName::vm(0))
            .with(SlotName::bytecode(1)),
        assumed: true,
        floors: [0x0102_0304, 0x0506_0708],
        revoked: 0x1112,
        candidate_counters: [0x2122_2324, 0x2526_2728],
        candidate_revokes: 0x3132,
        candidate_images: [[0x41; 8], [0x42; 8]],
        attempt: 0x5152_5354_5556_5758,
        outcome: SlotOutcome {
            attempt: 0x6162_6364_6566_6768,
            cause: Cause::TrialWatchdog,
            config: Config { vm: 1, bytecode: 1 },
            images: [[0x71; 8], [0x72; 8]],
            reported: true,
        },
    }
}

/// Compares with a stored vector. `OTARU_WRITE_VECTORS=1` writes one that does not exist yet.
fn check_vector(name: &str, bytes: &[u8]) {
    let path = format!("{}/tests/vectors/v1/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        let end = (index + 1).is_multiple_of(16) || index + 1 == bytes.len();
        write!(text, "{byte:02x}{}", if end { "\n" } else { "" }).unwrap();
    }
    if std::env::var_os("OTARU_WRITE_VECTORS").is_some() && !std::path::Path::new(&path).exists() {
        std::fs::write(&path, &text).expect("it can be written");
    }
    let stored = std::fs::read_to_string(&path).expect("the vector is there");
    assert_eq!(text, stored, "{name} has changed: use a new version number");
}

/// A record of one entry in memory: the entry as it is stored in flash that erases to 0xFF, with
/// epoch 0 and sequence number 1, in the second copy.
fn entry_of(state: &SlotState) -> Vec<u8> {
    let layout = preset("esp8266");
    let mut flash = Ram(Vec::new());
    let mut memory = [0; VOLATILE_LEN];
    let mut record = SlotRecord::open(&mut flash, &layout, &mut memory).unwrap();
    record.append(&mut flash, state).unwrap();
    memory[VOLATILE_LEN / 2..].to_vec()
}

#[test]
fn stored_bytes_are_those_of_version_1() {
    check_vector(
        "entry-factory.hex",
        &entry_of(&SlotState::factory(Config::default())),
    );
    check_vector("entry-full.hex", &entry_of(&full_state()));
    check_vector("layout-az3166.hex", &preset("az3166").encode().unwrap());
    check_vector("layout-esp8266.hex", &preset("esp8266").encode().unwrap());
    // The first cells of a record in flash: the first entry of the half, then the state twice.
    let layout = preset("nrf52-nano2");
    let mut flash = Ram(vec![0xFF; layout.flash_len as usize]);
    let mut record = SlotRecord::open(&mut flash, &layout, &mut []).unwrap();
    record
        .append(&mut flash, &SlotState::factory(Config::default()))
        .unwrap();
    let at = layout.area(SlotArea::Record).offset as usize;
    check_vector("record-created.hex", &flash.0[at..at + 4 * 104]);
}

#[test]
fn a_full_state_reads_back() {
    let layout = preset("esp8266");
    let mut flash = Ram(Vec::new());
    let mut memory = [0xEE; VOLATILE_LEN];
    for state in [SlotState::factory(Config::default()), full_state()] {
        let mut record = SlotRecord::open(&mut flash, &layout, &mut memory).unwrap();
        record.append(&mut flash, &state).unwrap();
        let again = SlotRecord::open(&mut flash, &layout, &mut memory).unwrap();
        assert_eq!(again.state(), Some(&state));
    }
}

#[test]
fn memory_that_is_too_short_is_refused() {
    let mut memory = [0; VOLATILE_LEN - 1];
    let opened = SlotRecord::open(&mut Ram(Vec::new()), &preset("esp8266"), &mut memory);
    assert_eq!(opened.unwrap_err(), SlotLayoutError::RecordTooShort);
}

#[test]
fn a_reset_after_any_byte_of_a_write_leaves_the_former_state_or_the_new_one() {
    // B19 B42: killed at any instruction while the record in memory is written
    let len = VOLATILE_LEN / 2;
    let first = SlotState::factory(Config::default());
    let mut memory = [0x33; VOLATILE_LEN];
    let mut states = vec![first, full_state(), first.tried(), full_state().tried()];
    states.extend(states.clone());
    let mut former = None;
    for state in states {
        let before = memory;
        let mut record = Volatile::load(&mut memory, len).unwrap();
        assert_eq!(record.state().copied(), former);
        assert!(record.store(&state));
        let after = memory;
        for written in 0..=VOLATILE_LEN {
            for forwards in [true, false] {
                let mut torn = if forwards { before } else { after };
                let rest = if forwards { after } else { before };
                torn[..written].copy_from_slice(&rest[..written]);
                let seen = Volatile::<SlotState>::load(&mut torn, len).unwrap();
                let seen = seen.state().copied();
                assert!(seen == former || seen == Some(state), "{written} bytes");
            }
        }
        former = Some(state);
    }
}

proptest! {
    /// Whatever a power loss leaves in memory is no record, and never a panic.
    #[test]
    fn random_memory_is_no_record(bytes in prop::collection::vec(any::<u8>(), VOLATILE_LEN)) {
        let mut memory = bytes;
        let record = SlotRecord::open(&mut Ram(Vec::new()), &preset("esp8266"), &mut memory);
        prop_assert!(record.unwrap().state().is_none());
    }

    #[test]
    fn a_record_with_one_flipped_bit_is_lost(bit in 0..VOLATILE_LEN * 4) {
        let mut entry = entry_of(&full_state());
        entry[bit / 8] ^= 1 << (bit % 8);
        let mut memory = vec![0; VOLATILE_LEN / 2];
        memory.extend(entry);
        let record = SlotRecord::open(&mut Ram(Vec::new()), &preset("esp8266"), &mut memory);
        prop_assert!(record.unwrap().state().is_none());
    }

    #[test]
    fn random_layout_blocks_never_panic(bytes in prop::collection::vec(any::<u8>(), LAYOUT_BLOCK_LEN)) {
        let mut block: [u8; LAYOUT_BLOCK_LEN] = bytes.try_into().unwrap();
        block[..6].copy_from_slice(b"OTSL\x01\x00");
        block[9] &= 3;
        let crc = otaru_flash::crc32(&block[..124]);
        block[124..].copy_from_slice(&crc.to_le_bytes());
        prop_assert!(SlotLayout::decode(&block).is_err());
    }
}
