//! Runs cargo as a child process and reads its messages as data.
//!
//! Cargo gets its own target directory, so that it never waits for the editor's, and its own
//! process group, so that a cancelled build leaves no compiler behind.

mod flags;
mod linker;
mod message;
mod package;

pub use linker::{Overflow, overflows};
pub use message::{Diagnostic, Level};
pub use package::Package;

use crate::bytecode;
use crate::event::{Job, JobEvent, Phase};
use crate::explain::{ErrorClass, Explain};
use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Last lines of cargo's own output that are kept for an error.
const LAST_LINES_MAX: usize = 20;
/// How far a build in the background steps back, as `nice` counts.
#[cfg(unix)]
const NICENESS: i32 = 10;

/// What is compiled, and how.
#[derive(Debug, Clone)]
pub struct CompileRequest {
    /// The package and binary, as [`Package::find`] found them.
    pub package: Package,
    /// Cargo features.
    pub features: Vec<String>,
    /// A rustc target triple; `None` for this machine.
    pub triple: Option<String>,
    /// Cargo's target directory.
    pub target_dir: PathBuf,
    /// A compiler instead of the one that cargo takes.
    pub compiler: Option<PathBuf>,
    /// How the linker is told where everything stands, if that is planned.
    pub placement: Option<Placement>,
}

/// How the linker is told where everything stands.
#[derive(Debug, Clone)]
pub struct Placement {
    /// The linker script that is read before the project's.
    pub script: PathBuf,
    /// Where the linker writes its map.
    pub map: PathBuf,
}

/// A compiled executable.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The stripped executable.
    pub executable: PathBuf,
    /// Number of warnings in the project and in packages from this machine.
    pub warnings: usize,
    /// Whether it was there already.
    pub fresh: bool,
}

/// Why there is no executable.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// Cargo cannot be started.
    #[error("cannot start cargo")]
    Start(#[source] std::io::Error),
    /// Cargo cannot make sense of the project.
    #[error("cargo cannot read the project: {0}")]
    Metadata(String),
    /// The manifest names a package that is not there.
    #[error("there is no cargo package `{0}` here")]
    PackageUnknown(String),
    /// The folder belongs to a workspace, and the manifest does not say which package is meant.
    #[error("this folder holds no single cargo package")]
    PackageAmbiguous(Vec<String>),
    /// The package has no such binary.
    #[error("the package `{package}` has no binary `{bin}`")]
    BinUnknown {
        /// The package.
        package: String,
        /// The binary.
        bin: String,
    },
    /// The package has none or several binaries.
    #[error("the package `{package}` has {} binaries", bins.len())]
    BinAmbiguous {
        /// The package.
        package: String,
        /// Its binaries.
        bins: Vec<String>,
    },
    /// The code does not compile.
    #[error("{summary}")]
    Failed {
        /// The first error, or cargo's last words.
        summary: String,
        /// Number of errors that the compiler reported.
        errors: usize,
    },
    /// The build was cancelled.
    #[error("the build was cancelled")]
    Cancelled,
    /// The connection to cargo broke.
    #[error("lost the connection to cargo")]
    Io(#[source] std::io::Error),
}

impl Explain for CompileError {
    fn code(&self) -> &'static str {
        match self {
            Self::Start(_) => "cargo-missing",
            Self::Metadata(_) => "cargo-metadata",
            Self::PackageUnknown(_) | Self::PackageAmbiguous(_) => "package-unknown",
            Self::BinUnknown { .. } | Self::BinAmbiguous { .. } => "bin-unknown",
            Self::Failed { .. } => "compile-failed",
            Self::Cancelled => "cancelled",
            Self::Io(_) => "cargo-lost",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Start(_) => Some("install Rust: https://rustup.rs".to_owned()),
            Self::PackageUnknown(_) => Some("correct `package` in Otaru.toml".to_owned()),
            Self::PackageAmbiguous(names) => Some(format!(
                "set `package` in Otaru.toml to one of: {}",
                names.join(", ")
            )),
            Self::BinUnknown { .. } => Some("correct `bin` in Otaru.toml".to_owned()),
            Self::BinAmbiguous { bins, .. } if bins.is_empty() => {
                Some("a firmware is a binary: add src/main.rs".to_owned())
            }
            Self::BinAmbiguous { bins, .. } => Some(format!(
                "set `bin` in Otaru.toml to one of: {}",
                bins.join(", ")
            )),
            Self::Failed { .. } => Some("nothing was uploaded; repair it and try again".to_owned()),
            Self::Metadata(_) | Self::Cancelled | Self::Io(_) => None,
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::PackageUnknown(_)
            | Self::PackageAmbiguous(_)
            | Self::BinUnknown { .. }
            | Self::BinAmbiguous { .. }
            | Self::Metadata(_) => ErrorClass::Project,
            Self::Cancelled => ErrorClass::Refused,
            Self::Start(_) | Self::Failed { .. } | Self::Io(_) => ErrorClass::Failed,
        }
    }
}

