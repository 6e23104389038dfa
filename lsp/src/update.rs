//! Follows one update from what the manager says about its action: which phase runs, since when,
//! how long the others took, and how it ended. No clock and no IO: the caller brings the time.

use std::cmp::Ordering;

use crate::protocol::{PhaseName, PhaseProgress, PhaseState, Update, Verdict};

/// The phases in the order in which an update passes them.
const PHASES: [PhaseName; 8] = [
    PhaseName::Uploading,
    PhaseName::Pending,
    PhaseName::Downloading,
    PhaseName::Verifying,
    PhaseName::Parked,
    PhaseName::Installing,
    PhaseName::Trial,
    PhaseName::Confirmed,
];

/// What the manager says about an action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionNews {
    /// Its status, as in the public API.
    pub status: String,
    /// The phase of its attempt, if it is still under way.
    pub phase: Option<String>,
    /// Percent of the phase.
    pub percent: Option<u8>,
    /// Reason code.
    pub reason: Option<String>,
    /// Text for people.
    pub message: Option<String>,
}

/// A new update: the upload begins.
pub fn begin(
    device: String,
    from_version: Option<String>,
    to_version: String,
    now_ms: f64,
) -> Update {
    let phases = PHASES.iter().map(|&phase| PhaseState {
        phase,
        state: PhaseProgress::Ahead,
        started_ms: None,
        took_ms: None,
        percent: None,
    });
    let mut update = Update {
        device,
        from_version,
        to_version,
        phases: phases.collect(),
        started_ms: now_ms,
        verdict: None,
    };
    enter(&mut update, PhaseName::Uploading, None, now_ms);
    update
}

/// Takes in news of the upload.
pub fn uploading(update: &mut Update, percent: u8, now_ms: f64) {
    enter(update, PhaseName::Uploading, Some(percent), now_ms);
}

/// Takes in what the manager says. News behind a verdict are ignored.
pub fn action(update: &mut Update, news: &ActionNews, now_ms: f64) {
    if update.verdict.is_some() {
        return;
    }
    match news.status.as_str() {
        "succeeded" => {
            enter(update, PhaseName::Confirmed, None, now_ms);
            leave(update, PhaseProgress::Done, now_ms);
            update.verdict = Some(Verdict {
                confirmed: true,
                status: news.status.clone(),
                reason: None,
                message: format!("{} confirmed {}", update.device, update.to_version),
            });
        }
        "failed" | "reverted" | "canceled" | "timed-out" => fail(update, news, now_ms),
        status => {
            let phase = news
                .phase
                .as_deref()
                .and_then(phase_of)
                .or_else(|| phase_of(status));
            if let Some(phase) = phase {
                enter(update, phase, news.percent, now_ms);
            }
        }
    }
}

/// Ends the update without success.
pub fn fail(update: &mut Update, news: &ActionNews, now_ms: f64) {
    if update.verdict.is_some() {
        return;
    }
    leave(update, PhaseProgress::Failed, now_ms);
    update.verdict = Some(Verdict {
        confirmed: false,
        status: news.status.clone(),
        reason: news.reason.clone(),
        message: verdict_text(update, news),
    });
}

fn verdict_text(update: &Update, news: &ActionNews) -> String {
    let device = &update.device;
    let now_runs = match (&update.from_version, news.status.as_str()) {
        (Some(version), "reverted" | "failed" | "canceled") => format!("; {version} runs"),
        _ => String::new(),
    };
    let what = match news.status.as_str() {
        "reverted" => format!("{device} went back"),
        "canceled" => format!("the update of {device} was canceled"),
        "timed-out" => format!("{device} did not answer in time"),
        _ => format!("the update of {device} failed"),
    };
    match &news.message {
        Some(message) if !message.is_empty() => format!("{what}{now_runs}: {message}"),
        _ => format!("{what}{now_runs}"),
    }
}

fn phase_of(name: &str) -> Option<PhaseName> {
    Some(match name {
        "pending" => PhaseName::Pending,
        "downloading" => PhaseName::Downloading,
        "verifying" => PhaseName::Verifying,
        "parked" => PhaseName::Parked,
        "installing" => PhaseName::Installing,
        "trial" => PhaseName::Trial,
        "confirmed" => PhaseName::Confirmed,
        _ => return None,
    })
}

