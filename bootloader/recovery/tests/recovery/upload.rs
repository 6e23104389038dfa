//! What recovery is for: an image comes in, and the next boot runs it.

use crate::world::{Link, Reply, World, described, image};
use otaru_flash::{Mode, Slot};
use otaru_record::{Backup, Cause, Download, Phase, State};
use otaru_sim::Shape;

const MODES: [Mode; 2] = [Mode::Standby, Mode::Swap];

#[test]
fn uploaded_image_runs_after_the_reset() {
    for mode in MODES {
        let mut world = World::new(mode, 1);
        world.corrupt(Slot::Execution, 100);
        let mut frame = [0; 512];
        let mut link = Link::new(world.stopped(), &mut frame);
        link.upload(&mut world, &image(2)).expect("accepted");
        assert!(
            !world.holds(Slot::Execution, &image(2)),
            "only storage is written"
        );
        link.reset(&mut world);
        world.starts(&image(2));
        let state = world.state();
        assert_eq!((state.phase(), state.floor()), (Phase::Idle, 1));
        assert_eq!(state.current(), described(&image(2)));
        assert_eq!(
            state.backup_image(),
            state.current(),
            "it heals from its own copy"
        );
        world.corrupt(Slot::Execution, 1000);
        world.starts(&image(2));
    }
}

#[test]
fn lost_record_and_damaged_image_are_recovered_with_a_new_record() {
    for mode in MODES {
        let mut world = World::new(mode, 2);
        world.corrupt(Slot::Execution, 100);
        world.lose_record();
        let mut frame = [0; 512];
        let mut link = Link::new(world.stopped(), &mut frame);
        link.upload(&mut world, &image(5)).expect("accepted");
        link.reset(&mut world);
        world.starts(&image(5));
        assert_eq!(world.state().floor(), 5, "nothing else is known");
    }
}

#[test]
fn image_in_storage_survives_a_lost_record() {
    let mut world = World::new(Mode::Standby, 3);
    world.write(Slot::Storage0, 0, &image(3));
    world.corrupt(Slot::Execution, 100);
    world.lose_record();
    let mut frame = [0; 512];
    let mut link = Link::new(world.stopped(), &mut frame);
    link.part(&mut world, &image(4), 0, 177);
    assert!(world.holds(Slot::Storage0, &image(3)), "slot 1 is written");
    // The upload comes to nothing: the image that still verifies is restored.
    world.starts(&image(3));
    assert_eq!(world.state().floor(), 3);
}

#[test]
fn only_image_that_verifies_is_not_overwritten_in_swap() {
    for lost in [false, true] {
        let mut world = World::new(Mode::Swap, 4);
        world.corrupt(Slot::Execution, 100);
        if lost {
            world.write(Slot::Storage0, world.layout.chunk_len, &image(3));
            world.lose_record();
        }
        let mut frame = [0; 512];
        let mut link = Link::new(world.stopped(), &mut frame);
        if !lost {
            link.upload(&mut world, &image(3)).expect("accepted");
        }
        let before = world.image_erases();
        let refused = link.part(&mut world, &image(4), 0, 177);
        assert!(matches!(&refused, Reply::Refused(6, text) if text.contains("reset to install")));
        let erase = link.ask(&mut world, [2, 1, 5], b"\xA1\x64slot\x01");
        assert_eq!(erase, refused);
        assert_eq!(world.image_erases(), before);
        link.reset(&mut world);
        world.starts(&image(3));
    }
}

#[test]
fn second_upload_in_a_session_replaces_the_first_in_standby() {
    let mut world = World::new(Mode::Standby, 5);
    world.corrupt(Slot::Execution, 100);
    let mut frame = [0; 512];
    let mut link = Link::new(world.stopped(), &mut frame);
    link.upload(&mut world, &image(2)).expect("accepted");
    link.part(&mut world, &image(3), 0, 177);
    assert!(
        world.holds(Slot::Storage0, &image(2)),
        "the other slot is written"
    );
    link.upload(&mut world, &image(3)).expect("accepted");
    world.starts(&image(3));
    assert_eq!(world.state().backup(), Backup::Copy(Slot::Storage1));
}

