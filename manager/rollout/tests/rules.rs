//! The transitions one by one. A31, A32, A57, C4, C5, C7, D7.

use otaru_ddi::{Phase, Reason};
use otaru_manager_rollout::{
    Action, Cancel, CancelAnswer, Cause, Event, Execution, Finished, Limits, Offer, Plan, Proof,
    Refusal, Report, Status, step,
};

const DIGEST: [u8; 32] = [7; 32];
const OTHER: [u8; 32] = [8; 32];

fn plan() -> Plan {
    Plan {
        digest: DIGEST,
        proof: Proof::Required,
        already_running: false,
        confirm_deadline_ms: 300_000,
        limits: Limits::default(),
    }
}

fn working(phase: Phase) -> Event {
    let digest = (phase == Phase::Trial).then_some(DIGEST);
    Event::Report(Report {
        execution: Execution::Proceeding,
        finished: Finished::None,
        phase: Some(phase),
        reason: None,
        digest,
        percent: Some(10),
    })
}

fn success(phase: Option<Phase>, digest: Option<[u8; 32]>) -> Event {
    Event::Report(Report {
        execution: Execution::Closed,
        finished: Finished::Success,
        phase,
        reason: None,
        digest,
        percent: None,
    })
}

fn failure(reason: Reason) -> Event {
    Event::Report(Report {
        execution: Execution::Closed,
        finished: Finished::Failure,
        phase: None,
        reason: Some(reason),
        digest: None,
        percent: None,
    })
}

fn run(plan: &Plan, retries: u32, events: &[Event]) -> Action {
    let mut action = Action::new(retries);
    for (now_ms, &event) in (1_000..).zip(events) {
        action = step(&action, plan, event, now_ms)
            .unwrap_or_else(|refusal| panic!("{event:?} refused in {action:?}: {refusal:?}"))
            .action;
    }
    action
}

const UPDATE: [Phase; 5] = [
    Phase::Downloading,
    Phase::Verifying,
    Phase::Parked,
    Phase::Installing,
    Phase::Trial,
];

fn up_to(phase: Phase) -> Vec<Event> {
    let mut events = vec![Event::Retrieved];
    events.extend(
        UPDATE
            .into_iter()
            .filter(|step| *step <= phase)
            .map(working),
    );
    events
}

#[test]
fn every_phase_is_a_status_and_a_proven_success_is_verified() {
    let mut events = up_to(Phase::Trial);
    for (index, status) in [
        Status::Downloading,
        Status::Downloading,
        Status::Verifying,
        Status::Parked,
        Status::Installing,
        Status::Trial,
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(run(&plan(), 0, &events[..=index]).status, status);
    }
    events.push(success(Some(Phase::Confirmed), Some(DIGEST)));
    let action = run(&plan(), 0, &events);
    assert_eq!(
        (action.status, action.verified, action.late),
        (Status::Succeeded, true, false)
    );
}

#[test]
fn success_without_a_trial_before_it_fails() {
    let mut events = up_to(Phase::Installing);
    events.push(success(Some(Phase::Confirmed), Some(DIGEST)));
    let action = run(&plan(), 0, &events);
    assert_eq!(
        (action.status, action.cause),
        (Status::Failed, Some(Cause::Unproven))
    );
}

#[test]
fn success_of_another_digest_fails() {
    let mut events = up_to(Phase::Trial);
    events.push(success(Some(Phase::Confirmed), Some(OTHER)));
    let action = run(&plan(), 0, &events);
    assert_eq!(action.status, Status::Failed);
    assert_eq!(action.cause, Some(Cause::Device(Reason::DigestMismatch)));
}

#[test]
fn bare_success_counts_only_without_proof_and_is_not_verified() {
    let bare = success(None, None);
    assert_eq!(
        run(&plan(), 0, &[Event::Retrieved, bare]).status,
        Status::Failed
    );
    let foreign = Plan {
        proof: Proof::DeviceWord,
        ..plan()
    };
    let action = run(&foreign, 0, &[Event::Retrieved, bare]);
    assert_eq!((action.status, action.verified), (Status::Succeeded, false));
}

#[test]
fn image_that_ran_before_needs_no_trial() {
    let plan = Plan {
        already_running: true,
        ..plan()
    };
    let action = run(
        &plan,
        0,
        &[
            Event::Retrieved,
            success(Some(Phase::Confirmed), Some(DIGEST)),
        ],
    );
    assert_eq!((action.status, action.verified), (Status::Succeeded, true));
}

#[test]
fn trial_reasons_are_reverted_and_others_failed() {
    for (reason, status) in [
        (Reason::TrialReset, Status::Reverted),
        (Reason::TrialWatchdog, Status::Reverted),
        (Reason::TrialCrash, Status::Reverted),
        (Reason::Unhealthy, Status::Reverted),
        (Reason::ConfirmDeadline, Status::Reverted),
        (Reason::Withdrawn, Status::Reverted),
        (Reason::InstallFailed, Status::Failed),
    ] {
        let mut events = up_to(Phase::Trial);
        events.push(failure(reason));
        let action = run(&plan(), 0, &events);
        assert_eq!(
            (action.status, action.cause),
            (status, Some(Cause::Device(reason)))
        );
    }
}

