//! `otaru lab`: faults of a device on this machine, each with what should happen, and whether it did.

use crate::arguments::{Lab, LabVerb};
use crate::confirm::confirm;
use crate::failure::{Exit, Failure};
use crate::output::Tone;
use crate::session::Session;
use otaru_lsp_build::local::{Local, LocalError};
use otaru_lsp_lab::{
    Evidence, Fault, LabError, News, Order, Report, ask_manager, expect, fresh_seed, judge, look,
};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// `otaru lab`, `otaru lab run`
pub(crate) async fn run(session: Session<'_>, lab: &Lab) -> Result<(), Failure> {
    match &lab.verb {
        None => list(session, lab.device.as_deref()).await,
        Some(LabVerb::Run {
            fault,
            device,
            times,
            seed,
        }) => {
            let fault = Fault::from_name(fault).ok_or_else(|| {
                Failure::new(
                    Exit::Usage,
                    "fault-unknown",
                    format!("there is no fault {fault}"),
                )
                .hint("`otaru lab` lists them")
            })?;
            let order = Order {
                fault,
                times: *times,
                seed: seed.unwrap_or_else(fresh_seed),
            };
            make(session, device.as_deref(), order).await
        }
    }
}

/// Every fault with what should happen if it struck now.
async fn list(session: Session<'_>, device: Option<&str>) -> Result<(), Failure> {
    let local = Local::named(&session.device_name(device)?)?;
    let now = local
        .with_client(|client| Ok::<_, LocalError>(look(client).map_err(|error| error.to_string())))
        .await?
        .map_err(|why| Failure::new(Exit::Failed, "device-unreadable", why))?;
    let rows: Vec<Vec<String>> = Fault::ALL
        .into_iter()
        .map(|fault| {
            let words = match expect(fault, &now) {
                Ok(expected) => expected.words.to_owned(),
                Err(why) => format!("not now: {why}"),
            };
            vec![fault.name().to_owned(), words]
        })
        .collect();
    session
        .output
        .table("fault", &["fault", "what should happen now"], &rows);
    Ok(())
}

async fn make(session: Session<'_>, device: Option<&str>, order: Order) -> Result<(), Failure> {
    let local = Local::named(&session.device_name(device)?)?;
    confirm(
        session.output,
        session.arguments.yes,
        &format!("Make {} fail: {}?", local.name, order.fault.title()),
    )?;
    let stop = Arc::new(AtomicBool::new(false));
    let (tell, mut news) = mpsc::unbounded_channel();
    let (dir, stopped) = (local.dir.clone(), Arc::clone(&stop));
    let mut work = tokio::task::spawn_blocking(move || {
        otaru_lsp_lab::run(&dir, &order, &stopped, &|news| {
            // Whoever listened has gone with the program.
            drop(tell.send(news));
        })
    });
    let ended = loop {
        tokio::select! {
            Some(news) = news.recv() => show_news(session, &order, &news),
            ended = &mut work => break ended,
            () = super::manager::stop_signal(), if !stop.load(Ordering::Relaxed) => {
                stop.store(true, Ordering::Relaxed);
            }
        }
    };
    let evidence = ended
        .map_err(|error| Failure::new(Exit::Failed, "lab-failed", error.to_string()))?
        .map_err(failure)?;
    let word = match session.client(session.project().ok().as_ref()) {
        Ok(client) => ask_manager(&client, &local.name, &evidence).await,
        Err(_no_manager) => None,
    };
    let report = judge(&evidence, word.as_ref());
    show(session, &local.name, &evidence, &report)
}

fn show_news(session: Session<'_>, order: &Order, news: &News) {
    let text = match news {
        News::Waiting(what) => format!("waiting for {what}; Control-C stops it"),
        News::Struck(count) if order.fault.repeats() => {
            format!("{count} of {}", order.times)
        }
        News::Struck(_) => "done; the device is watched".to_owned(),
        News::Watching => "watching until the device is at rest".to_owned(),
    };
    session.output.note(&text);
    session.output.object(
        "progress",
        json!({ "fault": order.fault.name(), "text": text }),
    );
}

fn show(
    session: Session<'_>,
    name: &str,
    evidence: &Evidence,
    report: &Report,
) -> Result<(), Failure> {
    let output = session.output;
    output.text(&format!("expected: {}", report.expected));
    for check in &report.checks {
        let mark = if check.good {
            output.paint(Tone::Good, "yes")
        } else {
            output.paint(Tone::Bad, "NO ")
        };
        output.text(&format!("  {mark}  {}: {}", check.what, check.seen));
    }
    let checks: Vec<_> = report
        .checks
        .iter()
        .map(|check| json!({ "what": check.what, "seen": check.seen, "good": check.good }))
        .collect();
    output.object(
        "lab",
        json!({
            "device": name,
            "fault": evidence.fault.name(),
            "seed": evidence.seed,
            "expected": report.expected,
            "as_expected": report.as_expected,
            "checks": checks,
            "strikes": evidence.strikes.len(),
            "console": evidence.trace.lines,
        }),
    );
    if report.as_expected {
        output.text(&output.paint(Tone::Good, "as expected"));
        return Ok(());
    }
    Err(Failure::new(
        Exit::Failed,
        "not-as-expected",
        format!("{name} did not do what it should"),
    )
    .hint(format!(
        "again with the same choices: --seed {}",
        evidence.seed
    )))
}

fn failure(error: LabError) -> Failure {
    match error {
        error @ LabError::Refused(_) => Failure::new(Exit::Refused, "not-now", error.to_string()),
        LabError::Device(cause) => LocalError::Control(cause).into(),
        error @ LabError::Flash(_) => {
            Failure::new(Exit::Failed, "device-unreadable", error.to_string())
        }
        LabError::Stopped => Failure::new(
            Exit::Refused,
            "stopped",
            "stopped; the fault was taken back",
        ),
    }
}
