//! The session against the real record and bootloader, event by event.

use otaru_bootloader::ResetCause;
use otaru_ddi::Reason;
use otaru_flash::{Mode, Slot};
use otaru_record::{Backup, Cause, Phase};
use otaru_runtime_agent::{Action, MayInstall, ResetReason};

use crate::cloud::{Cloud, Offer, Ranges};
use crate::life::{End, Fate, Fault, Kind, Life, live_on};
use crate::world::{World, signed};

const BASE: &str = "http://127.0.0.1:1/T/controller/v1/d1";

fn setup(mode: Mode) -> (World, Cloud, Vec<u8>) {
    let world = World::new(mode, 1, BASE);
    let mut cloud = Cloud::new(BASE);
    let new = signed("1.1.0+2", 2, 15_000);
    cloud.offer = Some(Offer::new(8, "1.1.0+2", &new));
    (world, cloud, new)
}

/// Does something just before an action for which `when` holds, the first time.
struct Once<W, D> {
    when: W,
    then: Option<D>,
}

impl<W: FnMut(&Action) -> bool, D: FnOnce(&mut Cloud) -> Fault> Fate for Once<W, D> {
    fn fault(&mut self, action: &Action, cloud: &mut Cloud) -> Fault {
        if self.then.is_some() && (self.when)(action) {
            let then = self.then.take().expect("just seen");
            return then(cloud);
        }
        Fault::None
    }
}

fn once<W: FnMut(&Action) -> bool, D: FnOnce(&mut Cloud) -> Fault>(when: W, then: D) -> Once<W, D> {
    Once {
        when,
        then: Some(then),
    }
}

fn is_report_of(action: &Action, wanted: otaru_ddi::Phase) -> bool {
    matches!(action, Action::Report(report) if report.phase == wanted && report.reason.is_none())
}

#[test]
fn update_from_factory_is_confirmed_in_both_modes() {
    // A22 A24 A31 A45 A46 A47 A48 A52 A53 A54
    for mode in [Mode::Standby, Mode::Swap] {
        let (mut world, mut cloud, new) = setup(mode);
        let lines = live_on(&mut world, &mut cloud, &mut Kind);
        assert!(world.runs(&new), "{lines:#?}");
        assert_eq!(cloud.codes(8), [10, 20, 30, 40, 50, 60], "{mode:?}");
        let state = world.state();
        assert_eq!(state.phase(), Phase::Idle);
        assert!(state.outcome().reported);
        assert!(!state.factory_made());
        assert_eq!(state.floor(), 2);
        let mut expect = vec![
            "ota: running version Factory",
            "ota: online",
            "ota: update 8 offered: Factory to 1.1.0+2, 15239 bytes",
        ];
        if mode == Mode::Standby {
            expect.push("ota: copying the running firmware to storage first");
        }
        let first = lines
            .iter()
            .position(|line| line.contains("download"))
            .unwrap();
        assert_eq!(lines[..first], expect);
        let rest: Vec<&str> = lines[first..]
            .iter()
            .map(String::as_str)
            .filter(|line| !line.contains("download"))
            .collect();
        assert_eq!(
            rest,
            [
                "ota: verifying what was stored",
                "ota: verified; version 1.1.0+2 is parked",
                "ota: version Factory ends here; resetting to install",
                "(reset)",
                "ota: running version testing-1.1.0+2",
                "ota: on trial for update 8, 60 s to confirm",
                "ota: online",
                "ota: confirmed: version 1.1.0+2 stays",
            ]
        );
    }
}

#[test]
fn attributes_are_sent_at_each_start_and_after_the_confirm() {
    // C20, A52
    let (mut world, mut cloud, _) = setup(Mode::Standby);
    live_on(&mut world, &mut cloud, &mut Kind);
    let versions: Vec<&str> = cloud
        .config
        .iter()
        .map(|config| config["data"]["otaru.version"].as_str().unwrap())
        .collect();
    assert_eq!(versions, ["Factory", "testing-1.1.0+2", "1.1.0+2"]);
}

