//! Every cut of every scenario, on every shape of flash.

use crate::output::{line, number};
use crate::subject::Subject;
use crate::threads;
use anyhow::{Result, bail};
use otaru_flash::Mode;
use otaru_sim::{
    Again, Case, Cut, Encryption, Explored, Plan, SCENARIOS, Shape, Tear, Violation, explore,
};
use serde::Serialize;

/// What was tried of one subject.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Tried {
    pub(crate) scenario: String,
    pub(crate) name: String,
    /// Distinct states after one cut, two, and so on.
    pub(crate) by_depth: Vec<u64>,
    pub(crate) cuts: u64,
    pub(crate) boots: u64,
    /// Series that met the stated limit: a part that garbles what is programmed twice.
    pub(crate) limits: u64,
    /// The first broken promise, with the line that repeats it.
    pub(crate) failure: Option<(String, String)>,
}

impl Tried {
    pub(crate) fn states(&self) -> u64 {
        self.by_depth.iter().sum()
    }
}

/// Every scenario on every shape.
pub(crate) fn all() -> Vec<(String, Subject)> {
    let mut subjects = Vec::new();
    for mode in [Mode::Standby, Mode::Swap] {
        let plain = Shape::plain(mode, 3);
        for shape in [
            plain,
            Shape { ecc: true, ..plain },
            Shape {
                again: Again::Refused,
                ..plain
            },
            Shape {
                again: Again::Refused,
                ecc: true,
                ..plain
            },
            Shape {
                unequal: true,
                ..plain
            },
            Shape {
                write_unit: 512,
                ..plain
            },
            Shape {
                write_unit: 1,
                erased: 0,
                ..plain
            },
        ] {
            subjects.extend(SCENARIOS.iter().map(|scenario| {
                let case = Case {
                    shape,
                    scenario,
                    differing: 70,
                    filled: 0,
                    seed: 1,
                    encryption: Encryption::None,
                };
                (scenario.name.to_owned(), Subject::Case(case))
            }));
        }
    }
    subjects
}

/// Tries every cut, torn in these ways, up to `depth` in a row.
pub(crate) fn one(scenario: &str, subject: &Subject, tears: &[Tear], depth: usize) -> Tried {
    let explored = subject
        .device()
        .map_err(|violation| (violation, Vec::new()))
        .and_then(|device| explore(&device, &Plan::every(tears, depth)));
    let (explored, failure): (Explored, Option<(Violation, Vec<Cut>)>) = match explored {
        Ok(explored) => (explored, None),
        Err(failure) => (Explored::default(), Some(failure)),
    };
    Tried {
        scenario: scenario.to_owned(),
        name: subject.name(),
        by_depth: explored.by_depth,
        cuts: explored.cuts,
        boots: explored.boots,
        limits: explored.limits,
        failure: failure.map(|(violation, cuts)| (violation.0, subject.reproduction(&cuts))),
    }
}

/// Tries every cut of these subjects.
pub(crate) fn try_all(subjects: &[(String, Subject)], depth: usize) -> Vec<Tried> {
    let mut tried = Vec::new();
    threads::run(
        subjects.len(),
        |index| {
            let (scenario, subject) = &subjects[index];
            one(scenario, subject, &Tear::ALL, depth)
        },
        |_, result| {
            line(&shown(&result));
            tried.push(result);
            true
        },
    );
    tried.sort_by(|a, b| a.name.cmp(&b.name));
    tried
}

fn shown(tried: &Tried) -> String {
    if let Some((violation, reproduction)) = &tried.failure {
        return format!("{}: BROKEN: {violation}\n    {reproduction}", tried.name);
    }
    let depths: Vec<String> = tried.by_depth.iter().map(|&n| number(n)).collect();
    let limits = if tried.limits > 0 {
        format!(", {} at the stated limit", number(tried.limits))
    } else {
        String::new()
    };
    format!(
        "{}: {} states by depth, {} cuts, {} boots{limits}",
        tried.name,
        depths.join(" + "),
        number(tried.cuts),
        number(tried.boots)
    )
}

/// The same, and the sum.
///
/// # Errors
/// If a promise was broken; each was printed with the line that repeats it.
pub(crate) fn run(subjects: &[(String, Subject)], depth: usize) -> Result<Vec<Tried>> {
    let tried = try_all(subjects, depth);
    let sum = |of: fn(&Tried) -> u64| number(tried.iter().map(of).sum());
    line(&format!(
        "{} subjects up to {depth} cuts deep: {} distinct states, {} cuts, {} boots",
        tried.len(),
        sum(Tried::states),
        sum(|tried| tried.cuts),
        sum(|tried| tried.boots)
    ));
    let failures = tried.iter().filter(|tried| tried.failure.is_some()).count();
    if failures > 0 {
        bail!("{failures} of {} broke a promise", tried.len());
    }
    Ok(tried)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_stands_on_every_shape() {
        let subjects = all();
        assert_eq!(subjects.len(), 2 * 7 * SCENARIOS.len());
        for (_, subject) in &subjects {
            assert!(Subject::case(&subject.name()).is_ok(), "{}", subject.name());
        }
    }
}
