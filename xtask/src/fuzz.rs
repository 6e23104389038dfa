//! `cargo xtask fuzz`: builds the fuzz targets with coverage instrumentation, on the stable
//! compiler, and runs them. `docs/fuzzing.md` says more.
//!
//! The instrumentation is a pass of LLVM that `-C` options switch on. What needs a nightly compiler
//! is the address sanitizer, and there is no unsafe code under test for it to watch.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::Program;
use crate::report::{self, Outcome};
use crate::workspace;

const USAGE: &str = "usage: cargo xtask fuzz [TARGET] [--seconds N] | \
                     cargo xtask fuzz TARGET --input FILE | cargo xtask fuzz [TARGET] --keep | \
                     cargo xtask fuzz --bounded";

/// Seconds a target runs unless told otherwise.
const SECONDS: u32 = 60;
/// Bounds of each target in `cargo xtask ci`; whichever is reached first ends it.
const CI_SECONDS: u32 = 10;
const CI_RUNS: u32 = 20_000;
/// Longest input that is tried, in bytes: an image with its largest TLVs fits.
const INPUT_LEN_MAX: u32 = 4096;
/// Longest input that is committed, in bytes.
const KEPT_LEN_MAX: u32 = 3400;
/// An input that takes longer is a finding; thousands of times what any should.
const SECONDS_PER_INPUT: u32 = 20;

/// What makes rustc count edges and report comparisons, as `-fsanitize=fuzzer` does in clang.
const INSTRUMENTATION: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// What to do with the targets.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Work {
    Run { seconds: u32 },
    Repeat { input: PathBuf },
    Keep,
}

/// The command `fuzz`.
///
/// # Errors
/// If a target does not build or has a finding.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    if args == ["--bounded"] {
        return bounded().map(drop);
    }
    let (only, work) = parse(args)?;
    let targets = chosen(only)?;
    let programs = build()?;
    match work {
        Work::Run { seconds } => {
            let mut found = Vec::new();
            for target in &targets {
                report::line(&format!("{target}: {seconds} s"));
                let bounds = Bounds {
                    seconds,
                    runs: None,
                    collected: grown(target),
                };
                match fuzz(&programs, target, &bounds) {
                    Ok(summary) => report::line(&format!("{target}: {summary}")),
                    Err(error) => {
                        report::failure(&error);
                        found.push(target.as_str());
                    }
                }
            }
            if found.is_empty() {
                return Ok(());
            }
            bail!("findings in: {}", found.join(", "))
        }
        Work::Repeat { input } => {
            let [target] = targets.as_slice() else {
                bail!("say which target the input is for; {USAGE}");
            };
            // An input of a short path is looked for where the command was typed.
            let input = std::path::absolute(&input).context("there is no current folder")?;
            program(&programs, target).arg(input).run()
        }
        Work::Keep => targets
            .iter()
            .try_for_each(|target| keep(&programs, target)),
    }
}

/// The bounded run of every target for `cargo xtask ci`: from the committed inputs, with one seed.
///
/// # Errors
/// If a target does not build or has a finding.
pub(crate) fn bounded() -> Result<Outcome> {
    let programs = build()?;
    let mut summaries = Vec::new();
    for target in chosen(None)? {
        let collected = working_folder().join("bounded").join(&target);
        if collected.exists() {
            std::fs::remove_dir_all(&collected)
                .with_context(|| format!("cannot remove {}", collected.display()))?;
        }
        let bounds = Bounds {
            seconds: CI_SECONDS,
            runs: Some(CI_RUNS),
            collected,
        };
        let summary = fuzz(&programs, &target, &bounds)?;
        report::line(&format!("    {target}: {summary}"));
        summaries.push(target);
    }
    Ok(Outcome::Done(summaries.join(", ")))
}

