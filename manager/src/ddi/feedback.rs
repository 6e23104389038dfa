//! What devices report about a deployment or a cancel.

use super::deployment::ActionPath;
use super::device::DdiDevice;
use super::{DdiError, done};
use crate::app::AppState;
use crate::engine::{self, Effects, Note};
use crate::error::ApiError;
use crate::store;
use crate::store::attempts::{CONSOLE_LINES_MAX, Install, NewTransition};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use otaru_ddi::{DetailLine, Phase, Reason};
use otaru_manager_rollout::{CancelAnswer, Event, Execution, Finished, Refusal, Report, Status};
use serde_json::Value;

/// Characters kept of the text of one message.
const TEXT_LEN_MAX: usize = 2_000;
/// Characters kept of one console line.
const CONSOLE_LINE_LEN_MAX: usize = 400;

/// `POST …/deploymentBase/{action}/feedback`. Answered only once it is durable.
pub(super) async fn deployment(
    State(app): State<AppState>,
    device: DdiDevice,
    Path(path): Path<ActionPath>,
    body: Bytes,
) -> Result<Response, DdiError> {
    let message = Message::parse(&body)?;
    let report = message.report();
    let mut effects = Effects::default();
    let mut tx = app.store.begin().await?;
    let mut action = store::actions::by_ddi_id(&mut tx, device.row.seq, path.action)
        .await?
        .filter(|_| device.row.approved)
        .ok_or_else(|| DdiError::not_found("action of this device"))?;
    if action.ddi_id != path.action {
        // An earlier attempt: it changes nothing any more, but what was said is kept.
        let text = format!(
            "reported after a later attempt had begun: {}",
            message.summary()
        );
        let status = Status::Canceled;
        let status = store::attempts::status(&mut tx, path.action)
            .await?
            .unwrap_or(status);
        let new = NewTransition {
            ddi_id: path.action,
            state: &otaru_manager_rollout::Action::new(0),
            status,
            cause: None,
            text: Some(&text),
            now_ms: app.now_ms(),
        };
        store::attempts::record(&mut tx, &new).await?;
        tx.commit().await?;
        return Err(gone());
    }
    let console: Vec<_> = message.console.iter().map(String::as_str).collect();
    let note = Note {
        text: message.text.as_deref(),
        console: &console,
        install: message.install,
    };
    let event = (Event::Report(report), note);
    let applied = engine::apply(&app, &mut tx, &mut action, event, &mut effects).await?;
    applied.map_err(refused)?;
    tx.commit().await?;
    effects.run(&app).await;
    Ok(done())
}

/// `POST …/cancelAction/{action}/feedback`.
pub(super) async fn cancel(
    State(app): State<AppState>,
    device: DdiDevice,
    Path(path): Path<ActionPath>,
    body: Bytes,
) -> Result<Response, DdiError> {
    let message = Message::parse(&body)?;
    let answer = match (message.execution, message.finished) {
        (Execution::Closed, Finished::Success | Finished::None) => CancelAnswer::Accepted,
        (Execution::Closed, Finished::Failure) | (Execution::Rejected, _) => CancelAnswer::Rejected,
        (
            Execution::Canceled
            | Execution::Download
            | Execution::Downloaded
            | Execution::Proceeding,
            _,
        ) => CancelAnswer::Note,
    };
    let mut effects = Effects::default();
    let mut tx = app.store.begin().await?;
    let mut action = store::actions::by_ddi_id(&mut tx, device.row.seq, path.action)
        .await?
        .filter(|action| device.row.approved && action.ddi_id == path.action)
        .ok_or_else(|| DdiError::not_found("action of this device"))?;
    let note = Note {
        text: message.text.as_deref(),
        console: &[],
        install: Install::default(),
    };
    let event = (Event::CancelAnswered(answer), note);
    let applied = engine::apply(&app, &mut tx, &mut action, event, &mut effects).await?;
    applied.map_err(refused)?;
    tx.commit().await?;
    effects.run(&app).await;
    Ok(done())
}

fn refused(refusal: Refusal) -> DdiError {
    match refusal {
        Refusal::Ended => gone(),
        Refusal::NotCanceling | Refusal::AlreadyCanceling => DdiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "not-canceling",
            "this action is not being canceled",
        ),
        Refusal::NotOffered | Refusal::StillActive => DdiError::not_found("action of this device"),
    }
}

fn gone() -> DdiError {
    DdiError::new(StatusCode::GONE, "action-ended", "this action has ended")
}

/// A feedback message, as far as it matters here.
#[derive(Debug)]
struct Message {
    execution: Execution,
    finished: Finished,
    percent: Option<u8>,
    phase: Option<Phase>,
    reason: Option<Reason>,
    digest: Option<[u8; 32]>,
    install: Install,
    text: Option<String>,
    console: Vec<String>,
}