#[test]
fn button_leads_to_recovery_although_an_image_runs() {
    for mode in MODES {
        let mut world = World::new(mode, 6);
        world.board.button = true;
        let mut frame = [0; 512];
        let mut link = Link::new(world.stopped(), &mut frame);
        link.part(&mut world, &image(2), 0, 177);
        // Given up: the image in the execution slot was never touched.
        world.board.button = false;
        world.starts(&image(1));
        world.board.button = true;
        let mut frame = [0; 512];
        let mut link = Link::new(world.stopped(), &mut frame);
        link.upload(&mut world, &image(2)).expect("accepted");
        link.reset(&mut world);
        world.board.button = false;
        world.starts(&image(2));
    }
}

#[test]
fn button_ends_a_trial_before_recovery_begins() {
    let mut world = World::new(Mode::Swap, 7);
    let download = Download {
        attempt: 42,
        image: described(&image(2)),
        deadline_s: 60,
        trials: 3,
    };
    world.write(Slot::Storage0, world.layout.chunk_len, &image(2));
    let requested = State::factory(described(&image(1)), 1)
        .receiving(Mode::Swap, &download)
        .and_then(|state| state.parked())
        .and_then(|state| state.requested())
        .expect("in order");
    world.record(&requested);
    world.starts(&image(2));
    world.board.button = true;
    let stopped = world.stopped();
    assert_eq!(stopped.reason.to_string(), "recovery was asked for");
    assert!(world.holds(Slot::Execution, &image(1)), "reverted");
    let outcome = world.state().outcome();
    assert_eq!((outcome.attempt, outcome.cause), (42, Cause::TrialReset));
    let mut frame = [0; 512];
    let mut link = Link::new(stopped, &mut frame);
    link.upload(&mut world, &image(3)).expect("accepted");
    world.board.button = false;
    world.starts(&image(3));
    assert_eq!(
        world.state().outcome(),
        outcome,
        "the manager still learns it"
    );
}

#[test]
fn parked_update_gives_way_and_is_told_as_recovered() {
    let mut world = World::new(Mode::Swap, 8);
    let download = Download {
        attempt: 42,
        image: described(&image(2)),
        deadline_s: 60,
        trials: 3,
    };
    let parked = State::factory(described(&image(1)), 1)
        .receiving(Mode::Swap, &download)
        .and_then(|state| state.parked())
        .expect("in order");
    world.write(Slot::Storage0, world.layout.chunk_len, &image(2));
    world.record(&parked);
    world.corrupt(Slot::Execution, 100);
    let mut frame = [0; 512];
    let mut link = Link::new(world.stopped(), &mut frame);
    link.upload(&mut world, &image(3)).expect("accepted");
    world.starts(&image(3));
    let outcome = world.state().outcome();
    assert_eq!(
        (outcome.attempt, outcome.cause, outcome.phase),
        (42, Cause::Recovered, Phase::Parked)
    );
}

#[test]
fn upload_goes_on_where_it_was_interrupted() {
    let new = image(6);
    for mode in MODES {
        let mut world = World::new(mode, 9);
        world.corrupt(Slot::Execution, 100);
        let mut frame = [0; 512];
        let mut link = Link::new(world.stopped(), &mut frame);
        let whole = link.upload(&mut world, &new).expect("accepted");

        let mut world = World::new(mode, 9);
        world.corrupt(Slot::Execution, 100);
        let mut frame = [0; 512];
        let mut link = Link::new(world.stopped(), &mut frame);
        let mut off = 0;
        for _ in 0..whole / 2 {
            let reply = link.part(&mut world, &new, off, 177);
            let Reply::Offset(next, false) = reply else {
                panic!("{reply:?}");
            };
            off = next;
        }
        // Another client in the same session is told where it stands, to the byte.
        assert_eq!(
            link.part(&mut world, &new, 0, 177),
            Reply::Offset(off, false)
        );
        assert_eq!(
            link.part(&mut world, &new, 8, 177),
            Reply::Offset(off, false)
        );
        // After a reset it goes on at the last mark.
        let mut frame = [0; 512];
        let mut link = Link::new(world.stopped(), &mut frame);
        let Reply::Offset(resumed, false) = link.part(&mut world, &new, 0, 177) else {
            panic!("no offset");
        };
        assert!(resumed > 0 && resumed <= off, "{resumed} of {off}");
        let rest = link.upload(&mut world, &new).expect("accepted");
        assert!(rest < whole, "{rest} of {whole} parts again");
        link.reset(&mut world);
        world.starts(&new);
    }
}