/// Compiles with the release profile.
///
/// # Errors
/// [`CompileError`]; a cancelled build has ended every process it started.
pub async fn compile(request: &CompileRequest, job: &Job) -> Result<Compiled, CompileError> {
    job.begin(Phase::Compile);
    let compiled = run(request, job).await?;
    finished(request, &compiled, job);
    Ok(compiled)
}

/// The same without a word about beginning and end.
pub(crate) async fn run(request: &CompileRequest, job: &Job) -> Result<Compiled, CompileError> {
    let mut child = command(request)?.spawn().map_err(CompileError::Start)?;
    let mut group = ProcessGroup::of(&child);
    if job.is_background() {
        group.step_back();
    }
    let outcome = tokio::select! {
        outcome = follow(&mut child, request, job) => outcome,
        () = job.cancelled() => Err(CompileError::Cancelled),
    };
    if outcome.is_err() {
        group.end();
        drop(child.wait().await);
    }
    group.disarm();
    outcome
}

/// Tells that an executable is there.
pub(crate) fn finished(request: &CompileRequest, compiled: &Compiled, job: &Job) {
    let warnings = match compiled.warnings {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        count => format!(", {count} warnings"),
    };
    job.finish(
        Phase::Compile,
        format!("compiled {}{warnings}", request.package.bin),
    );
}

/// The program that runs cargo: the one that runs us, if there is one.
pub(crate) fn cargo_program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn command(request: &CompileRequest) -> Result<Command, CompileError> {
    let package = &request.package;
    let mut command = Command::new(cargo_program());
    command
        .current_dir(&package.root)
        .args(["rustc", "--release", "--message-format=json"])
        .arg("--target-dir")
        .arg(&request.target_dir)
        .args(["--package", &package.id, "--bin", &package.bin])
        .args(["--config", "profile.release.strip=\"symbols\""])
        .env("CARGO_TERM_COLOR", "never")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if !request.features.is_empty() {
        command.arg("--features").arg(request.features.join(","));
    }
    if let Some(triple) = &request.triple {
        command.args(["--target", triple]);
    }
    if let Some(compiler) = &request.compiler {
        command.env("RUSTC", compiler);
    }
    if request.placement.is_some() {
        // Which functions share an object file must not depend on how many there are.
        command.args(["--config", "profile.release.codegen-units=1"]);
    }
    flags::apply(&mut command, request).map_err(CompileError::Io)?;
    // Behind the dashes stands what goes to the compiler, for the binary only.
    command.arg("--").args(flags::own(request));
    if request.triple.as_deref() == Some(bytecode::TARGET) {
        command.args(bytecode::linker_flags());
    }
    #[cfg(unix)]
    command.process_group(0);
    Ok(command)
}

/// Reads cargo's messages until it ends.
async fn follow(
    child: &mut Child,
    request: &CompileRequest,
    job: &Job,
) -> Result<Compiled, CompileError> {
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(CompileError::Io(std::io::ErrorKind::BrokenPipe.into()));
    };
    let mut messages = BufReader::new(stdout).lines();
    let mut notes = BufReader::new(stderr).lines();
    let mut build = Build::new(request);
    let (mut messages_open, mut notes_open) = (true, true);
    while messages_open || notes_open {
        tokio::select! {
            line = messages.next_line(), if messages_open => {
                match line.map_err(CompileError::Io)? {
                    Some(line) => build.message(&line, job),
                    None => messages_open = false,
                }
            }
            line = notes.next_line(), if notes_open => {
                match line.map_err(CompileError::Io)? {
                    Some(line) => build.note(line, job),
                    None => notes_open = false,
                }
            }
        }
    }
    let status = child.wait().await.map_err(CompileError::Io)?;
    build.finish(status.success())
}

/// What was learned of a running build.
struct Build<'r> {
    request: &'r CompileRequest,
    names: message::Names<'r>,
    packages_done: BTreeSet<String>,
    executable: Option<PathBuf>,
    fresh: bool,
    warnings: usize,
    errors: usize,
    first_error: Option<String>,
    last_lines: VecDeque<String>,
}

