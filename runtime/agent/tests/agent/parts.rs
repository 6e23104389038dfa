//! Multi-image: a file with parts is parked, installed and confirmed as one, and one that is not whole
//! or not meant for this device is refused before anything but storage changes.
// A5 A22 A26 with parts.

use otaru_bootloader::ResetCause;
use otaru_ddi::Reason;
use otaru_flash::{Mode, Slot};
use otaru_image::{Dependency, ImageBuilder, Version};
use otaru_record::Phase;
use otaru_runtime_agent::{ResetReason, find_part};
use sha2::{Digest as _, Sha256};

use crate::cloud::Offer;
use crate::driver::{check_confirmed, live, live_on, live_on_after};
use crate::server::Server;
use crate::world::{CLASS, World, second_key, signing_key, unsigned};

/// Bytes of the resources.
const RESOURCES_LEN: usize = 2000;

fn resources(counter: u32) -> ImageBuilder {
    unsigned("resources", counter, RESOURCES_LEN, CLASS).index(1)
}

fn firmware(counter: u32) -> ImageBuilder {
    unsigned("1.1.0+2", counter, 3000, CLASS).part_align(512)
}

fn set() -> Vec<u8> {
    let part = resources(2).sign(&signing_key()).unwrap();
    firmware(2).part(1, part).sign(&signing_key()).unwrap()
}

fn setup(mode: Mode, file: &[u8]) -> (World, Server) {
    let server = Server::start();
    let world = World::new(mode, 5, &server.base);
    let offer = Offer {
        deadline_s: 65_535,
        image: file.to_vec(),
        sha256: Sha256::digest(file).into(),
        ..Offer::new(8, "1.1.0+2", &set())
    };
    server.cloud(|cloud| cloud.offer = Some(offer));
    (world, server)
}

#[test]
fn set_is_parked_whole_installed_and_confirmed_and_its_part_found() {
    let file = set();
    for (mode, storage) in [
        (Mode::Standby, Slot::Storage1),
        (Mode::Swap, Slot::Storage0),
    ] {
        let (mut world, server) = setup(mode, &file);
        assert!(find_part(&mut world.flash, 0, 1).unwrap().is_none());
        let mut console = String::new();
        let end = live(&mut world, ResetCause::PowerOn, &mut (), &mut console);
        assert_eq!(end, Some(ResetReason::Install), "{console}");
        assert_eq!(world.state().phase(), Phase::Requested);
        assert!(world.slot(storage).starts_with(&file), "{console}");
        assert!(world.runs(&world.old.clone()), "only storage is written");

        let rest = live_on_after(&mut world, ResetCause::Software, &mut ());
        check_confirmed(&mut world, &server, &file, &(console + &rest));
        let part = find_part(&mut world.flash, 0, 1).unwrap().unwrap();
        assert_eq!(part.len() as usize, RESOURCES_LEN);
        let mut payload = vec![0; RESOURCES_LEN];
        part.read(&mut world.flash, 0, &mut payload).unwrap();
        let whole = resources(2).sign(&signing_key()).unwrap();
        assert!(whole[32..].starts_with(&payload));
    }
}

#[test]
fn set_that_may_not_run_is_refused_before_a_reset() {
    let part = |signer| resources(2).sign(&signer).unwrap();
    let sign = |image: ImageBuilder| image.sign(&signing_key()).unwrap();
    let needs = |image, major| Dependency {
        image,
        version: Version {
            major,
            ..Version::default()
        },
    };
    let own = || part(signing_key());
    let stranger = sign(firmware(2).part(1, part(second_key())));
    let unmet = sign(firmware(2).part(1, own()).depends_on(needs(1, 2)));
    let alone = sign(firmware(2).depends_on(needs(1, 0)));
    let old_part = resources(1).sign(&signing_key()).unwrap();
    let below = sign(firmware(2).part(1, old_part));
    let mut cut = set();
    cut.truncate(cut.len() - 500);
    for (file, reason) in [
        (stranger, Reason::KeyUnknown),
        (unmet, Reason::DependencyUnmet),
        (alone, Reason::Unsupported),
        (below, Reason::SecurityCounter),
        (own(), Reason::MalformedImage),
        (cut, Reason::SizeMismatch),
    ] {
        for mode in [Mode::Standby, Mode::Swap] {
            let (mut world, server) = setup(mode, &file);
            let console = live_on(&mut world, &mut ());
            assert_eq!(world.boots, 1, "no reset: {console}");
            assert!(world.runs(&world.old.clone()), "{console}");
            assert_eq!(world.state().phase(), Phase::Idle);
            let told = server.cloud(|cloud| cloud.closed(8).expect("told").code);
            assert_eq!(told, u64::from(reason.code()), "{reason:?}: {console}");
        }
    }
}