fn parse<'a>(args: &[&'a str]) -> Result<(Option<&'a str>, Work)> {
    let (target, rest) = match args {
        [first, rest @ ..] if !first.starts_with('-') => (Some(*first), rest),
        _ => (None, args),
    };
    let work = match rest {
        [] => Work::Run { seconds: SECONDS },
        ["--seconds", number] => Work::Run {
            seconds: number.parse().context(USAGE)?,
        },
        ["--input", file] => Work::Repeat {
            input: PathBuf::from(file),
        },
        ["--keep"] => Work::Keep,
        _ => bail!(USAGE),
    };
    Ok((target, work))
}

/// The targets are the programs of the package.
fn chosen(only: Option<&str>) -> Result<Vec<String>> {
    let folder = workspace::root().join("fuzz/src/bin");
    let entries = std::fs::read_dir(&folder).context("the fuzz targets cannot be listed")?;
    let mut targets: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    targets.sort();
    match only {
        None => Ok(targets),
        Some(name) if targets.iter().any(|target| target == name) => Ok(vec![name.to_owned()]),
        Some(name) => bail!(
            "there is no target `{name}`; these are: {}",
            targets.join(", ")
        ),
    }
}

/// Builds all targets and returns the folder they stand in.
fn build() -> Result<PathBuf> {
    let root = workspace::root();
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Program::new(compiler).arg("-vV").output()?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc does not say for which host it is")?;
    // Another target folder, because of the other flags; and a target of its own, because build
    // scripts must not be instrumented.
    let folder = working_folder().join("build");
    Program::cargo()
        .args([
            "build",
            "-p",
            "otaru-fuzz",
            "--bins",
            "--features",
            "libfuzzer",
        ])
        .args(["--profile", "fuzz", "--target", host, "--target-dir"])
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", INSTRUMENTATION.join("\u{1f}"))
        .folder(&root)
        .run()
        .context("the fuzz targets do not build; they also need a C++ compiler")?;
    Ok(folder.join(host).join("fuzz"))
}

fn working_folder() -> PathBuf {
    workspace::target_folder(&workspace::root()).join("fuzz-targets")
}

/// Where the inputs of a target are collected that reached something new.
fn grown(target: &str) -> PathBuf {
    working_folder().join("corpus").join(target)
}

/// The committed inputs, relative to the root, where all of these programs run.
fn committed(target: &str) -> PathBuf {
    Path::new("fuzz/corpus").join(target)
}

fn program(programs: &Path, target: &str) -> Program {
    let file = format!("otaru-fuzz-{target}{}", std::env::consts::EXE_SUFFIX);
    Program::new(programs.join(file))
        .arg(format!("-timeout={SECONDS_PER_INPUT}"))
        .folder(&workspace::root())
}

/// When a run ends, and where it puts inputs that reach something new.
struct Bounds {
    seconds: u32,
    /// With a number of runs the seed is fixed, too.
    runs: Option<u32>,
    collected: PathBuf,
}

