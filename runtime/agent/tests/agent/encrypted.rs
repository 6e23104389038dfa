//! A22: updates with encrypted images, over a real socket and with the real bootloader.

use crate::cloud::Offer;
use crate::driver::{check_confirmed, live_on};
use crate::server::Server;
use crate::world::{CLASS, DEVICE_KEY, VENDOR, World, image_of, signed, signing_key};
use otaru_flash::{Mode, Slot};
use otaru_image::{
    Aes, BoardIds, DecryptionKey, ImageBuilder, Label, Uuid, Version, installed_form,
};
use otaru_record::{Cause, Phase};

fn key() -> DecryptionKey {
    DecryptionKey::new(DEVICE_KEY)
}

fn encrypted(label: &str, counter: u32, len: usize) -> Vec<u8> {
    let number = u8::try_from(counter).unwrap();
    let payload: Vec<u8> = (0..len)
        .map(|at| u8::try_from(at % 253).unwrap() ^ number)
        .collect();
    ImageBuilder::new(payload, Version::default())
        .header_len(32)
        .label(Label::new(label).unwrap())
        .security_counter(counter)
        .board(BoardIds {
            vid: Uuid(VENDOR),
            cid: Uuid(CLASS),
        })
        .encrypt(key().public(), Aes::Aes128)
        .sign(&signing_key())
        .unwrap()
}

/// A device that runs `old`, and an image that is offered to it.
fn setup(mode: Mode, old: &[u8], device_key: [u8; 32], new: &[u8]) -> (World, Server) {
    let server = Server::start();
    let running = (image_of(old), installed_form(old, &key()).unwrap());
    let world = World::with_image(mode, 5, &server.base, running, Some(device_key));
    let offer = Offer {
        deadline_s: 65_535,
        ..Offer::new(8, "1.1.0+2", new)
    };
    server.cloud(|cloud| cloud.offer = Some(offer));
    (world, server)
}

#[test]
fn encrypted_image_is_updated_to_an_encrypted_one_in_both_modes() {
    let old = encrypted("1.0.0+1", 1, 9000);
    let new = encrypted("1.1.0+2", 2, 15_000);
    let installed = installed_form(&new, &key()).unwrap();
    for mode in [Mode::Standby, Mode::Swap] {
        let (mut world, server) = setup(mode, &old, DEVICE_KEY, &new);
        let console = live_on(&mut world, &mut ());
        check_confirmed(&mut world, &server, &installed, &console);
        if mode == Mode::Standby {
            // The agent's own copy of the plain image that ran is the file that was sent.
            assert!(world.slot(Slot::Storage0).starts_with(&old), "{console}");
            assert!(world.slot(Slot::Storage1).starts_with(&new), "{console}");
        }
    }
}

#[test]
fn image_for_another_device_is_refused_before_it_is_parked() {
    let new = encrypted("1.1.0+2", 2, 15_000);
    let old = signed("1.0.0+1", 1, 9000);
    let (mut world, server) = setup(Mode::Swap, &old, [0x44; 32], &new);
    let console = live_on(&mut world, &mut ());
    assert!(world.runs(&world.old.clone()), "{console}");
    assert_eq!(world.state().phase(), Phase::Idle);
    server.cloud(|cloud| {
        let closed = cloud.closed(8).expect("told");
        let reason = Cause::NotDecryptable.code();
        assert_eq!(closed.code, u64::from(reason), "{console}");
    });
}