impl<'r> Build<'r> {
    fn new(request: &'r CompileRequest) -> Self {
        Self {
            request,
            names: message::Names {
                workspace_root: &request.package.workspace_root,
                renamed: flags::renamed(&request.package),
            },
            packages_done: BTreeSet::new(),
            executable: None,
            fresh: false,
            warnings: 0,
            errors: 0,
            first_error: None,
            last_lines: VecDeque::new(),
        }
    }

    /// One line of JSON from cargo; others (a build script's print) are passed on as they are.
    fn message(&mut self, line: &str, job: &Job) {
        use cargo_metadata::Message;
        match serde_json::from_str::<Message>(line) {
            Ok(Message::CompilerArtifact(artifact)) => {
                let ours = artifact.target.name == self.request.package.bin
                    && artifact.package_id.repr == self.request.package.id;
                if let Some(executable) = artifact.executable.filter(|_| ours) {
                    self.executable = Some(executable.into());
                    self.fresh = artifact.fresh;
                }
                if self.packages_done.insert(artifact.package_id.repr) {
                    let done = u64::try_from(self.packages_done.len()).unwrap_or(u64::MAX);
                    let total = self.request.package.packages.max(done);
                    job.progress(Phase::Compile, done, Some(total));
                }
            }
            Ok(Message::CompilerMessage(message)) => {
                if let Some(found) = message::read(&message, &self.names) {
                    self.diagnostic(found, job);
                }
            }
            Ok(Message::TextLine(text)) => job.tell(JobEvent::Line(text)),
            // Results of build scripts and the final summary say nothing that we need.
            Ok(_) => {}
            Err(_) => job.tell(JobEvent::Line(line.to_owned())),
        }
    }

    fn diagnostic(&mut self, found: Diagnostic, job: &Job) {
        match found.level {
            Level::Error => {
                self.errors += 1;
                self.first_error.get_or_insert_with(|| summary_of(&found));
            }
            Level::Warning => self.warnings += 1,
        }
        job.tell(JobEvent::Diagnostic(found));
    }

    fn note(&mut self, line: String, job: &Job) {
        if self.last_lines.len() == LAST_LINES_MAX {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(line.clone());
        job.tell(JobEvent::Line(line));
    }

    fn finish(self, success: bool) -> Result<Compiled, CompileError> {
        if let (true, Some(executable)) = (success, self.executable) {
            return Ok(Compiled {
                executable,
                warnings: self.warnings,
                fresh: self.fresh,
            });
        }
        let summary = self.first_error.or_else(|| {
            let error = self
                .last_lines
                .iter()
                .find(|line| line.starts_with("error"));
            error.or(self.last_lines.back()).cloned()
        });
        Err(CompileError::Failed {
            summary: summary.unwrap_or_else(|| "cargo failed without a word".to_owned()),
            errors: self.errors,
        })
    }
}

/// A failed build in one line. Of a linker's pages, what does not fit is what counts.
fn summary_of(found: &Diagnostic) -> String {
    let text = found.rendered.as_deref().unwrap_or_default();
    match overflows(text).first() {
        Some(overflow) if found.file.is_none() => format!(
            "the firmware does not fit: {} bytes too many for {}",
            overflow.bytes, overflow.region
        ),
        Some(_) | None => found.place_and_message(),
    }
}

/// The processes that a child started, ended together. Ends them when dropped while armed, so
/// that a dropped build leaves nothing running.
struct ProcessGroup {
    id: Option<u32>,
}

impl ProcessGroup {
    fn of(child: &Child) -> Self {
        Self { id: child.id() }
    }

    /// Gives way to the editor: a build may take a little longer, a keystroke may not. What the group
    /// starts later inherits it.
    fn step_back(&self) {
        #[cfg(unix)]
        if let Some(group) = self.group() {
            // An error means that it has ended by itself in the meantime.
            rustix::process::setpriority_pgrp(Some(group), NICENESS).unwrap_or_default();
        }
    }

    #[cfg(unix)]
    fn group(&self) -> Option<rustix::process::Pid> {
        let id = i32::try_from(self.id?).ok()?;
        rustix::process::Pid::from_raw(id)
    }

    fn disarm(&mut self) {
        self.id = None;
    }

    fn end(&mut self) {
        #[cfg(unix)]
        if let Some(group) = self.group() {
            // An error means that it has ended by itself in the meantime.
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL)
                .unwrap_or_default();
        }
        self.id = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.end();
    }
}

/// Cargo's target directory from `OTARU_TARGET_DIR`, if many projects are to share one.
pub fn shared_target_dir() -> Option<PathBuf> {
    std::env::var_os("OTARU_TARGET_DIR").map(PathBuf::from)
}

/// Where cargo puts our builds of a project.
pub fn target_dir(root: &Path) -> PathBuf {
    root.join("target").join("otaru")
}
