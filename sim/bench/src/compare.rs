//! Failures beside failures: the same cuts on ours and on `embassy-boot`.

use crate::costs::{self, Row, budget};
use crate::embassy::{self, Ending, device::Kind};
use crate::every;
use crate::output::{line, number};
use crate::subject::Subject;
use crate::threads;
use anyhow::{Result, bail};
use otaru_flash::Mode;
use otaru_sim::{Again, Case, Encryption, Scenario, Shape, Tear};
use serde::Serialize;

/// The name of the other bootloader.
pub(crate) const THEIRS: &str = "embassy-boot";

/// One row of the table of failures.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Failures {
    pub(crate) system: String,
    /// How operations were torn; `all` for every pair of every kind.
    pub(crate) tears: String,
    /// What is special about the flash.
    pub(crate) flash: String,
    pub(crate) cuts: u64,
    /// Distinct states after one cut, and after two.
    pub(crate) states: Vec<u64>,
    /// Of these the ones from which a promise was broken.
    pub(crate) failed: Vec<u64>,
    /// The same by what went wrong.
    pub(crate) kinds: Vec<(String, u64)>,
    /// One line per kind that repeats it.
    pub(crate) examples: Vec<String>,
}

/// The whole comparison.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Comparison {
    pub(crate) costs: Vec<Row>,
    /// Updates on which the budget of the record was asserted, one per filling.
    pub(crate) budget_updates: u32,
    pub(crate) failures: Vec<Failures>,
}

impl Comparison {
    /// Whether none of the failures are ours.
    ///
    /// # Errors
    /// If some are; the lines that repeat them stand in the rows.
    pub(crate) fn check_ours(&self) -> Result<()> {
        let ours = self.failures.iter().filter(|row| row.system != THEIRS);
        for row in ours {
            if row.failed.iter().any(|&count| count > 0) {
                bail!("{}, {}: {}", row.system, row.tears, row.examples.join("; "));
            }
        }
        Ok(())
    }
}

/// A group of tears that is tried together.
#[derive(Debug, Clone, Copy)]
struct Tears {
    name: &'static str,
    tears: &'static [Tear],
}

fn groups() -> Vec<Tears> {
    let mut groups: Vec<Tears> = Tear::ALL
        .iter()
        .map(|tear| Tears {
            name: tear.name(),
            tears: std::slice::from_ref(tear),
        })
        .collect();
    groups.push(Tears {
        name: "all",
        tears: &Tear::ALL,
    });
    groups
}

#[derive(Debug, Clone, Copy)]
struct Task {
    system: Option<Mode>,
    kind: Kind,
    tears: Tears,
}

/// Every failure that single cuts and pairs of them bring about, by kind of tear.
pub(crate) fn failures() -> Vec<Failures> {
    let ecc = Kind {
        ecc: true,
        ..Kind::PLAIN
    };
    let mut tasks = Vec::new();
    for system in [None, Some(Mode::Standby), Some(Mode::Swap)] {
        for kind in [Kind::PLAIN, ecc, Kind::ONCE] {
            for tears in groups() {
                // Other flash than plain: clean cuts, and everything together.
                if kind == Kind::PLAIN || matches!(tears.name, "before" | "all") {
                    tasks.push(Task {
                        system,
                        kind,
                        tears,
                    });
                }
            }
        }
    }
    let mut rows: Vec<Option<Failures>> = vec![None; tasks.len()];
    threads::run(
        tasks.len(),
        |index| {
            let task = tasks[index];
            match task.system {
                None => theirs(&task),
                Some(mode) => ours(&task, mode),
            }
        },
        |index, row| {
            line(&format!(
                "{}, {}, {}: {} states, {} failures",
                row.system,
                row.flash,
                row.tears,
                number(row.states.iter().sum()),
                number(row.failed.iter().sum())
            ));
            rows[index] = Some(row);
            true
        },
    );
    rows.into_iter().flatten().collect()
}

fn flash_name(kind: Kind) -> String {
    let name = match (kind.ecc, kind.overwrite) {
        (false, true) => "plain",
        (true, true) => "ECC",
        (false, false) => "write once",
        (true, false) => "ECC, write once",
    };
    name.to_owned()
}

fn theirs(task: &Task) -> Failures {
    let mut tried = embassy::explore::Tried::default();
    for ending in Ending::ALL {
        tried.add(&embassy::explore::explore(
            task.kind,
            ending,
            task.tears.tears,
        ));
    }
    let kinds = tried.kinds.iter();
    let flag = match (task.kind.ecc, task.kind.overwrite) {
        (false, true) => "",
        (true, _) => " --ecc",
        (false, false) => " --write-once",
    };
    let examples = tried.examples.iter().map(|(failure, (ending, cuts))| {
        let cuts: Vec<String> = cuts.iter().map(ToString::to_string).collect();
        format!(
            "{}: cargo xtask sim --embassy {}{flag} --cuts '{}'",
            failure.name(),
            ending.name(),
            cuts.join(",")
        )
    });
    Failures {
        system: THEIRS.to_owned(),
        tears: task.tears.name.to_owned(),
        flash: flash_name(task.kind),
        cuts: tried.cuts,
        states: tried.states.to_vec(),
        failed: tried.failed.to_vec(),
        kinds: kinds
            .map(|(kind, &count)| (kind.name().to_owned(), count))
            .collect(),
        examples: examples.collect(),
    }
}

fn ours(task: &Task, mode: Mode) -> Failures {
    let mut row = Failures {
        system: format!("otaru {}", mode.name()),
        tears: task.tears.name.to_owned(),
        flash: flash_name(task.kind),
        cuts: 0,
        states: vec![0, 0],
        failed: vec![0, 0],
        kinds: Vec::new(),
        examples: Vec::new(),
    };
    for scenario in ["confirm", "hang"]
        .iter()
        .filter_map(|name| Scenario::from_name(name))
    {
        let shape = Shape {
            ecc: task.kind.ecc,
            again: if task.kind.overwrite {
                Again::ZeroOnly
            } else {
                Again::Refused
            },
            ..Shape::plain(mode, 3)
        };
        let subject = Subject::Case(Case {
            shape,
            scenario,
            differing: 100,
            filled: 0,
            seed: 1,
            encryption: Encryption::None,
        });
        let tried = every::one(scenario.name, &subject, task.tears.tears, 2);
        row.cuts += tried.cuts;
        for (sum, more) in row.states.iter_mut().zip(&tried.by_depth) {
            *sum += more;
        }
        if let Some((violation, reproduction)) = tried.failure {
            // Our explorer stops at the first one.
            row.failed[0] += 1;
            row.kinds.push((violation.clone(), 1));
            row.examples.push(format!("{violation}: {reproduction}"));
        }
    }
    row
}

/// Costs, with budgets asserted, and failures.
///
/// # Errors
/// If an update costs more than its budget or does not do what it should.
pub(crate) fn run() -> Result<Comparison> {
    let costs = costs::table()?;
    line("our budgets hold on every row");
    let budget_updates = budget::check_every_filling()?;
    line(&format!(
        "the budget of the record holds wherever an update begins: {budget_updates} updates"
    ));
    Ok(Comparison {
        costs,
        budget_updates,
        failures: failures(),
    })
}
