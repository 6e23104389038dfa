//! Follows updates until each of them has ended.

use super::http::{ManagerClient, ManagerError};
use super::sse::Parser;
use super::types::Action;
use crate::event::{Job, JobEvent, Phase};
use reqwest::Method;
use std::collections::BTreeMap;
use std::time::Duration;

/// Pause before a lost event stream is taken up again; it doubles up to [`PAUSE_MAX`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often in a row the manager may not answer before the watch ends with an error.
const TRIES_MAX: u32 = 30;

/// Follows actions by id until all of them have ended. Each change is told as
/// [`JobEvent::Action`]. The answer holds the complete actions, in the order asked for.
///
/// # Errors
/// [`ManagerError::Unreachable`] if the manager stays away for minutes (the updates go on
/// nevertheless), [`ManagerError::Cancelled`] if the watch was stopped.
pub async fn watch(
    client: &ManagerClient,
    ids: &[String],
    job: &Job,
) -> Result<Vec<Action>, ManagerError> {
    job.begin(Phase::Update);
    let mut watch = Watch {
        client,
        ids,
        job,
        seen: BTreeMap::new(),
        last_event: None,
    };
    tokio::select! {
        actions = watch.run() => actions,
        () = job.cancelled() => Err(ManagerError::Cancelled),
    }
}

struct Watch<'w> {
    client: &'w ManagerClient,
    ids: &'w [String],
    job: &'w Job,
    seen: BTreeMap<String, Action>,
    last_event: Option<String>,
}

impl Watch<'_> {
    async fn run(&mut self) -> Result<Vec<Action>, ManagerError> {
        let mut tries = 0;
        loop {
            match self.follow().await {
                Ok(()) => tries = 0,
                Err(error @ ManagerError::Unreachable { .. }) => {
                    tries += 1;
                    if tries == 1 {
                        let text = "the manager does not answer; the update goes on, trying again";
                        self.job.tell(JobEvent::Line(text.to_owned()));
                    }
                    if tries >= TRIES_MAX {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
            if self.all_ended() {
                return self.complete().await;
            }
            let factor = 2_u32.saturating_pow(tries.min(8));
            tokio::time::sleep((FIRST_PAUSE * factor).min(PAUSE_MAX)).await;
        }
    }

    fn all_ended(&self) -> bool {
        self.ids.iter().all(|id| {
            self.seen
                .get(id)
                .is_some_and(|action| action.status.is_final())
        })
    }

    /// One connection: first the stream, then where the actions stand, so that nothing is missed
    /// in between; then events, until all have ended or the connection does.
    async fn follow(&mut self) -> Result<(), ManagerError> {
        let path = match self.ids {
            [only] => format!("/events?action={only}"),
            _ => "/events".to_owned(),
        };
        let mut request = self.client.request(Method::GET, &path);
        if let Some(id) = &self.last_event {
            request = request.header("Last-Event-ID", id);
        }
        let mut response = self.client.send(request).await?;
        self.read_all().await?;
        let mut parser = Parser::default();
        while !self.all_ended() {
            let chunk = response
                .chunk()
                .await
                .map_err(|source| ManagerError::Unreachable {
                    url: self.client.url().clone(),
                    source,
                })?;
            // The manager ended the stream in good order, for instance because it restarts.
            let Some(chunk) = chunk else { return Ok(()) };
            for event in parser.push(&chunk) {
                self.last_event = event.id.or(self.last_event.take());
                // Events were lost on the way to us.
                if event.name == "resync" {
                    self.read_all().await?;
                }
                if event.name == "action"
                    && let Ok(action) = serde_json::from_str::<Action>(&event.data)
                {
                    self.take(action);
                }
            }
        }
        Ok(())
    }

    /// Reads where the actions stand.
    async fn read_all(&mut self) -> Result<(), ManagerError> {
        for id in self.ids {
            let action = self.client.action(id).await?;
            self.take(action);
        }
        Ok(())
    }

    /// Takes the news about an action, if it is one of ours and it is news.
    fn take(&mut self, action: Action) {
        if !self.ids.contains(&action.id) {
            return;
        }
        let news = self.seen.get(&action.id).is_none_or(|known| {
            // An event that was on its way when an action ended must not take it back.
            !known.status.is_final()
                && (known.status, known.percent, &known.phase)
                    != (action.status, action.percent, &action.phase)
        });
        if news {
            self.job.tell(JobEvent::Action(Box::new(action.clone())));
            self.seen.insert(action.id.clone(), action);
        }
    }

    /// The actions with their attempts.
    async fn complete(&self) -> Result<Vec<Action>, ManagerError> {
        let mut actions = Vec::new();
        for id in self.ids {
            actions.push(self.client.action(id).await?);
        }
        Ok(actions)
    }
}
