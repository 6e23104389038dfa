//! "Several keys, moving to a key provisioned in advance, revocation in the confirm entry": real agent
//! and real bootloader, over a real socket.

use otaru_bootloader::ResetCause;
use otaru_ddi::Reason;
use otaru_flash::{Flash, Mode};
use otaru_record::Phase;
use otaru_runtime_agent::{Application, ResetReason};

use crate::cloud::Offer;
use crate::driver::{live, live_on, live_on_after};
use crate::server::Server;
use crate::world::{CLASS, World, second_key, signed, signing_key, unsigned};

/// Bit of the first key of the table.
const FIRST: u16 = 1;
/// Bit of the second.
const SECOND: u16 = 2;

fn device(mode: Mode) -> (World, Server) {
    let server = Server::start();
    let world = World::with_two_keys(mode, 5, &server.base);
    (world, server)
}

/// An image signed by the second key.
fn by_second(label: &str, counter: u32, revoke: u16) -> Vec<u8> {
    let image = unsigned(label, counter, 3000, CLASS).revoke(revoke);
    image.sign(&second_key()).unwrap()
}

fn offer(server: &Server, id: u64, image: &[u8]) {
    let offer = Offer {
        deadline_s: 65_535,
        ..Offer::new(id, "new", image)
    };
    server.cloud(|cloud| cloud.offer = Some(offer));
}

fn code(server: &Server, id: u64) -> u64 {
    server.cloud(|cloud| cloud.closed(id).expect("told").code)
}

#[test]
fn confirmed_image_of_the_second_key_revokes_the_first() {
    for mode in [Mode::Standby, Mode::Swap] {
        let (mut world, server) = device(mode);
        let moved = by_second("1.1.0", 2, FIRST);
        offer(&server, 8, &moved);
        let mut console = String::new();
        let end = live(&mut world, ResetCause::PowerOn, &mut (), &mut console);
        assert_eq!(end, Some(ResetReason::Install), "{console}");
        // Parked and requested, but not confirmed: nothing is revoked.
        assert_eq!(world.state().revoked(), 0);
        world.boot(ResetCause::Software).unwrap();
        assert_eq!(
            (world.state().phase(), world.state().revoked()),
            (Phase::Trial, 0)
        );
        // That start was the only one; the old firmware is back, signed by the first key.
        let console = live_on_after(&mut world, ResetCause::Watchdog, &mut ());
        assert!(world.runs(&world.old.clone()), "{console}");
        assert_eq!(world.state().revoked(), 0);

        // Before the confirm the first key still signs.
        let before = signed("1.0.1", 1, 3500);
        offer(&server, 9, &before);
        let console = live_on(&mut world, &mut ());
        assert!(world.runs(&before), "{console}");

        offer(&server, 10, &moved);
        let console = live_on(&mut world, &mut ());
        assert!(world.runs(&moved), "{console}");
        assert_eq!(
            (world.state().phase(), world.state().revoked()),
            (Phase::Idle, FIRST)
        );

        // Afterwards it does not, whatever its security counter is.
        offer(&server, 11, &signed("1.2.0", 9, 3000));
        let console = live_on(&mut world, &mut ());
        assert!(world.runs(&moved), "{console}");
        assert_eq!(code(&server, 11), u64::from(Reason::KeyRevoked.code()));

        // The second key goes on, and an image that revokes nothing takes nothing back.
        let next = by_second("1.3.0", 3, 0);
        offer(&server, 12, &next);
        let console = live_on(&mut world, &mut ());
        assert!(world.runs(&next), "{console}");
        assert_eq!(world.state().revoked(), FIRST);
    }
}

#[test]
fn image_that_gives_itself_up_revokes_nothing() {
    struct Ill;
    impl Application for Ill {
        fn healthy(&mut self) -> Result<(), &str> {
            Err("no")
        }
    }
    for mode in [Mode::Standby, Mode::Swap] {
        let (mut world, server) = device(mode);
        offer(&server, 8, &by_second("1.1.0", 2, FIRST));
        let console = live_on(&mut world, &mut Ill);
        assert!(world.runs(&world.old.clone()), "{console}");
        assert_eq!(code(&server, 8), u64::from(Reason::Unhealthy.code()));
        assert_eq!((world.state().revoked(), world.state().floor()), (0, 1));
        let again = signed("1.0.1", 1, 3500);
        offer(&server, 9, &again);
        let console = live_on(&mut world, &mut ());
        assert!(world.runs(&again), "{console}");
    }
}

#[test]
fn image_that_revokes_its_own_key_is_not_parked() {
    for revoke in [SECOND, FIRST | SECOND, u16::MAX] {
        let (mut world, server) = device(Mode::Standby);
        offer(&server, 8, &by_second("1.1.0", 2, revoke));
        let console = live_on(&mut world, &mut ());
        assert_eq!(world.boots, 1, "no reset: {console}");
        assert!(
            console.contains("update 8 failed: revokes-own-key"),
            "{console}"
        );
        assert_eq!(code(&server, 8), u64::from(Reason::RevokesOwnKey.code()));
        assert_eq!(
            (world.state().phase(), world.state().revoked()),
            (Phase::Idle, 0)
        );
    }
}

#[test]
fn lost_record_does_not_bring_a_revoked_key_back() {
    let (mut world, server) = device(Mode::Swap);
    let moved = by_second("1.1.0", 2, FIRST);
    offer(&server, 8, &moved);
    live_on(&mut world, &mut ());
    let record = world.layout.record;
    world.flash.erase(record.offset, record.len).unwrap();
    live_on(&mut world, &mut ());
    assert!(world.runs(&moved));
    assert_eq!((world.state().revoked(), world.state().floor()), (FIRST, 2));
}

#[test]
fn keys_beyond_the_table_are_no_matter() {
    let (mut world, server) = device(Mode::Standby);
    let image = unsigned("1.1.0", 2, 3000, CLASS).revoke(0xFFFC);
    let image = image.sign(&signing_key()).unwrap();
    offer(&server, 8, &image);
    let console = live_on(&mut world, &mut ());
    assert!(world.runs(&image), "{console}");
    let next = by_second("1.2.0", 3, 0);
    offer(&server, 9, &next);
    let console = live_on(&mut world, &mut ());
    assert!(world.runs(&next), "{console}");
}
