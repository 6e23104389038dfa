//! Whether what should have happened did. Pure: from the evidence to a report, point by point.

use crate::{Ending, Evidence, Fault};
use otaru_ddi::Reason;
use otaru_record::{Cause, Image, Phase, State};
use std::fmt::Write as _;

/// One point of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What had to be so.
    pub what: String,
    /// What was seen.
    pub seen: String,
    /// Whether it was so.
    pub good: bool,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What should have happened, for people.
    pub expected: String,
    /// Whether it did: every point is good.
    pub as_expected: bool,
    /// Point by point.
    pub checks: Vec<Check>,
}

/// What the manager says about the device afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagerWord {
    /// Whether it holds a connection with the device.
    pub online: bool,
    /// The version that it shows.
    pub version: Option<String>,
}

/// Judges a run. Without a word of the manager there is no point about it.
pub fn judge(evidence: &Evidence, manager: Option<&ManagerWord>) -> Report {
    let mut checks = Vec::new();
    let mut check = |what: &str, seen: String, good: bool| {
        checks.push(Check {
            what: what.to_owned(),
            seen,
            good,
        });
    };
    let settled = evidence.settled.as_ref();
    check(
        "the device comes to rest",
        settled.map_or_else(Clone::clone, |()| "it did".to_owned()),
        settled.is_ok(),
    );
    of_starts(evidence, &mut check);
    match evidence.after.state() {
        Err(why) => check("the FOTA record can be read", why.to_owned(), false),
        Ok(after) => of_record(evidence, after, &mut check),
    }
    if let Some(word) = manager
        && evidence.expected.ending != Ending::Recovery
    {
        of_manager(evidence, word, &mut check);
    }
    Report {
        expected: evidence.expected.words.to_owned(),
        as_expected: checks.iter().all(|check| check.good),
        checks,
    }
}

type Checks<'c> = dyn FnMut(&str, String, bool) + 'c;

/// How often it had to start, and did.
fn of_starts(evidence: &Evidence, check: &mut Checks<'_>) {
    let (before, after) = evidence.boots;
    let starts = after.saturating_sub(before);
    let times = |count: u32| match count {
        1 => "once".to_owned(),
        more => format!("{more} times"),
    };
    match evidence.fault {
        Fault::RandomCuts => {
            let cuts = u32::try_from(evidence.strikes.len()).unwrap_or(u32::MAX);
            let torn = evidence.strikes.iter().filter(|strike| strike.torn).count();
            check(
                "it starts after every cut",
                format!("{cuts} cuts, {torn} of them within a write; {starts} starts"),
                starts >= cuts && cuts > 0,
            );
        }
        Fault::Offline if evidence.expected.ending == Ending::Unchanged => {
            let seen = match starts {
                0 => "it did not".to_owned(),
                more => format!("it did, {}", times(more)),
            };
            check("it does not restart", seen, starts == 0);
            let heard = if evidence.trace.offline > 0 {
                "`ota: offline`"
            } else {
                "it said nothing"
            };
            check("it notices", heard.to_owned(), evidence.trace.offline > 0);
            let back = if evidence.trace.online {
                "`ota: online`"
            } else {
                "it is not"
            };
            check(
                "it is connected again",
                back.to_owned(),
                evidence.trace.online,
            );
        }
        fault if fault.restarts() => {
            check("it starts again", times(starts), starts > 0);
        }
        Fault::HangNew
        | Fault::CrashNew
        | Fault::CorruptUpdate
        | Fault::Offline
        | Fault::WornFlash
        | Fault::Reset
        | Fault::PowerCut
        | Fault::CutNextWrite
        | Fault::CorruptRunning
        | Fault::FillFlash => {}
    }
    if evidence.fault == Fault::HangNew {
        let bit = evidence.trace.watchdog;
        check(
            "the watchdog ends it",
            format!("it bit {}", times(bit)),
            bit > 0,
        );
    }
    if evidence.fault == Fault::CrashNew {
        let exits = evidence.trace.exits;
        check(
            "the program ends",
            format!("it did, {}", times(exits)),
            exits > 0,
        );
    }
}