#[test]
fn second_update_uses_the_other_slot_and_needs_no_copy() {
    // A27: storage slots rotate; the backup is never written.
    let (mut world, mut cloud, _) = setup(Mode::Standby);
    live_on(&mut world, &mut cloud, &mut Kind);
    assert_eq!(world.state().backup(), Backup::Copy(Slot::Storage1));
    let third = signed("1.2.0+3", 3, 12_000);
    cloud.offer = Some(Offer::new(9, "1.2.0+3", &third));
    let lines = live_on(&mut world, &mut cloud, &mut Kind);
    assert!(world.runs(&third));
    assert!(
        !lines.iter().any(|line| line.contains("copying")),
        "{lines:#?}"
    );
    assert_eq!(world.state().backup(), Backup::Copy(Slot::Storage0));
}

#[test]
fn reset_while_receiving_ends_the_attempt_and_the_next_one_resumes() {
    // A56 A57 C24
    let (mut world, mut cloud, new) = setup(Mode::Standby);
    let mut marks = 0;
    let mut fate = once(
        |action| {
            marks += usize::from(matches!(action, Action::Mark { .. }));
            marks == 3
        },
        |_| Fault::ResetAfter,
    );
    let lines = live_on(&mut world, &mut cloud, &mut fate);
    let closed = cloud.closed(8).expect("told");
    assert_eq!(closed.code, u64::from(Reason::Interrupted.code()));
    assert!(world.runs(&world.old.clone()), "{lines:#?}");
    cloud.offer = Some(Offer::new(9, "1.1.0+2", &new));
    let lines = live_on(&mut world, &mut cloud, &mut Kind);
    assert!(
        lines
            .iter()
            .any(|line| line == "ota: download goes on from byte 12288"),
        "{lines:#?}"
    );
    assert!(world.runs(&new));
    assert_eq!(cloud.codes(9).last(), Some(&60));
}

#[test]
fn torn_rest_of_an_earlier_attempt_is_fetched_once_more_from_the_beginning() {
    // Install protocol 6, "Download resume"
    let (mut world, mut cloud, new) = setup(Mode::Standby);
    let mut marks = 0;
    let mut fate = once(
        |action| {
            marks += usize::from(matches!(action, Action::Mark { .. }));
            marks == 3
        },
        |_| Fault::ResetAfter,
    );
    live_on(&mut world, &mut cloud, &mut fate);
    let slot = world.state().slot().unwrap();
    let at = world.layout.slot(slot).offset + 600;
    world.flash.corrupt(at, 0x10);
    cloud.offer = Some(Offer::new(9, "1.1.0+2", &new));
    live_on(&mut world, &mut cloud, &mut Kind);
    assert!(world.runs(&new));
}

#[test]
fn lost_connection_stays_inside_the_attempt() {
    // A11 C9: at every request and at every block, lost once before and once after it arrived.
    for ranges in [Ranges::Served, Ranges::Ignored] {
        for fault in [Fault::Lost, Fault::ReplyLost] {
            for nth in 0..60 {
                let (mut world, mut cloud, new) = setup(Mode::Swap);
                cloud.ranges = ranges;
                let mut seen = 0;
                let mut fate = once(
                    |_| {
                        seen += 1;
                        seen > nth
                    },
                    |_| fault,
                );
                let lines = live_on(&mut world, &mut cloud, &mut fate);
                assert!(world.runs(&new), "{fault:?} at {nth}: {lines:#?}");
                assert_eq!(cloud.codes(8).last(), Some(&60));
                assert_eq!(lines.iter().filter(|line| *line == "(reset)").count(), 1);
            }
        }
    }
}