#[test]
fn reply_that_was_lost_can_be_asked_for_again() {
    let mut world = World::new(Mode::Swap, 10);
    world.corrupt(Slot::Execution, 100);
    let new = image(2);
    let mut frame = [0; 512];
    let mut link = Link::new(world.stopped(), &mut frame);
    link.upload(&mut world, &new).expect("accepted");
    let operations = world.flash.operations();
    let complete = Reply::Offset(new.len(), true);
    assert_eq!(link.part(&mut world, &new, new.len() - 100, 177), complete);
    assert_eq!(link.part(&mut world, &new, 0, 177), complete);
    assert_eq!(world.flash.operations(), operations);
}

#[test]
fn upload_without_a_digest_is_accepted_but_not_resumed() {
    let mut world = World::new(Mode::Standby, 11);
    world.corrupt(Slot::Execution, 100);
    let new = image(2);
    let mut frame = vec![0; 8192];
    let mut link = Link::new(world.stopped(), &mut frame);
    let len = u16::try_from(new.len()).expect("small").to_be_bytes();
    let mut first = b"\xA3\x63off\x00\x63len\x19".to_vec();
    first.extend(len);
    first.extend(b"\x64data\x59");
    let begin = |count: u16| {
        let mut body = first.clone();
        body.extend(count.to_be_bytes());
        body.extend(&new[..usize::from(count)]);
        body
    };
    let half = link.ask(&mut world, [2, 1, 1], &begin(1500));
    assert_eq!(half, Reply::Offset(1500, false));
    let again = link.ask(&mut world, [2, 1, 1], &begin(700));
    assert_eq!(again, Reply::Offset(700, false), "from the beginning");
    let rest = link.part(&mut world, &new, 700, new.len());
    assert_eq!(rest, Reply::Offset(new.len(), true));
    world.starts(&new);
}

#[test]
fn erased_slot_takes_an_upload() {
    let mut world = World::new(Mode::Standby, 12);
    world.write(Slot::Storage0, 0, &image(2));
    world.corrupt(Slot::Execution, 100);
    let mut frame = [0; 512];
    let mut link = Link::new(world.stopped(), &mut frame);
    assert_eq!(link.ask(&mut world, [2, 1, 5], b"\xA0"), Reply::Done);
    let area = world.layout.storage[0];
    assert!(
        world
            .flash
            .holds(area.offset, &vec![0xFF; area.len as usize])
    );
    link.upload(&mut world, &image(2)).expect("accepted");
    world.starts(&image(2));
}

#[test]
fn every_write_unit_and_erased_value_works() {
    for (unit, erased) in [(1, 0xFF), (4, 0xFF), (32, 0x00), (512, 0xFF)] {
        for mode in MODES {
            let shape = Shape {
                write_unit: unit,
                erased,
                ..Shape::plain(mode, 9)
            };
            let mut world = World::with_layout(shape.layout(), 13);
            world.corrupt(Slot::Execution, 100);
            let mut frame = [0; 512];
            let mut link = Link::new(world.stopped(), &mut frame);
            link.upload(&mut world, &image(2)).expect("accepted");
            world.starts(&image(2));
        }
    }
}
