//! Child processes: shown before they start, without standard input, and with an error that says
//! what was run, where, and how it ended.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{report, workspace};

const LOG_LINES_SHOWN: usize = 30;

/// A program with its arguments, environment and folder.
pub(crate) struct Program {
    name: OsString,
    args: Vec<OsString>,
    envs: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
}

impl Program {
    /// The program, looked up on the search path unless it is a path.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let name = program.as_ref().to_owned();
        Self {
            name,
            args: Vec::new(),
            envs: Vec::new(),
            folder: None,
        }
    }

    /// The cargo that started us, or the one on the search path.
    pub(crate) fn cargo() -> Self {
        Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    /// One more argument.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// One more environment variable.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.envs
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The folder it runs in.
    pub(crate) fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Runs it with our output.
    ///
    /// # Errors
    /// If it cannot be started or does not succeed.
    pub(crate) fn run(&self) -> Result<()> {
        report::line(&format!("    $ {}", self.shown()));
        self.run_unannounced()
    }

    /// Runs it with our output, but without showing the command first.
    ///
    /// # Errors
    /// If it cannot be started or does not succeed.
    pub(crate) fn run_unannounced(&self) -> Result<()> {
        let status = self
            .command()
            .status()
            .with_context(|| self.not_started())?;
        if status.success() {
            Ok(())
        } else {
            bail!("`{}` ended with {status}", self.shown())
        }
    }

    /// Runs it with its output in the file `log`, of which the end is shown if it fails.
    ///
    /// # Errors
    /// If it cannot be started or does not succeed, or the log cannot be written.
    pub(crate) fn run_logged(&self, log: &Path) -> Result<()> {
        report::line(&format!("    $ {}", self.shown()));
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let copy = file.try_clone().context("cannot share the log file")?;
        let mut command = self.command();
        command.stdout(file).stderr(copy);
        let status = command.status().with_context(|| self.not_started())?;
        if status.success() {
            return Ok(());
        }
        let bytes = std::fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let shown = lines.len().saturating_sub(LOG_LINES_SHOWN);
        for line in lines.iter().skip(shown) {
            report::line(&format!("    | {line}"));
        }
        bail!(
            "`{}` ended with {status}; all of its output: {}",
            self.shown(),
            log.display()
        )
    }

    /// Runs it silently and returns what it printed.
    ///
    /// # Errors
    /// If it cannot be started or does not succeed; the error holds what it wrote to its error
    /// stream.
    pub(crate) fn output(&self) -> Result<String> {
        let output = self
            .command()
            .output()
            .with_context(|| self.not_started())?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            bail!(
                "`{}` ended with {}: {}",
                self.shown(),
                output.status,
                stderr.trim()
            );
        }
        String::from_utf8(output.stdout)
            .with_context(|| format!("`{}` printed no text", self.shown()))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.name);
        command.args(&self.args).stdin(Stdio::null());
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        // `cargo run` describes xtask itself in these variables; a build below it must not see them.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if [
                "CARGO_PKG_",
                "CARGO_MANIFEST_",
                "CARGO_BIN_",
                "CARGO_CRATE_",
            ]
            .iter()
            .any(|prefix| text.starts_with(prefix))
            {
                command.env_remove(&name);
            }
        }
        command.envs(self.envs.iter().map(|(name, value)| (name, value)));
        command
    }

    fn not_started(&self) -> String {
        format!(
            "cannot start `{}`; is it installed and on the search path?",
            self.shown()
        )
    }

    fn shown(&self) -> String {
        let path = Path::new(&self.name);
        let name = path.file_name().unwrap_or(&self.name).to_string_lossy();
        let args = self.args.iter().map(|arg| arg.to_string_lossy());
        let line = std::iter::once(name)
            .chain(args)
            .collect::<Vec<_>>()
            .join(" ");
        // Short enough to read, and the same on every machine.
        let root = workspace::root().to_string_lossy().into_owned();
        let line = line.replace(&format!("{root}/"), "");
        match std::env::var("HOME").ok().filter(|home| home.len() > 1) {
            Some(home) => line.replace(&home, "~"),
            None => line,
        }
    }
}

/// Where a program stands on the search path.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&path)
        .map(|folder| folder.join(&file))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named() {
        let error = Program::new("otaru-no-such-program")
            .arg("x")
            .run()
            .expect_err("missing");
        assert!(
            error.to_string().contains("otaru-no-such-program x"),
            "{error}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_failing_program_fails_with_its_status_and_error_text() {
        let program = Program::new("sh").args(["-c", "echo broken >&2; exit 3"]);
        let error = program.output().expect_err("it fails").to_string();
        assert!(
            error.contains("exit status: 3") && error.contains("broken"),
            "{error}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_logged_program_leaves_its_output_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        Program::new("sh")
            .args(["-c", "echo out; echo err >&2"])
            .run_logged(&log)
            .unwrap();
        let text = std::fs::read_to_string(&log).unwrap();
        assert!(text.contains("out") && text.contains("err"), "{text}");
    }
}