#[test]
fn pauses_grow_to_thirty_seconds_and_the_agent_never_gives_up() {
    // C9
    struct Offline(u32);
    impl Fate for Offline {
        fn fault(&mut self, action: &Action, _: &mut Cloud) -> Fault {
            if matches!(action, Action::Receive { .. } | Action::Poll { .. }) && self.0 > 0 {
                self.0 -= 1;
                return Fault::Lost;
            }
            Fault::None
        }
    }
    let (mut world, mut cloud, _) = setup(Mode::Swap);
    let mut life = Life::begin(&mut world, &mut cloud, ResetCause::PowerOn).unwrap();
    assert_eq!(
        life.live(&mut Offline(50)),
        End::Asked(ResetReason::Install)
    );
    let sleeps: Vec<u32> = life
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::Sleep { ms } => Some(*ms),
            _ => None,
        })
        .collect();
    assert_eq!(
        sleeps[..8],
        [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]
    );
    assert_eq!(sleeps.len(), 50);
}

#[test]
fn same_image_is_a_success_without_work() {
    // C4
    let (mut world, mut cloud, _) = setup(Mode::Standby);
    cloud.offer = Some(Offer::new(8, "1.0.0+1", &world.old));
    let erases = world.image_erases();
    live_on(&mut world, &mut cloud, &mut Kind);
    assert_eq!(cloud.codes(8), [60]);
    assert_eq!(world.image_erases(), erases);
}

#[test]
fn image_that_does_not_fit_is_refused_before_anything_is_erased() {
    // C13
    let (mut world, mut cloud, _) = setup(Mode::Standby);
    let long = signed("9.9.9", 9, 25_000);
    cloud.offer = Some(Offer::new(8, "9.9.9", &long));
    let erases = world.image_erases();
    live_on(&mut world, &mut cloud, &mut Kind);
    let closed = cloud.closed(8).unwrap();
    assert_eq!(closed.code, u64::from(Reason::SizeMismatch.code()));
    assert_eq!(world.image_erases(), erases);
}

#[test]
fn failed_attempt_is_told_again_and_never_tried_again() {
    // C17 C23
    let (mut world, mut cloud, _) = setup(Mode::Standby);
    cloud.offer.as_mut().unwrap().image[200] ^= 1;
    live_on(&mut world, &mut cloud, &mut Kind);
    assert_eq!(
        cloud.closed(8).unwrap().code,
        u64::from(Reason::DigestMismatch.code())
    );
    // A server that lost the news offers the same action again.
    let (_, fresh, _) = setup(Mode::Standby);
    cloud.offer = fresh.offer;
    cloud.feedback.clear();
    live_on(&mut world, &mut cloud, &mut Kind);
    assert_eq!(cloud.codes(8), [u64::from(Reason::DigestMismatch.code())]);
}

/// Offers another update in the middle of a download.
struct Swap {
    own: Option<Offer>,
    other: Option<Offer>,
    lost: bool,
}

impl Fate for Swap {
    fn fault(&mut self, action: &Action, cloud: &mut Cloud) -> Fault {
        match action {
            Action::Mark { step: 2 } if !self.lost => {
                self.lost = true;
                Fault::None
            }
            Action::Receive { .. } if self.lost && self.other.is_some() => {
                cloud.offer = self.other.take();
                Fault::Lost
            }
            // The other one is closed; the server comes back to the first.
            Action::Open { .. } if self.lost && cloud.offer.is_none() => {
                cloud.offer = self.own.take();
                Fault::None
            }
            _ => Fault::None,
        }
    }
}

#[test]
fn another_update_is_declined_while_one_is_received() {
    // C5
    let (mut world, mut cloud, new) = setup(Mode::Swap);
    let own = cloud.offer.clone();
    let third = signed("1.2.0+3", 3, 12_000);
    let mut fate = Swap {
        own,
        other: Some(Offer::new(9, "1.2.0+3", &third)),
        lost: false,
    };
    live_on(&mut world, &mut cloud, &mut fate);
    assert_eq!(cloud.codes(9), [u64::from(Reason::Busy.code())]);
    assert!(world.runs(&new));
}

