//! Actions: one device's part of a deployment, as a line, as a strip of phases, as a history.

use super::page::{Visitor, WebError, html, see_other};
use super::words::{self, Moment, StatusWord};
use crate::api::{self, views};
use crate::app::AppState;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use std::collections::BTreeMap;

/// Statuses in the order of a usual update, with the words of the strip.
const STEPS: [(&str, &str); 7] = [
    ("pending", "Pending"),
    ("downloading", "Downloading"),
    ("verifying", "Verifying"),
    ("parked", "Parked"),
    ("installing", "Installing"),
    ("trial", "On trial"),
    ("confirmed", "Confirmed"),
];
const DOWNLOADING: usize = 1;

/// An action in a list.
#[derive(Debug)]
pub(super) struct ActionLine {
    pub(super) id: String,
    pub(super) deployment: String,
    pub(super) device: String,
    pub(super) device_name: String,
    pub(super) firmware: String,
    pub(super) firmware_name: String,
    pub(super) version: String,
    pub(super) from: String,
    pub(super) status: StatusWord,
    pub(super) percent: Option<i64>,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
    pub(super) late: bool,
    pub(super) verified: bool,
    pub(super) attempt: i64,
    pub(super) created_by: String,
    pub(super) created: Moment,
    pub(super) duration: String,
}

impl ActionLine {
    pub(super) fn new(view: views::Action, now_ms: i64) -> Self {
        let status = StatusWord::new(&view.status);
        let works = !matches!(view.status.as_str(), "pending" | "canceling");
        Self {
            created: Moment::new(&view.created_at, now_ms),
            duration: words::between(&view.created_at, &view.updated_at),
            from: view.from_version.unwrap_or_else(|| "unknown".to_owned()),
            percent: view.percent.filter(|_| status.is_open && works),
            reason: view.reason.as_deref().map(words::reason),
            message: view.message,
            status,
            id: view.id,
            deployment: view.deployment,
            device: view.device,
            device_name: view.device_name,
            firmware: view.firmware,
            firmware_name: view.firmware_name,
            version: view.version,
            late: view.late,
            verified: view.verified,
            attempt: view.attempt,
            created_by: view.created_by,
        }
    }

    pub(super) fn is_success(&self) -> bool {
        self.status.tone == "good"
    }
}

/// One phase in the strip.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: &'static str,
    /// `done`, `now`, `stopped` or `todo`; also a class.
    pub(super) state: &'static str,
    pub(super) duration: String,
}

impl Step {
    /// For those who do not see the colours.
    pub(super) fn state_text(&self) -> &'static str {
        match self.state {
            "done" => "done",
            "now" => "in progress",
            "stopped" => "stopped here",
            _ => "to do",
        }
    }
}

/// One try of the device.
#[derive(Debug)]
pub(super) struct AttemptView {
    pub(super) number: i64,
    pub(super) ddi_id: i64,
    pub(super) status: StatusWord,
    pub(super) reason: Option<String>,
    pub(super) started: Moment,
    pub(super) duration: String,
    /// Figures of the install.
    pub(super) install: Option<String>,
    /// Beginnings of the digests of the image before and of the one it was for.
    pub(super) images: Option<(String, String)>,
    pub(super) transitions: Vec<TransitionView>,
    pub(super) console: Vec<String>,
}

/// One entry of an attempt's history.
#[derive(Debug)]
pub(super) struct TransitionView {
    pub(super) at: Moment,
    /// Since the attempt began.
    pub(super) after: String,
    pub(super) status: StatusWord,
    pub(super) reason: Option<String>,
    pub(super) text: Option<String>,
}

impl AttemptView {
    fn new(view: views::Attempt, now_ms: i64) -> Self {
        let start = view.started_at;
        let transitions = view.transitions.into_iter().map(|entry| TransitionView {
            after: words::between(&start, &entry.at),
            at: Moment::new(&entry.at, now_ms),
            status: StatusWord::new(&entry.status),
            reason: entry.reason.as_deref().map(words::reason),
            text: entry.text,
        });
        Self {
            transitions: transitions.collect(),
            install: words::install(&view.install),
            images: view.install.from.zip(view.install.to),
            number: view.number,
            ddi_id: view.ddi_id,
            status: StatusWord::new(&view.status),
            reason: view.reason.as_deref().map(words::reason),
            duration: view
                .ended_at
                .map_or_else(String::new, |end| words::between(&start, &end)),
            started: Moment::new(&start, now_ms),
            console: view.console,
        }
    }
}

/// An action with everything that is known about it.
#[derive(Debug)]
pub(super) struct WholeAction {
    pub(super) line: ActionLine,
    pub(super) steps: Vec<Step>,
    pub(super) digest: String,
    /// Oldest first.
    pub(super) attempts: Vec<AttemptView>,
}

impl WholeAction {
    fn new(mut view: views::Action, now_ms: i64) -> Self {
        let attempts = view.attempts.take().unwrap_or_default();
        let steps = steps(&view, attempts.last());
        Self {
            digest: view.digest.clone(),
            steps,
            line: ActionLine::new(view, now_ms),
            attempts: attempts
                .into_iter()
                .map(|attempt| AttemptView::new(attempt, now_ms))
                .collect(),
        }
    }