impl Message {
    /// Clients differ in what else they send, and in whether numbers are text: only what is needed
    /// is looked at.
    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let malformed = |what: &str| ApiError::bad_request("malformed-feedback", what);
        let body: Value =
            serde_json::from_slice(body).map_err(|error| malformed(&error.to_string()))?;
        let status = body
            .get("status")
            .ok_or_else(|| malformed("there is no `status`"))?;
        let execution = status
            .get("execution")
            .and_then(Value::as_str)
            .ok_or_else(|| malformed("there is no `status.execution`"))?;
        let result = status.get("result");
        let finished = result
            .and_then(|result| result.get("finished"))
            .and_then(Value::as_str);
        let mut message = Self {
            execution: execution_of(execution),
            finished: match finished {
                Some("success") => Finished::Success,
                Some("failure") => Finished::Failure,
                Some(_) | None => Finished::None,
            },
            percent: result.and_then(|result| percent(result.get("progress")?)),
            phase: None,
            reason: None,
            digest: None,
            install: Install::default(),
            text: None,
            console: Vec::new(),
        };
        let details = status.get("details");
        let list = details
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let single = details.and_then(Value::as_str);
        for line in list.iter().filter_map(Value::as_str).chain(single) {
            message.take_line(line);
        }
        Ok(message)
    }

    fn take_line(&mut self, line: &str) {
        if let Ok(facts) = DetailLine::parse(line) {
            self.phase = Some(facts.phase);
            self.reason = facts.reason;
            self.digest = facts.digest;
            self.install = Install {
                from: facts.from,
                to: facts.to,
                chunks: facts.chunks,
                cuts: facts.cuts,
                ms: facts.ms,
            };
        } else if let Some(console) = line.strip_prefix("console: ") {
            if self.console.len() < CONSOLE_LINES_MAX {
                self.console.push(shorten(console, CONSOLE_LINE_LEN_MAX));
            }
        } else {
            let line = line.strip_prefix("refusal: ").unwrap_or(line);
            let text = self.text.get_or_insert_default();
            let room = TEXT_LEN_MAX.saturating_sub(text.chars().count());
            if room > 1 && !line.trim().is_empty() {
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(&shorten(line, room - 1));
            }
            self.text = self.text.take().filter(|text| !text.is_empty());
        }
    }

    fn report(&self) -> Report {
        // With the end of an attempt the phase only says where it failed.
        let failed = self.execution == Execution::Closed && self.finished == Finished::Failure;
        Report {
            execution: self.execution,
            finished: self.finished,
            phase: self.phase.filter(|_| !failed),
            reason: self.reason,
            digest: self.digest,
            percent: self.percent,
        }
    }

    fn summary(&self) -> String {
        let phase = self.phase.map_or("no phase", Phase::name);
        format!("{:?}, {:?}, {phase}", self.execution, self.finished).to_lowercase()
    }
}

fn execution_of(name: &str) -> Execution {
    match name {
        "closed" => Execution::Closed,
        "canceled" => Execution::Canceled,
        "rejected" => Execution::Rejected,
        "download" => Execution::Download,
        "downloaded" => Execution::Downloaded,
        // `proceeding`, `scheduled`, `resumed`, and whatever else says that it works on it.
        _ => Execution::Proceeding,
    }
}

fn percent(progress: &Value) -> Option<u8> {
    let (done, of) = (
        progress.get("cnt")?.as_u64()?,
        progress.get("of")?.as_u64()?,
    );
    let percent = done.min(of).checked_mul(100)?.checked_div(of)?;
    u8::try_from(percent).ok()
}

/// The first characters of a text, without control characters.
fn shorten(text: &str, len: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Message {
        Message::parse(body.as_bytes()).expect("this is a message")
    }

    #[test]
    fn otaru_line_console_and_refusal_are_told_apart() {
        let message = parse(
            r#"{"id":"8","status":{"execution":"closed","result":{"finished":"failure"},"code":1013,
            "details":["otaru phase=trial reason=unhealthy","refusal: pump is stuck",
            "console: line one","console: line two"]}}"#,
        );
        assert_eq!(message.phase, Some(Phase::Trial));
        assert_eq!(message.report().phase, None);
        assert_eq!(message.reason, Some(Reason::Unhealthy));
        assert_eq!(message.text.as_deref(), Some("pump is stuck"));
        assert_eq!(message.console, ["line one", "line two"]);
    }

    #[test]
    fn sixty_details_numbers_and_unknown_fields_are_no_problem() {
        let details: Vec<_> = (0..60)
            .map(|n| format!("\"{}\"", "x".repeat(n * 3)))
            .collect();
        let message = parse(&format!(
            r#"{{"id":8,"time":"x","status":{{"execution":"proceeding","result":{{"finished":"none",
            "progress":{{"cnt":3,"of":4}}}},"details":[{}]}}}}"#,
            details.join(",")
        ));
        assert_eq!(message.percent, Some(75));
        assert!(message.text.expect("there is text").chars().count() <= TEXT_LEN_MAX);
    }

    #[test]
    fn what_is_not_a_message_is_refused() {
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"status":{}}"#,
            r#"{"status":{"execution":7}}"#,
        ] {
            assert!(Message::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(
            parse(r#"{"status":{"execution":"x","result":{"progress":{"cnt":1,"of":0}}}}"#).percent,
            None
        );
    }
}