#[test]
fn another_update_replaces_a_parked_one_in_the_same_slot() {
    // Install protocol 6, "Second update while one is parked"
    struct Later(bool, Option<Offer>);
    impl Fate for Later {
        fn may_install(&mut self) -> MayInstall<'static> {
            if self.0 {
                MayInstall::Yes
            } else {
                MayInstall::NotNow("motor running")
            }
        }
        fn fault(&mut self, action: &Action, cloud: &mut Cloud) -> Fault {
            if matches!(action, Action::AskInstall) && self.1.is_some() {
                cloud.offer = self.1.take();
            } else if matches!(action, Action::Open { .. }) && self.1.is_none() {
                self.0 = true;
            }
            Fault::None
        }
    }
    let (mut world, mut cloud, _) = setup(Mode::Swap);
    let third = signed("1.2.0+3", 3, 12_000);
    let mut fate = Later(false, Some(Offer::new(9, "1.2.0+3", &third)));
    live_on(&mut world, &mut cloud, &mut fate);
    assert!(world.runs(&third));
    assert_eq!(cloud.codes(9).last(), Some(&60));
}

#[test]
fn cancel_stops_a_download_and_a_parked_image() {
    // A56 C45, scenario 17
    for at in [otaru_ddi::Phase::Downloading, otaru_ddi::Phase::Parked] {
        let (mut world, mut cloud, _) = setup(Mode::Standby);
        let mut fate = once(
            |action| is_report_of(action, at),
            |cloud| {
                cloud.canceling = true;
                Fault::ReplyLost
            },
        );
        let lines = live_on(&mut world, &mut cloud, &mut fate);
        assert_eq!(
            cloud.cancel_answers,
            [(8, "closed".to_owned())],
            "{lines:#?}"
        );
        assert!(world.runs(&world.old.clone()));
        let state = world.state();
        assert_eq!(
            (state.phase(), state.outcome().cause),
            (Phase::Idle, Cause::Withdrawn)
        );
        assert!(state.outcome().reported);
    }
}

#[test]
fn cancel_after_the_confirm_is_rejected() {
    // Install protocol 6, "Cancel"
    let (mut world, mut cloud, new) = setup(Mode::Standby);
    // The success is lost on its way, and the operator cancels meanwhile.
    let mut fate = once(
        |action| is_report_of(action, otaru_ddi::Phase::Confirmed),
        |cloud| {
            cloud.canceling = true;
            Fault::Status(410)
        },
    );
    live_on(&mut world, &mut cloud, &mut fate);
    assert_eq!(cloud.cancel_answers, [(8, "rejected".to_owned())]);
    assert!(world.runs(&new));
    assert_eq!(cloud.codes(8).last(), Some(&60));
}

#[test]
fn withdrawn_on_trial_reverts() {
    // C7
    let (mut world, mut cloud, _) = setup(Mode::Standby);
    let mut fate = once(
        |action| is_report_of(action, otaru_ddi::Phase::Trial),
        |cloud| {
            cloud.offer = None;
            Fault::None
        },
    );
    let lines = live_on(&mut world, &mut cloud, &mut fate);
    assert!(world.runs(&world.old.clone()), "{lines:#?}");
    assert_eq!(world.state().outcome().cause, Cause::Withdrawn);
    assert!(lines.contains(&"ota: trial given up (withdrawn); resetting to revert".to_owned()));
}

#[test]
fn errors_and_silence_are_no_withdrawal() {
    // Install protocol 6: not an error, 401, 404 or silence
    for fault in [
        Fault::Lost,
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(404),
        Fault::Status(410),
        Fault::Status(500),
    ] {
        struct Trouble(Fault, u32);
        impl Fate for Trouble {
            fn fault(&mut self, action: &Action, _: &mut Cloud) -> Fault {
                let on_trial = is_report_of(action, otaru_ddi::Phase::Trial)
                    || matches!(action, Action::Poll { wait_s: 0, .. } if self.1 > 0);
                if on_trial && self.1 < 6 {
                    self.1 += 1;
                    return self.0;
                }
                Fault::None
            }
        }
        let (mut world, mut cloud, new) = setup(Mode::Standby);
        live_on(&mut world, &mut cloud, &mut Trouble(fault, 0));
        assert!(world.runs(&new), "{fault:?}");
        assert_eq!(cloud.codes(8).last(), Some(&60), "{fault:?}");
    }
}

