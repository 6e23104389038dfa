//! `cargo xtask bench lsp`: how quickly the language server answers, beside two others that edit the
//! same kind of text, in the same run on the same machine. What is asked is the same for all: a file
//! of 1,500 lines is opened, and then the same requests follow. Busy means: builds run, a device is
//! flashed, eight questions stand open, and a device prints 10,000 lines a second.

use super::Value;
use super::lsp_client::{Client, Timed};
use super::lsp_world::World;
use crate::process::Program;
use crate::{report, setup, workspace};
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Lines of the file that is edited.
const LINES: usize = 1_500;
/// How often a server is started.
const STARTS: usize = 15;
/// How often each request is made.
const REQUESTS: usize = 300;
/// How often a key is pressed.
const KEYSTROKES: usize = 60;
/// Keystrokes without an answer, after which none is expected any more.
const SILENT_MAX: usize = 3;
/// How often hover is asked while everything else runs.
const BUSY_REQUESTS: usize = 600;

/// Time between two of those.
const PAUSE: Duration = Duration::from_millis(8);

/// A server, and what it edits.
struct Subject {
    name: &'static str,
    command: Vec<PathBuf>,
    file: &'static str,
    language: &'static str,
    text: String,
    /// Whether it answers completion and hover.
    answers: bool,
    /// A line of the text that can be made wrong, and how.
    line: usize,
    wrong: &'static str,
}

/// Measures it. Without the programs, they are built for release.
///
/// # Errors
/// If a program cannot be built or installed, or does not answer.
pub(super) fn run(programs: Option<(&str, &str)>) -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("the benchmark reads /proc and runs on Linux only");
    }
    let (server, otaru) = match programs {
        Some((server, otaru)) => (PathBuf::from(server), PathBuf::from(otaru)),
        None => built()?,
    };
    let python = match std::env::var_os("OTARU_VENV_PYTHON") {
        Some(python) => PathBuf::from(python),
        None => setup::python_only()?
            .into_iter()
            .find_map(|(name, path)| (name == "OTARU_VENV_PYTHON").then_some(path))
            .context("setup has installed no Python")?,
    };
    measure((&server, &otaru), &python)
}

/// The language server, and the command line, both built for release.
fn built() -> Result<(PathBuf, PathBuf)> {
    let root = workspace::root();
    Program::cargo()
        .args([
            "build",
            "--release",
            "-p",
            "otaru",
            "-p",
            "otaru-lsp",
            "--bins",
        ])
        .folder(&root)
        .run()?;
    let release = workspace::target_folder(&root).join("release");
    Ok((release.join("otaru-lsp"), release.join("otaru")))
}

fn measure((server, otaru): (&Path, &Path), python: &Path) -> Result<()> {
    let beside = |name: &str| python.with_file_name(name);
    let mut values = Vec::new();
    let subjects = [
        Subject {
            name: "otaru",
            command: vec![server.to_owned()],
            file: "Otaru.toml",
            language: "toml",
            text: manifest(),
            answers: true,
            line: 1,
            wrong: "nam = 1",
        },
        Subject {
            name: "tombi",
            command: vec![beside("tombi"), "lsp".into()],
            file: "Otaru.toml",
            language: "toml",
            text: manifest(),
            answers: true,
            line: 1,
            wrong: "name = = 1",
        },
        Subject {
            name: "ruff",
            command: vec![beside("ruff"), "server".into()],
            file: "lamp.py",
            language: "python",
            text: program(),
            answers: false,
            line: 1,
            wrong: "import json",
        },
    ];
    for subject in &subjects {
        report::line(&format!("\n==> {}", subject.name));
        values.extend(quiet(subject).with_context(|| subject.name)?);
    }
    report::line("\n==> otaru, busy");
    values.extend(busy(server, otaru)?);
    let stripped = stripped_len(server)?;
    values.push(Value {
        what: "otaru: program, stripped".to_owned(),
        measured: format!("{}.{} MB", stripped / 1_000_000, stripped / 100_000 % 10),
        limit: "25 MB".to_owned(),
        within: Some(stripped <= 25_000_000),
    });
    super::print(&values);
    Ok(())
}

/// A manifest that is right, and long.
fn manifest() -> String {
    let mut text = String::from(
        "[project]\nname = \"lamp\"\nboard = \"host\"\nmode = \"standby\"\n\n[signing]\nkey = \"dev.pem\"\n\n",
    );
    let lines = text.matches('\n').count() + 3;
    for number in lines..LINES {
        let line = format!("# Line {number} of a manifest in which somebody explains a lot.\n");
        text.push_str(&line);
    }
    text.push_str("[manager]\nurl = \"http://127.0.0.1:9\"\ndevice = \"lamp\"\n");
    text
}

/// A program that is right, and as long.
fn program() -> String {
    let mut text = String::from("import sys\n\n");
    for number in 2..LINES - 1 {
        let line = format!("value_{number} = {number}\n");
        text.push_str(&line);
    }
    text.push_str("print(sys.argv)\n");
    text
}

