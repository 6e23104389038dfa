//! What the language server is busy with while it is measured: projects that really build, and a
//! device that prints.

use super::TempFolder;
use super::lsp_client::Client;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Projects: one whose device prints, eight that ask, one that is flashed, three that build.
const PROJECTS: usize = 13;
/// A firmware that prints 10,000 lines a second, until its watchdog resets it, and then again.
const PRINTING: &str = "use std::io::Write as _;\nfn main() {\n    let out = std::io::stdout();\n    for n in 0_u64.. {\n        let mut out = out.lock();\n        for line in 0..100 { let _ = writeln!(out, \"line {n} {line} of a device that has much to say\"); }\n        let _ = out.flush();\n        std::thread::sleep(std::time::Duration::from_millis(10));\n    }\n}\n";

/// Projects in one folder.
pub(super) struct World {
    root: TempFolder,
    server: PathBuf,
    otaru: PathBuf,
}

impl World {
    pub(super) fn new(server: &Path, otaru: &Path) -> Result<Self> {
        let world = Self {
            root: TempFolder::create("world")?,
            server: server.to_owned(),
            otaru: otaru.to_owned(),
        };
        for number in 0..PROJECTS {
            world.project(number)?;
        }
        Ok(world)
    }

    fn project(&self, number: usize) -> Result<()> {
        let folder = self.folder(number);
        let name = format!("p{number}");
        self.run(self.root.path(), &["new", &name])?;
        let cargo = format!(
            "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[workspace]\n"
        );
        std::fs::write(folder.join("Cargo.toml"), cargo)?;
        let main = if number == 0 {
            PRINTING.to_owned()
        } else {
            let mut main = String::from("fn main() { println!(\"light\"); }\n");
            // Enough that the compiler is busy for some seconds.
            for function in 0..3_000 {
                let body = "let mut w = v.to_vec(); w.sort(); format!(\"{w:?}\")";
                let line = format!("pub fn f{function}(v: &[u64]) -> String {{ {body} }}\n");
                main.push_str(&line);
            }
            main.replace(
                "println!(\"light\")",
                "println!(\"{}\", f0(&[1]).len() + f2999(&[2]).len())",
            )
        };
        std::fs::write(folder.join("src/main.rs"), main)?;
        Ok(())
    }

    /// The folder of a project.
    pub(super) fn folder(&self, number: usize) -> PathBuf {
        self.root.path().join(format!("p{number}"))
    }

    fn command(&self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(folder)
            .env("OTARU_CONFIG_DIR", self.root.path().join("config"))
            .env("XDG_DATA_HOME", self.root.path().join("data"))
            .env_remove("OTARU_TARGET_DIR")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, folder: &Path, arguments: &[&str]) -> Result<()> {
        let done = self
            .command(&self.otaru, folder)
            .arg("--yes")
            .args(arguments)
            .output()
            .context("cannot start otaru")?;
        if !done.status.success() {
            let words = String::from_utf8_lossy(&done.stderr);
            bail!("otaru {arguments:?} failed: {words}");
        }
        Ok(())
    }

    /// Starts the device that prints.
    pub(super) fn print_a_lot(&mut self) -> Result<()> {
        self.run(&self.folder(0), &["flash"])
    }

    /// Starts the server on all projects.
    pub(super) fn client(&self) -> Result<Client> {
        let mut command = self.command(&self.server, self.root.path());
        let (mut client, _) = Client::start(&mut command, self.root.path())?;
        while client
            .request("otaru/projects", &serde_json::Value::Null)?
            .as_array()
            .is_none_or(|found| found.len() < PROJECTS)
        {}
        Ok(client)
    }

    /// Switches its devices off.
    pub(super) fn end(self) {
        for number in [0, 9] {
            // One that was never started is off already.
            let _off = self.run(&self.folder(number), &["device", "stop"]).is_err();
        }
    }
}
