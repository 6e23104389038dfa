//! Asks other programs who they are.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// A compiler for bare metal, where the one that cargo takes has no libraries for it: the path in
/// `OTARU_BARE_METAL_RUSTC`.
pub fn bare_metal_compiler() -> Option<PathBuf> {
    std::env::var_os("OTARU_BARE_METAL_RUSTC").map(PathBuf::from)
}

/// Whether the compiler for bare metal, or else the one on the search path, can build for a target.
pub async fn builds_for(triple: &str) -> bool {
    let compiler = bare_metal_compiler().unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler)
        .args(["--print", "target-libdir", "--target", triple])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let Ok(output) = output else { return false };
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let files = std::fs::read_dir(Path::new(&folder));
    files.is_ok_and(|files| {
        files
            .flatten()
            .any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
    })
}

/// The first line that `program argument` prints, if it runs and succeeds.
pub async fn first_line(program: impl AsRef<OsStr>, argument: &str) -> Option<String> {
    let output = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next()?.trim().to_owned();
    output.status.success().then_some(line)
}
