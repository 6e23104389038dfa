//! A developer's desk: the real command line, with a home of its own, and a project.

use crate::{Console, Lab, otaru};
use otaru_lsp_project::Mode;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The project `name` in a home of its own, logged in to a lab's manager. Its device of the same
/// name is switched off with this value.
#[derive(Debug)]
pub struct Workshop {
    home: PathBuf,
    name: String,
    api_key: String,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// The objects it printed.
    pub objects: Vec<Value>,
    /// What it printed for people.
    pub text: String,
}

impl Ended {
    /// The last object of this type.
    ///
    /// # Panics
    /// If there is none.
    pub fn object(&self, kind: &str) -> &Value {
        let found = self.objects.iter().rfind(|object| object["type"] == kind);
        found.unwrap_or_else(|| panic!("no {kind}: {:#?}\n{}", self.objects, self.text))
    }
}

impl Workshop {
    /// A new project for the host board that installs in this way.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn new(lab: &Lab, name: &str, mode: Mode) -> Self {
        let home = lab.dir.path().join(format!("home-{name}"));
        std::fs::create_dir_all(&home).expect("the folder can be made");
        let shop = Self {
            home,
            name: name.to_owned(),
            api_key: lab.api.key().to_owned(),
        };
        let made = shop.command(&["new", name, "--mode", mode.as_str()], &shop.home);
        assert_eq!(made.code, 0, "{}", made.text);
        shop.edit("Otaru.toml", "http://127.0.0.1:8480", &lab.url());
        // The versions that the checkout has, so that little is compiled.
        let lock = checkout().join("Cargo.lock");
        std::fs::copy(lock, shop.path("Cargo.lock")).expect("the lock file can be copied");
        shop
    }

    /// The name of project, firmware and device.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A path in the project.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.home.join(&self.name).join(inside)
    }

    /// Writes a file of the project.
    ///
    /// # Panics
    /// If that fails.
    pub fn write(&self, inside: &str, content: impl AsRef<[u8]>) {
        let path = self.path(inside);
        let folder = path.parent().expect("it is in the project");
        std::fs::create_dir_all(folder).expect("the folder can be made");
        std::fs::write(path, content).expect("the file can be written");
    }

    /// Replaces a text in a file of the project.
    ///
    /// # Panics
    /// If it is not there.
    pub fn edit(&self, inside: &str, old: &str, new: &str) {
        let text = std::fs::read_to_string(self.path(inside)).expect("the file can be read");
        assert!(text.contains(old), "{old:?} is not in {inside}:\n{text}");
        self.write(inside, text.replace(old, new));
    }

    /// Runs a command of `otaru` in the project.
    ///
    /// # Panics
    /// If it does not start.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments, &self.path(""))
    }

    /// The same; it has to succeed.
    ///
    /// # Panics
    /// If it does not.
    pub fn good(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(
            ended.code, 0,
            "{arguments:?}: {:#?}\n{}",
            ended.objects, ended.text
        );
        ended
    }

    /// What the project's device prints, from the beginning.
    pub fn console(&self) -> Console {
        let devices = self.home.join("data/otaru/devices");
        Console::of(&devices.join(&self.name))
    }

    fn command(&self, arguments: &[&str], folder: &Path) -> Ended {
        let output = Command::new(otaru())
            .arg("--json")
            .args(arguments)
            .current_dir(folder)
            .env("OTARU_API_KEY", &self.api_key)
            .env("OTARU_CONFIG_DIR", self.home.join("config"))
            .env("OTARU_TARGET_DIR", checkout().join("target/otaru-demo"))
            .env("XDG_DATA_HOME", self.home.join("data"))
            .stdin(Stdio::null())
            .output()
            .expect("otaru starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let object = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
        };
        Ended {
            code: output.status.code().unwrap_or(-1),
            objects: text.lines().map(object).collect(),
            text: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // A device that was never started is stopped already.
        drop(self.run(&["device", "stop"]));
    }
}

fn checkout() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("two folders up")
}
