//! Values through updates, reverts and power cuts.

#![expect(clippy::unwrap_used, reason = "tests")]

use otaru_flash::{Area, Layout, Mode};
use otaru_record::State;
use otaru_runtime_agent::Permanent;
use otaru_runtime_data::{Data, DataError, Key, Put, Schema, TABLE_LEN_MAX, Value};
use otaru_sim_flash::{Part, Rng, SimFlash, Tear};
use std::cell::Cell;
use std::rc::Rc;

const SECTOR: u32 = 2048;
const AREA: Area = Area::new(16 * SECTOR, 4 * SECTOR, SECTOR);
const LAYOUT: Layout = Layout {
    flash_len: 20 * SECTOR,
    write_unit: 8,
    erased: 0xFF,
    overwrite: false,
    mode: Mode::Swap,
    chunk_len: SECTOR,
    device_block: Area::new(0, SECTOR, SECTOR),
    identity: Area::new(SECTOR, 2 * SECTOR, SECTOR),
    record: Area::new(3 * SECTOR, 4 * SECTOR, SECTOR),
    execution: Area::new(7 * SECTOR, 4 * SECTOR, SECTOR),
    storage: [
        Area::new(11 * SECTOR, 5 * SECTOR, SECTOR),
        Area::new(0, 0, SECTOR),
    ],
};

const STEP: Key = Key(1);
const NAME: Key = Key(2);
const FIRST: Schema = Schema(1);
const SECOND: Schema = Schema(2);

fn new_flash(seed: u64) -> SimFlash {
    SimFlash::new(Part::uniform(LAYOUT.flash_len, SECTOR, 8), seed)
}

fn open(flash: &mut SimFlash) -> Data<&mut SimFlash> {
    Data::open(flash, AREA, &LAYOUT).unwrap()
}

/// The value that this schema has been given.
fn value(schema: Schema, bytes: &[u8]) -> Value<'_> {
    Value { schema, bytes }
}

#[test]
fn the_older_firmware_reads_its_own_value_after_a_newer_one_wrote_another_schema() {
    let mut flash = new_flash(1);
    let mut older = open(&mut flash);
    assert!(older.is_new());
    older.put(STEP, FIRST, b"2").unwrap();
    // The new firmware on trial understands both, and writes its own form.
    let mut newer = open(&mut flash);
    assert!(!newer.is_new());
    assert_eq!(newer.get(STEP, SECOND), Some(value(FIRST, b"2")));
    newer.put(STEP, SECOND, b"step=2").unwrap();
    assert_eq!(newer.get(STEP, SECOND), Some(value(SECOND, b"step=2")));
    // It is reverted. The old one sees what it left, and changes it.
    let mut older = open(&mut flash);
    assert_eq!(older.get(STEP, FIRST), Some(value(FIRST, b"2")));
    older.put(STEP, FIRST, b"7").unwrap();
    // The next attempt does not take the stale value of its own schema.
    assert_eq!(open(&mut flash).get(STEP, SECOND), Some(value(FIRST, b"7")));
}

#[test]
fn a_permanent_firmware_retires_old_schemas_and_nothing_else() {
    let permanent = Permanent::of(&State::default()).unwrap();
    let mut flash = new_flash(2);
    let mut data = open(&mut flash);
    data.put(STEP, FIRST, b"2").unwrap();
    data.put(STEP, SECOND, b"step=2").unwrap();
    data.put(NAME, FIRST, b"pump").unwrap();
    data.retire(STEP, SECOND, permanent).unwrap();
    let data = open(&mut flash);
    assert_eq!(data.get(STEP, FIRST), None);
    assert_eq!(data.get(STEP, SECOND), Some(value(SECOND, b"step=2")));
    assert_eq!(data.get(NAME, FIRST), Some(value(FIRST, b"pump")));
}

