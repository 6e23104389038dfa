//! What is refused, with which number and text, and that it changes nothing.

use crate::world::{CLASS, Link, Reply, World, image, image_revoking, image_with, key};
use otaru_bootloader::Recovery;
use otaru_flash::{Flash, Mode, Slot};
use otaru_image::SigningKey;

fn with_link(mode: Mode, test: impl FnOnce(&mut World, &mut Link<'_>)) {
    let mut world = World::new(mode, 1);
    world.corrupt(Slot::Execution, 100);
    let mut frame = [0; 512];
    let mut link = Link::new(world.stopped(), &mut frame);
    test(&mut world, &mut link);
}

#[test]
fn images_that_do_not_verify_are_refused_with_a_text() {
    let other = SigningKey::from_seed([8; 32]);
    let mut forged = image(2);
    *forged.last_mut().expect("a signature") ^= 1;
    let mut damaged = image(2);
    damaged[500] ^= 1;
    for mode in [Mode::Standby, Mode::Swap] {
        for (bytes, code, text) in [
            (
                image_with(2, 3000, CLASS, &other),
                11,
                "signed by a key this device does not know",
            ),
            (forged.clone(), 11, "the signature does not match the image"),
            (damaged.clone(), 9, "the image does not match its own hash"),
            (
                image_with(2, 3000, [9; 16], &key()),
                11,
                "the image is for another board",
            ),
            (
                image_with(0, 3000, CLASS, &key()),
                11,
                "the image has security counter 0, at least 1 is required",
            ),
            // Its own key: once confirmed, it could not be started again.
            (
                image_revoking(2, 1),
                11,
                "the image is signed by a revoked key",
            ),
        ] {
            with_link(mode, |world, link| {
                let refused = link.upload(world, &bytes).expect_err("refused");
                let Reply::Refused(found, reason) = &refused else {
                    panic!("{refused:?}");
                };
                assert_eq!(*found, code);
                assert!(reason.contains(text), "{reason}");
                assert_eq!(world.board.notes.last(), Some(reason), "also for people");
                // The same upload begins at 0 and meets the same end; a good one is accepted.
                assert_eq!(link.upload(world, &bytes), Err(refused));
                world.stopped();
                link.upload(world, &image(3)).expect("accepted");
                world.starts(&image(3));
            });
        }
    }
}

#[test]
fn image_by_cable_that_revokes_its_own_key_is_not_started() {
    // Nothing but the block and an image, as another tool may leave it: the bootloader makes a record.
    for (revoke, starts) in [(0b01, false), (0b10, true), (0b11, false)] {
        let mut world = World::new(Mode::Swap, 1);
        let len = world.layout.execution.len;
        let area = world.layout.execution;
        area.erase(&mut world.flash, 0, len).expect("power is on");
        let image = image_revoking(2, revoke);
        world.write(Slot::Execution, 0, &image);
        world.lose_record();
        if starts {
            world.starts(&image);
            world.starts(&image);
        } else {
            world.stopped();
        }
    }
}

#[test]
fn upload_that_was_announced_with_another_digest_is_refused() {
    with_link(Mode::Swap, |world, link| {
        let announced = image(2);
        let mut sent = announced.clone();
        sent[900] ^= 1;
        let first = link.part(world, &announced, 0, 177);
        let Reply::Offset(mut off, false) = first else {
            panic!("{first:?}");
        };
        let refused = loop {
            let reply = link.part(world, &sent, off, 177);
            let Reply::Offset(next, false) = reply else {
                break reply;
            };
            off = next;
        };
        let text = "the image does not match the announced digest".to_owned();
        assert_eq!(refused, Reply::Refused(9, text));
        // Nothing of it counts as stored.
        link.upload(world, &announced).expect("accepted");
        world.starts(&announced);
    });
}

#[test]
fn requests_that_make_no_sense_get_the_number_of_their_group() {
    with_link(Mode::Swap, |world, link| {
        let before = world.flash.operations();
        let group = |code| Reply::Group(1, code);
        for (body, reply, why) in [
            (b"\xA1\x64data\x41\x00".as_slice(), group(20), "no offset"),
            (b"\xA2\x63off\x00\x64data\x41\x00", group(21), "no length"),
            (b"\xA2\x63off\x05\x64data\x41\x00", group(17), "no upload"),
            (
                b"\xA3\x63off\x00\x64data\x40\x63len\x1A\x00\x10\x00\x00",
                group(30),
                "too long",
            ),
            (
                b"\xA3\x63off\x00\x64data\x40\x63len\x18\x1F",
                group(23),
                "no header fits",
            ),
            (
                b"\xA3\x63off\x00\x64data\x44abcd\x63len\x18\xFF",
                group(23),
                "no image",
            ),
            (
                b"\xA4\x63off\x00\x64data\x40\x63len\x18\xFF\x63sha\x41\x00",
                group(24),
                "no digest",
            ),
            (
                b"\xA4\x63off\x00\x64data\x40\x63len\x18\xFF\x65image\x01",
                group(14),
                "image 1",
            ),
        ] {
            assert_eq!(link.ask(world, [2, 1, 1], body), reply, "{why}");
        }
        let malformed = "not a request that recovery understands".to_owned();
        for body in [b"\xA1\x63off\x00".as_slice(), b"\x00", b"\xA1"] {
            let reply = link.ask(world, [2, 1, 1], body);
            assert_eq!(reply, Reply::Refused(3, malformed.clone()));
        }
        assert_eq!(link.ask(world, [2, 1, 5], b"\xA1\x64slot\x00"), group(14));
        assert_eq!(
            link.ask(world, [0, 0, 8], b"\xA1\x65query\x64mode"),
            Reply::Group(0, 3)
        );
        for what in [[0, 0, 2], [2, 8, 0], [0, 1, 1], [0, 0, 5]] {
            let reply = link.ask(world, what, b"\xA0");
            assert!(matches!(reply, Reply::Refused(8, _)), "{what:?}: {reply:?}");
        }
        link.version = 0;
        let reply = link.ask(world, [2, 1, 1], b"\xA1\x64data\x41\x00");
        assert_eq!(reply, Reply::Refused(3, "`off` is missing".to_owned()));
        link.version = 2;
        assert!(matches!(
            link.ask(world, [2, 0, 0], b"\xA0"),
            Reply::Refused(13, _)
        ));
        assert_eq!(world.flash.operations(), before);
    });
}

#[test]
fn more_data_than_announced_are_refused() {
    with_link(Mode::Standby, |world, link| {
        let body = b"\xA3\x63off\x00\x63len\x18\x20\x64data\x58\x21\x3D\xB8\xF3\x96";
        let mut body = body.to_vec();
        body.resize(body.len() + 29, 0);
        assert_eq!(link.ask(world, [2, 1, 1], &body), Reply::Group(1, 31));
    });
}

#[test]
fn state_can_only_be_set_to_what_happens_anyway() {
    with_link(Mode::Standby, |world, link| {
        let refused = link.ask(world, [2, 1, 0], b"\xA1\x67confirm\xF5");
        assert!(matches!(&refused, Reply::Refused(8, text) if text.contains("no state to set")));
        link.upload(world, &image(2)).expect("accepted");
        let list = link.ask(world, [2, 1, 0], b"\xA1\x67confirm\xF5");
        let Reply::Other(list) = list else {
            panic!("{list:?}");
        };
        let pending = b"\x67pending\xF5";
        assert!(list.windows(pending.len()).any(|window| window == pending));
        let mut wrong = b"\xA1\x64hash\x58\x20".to_vec();
        wrong.resize(wrong.len() + 32, 0);
        assert_eq!(link.ask(world, [2, 1, 0], &wrong), refused);
    });
}

#[test]
fn device_without_block_or_record_answers_but_takes_no_upload() {
    let mut world = World::new(Mode::Swap, 2);
    world.flash.corrupt(100, 1);
    let stopped = world.stopped();
    assert!(matches!(stopped.reason, Recovery::DeviceBlock(_)));
    let mut frame = [0; 512];
    let mut link = Link::new(stopped, &mut frame);
    let echo = link.ask(&mut world, [2, 0, 0], b"\xA1\x61d\x62hi");
    assert_eq!(echo, Reply::Other(b"\xA1\x61r\x62hi".to_vec()));
    let images = link.ask(&mut world, [0, 1, 0], b"\xA0");
    assert_eq!(images, Reply::Other(b"\xA1\x66images\x80".to_vec()));
    let refused = link.part(&mut world, &image(2), 0, 177);
    assert!(
        matches!(&refused, Reply::Refused(6, text) if text.contains("flash the board by cable"))
    );
    assert_eq!(link.ask(&mut world, [2, 1, 5], b"\xA0"), refused);
    link.reset(&mut world);
    let mut raw = [0; 512];
    world.flash.read(0, &mut raw).expect("power is on");
}
