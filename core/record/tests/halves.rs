//! A change of half that is cut, and cut again.
// A33; rules J4 and J5 of the install protocol

use otaru_flash::{Area, Layout, Mode};
use otaru_record::{Geometry, Image, Journal, Phase, State};
use otaru_sim_flash::{Cut, Part, SimFlash, Tear};

const LAYOUT: Layout = Layout {
    flash_len: 0x40000,
    write_unit: 8,
    erased: 0xFF,
    overwrite: true,
    mode: Mode::Standby,
    chunk_len: 4096,
    device_block: Area::new(0, 4096, 4096),
    identity: Area::new(0x1000, 8192, 4096),
    record: Area::new(0x4000, 16384, 8192),
    execution: Area::new(0x8000, 0x10000, 4096),
    storage: [
        Area::new(0x18000, 0x10000, 4096),
        Area::new(0x28000, 0x10000, 4096),
    ],
};

/// A record whose next append changes the half: 36 of its 39 cells are used.
fn nearly_full() -> SimFlash {
    let mut flash = SimFlash::new(Part::of(&LAYOUT), 3);
    let geometry = Geometry::new(&LAYOUT).expect("it fits");
    let state = State::factory(Image::default(), 1);
    let mut journal = Journal::create(&mut flash, geometry, &state).expect("power is on");
    for _ in 0..33 {
        journal.append(&mut flash, &state).expect("power is on");
    }
    flash.reset();
    flash
}

/// One boot that appends; the power may go.
fn boot(flash: &mut SimFlash, phase: Phase) {
    let mut journal = Journal::load(flash, &LAYOUT).expect("the record is not lost");
    let mut state = *journal.state();
    state.set_phase(phase);
    let appended = journal.append(flash, &state);
    assert!(appended.is_ok() || flash.is_off(), "{appended:?}");
}

#[test]
fn a_half_is_never_written_where_an_erase_has_touched_it() {
    let full = nearly_full();
    let mut cuts = 0;
    for first in pairs() {
        let mut flash = full.clone();
        flash.plan(Some(first));
        boot(&mut flash, Phase::Receiving);
        flash.power_on();
        for second in pairs() {
            let mut flash = flash.clone();
            flash.plan(Some(second));
            boot(&mut flash, Phase::Parked);
            if !flash.is_off() {
                continue;
            }
            cuts += 1;
            for _ in 0..6 {
                flash.power_on();
                boot(&mut flash, Phase::Receiving);
                assert_eq!(flash.misuse(), None, "after the cuts {first},{second}");
            }
        }
    }
    assert!(cuts > 300, "only {cuts} pairs were tried");
}

/// One boot that appends, to a new record if there is none; the power may go.
fn boot_or_renew(flash: &mut SimFlash, phase: Phase) {
    let mut journal = Journal::blank();
    let state = State::factory(Image::default(), 1);
    let done = match journal.read(flash, &LAYOUT) {
        Ok(()) => {
            let mut state = *journal.state();
            state.set_phase(phase);
            journal.append(flash, &state)
        }
        Err(_lost) => journal.renew(flash, &state),
    };
    assert!(done.is_ok() || flash.is_off(), "{done:?}");
}

#[test]
fn a_renewed_record_is_never_written_where_an_erase_has_touched_it() {
    let mut cuts = 0;
    for first in pairs() {
        let mut flash = SimFlash::new(Part::of(&LAYOUT), 3);
        flash.plan(Some(first));
        boot_or_renew(&mut flash, Phase::Receiving);
        flash.power_on();
        for second in pairs() {
            let mut flash = flash.clone();
            flash.plan(Some(second));
            boot_or_renew(&mut flash, Phase::Parked);
            if !flash.is_off() {
                continue;
            }
            cuts += 1;
            for _ in 0..6 {
                flash.power_on();
                boot_or_renew(&mut flash, Phase::Receiving);
                assert_eq!(flash.misuse(), None, "after the cuts {first},{second}");
            }
        }
    }
    assert!(cuts > 300, "only {cuts} pairs were tried");
}

/// Every cut in the operations of a change of half.
fn pairs() -> impl Iterator<Item = Cut> {
    (0..6).flat_map(|after| Tear::ALL.map(|tear| Cut { after, tear }))
}
