//! What the manager tells about a device, as lines: each step of its updates, and the last console
//! lines of a firmware that failed.

use crate::protocol::{ConsoleLine, ConsoleSource};
use otaru_lsp_build::credentials::api_key;
use otaru_lsp_build::manager::{Action, ManagerClient};
use otaru_lsp_build::project::OpenProject;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often the manager is asked.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// What was told about an action so far: steps, and whether its end was.
type Told = BTreeMap<String, (usize, bool)>;

/// What the source has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RemoteNews {
    /// A line.
    Line(ConsoleLine),
    /// It is connected, or not, and why.
    State(Option<String>),
}

/// Follows the updates of a device until nobody listens.
pub(crate) async fn follow(project: &Path, device: &str, news: mpsc::Sender<RemoteNews>) {
    let mut told = Told::new();
    while !news.is_closed() {
        let state = match look(project, device, &mut told).await {
            Ok(lines) => {
                for line in lines {
                    if news.send(RemoteNews::Line(line)).await.is_err() {
                        return;
                    }
                }
                None
            }
            Err(why) => Some(why),
        };
        if news.send(RemoteNews::State(state)).await.is_err() {
            return;
        }
        tokio::select! {
            () = news.closed() => return,
            () = tokio::time::sleep(ASK_AGAIN) => {}
        }
    }
}

async fn look(project: &Path, device: &str, told: &mut Told) -> Result<Vec<ConsoleLine>, String> {
    let project = OpenProject::open(project).map_err(|error| error.to_string())?;
    let url = project.settings.manager_url.clone();
    let url = url.ok_or("Otaru.toml names no manager: add url to [manager]")?;
    let key = api_key(&url).map_err(|error| error.to_string())?;
    let client = ManagerClient::new(url, key.as_deref()).map_err(|error| error.to_string())?;
    let devices = client.devices().await.map_err(|error| error.to_string())?;
    let found = devices
        .into_iter()
        .find(|known| known.name == device || known.id == device);
    let found = found.ok_or_else(|| format!("the manager does not know {device}: provision it"))?;
    let active = client
        .active_actions(&found.id)
        .await
        .map_err(|error| error.to_string())?;
    for action in active {
        told.entry(action.id).or_default();
    }
    let mut lines = Vec::new();
    for (id, progress) in told.iter_mut().filter(|(_, (_, over))| !over) {
        let action = client.action(id).await.map_err(|error| error.to_string())?;
        lines.extend(new_lines(&action, progress));
    }
    Ok(lines)
}

/// The lines for what has happened to an action since the last look. What happened before the first
/// one is told too: it belongs to an update that still runs.
fn new_lines(action: &Action, (steps, over): &mut (usize, bool)) -> Vec<ConsoleLine> {
    let say = |text: String| ConsoleLine {
        source: ConsoleSource::Server,
        text,
    };
    let version = action.version.as_deref().unwrap_or("an update");
    let all: Vec<_> = action
        .attempts
        .iter()
        .flat_map(|attempt| &attempt.transitions)
        .collect();
    let mut lines = Vec::new();
    for step in all.iter().skip(*steps) {
        // The last word comes below, with its reason.
        if action.status.is_final() && step.status.as_deref() == Some(action.status.as_str()) {
            continue;
        }
        let word = step
            .status
            .as_deref()
            .or(step.phase.as_deref())
            .unwrap_or("news");
        let percent = step
            .percent
            .map_or(String::new(), |percent| format!(" {percent} %"));
        let text = step.text.as_deref().filter(|text| !text.is_empty());
        let text = text.map_or(String::new(), |text| format!(": {text}"));
        lines.push(say(format!("manager: {version} {word}{percent}{text}")));
    }
    *steps = all.len();
    if action.status.is_final() && !*over {
        *over = true;
        let why = action
            .reason
            .as_deref()
            .map_or(String::new(), |why| format!(" ({why})"));
        lines.push(say(format!(
            "manager: {version} {}{why}",
            action.status.as_str()
        )));
        let last = action
            .attempts
            .last()
            .map_or(&[][..], |attempt| &attempt.console);
        if !last.is_empty() {
            lines.push(say(format!("manager: the last lines of {version} were:")));
            lines.extend(last.iter().map(|text| ConsoleLine {
                source: ConsoleSource::of(text),
                text: text.clone(),
            }));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use otaru_lsp_build::manager::{ActionStatus, Attempt, Transition};

    fn action(status: ActionStatus, steps: &[&str]) -> Action {
        let step = |word: &&str| Transition {
            at: String::new(),
            status: Some((*word).to_owned()),
            phase: None,
            percent: None,
            text: None,
        };
        Action {
            id: "act-1".to_owned(),
            device: serde_json::Value::Null,
            device_name: None,
            version: Some("2.0.0".to_owned()),
            from_version: None,
            status,
            phase: None,
            percent: None,
            reason: status.is_final().then(|| "trial-crash".to_owned()),
            message: None,
            attempts: vec![Attempt {
                number: 1,
                transitions: steps.iter().map(step).collect(),
                console: vec!["ota: on trial".to_owned()],
            }],
        }
    }

    #[test]
    fn each_step_is_told_once_and_the_end_with_the_last_lines() {
        let mut told = (0, false);
        let texts = |lines: Vec<ConsoleLine>| -> Vec<String> {
            lines.into_iter().map(|line| line.text).collect()
        };
        let running = action(ActionStatus::Trial, &["downloading", "trial"]);
        assert_eq!(
            texts(new_lines(&running, &mut told)),
            ["manager: 2.0.0 downloading", "manager: 2.0.0 trial"]
        );
        assert_eq!(texts(new_lines(&running, &mut told)), [""; 0]);
        let over = action(
            ActionStatus::Reverted,
            &["downloading", "trial", "reverted"],
        );
        let lines = new_lines(&over, &mut told);
        assert_eq!(
            lines.last().map(|line| line.source),
            Some(ConsoleSource::Agent)
        );
        assert_eq!(
            texts(lines),
            [
                "manager: 2.0.0 reverted (trial-crash)",
                "manager: the last lines of 2.0.0 were:",
                "ota: on trial"
            ]
        );
        assert!(told.1);
    }
}
