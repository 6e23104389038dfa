// Each promise is broken once, and the report has to say so.
use super::*;
use crate::expect::expect;
use crate::expect::tests::at;
use crate::{Strike, Trace};
use otaru_record::Outcome;

fn settled(fault: Fault, phase: Phase) -> Evidence {
    let before = at(phase);
    let mut after = at(Phase::Idle);
    let state = after.record.as_mut().expect("a record");
    state.set_attempt(0);
    Evidence {
        fault,
        expected: expect(fault, &before).expect("it makes sense"),
        strikes: vec![Strike {
            look: before,
            torn: false,
        }],
        after,
        boots: (3, 4),
        trace: Trace {
            running: Some("1.0.0".to_owned()),
            online: true,
            ..Trace::default()
        },
        settled: Ok(()),
        seed: 1,
    }
}

fn ended(mut evidence: Evidence, attempt: u64, cause: Cause) -> Evidence {
    if let Ok(state) = &mut evidence.after.record {
        state.set_outcome(&Outcome {
            attempt,
            cause,
            ..Outcome::default()
        });
    }
    evidence
}

/// The points that are not good.
fn bad(evidence: &Evidence) -> Vec<String> {
    let report = judge(evidence, None);
    let bad: Vec<String> = report
        .checks
        .into_iter()
        .filter(|check| !check.good)
        .map(|check| check.what)
        .collect();
    assert_eq!(report.as_expected, bad.is_empty());
    bad
}

#[test]
fn a_device_that_comes_back_as_it_was_is_as_expected() {
    assert_eq!(bad(&settled(Fault::Reset, Phase::Idle)), [""; 0]);
}

#[test]
fn another_image_and_no_start_are_named() {
    let mut evidence = settled(Fault::PowerCut, Phase::Idle);
    evidence.boots = (3, 3);
    let Ok(state) = &mut evidence.after.record else {
        panic!("a record")
    };
    let other = state.other();
    state.set_current(&other);
    assert_eq!(
        bad(&evidence),
        [
            "it starts again",
            "the running image is whole",
            "it runs what it ran"
        ]
    );
}

#[test]
fn a_damaged_image_is_never_as_expected() {
    let mut evidence = settled(Fault::RandomCuts, Phase::Installing);
    evidence.after.execution = Some(Err("the digest does not match".to_owned()));
    assert_eq!(bad(&evidence), ["the running image is whole"]);
}

#[test]
fn the_reason_has_to_be_the_right_one_of_the_right_update() {
    let evidence = settled(Fault::HangNew, Phase::Trial);
    let mut evidence = ended(evidence, 7, Cause::TrialWatchdog);
    evidence.trace.watchdog = 1;
    assert_eq!(bad(&evidence), [""; 0]);
    let other = ended(evidence.clone(), 7, Cause::TrialCrash);
    assert_eq!(bad(&other), ["the reason is trial-watchdog"]);
    let older = ended(evidence, 6, Cause::TrialWatchdog);
    assert_eq!(bad(&older), ["the reason is trial-watchdog"]);
}

#[test]
fn fewer_starts_than_cuts_are_noticed() {
    let mut evidence = settled(Fault::RandomCuts, Phase::Idle);
    evidence.strikes = vec![evidence.strikes[0].clone(); 3];
    assert_eq!(bad(&evidence), ["it starts after every cut"]);
    evidence.boots = (3, 6);
    assert_eq!(bad(&evidence), [""; 0]);
}

#[test]
fn an_image_that_nobody_sent_is_neither() {
    let mut evidence = settled(Fault::CutNextWrite, Phase::Idle);
    let foreign = Image {
        len: 1000,
        digest: [9; 32],
    };
    if let Ok(state) = &mut evidence.after.record {
        state.set_current(&foreign);
    }
    evidence.after.execution = Some(Ok("09".repeat(32)));
    assert_eq!(bad(&evidence), ["it runs the old image or the new one"]);
}

#[test]
fn a_network_loss_is_noticed_and_survived_without_a_restart() {
    let mut evidence = settled(Fault::Offline, Phase::Idle);
    assert_eq!(bad(&evidence), ["it does not restart", "it notices"]);
    evidence.boots = (3, 3);
    evidence.trace.offline = 1;
    assert_eq!(bad(&evidence), [""; 0]);
}

#[test]
fn the_manager_has_to_say_what_the_device_says() {
    let evidence = settled(Fault::Reset, Phase::Idle);
    let word = |online, version: &str| ManagerWord {
        online,
        version: Some(version.to_owned()),
    };
    assert!(judge(&evidence, Some(&word(true, "1.0.0"))).as_expected);
    assert!(!judge(&evidence, Some(&word(true, "2.0.0"))).as_expected);
    assert!(!judge(&evidence, Some(&word(false, "1.0.0"))).as_expected);
}
