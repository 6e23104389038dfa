//! Shows long work while it goes on: bars for people, lines of JSON for programs.

use crate::output::{Output, Tone, grouped};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use otaru_lsp_build::cargo::Level;
use otaru_lsp_build::manager::{Action, ActionStatus};
use otaru_lsp_build::{Job, JobEvent, Phase};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// Runs work and shows what it tells. Control-C asks it to stop, the second one does not wait.
pub(crate) async fn follow<T, W>(output: &Output, work: impl FnOnce(Job) -> W) -> T
where
    W: Future<Output = T>,
{
    let (job, events) = Job::new();
    let stop = tokio::spawn({
        let job = job.clone();
        async move {
            // Without a way to be told, the work simply cannot be stopped.
            if tokio::signal::ctrl_c().await.is_ok() {
                job.cancel();
            }
        }
    });
    let mut screen = Screen::new(output.clone());
    let work = work(job);
    tokio::pin!(work);
    let mut events = events;
    let result = loop {
        tokio::select! {
            // What was told before the end is shown before the end.
            biased;
            Some(event) = events.recv() => screen.show(event),
            result = &mut work => break result,
        }
    };
    drain(&mut events, &mut screen);
    stop.abort();
    result
}

fn drain(events: &mut UnboundedReceiver<JobEvent>, screen: &mut Screen) {
    while let Ok(event) = events.try_recv() {
        screen.show(event);
    }
    screen.end_bar();
}

/// What of the work is on the screen.
struct Screen {
    output: Output,
    bar: Option<(Phase, ProgressBar)>,
    percent_told: Option<(Phase, u64)>,
    actions: BTreeMap<String, ActionStatus>,
}

impl Screen {
    fn new(output: Output) -> Self {
        Self {
            output,
            bar: None,
            percent_told: None,
            actions: BTreeMap::new(),
        }
    }

    fn show(&mut self, event: JobEvent) {
        match event {
            JobEvent::Phase(phase) => {
                self.output
                    .object("phase", json!({ "phase": phase.as_str() }));
                self.begin_bar(phase);
            }
            JobEvent::Progress { phase, done, total } => self.progress(phase, done, total),
            JobEvent::Line(text) => {
                self.output.object("line", json!({ "text": text }));
                if let Some((_, bar)) = &self.bar {
                    bar.set_message(shortened(&text));
                }
            }
            JobEvent::Diagnostic(found) => self.diagnostic(&found),
            JobEvent::Warning(text) => self.above_bar(|output| output.warning(&text)),
            // Commands show their image at the end, as a whole.
            JobEvent::Built(_) => {}
            JobEvent::NumberTaken { label } => self.above_bar(|output| {
                output.note(&format!(
                    "{label} was used on another machine for another image; taking a new number"
                ));
            }),
            JobEvent::Action(action) => self.action(&action),
            JobEvent::Finished { phase, summary } => {
                self.end_bar();
                self.output.object(
                    "finished",
                    json!({ "phase": phase.as_str(), "summary": summary }),
                );
                if !self.output.is_json() {
                    let mark = self.output.paint_err(Tone::Good, "✓");
                    self.output.note(&format!("{mark} {summary}"));
                }
            }
        }
    }

    /// Prints while the bar is out of the way.
    fn above_bar(&self, print: impl FnOnce(&Output)) {
        match &self.bar {
            Some((_, bar)) => bar.suspend(|| print(&self.output)),
            None => print(&self.output),
        }
    }

    fn begin_bar(&mut self, phase: Phase) {
        self.end_bar();
        if self.output.is_json() || phase == Phase::Update {
            return;
        }
        // Hidden by itself when standard error is no terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(spinner());
        bar.set_prefix(working(phase));
        bar.enable_steady_tick(Duration::from_millis(120));
        self.bar = Some((phase, bar));
    }