#[test]
fn after_a_cut_anywhere_torn_in_any_way_all_of_a_change_is_there_or_nothing() {
    let mut flash = new_flash(3);
    open(&mut flash).put(NAME, FIRST, b"pump").unwrap();
    let moment = Rc::new(Cell::new(0_u64));
    let mut running = flash.clone();
    running.fork_at_every_operation(&Rc::new(Tear::ALL.to_vec()), Rc::clone(&moment));
    let numbers = |round: u64| (round.to_le_bytes(), (1000 + round).to_le_bytes());
    let mut data = open(&mut running);
    for round in 1..=20 {
        moment.set(round);
        let (one, two) = numbers(round);
        let put = |schema, bytes| Put {
            key: STEP,
            schema,
            bytes,
        };
        data.put_all(&[put(FIRST, &one), put(SECOND, &two)])
            .unwrap();
    }
    let forks = running.take_forks();
    println!("{} states", forks.len());
    assert!(forks.len() > 300);
    for mut fork in forks {
        fork.flash.power_on();
        // Torn bits may read differently in each boot, so several look.
        for _boot in 0..4 {
            let data = open(&mut fork.flash);
            assert_eq!(data.get(NAME, FIRST), Some(value(FIRST, b"pump")));
            let holds = |round: u64| {
                let (one, two) = numbers(round);
                let written = |value| Some(value).filter(|_| round > 0);
                data.get(STEP, FIRST) == written(value(FIRST, &one))
                    && data.get(STEP, SECOND) == written(value(SECOND, &two))
            };
            let known = holds(fork.moment) || holds(fork.moment.saturating_sub(1));
            assert!(known, "{:?} in round {}", fork.cut, fork.moment);
            fork.flash.reset();
        }
        // What is written next cannot be taken back by the interrupted change.
        let mut data = open(&mut fork.flash);
        data.put(STEP, FIRST, b"after").unwrap();
        for _boot in 0..4 {
            fork.flash.reset();
            let data = open(&mut fork.flash);
            assert_eq!(data.get(STEP, FIRST), Some(value(FIRST, b"after")));
        }
        assert_eq!(fork.flash.misuse(), None);
    }
}

#[test]
fn both_halves_wear_alike() {
    let mut flash = new_flash(4);
    let mut data = open(&mut flash);
    for round in 0..1000_u32 {
        data.put(STEP, FIRST, &round.to_le_bytes()).unwrap();
    }
    let last = 999_u32.to_le_bytes();
    assert_eq!(open(&mut flash).get(STEP, FIRST), Some(value(FIRST, &last)));
    let wear = flash.wear_max(AREA.offset, AREA.len);
    let erases = flash.erases_in(AREA.offset, AREA.len);
    // Of the 8 entries of a half, two more than one say what was carried over from the other.
    assert!((75..=95).contains(&wear), "{wear}");
    assert!(erases >= 4 * (wear - 1), "{erases} erases, {wear} of one");
    assert_eq!(flash.misuse(), None);
}

#[test]
fn an_area_that_is_used_for_something_else_is_refused_and_nothing_written() {
    let cases = [
        LAYOUT.record,
        Area::new(15 * SECTOR, 4 * SECTOR, SECTOR),
        Area::new(18 * SECTOR, 4 * SECTOR, SECTOR),
        Area::new(16 * SECTOR, 2 * SECTOR, SECTOR),
        Area::new(16 * SECTOR + 8, 2 * SECTOR, SECTOR),
        Area::new(16 * SECTOR, 3 * SECTOR, SECTOR),
        Area::new(u32::MAX - 7, 4 * SECTOR, SECTOR),
    ];
    for area in cases {
        let mut flash = new_flash(5);
        let refused = Data::open(&mut flash, area, &LAYOUT).err();
        assert_eq!(refused, Some(DataError::BadArea), "{area:?}");
        assert_eq!(flash.operations(), 0);
    }
}

#[test]
fn what_does_not_fit_and_schema_zero_are_refused_and_the_values_stay() {
    let mut flash = new_flash(6);
    let mut data = open(&mut flash);
    data.put(STEP, FIRST, b"2").unwrap();
    assert_eq!(data.put(NAME, FIRST, &[0; 256]), Err(DataError::Full));
    assert_eq!(data.put(NAME, Schema(0), b"1"), Err(DataError::NoSchema));
    data.put(NAME, FIRST, &[1; 255]).unwrap();
    let rest = TABLE_LEN_MAX - (255 + 8) - (1 + 8) - 8;
    let too_long = vec![2; rest + 1];
    assert_eq!(data.put(Key(3), FIRST, &too_long), Err(DataError::Full));
    let fits = vec![2; rest];
    data.put(Key(3), FIRST, &fits).unwrap();
    let data = open(&mut flash);
    assert_eq!(data.get(STEP, FIRST), Some(value(FIRST, b"2")));
    assert_eq!(data.get(Key(3), FIRST), Some(value(FIRST, &fits)));
}

#[test]
fn an_area_full_of_anything_begins_empty() {
    for seed in 0..64 {
        let mut flash = new_flash(seed);
        let mut rng = Rng::new(seed);
        for at in AREA.offset..AREA.offset + AREA.len {
            flash.corrupt(at, rng.byte());
        }
        let mut data = open(&mut flash);
        assert!(data.is_new(), "seed {seed}");
        data.put(STEP, FIRST, b"2").unwrap();
        assert_eq!(open(&mut flash).get(STEP, FIRST), Some(value(FIRST, b"2")));
    }
}