    /// Last console lines of the newest attempt, if it failed.
    pub(super) fn console(&self) -> &[String] {
        self.attempts.last().map_or(&[], |last| &last.console)
    }

    /// What a screen reader is told when it changes.
    pub(super) fn announcement(&self) -> String {
        let line = &self.line;
        let reason = line.reason.as_deref().unwrap_or("");
        format!("Update to {}: {}. {reason}", line.version, line.status.text)
    }
}

fn position(name: &str) -> Option<usize> {
    STEPS.iter().position(|(step, _)| *step == name)
}

fn steps(view: &views::Action, newest: Option<&views::Attempt>) -> Vec<Step> {
    let status = StatusWord::new(&view.status);
    let reached = view.phase.as_deref().and_then(position);
    let (at, state) = if status.tone == "good" {
        (STEPS.len(), "done")
    } else if let Some(at) = position(&view.status) {
        (at, "now")
    } else {
        // It ended, or is being canceled: the last phase says how far it came.
        let state = if status.is_open { "now" } else { "stopped" };
        let unknown = if status.tone == "bad" { DOWNLOADING } else { 0 };
        (reached.unwrap_or(unknown), state)
    };
    let lasted = newest.map(lengths).unwrap_or_default();
    STEPS
        .iter()
        .enumerate()
        .map(|(index, (key, name))| Step {
            name,
            state: match index.cmp(&at) {
                std::cmp::Ordering::Less => "done",
                std::cmp::Ordering::Equal => state,
                std::cmp::Ordering::Greater => "todo",
            },
            duration: lasted
                .get(key)
                .map_or_else(String::new, |ms| words::duration(*ms)),
        })
        .collect()
}

/// Milliseconds that each status of an attempt lasted.
fn lengths(attempt: &views::Attempt) -> BTreeMap<&str, i64> {
    let mut lengths = BTreeMap::new();
    for pair in attempt.transitions.windows(2) {
        if let [from, to] = pair
            && let (Some(start), Some(end)) = (words::parse(&from.at), words::parse(&to.at))
        {
            *lengths.entry(from.status.as_str()).or_insert(0) += end.saturating_sub(start);
        }
    }
    lengths
}

/// Reads an action with its attempts.
///
/// # Errors
/// If there is none of this id.
pub(super) async fn whole(
    app: &AppState,
    visitor: &Visitor,
    id: &str,
) -> Result<WholeAction, WebError> {
    let (state, caller) = (State(app.clone()), visitor.caller.clone());
    let view = api::actions::get(state, caller, Path(id.to_owned())).await?;
    Ok(WholeAction::new(view.0, app.now_ms()))
}

#[derive(Template)]
#[template(path = "action_details.html")]
struct Details {
    root: String,
    action: WholeAction,
}

/// Attempts of an action, for the history of a device.
pub(super) async fn details(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    html(&Details {
        action: whole(&app, &visitor, &id).await?,
        root: visitor.root,
    })
}

/// Cancels an action, then shows its device.
pub(super) async fn cancel(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let action = api::actions::cancel(State(app), visitor.caller, Path(id)).await?;
    Ok(see_other(&format!(
        "{}/devices/{}",
        visitor.root, action.device
    )))
}

/// Starts another attempt of an action, then shows its device.
pub(super) async fn retry(
    State(app): State<AppState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let action = api::actions::retry(State(app), visitor.caller, Path(id)).await?;
    Ok(see_other(&format!(
        "{}/devices/{}",
        visitor.root, action.device
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::views::ActionRow;

    fn states(status: &str, phase: Option<&str>) -> Vec<&'static str> {
        let row = ActionRow {
            id: String::new(),
            deployment: String::new(),
            device: String::new(),
            device_name: String::new(),
            firmware: String::new(),
            firmware_name: String::new(),
            version: String::new(),
            digest: String::new(),
            from_version: None,
            status: status.to_owned(),
            phase: phase.map(str::to_owned),
            percent: None,
            cause: None,
            message: None,
            attempt: 1,
            late: false,
            verified: false,
            created_by: String::new(),
            created_at: 0,
            updated_at: 0,
        };
        let view = views::Action::from(row);
        steps(&view, None).iter().map(|step| step.state).collect()
    }

    #[test]
    fn strip_shows_how_far_an_update_came() {
        for (status, phase, done, state) in [
            ("pending", None, 0, "now"),
            ("downloading", Some("downloading"), 1, "now"),
            ("trial", Some("trial"), 5, "now"),
            ("canceling", Some("verifying"), 2, "now"),
            ("canceled", None, 0, "stopped"),
            ("failed", Some("verifying"), 2, "stopped"),
            ("failed", None, 1, "stopped"),
            ("reverted", Some("trial"), 5, "stopped"),
        ] {
            let states = states(status, phase);
            assert_eq!(
                states.iter().filter(|state| **state == "done").count(),
                done,
                "{status}"
            );
            assert_eq!(states[done], state, "{status}");
            assert!(
                states[done + 1..].iter().all(|state| *state == "todo"),
                "{status}"
            );
        }
        assert!(
            states("succeeded", Some("confirmed"))
                .iter()
                .all(|state| *state == "done")
        );
    }
}
