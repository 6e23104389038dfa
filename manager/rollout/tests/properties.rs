//! A31, A32, C7, D7: no sequence of events ends an attempt twice or invents a success.

use otaru_ddi::{Phase, Reason};
use otaru_manager_rollout::{
    Action, Cancel, CancelAnswer, Command, Event, Execution, Finished, Limits, Offer, Plan, Proof,
    Report, Status, step,
};
use proptest::prelude::*;

const DIGEST: [u8; 32] = [7; 32];
const OTHER: [u8; 32] = [8; 32];

fn plan(proof: Proof) -> Plan {
    Plan {
        digest: DIGEST,
        proof,
        already_running: false,
        confirm_deadline_ms: 300_000,
        limits: Limits::default(),
    }
}

fn report() -> impl Strategy<Value = Report> {
    let execution = prop_oneof![
        4 => Just(Execution::Closed),
        1 => Just(Execution::Canceled),
        1 => Just(Execution::Rejected),
        2 => Just(Execution::Download),
        2 => Just(Execution::Downloaded),
        6 => Just(Execution::Proceeding),
    ];
    let finished = prop_oneof![
        Just(Finished::Success),
        Just(Finished::Failure),
        Just(Finished::None)
    ];
    let phase = prop::option::of(prop::sample::select(Phase::ALL));
    let reason = prop::option::of(prop::sample::select(Reason::ALL));
    let digest = prop_oneof![Just(None), Just(Some(DIGEST)), Just(Some(OTHER))];
    (
        execution,
        finished,
        phase,
        reason,
        digest,
        prop::option::of(0_u8..=100),
    )
        .prop_map(
            |(execution, finished, phase, reason, digest, percent)| Report {
                execution,
                finished,
                phase,
                reason,
                digest,
                percent,
            },
        )
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Retrieved),
        12 => report().prop_map(Event::Report),
        1 => Just(Event::CancelRequested),
        1 => prop_oneof![
            Just(CancelAnswer::Accepted), Just(CancelAnswer::Rejected), Just(CancelAnswer::Note)
        ].prop_map(Event::CancelAnswered),
        1 => Just(Event::Superseded),
        1 => Just(Event::Unsuitable),
        2 => Just(Event::Tick),
        1 => Just(Event::RetryRequested),
    ]
}

/// Runs the events and checks what must hold after each.
fn check(proof: Proof, retries: u32, events: &[(Event, i64)]) -> Result<(), TestCaseError> {
    let plan = plan(proof);
    let mut action = Action::new(retries);
    let mut now_ms = 1_000;
    let mut trial_seen = false;
    let mut started = 1;
    for &(event, pause_ms) in events {
        now_ms += pause_ms;
        let Ok(next) = step(&action, &plan, event, now_ms) else {
            continue;
        };
        if let Event::Report(report) = event {
            trial_seen |= report.phase == Some(Phase::Trial) && report.digest == Some(DIGEST);
        }
        let after = next.action;
        let same_attempt = after.attempt == action.attempt;
        if action.status.is_terminal() && same_attempt {
            let late = action.status == Status::TimedOut && after.status == Status::Succeeded;
            prop_assert!(
                after.status == action.status || (late && after.late),
                "{action:?} {event:?}"
            );
        }
        if !same_attempt {
            prop_assert_eq!(after.attempt, action.attempt + 1);
            prop_assert!(action.status != Status::Succeeded, "a success was retried");
            prop_assert!(!after.trial_proven);
            trial_seen = false;
            started += 1;
        }
        if after.status == Status::Succeeded && action.status != Status::Succeeded {
            let Event::Report(report) = event else {
                return Err(TestCaseError::fail("success without a report"));
            };
            prop_assert_ne!(report.finished, Finished::Failure);
            if proof == Proof::Required || after.verified {
                prop_assert_eq!(report.digest, Some(DIGEST));
                prop_assert_eq!(report.phase, Some(Phase::Confirmed));
                prop_assert!(trial_seen, "success before a trial");
                prop_assert!(after.verified);
            }
        }
        let ends = next
            .commands
            .iter()
            .filter(|c| matches!(c, Command::EndAttempt { .. }))
            .count();
        let becomes_terminal = after.status.is_terminal() && !action.status.is_terminal();
        prop_assert!(ends <= 1);
        if becomes_terminal {
            prop_assert_eq!(ends, 1);
        }
        prop_assert_eq!(
            after.cancel == Cancel::No,
            after.status != Status::Canceling
        );
        prop_assert_eq!(
            after.offer(i64::MAX) == Offer::Nothing && after.cancel == Cancel::No,
            after.status.is_terminal()
        );
        // Whoever works on it has a deadline.
        let open_end = after.status.is_terminal() || after.status == Status::Pending;
        prop_assert_eq!(after.wake_at_ms.is_none() && !open_end, false);
        action = after;
    }
    prop_assert_eq!(started, action.attempt);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_breaks_the_rules(
        required in any::<bool>(),
        retries in 0_u32..3,
        events in prop::collection::vec((event(), 0_i64..200_000_000), 1..60),
    ) {
        let proof = if required { Proof::Required } else { Proof::DeviceWord };
        check(proof, retries, &events)?;
    }
}