#[test]
fn failure_stays_visible_unless_a_retry_was_asked_for() {
    let mut events = up_to(Phase::Downloading);
    events.push(failure(Reason::Interrupted));
    assert_eq!(run(&plan(), 0, &events).status, Status::Failed);

    let again = run(&plan(), 1, &events);
    assert_eq!(
        (again.status, again.attempt, again.retries_left),
        (Status::Pending, 2, 0)
    );
    let pause_ends = again.wake_at_ms.expect("a retry pauses");
    assert_eq!(again.offer(pause_ends - 1), Offer::Nothing);
    assert_eq!(again.offer(pause_ends), Offer::Deployment);
}

#[test]
fn failure_that_cannot_pass_next_time_is_not_retried() {
    let mut events = up_to(Phase::Verifying);
    events.push(failure(Reason::SignatureInvalid));
    assert_eq!(run(&plan(), 3, &events).status, Status::Failed);
}

#[test]
fn cancel_before_the_install_is_offered_and_accepted() {
    assert_eq!(
        run(&plan(), 0, &[Event::CancelRequested]).status,
        Status::Canceled
    );
    for phase in [Phase::Downloading, Phase::Verifying, Phase::Parked] {
        let mut events = up_to(phase);
        events.push(Event::CancelRequested);
        assert_eq!(run(&plan(), 0, &events).offer(0), Offer::Cancel);
        events.push(Event::CancelAnswered(CancelAnswer::Accepted));
        let action = run(&plan(), 0, &events);
        assert_eq!(
            (action.status, action.cause),
            (Status::Canceled, Some(Cause::Operator))
        );
    }
}

#[test]
fn cancel_from_the_install_on_offers_nothing_and_ends_with_the_withdrawal() {
    for phase in [Phase::Installing, Phase::Trial] {
        let mut events = up_to(phase);
        events.push(Event::CancelRequested);
        assert_eq!(run(&plan(), 0, &events).offer(0), Offer::Nothing);
        events.push(failure(Reason::Withdrawn));
        assert_eq!(run(&plan(), 0, &events).status, Status::Canceled);
    }
}

#[test]
fn cancel_that_the_install_overtakes_is_withheld() {
    let mut events = up_to(Phase::Parked);
    events.extend([Event::CancelRequested, working(Phase::Installing)]);
    let action = run(&plan(), 0, &events);
    assert!(matches!(action.cancel, Cancel::Withheld { .. }));
    events.push(success(Some(Phase::Confirmed), Some(DIGEST)));
    // No trial was reported, so even now the old firmware's word is worth nothing.
    assert_eq!(run(&plan(), 0, &events).status, Status::Failed);
}

#[test]
fn cancel_too_late_still_ends_in_success() {
    let mut events = up_to(Phase::Trial);
    events.extend([
        Event::CancelRequested,
        success(Some(Phase::Confirmed), Some(DIGEST)),
    ]);
    assert_eq!(run(&plan(), 0, &events).status, Status::Succeeded);
}

#[test]
fn foreign_client_that_rejects_the_cancel_goes_on() {
    let foreign = Plan {
        proof: Proof::DeviceWord,
        ..plan()
    };
    let events = [
        Event::Retrieved,
        Event::CancelRequested,
        Event::CancelAnswered(CancelAnswer::Rejected),
    ];
    assert_eq!(run(&foreign, 0, &events).offer(0), Offer::Deployment);
}

#[test]
fn silence_times_out_and_a_late_success_is_recorded_as_such() {
    let limits = Limits::default();
    let action = run(&plan(), 2, &up_to(Phase::Trial));
    let deadline = action.wake_at_ms.expect("a trial has a deadline");
    let early = step(&action, &plan(), Event::Tick, deadline - 1).unwrap();
    assert_eq!(early.action, action);
    let silent = step(&action, &plan(), Event::Tick, deadline)
        .unwrap()
        .action;
    assert_eq!((silent.status, silent.attempt), (Status::TimedOut, 1));
    let confirmed = success(Some(Phase::Confirmed), Some(DIGEST));
    let late = step(&silent, &plan(), confirmed, deadline + limits.install_ms)
        .unwrap()
        .action;
    assert_eq!(
        (late.status, late.late, late.verified),
        (Status::Succeeded, true, true)
    );
    assert_eq!(
        step(&late, &plan(), confirmed, deadline),
        Err(Refusal::Ended)
    );
}

#[test]
fn newer_deployment_replaces_what_has_not_begun_to_install() {
    assert_eq!(
        run(&plan(), 0, &[Event::Superseded]).cause,
        Some(Cause::Superseded)
    );
    let mut parked = up_to(Phase::Parked);
    parked.push(Event::Superseded);
    assert_eq!(run(&plan(), 0, &parked).status, Status::Canceling);
    let mut installing = up_to(Phase::Installing);
    installing.push(Event::Superseded);
    assert_eq!(run(&plan(), 0, &installing).status, Status::Installing);
}

#[test]
fn operator_retry_opens_a_new_attempt() {
    let mut events = up_to(Phase::Trial);
    events.extend([failure(Reason::TrialReset), Event::RetryRequested]);
    let action = run(&plan(), 0, &events);
    assert_eq!(
        (action.status, action.attempt, action.trial_proven),
        (Status::Pending, 2, false)
    );
    assert_eq!(action.cause, None);
    assert_eq!(
        step(&action, &plan(), Event::RetryRequested, 0),
        Err(Refusal::StillActive)
    );
}

#[test]
fn overtaken_message_does_not_move_a_trial_back() {
    let mut events = up_to(Phase::Trial);
    events.push(working(Phase::Downloading));
    let action = run(&plan(), 0, &events);
    assert_eq!((action.status, action.trial_proven), (Status::Trial, true));
}