/// Runs a target and returns a line about it.
fn fuzz(programs: &Path, target: &str, bounds: &Bounds) -> Result<String> {
    let root = workspace::root();
    let artifacts = format!("fuzz/artifacts/{target}/");
    let log = working_folder().join(format!("{target}.log"));
    for folder in [&root.join(&artifacts), &bounds.collected] {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let mut fuzzer = program(programs, target)
        .arg(format!("-artifact_prefix={artifacts}"))
        .arg(format!("-max_total_time={}", bounds.seconds))
        .arg(format!("-max_len={INPUT_LEN_MAX}"))
        .args(["-use_value_profile=1", "-print_final_stats=1"]);
    if let Some(runs) = bounds.runs {
        fuzzer = fuzzer.arg(format!("-runs={runs}")).arg("-seed=1");
    }
    let dictionary = Path::new("fuzz/dictionaries").join(format!("{target}.dict"));
    if root.join(&dictionary).exists() {
        fuzzer = fuzzer.arg(format!("-dict={}", dictionary.display()));
    }
    let outcome = fuzzer
        .arg(&bounds.collected)
        .arg(committed(target))
        .run_logged(&log);
    let text = String::from_utf8_lossy(&std::fs::read(&log).unwrap_or_default()).into_owned();
    match outcome {
        Ok(()) => Ok(summary(&text)),
        Err(error) => match finding(&text) {
            Some(input) => Err(error.context(format!(
                "target `{target}` has a finding; to repeat it:\n  \
                 cargo xtask fuzz {target} --input {input}"
            ))),
            None => Err(error),
        },
    }
}

/// The last line of counts: how many runs, how much was reached.
fn summary(log: &str) -> String {
    let done = log.lines().rev().find(|line| line.contains("\tDONE "));
    let done = done.unwrap_or("nothing is known about the run");
    done.trim_start_matches('#').replace('\t', " ")
}

/// The file that libFuzzer wrote the finding to.
fn finding(log: &str) -> Option<&str> {
    log.lines()
        .find_map(|line| line.split_once("Test unit written to "))
        .map(|(_, file)| file.trim())
}

/// Adds to the committed inputs the fewest that reach every place that the collected ones reach; how
/// often they reach it does not count here, as that would be many more.
fn keep(programs: &Path, target: &str) -> Result<()> {
    std::fs::create_dir_all(grown(target)).context("cannot create the folder of inputs")?;
    let log = working_folder().join(format!("{target}.log"));
    program(programs, target)
        .args([
            "-set_cover_merge=1",
            "-use_value_profile=0",
            "-use_counters=0",
        ])
        .arg(format!("-max_len={KEPT_LEN_MAX}"))
        .arg(committed(target))
        .arg(grown(target))
        .run_logged(&log)?;
    let count = std::fs::read_dir(workspace::root().join(committed(target)))
        .context("the committed inputs cannot be listed")?
        .count();
    report::line(&format!("{target}: {count} committed inputs"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_understood_or_refused() {
        let run = |seconds| Work::Run { seconds };
        assert_eq!(parse(&[]).unwrap(), (None, run(SECONDS)));
        assert_eq!(parse(&["ddi"]).unwrap(), (Some("ddi"), run(SECONDS)));
        assert_eq!(parse(&["--seconds", "5"]).unwrap(), (None, run(5)));
        assert_eq!(
            parse(&["ddi", "--seconds", "5"]).unwrap(),
            (Some("ddi"), run(5))
        );
        assert_eq!(
            parse(&["ddi", "--keep"]).unwrap(),
            (Some("ddi"), Work::Keep)
        );
        let input = PathBuf::from("a");
        assert_eq!(
            parse(&["ddi", "--input", "a"]).unwrap(),
            (Some("ddi"), Work::Repeat { input })
        );
        for wrong in [
            &["--second", "5"][..],
            &["--seconds", "x"],
            &["ddi", "image"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_target_that_does_not_exist_is_refused_with_those_that_do() {
        let error = chosen(Some("nothing")).expect_err("no such target");
        assert!(error.to_string().contains("image"), "{error}");
        assert_eq!(chosen(Some("image")).unwrap(), ["image"]);
    }

    #[test]
    fn every_target_has_committed_inputs() {
        for target in chosen(None).unwrap() {
            let folder = workspace::root().join(committed(&target));
            assert!(folder.read_dir().unwrap().next().is_some(), "{target}");
        }
    }

    #[test]
    fn summary_and_finding_are_read_from_the_log() {
        let log = "INFO: x\n#64143\tDONE   cov: 557 ft: 7122 corp: 1203/440Kb\nDone 64143 runs\n";
        assert_eq!(
            summary(log),
            "64143 DONE   cov: 557 ft: 7122 corp: 1203/440Kb"
        );
        assert_eq!(finding(log), None);
        let log = "artifact_prefix='a/'; Test unit written to a/crash-1\nBase64: eA==\n";
        assert_eq!(finding(log), Some("a/crash-1"));
    }
}
