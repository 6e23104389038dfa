//! Where an image came from: the commit of the project, if it is in version control.

use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

/// Where an image came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The commit, if the project is in a git repository that has one.
    pub commit: Option<String>,
    /// Whether files differed from that commit.
    pub dirty: bool,
    /// The compiler, as `rustc --version` says.
    pub rustc: Option<String>,
}

impl Provenance {
    /// Asks git and rustc. Whatever does not answer is left out: it is no reason not to build.
    pub async fn of(root: &Path) -> Self {
        let commit = answer(root, "git", &["rev-parse", "HEAD"]).await;
        let changes = match commit {
            Some(_) => answer(root, "git", &["status", "--porcelain"]).await,
            None => None,
        };
        Self {
            commit,
            dirty: changes.is_some_and(|changes| !changes.is_empty()),
            rustc: answer(root, "rustc", &["--version"]).await,
        }
    }
}

async fn answer(root: &Path, program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}