/// What a server does while nothing else happens.
fn quiet(subject: &Subject) -> Result<Vec<Value>> {
    let folder = super::TempFolder::create(subject.name)?;
    let path = folder.path().join(subject.file);
    std::fs::write(&path, &subject.text)?;
    std::fs::write(folder.path().join("dev.pem"), "no key")?;
    let mut starts = Timed::default();
    for _ in 0..STARTS {
        let (client, took) = Client::start(&mut command(subject), folder.path())?;
        starts.add(took);
        client.end();
    }
    let (mut client, _) = Client::start(&mut command(subject), folder.path())?;
    client.open(&path, subject.language, &subject.text)?;
    let uri = format!("file://{}", path.display());
    let mut values = Vec::new();
    let name = subject.name;
    let is_ours = name == "otaru";
    let limit = |ms: u64| is_ours.then(|| Duration::from_millis(ms));
    values.push(row(
        name,
        "initialize, p50",
        starts.percentile(50),
        limit(20),
    ));
    let at = json!({ "textDocument": { "uri": uri }, "position": { "line": 2, "character": 3 } });
    if subject.answers {
        for method in ["textDocument/completion", "textDocument/hover"] {
            let mut times = Timed::default();
            for _ in 0..REQUESTS {
                times.add(client.timed(method, &at)?);
            }
            let short = method.trim_start_matches("textDocument/");
            for (percent, ms) in [(50, 1), (99, 5)] {
                let what = format!("{short}, p{percent}");
                values.push(row(name, &what, times.percentile(percent), limit(ms)));
            }
        }
    }
    let mut keys = Timed::default();
    let mut silent = 0;
    let right = subject.text.lines().nth(subject.line).unwrap_or_default();
    for stroke in 0..KEYSTROKES {
        let is_wrong = stroke % 2 == 0;
        let new = if is_wrong { subject.wrong } else { right };
        match client.keystroke(&uri, subject.line, new, is_wrong)? {
            Some(took) => keys.add(took),
            None => silent += 1,
        }
        if silent == SILENT_MAX {
            // It tells diagnostics in another way, or not at all.
            break;
        }
    }
    for percent in [50, 99] {
        let what = format!("keystroke to diagnostics, p{percent}");
        values.push(row(name, &what, keys.percentile(percent), limit(20)));
    }
    let kib = client.memory_kib();
    let mut memory = Value::memory(&format!("{name}: memory"), kib, 30);
    if !is_ours {
        memory.within = None;
        memory.limit = String::new();
    }
    values.push(memory);
    client.end();
    Ok(values)
}

fn command(subject: &Subject) -> Command {
    let mut parts = subject.command.iter();
    let mut command = Command::new(parts.next().map_or(Path::new(""), PathBuf::as_path));
    command.args(parts);
    command
}

fn row(name: &str, what: &str, measured: Duration, limit: Option<Duration>) -> Value {
    let what = format!("{name}: {what}");
    match limit {
        Some(limit) => Value::time(&what, measured, limit),
        None => Value::plain(&what, super::short(measured)),
    }
}

/// Hover while everything else that the server can do is done at once.
fn busy(server: &Path, otaru: &Path) -> Result<Vec<Value>> {
    let mut world = World::new(server, otaru)?;
    world.print_a_lot()?;
    let mut client = world.client()?;
    let path = world.folder(0).join("Otaru.toml");
    let text = std::fs::read_to_string(&path)?;
    client.open(&path, "toml", &text)?;
    client.request(
        "otaru/console",
        &json!({ "project": world.folder(0), "on": true }),
    )?;
    client.wait_for("otaru/consoleOutput")?;
    // Each builds, and then asks; nobody answers. The last one is flashed meanwhile.
    for number in 1..=8 {
        let argument = json!({ "project": world.folder(number) });
        let params = json!({ "command": "otaru.flash", "arguments": [argument] });
        client.request("workspace/executeCommand", &params)?;
    }
    let planned = json!({ "project": world.folder(9), "verb": "flash" });
    client.request("otaru/plan", &planned)?;
    let plan = client.wait_for_plan(&world.folder(9))?;
    client.request("otaru/run", &json!({ "planId": plan }))?;
    let uri = format!("file://{}", path.display());
    let at = json!({ "textDocument": { "uri": uri }, "position": { "line": 2, "character": 3 } });
    let mut times = Timed::default();
    let before = client.lines_seen();
    let begun = std::time::Instant::now();
    for number in 0..BUSY_REQUESTS {
        times.add(client.timed("textDocument/hover", &at)?);
        if number % 60 == 59 {
            // Builds end; others take their place, so that it stays busy.
            let again = json!({ "project": world.folder(10 + number / 60 % 3) });
            client.ask("otaru/build", &again)?;
        }
        client.listen(PAUSE)?;
    }
    let rate =
        u128::from(client.lines_seen() - before) * 1_000 / begun.elapsed().as_millis().max(1);
    let questions = client.questions_seen();
    let limit = Some(Duration::from_millis(20));
    let values = vec![
        row("otaru", "busy hover, p50", times.percentile(50), None),
        row("otaru", "busy hover, p99", times.percentile(99), limit),
        Value::plain("otaru: console lines a second meanwhile", rate.to_string()),
        Value::plain("otaru: questions open meanwhile", questions.to_string()),
    ];
    client.end();
    world.end();
    Ok(values)
}

/// Length of the program without what only debuggers read.
fn stripped_len(program: &Path) -> Result<u64> {
    let folder = super::TempFolder::create("strip")?;
    let copy = folder.path().join("otaru");
    let done = Command::new("strip")
        .arg("-o")
        .arg(&copy)
        .arg(program)
        .status()
        .context("cannot start strip")?;
    if !done.success() {
        bail!("strip failed");
    }
    Ok(std::fs::metadata(&copy)?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_edited_has_the_promised_length() {
        assert_eq!(manifest().lines().count(), LINES);
        assert_eq!(program().lines().count(), LINES);
    }
}