/// What record and execution slot say in the end.
fn of_record(evidence: &Evidence, after: &State, check: &mut Checks<'_>) {
    let ending = evidence.expected.ending;
    if ending == Ending::Recovery {
        let seen = if evidence.trace.recovery {
            "it waits in recovery"
        } else {
            "it does not wait in recovery"
        };
        return check(
            "nothing damaged runs",
            seen.to_owned(),
            evidence.trace.recovery,
        );
    }
    of_slot(evidence, after, check);
    let Some(at) = evidence
        .strikes
        .last()
        .and_then(|strike| strike.look.state().ok())
    else {
        return;
    };
    match ending {
        Ending::Unchanged => check(
            "it runs what it ran",
            change(&at.current(), &after.current()),
            at.current() == after.current(),
        ),
        Ending::Ended(causes) => {
            check(
                "the old image is the confirmed one",
                change(&at.current(), &after.current()),
                at.current() == after.current() && !after.on_trial(),
            );
            of_outcome(at, after, causes, check);
        }
        Ending::Installed => {
            let ran = after.current() == at.other()
                || (after.on_trial() && after.other() == at.other())
                || (after.outcome().to == at.other().name() && evidence.trace.trials > 0);
            let seen = if after.current() == at.other() {
                "it is confirmed".to_owned()
            } else if ran {
                format!("it was started on trial; {}", last_word(after))
            } else {
                last_word(after)
            };
            check("the new image is started", seen, ran);
        }
        Ending::Either => of_either(evidence, after, check),
        Ending::Restored => {
            let seen = if evidence.trace.heals > 0 {
                "`:: the execution slot is damaged: restoring it from its backup`"
            } else {
                "the bootloader did not say so"
            };
            check(
                "the bootloader restores the image",
                seen.to_owned(),
                evidence.trace.heals > 0,
            );
        }
        Ending::Recovery => {}
    }
}

/// What stands in the execution slot is whole, and what the record names.
fn of_slot(evidence: &Evidence, after: &State, check: &mut Checks<'_>) {
    let named = hex(&after.running().digest);
    let start = |digest: &str| digest.chars().take(12).collect::<String>();
    match &evidence.after.execution {
        None => check(
            "the running image is whole",
            "it came encrypted; its start shows that the bootloader accepts it".to_owned(),
            evidence.trace.running.is_some(),
        ),
        Some(Err(why)) => check("the running image is whole", why.clone(), false),
        Some(Ok(digest)) => {
            let good = *digest == named;
            let seen = if good {
                format!("{}, signed by a key of the device", start(digest))
            } else {
                format!("{} runs, the record names {}", start(digest), start(&named))
            };
            check("the running image is whole", seen, good);
        }
    }
}

fn of_either(evidence: &Evidence, after: &State, check: &mut Checks<'_>) {
    let running = after.running();
    let states = || {
        let looks = evidence.strikes.iter().map(|strike| &strike.look);
        looks.filter_map(|look| look.state().ok())
    };
    let old = states().any(|state| state.current() == running);
    // An update that began after the last strike has a digest that nobody has seen before.
    let new = states().any(|state| state.other() == running) || evidence.trace.trials > 0;
    let seen = match (old, new) {
        (true, _) => "the old one".to_owned(),
        (false, true) => "the new one".to_owned(),
        (false, false) => format!("neither: {}", hex(&running.digest)),
    };
    check(
        "it runs the old image or the new one",
        format!("{seen}; {}", last_word(after)),
        old || new,
    );
}

/// Whether the update ended, and why.
fn of_outcome(at: &State, after: &State, causes: &[Cause], check: &mut Checks<'_>) {
    let outcome = &after.outcome();
    let this_one = if at.attempt() == 0 {
        outcome.attempt != at.outcome().attempt
    } else {
        outcome.attempt == at.attempt()
    };
    let wanted: Vec<&str> = causes.iter().map(|cause| reason(*cause)).collect();
    let seen = if this_one {
        last_word(after)
    } else {
        "the update has not ended".to_owned()
    };
    let what = match wanted.as_slice() {
        [one] => format!("the reason is {one}"),
        several => format!("the reason is one of {}", several.join(", ")),
    };
    check(&what, seen, this_one && causes.contains(&outcome.cause));
}

fn of_manager(evidence: &Evidence, word: &ManagerWord, check: &mut Checks<'_>) {
    check(
        "the manager is connected with it",
        if word.online { "online" } else { "offline" }.to_owned(),
        word.online,
    );
    let shown = word.version.as_deref().unwrap_or("no version");
    if let Some(running) = evidence.trace.running.as_deref().filter(|_| word.online) {
        check(
            "the manager shows what the device says",
            format!("device {running}, manager {shown}"),
            shown == running,
        );
    }
}

fn change(from: &Image, to: &Image) -> String {
    if from == to {
        hex(&from.digest).chars().take(12).collect()
    } else {
        let start = |image: &Image| hex(&image.digest).chars().take(12).collect::<String>();
        format!("{} became {}", start(from), start(to))
    }
}

/// Phase and outcome, for people.
fn last_word(state: &State) -> String {
    match (state.phase(), state.outcome().cause) {
        (Phase::Idle, Cause::None) => "no update".to_owned(),
        (Phase::Idle, Cause::Confirmed) => "the last update was confirmed".to_owned(),
        (Phase::Idle, cause) => format!("the last update ended with {}", reason(cause)),
        (phase, _) => format!("the record says {}", phase.name()),
    }
}

fn reason(cause: Cause) -> &'static str {
    Reason::try_from(cause.code()).map_or("confirmed", Reason::name)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes everything");
    }
    text
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
