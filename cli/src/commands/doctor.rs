//! `doctor`: what is missing on this machine or in this project, and how to repair it.

use crate::failure::{Exit, Failure};
use crate::output::Tone;
use crate::session::Session;
use otaru_lsp_build::Explain as _;
use otaru_lsp_build::emulator;
use otaru_lsp_build::keys::{self, DeviceKey, KeyTable, ProjectKey};
use otaru_lsp_build::project::OpenProject;
use otaru_lsp_build::tools;
use otaru_lsp_project::{BoardTarget, Kind};
use serde_json::json;

/// How something is.
enum Health {
    Good(String),
    /// It works without, or it is none of this folder's business.
    Absent(String),
    Bad {
        what: String,
        next: String,
    },
}

/// `otaru doctor`
pub(crate) async fn run(session: Session<'_>) -> Result<(), Failure> {
    let folder = session.folder();
    let mut findings: Vec<(&str, Health)> = Vec::new();
    for (name, arguments, next) in [
        ("cargo", "--version", "install Rust: https://rustup.rs"),
        ("rustc", "--version", "install Rust: https://rustup.rs"),
        (
            "cc",
            "--version",
            "install a C compiler: it links programs of this machine",
        ),
    ] {
        findings.push((
            name,
            match tools::first_line(name, arguments).await {
                Some(line) => Health::Good(line),
                None => Health::Bad {
                    what: "cannot be started".to_owned(),
                    next: next.to_owned(),
                },
            },
        ));
    }
    findings.push((
        "git",
        match tools::first_line("git", "--version").await {
            Some(line) => Health::Good(line),
            None => Health::Absent("not there; images will not name their commit".to_owned()),
        },
    ));
    match OpenProject::open(&folder) {
        Ok(project) => {
            let settings = &project.settings;
            let what = format!("{}, board {}", settings.name, settings.board.name);
            findings.push(("project", Health::Good(what)));
            findings.extend(board_health(&project).await);
            findings.push(("key", key_health(&project)));
            findings.push(("encryption", encryption_health(&project)));
            findings.push(("manager", manager_health(session, &project).await));
        }
        Err(error) if error.code() == "no-project" => {
            findings.push(("project", Health::Absent("none in this folder".to_owned())));
        }
        Err(error) => findings.push(("project", bad(&error))),
    }
    show(session, &findings)
}

fn bad(error: &impl otaru_lsp_build::Explain) -> Health {
    Health::Bad {
        what: error.to_string(),
        next: error.hint().unwrap_or_default(),
    }
}

/// What the project's board needs of this machine.
async fn board_health(project: &OpenProject) -> Vec<(&'static str, Health)> {
    let settings = &project.settings;
    let mut findings = Vec::new();
    if let (Kind::Firmware, BoardTarget::Triple(triple)) = (settings.kind, &settings.board.target) {
        let health = if tools::builds_for(triple).await {
            Health::Good(format!("builds for {triple}"))
        } else {
            Health::Bad {
                what: format!("cannot build for {triple}"),
                next: format!(
                    "rustup target add {triple}, or name a compiler: OTARU_BARE_METAL_RUSTC"
                ),
            }
        };
        findings.push(("compiler", health));
    }
    if emulator::is_emulated(settings.board) {
        let health = match emulator::qemu() {
            Ok(program) => match tools::first_line(&program, "--version").await {
                Some(line) => Health::Good(line),
                None => Health::Bad {
                    what: format!("{} cannot be started", program.display()),
                    next: format!("correct {}", emulator::QEMU_VARIABLE),
                },
            },
            Err(error) => bad(&error),
        };
        findings.push(("emulator", health));
    }
    findings
}

fn key_health(project: &OpenProject) -> Health {
    let path = project.key_path();
    match ProjectKey::load(&path) {
        Ok(_) if keys::world_readable(&path) => Health::Bad {
            what: "others on this machine can read it".to_owned(),
            next: format!("chmod 600 {}", path.display()),
        },
        Ok(key) => {
            let (public, development) = (key.signing.public(), key.development);
            if let Err(error) = KeyTable::of(project, public, development) {
                return bad(&error);
            }
            let kind = if key.development {
                ", for development"
            } else {
                ""
            };
            Health::Good(format!("{}{kind}", key.short()))
        }
        Err(error) => bad(&error),
    }
}

fn encryption_health(project: &OpenProject) -> Health {
    let Some(settings) = &project.settings.encryption else {
        return Health::Absent("none: images are sent in plain text, signed".to_owned());
    };
    let path = project.root.join(&settings.key);
    match DeviceKey::load(&path) {
        Ok(key) if key.private.is_some() && keys::world_readable(&path) => Health::Bad {
            what: "others on this machine can read its key".to_owned(),
            next: format!("chmod 600 {}", path.display()),
        },
        Ok(key) => {
            let half = match key.private {
                Some(_) => "",
                None => ", public half only",
            };
            Health::Good(format!("for the key {}{half}", key.short()))
        }
        Err(error) => bad(&error),
    }
}

async fn manager_health(session: Session<'_>, project: &OpenProject) -> Health {
    let client = match session.client(Some(project)) {
        Ok(client) => client,
        Err(failure) if failure.code == "manager-missing" => {
            return Health::Absent("none named in Otaru.toml".to_owned());
        }
        Err(failure) => {
            return Health::Bad {
                what: failure.message,
                next: failure.hint.unwrap_or_default(),
            };
        }
    };
    match client.workspace().await {
        Ok(workspace) => Health::Good(format!(
            "{}, workspace {}, version {}",
            client.url(),
            workspace.name,
            workspace.manager_version
        )),
        Err(error) => bad(&error),
    }
}

fn show(session: Session<'_>, findings: &[(&str, Health)]) -> Result<(), Failure> {
    let output = session.output;
    let mut repairs = 0;
    for (name, health) in findings {
        let (mark, state, text, next) = match health {
            Health::Good(text) => (output.paint(Tone::Good, "✓"), "good", text, None),
            Health::Absent(text) => (output.paint(Tone::Quiet, "–"), "absent", text, None),
            Health::Bad { what, next } => {
                repairs += 1;
                (
                    output.paint(Tone::Bad, "✗"),
                    "bad",
                    what,
                    Some(next).filter(|n| !n.is_empty()),
                )
            }
        };
        output.object(
            "check",
            json!({ "name": name, "state": state, "text": text, "next": next }),
        );
        output.text(&format!("{mark} {name:<10} {text}"));
        if let Some(next) = next {
            output.text(&format!("  {:<10} next: {next}", ""));
        }
    }
    match repairs {
        0 => Ok(()),
        1 => Err(Failure::new(
            Exit::Failed,
            "repairs",
            "one thing needs repair",
        )),
        count => Err(Failure::new(
            Exit::Failed,
            "repairs",
            format!("{count} things need repair"),
        )),
    }
}
