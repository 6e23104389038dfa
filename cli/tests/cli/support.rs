//! Runs the program in a home of its own.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// A home folder with nothing in it.
pub(crate) struct Home {
    folder: TempDir,
}

/// Where tests that build a whole firmware share what cargo compiled.
pub(crate) fn shared_target_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("target/otaru-demo")
}

/// How the program ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::Builder::new()
                .prefix("otaru-cli-")
                .tempdir()
                .unwrap(),
        }
    }

    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    pub(crate) fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The program, with this home as everything it knows.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_otaru"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OTARU_") {
                command.env_remove(name);
            }
        }
        command
            .env("OTARU_CONFIG_DIR", self.path("config"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("NO_COLOR", "1");
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.ended(&self.command(arguments).output().unwrap())
    }

    /// What is shown, with this home's folder called `~`.
    pub(crate) fn ended(&self, output: &Output) -> Ended {
        let home = self.folder.path().to_str().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(home, "~");
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// A small project `lamp` without dependencies, for this manager.
    pub(crate) fn project(&self, manager: &str) {
        self.write(
            "lamp/Cargo.toml",
            "[package]\nname = \"lamp\"\nversion = \"1.2.3\"\nedition = \"2024\"\n[workspace]\n",
        );
        self.write("lamp/src/main.rs", "fn main() { println!(\"light\"); }\n");
        self.write(
            "lamp/Otaru.toml",
            &format!(
                "[project]\nname = \"lamp\"\nboard = \"host\"\n[signing]\nkey = \"keys/dev.pem\"\n\
                 [manager]\nurl = \"{manager}\"\n"
            ),
        );
        if !self.path("lamp/keys/dev.pem").exists() {
            let made = self.run(&["-C", "lamp", "keys", "new"]);
            assert_eq!(made.code, 0, "{}", made.err);
        }
    }
}

impl Ended {
    /// The objects of `--json`; every line must be one.
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
            .collect()
    }

    /// The last object of this type.
    pub(crate) fn object(&self, kind: &str) -> Value {
        let found = self
            .objects()
            .into_iter()
            .rfind(|object| object["type"] == kind);
        found.unwrap_or_else(|| panic!("no {kind} in:\n{}\n{}", self.out, self.err))
    }
}

/// A manager that runs until it is dropped.
pub(crate) struct Manager {
    process: Child,
    pub(crate) url: String,
}

impl Manager {
    /// Starts one in the home's folder `manager`, on a free port.
    pub(crate) fn start(home: &Home) -> Self {
        let data = home.path("manager");
        let mut process = home
            .command(&[
                "--json",
                "manager",
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--data",
            ])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let told: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("the manager said {line:?}: {error}"));
        let url = told["url"].as_str().unwrap().to_owned();
        Self { process, url }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.process.kill().unwrap_or_default();
        self.process.wait().map(drop).unwrap_or_default();
    }
}

/// The API key that the home's command line has for a manager.
pub(crate) fn api_key(home: &Home, url: &str) -> String {
    let text = std::fs::read_to_string(home.path("config/credentials.json")).unwrap();
    let stored: Value = serde_json::from_str(&text).unwrap();
    stored["managers"][url].as_str().unwrap().to_owned()
}

/// A connection to a manager that breaks: of the first `cuts` connections that carry a body, each
/// is closed after `after` bytes from the client.
pub(crate) struct Cutter {
    pub(crate) url: String,
    cut: Arc<AtomicUsize>,
}

impl Cutter {
    pub(crate) fn start(manager: &str, cuts: usize, after: usize) -> Self {
        let target = manager.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let cut = Arc::new(AtomicUsize::new(0));
        std::thread::spawn({
            let cut = Arc::clone(&cut);
            move || {
                for client in listener.incoming().flatten() {
                    let server = TcpStream::connect(&target).unwrap();
                    let cut = Arc::clone(&cut);
                    let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                    std::thread::spawn(move || carry(server, client, None));
                    let limit = (cuts, after);
                    std::thread::spawn(move || carry(from, to, Some((limit, &cut))));
                }
            }
        });
        Self { url, cut }
    }

    /// How many connections were cut.
    pub(crate) fn cuts(&self) -> usize {
        self.cut.load(Ordering::SeqCst)
    }
}

/// Copies one direction; ends both when it ends, or when it has carried too much.
fn carry(mut from: TcpStream, mut to: TcpStream, limit: Option<((usize, usize), &AtomicUsize)>) {
    let mut buffer = [0; 16 * 1024];
    let mut carried = 0;
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..len]).is_err() {
            break;
        }
        carried += len;
        if let Some(((cuts, after), cut)) = limit
            && carried > after
            && cut
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| {
                    (n < cuts).then_some(n + 1)
                })
                .is_ok()
        {
            break;
        }
    }
    for stream in [from, to] {
        // Closed by the other side already, which is as good.
        stream
            .shutdown(std::net::Shutdown::Both)
            .unwrap_or_default();
    }
}

/// Whether anybody but the owner can read a file.
pub(crate) fn readable_by_others(path: &Path) -> bool {
    otaru_lsp_build::keys::world_readable(path)
}