    fn end_bar(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn progress(&mut self, phase: Phase, done: u64, total: Option<u64>) {
        let percent = total
            .filter(|total| *total > 0)
            .map(|total| done.min(total) * 100 / total);
        if let (Some((_, bar)), Some(total)) = (&self.bar, total) {
            if bar.length() != Some(total) {
                bar.set_style(filled());
                bar.set_length(total);
            }
            bar.set_position(done);
        }
        if let Some(percent) = percent
            && self.percent_told != Some((phase, percent))
        {
            self.percent_told = Some((phase, percent));
            let object = json!({ "phase": phase.as_str(), "percent": percent, "done": done, "total": total });
            self.output.object("progress", object);
        }
    }

    fn diagnostic(&self, found: &otaru_lsp_build::cargo::Diagnostic) {
        let level = match found.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        let object = json!({
            "level": level,
            "code": found.code,
            "message": found.message,
            "file": found.file,
            "line": found.range[0],
            "column": found.range[1],
        });
        self.output.object("diagnostic", object);
        if !self.output.is_json() {
            let text = found
                .rendered
                .clone()
                .unwrap_or_else(|| found.place_and_message());
            self.above_bar(|output| output.note(text.trim_end()));
        }
    }

    /// One line per change of an update; percents only for programs.
    fn action(&mut self, action: &Action) {
        let object = json!({
            "action": action.id,
            "device": action.device,
            "version": action.version,
            "status": action.status.as_str(),
            "phase": action.phase,
            "percent": action.percent,
            "reason": action.reason,
            "message": action.message,
        });
        self.output.object("action", object);
        let before = self.actions.insert(action.id.clone(), action.status);
        if before == Some(action.status) || self.output.is_json() {
            return;
        }
        let (mark, tone) = match action.status {
            ActionStatus::Succeeded => ("✓", Tone::Good),
            ActionStatus::Failed
            | ActionStatus::Reverted
            | ActionStatus::TimedOut
            | ActionStatus::Canceled => ("✗", Tone::Bad),
            ActionStatus::Pending
            | ActionStatus::Downloading
            | ActionStatus::Verifying
            | ActionStatus::Parked
            | ActionStatus::Installing
            | ActionStatus::Trial
            | ActionStatus::Canceling
            | ActionStatus::Unknown => ("·", Tone::Quiet),
        };
        let mark = self.output.paint_err(tone, mark);
        let text = describe(action);
        self.above_bar(|output| output.note(&format!("{mark} {text}")));
    }
}

/// Where an update stands, in words.
pub(crate) fn describe(action: &Action) -> String {
    let device = action.device_label();
    let version = action.version.as_deref().unwrap_or("the new version");
    let mut text = match action.status {
        ActionStatus::Pending => format!("{device}: told as soon as it asks"),
        ActionStatus::Downloading => format!("{device}: downloading {version}"),
        ActionStatus::Verifying => format!("{device}: checking what it stored"),
        ActionStatus::Parked => format!("{device}: parked {version}"),
        ActionStatus::Installing => format!("{device}: installing"),
        ActionStatus::Trial => format!("{device}: {version} runs on trial"),
        ActionStatus::Succeeded => format!("{device}: {version} is confirmed"),
        ActionStatus::Failed => format!("{device}: failed, nothing has changed"),
        ActionStatus::Reverted => format!(
            "{device}: went back to {}",
            action.from_version.as_deref().unwrap_or("the old version")
        ),
        ActionStatus::Canceled => format!("{device}: canceled"),
        ActionStatus::Canceling => format!("{device}: asked to cancel"),
        ActionStatus::TimedOut => format!("{device}: not heard of in time"),
        ActionStatus::Unknown => format!("{device}: in a state that this version does not know"),
    };
    let failed = action.status.is_final() && action.status != ActionStatus::Succeeded;
    for detail in [&action.reason, &action.message].into_iter().flatten() {
        if failed && !detail.is_empty() {
            text.push_str(" – ");
            text.push_str(detail);
        }
    }
    text
}

const fn working(phase: Phase) -> &'static str {
    match phase {
        Phase::Compile => "compiling",
        Phase::Pack => "packing",
        Phase::Upload => "uploading",
        Phase::Flash => "flashing",
        Phase::Erase => "erasing",
        Phase::Provision => "provisioning",
        Phase::Update => "updating",
    }
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {prefix:<12} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn filled() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {prefix:<12} {bar:24} {percent:>3} %  {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A line of cargo, without the blanks in front, cut to what a terminal shows.
fn shortened(text: &str) -> String {
    text.trim().chars().take(80).collect()
}

/// Bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    format!("{} bytes", grouped(count))
}
