//! Multi-image: a file with parts comes in over the console, and all of it is installed or nothing.

use crate::world::{CLASS, Link, Reply, World, builder, image, key};
use otaru_flash::{Mode, Slot};
use otaru_image::SigningKey;

const MODES: [Mode; 2] = [Mode::Standby, Mode::Swap];
/// Where the part begins in the file.
const PART: usize = 2048;

/// Firmware with this counter, and resources signed by this key.
fn set(counter: u32, signer: &SigningKey) -> Vec<u8> {
    let part = builder(counter + 100, 1000, CLASS).index(1).sign(signer);
    let file = builder(counter, 1200, CLASS)
        .part(1, part.expect("a part can be built"))
        .part_align(u32::try_from(PART).expect("small"));
    file.sign(&key()).expect("the image can be built")
}

fn damaged_world(mode: Mode) -> World {
    let mut world = World::new(mode, 1);
    world.corrupt(Slot::Execution, 100);
    world
}

#[test]
fn uploaded_set_runs_after_the_reset_and_heals_as_one() {
    for mode in MODES {
        let mut world = damaged_world(mode);
        let set = set(2, &key());
        let mut frame = [0; 512];
        let mut link = Link::new(world.stopped(), &mut frame);
        link.upload(&mut world, &set).expect("accepted");
        link.reset(&mut world);
        world.starts(&set);
        let part = u32::try_from(PART).expect("small");
        world.corrupt(Slot::Execution, part + 500);
        world.starts(&set);
    }
}

#[test]
fn set_with_a_part_that_may_not_run_is_refused_with_its_reason() {
    let good = set(2, &key());
    let stranger = set(2, &SigningKey::from_seed([8; 32]));
    let mut damaged = good.clone();
    damaged[PART + 500] ^= 1;
    let mut filled = good.clone();
    filled[PART - 1] = 0;
    let cases = [
        (stranger, "signed by a key this device does not know"),
        (damaged, "the image does not match its own hash"),
        (filled, "there is something between its parts"),
        (good[PART..].to_vec(), "another one belongs there"),
    ];
    for mode in MODES {
        for (bytes, text) in &cases {
            let mut world = damaged_world(mode);
            let mut frame = [0; 512];
            let mut link = Link::new(world.stopped(), &mut frame);
            let refused = link.upload(&mut world, bytes).expect_err("refused");
            let Reply::Refused(_, reason) = &refused else {
                panic!("{refused:?}");
            };
            assert!(reason.contains(text), "{text}: {reason}");
            assert_eq!(world.board.notes.last(), Some(reason), "also for people");
            link.upload(&mut world, &good).expect("accepted");
            world.starts(&good);
        }
    }
}

#[test]
fn set_that_came_in_only_in_part_is_not_installed() {
    for mode in MODES {
        let mut world = damaged_world(mode);
        let set = set(2, &key());
        let mut frame = [0; 512];
        let mut link = Link::new(world.stopped(), &mut frame);
        let mut off = 0;
        // All of the firmware, and the beginning of its part.
        while off < PART + 300 {
            let reply = link.part(&mut world, &set, off, 177);
            let Reply::Offset(next, false) = reply else {
                panic!("{reply:?}");
            };
            off = next;
        }
        world.stopped();
        assert!(!world.holds(Slot::Execution, &set[..PART]));
    }
}

#[test]
fn device_goes_from_a_set_to_a_plain_image() {
    for mode in MODES {
        let mut world = damaged_world(mode);
        let mut frame = [0; 512];
        let mut link = Link::new(world.stopped(), &mut frame);
        link.upload(&mut world, &set(2, &key())).expect("accepted");
        link.reset(&mut world);
        world.starts(&set(2, &key()));
        world.board.button = true;
        let mut frame = [0; 512];
        let mut link = Link::new(world.stopped(), &mut frame);
        link.upload(&mut world, &image(3)).expect("accepted");
        world.board.button = false;
        link.reset(&mut world);
        world.starts(&image(3));
    }
}
