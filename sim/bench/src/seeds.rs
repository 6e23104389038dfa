//! Random cases with random cuts, one per seed.

use crate::output::{line, number};
use crate::subject::Subject;
use crate::threads;
use anyhow::{Result, bail};
use otaru_sim::Case;
use serde::Serialize;

/// Failures that are shown before it is enough.
const FAILURES_MAX: usize = 10;

/// What was tried.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Seeds {
    /// Random cases.
    pub(crate) cases: u64,
    /// Cuts that really came: a run may be over before the last one that was planned.
    pub(crate) cuts: u64,
    pub(crate) boots: u64,
    pub(crate) failures: u64,
}

/// Runs the cases of `count` seeds from `from` on.
///
/// # Errors
/// If a promise was broken; each case was printed with the line that repeats it.
pub(crate) fn run(from: u64, count: u64) -> Result<Seeds> {
    let mut seeds = Seeds::default();
    let mut shown = 0;
    threads::run(
        usize::try_from(count)?,
        |index| {
            let (case, cuts) = Case::random(from + index as u64);
            let subject = Subject::Case(case);
            let ended = subject.run(&cuts).map(|device| (device.cuts, device.boots));
            ended.map_err(|violation| (violation, subject.reproduction(&cuts)))
        },
        |index, ended| {
            seeds.cases += 1;
            match ended {
                Ok((cuts, boots)) => {
                    seeds.cuts += u64::from(cuts);
                    seeds.boots += u64::from(boots);
                }
                Err((violation, reproduction)) => {
                    seeds.failures += 1;
                    shown += 1;
                    line(&format!("seed {}: {}", from + index as u64, violation.0));
                    line(&format!("    {reproduction}"));
                }
            }
            if seeds.cases.is_multiple_of(1000) {
                line(&format!("{} seeds", number(seeds.cases)));
            }
            shown < FAILURES_MAX
        },
    );
    line(&format!(
        "{} random cases, {} power cuts, {} boots: {} failures",
        number(seeds.cases),
        number(seeds.cuts),
        number(seeds.boots),
        number(seeds.failures)
    ));
    if seeds.failures > 0 {
        bail!("{} random cases broke a promise", seeds.failures);
    }
    Ok(seeds)
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_are_counted() {
        let seeds = super::run(1, 40).unwrap();
        assert_eq!(seeds.cases, 40);
        assert!(seeds.cuts > 40 && seeds.boots > seeds.cuts, "{seeds:?}");
    }
}
