//! A28 for recovery: power cuts at every flash operation of an upload, of its verification, of the
//! record and of the heal that follows, torn in every way.
//!
//! Whatever is cut: the device ends with the uploaded image running and current; until then the
//! backup, if there is one that verifies, stays whole; and booting again changes nothing.

use crate::world::{Link, World, described, image};
use otaru_bootloader::Started;
use otaru_flash::{Mode, Slot};
use otaru_record::{Phase, State};
use otaru_sim::{Cut, Rng, Tear};

/// Where recovery begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scene {
    /// A damaged execution slot, and nothing to heal it from.
    Damaged,
    /// The same, and the record is lost as well.
    Lost,
    /// An image runs and has a backup, but recovery was asked for.
    Asked,
}

const SCENES: [Scene; 3] = [Scene::Damaged, Scene::Lost, Scene::Asked];

fn world(mode: Mode, scene: Scene, seed: u64) -> World {
    let mut world = World::new(mode, seed);
    match scene {
        Scene::Damaged | Scene::Lost => world.corrupt(Slot::Execution, 100),
        Scene::Asked => {
            world.board.button = true;
            if mode == Mode::Standby {
                world.write(Slot::Storage0, 0, &image(1));
                let state = State::factory(described(&image(1)), 1);
                world.record(&state.backed_up(Slot::Storage0).expect("idle"));
            }
        }
    }
    if scene == Scene::Lost {
        world.lose_record();
    }
    world
}

/// Lives until the uploaded image runs.
fn live(world: &mut World, scene: Scene, cuts: &[Cut]) {
    let new = image(2);
    let mut cuts = cuts.iter();
    world.flash.plan(cuts.next().copied());
    for _ in 0..20 {
        let keeps_backup = scene == Scene::Asked && world.layout.mode == Mode::Standby;
        let started = world.boot();
        match started {
            Started::Image(_) if world.holds(Slot::Execution, &new) => return,
            // The button is held until the upload has succeeded.
            Started::Image(start) => panic!("started {:?}", start.image),
            Started::Stopped(_) if world.flash.is_off() => {}
            Started::Stopped(stopped) => {
                let mut frame = [0; 512];
                let mut link = Link::new(stopped, &mut frame);
                match link.upload(world, &new) {
                    Ok(_) => world.board.button = false,
                    Err(_) if world.flash.is_off() => {}
                    Err(reply) => panic!("{reply:?}"),
                }
                // The old one, or the new one once the record calls it current.
                let old = world.holds(Slot::Storage0, &image(1));
                let kept = old || world.holds(Slot::Storage1, &new);
                assert!(!keeps_backup || kept, "no backup is whole");
            }
        }
        if world.flash.is_off() {
            world.flash.power_on();
            world.flash.plan(cuts.next().copied());
        }
    }
    panic!("boot loop");
}

fn check_end(world: &mut World) {
    world.flash.plan(None);
    let new = image(2);
    world.starts(&new);
    let before = world.flash.operations();
    world.starts(&new);
    assert_eq!(
        world.flash.operations(),
        before,
        "booting changed the flash"
    );
    let state = world.state();
    assert_eq!(
        (state.phase(), state.current()),
        (Phase::Idle, described(&new))
    );
}

/// Flash operations of an undisturbed life.
fn operations(mode: Mode, scene: Scene, seed: u64) -> u64 {
    let mut world = world(mode, scene, seed);
    let before = world.flash.operations();
    live(&mut world, scene, &[]);
    world.flash.operations() - before
}

#[test]
fn every_single_cut_ends_with_the_uploaded_image() {
    for mode in [Mode::Standby, Mode::Swap] {
        for scene in SCENES {
            let total = operations(mode, scene, 1);
            assert!(total > 30, "{total} operations");
            for after in 0..total {
                for (seed, tear) in (1..).zip(Tear::ALL) {
                    let mut world = world(mode, scene, seed);
                    live(&mut world, scene, &[Cut { after, tear }]);
                    check_end(&mut world);
                }
            }
        }
    }
}

#[test]
fn rows_of_cuts_end_with_the_uploaded_image() {
    let seed = std::env::var("OTARU_SEED").ok();
    let first: u64 = seed.and_then(|seed| seed.parse().ok()).unwrap_or(1);
    for seed in first..first + 150 {
        println!("OTARU_SEED={seed}");
        let mut rng = Rng::new(seed);
        let mode = [Mode::Standby, Mode::Swap][rng.index(2)];
        let scene = SCENES[rng.index(3)];
        let cuts: Vec<Cut> = (0..=rng.below(6))
            .map(|_| Cut {
                after: rng.below(40),
                tear: Tear::ALL[rng.index(4)],
            })
            .collect();
        let mut world = world(mode, scene, seed);
        live(&mut world, scene, &cuts);
        check_end(&mut world);
    }
}