#[test]
fn trial_without_the_manager_ends_at_the_deadline() {
    // A9 A58, scenario 14
    struct Unreachable(bool);
    impl Fate for Unreachable {
        fn fault(&mut self, action: &Action, _: &mut Cloud) -> Fault {
            if is_report_of(action, otaru_ddi::Phase::Trial) {
                self.0 = true;
            }
            let over = matches!(action, Action::Reset(_) | Action::Disconnect);
            match (self.0, over) {
                (true, true) => {
                    self.0 = false;
                    Fault::None
                }
                (true, false) if matches!(action, Action::Report(_) | Action::Poll { .. }) => {
                    Fault::Lost
                }
                _ => Fault::None,
            }
        }
    }
    let (mut world, mut cloud, _) = setup(Mode::Standby);
    cloud.offer.as_mut().unwrap().deadline_s = 5;
    let lines = live_on(&mut world, &mut cloud, &mut Unreachable(false));
    assert!(world.runs(&world.old.clone()), "{lines:#?}");
    assert_eq!(
        cloud.closed(8).unwrap().code,
        u64::from(Reason::ConfirmDeadline.code())
    );
}

#[test]
fn unhealthy_firmware_and_refusing_application_end_the_attempt() {
    // C2 C3 A9, scenario 12
    struct Refuser {
        install: MayInstall<'static>,
        healthy: bool,
    }
    impl Fate for Refuser {
        fn may_install(&mut self) -> MayInstall<'static> {
            self.install
        }
        fn healthy(&mut self) -> bool {
            self.healthy
        }
    }
    for (install, healthy, reason) in [
        (
            MayInstall::Refuse("never"),
            true,
            Reason::RefusedByApplication,
        ),
        (MayInstall::Yes, false, Reason::Unhealthy),
    ] {
        let (mut world, mut cloud, _) = setup(Mode::Standby);
        live_on(&mut world, &mut cloud, &mut Refuser { install, healthy });
        assert!(world.runs(&world.old.clone()));
        assert_eq!(cloud.closed(8).unwrap().code, u64::from(reason.code()));
    }
}

#[test]
fn not_now_is_told_and_asked_again() {
    // DESIGN 5: may_install(): not now (motor running)
    struct Busy(u32);
    impl Fate for Busy {
        fn may_install(&mut self) -> MayInstall<'static> {
            self.0 += 1;
            match self.0 {
                1..=3 => MayInstall::NotNow("motor running"),
                _ => MayInstall::Yes,
            }
        }
    }
    let (mut world, mut cloud, new) = setup(Mode::Standby);
    let mut fate = Busy(0);
    live_on(&mut world, &mut cloud, &mut fate);
    assert!(world.runs(&new));
    assert_eq!(fate.0, 4);
    let parked: Vec<&[String]> = cloud
        .feedback
        .iter()
        .filter(|posted| posted.code == 30)
        .map(|posted| &posted.details[1..])
        .collect();
    assert_eq!(parked, [&[][..], &["motor running".to_owned()][..]]);
}

#[test]
fn skipped_download_and_skipped_update_wait_for_the_manager() {
    // DDI: download/update = skip; with a server that holds polls, and with one that does not
    struct Patience(u32);
    impl Fate for Patience {
        fn fault(&mut self, action: &Action, cloud: &mut Cloud) -> Fault {
            if let Action::Poll { .. } = action {
                self.0 += 1;
                let codes = cloud.codes(8);
                let Some(offer) = cloud.offer.as_mut() else {
                    return Fault::None;
                };
                if self.0 == 5 {
                    assert!(codes.is_empty(), "{codes:?}");
                    offer.download = "attempt";
                } else if self.0 == 12 {
                    assert_eq!(codes.last(), Some(&30));
                    offer.update = "attempt";
                }
            }
            Fault::None
        }
    }
    for etags in [true, false] {
        let (mut world, mut cloud, new) = setup(Mode::Standby);
        cloud.etags = etags;
        let offer = cloud.offer.as_mut().unwrap();
        offer.download = "skip";
        offer.update = "skip";
        live_on(&mut world, &mut cloud, &mut Patience(0));
        assert!(world.runs(&new));
    }
}