/// Makes `phase` the running one. Phases before it that were never seen count as over at once; a
/// phase earlier than the running one (a retry) starts again from there.
fn enter(update: &mut Update, phase: PhaseName, percent: Option<u8>, now_ms: f64) {
    for state in &mut update.phases {
        match state.phase.cmp(&phase) {
            Ordering::Less => finish(state, PhaseProgress::Done, now_ms),
            Ordering::Greater => {
                state.state = PhaseProgress::Ahead;
                state.started_ms = None;
                state.took_ms = None;
                state.percent = None;
            }
            Ordering::Equal => {
                if state.state != PhaseProgress::Running {
                    state.state = PhaseProgress::Running;
                    state.started_ms = Some(now_ms);
                    state.took_ms = None;
                }
                state.percent = percent.map(|percent| percent.min(100));
            }
        }
    }
}

/// Ends the running phase.
fn leave(update: &mut Update, end: PhaseProgress, now_ms: f64) {
    for state in &mut update.phases {
        if state.state == PhaseProgress::Running {
            finish(state, end, now_ms);
        }
    }
}

fn finish(state: &mut PhaseState, end: PhaseProgress, now_ms: f64) {
    if matches!(state.state, PhaseProgress::Done | PhaseProgress::Failed) {
        return;
    }
    state.took_ms = state.started_ms.map(|started| (now_ms - started).max(0.0));
    state.state = end;
    state.percent = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(status: &str) -> ActionNews {
        ActionNews {
            status: status.to_owned(),
            ..ActionNews::default()
        }
    }

    fn states(update: &Update) -> Vec<PhaseProgress> {
        update.phases.iter().map(|phase| phase.state).collect()
    }

    fn lamp() -> Update {
        begin(
            "lamp".to_owned(),
            Some("1.0.0+1".to_owned()),
            "1.1.0+2".to_owned(),
            0.0,
        )
    }

    // A31, A32: nothing but the device's confirmation makes an update green.
    #[test]
    fn only_succeeded_is_a_confirmation() {
        for status in [
            "pending",
            "downloading",
            "verifying",
            "parked",
            "installing",
            "trial",
            "canceling",
            "?",
        ] {
            let mut update = lamp();
            action(&mut update, &news(status), 5.0);
            assert_eq!(update.verdict, None, "{status}");
        }
        for status in ["failed", "reverted", "canceled", "timed-out"] {
            let mut update = lamp();
            action(&mut update, &news(status), 5.0);
            assert!(!update.verdict.expect("a verdict").confirmed, "{status}");
        }
        let mut update = lamp();
        action(&mut update, &news("succeeded"), 5.0);
        assert!(update.verdict.as_ref().expect("a verdict").confirmed);
        assert!(
            states(&update)
                .iter()
                .all(|state| *state == PhaseProgress::Done)
        );
    }

    // D5: each phase shows how long it took, and where it failed.
    #[test]
    fn phases_have_times_and_the_failing_one_is_marked() {
        let mut update = lamp();
        uploading(&mut update, 40, 10.0);
        action(&mut update, &news("downloading"), 100.0);
        action(&mut update, &news("trial"), 350.0);
        let reverted = ActionNews {
            reason: Some("confirm-deadline".to_owned()),
            message: Some("the manager was not reached".to_owned()),
            ..news("reverted")
        };
        action(&mut update, &reverted, 400.0);
        assert_eq!(update.phases[0].took_ms, Some(100.0));
        assert_eq!(update.phases[2].took_ms, Some(250.0));
        assert_eq!(update.phases[6].state, PhaseProgress::Failed);
        assert_eq!(update.phases[6].took_ms, Some(50.0));
        assert_eq!(update.phases[7].state, PhaseProgress::Ahead);
        let verdict = update.verdict.expect("a verdict");
        assert_eq!(verdict.reason.as_deref(), Some("confirm-deadline"));
        assert_eq!(
            verdict.message,
            "lamp went back; 1.0.0+1 runs: the manager was not reached"
        );
    }

    #[test]
    fn a_late_word_does_not_change_the_verdict() {
        let mut update = lamp();
        action(&mut update, &news("failed"), 5.0);
        let before = update.clone();
        action(&mut update, &news("succeeded"), 6.0);
        assert_eq!(update, before);
    }

    #[test]
    fn a_retry_starts_again_at_its_phase() {
        let mut update = lamp();
        action(&mut update, &news("installing"), 5.0);
        action(&mut update, &news("downloading"), 9.0);
        assert_eq!(update.phases[2].state, PhaseProgress::Running);
        assert_eq!(update.phases[2].started_ms, Some(9.0));
        assert_eq!(update.phases[5].state, PhaseProgress::Ahead);
    }
}
