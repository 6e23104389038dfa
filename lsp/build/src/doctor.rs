//! What is missing on this machine or in a project, and how to repair it.

use crate::explain::Explain;
use crate::keys::{self, DeviceKey, KeyTable, ProjectKey};
use crate::manager::ManagerClient;
use crate::project::OpenProject;
use crate::{bytecode, credentials, tools};
use otaru_lsp_project::{BoardTarget, Kind, ManagerUrl};
use std::path::Path;

/// How something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// As it should be; with what was found.
    Good(String),
    /// It works without, or it is none of this folder's business.
    Absent(String),
    /// Something does not work without it.
    Bad {
        /// What is wrong.
        what: String,
        /// What to do; may be empty.
        next: String,
    },
}

impl Health {
    /// The word for it, as `--json` and the editor protocol carry it.
    pub const fn state(&self) -> &'static str {
        match self {
            Self::Good(_) => "good",
            Self::Absent(_) => "absent",
            Self::Bad { .. } => "bad",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name, at most ten letters.
    pub name: &'static str,
    /// How it is.
    pub health: Health,
}

/// Looks at this machine and at the project in `folder`, if there is one. The manager is the one
/// given, else the project's.
pub async fn examine(folder: &Path, manager: Option<&ManagerUrl>) -> Vec<Check> {
    let mut checks = machine().await;
    let mut add = |name, health| checks.push(Check { name, health });
    match OpenProject::open(folder) {
        Ok(project) => {
            let settings = &project.settings;
            let what = format!("{}, board {}", settings.name, settings.board.name);
            add("project", Health::Good(what));
            if let Some(triple) = triple(&project) {
                add("target", target_health(&project, &triple).await);
            }
            add("key", key_health(&project));
            add("encryption", encryption_health(&project));
            let url = manager.or(settings.manager_url.as_ref());
            add("manager", manager_health(url).await);
        }
        Err(error) if error.code() == "no-project" => {
            add("project", Health::Absent("none in this folder".to_owned()));
        }
        Err(error) => add("project", bad(&error)),
    }
    checks
}

/// How many checks need repair.
pub fn repairs(checks: &[Check]) -> usize {
    checks
        .iter()
        .filter(|check| matches!(check.health, Health::Bad { .. }))
        .count()
}

/// What every project needs of the machine.
async fn machine() -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, arguments, next) in [
        ("cargo", "--version", "install Rust: https://rustup.rs"),
        ("rustc", "--version", "install Rust: https://rustup.rs"),
        (
            "cc",
            "--version",
            "install a C compiler: it links programs of this machine",
        ),
    ] {
        let health = match tools::first_line(name, &[arguments]).await {
            Some(line) => Health::Good(line),
            None => Health::Bad {
                what: "cannot be started".to_owned(),
                next: next.to_owned(),
            },
        };
        checks.push(Check { name, health });
    }
    let health = match tools::first_line("git", &["--version"]).await {
        Some(line) => Health::Good(line),
        None => Health::Absent("not there; images will not name their commit".to_owned()),
    };
    checks.push(Check {
        name: "git",
        health,
    });
    checks
}

/// What the project is compiled for, if it is not this machine.
fn triple(project: &OpenProject) -> Option<String> {
    match (project.settings.kind, &project.settings.board.target) {
        (Kind::Bytecode, _) => Some(bytecode::TARGET.to_owned()),
        (Kind::Firmware, BoardTarget::Triple(triple)) => Some(triple.clone()),
        (Kind::Firmware, BoardTarget::Host) => None,
    }
}

/// Whether the compiler has a core library for the target.
async fn target_health(project: &OpenProject, triple: &str) -> Health {
    let arguments = ["--print", "target-libdir", "--target", triple];
    let folder = tools::first_line_in(&project.root, "rustc", &arguments).await;
    match folder {
        Some(folder) if Path::new(&folder).is_dir() => Health::Good(triple.to_owned()),
        Some(_) | None => Health::Bad {
            what: format!("the compiler has no library for {triple}"),
            next: format!("rustup target add {triple}"),
        },
    }
}

fn bad(error: &impl Explain) -> Health {
    Health::Bad {
        what: error.to_string(),
        next: error.hint().unwrap_or_default(),
    }
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

async fn manager_health(url: Option<&ManagerUrl>) -> Health {
    let Some(url) = url else {
        return Health::Absent("none named in Otaru.toml".to_owned());
    };
    let key = match credentials::api_key(url) {
        Ok(key) => key,
        Err(error) => return bad(&error),
    };
    let client = match ManagerClient::new(url.clone(), key.as_deref()) {
        Ok(client) => client,
        Err(error) => return bad(&error),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_bad_needs_repair() {
        let check = |health| Check {
            name: "key",
            health,
        };
        let bad = Health::Bad {
            what: "gone".to_owned(),
            next: String::new(),
        };
        let checks = [
            check(Health::Good("here".to_owned())),
            check(Health::Absent("none".to_owned())),
            check(bad),
        ];
        assert_eq!(repairs(&checks), 1);
        assert_eq!(
            checks.map(|check| check.health.state()),
            ["good", "absent", "bad"]
        );
    }
}
