//! `$/progress` of one job. Its own task asks the client for a token, waits for the answer, and
//! then pairs begin and end; a client that never answers costs one waiting task and nothing else.

use std::time::Duration;
use tokio::sync::mpsc;
use tower_lsp::Client;
use tower_lsp::ls_types::ProgressToken;

/// How long a client may take to grant a token.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);

/// The progress of one job. Dropping it ends the display.
#[derive(Debug)]
pub(crate) struct JobProgress {
    reports: mpsc::UnboundedSender<(String, Option<u8>)>,
}

/// The token of a job; `window/workDoneProgress/cancel` names it.
pub(crate) fn token(job: u32) -> ProgressToken {
    ProgressToken::String(format!("otaru-job-{job}"))
}

/// The job behind a token of ours.
pub(crate) fn job_of(token: &ProgressToken) -> Option<u32> {
    match token {
        ProgressToken::String(text) => text.strip_prefix("otaru-job-")?.parse().ok(),
        ProgressToken::Number(_) => None,
    }
}

impl JobProgress {
    /// Begins to show `title`.
    pub(crate) fn start(client: Client, job: u32, title: &'static str) -> Self {
        let (reports, queue) = mpsc::unbounded_channel();
        tokio::spawn(show(client, job, title, queue));
        Self { reports }
    }

    /// Shows a step and how far it is.
    pub(crate) fn report(&self, step: &str, percent: Option<u8>) {
        if self.reports.send((step.to_owned(), percent)).is_err() {
            tracing::trace!("the client shows no progress");
        }
    }
}

async fn show(
    client: Client,
    job: u32,
    title: &'static str,
    mut reports: mpsc::UnboundedReceiver<(String, Option<u8>)>,
) {
    let granted = client.create_work_done_progress(token(job));
    match tokio::time::timeout(TOKEN_TIMEOUT, granted).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return tracing::debug!("no progress token: {error}"),
        Err(_elapsed) => {
            return tracing::debug!("the client did not answer about a progress token");
        }
    }
    let ongoing = client
        .progress(token(job), title)
        .with_cancel_button()
        .begin()
        .await;
    while let Some((mut step, mut percent)) = reports.recv().await {
        // Only the newest is of interest.
        while let Ok((next_step, next_percent)) = reports.try_recv() {
            (step, percent) = (next_step, next_percent);
        }
        // The percentage belongs to the step, not to the job: in the text it may begin again.
        let message = match percent {
            Some(percent) => format!("{step} {percent} %"),
            None => step,
        };
        ongoing.report_with_message(message, Some(true)).await;
    }
    ongoing.finish().await;
}
