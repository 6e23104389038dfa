//! "N trial attempts (default 1), reset cause": how often a new firmware may start, who says so, and
//! what the application and the manager are told when it is over. Real agent, real bootloader.

use otaru_bootloader::ResetCause;
use otaru_ddi::Reason;
use otaru_flash::Mode;
use otaru_record::Phase;
use otaru_runtime_agent::{Application, OutcomePhase, ResetReason};

use crate::cloud::Offer;
use crate::driver::{fail, live, live_on, live_on_after};
use crate::server::Server;
use crate::world::{World, digest, hex, signed};

/// A device whose block says `block`, an update whose deployment says `deployment` (0: nothing), as
/// far as the reset that installs it.
fn parked(mode: Mode, block: u8, deployment: u32) -> (World, Server, Vec<u8>) {
    let server = Server::start();
    let mut world = World::with_trials(mode, &server.base, block);
    let new = signed("1.1.0+2", 2, 4000);
    let offer = Offer {
        deadline_s: 65_535,
        trials: deployment,
        ..Offer::new(8, "1.1.0+2", &new)
    };
    server.cloud(|cloud| cloud.offer = Some(offer));
    let mut console = String::new();
    let end = live(&mut world, ResetCause::PowerOn, &mut (), &mut console);
    assert_eq!(end, Some(ResetReason::Install), "{console}");
    (world, server, new)
}

#[test]
fn firmware_that_fails_twice_may_confirm_at_its_third_start() {
    for mode in [Mode::Standby, Mode::Swap] {
        // The device block says three, and the deployment leaves it at that; or the other way round.
        for (block, deployment) in [(3, 0), (1, 3)] {
            let (mut world, server, new) = parked(mode, block, deployment);
            fail(&mut world, ResetCause::Software, "first start");
            assert_eq!(
                (world.state().phase(), world.state().trials_used()),
                (Phase::Trial, 1)
            );
            fail(&mut world, ResetCause::Crash, "second start");
            assert_eq!(
                (world.state().phase(), world.state().trials_used()),
                (Phase::Trial, 2)
            );
            let console = live_on_after(&mut world, ResetCause::Watchdog, &mut ());
            assert!(world.runs(&new), "{console}");
            let outcome = world.outcome.expect("there was an update");
            assert_eq!(
                (outcome.reason, outcome.phase),
                (None, OutcomePhase::Confirmed)
            );
            server.cloud(|cloud| assert_eq!(cloud.closed(8).expect("told").code, 60));
        }
    }
}

#[test]
fn the_reason_names_the_reset_that_ended_the_last_permitted_start() {
    use ResetCause::{Button, Crash, PowerOn, Watchdog};
    let check = |block, deployment, causes: &[ResetCause], reason: Reason| {
        let (mut world, server, _) = parked(Mode::Standby, block, deployment);
        let (last, former) = causes.split_last().expect("there is one");
        let mut cause = ResetCause::Software;
        for (number, next) in former.iter().chain([last]).enumerate() {
            assert_eq!(world.outcome, None, "there was no update before this one");
            fail(&mut world, cause, &format!("start {number}"));
            cause = *next;
        }
        let console = live_on_after(&mut world, cause, &mut ());
        assert!(world.runs(&world.old.clone()), "{console}");
        let starts = causes.len();
        let words: Vec<String> = (0..starts).map(|n| format!("console: start {n}")).collect();
        server.cloud(|cloud| {
            let closed = cloud.closed(8).expect("told");
            assert_eq!(closed.code, u64::from(reason.code()));
            assert_eq!(closed.details[1..], words, "the last lines of every start");
        });
        let outcome = world.outcome.expect("there was an update");
        assert_eq!(
            (outcome.reason, outcome.phase),
            (Some(reason), OutcomePhase::Trial)
        );
    };
    // Nobody says anything: one start.
    check(1, 0, &[Watchdog], Reason::TrialWatchdog);
    check(3, 0, &[Crash, Button, Watchdog], Reason::TrialWatchdog);
    check(3, 2, &[Watchdog, Crash], Reason::TrialCrash);
    check(1, 3, &[Watchdog, Crash, PowerOn], Reason::TrialReset);
}

#[test]
fn outcome_tells_manager_and_application_the_same() {
    // "from, to, why, phase, cuts survived, chunks copied, milliseconds"
    struct Ill;
    impl Application for Ill {
        fn healthy(&mut self) -> Result<(), &str> {
            Err("no")
        }
    }
    for mode in [Mode::Standby, Mode::Swap] {
        for confirms in [true, false] {
            let (mut world, server, new) = parked(mode, 1, 0);
            if confirms {
                live_on_after(&mut world, ResetCause::Software, &mut ());
            } else {
                live_on_after(&mut world, ResetCause::Software, &mut Ill);
            }
            let outcome = world.outcome.expect("there was an update");
            let names = [&world.old, &new].map(|image| hex(&digest(image)[..8]));
            assert_eq!([hex(&outcome.from), hex(&outcome.to)], names);
            assert_eq!(outcome.attempt, 8);
            assert_eq!(outcome.reason, (!confirms).then_some(Reason::Unhealthy));
            assert!(outcome.reported, "the device has become idle");
            // 4000 bytes of payload in chunks of 512 bytes.
            assert_eq!((outcome.chunks, outcome.cuts), (9, 0));
            let told = format!(" from={} to={} ", names[0], names[1]);
            server.cloud(|cloud| {
                let trial = cloud.feedback.iter().find(|posted| posted.code == 50);
                for line in [trial, cloud.closed(8)].map(|posted| &posted.expect("told").details[0])
                {
                    assert!(
                        line.contains(&told) && line.contains(" chunks=9 cuts=0 "),
                        "{line}"
                    );
                }
            });
            // It is still there after a reset without an update.
            live_on(&mut world, &mut ());
            assert_eq!(world.outcome, Some(outcome));
        }
    }
}

#[test]
fn failed_download_names_both_images_too() {
    let server = Server::start();
    let mut world = World::new(Mode::Standby, 5, &server.base);
    let mut damaged = signed("1.1.0+2", 2, 4000);
    let offer = Offer::new(8, "1.1.0+2", &damaged);
    damaged[600] ^= 1;
    server.cloud(|cloud| {
        cloud.offer = Some(Offer {
            image: damaged,
            ..offer.clone()
        });
    });
    live_on(&mut world, &mut ());
    let outcome = world.outcome.expect("there was an update");
    assert_eq!(outcome.reason, Some(Reason::DigestMismatch));
    assert_eq!(outcome.from, digest(&world.old)[..8]);
    assert_eq!(
        outcome.to,
        offer.sha256[..8],
        "known although nothing of it is left"
    );
    assert!(!world.state().other().exists());
    let told = format!(" to={} ", hex(&outcome.to));
    server.cloud(|cloud| {
        let line = &cloud.closed(8).expect("told").details[0];
        assert!(line.contains(&told), "{line}");
    });
}
