//! Development keys: a bootloader for devices in the field does not start with one in its key table, and
//! takes no image in recovery either.
// A5: what a key in somebody's project folder has signed does not run in the field.

use crate::world::{BOOT, Link, Reply, World, image};
use otaru_bootloader::{Event, Port, Recovery, Started, start};
use otaru_flash::{DEVICE_BLOCK_LEN, DeviceBlock, DeviceBlockError, Flash, Key, Mode};
use otaru_image::Ed25519Dalek;

/// The services of a board in the field.
#[derive(Default)]
struct Field {
    said: Vec<String>,
}

impl Port for Field {
    type Verifier = Ed25519Dalek;

    const DEVELOPMENT_KEYS: bool = false;

    fn verifier(&mut self) -> Ed25519Dalek {
        Ed25519Dalek
    }

    fn feed_watchdog(&mut self) {}
    fn arm_watchdog(&mut self, _timeout_ms: u32) {}
    fn now_ms(&mut self) -> u32 {
        0
    }
    fn report(&mut self, event: Event<'_>) {
        if let Event::Stopped(reason) = event {
            self.said.push(reason.to_string());
        }
    }
}

/// Marks the key of a device as one that was not made for development, or adds one that was.
fn with_keys(world: &mut World, change: impl Fn(&mut Vec<Key>)) {
    let mut raw = [0; DEVICE_BLOCK_LEN];
    world.flash.read(0, &mut raw).expect("power is on");
    let old = DeviceBlock::decode(&raw).expect("a block");
    let mut keys: Vec<Key> = old.keys().copied().collect();
    change(&mut keys);
    let mut new = DeviceBlock::new("sim", old.layout, &keys).expect("the layout is good");
    (new.vendor_id, new.class_id) = (old.vendor_id, old.class_id);
    let area = old.layout.device_block;
    area.erase(&mut world.flash, 0, area.len)
        .expect("power is on");
    let raw = new.encode().expect("encodes");
    world.flash.program(0, &raw).expect("power is on");
}

fn boot(world: &mut World, board: &mut Field) -> Started {
    start(&mut world.flash, board, BOOT, &mut [0; 1024])
}

#[test]
fn bootloader_for_the_field_does_not_start_with_a_development_key() {
    for mode in [Mode::Standby, Mode::Swap] {
        let mut world = World::new(mode, 1);
        let (mut board, operations) = (Field::default(), world.flash.operations());
        let Started::Stopped(stopped) = boot(&mut world, &mut board) else {
            panic!("started");
        };
        let reason = Recovery::DeviceBlock(DeviceBlockError::DevelopmentKey);
        assert_eq!(stopped.reason, reason);
        assert_eq!(world.flash.operations(), operations, "nothing is written");
        let said = board.said.concat();
        assert!(said.contains("trusts a development key"), "{said}");
        assert!(said.contains("otaru keys new --release"), "{said}");
        // Recovery has no key to judge an image by.
        let mut frame = [0; 512];
        let mut link = Link::new(stopped, &mut frame);
        let refused = link.upload(&mut world, &image(2)).expect_err("refused");
        assert!(matches!(refused, Reply::Refused(..)), "{refused:?}");
        assert_eq!(world.flash.operations(), operations);
        // The same device starts where development keys are wanted.
        world.starts(&image(1));
    }
}

#[test]
fn one_development_key_among_others_is_enough_to_refuse() {
    let mut world = World::new(Mode::Swap, 1);
    with_keys(&mut world, |keys| keys[0].development = false);
    let mut board = Field::default();
    assert!(matches!(boot(&mut world, &mut board), Started::Image(_)));
    with_keys(&mut world, |keys| {
        keys.push(Key {
            public: [9; 32],
            kind: otaru_flash::KeyKind::Ed25519,
            development: true,
        });
    });
    assert!(matches!(boot(&mut world, &mut board), Started::Stopped(_)));
    world.starts(&image(1));
}