/// A name, what is wrong with the offer, and the reason.
type Case = (&'static str, fn(&mut Offer), Reason);

#[test]
fn foreign_deployments_get_their_reason() {
    // C22
    let cases: [Case; 3] = [
        (
            "other board",
            |offer| {
                let key = crate::world::signing_key();
                *offer = Offer::new(
                    8,
                    "x",
                    &crate::world::signed_for("x", 2, 900, [9; 16], &key),
                );
            },
            Reason::WrongBoard,
        ),
        (
            "older than confirmed",
            |offer| {
                *offer = Offer::new(8, "x", &signed("x", 0, 900));
            },
            Reason::SecurityCounter,
        ),
        (
            "malformed",
            |offer| offer.download = "nonsense",
            Reason::MalformedDeployment,
        ),
    ];
    for (name, change, reason) in cases {
        let (mut world, mut cloud, _) = setup(Mode::Standby);
        change(cloud.offer.as_mut().unwrap());
        live_on(&mut world, &mut cloud, &mut Kind);
        let closed = cloud.closed(8).expect(name);
        assert_eq!(closed.code, u64::from(reason.code()), "{name}");
        assert_eq!(closed.finished, "failure");
        assert!(world.runs(&world.old.clone()));
        assert_eq!(world.boots, 1, "{name}: no reset");
    }
}

#[test]
fn server_without_sha256_serves_an_update_all_the_same() {
    // Landing mark (a): goosebit announces SHA-1 only; the signature decides.
    for damaged in [false, true] {
        let (mut world, mut cloud, new) = setup(Mode::Standby);
        let offer = cloud.offer.as_mut().unwrap();
        offer.announced = false;
        if damaged {
            offer.image[5000] ^= 1;
        }
        live_on(&mut world, &mut cloud, &mut Kind);
        assert_eq!(world.runs(&new), !damaged);
        let closed = cloud.closed(8).unwrap();
        let digest_mismatch = u64::from(Reason::DigestMismatch.code());
        assert_eq!(closed.code, if damaged { digest_mismatch } else { 60 });
        assert_eq!(
            world.state().current().digest == crate::world::digest(&new),
            !damaged
        );
    }
}

#[test]
fn missing_artifact_on_the_server_fails_the_download() {
    // A11: success or a reported failure, never a hang
    for status in [400, 403, 404, 410] {
        let (mut world, mut cloud, _) = setup(Mode::Standby);
        let mut fate = once(
            |action| matches!(action, Action::Open { .. }),
            |_| Fault::Status(status),
        );
        live_on(&mut world, &mut cloud, &mut fate);
        assert_eq!(
            cloud.closed(8).unwrap().code,
            u64::from(Reason::DownloadFailed.code()),
            "{status}"
        );
    }
}

#[test]
fn every_cause_has_the_number_of_its_reason() {
    // The record and the wire say the same number for the same thing.
    let named = |name: &str| {
        let mut kebab = String::new();
        for letter in name.chars() {
            if letter.is_uppercase() && !kebab.is_empty() {
                kebab.push('-');
            }
            kebab.push(letter.to_ascii_lowercase());
        }
        kebab
    };
    let mut checked = 0;
    for &cause in Cause::ALL.iter().filter(|cause| cause.code() > 1000) {
        let reason = Reason::try_from(cause.code()).expect("a reason with this number");
        assert_eq!(reason.name(), named(&format!("{cause:?}")));
        checked += 1;
    }
    assert_eq!(checked, 27);
}
